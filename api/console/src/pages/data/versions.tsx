// A data source's versions. The API lists versions of agents alone: these are told by the audit log, and each one's state is had by time travel (`asOf`).
import type { AuditEvent, DataSpec, DataSpecUpdate } from "twig-ai";
import { time, words } from "../../format";
import { useList, useLoad } from "../../load";
import { twig } from "../../session";
import { Badge, Empty, Loading, toast } from "../../ui/basics";
import { Ask } from "../../ui/dialog";
import { Changes, changesBetween } from "../../ui/diff";
import { Problem } from "../../ui/problem";

const MEMBERS = ["name", "description", "config", "syncSchedule", "tags", "filters"];
/** The events that change settings; a run's are not. */
const SETTLED = ["DataSpecCreated", "DataSpecUpdated"];

export function DataVersions({ spec, changed }: { spec: DataSpec; changed: () => void }) {
  const list = useList<AuditEvent>((cursor, signal) => twig().audit.events({ target: spec.id, limit: 100, cursor }, { signal }), [spec.id, spec.version], true);
  if (list.failure && !list.value) return <Problem failure={list.failure} retry={list.reload} />;
  if (!list.value)
    return (
      <div class="card">
        <Loading what="versions" />
      </div>
    );
  const shown = list.value.filter((event) => SETTLED.includes(event.type));
  if (!shown.length && !list.more)
    return (
      <div class="card">
        <Empty icon="data" title="No change is recorded" />
      </div>
    );
  return (
    <ol class="form" aria-label="Versions">
      {shown.map((event, place) => (
        <li key={event.id} class="card">
          <div class="card-head">
            <div>
              <h2>{words(event.action)}</h2>
              <p class="small quiet">
                {event.actor.name ?? event.actor.id} · {time(event.occurredAt)} · position {event.position}
              </p>
            </div>
            {place === 0 ? <Badge of="active" label="Current" /> : <Restore spec={spec} event={event} changed={changed} />}
          </div>
          {event.type === "DataSpecCreated" ? (
            <details>
              <summary>As it was created</summary>
              <Changes of={event.changes} />
            </details>
          ) : (
            <Changes of={event.changes} />
          )}
        </li>
      ))}
      {list.more && (
        <button type="button" class="button" onClick={list.more}>
          Show earlier versions
        </button>
      )}
    </ol>
  );
}

function Restore({ spec, event, changed }: { spec: DataSpec; event: AuditEvent; changed: () => void }) {
  const restore = async () => {
    const then = await twig().dataSpecs.get(spec.id, { asOf: event.position });
    await twig().dataSpecs.update(spec.id, settingsOf(then), { ifMatch: spec.version });
    toast("The settings are as they were then. Run the source to use them.");
    changed();
  };
  return (
    <Ask
      label="Restore"
      small
      danger={false}
      title={`Restore the settings of ${time(event.occurredAt)}?`}
      act={restore}
      question={
        <>
          <p>They become the newest version; nothing of the history is lost. What would change:</p>
          <Difference spec={spec} position={event.position} />
        </>
      }
    />
  );
}

function Difference({ spec, position }: { spec: DataSpec; position: number }) {
  const then = useLoad((signal) => twig().dataSpecs.get(spec.id, { asOf: position }, { signal }), [position]);
  if (then.failure) return <Problem failure={then.failure} />;
  if (!then.value)
    return (
      <p class="quiet" role="status">
        Comparing…
      </p>
    );
  return <Changes of={changesBetween(spec as unknown as Record<string, unknown>, then.value as unknown as Record<string, unknown>, MEMBERS)} />;
}

/** A secret stays as it is now: it is shown as `***`, which keeps it. */
const settingsOf = ({ name, description, config, syncSchedule, tags, filters }: DataSpec): DataSpecUpdate => ({
  name,
  description,
  config,
  syncSchedule,
  tags,
  filters,
});
