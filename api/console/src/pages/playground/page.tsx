// The playground: one agent, or two answers side by side. What is chosen stands in the address; the conversation does not outlive the page.
import { useRef, useState } from "preact/hooks";
import type { Agent, AgentVersion, Source } from "twig-ai";
import { useLoad } from "../../load";
import { setQuery, to, usePlace } from "../../place";
import { twig } from "../../session";
import { Empty, Head, Loading } from "../../ui/basics";
import { Choice, Text } from "../../ui/form";
import { Problem } from "../../ui/problem";
import { SourcePanel, useProvenance } from "../../conversation/sources";
import { type Asked, ReplayedTurn, type Shown, Turn, freshSession } from "./turn";

const MAX_AGENTS = 200;
const MAX_PROMPT_CHARS = 32_000;

/** What stands beside the agent's own answer. */
type Other = { kind: "agent"; agent: Agent } | { kind: "version"; version: number } | undefined;

export function PlaygroundPage() {
  const agents = useLoad(async (signal) => (await twig().agents.list({ limit: MAX_AGENTS }, { signal })).data, []);
  const usable = (agents.value ?? []).filter((agent) => agent.status === "active");
  return (
    <>
      <Head title="Playground" about="Ask an agent, see where its answer comes from, compare it with another." />
      {!!agents.failure && <Problem failure={agents.failure} retry={agents.reload} />}
      {!agents.value && !agents.failure && (
        <div class="card">
          <Loading what="agents" />
        </div>
      )}
      {agents.value && !usable.length && (
        <div class="card">
          <Empty icon="agents" title="There is no active agent yet">
            <p>An agent answers from your data sources. Make one, then ask it here.</p>
            <a class="button primary" href={to("/agents/new")}>
              Create an agent
            </a>
          </Empty>
        </div>
      )}
      {usable.length > 0 && <Room agents={usable} />}
    </>
  );
}

function Room({ agents }: { agents: Agent[] }) {
  const { query } = usePlace();
  const agent = agents.find((one) => one.id === query.get("agent")) ?? agents[0]!;
  const versions = useLoad(async (signal) => (await twig().agents.versions(agent.id, { limit: 200 }, { signal })).data, [agent.id]);
  const other = otherOf(query.get("with"), agents, agent);
  // Another choice begins another conversation.
  return (
    <>
      <Selection agents={agents} agent={agent} versions={versions.value ?? []} chosen={query.get("with") ?? ""} />
      <Conversation key={`${agent.id} ${agent.version} ${query.get("with")}`} agent={agent} other={other} />
    </>
  );
}

function otherOf(chosen: string | null, agents: Agent[], agent: Agent): Other {
  const version = /^version:(\d+)$/.exec(chosen ?? "")?.[1];
  if (version) return { kind: "version", version: Number(version) };
  const found = agents.find((one) => one.id === chosen && one.id !== agent.id);
  return found && { kind: "agent", agent: found };
}

function Selection({ agents, agent, versions, chosen }: { agents: Agent[]; agent: Agent; versions: AgentVersion[]; chosen: string }) {
  const earlier = versions
    .filter((one) => one.version < agent.version)
    .map((one): [string, string] => [`version:${one.version}`, `Version ${one.version} of ${agent.name}`]);
  const others = agents.filter((one) => one.id !== agent.id).map((one): [string, string] => [one.id, one.name]);
  return (
    <div class="card" role="group" aria-label="Agents">
      <div class="filters">
        <Choice
          name="agent"
          label="Agent"
          class="grow"
          value={agent.id}
          options={agents.map((one) => [one.id, one.name])}
          change={(id) => setQuery({ agent: id, with: undefined })}
        />
        <Choice
          name="with"
          label="Compare with"
          class="grow"
          value={chosen}
          options={[["", "Nothing"], ...others, ...earlier]}
          change={(other) => setQuery({ with: other })}
        />
        <a class="button" href={to(`/agents/${agent.id}`)}>
          Edit agent
        </a>
      </div>
    </div>
  );
}

interface Choosing {
  id: string;
  source: Source;
  answer: string;
}

