// An agent's settings as a form.
import type { Agent, AgentCreate, DataSpec, DataSpecLink } from "twig-ai";
import { plural } from "../../format";
import { useLoad } from "../../load";
import { to } from "../../place";
import { twig } from "../../session";
import { Badge, Loading } from "../../ui/basics";
import { Area, Choice, Form, Text, listOf, numberOrNull, textOf, textOrNull } from "../../ui/form";
import { Problem } from "../../ui/problem";

const STRATEGIES: [string, string][] = [
  ["redwood", "Redwood: the question as it is"],
  ["cedar", "Cedar: rewritten from the conversation"],
  ["cypress", "Cypress: expanded, fused and ranked again"],
];
const STYLES: [string, string][] = [
  ["", "Not set"],
  ["concise", "Concise"],
  ["detailed", "Detailed"],
  ["technical", "Technical"],
];
const MAX_SPECS = 200;

interface Props {
  agent?: Agent;
  label: string;
  submit: (body: AgentCreate) => Promise<void>;
  cancel?: () => void;
}

export function AgentForm({ agent, label, submit, cancel }: Props) {
  const specs = useLoad(async (signal) => (await twig().dataSpecs.list({ limit: MAX_SPECS }, { signal })).data, []);
  return (
    <Form
      label={label}
      name={agent ? `Settings of ${agent.name}` : "New agent"}
      cancel={cancel}
      submit={(data) => submit(bodyOf(data, agent?.dataSpecs ?? [], !specs.value))}
    >
      <div class="grid-cards">
        <div class="stack">
          <section class="card" aria-label="Basics">
            <h2>Basics</h2>
            <Text name="name" label="Name" value={agent?.name} required maxLength={120} />
            <Area name="description" label="Description" value={agent?.description} rows={2} maxLength={2000} />
            <Choice
              name="status"
              label="Status"
              value={agent?.status ?? "active"}
              options={[
                ["active", "Active: it answers"],
                ["inactive", "Inactive"],
                ["draft", "Draft"],
              ]}
            />
            <Area
              name="systemPrompt"
              label="Instructions"
              hint="What a language model is told about its task. The built-in extractive answerer quotes and needs none."
              value={agent?.systemPrompt}
              rows={6}
              maxLength={32_000}
            />
            <Area name="fallbackMessage" label="When nothing is found" value={agent?.fallbackMessage} rows={2} maxLength={4000} />
          </section>
          <section class="card" aria-label="Data">
            <h2>Data</h2>
            {specs.failure ? (
              <Problem failure={specs.failure} retry={specs.reload} />
            ) : specs.value ? (
              <Specs all={specs.value} links={agent?.dataSpecs ?? []} />
            ) : (
              <Loading what="data sources" />
            )}
          </section>
        </div>
        <div class="stack">
          <section class="card" aria-label="Model">
            <h2>Model</h2>
            <Model agent={agent} />
          </section>
          <section class="card" aria-label="Retrieval and style">
            <h2>Retrieval and style</h2>
            <Retrieval agent={agent} />
          </section>
        </div>
      </div>
    </Form>
  );
}

function Specs({ all, links }: { all: DataSpec[]; links: DataSpecLink[] }) {
  if (!all.length)
    return (
      <p class="muted">
        There is no data source yet. <a href={to("/data/new")}>Add one</a>, then come back.
      </p>
    );
  return (
    <fieldset>
      <legend>Answers come from</legend>
      {all.map((spec) => {
        const link = links.find((one) => one.id === spec.id);
        return (
          <div key={spec.id} class="card-head">
            <label class="check">
              <input type="checkbox" name="dataSpec" value={spec.id} defaultChecked={!!link && link.enabled !== false} />
              <span>
                {spec.name} <span class="quiet small">{plural(spec.stats.documents, "document")}</span> {spec.status !== "active" && <Badge of={spec.status} />}
              </span>
            </label>
            <span class="buttons">
              <label class="hidden-text" htmlFor={`tier-${spec.id}`}>
                Tier of {spec.name}
              </label>
              <select class="input small" id={`tier-${spec.id}`} name={`tier-${spec.id}`}>
                <option value="1" selected={(link?.tier ?? 1) === 1}>
                  Tier 1
                </option>
                <option value="2" selected={link?.tier === 2}>
                  Tier 2
                </option>
              </select>
              <input type="hidden" name={`tags-${spec.id}`} value={(link?.tags ?? []).join(",")} />
            </span>
          </div>
        );
      })}
      <p class="small quiet">Tier 2 counts for less, where the strategy is Cypress.</p>
    </fieldset>
  );
}

