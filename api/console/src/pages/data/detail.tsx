// One data source: its state, documents, runs, settings and versions.
import type { DataSpec, Document } from "twig-ai";
import { bytes, count } from "../../format";
import { useLive } from "../../live";
import { type Loaded, useList, useLoad } from "../../load";
import { go, to } from "../../place";
import { twig } from "../../session";
import { Badge, Copy, Empty, Head, Loading, Meter, When, toast } from "../../ui/basics";
import { Ask } from "../../ui/dialog";
import { Area, Choice, Form, Text, listOf, textOf, textOrNull } from "../../ui/form";
import { List } from "../../ui/list";
import { Problem } from "../../ui/problem";
import { SCHEDULES } from "./create";
import { ACCEPT, ConfigFields, KINDS, configOf } from "./kinds";
import { LatestRun, RunList } from "./runs";
import { AddFiles } from "./upload";
import { DataVersions } from "./versions";

const CRUMB: [string, string] = ["Data", to("/data")];
const TABS: [string, string][] = [
  ["overview", "Overview"],
  ["documents", "Documents"],
  ["runs", "Runs"],
  ["settings", "Settings"],
  ["versions", "Versions"],
];

export function DataDetail({ id, tab }: { id: string; tab: string }) {
  const spec = useLoad((signal) => twig().dataSpecs.get(id, {}, { signal }), [id], true);
  useLive(spec.reload, tab === "overview");
  if (!spec.value)
    return (
      <>
        <Head title="Data source" crumb={CRUMB} />
        {spec.failure ? (
          <Problem failure={spec.failure} retry={spec.reload} />
        ) : (
          <div class="card">
            <Loading what="the data source" />
          </div>
        )}
      </>
    );
  const it = spec.value;
  const remove = async () => {
    await twig().dataSpecs.delete(id, { ifMatch: it.version });
    toast(`${it.name} was deleted.`);
    go(to("/data"));
  };
  return (
    <>
      <Head
        title={it.name}
        crumb={CRUMB}
        about={
          <span class="meta">
            <Badge of={it.status} />
            <span>{KINDS[it.type]?.name ?? it.type}</span>
            <Copy text={it.id} short />
          </span>
        }
      >
        <Ask
          label="Delete"
          title={`Delete ${it.name}?`}
          keep="Keep it"
          question="Agents stop answering from it at once, and its index goes. Past answers keep their sources."
          act={remove}
        />
      </Head>
      <nav class="tabs" aria-label="Of this data source">
        {TABS.map(([name, label]) => (
          <a key={name} href={to(`/data/${id}${name === "overview" ? "" : `/${name}`}`)} aria-current={tab === name ? "page" : undefined}>
            {label}
          </a>
        ))}
      </nav>
      {tab === "documents" ? (
        <Documents id={id} />
      ) : tab === "runs" ? (
        <RunList id={id} />
      ) : tab === "settings" ? (
        <Settings spec={it} changed={spec.reload} />
      ) : tab === "versions" ? (
        <DataVersions spec={it} changed={spec.reload} />
      ) : (
        <Overview spec={spec as Loaded<DataSpec> & { value: DataSpec }} />
      )}
    </>
  );
}

function Overview({ spec }: { spec: Loaded<DataSpec> & { value: DataSpec } }) {
  const it = spec.value;
  return (
    <div class="grid-cards">
      <LatestRun key={`${it.lastRun?.id}${it.status}`} id={it.id} ended={spec.reload} />
      <section class="card" aria-label="Content">
        <h2>Content</h2>
        <dl class="facts">
          <dt>Documents</dt>
          <dd>{count(it.stats.documents)}</dd>
          <dt>Passages</dt>
          <dd>{count(it.stats.chunks)}</dd>
          <dt>Size</dt>
          <dd>{bytes(it.stats.bytes)}</dd>
          <dt>Embedding</dt>
          <dd>{it.embedding?.model ?? "–"}</dd>
          <dt>Read again</dt>
          <dd>{SCHEDULES.find(([name]) => name === it.syncSchedule)?.[1]}</dd>
          <dt>Changed</dt>
          <dd>
            <When at={it.updatedAt} />
          </dd>
        </dl>
        {it.embedding?.next && (
          <div>
            <p class="small muted">
              The sharper model {it.embedding.next.model} takes over when all passages are embedded: {count(it.embedding.next.done)} of{" "}
              {count(it.embedding.next.total)}
            </p>
            <Meter value={it.embedding.next.done} max={it.embedding.next.total} label="Embedded by the sharper model" />
          </div>
        )}
        {it.tags.length > 0 && (
          <p class="tags">
            {it.tags.map((tag) => (
              <span key={tag} class="tag">
                {tag}
              </span>
            ))}
          </p>
        )}
      </section>
      {KINDS[it.type]?.upload && (
        <section class="card" aria-label="Add files">
          <h2>Add files</h2>
          <AddFiles id={it.id} accept={ACCEPT[it.type]} done={spec.reload} />
        </section>
      )}
    </div>
  );
}

function Documents({ id }: { id: string }) {
  const list = useList<Document>((cursor, signal) => twig().dataSpecs.documents(id, { limit: 50, cursor }, { signal }), [id], true);
  return (
    <List
      of={list}
      what="documents"
      id={(row) => row.id}
      empty={
        <Empty icon="data" title="No document yet">
          <p>Upload files or run the source.</p>
        </Empty>
      }
      columns={[
        {
          head: "Document",
          cell: (row) => (
            <>
              <span class="strong wrap">{row.title || row.name}</span>
              <span class="sub">{row.url}</span>
            </>
          ),
        },
        { head: "Status", cell: (row) => <Badge of={row.status} /> },
        { head: "Passages", num: true, cell: (row) => count(row.chunks) },
        { head: "Size", num: true, wide: true, cell: (row) => bytes(row.bytes) },
      ]}
    />
  );
}

function Settings({ spec, changed }: { spec: DataSpec; changed: () => void }) {
  const submit = async (data: FormData) => {
    const after = await twig().dataSpecs.update(
      spec.id,
      {
        name: textOf(data, "name"),
        description: textOrNull(data, "description"),
        config: configOf(data),
        syncSchedule: textOf(data, "syncSchedule") as "manual",
        tags: listOf(data.get("tags")),
        filters: { include: listOf(data.get("include")), exclude: listOf(data.get("exclude")) },
      },
      { ifMatch: spec.version },
    );
    toast(after.version === spec.version ? "Nothing differs, so nothing was changed." : "Saved. Run it to use what changed.");
    changed();
  };
  return (
    <Form key={spec.version} label="Save changes" name={`Settings of ${spec.name}`} submit={submit}>
      <section class="card">
        <Text name="name" label="Name" value={spec.name} required maxLength={120} />
        <Area name="description" label="Description" value={spec.description} rows={2} maxLength={2000} />
        <ConfigFields type={spec.type} config={spec.config} />
        <div class="grid-2">
          <Choice name="syncSchedule" label="Read again" value={spec.syncSchedule} options={SCHEDULES} />
          <Text name="tags" label="Tags" hint="Separated by commas." value={spec.tags.join(", ")} />
        </div>
        <div class="grid-2">
          <Area
            name="include"
            pointer="/filters/include"
            label="Only documents like"
            hint="One pattern a line."
            value={spec.filters?.include?.join("\n")}
            rows={2}
          />
          <Area name="exclude" pointer="/filters/exclude" label="No documents like" value={spec.filters?.exclude?.join("\n")} rows={2} />
        </div>
      </section>
    </Form>
  );
}
