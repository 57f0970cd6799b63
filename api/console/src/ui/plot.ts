// How a chart is drawn: uPlot's options in the design's colours, on the page or on a picture.
import uPlot from "uplot";
import type { ChartProps } from "./chart";
import { color } from "./paint";

export const data = ({ starts, series }: ChartProps): uPlot.AlignedData =>
  [starts.map((start) => Date.parse(start) / 1000), ...series.map((one) => one.values)] as uPlot.AlignedData;

export function options(
  { series, kind, zone, write, max, starts }: ChartProps,
  width: number,
  height: number,
  hover?: (place: number | undefined) => void,
): uPlot.Options {
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const font = `${Math.round(rem * 0.75)}px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: color("--ink-3"), font, grid: { stroke: color("--chart-grid"), width: 1 }, ticks: { show: false } };
  const bars = uPlot.paths.bars!({ size: [0.7, 48], radius: 0.15 });
  // A single point needs a neighbourhood to stand in.
  const half = starts.length > 1 ? (Date.parse(starts[1]!) - Date.parse(starts[0]!)) / 2000 : 43_200;
  return {
    width,
    height,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
    legend: { show: false },
    padding: [rem * 0.6, rem * 0.5, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    scales: { x: { time: true, range: (_, from, to) => [from - half, to + half] }, y: { range: (_, __, high) => [0, max ?? (high > 0 ? high * 1.1 : 1)] } },
    axes: [
      { ...axis, grid: { show: false }, space: rem * 4.5, size: rem * 2, values: (_, ticks, __, ___, step) => ticks.map((tick) => tickName(tick, step, zone)) },
      { ...axis, size: rem * 3.4, incrs: kind === "bars" ? WHOLE : undefined, values: (_, ticks) => ticks.map((tick) => write(tick)) },
    ],
    series: [
      {},
      ...series.map((one): uPlot.Series => ({
        label: one.label,
        stroke: color(`--chart-${one.tone}`),
        width: kind === "bars" ? 0 : 2,
        spanGaps: false,
        fill: kind === "bars" ? color(`--chart-${one.tone}`) : series.length === 1 ? color(`--chart-${one.tone}`, 0.12) : undefined,
        paths: kind === "bars" ? bars : undefined,
        points: { show: kind === "lines" && (starts.length === 1 ? true : undefined), size: 5 },
      })),
    ],
    hooks: { setCursor: [(plot) => hover?.(plot.cursor.idx ?? undefined)] },
  };
}

/** What is counted has no halves. */
const WHOLE = Array.from({ length: 13 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();
const DAY_S = 86_400;

function tickName(seconds: number, step: number, zone: string): string {
  const form: Intl.DateTimeFormatOptions =
    step < DAY_S ? { hour: "2-digit", minute: "2-digit" } : step < 28 * DAY_S ? { day: "numeric", month: "short" } : { month: "short", year: "numeric" };
  return new Intl.DateTimeFormat(undefined, { ...form, timeZone: zone }).format(seconds * 1000);
}

/** The same plot on a picture of its own. */
export function plotFor(props: ChartProps) {
  return async (context: CanvasRenderingContext2D, width: number, height: number) => {
    const host = document.createElement("div");
    host.className = "hidden-text";
    document.body.append(host);
    await new Promise<void>((drawn) => {
      const made = options(props, width, height);
      made.hooks = {
        draw: [
          (plot) => {
            context.drawImage(plot.ctx.canvas, 0, 0, width, height);
            drawn();
          },
        ],
      };
      const plot = new uPlot(made, data(props), host);
      setTimeout(() => plot.destroy(), 1000);
    });
    host.remove();
    return props.series.map((one) => ({ label: one.label, color: color(`--chart-${one.tone}`) }));
  };
}
