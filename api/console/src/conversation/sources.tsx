// The sources of an answer, and one of them in its surroundings.
import { useEffect, useRef } from "preact/hooks";
import type { Interaction, Source } from "twig-ai";
import { decimal } from "../format";
import { type Loaded, useLoad } from "../load";
import { to } from "../place";
import { twig } from "../session";
import { Loading } from "../ui/basics";
import { Problem } from "../ui/problem";
import { quoted } from "./passage";

/** A source's passage as it was when the answer was given. */
interface Passage {
  index: number;
  chunkId: string;
  text: string | null;
  before?: string | null;
  after?: string | null;
}

export const useProvenance = (id: string | undefined): Loaded<Interaction | undefined> =>
  useLoad(async (signal) => (id ? twig().interactions.get(id, { include: "provenance" }, { signal }) : undefined), [id]);

export function SourceList({ sources, chosen, choose }: { sources: Source[]; chosen?: number; choose: (index: number) => void }) {
  return (
    <ul class="sources" aria-label="Sources">
      {sources.map((source) => (
        <li key={source.index}>
          <button type="button" class="source" aria-pressed={chosen === source.index} onClick={() => choose(source.index)}>
            <span class="head">
              <span>
                {source.index}. {source.documentTitle}
              </span>
              <span class="quiet small">{decimal(source.score)}</span>
            </span>
            <span class="quiet small">{place(source)}</span>
            <span class="clip">{source.snippet}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}

const place = ({ location }: Source) => [location.page && `Page ${location.page}`, ...location.headingPath].filter(Boolean).join(" › ");

export function SourcePanel({
  source,
  answer,
  provenance,
  close,
}: {
  source: Source;
  answer: string;
  provenance: Loaded<Interaction | undefined>;
  close: () => void;
}) {
  const passage = (provenance.value?.provenance?.sources as Passage[] | undefined)?.find((one) => one.index === source.index);
  const heading = useRef<HTMLHeadingElement>(null);
  // Where the panel stands below the answer, it is brought into sight.
  useEffect(() => heading.current?.scrollIntoView({ block: "nearest" }), [source.chunkId]);
  const web = /^https?:/.test(source.documentUrl ?? "");
  return (
    <section class="card" aria-label={`Source ${source.index}`}>
      <div class="card-head">
        <h2 ref={heading} class="wrap">
          {source.index}. {source.documentTitle}
        </h2>
        <button type="button" class="button small" onClick={close}>
          Close
        </button>
      </div>
      <p class="small muted wrap">
        {place(source)}{" "}
        {web ? (
          <a href={source.documentUrl ?? undefined} target="_blank" rel="noreferrer noopener">
            {source.documentUrl}
          </a>
        ) : (
          source.documentUrl
        )}
      </p>
      {provenance.loading && <Loading what="the passage" />}
      {!!provenance.failure && (
        <>
          <Problem failure={provenance.failure} />
          <div class="passage" tabIndex={0} role="region" aria-label="Beginning of the passage">
            {source.snippet}
          </div>
        </>
      )}
      {provenance.value && <Highlighted passage={passage} fallback={source.snippet} answer={answer} index={source.index} />}
      <p class="small quiet">
        Characters {source.location.start}–{source.location.end} of the extracted text · score {decimal(source.score)} ·{" "}
        <a href={to(`/data/${source.dataSpecId}`)}>data source</a>
      </p>
    </section>
  );
}

/** The passage between what stands before and after it in its document, with what the answer took from it marked. */
function Highlighted({ passage, fallback, answer, index }: { passage?: Passage; fallback: string; answer: string; index: number }) {
  const box = useRef<HTMLDivElement>(null);
  const text = passage?.text ?? fallback ?? "";
  useEffect(() => {
    const mark = box.current?.querySelector<HTMLElement>("mark, .here");
    if (mark && box.current) box.current.scrollTop = mark.offsetTop - box.current.offsetTop - 60;
  }, [text, index]);
  const spans = quoted(text, answer, index);
  const parts = spans.length ? pieces(text, spans) : [<span key="all">{text}</span>];
  return (
    <div ref={box} class="passage" tabIndex={0} role="region" aria-label="The passage as it was then">
      {passage?.before && <span class="around">{passage.before}</span>}
      <span class="here">{parts}</span>
      {passage?.after && <span class="around">{passage.after}</span>}
    </div>
  );
}

function pieces(text: string, spans: [number, number][]) {
  let at = 0;
  const all = spans.flatMap(([start, end]) => {
    const two = [text.slice(at, start), <mark key={start}>{text.slice(start, end)}</mark>];
    at = end;
    return two;
  });
  return [...all, text.slice(at)];
}
