// Stands between the client and the server and does harm on demand; it also serves the browser's page and receives webhooks.
//
// POST /__/faults   a list: what happens to the coming requests whose path the fault names (`/api/chat` and streams, where it names none)
// GET  /__/seen     what was asked since   ·   GET /__/next-hook   the next webhook as it came   ·   /__/hang   never answers
import { readFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { extname, join } from "node:path";

const KINDS = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript" };
const HOOK_WAIT_MS = 20_000;

export function proxy(upstream, root) {
  let faults = [];
  let seen = [];
  const hooks = [];
  const waiting = [];

  const server = createServer((req, res) => {
    const path = req.url.split("?")[0];
    if (path.startsWith("/__/")) return void own(path.slice(4), req, res);
    const entry = { path, tagged: "if-none-match" in req.headers };
    seen.push(entry);
    const at = faults.findIndex((fault) => (fault.path ? path.endsWith(fault.path) : path === "/api/chat" || path.endsWith("/stream")));
    const [fault] = at < 0 ? [{}] : faults.splice(at, 1);
    res.on("finish", () => (entry.status = res.statusCode));
    if (fault.hang) return;
    if (fault.refuse) return void req.socket.destroy();
    if (fault.status) return void res.writeHead(fault.status, fault.headers).end("{}");
    setTimeout(() => forward(req, res, fault), fault.delayMs ?? 0);
  });

  function forward(req, res, fault) {
    const up = request(upstream + req.url, { method: req.method, headers: { ...req.headers, host: new URL(upstream).host } }, (answer) => {
      if (fault.lose) return void answer.resume().on("end", () => res.destroy());
      const begin = () => res.writeHead(answer.statusCode, answer.headers);
      if (fault.answerAfterMs) return void setTimeout(() => answer.pipe(begin()), fault.answerAfterMs);
      begin();
      if (fault.events === undefined && fault.bytes === undefined) return void answer.pipe(res);
      cut(answer, res, req.url.includes("/stream") && fault.resumed ? { ...fault, events: fault.resumed } : fault);
    });
    up.on("error", () => res.destroy());
    req.pipe(up);
  }

  async function own(path, req, res) {
    const body = await text(req);
    const json = (value) => res.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(value));
    if (path === "hang") return;
    if (path === "seen") return json(seen);
    if (path === "next-hook") return nextHook(json);
    if (path === "faults") {
      [faults, seen] = [JSON.parse(body), []];
      return json({});
    }
    if (path === "hook") {
      const hook = { body, headers: req.headers };
      waiting.length ? waiting.shift()(hook) : hooks.push(hook);
      return res.writeHead(204).end();
    }
    try {
      res.writeHead(200, { "Content-Type": KINDS[extname(path)] ?? "text/plain" }).end(readFileSync(join(root, path)));
    } catch {
      res.writeHead(404).end();
    }
  }

  function nextHook(json) {
    if (hooks.length) return json(hooks.shift());
    const take = (hook) => (clearTimeout(timer), json(hook));
    const timer = setTimeout(() => (waiting.splice(waiting.indexOf(take), 1), json({ body: "", headers: {} })), HOOK_WAIT_MS);
    waiting.push(take);
  }

  return server;
}

/** Sends so many events, and so many bytes more; then the connection is gone, or silent. */
function cut(answer, res, { events = 0, more = 0, bytes, silent }) {
  const whole = [];
  const part = () => {
    const all = Buffer.concat(whole);
    if (bytes !== undefined) return all.length >= bytes ? all.subarray(0, bytes) : undefined;
    let end = 0;
    for (let n = 0; n < events; n += 1) {
      const next = all.indexOf("\n\n", end);
      if (next < 0) return undefined;
      end = next + 2;
    }
    return all.length >= end + more ? all.subarray(0, end + more) : undefined;
  };
  let done = false;
  const finish = (kept) => {
    done = true;
    // Something must go out for the client to see that the stream has begun.
    res.write(kept.length ? kept : ":\n", () => silent || setTimeout(() => res.destroy(), 5));
  };
  answer.on("data", (chunk) => {
    whole.push(chunk);
    const kept = done ? undefined : part();
    if (kept) finish(kept);
  });
  answer.on("end", () => done || finish(Buffer.concat(whole)));
}

async function text(req) {
  const parts = [];
  for await (const part of req) parts.push(part);
  return Buffer.concat(parts).toString();
}
