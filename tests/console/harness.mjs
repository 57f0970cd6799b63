// The real binary on a folder of its own, Debian's Chromium, and a webhook's receiver. Only processes started here are ended.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

export const WAIT_MS = Number(process.env.TWIG_TEST_WAIT_MS ?? 30_000);
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
/** As root the sandbox can't be had; the rest keeps the browser from talking to anybody. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export class Server {
  static async start() {
    const server = new Server();
    server.folder = mkdtempSync(join(tmpdir(), "twig-console-"));
    const made = server.cli("orgs", "create", "Acme Research", "--plan", "enterprise", "--per-minute", "100000", "--per-day", "10000000");
    server.org = made.id;
    server.key = server.newKey("admin");
    server.model = await model();
    const environment = {
      ...process.env,
      TWIG_MODEL_BASE_URL: server.model.url,
      TWIG_MODEL_API_KEY: "none",
      TWIG_WEBHOOK_ALLOW_HTTP: "1",
      TWIG_CRAWL_ALLOW_NETWORKS: "127.0.0.0/8",
    };
    server.child = spawn(process.env.TWIG_BIN, ["serve", "--data-dir", server.folder, "--listen", "127.0.0.1:0", "--log-level", "error"], {
      stdio: ["ignore", "pipe", "inherit"],
      env: environment,
    });
    server.url = await new Promise((resolve, reject) => {
      server.child.stdout.on("data", (text) => {
        const found = /listening on (\S+)/.exec(text);
        if (found) resolve(found[1]);
      });
      server.child.on("exit", (code) => reject(new Error(`the server ended with ${code}`)));
    });
    return server;
  }

  cli(...words) {
    return JSON.parse(execFileSync(process.env.TWIG_BIN, [...words, "--data-dir", this.folder, "--json"], { stdio: ["ignore", "pipe", "pipe"] }));
  }

  newKey(scopes) {
    return this.cli("keys", "create", "--org", this.org, "--name", "console", "--scopes", scopes).key;
  }

  async api(method, path, body, status = [200, 201, 202]) {
    const form = body instanceof FormData;
    const headers = { Authorization: `Bearer ${this.key}`, ...(body && !form ? { "Content-Type": "application/json" } : {}) };
    const response = await fetch(this.url + path, { method, headers, body: form ? body : body && JSON.stringify(body) });
    const answer = await response.json();
    assert.ok([status].flat().includes(response.status), `${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
    return answer.data;
  }

  async stop() {
    this.child.removeAllListeners("exit");
    const ended = new Promise((resolve) => this.child.on("exit", resolve));
    this.child.kill("SIGTERM");
    await ended;
    await this.model.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** A text that is processed, an agent over it with two versions, questions with feedback, and a history of 30 days. */
  async fill() {
    const text =
      "Refunds are paid within 30 days of purchase. The money goes back to the card it came from.\n\nGift cards are never refunded. They may be exchanged for another gift card within a year.\n\nShipping takes three working days in Europe and eight elsewhere.";
    const spec = await this.api("POST", "/api/data-specs", {
      name: "Policies",
      description: "What customers may expect",
      type: "text",
      config: { title: "Refund policy", content: text },
      tags: ["policy"],
    });
    await this.processed(spec.id);
    const agent = await this.api("POST", "/api/agents", { name: "Support", description: "Answers customers", dataSpecIds: [spec.id] });
    await this.api("PUT", `/api/agents/${agent.id}`, { tone: "friendly", systemPrompt: "Be brief.\nNever promise money." });
    const other = await this.api("POST", "/api/agents", { name: "Research", dataSpecIds: [spec.id], ragStrategy: "cypress" });
    this.history(agent.id, other.id);
    for (const prompt of [
      "When are refunds paid?",
      "Are gift cards refunded?",
      "How long does shipping take?",
      "Who painted the Mona Lisa?",
      "Who painted the Mona Lisa?",
    ]) {
      const answer = await this.api("POST", "/api/chat", { agentId: agent.id, prompt, userId: "ada" });
      if (answer.answered) await this.api("POST", "/api/interactions/feedback", { interactionId: answer.id, rating: "positive", comment: "Right" });
    }
    return { spec: spec.id, agent: agent.id, other: other.id };
  }

  /** Past interactions from elsewhere, so that the charts have something to show. */
  history(...agents) {
    const lines = [];
    for (let day = 1; day < 30; day++) {
      for (let n = 0; n < 6 + ((day * 7) % 11); n++) {
        const at = new Date(Date.now() - day * 86_400_000 - n * 1_800_000).toISOString();
        const rating = n % 4 === 0 ? "negative" : "positive";
        lines.push(
          JSON.stringify({
            externalId: `${day}-${n}`,
            agentId: agents[n % agents.length],
            prompt: `Question ${n} of day ${day}`,
            response: "An answer from elsewhere",
            createdAt: at,
            sessionId: `s${day}-${n % 3}`,
            ...(n % 3 === 0 ? { feedback: { rating } } : {}),
          }),
        );
      }
    }
    const file = join(this.folder, "history.ndjson");
    writeFileSync(file, lines.join("\n") + "\n");
    this.cli("import", "interactions", file, "--org", this.org);
  }

  async processed(spec) {
    const run = await this.api("POST", `/api/data-specs/${spec}/process`, {});
    await eventually(async () => (await this.api("GET", `/api/data-specs/${spec}/runs/${run.id}`)).status === "succeeded");
  }
}

