// Changes from one version to another, a text line by line.
import type { Change } from "twig-ai";

/** Beyond this a text's change is shown as the old and the new whole: comparing lines costs their product. */
const MAX_CELLS = 250_000;

type Line = ["=" | "-" | "+", string];

export function lineDiff(from: string, to: string): Line[] {
  const [a, b] = [from.split("\n"), to.split("\n")];
  if (a.length * b.length > MAX_CELLS) return [...a.map((line): Line => ["-", line]), ...b.map((line): Line => ["+", line])];
  // Lengths of the longest common subsequences of the ends.
  const common = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) common[i]![j] = a[i] === b[j] ? common[i + 1]![j + 1]! + 1 : Math.max(common[i + 1]![j]!, common[i]![j + 1]!);
  }
  const lines: Line[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push(["=", a[i++]!]);
      j++;
    } else if (i < a.length && (j >= b.length || common[i + 1]![j]! >= common[i]![j + 1]!)) lines.push(["-", a[i++]!]);
    else lines.push(["+", b[j++]!]);
  }
  return lines;
}

const shown = (value: unknown): string => (value === undefined || value === null ? "" : typeof value === "string" ? value : JSON.stringify(value, null, 2));
const KIND = { "=": "", "-": "del", "+": "add" };
const SAID = { "=": "", "-": "removed: ", "+": "added: " };

/** A side that has nothing has no line. */
function linesOf(from: unknown, to: unknown): Line[] {
  const [before, after] = [shown(from), shown(to)];
  if (!before) return after.split("\n").map((line): Line => ["+", line]);
  if (!after) return before.split("\n").map((line): Line => ["-", line]);
  return lineDiff(before, after);
}

export function Changes({ of }: { of: Change[] }) {
  if (!of.length) return <p class="quiet">Nothing differs.</p>;
  return (
    <div class="diff">
      {of.map(({ path, from, to }) => (
        <div key={path} class="diff-row">
          <span class="mono">{path}</span>
          <div class="diff-text">
            {linesOf(from, to).map(([kind, line], place) => (
              <div key={place} class={KIND[kind]} data-sign={kind === "=" ? " " : kind}>
                <span class="hidden-text">{SAID[kind]}</span>
                {line}
              </div>
            ))}
          </div>
        </div>
      ))}
    </div>
  );
}

/** What differs between two objects, member by member. */
export function changesBetween(from: Record<string, unknown>, to: Record<string, unknown>, members: string[]): Change[] {
  return members
    .filter((name) => JSON.stringify(from[name]) !== JSON.stringify(to[name]))
    .map((name) => ({ path: `/${name}`, from: from[name], to: to[name] }));
}
