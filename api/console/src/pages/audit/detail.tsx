// One audit event: what changed, its context, and the proof that it stands in the log.
import { useState } from "preact/hooks";
import type { AuditEvent, AuditProof } from "twig-ai";
import { time, words } from "../../format";
import { save } from "../../files";
import { useLoad } from "../../load";
import { to } from "../../place";
import { twig } from "../../session";
import { Badge, Copy, Head, Loading } from "../../ui/basics";
import { Changes } from "../../ui/diff";
import { Problem } from "../../ui/problem";
import { Target } from "./page";
import { type Finding, verify } from "./verify";

const CRUMB: [string, string] = ["Audit", to("/audit")];

export function AuditDetail({ id }: { id: string }) {
  const event = useLoad((signal) => twig().audit.get(id, { signal }), [id]);
  if (!event.value)
    return (
      <>
        <Head title="Audit event" crumb={CRUMB} />
        {event.failure ? (
          <Problem failure={event.failure} retry={event.reload} />
        ) : (
          <div class="card">
            <Loading what="the event" />
          </div>
        )}
      </>
    );
  const it = event.value;
  return (
    <>
      <Head title={words(it.action)} crumb={CRUMB} about={time(it.occurredAt)}>
        <button type="button" class="button" onClick={() => save(`${it.id}.json`, JSON.stringify(it, null, 2), "application/json")}>
          Export JSON
        </button>
      </Head>
      <div class="grid-cards">
        <section class="card" aria-label="Event">
          <h2>Event</h2>
          <dl class="facts">
            <dt>Who</dt>
            <dd>
              {it.actor.name ?? "–"} <span class="quiet">{it.actor.type.replace("_", " ")}</span> <Copy text={it.actor.id} />
            </dd>
            <dt>Target</dt>
            <dd>
              {it.target.type.replace("_", " ")} <Target of={it.target} />
            </dd>
            <dt>Event type</dt>
            <dd>{it.type}</dd>
            <dt>Position</dt>
            <dd>{it.position}</dd>
            <dt>Request id</dt>
            <dd>{it.context?.requestId ? <Copy text={it.context.requestId} /> : "–"}</dd>
            <dt>Address</dt>
            <dd>{it.context?.ip ?? "–"}</dd>
            <dt>Client</dt>
            <dd>{it.context?.userAgent ?? "–"}</dd>
            <dt>Hash</dt>
            <dd>
              <Copy text={it.hash} />
            </dd>
            <dt>Id</dt>
            <dd>
              <Copy text={it.id} />
            </dd>
          </dl>
        </section>
        <section class="card" aria-label="Changes">
          <h2>Changes</h2>
          <Changes of={it.changes ?? []} />
        </section>
        <Proof event={it} />
      </div>
    </>
  );
}

interface Proven {
  proof: AuditProof;
  key: string;
  findings?: Finding[];
}

function Proof({ event }: { event: AuditEvent }) {
  const [state, setState] = useState<{ busy?: boolean; failure?: unknown; proven?: Proven }>({});
  const load = async () => {
    setState({ busy: true });
    try {
      const [proof, { verifierKey }] = await Promise.all([twig().audit.proof(event.id), twig().audit.checkpoint()]);
      setState({ proven: { proof, key: verifierKey, findings: await verify(event, proof, verifierKey) } });
    } catch (failure) {
      setState({ failure });
    }
  };
  const proven = state.proven;
  return (
    <section class="card" aria-label="Proof">
      <h2>Proof</h2>
      <p class="muted">This event's place in the organization's Merkle tree, checked here in the browser against a checkpoint that the server signed.</p>
      <div class="buttons">
        <button type="button" class="button" disabled={state.busy} onClick={load}>
          {state.busy ? "Checking…" : "Get and verify the proof"}
        </button>
        {proven && (
          <button
            type="button"
            class="button"
            onClick={() => save(`${event.id}.proof.json`, JSON.stringify({ event, proof: proven.proof, verifierKey: proven.key }, null, 2), "application/json")}
          >
            Export the proof
          </button>
        )}
      </div>
      <Problem failure={state.failure} />
      {proven?.findings && (
        <ul class="form" role="status">
          {proven.findings.map((finding) => (
            <li key={finding.what}>
              <Badge of={finding.holds ? "succeeded" : "failed"} label={finding.holds ? "Holds" : "Does not hold"} /> {finding.what}
              <br />
              <code class="small wrap quiet">{finding.detail}</code>
            </li>
          ))}
        </ul>
      )}
      {proven && (
        <details>
          <summary>Checkpoint and path</summary>
          <pre class="code soft" tabIndex={0}>
            {proven.proof.checkpoint}
          </pre>
          <pre class="code" tabIndex={0}>
            {proven.proof.hashes.join("\n") || "(one leaf: no path)"}
          </pre>
          <p class="small wrap">
            Verifier's key <Copy text={proven.key} />
          </p>
        </details>
      )}
    </section>
  );
}