export async function eventually(look) {
  const end = Date.now() + WAIT_MS;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert.ok(Date.now() < end, `not within ${WAIT_MS} ms: ${look}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A webhook's endpoint: keeps what it gets, answers as told. */
export async function receiver(status = 204) {
  const got = [];
  const server = createServer((request, response) => {
    let body = "";
    request
      .on("data", (part) => (body += part))
      .on("end", () => {
        got.push({ headers: request.headers, body: JSON.parse(body) });
        response.writeHead(hook.status).end(hook.status < 300 ? "" : "not today");
      });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const hook = {
    got,
    status,
    url: `http://127.0.0.1:${server.address().port}/hook`,
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(resolve);
      }),
  };
  return hook;
}

/** A language model that speaks OpenAI's streamed protocol: it says half, waits for `go`, and says the rest. The model `refusing` fails. */
async function model() {
  let go;
  const double = { waiting: new Promise((resolve) => (go = resolve)) };
  const say = (response, choice) => response.write(`data: ${JSON.stringify({ choices: [choice] })}\n\n`);
  const server = createServer((request, response) => {
    let body = "";
    request
      .on("data", (part) => (body += part))
      .on("end", async () => {
        if (JSON.parse(body).model === "refusing") return void response.writeHead(400).end("{}");
        response.writeHead(200, { "content-type": "text/event-stream" });
        say(response, { delta: { content: "Refunds are paid " } });
        await double.waiting;
        say(response, { delta: { content: "within 30 days of purchase [1]." } });
        say(response, { delta: {}, finish_reason: "stop" });
        response.end("data: [DONE]\n\n");
      });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(double, {
    go,
    url: `http://127.0.0.1:${server.address().port}/v1`,
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(resolve);
      }),
  });
}

export const launch = () => chromium.launch({ executablePath: CHROMIUM, args: FLAGS });

/** A page that keeps what must not be: errors on the console, requests to other hosts. */
export async function open(browser, server, { width = 1280, height = 900, dark = false, ...more } = {}) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: dark ? "dark" : "light",
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
    acceptDownloads: true,
    reducedMotion: "reduce",
    ...more,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  page.wrong = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") page.wrong.push(`console: ${message.text()} ${message.location().url}`);
  });
  page.on("pageerror", (error) => page.wrong.push(`page: ${error.stack}`));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol.startsWith("http") && url.origin !== server.url) page.wrong.push(`another host: ${request.url()}`);
  });
  return page;
}

export async function signIn(page, server, key = server.key) {
  await page.goto(`${server.url}/console`);
  await page.getByLabel("API key").fill(key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Dashboard", level: 1 }).waitFor();
}

/** A signed-in page at a path; whatever went wrong on it fails the test, but for failures that the test asks for. */
export async function visit(browser, server, path, act, { wrong = true, ...more } = {}) {
  const page = await open(browser, server, more);
  await signIn(page, server);
  await page.goto(`${server.url}/console${path}`);
  await act(page);
  if (wrong) assert.deepEqual(page.wrong, []);
  await page.context().close();
}

export const button = (page, name) => page.getByRole("button", { name, exact: true });
export const link = (page, name) => page.getByRole("link", { name, exact: true });
export const badge = (page, text) => page.locator(".badge", { hasText: text }).first();
