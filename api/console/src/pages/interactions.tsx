// Past questions: search, and one with its sources and provenance. The list shows the newest page of what matches.
import { useState } from "preact/hooks";
import { call, list, type Interaction } from "../client";
import { Problem, Rows, useLoad } from "../ui";
import { Sources } from "./playground";

export function Interactions() {
  const [query, setQuery] = useState("");
  const [open, setOpen] = useState("");
  const found = useLoad(() => list<Interaction>(`/api/interactions?limit=50${query}`), [query]);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    setQuery([...form].filter(([, value]) => value).map(([name, value]) => `&${name}=${encodeURIComponent(String(value))}`).join(""));
  };
  return (
    <>
      <form class="card line" onSubmit={submit}>
        <label>Search <input name="q" type="search" /></label>
        <label>Answered <select name="answered"><option value="">any</option><option value="true">yes</option><option value="false">no</option></select></label>
        <label>Rating <select name="rating"><option value="">any</option><option>positive</option><option>negative</option></select></label>
        <button>Show</button>
      </form>
      <Rows of={found} empty="No interaction matches.">{(row) => (
        <li key={row.id}><button type="button" class="plain" onClick={() => setOpen(row.id)}>{row.prompt ?? "(erased)"}</button><span class="quiet">{row.status} · {row.latencyMs} ms · {new Date(row.createdAt).toLocaleString()}</span></li>
      )}</Rows>
      {open && <Detail key={open} id={open} />}
    </>
  );
}

function Detail({ id }: { id: string }) {
  const one = useLoad(() => call<Interaction>("GET", `/api/interactions/${id}?include=provenance`), [id]);
  if (one.failure) return <Problem failure={one.failure} retry={one.reload} />;
  if (!one.value) return <p role="status" class="quiet">Loading…</p>;
  return (
    <article class="card" aria-label="Interaction">
      <h2>{one.value.prompt ?? "(erased)"}</h2>
      <p class="answer">{one.value.response ?? ""}</p>
      <p class="quiet">Feedback: {one.value.feedback?.rating ?? "none"}</p>
      {one.value.sources?.length > 0 && <Sources of={one.value.sources} />}
      <details><summary>Provenance</summary><pre tabIndex={0}>{JSON.stringify(one.value.provenance, null, 2)}</pre></details>
    </article>
  );
}
