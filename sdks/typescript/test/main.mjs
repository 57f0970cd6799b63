// Tries the built package: its size, its two module forms, its examples, and the suite in every runtime that is there.
//
// TWIG_BIN names the server's binary; TWIG_RUNTIMES a folder into which npm has installed node (18), deno and bun; CHROMIUM the browser.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { buildSync } from "esbuild";
import { chromium } from "playwright-core";
import { examples } from "./examples.mjs";
import { proxy } from "./proxy.mjs";
import { readme } from "./readme.mjs";
import { listen, start } from "./server.mjs";

const MAX_BUNDLE_BYTES = 12_000;
const RUNTIME_TIMEOUT_MS = 180_000;
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const runtimes = process.env.TWIG_RUNTIMES ? join(process.env.TWIG_RUNTIMES, "node_modules", ".bin") : "";
const browser = process.env.CHROMIUM ?? "/usr/bin/chromium";
let failures = 0;

function size() {
  const { outputFiles } = buildSync({ entryPoints: [join(root, "dist/esm/index.js")], bundle: true, minify: true, format: "esm", write: false });
  const bytes = gzipSync(outputFiles[0].contents).length;
  assert.ok(bytes < MAX_BUNDLE_BYTES, `${bytes} bytes`);
  console.log(`bundle: ${bytes} bytes compressed`);
}

/** What npm would publish is what is used, by `import` and by `require`. */
function pack() {
  const [packed] = JSON.parse(execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
  const strange = packed.files.map((file) => file.path).filter((path) => !/^(dist\/(esm|cjs)\/[\w.-]+\.(js|d\.ts|json)|package\.json|README\.md)$/.test(path));
  assert.deepEqual(strange, []);
  const { dependencies } = createRequire(import.meta.url)("../package.json");
  assert.equal(dependencies, undefined);
  const exported = createRequire(join(root, "package.json"))("twig-ai");
  assert.equal(typeof exported.Twig, "function");
  assert.equal(new exported.Twig({ apiKey: "x" }).chat.constructor.name, "Chat");
  console.log(`package: ${packed.files.length} files, ${packed.size} bytes`);
}

function report(runtime) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  return {
    tell(result) {
      counts[result.status] += 1;
      if (result.status !== "passed") console.log(`${runtime}: ${result.status}: ${result.name}: ${result.error}`);
    },
    end(problem) {
      if (problem || counts.failed || !counts.passed) failures += 1;
      console.log(`${runtime}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped${problem ? `; ${problem}` : ""}`);
    },
  };
}

async function inProcess(runtime, command, context) {
  const { tell, end } = report(runtime);
  const child = spawn(command[0], [...command.slice(1), join(root, "test", "run.mjs")], { env: { ...process.env, TWIG_TEST: JSON.stringify(context) }, stdio: ["ignore", "pipe", "pipe"] });
  let errors = "";
  child.stderr.on("data", (text) => (errors += text));
  const timer = setTimeout(() => child.kill("SIGKILL"), RUNTIME_TIMEOUT_MS);
  createInterface({ input: child.stdout }).on("line", (line) => tell(JSON.parse(line)));
  const [code] = await once(child, "close");
  clearTimeout(timer);
  end(code === 0 ? "" : `ended with ${code}: ${errors.slice(-2000)}`);
}

async function inBrowser(context) {
  const { tell, end } = report("chromium");
  const profile = mkdtempSync(join(tmpdir(), "twig-chromium-"));
  const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
  const opened = await chromium.launchPersistentContext(profile, { executablePath: browser, args });
  try {
    const page = await opened.newPage();
    await page.addInitScript((context) => (window.context = context), context);
    const done = new Promise((resolve, reject) => {
      page.on("pageerror", reject);
      page.on("console", (message) => (message.text() === "done" ? resolve() : message.text().startsWith("{") && tell(JSON.parse(message.text()))));
      setTimeout(() => reject(new Error("took too long")), RUNTIME_TIMEOUT_MS).unref();
    });
    await page.goto(`${context.url}/__/test/page.html`);
    await done;
    end("");
  } catch (error) {
    end(String(error));
  } finally {
    await opened.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

size();
pack();
if (!process.env.TWIG_BIN) {
  console.log("SKIPPED the suite: TWIG_BIN does not name the twig binary");
  process.exit(0);
}
const server = await start(process.env.TWIG_BIN);
const between = proxy(server.url, root);
const { stop, ...context } = { ...server, url: await listen(between) };
try {
  const others = [["node 18", ["node"]], ["deno", ["deno", "run", "--allow-all", "--no-config", "--quiet"]], ["bun", ["bun"]]];
  await inProcess(`node ${process.versions.node}`, [process.execPath], context);
  for (const [name, [program, ...words]] of others) {
    const installed = runtimes && join(runtimes, program);
    if (installed && existsSync(installed)) await inProcess(name, [installed, ...words], context);
    else console.log(`SKIPPED ${name}: it is not installed`);
  }
  if (existsSync(browser)) await inBrowser(context);
  else console.log(`SKIPPED chromium: there is no ${browser} (Debian's package chromium)`);
  failures += await examples(server);
  failures += readme(server);
} finally {
  between.closeAllConnections();
  between.close();
  await stop();
}
process.exit(failures ? 1 : 0);
