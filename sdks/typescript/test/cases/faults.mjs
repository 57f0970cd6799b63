// Faults between the client and the real binary. Invariant of every case: one question is one interaction.
import { all, equal, ok, throws } from "../check.mjs";

const prompt = "When are refunds paid?";
/** created, sources, seven words, completed */
const EVENTS = 10;

async function once(test, faults, work, expected = 1) {
  const total = async () => (await test.client().interactions.list({ limit: 1 })).pagination.total;
  const earlier = await total();
  await test.faults(faults);
  const done = await work();
  await test.faults([]);
  equal((await total()) - earlier, expected, "interactions:");
  return done;
}

const ask = (test, options) => () => test.client().chat.create({ agentId: test.agentId, prompt }, options);

async function streamed(test, faults) {
  await once(test, faults, async () => {
    const stream = test.client().chat.stream({ agentId: test.wordsId, prompt });
    const numbers = (await all(stream)).map((event) => event.sequenceNumber);
    equal(numbers, [...numbers.keys()]);
    equal(stream.text, (await stream.final()).response);
  });
}

/** Deno tries a connection that was closed again by itself. */
const refusals = Array(3).fill({ refuse: true });
const cuts = Array.from({ length: EVENTS + 1 }, (_, events) => events);

export default [
  ["429 is tried again, not before Retry-After", (test) => once(test, [{ status: 429, headers: { "Retry-After": "1" } }], async () => {
    const start = Date.now();
    ok((await ask(test)()).answered);
    ok(Date.now() - start >= 1000);
  })],
  ["500 then success", (test) => once(test, [{ status: 500 }, { status: 503 }], ask(test))],
  ["a connection that is refused is tried again", (test) => once(test, [{ refuse: true }, { refuse: true }], ask(test))],
  ["an answer that was lost is had without asking twice", (test) => once(test, [{ lose: true }], ask(test))],
  ["an answer that was cut within is had without asking twice", (test) => once(test, [{ bytes: 40 }], ask(test))],
  ["a slow server is given up and asked again", (test) => once(test, [{ hang: true }], ask(test, { timeout: 300 }))],
  ["a server that is slow to answer is waited for", (test) => once(test, [{ delayMs: 400 }], ask(test, { timeout: 2000 }))],
  ["an answer slower than the time-out is had without asking twice", (test) => once(test, [{ answerAfterMs: 600 }], ask(test, { timeout: 300 }))],
  ["an upload that was lost makes its documents once", async (test) => {
    const { dataSpecs } = test.client();
    const spec = await dataSpecs.create({ name: "lost", type: "file" });
    await test.faults([{ path: "/files", lose: true }]);
    await dataSpecs.uploadFiles(spec.id, [{ name: "a.txt", data: "a" }]);
    await test.faults([]);
    equal((await all(dataSpecs.documents(spec.id))).length, 1);
    await dataSpecs.delete(spec.id);
  }],
  ["without retries the typed error is thrown", (test) => once(test, [{ status: 429, headers: { "Retry-After": "7" } }, { hang: true }, ...refusals], async () => {
    const { sdk } = test;
    await throws(ask(test, { maxRetries: 0 }), sdk.RateLimitError, { retryAfter: 7, attempts: 1 });
    await throws(ask(test, { maxRetries: 0, timeout: 100 }), sdk.APITimeoutError);
    await throws(ask(test, { maxRetries: 0 }), sdk.APIConnectionError);
  }, 0)],
  ["a server that never comes back is given up after the retries", (test) => once(test, Array(4).fill({ status: 502 }), async () => {
    await throws(ask(test), test.sdk.UpstreamError, { attempts: 4 });
  }, 0)],
  ["a Retry-After of more than a minute is told at once", (test) => once(test, [{ status: 503, headers: { "Retry-After": "3600" } }], async () => {
    await throws(ask(test), test.sdk.UnavailableError, { retryAfter: 3600, attempts: 1 });
  }, 0)],
  ["an aborted call ends with its reason and is not made again", (test) => once(test, [{ hang: true }], async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("enough")), 100);
    equal((await throws(ask(test, { signal: controller.signal }))).message, "enough");
    equal((await test.seen()).filter((one) => one.path === "/api/chat").length, 1);
  }, 0)],
  ["a stream that is aborted ends with its reason", (test) => once(test, [], async () => {
    const controller = new AbortController();
    const stream = test.client().chat.stream({ agentId: test.wordsId, prompt }, { signal: controller.signal });
    await throws(async () => {
      for await (const event of stream) if (event.type === "message.delta") controller.abort(new Error("enough"));
    }, Error, { message: "enough" });
  })],
  ...cuts.map((events) => [`a stream cut after ${events} events goes on by itself`, (test) => streamed(test, [{ events }])]),
  ...cuts.map((events) => [`a stream cut within the event after ${events} goes on by itself`, (test) => streamed(test, [{ events, more: 30 }])]),
  ["a stream cut after every single event goes on by itself", (test) => streamed(test, cuts.map(() => ({ events: 2, resumed: 1 })))],
  ["a stream that falls silent is taken up again", (test) => once(test, [{ events: 3, silent: true }], async () => {
    const stream = test.client().chat.stream({ agentId: test.wordsId, prompt }, { timeout: 300 });
    equal((await all(stream)).length, EVENTS);
  })],
  ["a stream refused before it began is begun once", (test) => streamed(test, [{ status: 500 }, { refuse: true }])],
  ["a resumption that is refused is tried again", (test) => streamed(test, [{ events: 3 }, { status: 503 }, { refuse: true }])],
];
