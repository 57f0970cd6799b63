// One interaction in its conversation: the answer with its sources, why it is so, and what was thought of it.
import { useState } from "preact/hooks";
import type { Interaction, Provenance } from "twig-ai";
import { count, decimal, duration, time } from "../../format";
import { save } from "../../files";
import { type Loaded, useLoad } from "../../load";
import { to } from "../../place";
import { twig } from "../../session";
import { Copy, Head, Loading } from "../../ui/basics";
import { Problem } from "../../ui/problem";
import { Answer } from "../../conversation/answer";
import { FeedbackForm, FeedbackHistory, reviewName } from "../../conversation/feedback";
import { SourceList, SourcePanel } from "../../conversation/sources";
import { Steps } from "../../conversation/steps";
import { Outcome } from "./list";

export function InteractionDetail({ id }: { id: string }) {
  const found = useLoad((signal) => twig().interactions.get(id, { include: "provenance,history" }, { signal }), [id], true);
  const [chosen, choose] = useState<number>();
  const crumb: [string, string] = ["Interactions", to("/interactions")];
  if (!found.value) {
    return (
      <>
        <Head title="Interaction" crumb={crumb} />
        {found.failure ? (
          <Problem failure={found.failure} retry={found.reload} />
        ) : (
          <div class="card">
            <Loading what="the interaction" />
          </div>
        )}
      </>
    );
  }
  const it = found.value;
  const source = it.sources?.find((one) => one.index === chosen);
  return (
    <>
      <Head
        title={it.prompt ?? "Erased question"}
        crumb={crumb}
        about={
          <span class="meta">
            <Outcome of={it} />
            <span>{time(it.createdAt)}</span>
            <span>{duration(it.latencyMs)}</span>
          </span>
        }
      >
        <button type="button" class="button" onClick={() => save(`${it.id}.json`, JSON.stringify(it, null, 2), "application/json")}>
          Export JSON
        </button>
      </Head>
      <div class="two-panes">
        <div class="turns">
          <Conversation of={it} chosen={chosen} choose={(index) => choose(index === chosen ? undefined : index)} />
          <section class="card" aria-label="Why this answer">
            <h2>Why this answer</h2>
            <Why of={it} />
          </section>
        </div>
        <div class="pane-side">
          {source && (
            <SourcePanel source={source} answer={it.response ?? ""} provenance={found as Loaded<Interaction | undefined>} close={() => choose(undefined)} />
          )}
          {it.status === "completed" && (
            <section class="card" aria-label="Feedback and review">
              <h2>Feedback and review</h2>
              <FeedbackForm key={it.feedback?.createdAt ?? "none"} interaction={it} changed={found.reload} />
              <details>
                <summary>History</summary>
                <FeedbackHistory of={it.feedbackHistory} />
              </details>
            </section>
          )}
          <Facts of={it} />
        </div>
      </div>
    </>
  );
}

/** The turns around this one; the others are short and lead to their own page. */
function Conversation({ of, chosen, choose }: { of: Interaction; chosen?: number; choose: (index: number) => void }) {
  const session = useLoad((signal) => twig().sessions.get(of.sessionId, { signal }), [of.sessionId]);
  const turns = session.value?.turns ?? [];
  const here = turns.findIndex((turn) => turn.id === of.id);
  const other = (turn: Interaction) => (
    <li key={turn.id} class="turn">
      <a class="bubble small" href={to(`/interactions/${turn.id}`)}>
        {turn.prompt ?? "Erased"}
      </a>
      <p class="clip muted small">{turn.response}</p>
    </li>
  );
  return (
    <section class="card" aria-label="Conversation">
      <ol class="turns">
        {here > 0 && turns.slice(0, here).map(other)}
        <li class="turn" aria-current="true">
          <p class="bubble">{of.prompt ?? "This question was erased."}</p>
          {of.status === "failed" ? (
            <div class="problem">
              <p>
                <strong>The answer failed.</strong> {String(of.error?.message ?? "")}
              </p>
              <p class="small">
                Code <code>{String(of.error?.code ?? "unknown")}</code>
              </p>
            </div>
          ) : (
            <Answer
              text={of.response ?? (of.status === "started" ? "The answer is being made." : "This answer was erased.")}
              sources={(of.sources ?? []).map((one) => one.index)}
              chosen={chosen}
              choose={choose}
            />
          )}
          {of.sources?.length > 0 && <SourceList sources={of.sources} chosen={chosen} choose={choose} />}
        </li>
        {here >= 0 && turns.slice(here + 1).map(other)}
      </ol>
      {!!session.failure && (
        <p class="small quiet">The rest of the conversation can't be shown: {session.failure instanceof Error ? session.failure.message : ""}</p>
      )}
    </section>
  );
}

function Why({ of }: { of: Interaction }) {
  const provenance: Partial<Provenance> = of.provenance ?? {};
  return (
    <>
      <Steps of={provenance.steps} />
      <details>
        <summary>The agent's configuration at version {of.agentVersion}</summary>
        <pre class="code" tabIndex={0}>
          {JSON.stringify(provenance.agent, null, 2)}
        </pre>
      </details>
      <dl class="facts small">
        {provenance.messagesSha256 && (
          <>
            <dt>Messages sent, SHA-256</dt>
            <dd>
              <Copy text={provenance.messagesSha256} />
            </dd>
          </>
        )}
        {provenance.costUsd != null && (
          <>
            <dt>Cost</dt>
            <dd>${decimal(provenance.costUsd)}</dd>
          </>
        )}
        {Array.isArray(provenance.positions) && (
          <>
            <dt>Events at positions</dt>
            <dd>{provenance.positions.join(", ")}</dd>
          </>
        )}
      </dl>
    </>
  );
}

function Facts({ of }: { of: Interaction }) {
  const agent = useLoad((signal) => twig().agents.get(of.agentId, {}, { signal, maxRetries: 0 }), [of.agentId]);
  return (
    <section class="card" aria-label="Details">
      <h2>Details</h2>
      <dl class="facts">
        <dt>Agent</dt>
        <dd>
          <a href={to(`/agents/${of.agentId}`)}>{agent.value?.name ?? of.agentId}</a>, version {of.agentVersion}
        </dd>
        <dt>Model</dt>
        <dd>{of.model}</dd>
        <dt>Strategy</dt>
        <dd>{of.ragStrategy}</dd>
        <dt>Tokens</dt>
        <dd>{of.usage ? `${count(of.usage.promptTokens)} in, ${count(of.usage.completionTokens)} out` : "–"}</dd>
        {of.grounding != null && (
          <>
            <dt>Grounding</dt>
            <dd>{decimal(of.grounding)}</dd>
          </>
        )}
        <dt>Review</dt>
        <dd>{reviewName(of.reviewStatus)}</dd>
        <dt>User</dt>
        <dd>{of.userId ? <a href={to("/interactions", { userId: of.userId })}>{of.userId}</a> : "–"}</dd>
        <dt>Session</dt>
        <dd>
          <a class="wrap" href={to("/interactions", { sessionId: of.sessionId })}>
            {of.sessionId}
          </a>
        </dd>
        <dt>Origin</dt>
        <dd>{of.origin}</dd>
        {Object.entries(of.metadata ?? {}).map(([name, value]) => (
          <>
            <dt key={name}>{name}</dt>
            <dd>{value}</dd>
          </>
        ))}
        <dt>Id</dt>
        <dd>
          <Copy text={of.id} />
        </dd>
      </dl>
    </section>
  );
}
