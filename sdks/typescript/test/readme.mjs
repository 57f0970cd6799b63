// Every snippet of the README, one after the other, as its reader would run them: in a process of its own against the real server.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const SECRET = `whsec_${Buffer.from("0123456789abcdef0123456789abcdef").toString("base64")}`;
const BODY = '{"id":"evt_1","type":"webhook.test"}';

/** How many failed: all or none. */
export function readme({ url, apiKey, agentId }) {
  const snippets = [...readFileSync(join(root, "README.md"), "utf8").matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code);
  assert.equal(snippets.length, 3);
  // What stands for the reader's own: the key, the server, the agent, and a web framework's request.
  const own = { apiKey, agentId, rawBody: BODY, headers: signed() };
  const prelude = Object.entries(own).map(([name, value]) => `const ${name} = ${JSON.stringify(value)};\n`);
  const program = [...prelude, ...snippets, "console.log(event.type);\n"].join("")
    .replaceAll('"twig-ai"', JSON.stringify(pathToFileURL(join(root, "dist/esm/index.js")).href))
    .replaceAll("https://twig.example.com", url).replaceAll("whsec_…", SECRET);
  const folder = mkdtempSync(join(tmpdir(), "twig-readme-"));
  try {
    writeFileSync(join(folder, "readme.mjs"), program);
    const printed = execFileSync(process.execPath, [join(folder, "readme.mjs")], { encoding: "utf8", timeout: 60_000 });
    assert.match(printed, /webhook\.test\n$/);
    console.log(`readme: ${snippets.length} snippets passed`);
    return 0;
  } catch (error) {
    console.log(`readme: failed: ${error.stack}`);
    return 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function signed() {
  const timestamp = Math.floor(Date.now() / 1000);
  const signature = createHmac("sha256", Buffer.from(SECRET.slice(6), "base64")).update(`evt_1.${timestamp}.${BODY}`).digest("base64");
  return { "webhook-id": "evt_1", "webhook-timestamp": String(timestamp), "webhook-signature": `v1,${signature}` };
}
