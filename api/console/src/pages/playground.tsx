// Ask an agent and watch the answer arrive. Invariant: the text shown is the deltas joined, nothing else.
import { useState } from "preact/hooks";
import { ask, call, Failure, list, type Agent, type Source } from "../client";
import { Problem, useLoad } from "../ui";

export function Playground() {
  const agents = useLoad(() => list<Agent>("/api/agents?limit=200"), []);
  const [answer, setAnswer] = useState("");
  const [id, setId] = useState("");
  const [sources, setSources] = useState<Source[]>([]);
  const [busy, setBusy] = useState(false);
  const [said, setSaid] = useState("");
  const [failure, setFailure] = useState<unknown>();
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    setAnswer(""); setId(""); setSources([]); setSaid(""); setFailure(undefined); setBusy(true);
    try {
      for await (const step of ask(String(form.get("agent")), String(form.get("prompt")))) {
        if (step.type === "message.sources") setSources(step.sources ?? []);
        else if (step.type === "message.delta") setAnswer((text) => text + (step.text ?? ""));
        else if (step.type === "message.completed") setId(step.id ?? "");
        else if (step.type === "error") throw new Failure(200, step.code ?? "", step.message ?? "The answer failed.", step.requestId ?? "");
      }
    } catch (error) { setFailure(error); } finally { setBusy(false); }
  };
  const rate = (rating: string) => call("POST", "/api/interactions/feedback", { interactionId: id, rating }).then(() => setSaid(rating), setFailure);
  if (agents.failure) return <Problem failure={agents.failure} retry={agents.reload} />;
  if (agents.value && !agents.value.data.length) return <p class="quiet">No agent yet. Make one under Agents.</p>;
  return (
    <>
      <form class="card" onSubmit={submit}>
        <label>Agent <select name="agent" required>{agents.value?.data.map((agent) => <option key={agent.id} value={agent.id}>{agent.name}</option>)}</select></label>
        <label>Question <textarea name="prompt" required rows={3} maxLength={32000} /></label>
        <button disabled={busy}>{busy ? "Answering…" : "Ask"}</button>
      </form>
      <Problem failure={failure} />
      <section class="answer" aria-live="polite" aria-busy={busy} aria-label="Answer">{answer}</section>
      {id && (said ? <p role="status">Thank you: {said}.</p> : <p><button type="button" onClick={() => rate("positive")}>Good answer</button> <button type="button" onClick={() => rate("negative")}>Bad answer</button></p>)}
      {sources.length > 0 && <Sources of={sources} />}
    </>
  );
}

export function Sources({ of }: { of: Source[] }) {
  return <section aria-label="Sources"><h2>Sources</h2><ol class="rows">{of.map((source) => <li key={source.index}><div><strong>[{source.index}] {source.documentTitle}</strong> <span class="quiet">{source.score.toFixed(2)}</span><p>{source.snippet}</p></div></li>)}</ol></section>;
}
