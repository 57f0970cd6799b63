// Where in a passage an answer's words stand: what the highlight shows.

export type Span = [start: number, end: number];

/** Fewer words than this are a coincidence and no quotation. */
const MIN_WORDS = 3;
const MARKERS = /((?:\s*\[\d+\])+)/;

/** What an answer states with `[index]`: the text before each such marker, sentence by sentence. */
export function statements(answer: string, index: number): string[] {
  const parts = answer.split(MARKERS);
  const found: string[] = [];
  for (let i = 1; i < parts.length; i += 2) {
    if (!parts[i]!.includes(`[${index}]`)) continue;
    // A marker may stand before its sentence's full stop.
    found.push(parts[i - 1]!.replace(/^[\s.,;:!?]+/, ""));
  }
  return found;
}

/** The spans of the passage that the answer repeats, in order and apart; white space may differ. */
export function quoted(passage: string, answer: string, index: number): Span[] {
  const spans: Span[] = [];
  for (const statement of statements(answer, index)) {
    const whole = find(passage, statement);
    if (whole) {
      spans.push(whole);
      continue;
    }
    for (const sentence of statement.split(/(?<=[.!?])\s+|\n+/)) {
      const span = find(passage, sentence);
      if (span) spans.push(span);
    }
  }
  return joined(spans);
}

function find(passage: string, words: string): Span | undefined {
  const parts = words
    .replace(/^["“”'‘’…\s\-*•>]+|["“”'‘’…\s]+$/g, "")
    .split(/\s+/)
    .filter(Boolean);
  if (parts.length < MIN_WORDS) return undefined;
  const pattern = parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("\\s+");
  const found = new RegExp(pattern, "i").exec(passage);
  return found ? [found.index, found.index + found[0].length] : undefined;
}

function joined(spans: Span[]): Span[] {
  const sorted = spans.toSorted((a, b) => a[0] - b[0]);
  const all: Span[] = [];
  for (const [start, end] of sorted) {
    const last = all.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else all.push([start, end]);
  }
  return all;
}
