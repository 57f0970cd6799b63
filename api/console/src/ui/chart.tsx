// A chart over time: drawn by uPlot, read by keyboard as a slider over its points, as a table by whoever wants figures, and taken along as CSV or PNG.
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { csv, save, slug } from "../files";
import { onTheme } from "../theme";
import { color, paint } from "./paint";

export interface Series { label: string; values: (number | null)[]; tone: 1 | 2 | 3 | 4 }
export interface ChartProps {
  title: string;
  about: string;
  /** The start of each bucket, RFC 3339. */
  starts: string[];
  series: Series[];
  kind: "bars" | "lines";
  zone: string;
  write: (value: number | null) => string;
  /** A bucket's name. */
  name: (place: number) => string;
  pick: (place: number) => void;
  /** Upper end of the scale, where it has one. */
  max?: number;
}

export function Chart(props: ChartProps) {
  const { title, about, starts, series, write, name, pick } = props;
  const [place, setPlace] = useState<number>();
  const [asTable, setAsTable] = useState(false);
  const shown = place !== undefined && place < starts.length ? place : undefined;
  const rows = () => [["start", ...series.map((one) => one.label)], ...starts.map((start, i) => [start, ...series.map((one) => one.values[i] ?? null)])];
  return (
    <section class="card" aria-label={title}>
      <div class="chart-head">
        <div><h3>{title}</h3><p class="quiet small">{about}</p></div>
        <div class="buttons">
          <button type="button" class="button quiet small" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>Table</button>
          <button type="button" class="button quiet small" aria-label={`${title} as CSV`} onClick={() => save(`${slug(title)}.csv`, csv(rows()))}>CSV</button>
          <button type="button" class="button quiet small" aria-label={`${title} as PNG`} onClick={() => paint({ title, about, draw: plotFor(props) })}>PNG</button>
        </div>
      </div>
      {asTable ? <PointTable {...props} /> : <Plot {...props} place={shown} setPlace={setPlace} />}
      <p class="chart-read">
        {shown !== undefined && <span class="strong">{name(shown)}</span>}
        {series.map((one) => <span key={one.label} class="key"><i class={`k${one.tone}`} />{one.label}{shown !== undefined && <b>{write(one.values[shown] ?? null)}</b>}</span>)}
        {shown !== undefined && <button type="button" class="plain small" onClick={() => pick(shown)}>Show interactions</button>}
      </p>
    </section>
  );
}

