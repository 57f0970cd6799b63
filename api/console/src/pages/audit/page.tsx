// The audit log: who did what to which thing, from where; each event with its proof.
import type { AuditEvent, AuditFilters } from "twig-ai";
import { words } from "../../format";
import { lines, saveStream } from "../../files";
import { useLive } from "../../live";
import { useList } from "../../load";
import { setQuery, to, usePlace } from "../../place";
import { twig } from "../../session";
import { Empty, Head, When } from "../../ui/basics";
import { Act } from "../../ui/dialog";
import { Text } from "../../ui/form";
import { List } from "../../ui/list";
import { AuditDetail } from "./detail";

const PAGE = 50;
const NAMES = ["q", "actor", "target", "type", "action"] as const;
/** What was asked of a thing of this type is on this page. */
const PAGES: Record<string, string> = { agent: "agents", data_spec: "data", interaction: "interactions", webhook: "webhooks" };

export const placeOf = (target: AuditEvent["target"]) => (PAGES[target.type] ? to(`/${PAGES[target.type]}/${target.id}`) : undefined);

export function AuditPage() {
  const { path } = usePlace();
  return path[1] ? <AuditDetail key={path[1]} id={path[1]} /> : <AuditList />;
}

function filtersOf(query: URLSearchParams): AuditFilters {
  const moment = (name: string) => {
    const text = query.get(name);
    return text ? new Date(text).toISOString() : undefined;
  };
  return { ...Object.fromEntries(NAMES.map((name) => [name, query.get(name) ?? undefined])), from: moment("from"), to: moment("to") };
}

function AuditList() {
  const { query } = usePlace();
  const filters = filtersOf(query);
  const list = useList<AuditEvent>((cursor, signal) => twig().audit.events({ ...filters, limit: PAGE, cursor }, { signal }), [query.toString()], true);
  useLive(list.reload, (list.value?.length ?? 0) <= PAGE);
  const name = (end: string) => `audit-${new Date().toISOString().slice(0, 10)}.${end}`;
  const set = (member: string) => (value: string) => setQuery({ [member]: value.trim() });
  return (
    <>
      <Head title="Audit" about="Every change: who, what, when, from where. Nothing in it can be altered unnoticed.">
        <Act label="Export CSV" act={() => saveStream(name("csv"), "text/csv", twig().audit.exportCsv(filters))} />
        <Act label="Export NDJSON" act={() => saveStream(name("ndjson"), "application/x-ndjson", lines(twig().audit.export(filters)))} />
      </Head>
      <div class="card" role="search" aria-label="Filter audit events">
        <div class="filters" key={query.toString()}>
          <Text class="grow" name="q" label="Search" type="search" value={query.get("q")} change={set("q")} />
          <Text name="actor" label="Actor" value={query.get("actor")} placeholder="key_… or a name" change={set("actor")} />
          <details open={["target", "action", "type", "from", "to"].some((name) => query.get(name))}>
            <summary>More filters</summary>
            <div class="filters">
              <Text name="target" label="Target" value={query.get("target")} placeholder="agent_…" change={set("target")} />
              <Text name="action" label="Action" value={query.get("action")} placeholder="agent.updated" change={set("action")} />
              <Text name="type" label="Event type" value={query.get("type")} placeholder="AgentUpdated" change={set("type")} />
              <Text name="from" label="From" type="datetime-local" value={query.get("from")} change={set("from")} />
              <Text name="to" label="To" type="datetime-local" value={query.get("to")} change={set("to")} />
            </div>
          </details>
          {query.size > 0 && (
            <a class="button quiet" href={to("/audit")}>
              Clear all
            </a>
          )}
        </div>
      </div>
      <List
        of={list}
        what="audit events"
        id={(row) => row.id}
        empty={
          <Empty icon="audit" title="No event fits">
            <p>Change or clear the filters.</p>
          </Empty>
        }
        columns={[
          {
            head: "Action",
            cell: (row) => (
              <>
                <a class="link-row" href={to(`/audit/${row.id}`)}>
                  {words(row.action)}
                </a>
                <span class="sub">
                  {row.target.type.replace("_", " ")} <Target of={row.target} />
                </span>
              </>
            ),
          },
          {
            head: "Who",
            cell: (row) => (
              <span class="wrap">
                {row.actor.name ?? row.actor.id}
                <span class="sub">{row.actor.type.replace("_", " ")}</span>
              </span>
            ),
          },
          { head: "From", wide: true, cell: (row) => row.context?.ip ?? "–" },
          { head: "Position", wide: true, num: true, cell: (row) => row.position },
          { head: "When", cell: (row) => <When at={row.occurredAt} /> },
        ]}
      />
    </>
  );
}

export function Target({ of }: { of: AuditEvent["target"] }) {
  const place = placeOf(of);
  return place ? <a href={place}>{of.id}</a> : <>{of.id}</>;
}
