// What was asked and answered: search, filters, export.
import type { Interaction, InteractionFilters, Page } from "twig-ai";
import { duration, time } from "../../format";
import { lines, saveStream } from "../../files";
import { useLive } from "../../live";
import { useList, useLoad } from "../../load";
import { setQuery, to, usePlace } from "../../place";
import { twig } from "../../session";
import { Badge, Empty, Head, When } from "../../ui/basics";
import { Act } from "../../ui/dialog";
import { Choice, Text } from "../../ui/form";
import { type Column, List } from "../../ui/list";
import { REVIEWS } from "../../conversation/feedback";

const NAMES = ["agentId", "sessionId", "userId", "startDate", "endDate", "answered", "rating", "reviewStatus", "status", "model", "documentId", "q"] as const;
const PAGE = 50;
/** Filters that are folded away until one is used. */
const MORE = ["reviewStatus", "status", "startDate", "endDate", "userId"];

export const filtersOf = (query: URLSearchParams): InteractionFilters =>
  Object.fromEntries(NAMES.filter((name) => query.get(name)).map((name) => [name, query.get(name)]));

export function InteractionList() {
  const { query } = usePlace();
  const filters = filtersOf(query);
  const ids = query.get("ids")?.split(",").filter(Boolean);
  const load = (cursor: string | undefined, signal: AbortSignal) =>
    ids ? named(ids, signal) : twig().interactions.list({ ...filters, limit: PAGE, cursor }, { signal });
  const list = useList<Interaction>(load, [query.toString()], true);
  // Rows that were paged to stay: only a first page is refreshed.
  useLive(list.reload, !ids && (list.value?.length ?? 0) <= PAGE);
  const exported = (name: string) => `interactions-${new Date().toISOString().slice(0, 10)}.${name}`;
  return (
    <>
      <Head title="Interactions" about="Every question, its answer, and where the answer came from.">
        {!ids && <Act label="Export CSV" act={() => saveStream(exported("csv"), "text/csv", twig().interactions.exportCsv(filters))} />}
        <Act
          label="Export NDJSON"
          act={() => saveStream(exported("ndjson"), "application/x-ndjson", lines(ids ? (list.value ?? []) : twig().interactions.export(filters)))}
        />
      </Head>
      <Filters query={query} />
      <List
        of={list}
        what="interactions"
        columns={COLUMNS}
        id={(row) => row.id}
        empty={
          <Empty icon="interactions" title="No interaction fits">
            <p>{query.size ? "Change or clear the filters." : "Ask something in the playground, or connect a client to the API."}</p>
            {query.size ? (
              <a class="button" href={to("/interactions")}>
                Clear filters
              </a>
            ) : (
              <a class="button" href={to("/playground")}>
                Open the playground
              </a>
            )}
          </Empty>
        }
      />
    </>
  );
}

const COLUMNS: Column<Interaction>[] = [
  {
    head: "Question",
    cell: (row) => (
      <>
        <a class="link-row clip" href={to(`/interactions/${row.id}`)}>
          {row.prompt ?? "Erased"}
        </a>
        <span class="sub clip">{row.response ?? (row.error ? String(row.error.message ?? "It failed") : "")}</span>
      </>
    ),
  },
  { head: "Outcome", cell: (row) => <Outcome of={row} /> },
  { head: "Feedback", wide: true, cell: (row) => (row.feedback ? <Badge of={row.feedback.rating} /> : <span class="quiet">–</span>) },
  { head: "Latency", wide: true, num: true, cell: (row) => duration(row.latencyMs) },
  {
    head: "When",
    cell: (row) => (
      <span class="nowrap">
        <When at={row.createdAt} />
      </span>
    ),
  },
];

export function Outcome({ of: { status, answered } }: { of: Interaction }) {
  if (status !== "completed") return <Badge of={status} />;
  return answered ? <Badge of="yes" label="Answered" /> : <Badge of="no" label="No answer" />;
}

