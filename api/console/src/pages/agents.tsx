// Agents: make, delete, and each one's versions with what changed and restore.
import { useState } from "preact/hooks";
import { call, list, type Agent, type DataSpec, type Version } from "../client";
import { Ask, Problem, Rows, useLoad } from "../ui";

export function Agents() {
  const agents = useLoad(() => list<Agent>("/api/agents?limit=200"), []);
  const specs = useLoad(() => list<DataSpec>("/api/data-specs?limit=200"), []);
  const [failure, setFailure] = useState<unknown>();
  const [open, setOpen] = useState("");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const data = new FormData(form);
    call("POST", "/api/agents", { name: data.get("name"), ragStrategy: data.get("ragStrategy"), dataSpecIds: data.getAll("spec") })
      .then(() => { form.reset(); setFailure(undefined); agents.reload(); }, setFailure);
  };
  return (
    <>
      <form class="card line" onSubmit={submit}>
        <label>Name <input name="name" required maxLength={120} /></label>
        <label>Strategy <select name="ragStrategy"><option>redwood</option><option>cedar</option><option>cypress</option></select></label>
        <fieldset><legend>Data</legend>{specs.value?.data.map((spec) => <label key={spec.id} class="check"><input type="checkbox" name="spec" value={spec.id} />{spec.name}</label>)}<Problem failure={specs.failure} /></fieldset>
        <button>Create agent</button>
      </form>
      <Problem failure={failure} />
      <Rows of={agents} empty="No agent yet.">{(agent) => (
        <li key={agent.id}>
          <div><strong>{agent.name}</strong> <span class="quiet">{agent.status} · {agent.model} · {agent.ragStrategy} · version {agent.version}</span></div>
          <div><button type="button" onClick={() => setOpen(agent.id)}>Versions</button> <Ask label={`Delete ${agent.name}`} question="Its past answers stay. It will answer no more." act={() => call("DELETE", `/api/agents/${agent.id}`).then(agents.reload)} /></div>
        </li>
      )}</Rows>
      {open && <Versions key={open} id={open} changed={agents.reload} />}
    </>
  );
}

function Versions({ id, changed }: { id: string; changed: () => void }) {
  const versions = useLoad(() => list<Version>(`/api/agents/${id}/versions`), [id]);
  const restore = (version: number) => call("POST", `/api/agents/${id}/restore`, { version }).then(() => { versions.reload(); changed(); });
  return (
    <section class="card"><h2>Versions</h2>
      <Rows of={versions} empty="No version.">{(one) => (
        <li key={one.version}>
          <div><strong>{one.version}</strong> <span class="quiet">{new Date(one.createdAt).toLocaleString()}</span>
            {one.changes.map((change) => <p key={change.path}><code>{change.path}</code> <del>{JSON.stringify(change.from)}</del> → <ins>{JSON.stringify(change.to)}</ins></p>)}</div>
          <Ask label={`Restore ${one.version}`} question="A new version with these settings is made." act={() => restore(one.version)} />
        </li>
      )}</Rows>
    </section>
  );
}
