// The cases, and how they are run in whatever runtime imports this.
import core from "./cases/core.mjs";
import faults from "./cases/faults.mjs";
import resources from "./cases/resources.mjs";

const CASE_TIMEOUT_MS = 30_000;

/** Runs all cases one after the other; `tell` is given `{name, status, error?}` of each. */
export async function run({ url, apiKey, agentId, wordsId, paths }, dist, tell) {
  const [sdk, sse, transport, errors] = await Promise.all(["index", "sse", "transport", "errors"].map((name) => import(`${dist}/${name}.js`)));
  const control = async (path, body) => (await fetch(`${url}/__/${path}`, body && { method: "POST", body: JSON.stringify(body) })).json();
  const test = {
    sdk, internals: { sse, transport, errors }, url, agentId, wordsId,
    client: (options) => new sdk.Twig({ apiKey, baseUrl: url, backoff: 20, ...options }),
    /** What goes wrong with the coming requests, in their order; forgets what was seen. */
    faults: (list) => control("faults", list),
    seen: () => control("seen"),
    hooks: { next: () => control("next-hook") },
  };
  for (const [name, work, needs] of [...core, ...resources, ...faults]) {
    if (needs && !paths.includes(needs)) {
      tell({ name, status: "skipped", error: `the server has no ${needs} yet` });
      continue;
    }
    let timer;
    const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error("took too long")), CASE_TIMEOUT_MS)));
    try {
      await Promise.race([work(test), late]);
      tell({ name, status: "passed" });
    } catch (error) {
      tell({ name, status: "failed", error: String(error?.stack ?? error) });
      await test.faults([]);
    } finally {
      clearTimeout(timer);
    }
  }
}