/** The interactions that a group of the dashboard names. One that is gone is left out. */
async function named(ids: string[], signal: AbortSignal): Promise<Page<Interaction>> {
  const found = await Promise.allSettled(ids.map((id) => twig().interactions.get(id, {}, { signal })));
  const data = found.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  if (!data.length && found[0]?.status === "rejected") throw found[0].reason;
  return { data, pagination: { limit: ids.length, offset: 0, total: data.length, hasMore: false, nextCursor: null } };
}

function Filters({ query }: { query: URLSearchParams }) {
  const agents = useLoad(async (signal) => (await twig().agents.list({ limit: 200 }, { signal })).data, []);
  const set = (name: string) => (value: string) => setQuery({ [name]: value.trim(), ids: undefined });
  const value = (name: string) => query.get(name) ?? "";
  const key = query.toString();
  return (
    <div class="card" role="search" aria-label="Filter interactions">
      <div class="filters" key={key}>
        <Text class="grow" name="q" label="Search" type="search" value={value("q")} placeholder="Words of a question or an answer" change={set("q")} />
        <Choice
          name="agentId"
          label="Agent"
          value={value("agentId")}
          options={[["", "All"], ...(agents.value ?? []).map((agent): [string, string] => [agent.id, agent.name])]}
          change={set("agentId")}
        />
        <Choice
          name="answered"
          label="Answered"
          value={value("answered")}
          options={[
            ["", "All"],
            ["true", "Answered"],
            ["false", "No answer"],
          ]}
          change={set("answered")}
        />
        <Choice
          name="rating"
          label="Rating"
          value={value("rating")}
          options={[
            ["", "All"],
            ["positive", "Positive"],
            ["negative", "Negative"],
          ]}
          change={set("rating")}
        />
        <details open={MORE.some((name) => query.get(name))}>
          <summary>More filters</summary>
          <div class="filters">
            <Choice
              name="reviewStatus"
              label="Review"
              value={value("reviewStatus")}
              options={[["", "All"], ...REVIEWS.slice(1)]}
              change={set("reviewStatus")}
            />
            <Choice
              name="status"
              label="Status"
              value={value("status")}
              options={[
                ["", "All"],
                ["completed", "Completed"],
                ["failed", "Failed"],
                ["started", "Under way"],
              ]}
              change={set("status")}
            />
            <Text name="startDate" label="From" type="date" value={value("startDate").slice(0, 10)} change={set("startDate")} />
            <Text name="endDate" label="To" type="date" value={value("endDate").slice(0, 10)} change={set("endDate")} />
            <Text name="userId" label="User" value={value("userId")} change={set("userId")} />
          </div>
        </details>
      </div>
      <Narrowed query={query} />
    </div>
  );
}

/** Filters that come from a drill-down and have no field, and the exact moments of one that has. */
function Narrowed({ query }: { query: URLSearchParams }) {
  const moments = (["startDate", "endDate"] as const).filter((name) => (query.get(name) ?? "").length > 10);
  const told = [
    ...moments.map((name) => [name, `${name === "startDate" ? "from" : "before"} ${time(query.get(name))}`]),
    ["sessionId", query.get("sessionId") && `session ${query.get("sessionId")}`],
    ["model", query.get("model") && `model ${query.get("model")}`],
    ["documentId", query.get("documentId") && `citing ${query.get("documentTitle") ?? query.get("documentId")}`],
    ["ids", query.get("ids") && "one group of questions"],
  ].filter((entry): entry is [string, string] => !!entry[1]);
  if (!query.size) return null;
  return (
    <div class="buttons">
      {told.map(([name, text]) => (
        <button
          key={name}
          type="button"
          class="button small"
          aria-label={`Remove the filter: ${text}`}
          onClick={() => setQuery({ [name]: undefined, ...(name === "documentId" ? { documentTitle: undefined } : {}) })}
        >
          {text} ✕
        </button>
      ))}
      <a class="button small quiet" href={to("/interactions")}>
        Clear all
      </a>
    </div>
  );
}
