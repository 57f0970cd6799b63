// Figures and times as people of the browser's language write them.

const NONE = "–";
const number0 = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const number2 = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 });
const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const rate = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 });
const ago = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

type Figure = number | null | undefined;
const or = (value: Figure, write: (value: number) => string) => (value === null || value === undefined ? NONE : write(value));

export const count = (value: Figure) => or(value, (n) => number0.format(n));
export const decimal = (value: Figure) => or(value, (n) => number2.format(n));
export const short = (value: Figure) => or(value, (n) => (Math.abs(n) < 10_000 ? number0.format(n) : compact.format(n)));
export const percent = (value: Figure) => or(value, (n) => rate.format(n));
export const duration = (ms: Figure) =>
  or(ms, (n) => (n < 1_000 ? `${number0.format(n)} ms` : n < 60_000 ? `${number2.format(n / 1_000)} s` : `${number0.format(n / 60_000)} min`));
export const bytes = (value: Figure) =>
  or(value, (n) =>
    n < 1_000 ? `${n} B` : n < 1e6 ? `${number0.format(n / 1e3)} kB` : n < 1e9 ? `${number2.format(n / 1e6)} MB` : `${number2.format(n / 1e9)} GB`,
  );

export function time(text: string | null | undefined, zone?: string): string {
  return text ? new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short", timeZone: zone }) : NONE;
}

export function since(text: string | null | undefined): string {
  if (!text) return NONE;
  const seconds = (Date.parse(text) - Date.now()) / 1000;
  const steps: [number, Intl.RelativeTimeFormatUnit, number][] = [
    [60, "second", 1],
    [3600, "minute", 60],
    [86_400, "hour", 3600],
    [30 * 86_400, "day", 86_400],
  ];
  for (const [below, unit, size] of steps) if (Math.abs(seconds) < below) return ago.format(Math.round(seconds / size), unit);
  return time(text);
}

/** `data_spec.processing_completed` as words. */
export const words = (name: string) => {
  const text = name.replace(/[._]/g, " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
};
export const plural = (n: number, one: string, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** The local day `YYYY-MM-DD` of a moment in a zone. */
export function day(at: Date, zone: string): string {
  const parts = new Intl.DateTimeFormat("en-CA", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit" });
  return parts.format(at);
}
