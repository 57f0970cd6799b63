// Data: a source by upload, URL or text, and the newest run as it goes. A run is asked for again only while it runs.
import { useEffect, useState } from "preact/hooks";
import { call, list, type DataSpec, type Run } from "../client";
import { Ask, Problem, Rows, useLoad } from "../ui";

const POLL_MS = 700;

export function Data() {
  const specs = useLoad(() => list<DataSpec>("/api/data-specs?limit=200"), []);
  const [failure, setFailure] = useState<unknown>();
  const [type, setType] = useState("file");
  const [open, setOpen] = useState("");
  const create = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const data = new FormData(form);
    const config = type === "text" ? { title: data.get("name"), content: data.get("content") } : type === "website" ? { url: data.get("url") } : undefined;
    try {
      const spec = await call<DataSpec>("POST", "/api/data-specs", { name: data.get("name"), type, ...(config ? { config } : {}) });
      if (type === "file") {
        const files = new FormData();
        for (const file of data.getAll("file")) files.append("file", file);
        await call("POST", `/api/data-specs/${spec.id}/files`, files);
      }
      await call("POST", `/api/data-specs/${spec.id}/process`);
      form.reset(); setFailure(undefined); setOpen(spec.id);
    } catch (error) { setFailure(error); }
    specs.reload();
  };
  const process = (id: string) => call("POST", `/api/data-specs/${id}/process`).then(() => { setOpen(""); setTimeout(() => setOpen(id)); }, setFailure);
  return (
    <>
      <form class="card line" onSubmit={create}>
        <label>Name <input name="name" required maxLength={120} /></label>
        <label>Kind <select value={type} onChange={(event) => setType(event.currentTarget.value)}><option value="file">Files</option><option value="website">Web site</option><option value="text">Text</option></select></label>
        {type === "file" && <label>Files (choose or drop here) <input name="file" type="file" multiple required /></label>}
        {type === "website" && <label>URL <input name="url" type="url" required /></label>}
        {type === "text" && <label>Text <textarea name="content" required rows={4} /></label>}
        <button>Add source</button>
      </form>
      <Problem failure={failure} />
      {open && <Progress key={open} id={open} ended={specs.reload} />}
      <Rows of={specs} empty="No source yet. Add files, a web site or text above.">{(spec) => (
        <li key={spec.id}>
          <div><strong>{spec.name}</strong> <span class="quiet">{spec.type} · {spec.status} · {spec.stats?.documents ?? 0} documents</span></div>
          <div><button type="button" onClick={() => process(spec.id)}>Process</button> <button type="button" onClick={() => setOpen(spec.id)}>Run</button> <Ask label={`Delete ${spec.name}`} question="Its documents will no longer be found." act={() => call("DELETE", `/api/data-specs/${spec.id}`).then(specs.reload)} /></div>
        </li>
      )}</Rows>
    </>
  );
}

function Progress({ id, ended }: { id: string; ended: () => void }) {
  const runs = useLoad(() => list<Run>(`/api/data-specs/${id}/runs?limit=1`), [id]);
  const run = runs.value?.data[0];
  const live = run?.status === "queued" || run?.status === "running";
  useEffect(() => {
    if (!run) return;
    if (!live) return ended();
    const timer = setTimeout(runs.reload, POLL_MS);
    return () => clearTimeout(timer);
  }, [runs.value]);
  return (
    <section class="card" aria-label="Run" aria-live="polite">
      <Problem failure={runs.failure} retry={runs.reload} />
      {run ? <p><strong>{run.status}</strong> {run.stage} <span class="quiet">{run.progress && `${run.progress.documentsDone} of ${run.progress.documentsSeen} documents, ${run.progress.documentsFailed} failed, ${run.progress.chunks} passages`} {run.reason}</span></p> : <p class="quiet">No run yet.</p>}
      {run?.errors?.map((error, at) => <p key={at} class="bad">{error.documentUrl}: {error.message}</p>)}
      {run && live && <Ask label="Cancel run" question="What was read so far is dropped." act={() => call("POST", `/api/data-specs/${id}/runs/${run.id}/cancel`).then(runs.reload)} />}
    </section>
  );
}
