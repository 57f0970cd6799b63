// Runs: the live progress of one, and those before it.
import type { Run } from "twig-ai";
import { count, duration, plural } from "../../format";
import { usePoll } from "../../live";
import { useList, useLoad } from "../../load";
import { twig } from "../../session";
import { Badge, Copy, Empty, Meter, When, toast } from "../../ui/basics";
import { Act, Ask } from "../../ui/dialog";
import { List } from "../../ui/list";
import { Problem } from "../../ui/problem";

const POLL_MS = 1_000;
const STAGES = ["fetch", "parse", "chunk", "embed", "index"] as const;
const SAID = { fetch: "Fetch", parse: "Read", chunk: "Cut", embed: "Embed", index: "Index" };
const under = (run: Run | undefined) => run?.status === "queued" || run?.status === "running";
const spent = (run: Run) => (run.startedAt ? Date.parse(run.finishedAt ?? new Date().toISOString()) - Date.parse(run.startedAt) : null);

/** `ended` is called when a run that was seen under way has ended. */
export function LatestRun({ id, ended }: { id: string; ended: () => void }) {
  const runs = useLoad(
    async (signal) => {
      const latest = (await twig().dataSpecs.runs(id, { limit: 1 }, { signal })).data[0];
      if (under(runs.value) && !under(latest)) {
        ended();
        toast(`The run has ${latest?.status === "succeeded" ? "succeeded" : `ended: ${latest?.status}`}.`);
      }
      return latest;
    },
    [id],
    true,
  );
  usePoll(runs.reload, POLL_MS, under(runs.value));
  const again = async () => {
    await twig().dataSpecs.process(id);
    runs.reload();
  };
  const run = runs.value;
  return (
    <section class="card" aria-label="Latest run">
      <div class="card-head">
        <h2>Latest run</h2>
        <div class="buttons">
          {under(run) ? (
            <Ask
              label="Cancel run"
              small
              title="Cancel the run?"
              keep="Let it run"
              question="What was indexed before stays as it is; the work of this run is dropped."
              act={async () => {
                await twig().dataSpecs.cancelRun(id, run!.id);
                runs.reload();
              }}
            />
          ) : (
            <Act label={run && run.status !== "succeeded" ? "Retry" : "Run now"} small act={again} />
          )}
        </div>
      </div>
      {!!runs.failure && <Problem failure={runs.failure} retry={runs.reload} />}
      {run ? (
        <RunView run={run} />
      ) : (
        !runs.loading && (
          <Empty icon="data" title="It was never run">
            <p>A run reads the source and indexes it.</p>
          </Empty>
        )
      )}
    </section>
  );
}

export function RunView({ run }: { run: Run }) {
  const { documentsSeen: seen, documentsDone: done, documentsFailed: failed, chunks } = run.progress;
  const at = run.stage ? STAGES.indexOf(run.stage) : -1;
  return (
    <>
      <div class="meta">
        <Badge of={run.status} />
        <span>
          {plural(done, "document")} of {count(seen)}
        </span>
        <span>{plural(chunks, "passage")}</span>
        {failed > 0 && <span class="bad">{count(failed)} failed</span>}
        <span>{duration(spent(run))}</span>
      </div>
      {under(run) && (
        <>
          <Meter value={done + failed} max={seen} label="Documents done" />
          <ol class="stages" aria-label="Stages">
            {STAGES.map((stage, place) => (
              <li key={stage} class={place < at ? "done" : place === at ? "now" : ""} aria-current={place === at ? "step" : undefined}>
                {SAID[stage]}
              </li>
            ))}
          </ol>
        </>
      )}
      {run.documents && run.status === "succeeded" && (
        <p class="small muted">
          {count(run.documents.added)} added, {count(run.documents.updated)} updated, {count(run.documents.unchanged)} unchanged, {count(run.documents.removed)}{" "}
          removed
        </p>
      )}
      {"reason" in run && !!run.reason && (
        <p class="problem" role="alert">
          {String(run.reason)}
        </p>
      )}
      {run.errors.length > 0 && (
        <details open>
          <summary>{plural(run.errors.length, "document")} could not be used</summary>
          <ul class="form">
            {run.errors.map((error, place) => (
              <li key={place} class="small">
                <span class="strong wrap">{error.documentUrl}</span> <span class="quiet">{error.stage}</span>
                <br />
                {error.message}
              </li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}

export function RunList({ id }: { id: string }) {
  const list = useList<Run>((cursor, signal) => twig().dataSpecs.runs(id, { limit: 50, cursor }, { signal }), [id], true);
  return (
    <List
      of={list}
      what="runs"
      id={(row) => row.id}
      empty={<Empty icon="data" title="It was never run" />}
      columns={[
        {
          head: "Run",
          cell: (row) => (
            <>
              <Badge of={row.status} />
              <span class="sub">
                <Copy text={row.id} short />
              </span>
            </>
          ),
        },
        { head: "Documents", num: true, cell: (row) => `${count(row.progress.documentsDone)} of ${count(row.progress.documentsSeen)}` },
        {
          head: "Added / updated / removed",
          wide: true,
          cell: (row) => (row.documents ? `${row.documents.added} / ${row.documents.updated} / ${row.documents.removed}` : "–"),
        },
        {
          head: "Errors",
          wide: true,
          cell: (row) =>
            row.errors.length ? (
              <details>
                <summary>{row.errors.length}</summary>
                <ul>
                  {row.errors.map((error, place) => (
                    <li key={place} class="small wrap">
                      {error.documentUrl}: {error.message}
                    </li>
                  ))}
                </ul>
              </details>
            ) : (
              "–"
            ),
        },
        { head: "Took", wide: true, num: true, cell: (row) => duration(spent(row)) },
        { head: "Begun", cell: (row) => <When at={row.startedAt} /> },
      ]}
    />
  );
}