function PointTable({ title, starts, series, write, name, pick }: ChartProps) {
  return (
    <div class="chart-table" tabIndex={0} role="region" aria-label={`${title}, table`}>
      <table>
        <thead><tr><th scope="col">From</th>{series.map((one) => <th key={one.label} scope="col" class="num">{one.label}</th>)}</tr></thead>
        <tbody>
          {starts.map((start, i) => (
            <tr key={start}><td><button type="button" class="plain" onClick={() => pick(i)}>{name(i)}</button></td>{series.map((one) => <td key={one.label} class="num">{write(one.values[i] ?? null)}</td>)}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

type PlotProps = ChartProps & { place: number | undefined; setPlace: (place: number | undefined) => void };

function Plot(props: PlotProps) {
  const { title, starts, series, write, name, pick, place, setPlace } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const latest = useRef(props);
  latest.current = props;
  useEffect(() => {
    const element = box.current!;
    const draw = () => {
      plot.current?.destroy();
      const hover = (at: number | undefined) => latest.current.setPlace(at);
      plot.current = new uPlot(options(latest.current, element.clientWidth, element.clientHeight, hover), data(latest.current), element);
    };
    draw();
    const resized = new ResizeObserver(() => { const { clientWidth: width, clientHeight: height } = element; if (width && height) plot.current?.setSize({ width, height }); });
    resized.observe(element);
    const ended = onTheme(draw);
    return () => { ended(); resized.disconnect(); plot.current?.destroy(); };
  }, [starts.join(), props.kind, props.zone, series.length]);
  useEffect(() => plot.current?.setData(data(props)), [JSON.stringify(series.map((one) => one.values))]);
  const last = starts.length - 1;
  const move = (at: number) => {
    const next = Math.max(0, Math.min(last, at));
    setPlace(next);
    const left = plot.current?.valToPos(plot.current.data[0][next]!, "x");
    if (left !== undefined) plot.current?.setCursor({ left, top: 10 }, false);
  };
  const keys: Record<string, () => void> = {
    ArrowLeft: () => move((place ?? last + 1) - 1), ArrowDown: () => move((place ?? last + 1) - 1), ArrowRight: () => move((place ?? -1) + 1), ArrowUp: () => move((place ?? -1) + 1),
    Home: () => move(0), End: () => move(last), Enter: () => place !== undefined && pick(place),
  };
  const said = (at: number) => `${name(at)}: ${series.map((one) => `${one.label} ${write(one.values[at] ?? null)}`).join(", ")}. Enter shows the interactions.`;
  return (
    <div
      ref={box} class="chart-plot" tabIndex={0} role="slider" aria-label={title} aria-valuemin={0} aria-valuemax={Math.max(0, last)} aria-valuenow={place ?? last}
      aria-valuetext={said(place ?? last)} onKeyDown={(event) => { const act = keys[event.key]; if (act) { event.preventDefault(); act(); } }}
      onClick={() => place !== undefined && pick(place)}
    />
  );
}

const data = ({ starts, series }: ChartProps): uPlot.AlignedData => [starts.map((start) => Date.parse(start) / 1000), ...series.map((one) => one.values)] as uPlot.AlignedData;

function options({ series, kind, zone, write, max, starts }: ChartProps, width: number, height: number, hover?: (place: number | undefined) => void): uPlot.Options {
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const font = `${Math.round(rem * 0.75)}px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: color("--ink-3"), font, grid: { stroke: color("--chart-grid"), width: 1 }, ticks: { show: false } };
  const bars = uPlot.paths.bars!({ size: [0.7, 48], radius: 0.15 });
  // A single point needs a neighbourhood to stand in.
  const half = starts.length > 1 ? (Date.parse(starts[1]!) - Date.parse(starts[0]!)) / 2000 : 43_200;
  return {
    width, height,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
    legend: { show: false },
    padding: [rem * 0.6, rem * 0.5, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    scales: { x: { time: true, range: (_, from, to) => [from - half, to + half] }, y: { range: (_, __, high) => [0, max ?? (high > 0 ? high * 1.1 : 1)] } },
    axes: [{ ...axis, grid: { show: false }, space: rem * 4.5, size: rem * 2, values: (_, ticks, __, ___, step) => ticks.map((tick) => tickName(tick, step, zone)) }, { ...axis, size: rem * 3.4, incrs: kind === "bars" ? WHOLE : undefined, values: (_, ticks) => ticks.map((tick) => write(tick)) }],
    series: [{}, ...series.map((one): uPlot.Series => ({
      label: one.label, stroke: color(`--chart-${one.tone}`), width: kind === "bars" ? 0 : 2, spanGaps: false,
      fill: kind === "bars" ? color(`--chart-${one.tone}`) : series.length === 1 ? color(`--chart-${one.tone}`, 0.12) : undefined,
      paths: kind === "bars" ? bars : undefined, points: { show: kind === "lines" && (starts.length === 1 ? true : undefined), size: 5 },
    }))],
    hooks: { setCursor: [(plot) => hover?.(plot.cursor.idx ?? undefined)] },
  };
}

/** What is counted has no halves. */
const WHOLE = Array.from({ length: 13 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();
const DAY_S = 86_400;

function tickName(seconds: number, step: number, zone: string): string {
  const form: Intl.DateTimeFormatOptions = step < DAY_S ? { hour: "2-digit", minute: "2-digit" } : step < 28 * DAY_S ? { day: "numeric", month: "short" } : { month: "short", year: "numeric" };
  return new Intl.DateTimeFormat(undefined, { ...form, timeZone: zone }).format(seconds * 1000);
}

/** The same plot on a picture of its own. */
function plotFor(props: ChartProps) {
  return async (context: CanvasRenderingContext2D, width: number, height: number) => {
    const host = document.createElement("div");
    host.className = "hidden-text";
    document.body.append(host);
    await new Promise<void>((drawn) => {
      const made = options(props, width, height);
      made.hooks = { draw: [(plot) => { context.drawImage(plot.ctx.canvas, 0, 0, width, height); drawn(); }] };
      const plot = new uPlot(made, data(props), host);
      setTimeout(() => plot.destroy(), 1000);
    });
    host.remove();
    return props.series.map((one) => ({ label: one.label, color: color(`--chart-${one.tone}`) }));
  };
}
