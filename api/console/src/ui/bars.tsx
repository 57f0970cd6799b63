// A chart of named bars as a table; taken along as CSV or PNG as any other chart.
import { csv, save, slug } from "../files";
import { Empty } from "./basics";
import { type Column, Table } from "./list";
import { paintBars } from "./paint";

interface BarsProps<T> {
  title: string;
  about: string;
  rows: T[];
  id: (row: T) => string;
  label: (row: T) => string;
  value: (row: T) => number;
  write: (value: number) => string;
  /** The name of the measured. */
  measure: string;
  pick: (row: T) => void;
  columns?: Column<T>[];
  /** The CSV's head and rows. */
  table: (string | number | null)[][];
  empty: string;
}

export function Bars<T>({ title, about, rows, id, label, value, write, measure, pick, columns = [], table, empty }: BarsProps<T>) {
  const most = Math.max(1, ...rows.map(value));
  const all: Column<T>[] = [
    {
      head: "Name",
      cell: (row) => (
        <button type="button" class="plain" onClick={() => pick(row)}>
          {label(row)}
        </button>
      ),
    },
    {
      head: measure,
      cell: (row) => (
        <div class="bar-cell">
          <span>{write(value(row))}</span>
          <div class="meter" aria-hidden="true">
            <i style={{ width: `${(value(row) / most) * 100}%` }} />
          </div>
        </div>
      ),
    },
    ...columns,
  ];
  const picture = () =>
    paintBars(
      title,
      about,
      rows.map((row) => ({ label: label(row), value: value(row), written: write(value(row)) })),
    );
  return (
    <section class="card flush" aria-label={title}>
      <div class="card-head">
        <div>
          <h3>{title}</h3>
          <p class="quiet small">{about}</p>
        </div>
        <div class="buttons">
          <button type="button" class="button quiet small" aria-label={`${title} as CSV`} onClick={() => save(`${slug(title)}.csv`, csv(table))}>
            CSV
          </button>
          <button type="button" class="button quiet small" aria-label={`${title} as PNG`} onClick={picture}>
            PNG
          </button>
        </div>
      </div>
      {rows.length ? <Table rows={rows} what={title} columns={all} id={id} /> : <Empty icon="dashboard" title={empty} />}
    </section>
  );
}
