// One question and its answer as it comes, or as an earlier version of the agent gives it.
import { useEffect, useRef, useState } from "preact/hooks";
import type { ChatResponse, Interaction, Rating, Source } from "twig-ai";
import { count, decimal, duration } from "../../format";
import { to } from "../../place";
import { twig } from "../../session";
import { Badge } from "../../ui/basics";
import { Problem } from "../../ui/problem";
import { Answer } from "../../conversation/answer";
import { Thumbs } from "../../conversation/feedback";
import { SourceList, useProvenance } from "../../conversation/sources";
import { Steps } from "../../conversation/steps";
import { type Replayed, replayOf } from "./replay";

const RANDOM_CHARS = 16;
/** A stream that is cut goes on where it was. */
const MAX_RETRIES = 3;

export interface Asked {
  key: string;
  session: string;
  prompt: string;
  temperature?: number;
  topK?: number;
  maxTokens?: number;
}
/** An answer as far as it has come. */
export interface Shown {
  id?: string;
  text: string;
  sources: Source[];
  done: boolean;
  failure?: unknown;
  whole?: ChatResponse;
}

export const freshSession = () =>
  `console-${[...crypto.getRandomValues(new Uint8Array(RANDOM_CHARS))].map((byte) => "abcdefghijklmnopqrstuvwxyz234567"[byte % 32]).join("")}`;

interface TurnProps {
  asked: Asked;
  report: (now: Shown) => void;
  chosen?: number;
  choose: (index: number) => void;
}

export function Turn({ asked, agentId, session, report, chosen, choose }: TurnProps & { agentId: string; session: string }) {
  const [now, setNow] = useState<Shown>({ text: "", sources: [], done: false });
  const show = (next: Shown) => {
    setNow(next);
    report(next);
  };
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => {
    element.current?.scrollIntoView({ block: "nearest" });
    const leaving = new AbortController();
    const { prompt, temperature, topK, maxTokens } = asked;
    void follow(agentId, { prompt, temperature, topK, maxTokens, sessionId: session }, leaving.signal, show);
    return () => leaving.abort();
  }, []);
  return (
    <div ref={element} class="turn">
      <p class="bubble">{asked.prompt}</p>
      <Body now={now} chosen={chosen} choose={choose} />
      {now.whole && <After of={now.whole} />}
    </div>
  );
}

async function follow(
  agentId: string,
  question: Omit<Asked, "key" | "session"> & { sessionId: string },
  signal: AbortSignal,
  show: (now: Shown) => void,
): Promise<void> {
  let now: Shown = { text: "", sources: [], done: false };
  const next = (more: Partial<Shown>) => {
    if (!signal.aborted) show((now = { ...now, ...more }));
  };
  try {
    for await (const event of twig().chat.stream({ agentId, ...question }, { signal, maxRetries: MAX_RETRIES })) {
      if (event.type === "message.created") next({ id: event.id });
      else if (event.type === "message.sources") next({ sources: event.sources });
      else if (event.type === "message.delta") next({ text: now.text + event.text });
      else if (event.type === "message.completed") next({ text: event.response, sources: event.sources, whole: event });
    }
    next({ done: true });
  } catch (failure) {
    next({ done: true, failure });
  }
}

function Body({ now, chosen, choose }: { now: Shown; chosen?: number; choose: (index: number) => void }) {
  return (
    <>
      {!now.text && !now.done && (
        <p class="quiet" role="status">
          {now.sources.length ? "Writing from the sources…" : "Searching the sources…"}
        </p>
      )}
      {now.text && <Answer text={now.text} sources={now.sources.map((source) => source.index)} chosen={chosen} choose={choose} writing={!now.done} />}
      <Problem failure={now.failure} />
      {now.sources.length > 0 && <SourceList sources={now.sources} chosen={chosen} choose={choose} />}
    </>
  );
}

/** What is there once the answer is whole: figures, a rating, the steps. */
function After({ of }: { of: ChatResponse }) {
  const [rating, setRating] = useState<Rating>();
  const [open, setOpen] = useState(false);
  return (
    <>
      <div class="card-head">
        <Thumbs id={of.id} given={rating} changed={(after: Interaction) => setRating(after.feedback?.rating)} />
        <a class="small" href={to(`/interactions/${of.id}`)}>
          Open this interaction
        </a>
      </div>
      <p class="meta">
        {!of.answered && <Badge of="no" label="No answer found" />}
        <span>{duration(of.latencyMs)}</span>
        <span>{of.model}</span>
        <span>{of.ragStrategy}</span>
        <span>{count(of.usage.totalTokens)} tokens</span>
        {of.grounding != null && <span>grounding {decimal(of.grounding)}</span>}
      </p>
      <details onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>How it was found</summary>
        {open && <LoadedSteps id={of.id} />}
      </details>
    </>
  );
}

function LoadedSteps({ id }: { id: string }) {
  const provenance = useProvenance(id);
  if (provenance.failure) return <Problem failure={provenance.failure} retry={provenance.reload} />;
  return provenance.value ? (
    <Steps of={provenance.value.provenance?.steps} />
  ) : (
    <p class="quiet" role="status">
      Loading the steps…
    </p>
  );
}

/** The same question as another version of the agent answers it, once the present one has. */
export function ReplayedTurn({ asked, original, version, report }: Omit<TurnProps, "choose" | "chosen"> & { original?: Shown; version: number }) {
  const [state, setState] = useState<{ found?: Replayed; failure?: unknown }>({});
  const ready = original?.done;
  useEffect(() => {
    if (!ready) return;
    const leaving = new AbortController();
    const show = (next: { found?: Replayed; failure?: unknown }) => {
      if (leaving.signal.aborted) return;
      setState(next);
      report({ text: next.found?.answer ?? "", sources: [], done: true, failure: next.failure });
    };
    const answered =
      original?.id && !original.failure ? replayOf(asked.session, version, leaving.signal) : Promise.reject(new Error("There is no answer to compare with."));
    answered.then(
      (found) => show({ found }),
      (failure) => show({ failure }),
    );
    return () => leaving.abort();
  }, [ready]);
  return (
    <div class="turn">
      <p class="bubble">{asked.prompt}</p>
      {!state.found && !state.failure && (
        <p class="quiet" role="status">
          {ready ? `Version ${version} answers…` : "Waits for the present version's answer…"}
        </p>
      )}
      <Problem failure={state.failure} />
      {state.found && <ReplayedAnswer of={state.found} />}
    </div>
  );
}

function ReplayedAnswer({ of }: { of: Replayed }) {
  const named = (sources: Replayed["sourcesGained"]) => (sources?.length ? sources.map((source) => source.documentTitle).join(", ") : "none");
  return (
    <>
      <Answer text={of.answer ?? "The answer was erased."} sources={[]} />
      <dl class="facts small">
        <dt>Sources in both</dt>
        <dd>{count(of.sourcesKept)}</dd>
        <dt>Only here</dt>
        <dd>{named(of.sourcesGained)}</dd>
        <dt>Only in the present version</dt>
        <dd>{named(of.sourcesLost)}</dd>
      </dl>
      <p class="meta">
        {of.answered === false && <Badge of="no" label="No answer found" />}
        <span>{duration(of.latencyMs)}</span>
      </p>
    </>
  );
}
