// The real binary on a folder of its own, with an agent that quotes and one whose model answers word by word.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Twig } from "../dist/esm/index.js";

const WORDS = ["Refunds ", "are ", "paid ", "within ", "30 ", "days ", "[1]."];
const POLICY = "# Refunds\n\nRefunds are paid within 30 days of purchase. Gifts can be exchanged within 60 days.";

/** Where a server listens on a free port. */
export async function listen(server) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${server.address().port}`;
}

/** The one double: a language model by OpenAI's protocol. */
function model() {
  return createServer((request, response) => {
    let text = "";
    request.on("data", (part) => (text += part)).on("end", () => {
      const head = { id: "x", created: 1, model: "double" };
      if (!JSON.parse(text).stream) {
        const choices = [{ index: 0, message: { role: "assistant", content: WORDS.join("") }, finish_reason: "stop" }];
        return void response.end(JSON.stringify({ ...head, object: "chat.completion", choices, usage: { prompt_tokens: 1, completion_tokens: 7, total_tokens: 8 } }));
      }
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      for (const content of [...WORDS, null]) {
        const choices = [{ index: 0, delta: content === null ? {} : { content }, finish_reason: content === null ? "stop" : null }];
        response.write(`data: ${JSON.stringify({ ...head, object: "chat.completion.chunk", choices })}\n\n`);
      }
      response.end("data: [DONE]\n\n");
    });
  });
}

export async function start(binary) {
  const folder = mkdtempSync(join(tmpdir(), "twig-"));
  const command = (...words) => JSON.parse(execFileSync(binary, [...words, "--data-dir", folder, "--json"], { stdio: ["ignore", "pipe", "ignore"] }));
  command("orgs", "create", "acme", "--plan", "enterprise", "--per-minute", "100000");
  const apiKey = command("keys", "create", "--org", "acme", "--name", "tests", "--scopes", "admin").key;
  const double = model();
  const environment = {
    ...process.env, TWIG_MODEL_BASE_URL: `${await listen(double)}/v1`, TWIG_MODEL_API_KEY: "none", TWIG_WEBHOOK_ALLOW_HTTP: "true",
    TWIG_WEBHOOK_ALLOW_NETWORKS: "127.0.0.0/8", TWIG_CRAWL_ALLOW_NETWORKS: "127.0.0.0/8", TWIG_EMBEDDINGS: "static",
  };
  const server = spawn(binary, ["serve", "--data-dir", folder, "--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "ignore"], env: environment });
  const url = await new Promise((resolve, reject) => {
    server.stdout.on("data", (text) => resolve(/http:\S+/.exec(text)[0]));
    server.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
  });
  const twig = new Twig({ apiKey, baseUrl: url });
  const spec = await twig.dataSpecs.create({ name: "policy", type: "text", config: { title: "Policy", content: POLICY } });
  const run = await twig.dataSpecs.waitForRun(spec.id, (await twig.dataSpecs.process(spec.id)).id);
  if (run.status !== "succeeded") throw new Error(JSON.stringify(run));
  const agent = async (name, model) => (await twig.agents.create({ name, model, dataSpecIds: [spec.id] })).id;
  const [agentId, wordsId] = [await agent("support", "extractive"), await agent("words", "double")];
  const paths = Object.keys((await (await fetch(`${url}/openapi.json`)).json()).paths);
  const stop = async () => {
    server.kill();
    await once(server, "exit");
    double.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return { url, apiKey, agentId, wordsId, paths, stop };
}
