// One agent: its settings and its versions; and the making of a new one.
import type { Agent, AgentVersion } from "twig-ai";
import { time } from "../../format";
import { type Loaded, useList, useLoad } from "../../load";
import { go, to } from "../../place";
import { twig } from "../../session";
import { Badge, Copy, Empty, Head, Loading, toast } from "../../ui/basics";
import { Ask } from "../../ui/dialog";
import { Changes, changesBetween } from "../../ui/diff";
import { Problem } from "../../ui/problem";
import { AgentForm } from "./form";

const CRUMB: [string, string] = ["Agents", to("/agents")];
const MEMBERS = [
  "name",
  "description",
  "status",
  "systemPrompt",
  "model",
  "temperature",
  "maxTokens",
  "ragStrategy",
  "topK",
  "minScore",
  "fallbackMessage",
  "responseStyle",
  "tone",
  "language",
  "dataSpecs",
];

export function NewAgent() {
  const create = async (body: Parameters<ReturnType<typeof twig>["agents"]["create"]>[0]) => {
    const agent = await twig().agents.create(body);
    toast(`${agent.name} was created.`);
    go(to(`/agents/${agent.id}`));
  };
  return (
    <>
      <Head title="New agent" crumb={CRUMB} />
      <AgentForm label="Create agent" submit={create} cancel={() => go(to("/agents"))} />
    </>
  );
}

export function AgentDetail({ id, tab }: { id: string; tab: string }) {
  const agent = useLoad((signal) => twig().agents.get(id, {}, { signal }), [id], true);
  if (!agent.value)
    return (
      <>
        <Head title="Agent" crumb={CRUMB} />
        {agent.failure ? (
          <Problem failure={agent.failure} retry={agent.reload} />
        ) : (
          <div class="card">
            <Loading what="the agent" />
          </div>
        )}
      </>
    );
  const it = agent.value;
  const remove = async () => {
    await twig().agents.delete(id, { ifMatch: it.version });
    toast(`${it.name} was deleted.`);
    go(to("/agents"));
  };
  const link = (name: string, label: string) => (
    <a href={to(`/agents/${id}${name === "settings" ? "" : `/${name}`}`)} aria-current={tab === name ? "page" : undefined}>
      {label}
    </a>
  );
  return (
    <>
      <Head
        title={it.name}
        crumb={CRUMB}
        about={
          <span class="meta">
            <Badge of={it.status} />
            <span>Version {it.version}</span>
            <Copy text={it.id} short />
          </span>
        }
      >
        <a class="button" href={to("/playground", { agent: id })}>
          Try it
        </a>
        <a class="button" href={to("/interactions", { agentId: id })}>
          Interactions
        </a>
        <Ask
          label="Delete"
          title={`Delete ${it.name}?`}
          question="It stops answering at once. Its past interactions and figures stay."
          keep="Keep it"
          act={remove}
        />
      </Head>
      <nav class="tabs" aria-label="Of this agent">
        {link("settings", "Settings")}
        {link("versions", "Versions")}
      </nav>
      {tab === "versions" ? <Versions agent={it} changed={agent.reload} /> : <Settings agent={agent as Loaded<Agent> & { value: Agent }} />}
    </>
  );
}

function Settings({ agent }: { agent: Loaded<Agent> & { value: Agent } }) {
  const it = agent.value;
  return (
    <AgentForm
      key={it.version}
      agent={it}
      label="Save changes"
      submit={async (body) => {
        const after = await twig().agents.update(it.id, body, { ifMatch: it.version });
        toast(after.version === it.version ? "Nothing differs, so nothing was changed." : `Saved as version ${after.version}.`);
        agent.reload();
      }}
    />
  );
}

function Versions({ agent, changed }: { agent: Agent; changed: () => void }) {
  const list = useList<AgentVersion>((cursor, signal) => twig().agents.versions(agent.id, { limit: 50, cursor }, { signal }), [agent.version], true);
  if (list.failure && !list.value) return <Problem failure={list.failure} retry={list.reload} />;
  if (!list.value)
    return (
      <div class="card">
        <Loading what="versions" />
      </div>
    );
  if (!list.value.length)
    return (
      <div class="card">
        <Empty icon="agents" title="No version yet" />
      </div>
    );
  return (
    <ol class="form" aria-label="Versions">
      {list.value.map((one) => (
        <li key={one.version} class="card">
          <div class="card-head">
            <div>
              <h2>Version {one.version}</h2>
              <p class="small quiet">
                {one.actor?.name ?? one.actor?.id} · {time(one.createdAt)}
              </p>
            </div>
            {one.version === agent.version ? <Badge of="active" label="Current" /> : <Restore agent={agent} version={one} changed={changed} />}
          </div>
          {one.version === 1 ? (
            <details>
              <summary>As it was created</summary>
              <Changes of={one.changes} />
            </details>
          ) : (
            <Changes of={one.changes} />
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

function Restore({ agent, version, changed }: { agent: Agent; version: AgentVersion; changed: () => void }) {
  const restore = async () => {
    const after = await twig().agents.restore(agent.id, version.version);
    toast(`Version ${version.version} is back, as version ${after.version}.`);
    changed();
  };
  return (
    <Ask
      label={`Restore version ${version.version}`}
      small
      danger={false}
      title={`Restore version ${version.version}?`}
      act={restore}
      question={
        <>
          <p>It becomes the newest version; nothing of the history is lost. What would change:</p>
          <Difference agent={agent} at={version.createdAt} />
        </>
      }
    />
  );
}

/** From now to the state right after that version was made. */
function Difference({ agent, at }: { agent: Agent; at: string }) {
  const then = useLoad((signal) => twig().agents.get(agent.id, { asOf: at }, { signal }), [at]);
  if (then.failure) return <Problem failure={then.failure} />;
  if (!then.value)
    return (
      <p class="quiet" role="status">
        Comparing…
      </p>
    );
  return <Changes of={changesBetween(agent as unknown as Record<string, unknown>, then.value as unknown as Record<string, unknown>, MEMBERS)} />;
}