function Model({ agent }: { agent?: Agent }) {
  return (
    <>
      <Text
        name="model"
        label="Model"
        value={agent?.model ?? "extractive"}
        hint={
          <>
            <code>extractive</code> quotes and needs no provider. Else <code>openai:gpt-4o</code>, <code>anthropic:…</code>, <code>ollama:…</code>, or any name
            at the server's own endpoint.
          </>
        }
        maxLength={200}
        list="models"
      />
      <datalist id="models">
        <option value="extractive" />
        <option value="openai:gpt-4o" />
        <option value="openai:gpt-4o-mini" />
      </datalist>
      <div class="grid-2">
        <Text name="temperature" label="Temperature" type="number" min={0} max={2} step="0.1" value={agent?.temperature ?? 0.7} />
        <Text name="maxTokens" label="Longest answer, tokens" type="number" min={1} max={32_000} value={agent?.maxTokens ?? 500} />
      </div>
    </>
  );
}

function Retrieval({ agent }: { agent?: Agent }) {
  return (
    <>
      <Choice name="ragStrategy" label="Strategy" value={agent?.ragStrategy ?? "redwood"} options={STRATEGIES} />
      <div class="grid-2">
        <Text name="topK" label="Passages (top K)" type="number" min={1} max={50} value={agent?.topK ?? 8} />
        <Text name="minScore" label="Least score" type="number" min={0} max={1} step="0.01" value={agent?.minScore} hint="Empty: the product's own." />
        <Choice name="responseStyle" label="Style" value={agent?.responseStyle ?? ""} options={STYLES} />
        <Text name="tone" label="Tone" value={agent?.tone} maxLength={200} placeholder="friendly" />
        <Text name="language" label="Language" value={agent?.language} maxLength={35} placeholder="en" />
      </div>
    </>
  );
}

/** `blind`: the list of data sources could not be shown, so that the links stay as they were. A link that is switched off stays so until it is chosen. */
function bodyOf(data: FormData, before: DataSpecLink[], blind: boolean): AgentCreate {
  const chosen = data
    .getAll("dataSpec")
    .map(String)
    .map((id): DataSpecLink => ({ id, enabled: true, tier: Number(data.get(`tier-${id}`)) || 1, tags: listOf(data.get(`tags-${id}`)) }));
  const off = before.filter((link) => link.enabled === false && !chosen.some((one) => one.id === link.id));
  const fallback = textOf(data, "fallbackMessage");
  return {
    name: textOf(data, "name"),
    description: textOrNull(data, "description"),
    status: textOf(data, "status") as Agent["status"],
    systemPrompt: textOrNull(data, "systemPrompt"),
    model: textOf(data, "model") || "extractive",
    temperature: Number(data.get("temperature")),
    maxTokens: Number(data.get("maxTokens")),
    ragStrategy: textOf(data, "ragStrategy") as Agent["ragStrategy"],
    topK: Number(data.get("topK")),
    minScore: numberOrNull(data, "minScore"),
    responseStyle: textOrNull(data, "responseStyle") as Agent["responseStyle"],
    tone: textOrNull(data, "tone"),
    language: textOrNull(data, "language"),
    dataSpecs: blind ? before : [...chosen, ...off],
    ...(fallback ? { fallbackMessage: fallback } : {}),
  };
}
