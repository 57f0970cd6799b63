// Each example as its reader runs it: a process of its own against the real server.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Twig } from "../dist/esm/index.js";

const FOLDER = join(dirname(dirname(fileURLToPath(import.meta.url))), "examples");
const TIMEOUT_MS = 60_000;

/** Runs them all; how many failed. */
export async function examples(server) {
  let failures = 0;
  for (const [name, check] of Object.entries(CASES)) {
    const scratch = mkdtempSync(join(tmpdir(), "twig-example-"));
    try {
      await check({ ...server, scratch, twig: new Twig({ apiKey: server.apiKey, baseUrl: server.url }) });
      console.log(`example ${name}: passed`);
    } catch (error) {
      failures += 1;
      console.log(`example ${name}: failed: ${error.stack}`);
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }
  return failures;
}

function begin(server, name, words = [], more = {}) {
  const environment = { ...process.env, TWIG_API_KEY: server.apiKey, TWIG_BASE_URL: server.url, ...more };
  return spawn(process.execPath, [join(FOLDER, name), ...words], { env: environment, timeout: TIMEOUT_MS });
}

/** What it printed until it ended well. */
async function printed(child, input = "") {
  let [text, errors] = ["", ""];
  child.stdout.on("data", (part) => (text += part));
  child.stderr.on("data", (part) => (errors += part));
  child.stdin.end(input);
  const [code] = await once(child, "close");
  assert.equal(code, 0, errors);
  return text;
}

const CASES = {
  async "support bot"(server) {
    const text = await printed(begin(server, "support-bot.mjs", [], { TWIG_AGENT_ID: server.agentId }), "When are refunds paid?\n\nAnd gifts?\n");
    assert.match(text, /30 days/);
    assert.match(text, /\[1\] /);
    const [newest] = (await server.twig.interactions.list({ limit: 1 })).data;
    assert.equal((await server.twig.sessions.get(newest.sessionId)).turns.length, 2);
  },
  async "bulk upload"(server) {
    for (let n = 0; n < 25; n += 1) writeFileSync(join(server.scratch, `${n}.md`), `# Note ${n}\n\nThe number of this note is ${n}.`);
    const text = await printed(begin(server, "bulk-upload.mjs", [server.scratch]));
    assert.equal(text.match(/^uploaded /gm).length, 25);
    assert.match(text, /succeeded: 25 of 25 documents/);
  },
  async "nightly export"(server) {
    const asked = await server.twig.chat.create({ prompt: "When are refunds paid?", agentId: server.agentId });
    const day = asked.createdAt.slice(0, 10);
    await printed(begin(server, "nightly-export.mjs", [server.scratch, day]));
    const lines = readFileSync(join(server.scratch, `interactions-${day}.ndjson`), "utf8").trim().split("\n").map((line) => JSON.parse(line));
    assert.ok(lines.some((line) => line.id === asked.id));
    assert.equal(readdirSync(server.scratch).length, 1);
  },
  /** A real webhook of the real server, and one that nobody signed. */
  async "webhook receiver"(server) {
    const port = 20_000 + Math.floor(Math.random() * 20_000);
    const hook = await server.twig.webhooks.create({ url: `http://127.0.0.1:${port}/hook`, events: ["webhook.test"] });
    const child = begin(server, "webhook-receiver.mjs", [String(port)], { TWIG_WEBHOOK_SECRET: hook.secret });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    try {
      assert.match((await lines.next()).value, /receiving/);
      const sent = await server.twig.webhooks.test(hook.id);
      assert.match((await lines.next()).value, /^webhook\.test evt_/);
      assert.equal((await fetch(hook.url, { method: "POST", body: "{}" })).status, 400);
      assert.match((await lines.next()).value, /^refused/);
      // Sent again, it is answered well and not done a second time.
      await server.twig.webhooks.retryDelivery(sent.id);
      for (let n = 0; (await server.twig.webhooks.getDelivery(sent.id)).attempts.length < 2; n += 1) assert.ok(n < 500);
      assert.equal((await fetch(hook.url, { method: "POST", body: "{}" })).status, 400);
      assert.match((await lines.next()).value, /^refused/);
    } finally {
      child.kill();
      await server.twig.webhooks.delete(hook.id);
    }
  },
};
