// The dashboard's range, agent, granularity and time zone, as they stand in the address.
import type { DashboardParams } from "twig-ai";
import { day } from "../../format";

export const PRESETS: [string, string][] = [
  ["1d", "Last 24 hours"],
  ["7d", "Last 7 days"],
  ["30d", "Last 30 days"],
  ["90d", "Last 90 days"],
  ["365d", "Last 12 months"],
  ["custom", "Custom"],
];
const DAY_MS = 86_400_000;

export const ownZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
export const zones = (): string[] => {
  const all = Intl.supportedValuesOf?.("timeZone") ?? [];
  return [...new Set([ownZone(), "UTC", ...all])];
};

export interface Range {
  preset: string;
  from?: string;
  to?: string;
  agentId?: string;
  granularity?: DashboardParams["granularity"];
  zone: string;
}

export function rangeOf(query: URLSearchParams): Range {
  const [from, to] = [query.get("from") ?? undefined, query.get("to") ?? undefined];
  return {
    preset: from || to ? "custom" : (query.get("range") ?? "30d"),
    from,
    to,
    agentId: query.get("agent") ?? undefined,
    granularity: (query.get("granularity") as DashboardParams["granularity"]) ?? undefined,
    zone: query.get("zone") ?? ownZone(),
  };
}

/** A relative range moves with the clock: it is made anew at every load. */
export function paramsOf(range: Range, now = new Date()): DashboardParams {
  const shared = { agentId: range.agentId, granularity: range.granularity, timezone: range.zone };
  if (range.preset === "custom") return { ...shared, startDate: range.from, endDate: range.to };
  if (range.preset === "1d") {
    // To the end of this hour, so that the answer keeps its ETag for as long.
    const end = Math.ceil((now.getTime() + 1) / 3_600_000) * 3_600_000;
    return { ...shared, startDate: new Date(end - DAY_MS), endDate: new Date(end) };
  }
  const days = parseInt(range.preset, 10) || 30;
  return { ...shared, startDate: day(new Date(now.getTime() - (days - 1) * DAY_MS), range.zone), endDate: day(now, range.zone) };
}

/** A bucket's name in its zone. */
export function bucketName(start: string, granularity: string, zone: string): string {
  const at = new Date(start);
  const form: Intl.DateTimeFormatOptions =
    granularity === "hour"
      ? { dateStyle: "medium", timeStyle: "short" }
      : granularity === "month"
        ? { month: "long", year: "numeric" }
        : { weekday: granularity === "day" ? "short" : undefined, day: "numeric", month: "short", year: "numeric" };
  const text = new Intl.DateTimeFormat(undefined, { ...form, timeZone: zone }).format(at);
  return granularity === "week" ? `Week of ${text}` : text;
}
