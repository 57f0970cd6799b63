// From a figure to the interactions behind it: the same range, agent and zone as filters of the list.
import type { Dashboard } from "twig-ai";
import type { Range } from "./range";

export type Filters = Record<string, string | undefined>;

/** Interactions of the whole range, or of one of its buckets. */
export function drill(dashboard: Dashboard, range: Range, more: Filters = {}, place?: number): Filters {
  const starts = dashboard.charts.interactions.map((point) => point.start);
  const [from, until] = [dashboard.range.start as string, dashboard.range.end as string];
  if (place === undefined) return { startDate: utc(from), endDate: utc(until), agentId: range.agentId, ...more };
  // The first bucket may begin before the range, the last ends with it.
  const start = Math.max(Date.parse(from), Date.parse(starts[place]!));
  return { startDate: new Date(start).toISOString(), endDate: utc(starts[place + 1] ?? until), agentId: range.agentId, ...more };
}

const utc = (text: string) => new Date(text).toISOString();
