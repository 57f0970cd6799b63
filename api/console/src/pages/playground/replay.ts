// A question asked again of an earlier version of its agent, by the API's replay: nothing is recorded as a new interaction.
import { twig } from "../../session";

const WAIT_MS = 120_000;

interface Named {
  chunkId: string;
  documentTitle: string;
}
/** The report of one question: its new answer, and how its sources differ from the recorded one's. */
export interface Replayed {
  answer: string | null;
  answered: boolean | null;
  error: { code: string; message: string } | null;
  sourcesGained?: Named[];
  sourcesLost?: Named[];
  sourcesKept?: number;
  latencyMs?: number;
}

/** The one question of a session as `version` answers it. */
export async function replayOf(sessionId: string, version: number, signal: AbortSignal): Promise<Replayed> {
  const job = await twig().replays.create({ filter: { sessionId }, agentVersion: version, corpus: "current", limit: 1 }, { signal });
  const ended = await twig().replays.wait(job.id, { signal, waitMs: WAIT_MS });
  const [report] = (ended.result?.questions ?? []) as Replayed[];
  if (ended.status === "failed" || !report) throw new Error(`The replay failed: ${ended.result?.reason ?? "it found no question"}.`);
  if (report.error) throw new Error(report.error.message);
  return report;
}
