// Faults between the client and the real binary. Invariant of every case: one question is one interaction.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { buildSync } from "esbuild";
import { RateLimitError, APITimeoutError, Twig } from "../dist/esm/index.js";

const MAX_BUNDLE_BYTES = 12_000;
const binary = process.env.TWIG_BIN;
const skip = binary ? false : "TWIG_BIN does not name the twig binary";
const prompt = "When are refunds paid?";
let folder, server, proxy, direct, client, agentId, faults = [], seen = [];

test("the bundle is under 12 kB compressed", () => {
  const { outputFiles } = buildSync({ entryPoints: ["dist/esm/index.js"], bundle: true, minify: true, format: "esm", write: false });
  const size = gzipSync(outputFiles[0].contents).length;
  assert.ok(size < MAX_BUNDLE_BYTES, `${size} bytes`);
});

before(async () => {
  if (skip) return;
  folder = mkdtempSync(join(tmpdir(), "twig-"));
  const run = (...words) => JSON.parse(execFileSync(binary, [...words, "--data-dir", folder, "--json"]));
  run("orgs", "create", "acme", "--plan", "enterprise");
  const apiKey = run("keys", "create", "--org", "acme", "--name", "t", "--scopes", "admin").key;
  server = spawn(binary, ["serve", "--data-dir", folder, "--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "ignore"] });
  const upstream = await new Promise((resolve) => server.stdout.on("data", (text) => resolve(/http:\S+/.exec(text)[0])));
  proxy = createServer((req, res) => {
    seen.push(`${req.method} ${req.url}`);
    const fault = req.url.startsWith("/api/chat") ? faults.shift() ?? {} : {};
    if (fault.hang) return;
    if (fault.status) return void res.writeHead(fault.status, fault.headers).end("{}");
    const up = request(upstream + req.url, { method: req.method, headers: req.headers }, (answer) => {
      if (fault.lose) return void answer.resume().on("end", () => res.destroy());
      res.writeHead(answer.statusCode, answer.headers);
      if (fault.events === undefined) return void answer.pipe(res);
      let text = "";
      answer.on("data", (part) => (text += part)).on("end", () => {
        const kept = text.split("\n\n").slice(0, fault.events).map((one) => one + "\n\n").join("");
        res.write(kept || ":\n", () => setImmediate(() => res.destroy()));
      });
    });
    req.pipe(up);
  });
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  direct = new Twig({ apiKey, baseUrl: upstream });
  client = new Twig({ apiKey, baseUrl: `http://127.0.0.1:${proxy.address().port}`, backoff: 20 });
  const spec = await direct.dataSpecs.create({ name: "p", type: "text", config: { title: "Refunds", content: "Refunds are paid within 30 days." } });
  assert.equal((await direct.dataSpecs.waitForRun(spec.id, (await direct.dataSpecs.process(spec.id)).id)).status, "succeeded");
  agentId = (await direct.agents.create({ name: "a", dataSpecIds: [spec.id] })).id;
});

after(() => {
  proxy?.closeAllConnections();
  proxy?.close();
  server?.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  server?.kill();
});

const total = async () => (await direct.interactions.list({ limit: 1 })).pagination.total;
async function once(given, work) {
  const earlier = await total();
  faults = given;
  await work();
  assert.equal((await total()) - earlier, 1);
}
const create = (options) => client.chat.create({ agentId, prompt }, options);

test("429 is tried again, not before Retry-After", { skip }, () => once([{ status: 429, headers: { "Retry-After": "1" } }], async () => {
  const start = Date.now();
  assert.ok((await create()).answered);
  assert.ok(Date.now() - start >= 1000);
}));
test("500 then success", { skip }, () => once([{ status: 500 }, { status: 503 }], create));
test("an answer that was lost is had without asking twice", { skip }, () => once([{ lose: true }], create));
test("a slow server is given up and asked again", { skip }, () => once([{ hang: true }], () => create({ timeout: 500 })));
test("without retries the typed error is thrown", { skip }, async () => {
  faults = [{ status: 429, headers: { "Retry-After": "7" } }];
  await assert.rejects(create({ maxRetries: 0 }), (error) => error instanceof RateLimitError && error.retryAfter === 7);
  faults = [{ hang: true }];
  await assert.rejects(create({ maxRetries: 0, timeout: 100 }), APITimeoutError);
});
test("an aborted call ends with its reason and is not made again", { skip }, async () => {
  faults = [{ hang: true }];
  seen = [];
  await assert.rejects(create({ signal: AbortSignal.timeout(100) }), { name: "TimeoutError" });
  assert.equal(seen.length, 1);
});
for (const events of [0, 1, 2, 3, 4]) {
  test(`a stream cut after ${events} events goes on by itself`, { skip }, () => once([{ events }], async () => {
    const stream = client.chat.stream({ agentId, prompt });
    const numbers = [];
    for await (const event of stream) numbers.push(event.sequenceNumber);
    assert.deepEqual(numbers, [...numbers.keys()]);
    assert.equal(stream.text, (await stream.final()).response);
  }));
}
