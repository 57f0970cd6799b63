// Every page in light and dark, wide and narrow: nothing that axe-core finds, nothing on the console, no request to another host, no sideways scrolling.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Server, launch, open, receiver, signIn } from "./harness.mjs";
import { pagesOf, settled, things } from "./pages.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const MAX_FIRST_LOAD_BYTES = 250_000;
const MAX_LAYOUT_MS = 2_000;
const WIDTHS = [360, 390, 768, 1280, 2560, 3840];
const pictures = process.env.TWIG_SCREENSHOTS;
let server, browser, hook, all;

before(async () => {
  [server, browser, hook] = [await Server.start(), await launch(), await receiver()];
  all = pagesOf(await things(server, hook));
  if (pictures) mkdirSync(pictures, { recursive: true });
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await hook?.stop();
});

async function violations(page) {
  if (!(await page.evaluate("!!globalThis.axe"))) await page.evaluate(AXE);
  const { violations } = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })");
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target} ${node.any[0]?.message ?? node.failureSummary}`).join(" | ")}`);
}

for (const [width, height] of [
  [1280, 900],
  [390, 844],
]) {
  for (const dark of [false, true]) {
    const look = `${width}-${dark ? "dark" : "light"}`;
    test(`every page is clean at ${look}`, async () => {
      const page = await open(browser, server, { width, height, dark });
      const found = {};
      const check = async (name) => {
        if (pictures) await page.screenshot({ path: join(pictures, `${name}-${look}.png`), fullPage: true });
        const bad = await violations(page);
        if (bad.length) found[name] = bad;
      };
      await page.goto(`${server.url}/console`);
      await page.getByLabel("API key").waitFor();
      await check("sign-in");
      await signIn(page, server);
      for (const [name, path] of Object.entries(all)) {
        await page.goto(`${server.url}/console${path}`);
        await settled(page);
        await opened(page, name);
        await check(name);
      }
      assert.deepEqual(found, {});
      assert.deepEqual(page.wrong, []);
      await page.context().close();
    });
  }
}

/** Brings out what shows only once something is done. */
async function opened(page, name) {
  if (name === "interaction") {
    await page.getByRole("button", { name: "Source 1", exact: true }).first().click();
    await page.locator("mark").first().waitFor();
  } else if (name === "playground") {
    await page.getByLabel("Question", { exact: true }).fill("When are refunds paid?");
    await page.keyboard.press("Enter");
    await page.getByText("How it was found").click();
    await page.getByText("The indexes were searched").waitFor();
  } else if (name === "agent-versions") {
    await page.getByRole("button", { name: "Restore version 1" }).click();
    await page.locator("dialog .diff").waitFor();
  }
}

test("an organization with nothing yet is told what to do first", async () => {
  const { id } = server.cli("orgs", "create", "Newcomers", "--plan", "free");
  const { key } = server.cli("keys", "create", "--org", id, "--name", "first", "--scopes", "admin");
  const page = await open(browser, server);
  await signIn(page, server, key);
  const first = {
    dashboard: "No interaction in this range",
    interactions: "No interaction fits",
    playground: "There is no active agent yet",
    agents: "No agent yet",
    data: "No data source yet",
    webhooks: "No endpoint yet",
  };
  for (const [name, text] of Object.entries(first)) {
    await page
      .getByRole("navigation", { name: "Pages" })
      .getByRole("link", { name: new RegExp(`^${name}$`, "i") })
      .click();
    await page.getByText(text).first().waitFor();
    if (pictures) await page.screenshot({ path: join(pictures, `empty-${name}.png`), fullPage: true });
    assert.deepEqual(await violations(page), []);
  }
  assert.deepEqual(page.wrong, []);
  await page.context().close();
});

test("no page scrolls sideways from 360 pixels to 4K", async () => {
  const page = await open(browser, server);
  await signIn(page, server);
  const wide = [];
  for (const [name, path] of Object.entries(all)) {
    await page.goto(`${server.url}/console${path}`);
    await settled(page);
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: Math.round(width * 0.6) + 300 });
      // A page that is being laid out anew is given its time.
      const fits = page.waitForFunction(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth, undefined, {
        timeout: MAX_LAYOUT_MS,
      });
      await fits.catch(() => wide.push(`${name} at ${width}`));
    }
  }
  assert.deepEqual(wide, []);
  await page.context().close();
});

test("the first load is under 250 kB compressed", async () => {
  const page = await open(browser, server);
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  let bytes = 0;
  session.on("Network.loadingFinished", (event) => (bytes += event.encodedDataLength));
  await page.goto(`${server.url}/console`, { waitUntil: "networkidle" });
  assert.ok(bytes > 10_000 && bytes < MAX_FIRST_LOAD_BYTES, `${bytes} bytes`);
  console.log(`# first load: ${bytes} bytes`);
  await page.context().close();
});

test("the server sends the strict policy, keeps hashed files for ever and asks for the page anew", async () => {
  const page = await fetch(`${server.url}/console/agents`);
  const text = await page.text();
  assert.match(page.headers.get("content-security-policy"), /^default-src 'none'; script-src 'self'; style-src 'self';/);
  assert.equal(page.headers.get("cache-control"), "no-cache");
  const script = /src="(\/console\/assets\/[^"]+\.js)"/.exec(text)[1];
  const file = await fetch(server.url + script);
  assert.match(file.headers.get("cache-control"), /immutable/);
  assert.equal(file.headers.get("content-encoding"), "gzip");
  assert.equal((await fetch(`${server.url}/console`, { headers: { "if-none-match": page.headers.get("etag") } })).status, 304);
});
