// A chart over time: drawn by uPlot, read by keyboard as a slider over its points, as a table by whoever wants figures, and taken along as CSV or PNG.
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { csv, save, slug } from "../files";
import { onTheme } from "../theme";
import { paint } from "./paint";
import { data, options, plotFor } from "./plot";

export interface Series {
  label: string;
  values: (number | null)[];
  tone: 1 | 2 | 3 | 4;
}
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
        <div>
          <h3>{title}</h3>
          <p class="quiet small">{about}</p>
        </div>
        <div class="buttons">
          <button type="button" class="button quiet small" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>
            Table
          </button>
          <button type="button" class="button quiet small" aria-label={`${title} as CSV`} onClick={() => save(`${slug(title)}.csv`, csv(rows()))}>
            CSV
          </button>
          <button type="button" class="button quiet small" aria-label={`${title} as PNG`} onClick={() => paint({ title, about, draw: plotFor(props) })}>
            PNG
          </button>
        </div>
      </div>
      {asTable ? <PointTable {...props} /> : <Plot {...props} place={shown} setPlace={setPlace} />}
      <p class="chart-read">
        {shown !== undefined && <span class="strong">{name(shown)}</span>}
        {series.map((one) => (
          <span key={one.label} class="key">
            <i class={`k${one.tone}`} />
            {one.label}
            {shown !== undefined && <b>{write(one.values[shown] ?? null)}</b>}
          </span>
        ))}
        {shown !== undefined && (
          <button type="button" class="plain small" onClick={() => pick(shown)}>
            Show interactions
          </button>
        )}
      </p>
    </section>
  );
}

function PointTable({ title, starts, series, write, name, pick }: ChartProps) {
  return (
    <div class="chart-table" tabIndex={0} role="region" aria-label={`${title}, table`}>
      <table>
        <thead>
          <tr>
            <th scope="col">From</th>
            {series.map((one) => (
              <th key={one.label} scope="col" class="num">
                {one.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {starts.map((start, i) => (
            <tr key={start}>
              <td>
                <button type="button" class="plain" onClick={() => pick(i)}>
                  {name(i)}
                </button>
              </td>
              {series.map((one) => (
                <td key={one.label} class="num">
                  {write(one.values[i] ?? null)}
                </td>
              ))}
            </tr>
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
    const resized = new ResizeObserver(() => {
      const { clientWidth: width, clientHeight: height } = element;
      if (width && height) plot.current?.setSize({ width, height });
    });
    resized.observe(element);
    const ended = onTheme(draw);
    return () => {
      ended();
      resized.disconnect();
      plot.current?.destroy();
    };
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
    ArrowLeft: () => move((place ?? last + 1) - 1),
    ArrowDown: () => move((place ?? last + 1) - 1),
    ArrowRight: () => move((place ?? -1) + 1),
    ArrowUp: () => move((place ?? -1) + 1),
    Home: () => move(0),
    End: () => move(last),
    Enter: () => place !== undefined && pick(place),
  };
  const said = (at: number) => `${name(at)}: ${series.map((one) => `${one.label} ${write(one.values[at] ?? null)}`).join(", ")}. Enter shows the interactions.`;
  return (
    <div
      ref={box}
      class="chart-plot"
      tabIndex={0}
      role="slider"
      aria-label={title}
      aria-valuemin={0}
      aria-valuemax={Math.max(0, last)}
      aria-valuenow={place ?? last}
      aria-valuetext={said(place ?? last)}
      onKeyDown={(event) => {
        const act = keys[event.key];
        if (act) {
          event.preventDefault();
          act();
        }
      }}
      onClick={() => place !== undefined && pick(place)}
    />
  );
}
