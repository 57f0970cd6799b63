// What needs no server: events however they are cut, waiting, paths, signatures.
import { equal, match, ok, throws } from "../check.mjs";

const bytes = (text) => new TextEncoder().encode(text);

export default [
  ["events are read however their bytes are cut", async ({ internals: { sse } }) => {
    const text = ': ping\r\n\r\nid: i:0\r\nevent: message.delta\r\ndata: {"text":"é\\n",\r\ndata: "n":1}\r\n\r\ndata: {"n":2}\n\ndata: {"n":3}\r\r';
    const whole = bytes(text);
    for (let size = 1; size <= whole.length; size += 1) {
      const decoder = new sse.SSEDecoder();
      const events = [];
      for (let at = 0; at < whole.length; at += size) events.push(...decoder.feed(whole.slice(at, at + size)));
      // A CR at the very end may be half of a CRLF.
      events.push(...decoder.feed(bytes("\n")));
      equal(events, [{ text: "é\n", n: 1 }, { n: 2 }, { n: 3 }], `in pieces of ${size}:`);
    }
  }],
  ["an event that is missing is noticed", async ({ internals: { sse }, sdk }) => {
    const state = new sse.AnswerState();
    state.connected();
    state.accept({ type: "message.created", sequenceNumber: 0, id: "int_1", sessionId: "s" });
    equal(state.lastEventId, "int_1:0");
    await throws(() => state.accept({ type: "message.delta", sequenceNumber: 2, text: "x" }), sdk.APIConnectionError);
  }],
  ["an answer that is sent whole again gives only what is new", async ({ internals: { sse } }) => {
    const state = new sse.AnswerState();
    state.connected();
    for (const event of [{ type: "message.created", id: "int_1" }, { type: "message.sources", sources: [] }, { type: "message.delta", text: "Refunds " }])
      state.accept({ ...event, sequenceNumber: state.last + 1 });
    state.connected();
    const again = [{ type: "message.created", id: "int_1" }, { type: "message.sources", sources: [] }, { type: "message.delta", text: "Refunds are" }, { type: "message.completed", response: "Refunds are" }];
    const given = again.map((event, sequenceNumber) => state.accept({ ...event, sequenceNumber })).filter(Boolean);
    equal(given.map((event) => [event.sequenceNumber, event.text ?? event.type]), [[3, "are"], [4, "message.completed"]]);
    equal(state.text, "Refunds are");
  }],
  ["waits are drawn below a ceiling that doubles, never before Retry-After", async ({ internals: { transport }, sdk }) => {
    const failure = (status, retryAfter) => new sdk.APIError("x", { code: "x", status, retryAfter });
    for (let round = 0; round < 50; round += 1) {
      const attempts = new transport.Attempts({ maxRetries: 6, backoff: 500 });
      for (const ceiling of [500, 1000, 2000, 4000, 8000, 8000]) {
        const delay = attempts.delayAfter(failure(503));
        ok(delay >= 0 && delay <= ceiling, `${delay} of ${ceiling}`);
      }
      equal(attempts.delayAfter(failure(503)), undefined);
    }
    ok(new transport.Attempts({ maxRetries: 1, backoff: 500 }).delayAfter(failure(429, 7)) >= 7000);
    equal(new transport.Attempts({ maxRetries: 1, backoff: 500 }).delayAfter(failure(429, 61)), undefined, "more patience than a minute:");
  }],
  ["only what may be tried again is", async ({ internals: { transport }, sdk }) => {
    const again = (failure) => new transport.Attempts({ maxRetries: 1, backoff: 1 }).delayAfter(failure) !== undefined;
    const of = (status, retryAfter) => new sdk.APIError("x", { code: "x", status, retryAfter });
    equal([400, 401, 403, 404, 409, 412, 413, 415, 422].filter((status) => again(of(status))), []);
    equal([408, 429, 500, 502, 503, 504].filter((status) => !again(of(status))), []);
    ok(again(of(409, 1)) && again(new sdk.APIConnectionError("x")) && !again(new Error("x")));
  }],
  ["an id can reach no other route", async ({ internals: { transport }, sdk }) => {
    equal(transport.path("agents", "../api-keys?x#y"), "/api/agents/..%2Fapi-keys%3Fx%23y");
    equal(transport.path("agents", ".."), "/api/agents/%2E%2E");
    await throws(() => transport.path("agents", ""), sdk.TwigError);
  }],
  ["a key is needed, and is printed nowhere", async ({ sdk }) => {
    await throws(() => new sdk.Twig({ apiKey: "" }), sdk.TwigError);
    ok(!JSON.stringify(new sdk.Twig({ apiKey: "twigsk_live_secret" })).includes("secret"));
  }],
  ["a webhook is given back only with a signature that fits and a time that is near", async ({ sdk }) => {
    const secret = `whsec_${btoa("0123456789abcdef0123456789abcdef")}`;
    const body = JSON.stringify({ id: "evt_1", type: "webhook.test" });
    const headers = await signed(secret, "evt_1", Math.floor(Date.now() / 1000), body);
    equal((await sdk.verifyWebhook(body, headers, secret)).id, "evt_1");
    equal((await sdk.verifyWebhook(bytes(body), new Headers(headers), [`whsec_${btoa("another")}`, secret])).id, "evt_1");
    const refused = (...parameters) => throws(() => sdk.verifyWebhook(...parameters), sdk.WebhookVerificationError);
    await refused(`${body} `, headers, secret);
    await refused(body, headers, `whsec_${btoa("another")}`);
    await refused(body, {}, secret);
    await refused(body, { ...headers, "webhook-timestamp": "yesterday" }, secret);
    await refused(body, { ...headers, "webhook-signature": "v1,AAAA v2,BBBB" }, secret);
    const old = await signed(secret, "evt_1", Math.floor(Date.now() / 1000) - 301, body);
    await refused(body, old, secret);
    equal((await sdk.verifyWebhook(body, old, secret, { toleranceSeconds: 600 })).id, "evt_1");
  }],
  ["errors have the class of their code, those of a proxy the class of their status", async ({ internals: { errors }, sdk }) => {
    const limited = errors.errorOf({ code: "rate_limit_exceeded", message: "slow down", requestId: "r", retryAfter: 3 }, 429);
    ok(limited instanceof sdk.RateLimitError && limited instanceof sdk.APIError && limited instanceof sdk.TwigError);
    equal([limited.name, limited.requestId, limited.retryAfter], ["RateLimitError", "r", 3]);
    ok(errors.errorOf(undefined, 503) instanceof sdk.UnavailableError && errors.errorOf("<html>", 599) instanceof sdk.InternalServerError);
    const soon = errors.errorOf({}, 503, new Headers({ "retry-after": new Date(Date.now() + 5000).toUTCString() }));
    ok(soon.retryAfter > 3 && soon.retryAfter <= 5);
    match(String(limited), /RateLimitError: slow down/);
  }],
];

/** Signs as the server does, by another piece of code than the one that is tried. */
async function signed(secret, id, timestamp, body) {
  const { subtle } = globalThis.crypto ?? (await import("node:crypto")).webcrypto;
  const key = await subtle.importKey("raw", Uint8Array.from(atob(secret.slice(6)), (c) => c.charCodeAt(0)), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const signature = new Uint8Array(await subtle.sign("HMAC", key, bytes(`${id}.${timestamp}.${body}`)));
  return { "webhook-id": id, "webhook-timestamp": String(timestamp), "webhook-signature": `v1,${btoa(String.fromCharCode(...signature))}` };
}
