// Each resource against the real binary.
import { all, equal, match, ok, throws } from "../check.mjs";

const prompt = "When are refunds paid?";
const unique = (name) => `${name}-${Math.random().toString(36).slice(2)}`;

export default [
  ["an agent answers with its sources", async ({ client, agentId }) => {
    const answer = await client().chat.create({ prompt, agentId, userId: "u1", metadata: { channel: "test" } });
    match(answer.response, /30 days/);
    ok(answer.answered && answer.sources[0].documentTitle);
  }],
  ["a session is a conversation", async ({ client, agentId }) => {
    const first = await client().chat.create({ prompt, agentId });
    const second = await client().chat.create({ prompt: "And for gifts?", agentId, sessionId: first.sessionId });
    const session = await client().sessions.get(first.sessionId);
    equal(session.turns.map((turn) => turn.id), [first.id, second.id]);
  }],
  ["a stream gives each event once, and its text is the response", async ({ client, wordsId }) => {
    const stream = client().chat.stream({ prompt, agentId: wordsId });
    const events = await all(stream);
    equal(events.map((event) => event.sequenceNumber), [...events.keys()]);
    equal([events[0].type, events.at(-1).type], ["message.created", "message.completed"]);
    ok(events.filter((event) => event.type === "message.delta").length > 2);
    equal(stream.text, events.at(-1).response);
    const final = await stream.final();
    equal([final.id, stream.sessionId], [stream.interactionId, final.sessionId]);
    equal(await client().chat.resume(final.id).final(), final);
  }],
  ["who leaves a stream early finds the answer recorded", async ({ client, wordsId }) => {
    const stream = client().chat.stream({ prompt, agentId: wordsId });
    for await (const event of stream) if (event.type === "message.delta") break;
    match((await client().chat.resume(stream.interactionId).final()).response, /30 days/);
  }],
  ["a search calls no model", async ({ client, agentId }) => {
    match((await client().semanticSearch({ query: "refunds", agentId, topK: 3 })).results[0].content, /30 days/);
  }],
  ["an agent is created, changed, restored and deleted", async ({ client, sdk }) => {
    const { agents } = client();
    const agent = await agents.create({ name: "one", systemPrompt: "Be kind.", description: null });
    const changed = await agents.update(agent.id, { name: "two", systemPrompt: null }, { ifMatch: agent.version });
    equal([changed.name, changed.systemPrompt, changed.version], ["two", null, 2]);
    await throws(() => agents.update(agent.id, { name: "three" }, { ifMatch: 1 }), sdk.PreconditionFailedError);
    equal((await all(agents.versions(agent.id))).map((one) => one.version), [2, 1]);
    equal((await agents.restore(agent.id, 1)).systemPrompt, "Be kind.");
    equal(await agents.delete(agent.id), { id: agent.id, deleted: true });
    await throws(() => agents.get(agent.id), sdk.NotFoundError, { code: "not_found", status: 404, attempts: 1 });
    equal((await agents.get(agent.id, { asOf: new Date(agent.createdAt) })).name, "one");
  }],
  ["files are uploaded and processed with progress", async ({ client, sdk }) => {
    const { dataSpecs } = client();
    const spec = await dataSpecs.create({ name: "files", type: "file", tags: ["a"] });
    const documents = await dataSpecs.uploadFiles(spec.id, [
      { name: "a.md", data: "# Opening hours\n\nThe shop opens at nine o'clock." },
      { name: "b.txt", data: new TextEncoder().encode("The shop closes at six.") },
      { name: "c.txt", data: new Blob(["On Sundays it is closed."]) },
    ]);
    equal(documents.map((document) => document.name), ["a.md", "b.txt", "c.txt"]);
    const seen = [];
    const started = await dataSpecs.process(spec.id);
    const ended = await dataSpecs.waitForRun(spec.id, started.id, { onProgress: (run) => seen.push(run) });
    equal([ended.status, ended.documents.added], ["succeeded", 3]);
    equal(seen.at(-1), ended);
    equal((await dataSpecs.runs(spec.id)).data.map((run) => run.id), [started.id]);
    equal((await all(dataSpecs.documents(spec.id, { limit: 2 }))).length, 3);
    await throws(() => dataSpecs.cancelRun(spec.id, started.id), sdk.ConflictError);
    equal((await dataSpecs.update(spec.id, { description: "all" })).description, "all");
    equal((await dataSpecs.get(spec.id)).stats.documents, 3);
    ok((await all(dataSpecs.list())).some((one) => one.id === spec.id));
    await dataSpecs.delete(spec.id);
  }],
  ["who waits for a run too long is told so", async ({ client, sdk, url }) => {
    const { dataSpecs } = client();
    const site = await dataSpecs.create({ name: "slow", type: "website", config: { url: `${url}/__/hang` } });
    const run = await dataSpecs.process(site.id);
    await throws(() => dataSpecs.waitForRun(site.id, run.id, { waitMs: 250 }), sdk.WaitTimeoutError);
    await throws(() => dataSpecs.waitForRun(site.id, run.id, { signal: aborted() }));
    ok(["canceled", "running", "queued"].includes((await dataSpecs.cancelRun(site.id, run.id)).status));
    equal((await dataSpecs.waitForRun(site.id, run.id)).status, "canceled");
  }],
  ["lists page by themselves", async ({ client }) => {
    const { agents } = client();
    const ids = [];
    for (let n = 0; n < 5; n += 1) ids.push((await agents.create({ name: unique("page") })).id);
    const listed = (await all(agents.list({ limit: 2 }))).map((agent) => agent.id);
    ok(ids.every((id) => listed.includes(id)));
    equal(new Set(listed).size, listed.length);
    const page = await agents.list({ limit: 2 });
    ok(page.data.length === 2 && page.pagination.total >= 5);
    for (const id of ids) await agents.delete(id);
  }],
  ["interactions are listed, read, rated and exported", async ({ client, agentId }) => {
    const { chat, interactions, feedback } = client();
    const userId = unique("user");
    const ids = [];
    for (let n = 0; n < 3; n += 1) ids.push((await chat.create({ prompt, agentId, userId })).id);
    const sorted = (items) => items.map((one) => one.id).sort();
    equal(sorted(await all(interactions.list({ userId, limit: 2 }))), [...ids].sort());
    const rated = await feedback.create({ interactionId: ids[0], rating: "negative", comment: "too short", reviewStatus: "inaccurate" });
    equal(rated.feedback.rating, "negative");
    equal(sorted(await all(interactions.list({ userId, rating: "negative" }))), [ids[0]]);
    equal(sorted(await all(interactions.export({ userId }))), [...ids].sort());
    const rows = (await all(interactions.exportCsv({ userId }))).join("").trim().split("\n");
    ok(rows[0].startsWith("id,") && rows.length === 4);
    const read = await interactions.get(ids[0], { include: "provenance,history" });
    match(read.provenance.sources[0].text, /30 days/);
    equal(read.feedbackHistory.map((one) => one.comment), ["too short"]);
  }],
  ["the dashboard counts what was asked", async ({ client, agentId }) => {
    await client().chat.create({ prompt, agentId });
    const today = new Date().toISOString().slice(0, 10);
    const dashboard = await client().analytics.dashboard({ startDate: today, endDate: today, agentId, granularity: "day", timezone: "UTC" });
    ok(dashboard.summary.interactions.value >= 1 && dashboard.charts.interactions.length === 1);
  }],
  ["webhooks are sent, verified, sent again and replayed", async ({ client, sdk, url, hooks }) => {
    const { webhooks, agents } = client();
    const hook = await webhooks.create({ url: `${url}/__/hook`, events: ["webhook.test", "agent.created"] });
    ok(hook.secret.startsWith("whsec_") && !("secret" in (await webhooks.get(hook.id))));
    const next = async (type, secret) => {
      const { body, headers } = await hooks.next();
      const event = await webhooks.verify(body, headers, secret);
      equal(event.type, type);
      await throws(() => webhooks.verify(`${body} `, headers, secret), sdk.WebhookVerificationError);
      return event;
    };
    const sent = await webhooks.test(hook.id);
    const first = await next("webhook.test", hook.secret);
    await webhooks.retryDelivery(sent.id);
    equal((await next("webhook.test", hook.secret)).id, first.id);
    const delivery = await webhooks.getDelivery(sent.id);
    equal(delivery.eventId, first.id);
    equal((await all(webhooks.deliveries(hook.id))).map((one) => one.id), [sent.id]);
    const rotated = await webhooks.rotateSecret(hook.id, { overlapSeconds: 60 });
    const agent = await agents.create({ name: "told" });
    const told = await next("agent.created", [rotated.secret]);
    equal(told.data.id, agent.id);
    await webhooks.replay(hook.id, { since: new Date(agent.createdAt), types: ["agent.created"] });
    equal((await next("agent.created", hook.secret)).id, told.id);
    equal((await webhooks.retryFailed(hook.id, { since: new Date(0) })).retried, 0);
    equal((await webhooks.update(hook.id, { status: "paused" })).status, "paused");
    ok((await all(webhooks.list())).some((one) => one.id === hook.id));
    await webhooks.delete(hook.id);
  }],
  ["keys are issued, rotated and revoked", async ({ client, sdk }) => {
    const { apiKeys } = client();
    const issued = await apiKeys.create({ name: "reader", scopes: ["agents:read"], expiresAt: new Date(Date.now() + 3600_000) });
    const refused = await throws(() => client({ apiKey: issued.key }).agents.create({ name: "x" }), sdk.ForbiddenError);
    equal(refused.details, { requiredScope: "agents:write" });
    const rotated = await apiKeys.rotate(issued.id, { overlapSeconds: 60 });
    ok(rotated.key !== issued.key && (await all(apiKeys.list())).some((key) => key.id === issued.id));
    equal((await apiKeys.get(issued.id)).name, "reader");
    await apiKeys.revoke(issued.id);
    await throws(() => client({ apiKey: rotated.key }).agents.list(), sdk.UnauthorizedError);
  }],
  ["the organization has a name and limits", async ({ client }) => {
    equal((await client().organization.get()).limits.perMinute, 100_000);
    equal((await client().organization.update({ name: "acme" })).name, "acme");
  }],
  ["the audit log says who did what", async ({ client }) => {
    const { agents, audit } = client();
    const agent = await agents.create({ name: "audited" });
    const [event] = (await audit.events({ target: agent.id })).data;
    equal([event.type, event.actor.type], ["AgentCreated", "api_key"]);
    equal(await audit.get(event.id), event);
    equal(await all(audit.export({ target: agent.id })), [event]);
    match((await all(audit.exportCsv({ target: agent.id }))).join(""), /AgentCreated/);
  }],
  ["an audit event has its proof", async ({ client }) => {
    const { agents, audit } = client();
    const agent = await agents.create({ name: "proven" });
    const [event] = (await audit.events({ target: agent.id })).data;
    const proof = await audit.proof(event.id);
    equal(proof.leafHash, event.hash);
    ok(proof.leafIndex < proof.treeSize && proof.hashes.length <= Math.ceil(Math.log2(proof.treeSize + 1)) + 1);
    const { checkpoint, verifierKey } = await audit.checkpoint();
    const size = Number(checkpoint.split("\n")[1]);
    ok(size >= proof.treeSize && verifierKey.split("+").length >= 3);
    const consistency = await audit.consistency({ from: 1, to: size });
    ok(consistency.to === size && consistency.hashes.length > 0);
  }, "/api/audit/checkpoint"],
  ["personal text is erased, with a receipt", async ({ client, agentId, sdk }) => {
    const { chat, privacy, interactions } = client();
    const userId = unique("erased");
    const { id } = await chat.create({ prompt, agentId, userId });
    const job = await privacy.erasures.create({ userId });
    const ended = await privacy.erasures.wait(job.id);
    equal(ended.status, "succeeded");
    const erased = await interactions.get(id);
    equal([erased.prompt, erased.erased], [null, true]);
    equal([ended.result.interactions, ended.progress.done], [1, ended.progress.total]);
    equal((await privacy.erasures.get(job.id)).result, ended.result);
    await throws(() => chat.resume(id).final(), sdk.NotFoundError);
    await throws(() => privacy.erasures.create({ userId, sessionId: "both" }), sdk.InvalidRequestError);
  }, "/api/privacy/erasures"],
  ["past questions are asked again of another version", async ({ client, agentId }) => {
    const { chat, replays } = client();
    await chat.create({ prompt, agentId });
    const job = await replays.create({ filter: { agentId }, patch: { topK: 2 }, corpus: "current", limit: 1 });
    const ended = await replays.wait(job.id);
    equal([ended.status, ended.result.summary.questions, ended.result.questions.length], ["succeeded", 1, 1]);
    ok(ended.result.questions[0].answered && ended.result.questions[0].before.answer);
  }, "/api/interactions/replay"],
  ["errors carry what the server said", async ({ client, agentId, sdk }) => {
    const error = await throws(() => client().chat.create({ prompt, agentId, temperature: 9 }), sdk.InvalidRequestError, { code: "invalid_request", status: 400, attempts: 1 });
    equal(error.details.fields[0].pointer, "/temperature");
    ok(error.requestId);
  }],
  ["a question to a draft is a conflict at once", async ({ client, sdk }) => {
    const draft = await client().agents.create({ name: "draft", status: "draft" });
    await throws(() => client().chat.stream({ prompt, agentId: draft.id }).final(), sdk.ConflictError, { attempts: 1 });
  }],
  ["the cache asks only whether a resource changed", async ({ client, agentId, faults, seen }) => {
    const twig = client({ cache: true });
    await faults([]);
    const first = await twig.agents.get(agentId);
    first.name = "mine to change";
    equal((await twig.agents.get(agentId)).name, "support");
    equal((await seen()).filter((one) => one.path.endsWith(agentId)).map((one) => [one.status, one.tagged]), [[200, false], [304, true]]);
  }],
  ["the logger is told of answers and retries, never of a key", async ({ client, agentId, faults }) => {
    const entries = [];
    const twig = client({ logger: (entry) => entries.push(entry) });
    await faults([{ status: 503 }]);
    await twig.chat.create({ prompt, agentId });
    equal(entries.map((entry) => [entry.level, entry.status ?? null]), [["debug", 503], ["info", null], ["debug", 200]]);
    ok(entries[2].requestId && !JSON.stringify(entries).includes("twigsk_"));
  }],
];

function aborted() {
  const controller = new AbortController();
  controller.abort(new Error("enough"));
  return controller.signal;
}
