// A list as a table. Invariant: exactly one of loading, error, empty or rows is shown.
import type { ComponentChildren } from "preact";
import { count } from "../format";
import type { Listed } from "../load";
import { Loading } from "./basics";
import { Problem } from "./problem";

export interface Column<T> {
  head: string;
  cell: (row: T) => ComponentChildren;
  num?: boolean;
  /** Left out on narrow screens. */ wide?: boolean;
}

interface Props<T> {
  of: Listed<T>;
  what: string;
  columns: Column<T>[];
  id: (row: T) => string;
  empty: ComponentChildren;
}

export function List<T>({ of, what, columns, id, empty }: Props<T>) {
  if (of.failure && !of.value) return <Problem failure={of.failure} retry={of.reload} />;
  if (!of.value)
    return (
      <div class="card flush">
        <Loading what={what} />
      </div>
    );
  if (!of.value.length) return <div class="card">{empty}</div>;
  return (
    <div class="card flush">
      <Table rows={of.value} what={what} columns={columns} id={id} />
      {!!of.failure && <Problem failure={of.failure} retry={of.more ?? of.reload} />}
      <div class="more">
        <span class="quiet small">
          {count(of.value.length)} of {count(Math.max(of.total, of.value.length))}
        </span>
        {of.more && (
          <button type="button" class="button small" disabled={of.loading} onClick={of.more}>
            Show more
          </button>
        )}
      </div>
    </div>
  );
}

export function Table<T>({ rows, what, columns, id }: { rows: T[]; what: string; columns: Column<T>[]; id: (row: T) => string }) {
  const kind = (column: Column<T>) => `${column.num ? "num" : ""} ${column.wide ? "wide" : ""}`.trim() || undefined;
  return (
    <div class="table-wrap" tabIndex={0} role="region" aria-label={`Table: ${what}`}>
      {/* The roles say again what the stacked form of narrow screens takes from the elements. */}
      <table role="table" class="stacks">
        <thead role="rowgroup">
          <tr role="row">
            {columns.map((column) => (
              <th key={column.head} role="columnheader" scope="col" class={kind(column)}>
                {column.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => (
            <tr key={id(row)} role="row">
              {columns.map((column) => (
                <td key={column.head} role="cell" class={kind(column)} data-head={column.head}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