function Conversation({ agent, other }: { agent: Agent; other: Other }) {
  const [asked, setAsked] = useState<Asked[]>([]);
  const [shown, setShown] = useState<Record<string, Shown>>({});
  const [source, setSource] = useState<Choosing>();
  const sessions = useRef<[string, string]>([freshSession(), freshSession()]);
  const provenance = useProvenance(source?.id);
  const places = other ? ["a", "b"] : ["a"];
  const busy = asked.some((one) => places.some((place) => !shown[`${one.key}${place}`]?.done));
  const report = (key: string) => (now: Shown) => setShown((all) => ({ ...all, [key]: now }));
  const choose = (now: Shown) => (index: number) => {
    const found = now.sources.find((one) => one.index === index);
    if (found && now.id) setSource(source?.id === now.id && source.source.index === index ? undefined : { id: now.id, source: found, answer: now.text });
  };
  const ask = (question: Omit<Asked, "key" | "session">) => {
    // An answer of an earlier version is a replay of this one question: it has a session to itself.
    const session = other?.kind === "version" ? freshSession() : sessions.current[0];
    setAsked([...asked, { ...question, key: String(asked.length), session }]);
  };
  const clear = () => {
    sessions.current = [freshSession(), freshSession()];
    setAsked([]);
    setShown({});
    setSource(undefined);
  };
  const chosen = (now: Shown | undefined) => (source && source.id === now?.id ? source.source.index : undefined);
  return (
    <div class={source ? "two-panes" : ""}>
      <div class="turns">
        <div class={`columns ${other ? "two" : ""}`}>
          {places.map((place) => (
            <section key={place} class="card" aria-label={place === "a" ? "Answers" : "Compared answers"} aria-live="polite">
              <div class="card-head">
                <h2>{nameOf(place, agent, other)}</h2>
              </div>
              {!asked.length && (
                <Empty icon="playground" title="Ask something">
                  <p>The answer comes as it is made, with its sources.</p>
                </Empty>
              )}
              <div class="turns">
                {asked.map((one) => {
                  const [key, now] = [`${one.key}${place}`, shown[`${one.key}${place}`]];
                  const shared = { asked: one, report: report(key), chosen: chosen(now), choose: (index: number) => now && choose(now)(index) };
                  if (place === "a") return <Turn key={key} {...shared} agentId={agent.id} session={one.session} />;
                  if (other?.kind === "agent") return <Turn key={key} {...shared} agentId={other.agent.id} session={sessions.current[1]} />;
                  return (
                    <ReplayedTurn
                      key={key}
                      asked={one}
                      report={report(key)}
                      original={shown[`${one.key}a`]}
                      version={other?.kind === "version" ? other.version : 1}
                    />
                  );
                })}
              </div>
            </section>
          ))}
        </div>
        <AskBox busy={busy} ask={ask} clear={asked.length ? clear : undefined} />
      </div>
      {source && (
        <div class="pane-side stays">
          <SourcePanel source={source.source} answer={source.answer} provenance={provenance} close={() => setSource(undefined)} />
        </div>
      )}
    </div>
  );
}

function nameOf(place: string, agent: Agent, other: Other): string {
  if (place === "a") return `${agent.name}, version ${agent.version}`;
  return other?.kind === "agent" ? `${other.agent.name}, version ${other.agent.version}` : `${agent.name}, version ${other?.version}`;
}

function AskBox({ busy, ask, clear }: { busy: boolean; ask: (question: Omit<Asked, "key" | "session">) => void; clear?: () => void }) {
  const submit = (event: Event) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const data = new FormData(form);
    const number = (name: string) => (data.get(name) ? Number(data.get(name)) : undefined);
    const prompt = String(data.get("prompt")).trim();
    if (!prompt || busy) return;
    ask({ prompt, temperature: number("temperature"), topK: number("topK"), maxTokens: number("maxTokens") });
    (form.elements.namedItem("prompt") as HTMLTextAreaElement).value = "";
  };
  const enter = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    (event.currentTarget as HTMLTextAreaElement).form?.requestSubmit();
  };
  return (
    <form class="ask" onSubmit={submit} aria-label="Ask">
      <label class="hidden-text" htmlFor="prompt">
        Question
      </label>
      <textarea
        id="prompt"
        name="prompt"
        class="input"
        rows={2}
        maxLength={MAX_PROMPT_CHARS}
        placeholder="Ask a question. Enter sends it, Shift and Enter begin a new line."
        onKeyDown={enter}
      />
      <div class="card-head">
        <details>
          <summary class="small">Options</summary>
          <div class="filters">
            <Text name="temperature" label="Temperature" type="number" min={0} max={2} step="0.1" />
            <Text name="topK" label="Passages (top K)" type="number" min={1} max={50} />
            <Text name="maxTokens" label="Longest answer, tokens" type="number" min={1} max={32_000} />
          </div>
        </details>
        <div class="buttons">
          {clear && (
            <button type="button" class="button quiet" disabled={busy} onClick={clear}>
              New conversation
            </button>
          )}
          <button class="button primary" disabled={busy}>
            {busy ? "Answering…" : "Ask"}
          </button>
        </div>
      </div>
    </form>
  );
}
