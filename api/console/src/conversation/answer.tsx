// An answer's text: code as code, `[n]` as a button that shows source n. Nothing in it is taken for HTML.
import type { ComponentChildren } from "preact";

interface AnswerProps {
  text: string;
  sources: number[];
  chosen?: number;
  choose?: (index: number) => void;
  writing?: boolean;
}

export function Answer({ text, sources, chosen, choose, writing }: AnswerProps) {
  return (
    <div class={`answer ${writing ? "caret" : ""}`}>
      {text.split(/```[^\n]*\n?/).map((block, place) =>
        place % 2 ? (
          <pre key={place} class="code" tabIndex={0}>
            {block}
          </pre>
        ) : (
          block.trim() && (
            <div key={place} class="text">
              {inline(block.trim(), { sources, chosen, choose })}
            </div>
          )
        ),
      )}
    </div>
  );
}

function inline(text: string, { sources, chosen, choose }: Omit<AnswerProps, "text">): ComponentChildren[] {
  return text.split(/(`[^`\n]+`|\*\*[^*\n]+\*\*|\[\d+\])/).map((part, place) => {
    if (!(place % 2)) return part;
    if (part.startsWith("`")) return <code key={place}>{part.slice(1, -1)}</code>;
    if (part.startsWith("*")) return <strong key={place}>{part.slice(2, -2)}</strong>;
    const index = Number(part.slice(1, -1));
    if (!sources.includes(index)) return part;
    return (
      <button
        key={place}
        type="button"
        class="cite"
        aria-label={`Source ${index}`}
        aria-pressed={choose ? chosen === index : undefined}
        onClick={() => choose?.(index)}
      >
        {index}
      </button>
    );
  });
}
