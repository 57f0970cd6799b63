// A webhook's settings as a form.
import type { Webhook, WebhookCreate } from "twig-ai";
import { useLoad } from "../../load";
import { twig } from "../../session";
import { Area, Check, Form, Text, textOf, textOrNull } from "../../ui/form";

export const GROUPS: Record<string, string[]> = {
  Interactions: ["interaction.created", "interaction.completed", "interaction.failed", "interaction.feedback"],
  Agents: ["agent.created", "agent.updated", "agent.deleted"],
  "Data sources": ["datasource.created", "datasource.updated", "datasource.deleted", "datasource.processed", "datasource.failed"],
  Webhooks: ["webhook.disabled"],
};
const ALL = Object.values(GROUPS).flat();
const MAX_AGENTS = 200;

const subscribed = (events: string[], type: string) =>
  events.some((event) => event === "*" || event === type || (event.endsWith(".*") && type.startsWith(event.slice(0, -1))));

export function WebhookForm({
  webhook,
  label,
  submit,
  cancel,
}: {
  webhook?: Webhook;
  label: string;
  submit: (body: WebhookCreate) => Promise<void>;
  cancel?: () => void;
}) {
  const agents = useLoad(async (signal) => (await twig().agents.list({ limit: MAX_AGENTS }, { signal })).data, []);
  const specs = useLoad(async (signal) => (await twig().dataSpecs.list({ limit: MAX_AGENTS }, { signal })).data, []);
  const events = webhook?.events ?? ["*"];
  return (
    <Form
      label={label}
      name={webhook ? "Settings of the endpoint" : "New endpoint"}
      cancel={cancel}
      submit={(data) => submit(bodyOf(data, webhook, !!agents.value, !!specs.value))}
    >
      <section class="card">
        <Text
          name="url"
          label="Address"
          type="url"
          value={webhook?.url}
          required
          placeholder="https://example.com/hooks/twig"
          hint="https; addresses of private networks are refused."
        />
        <Text name="description" label="Description" value={webhook?.description} maxLength={1000} />
        <fieldset>
          <legend>Tell it of</legend>
          <div class="grid-2">
            {Object.entries(GROUPS).map(([name, types]) => (
              <div key={name} class="checks">
                <p class="strong">{name}</p>
                {types.map((type) => (
                  <Check key={type} name="event" value={type} label={<code>{type}</code>} checked={subscribed(events, type)} />
                ))}
              </div>
            ))}
          </div>
        </fieldset>
        <details>
          <summary>Only some agents and data sources; own headers</summary>
          <div class="form">
            <div class="grid-2">
              <Some legend="Agents" name="agentId" all={agents.value ?? []} chosen={webhook?.filter?.agentIds ?? []} />
              <Some legend="Data sources" name="dataSpecId" all={specs.value ?? []} chosen={webhook?.filter?.dataSpecIds ?? []} />
            </div>
            <Area
              name="headers"
              label="Headers"
              mono
              hint="One a line, as Name: value. Values of secret ones are stored encrypted and shown as ***."
              value={Object.entries(webhook?.headers ?? {})
                .map(([name, value]) => `${name}: ${value}`)
                .join("\n")}
              rows={3}
            />
          </div>
        </details>
      </section>
    </Form>
  );
}

function Some({ legend, name, all, chosen }: { legend: string; name: string; all: { id: string; name: string }[]; chosen: string[] }) {
  return (
    <fieldset>
      <legend>{legend}</legend>
      <p class="small quiet">{all.length ? "None chosen: all." : "There is none yet."}</p>
      {all.map((one) => (
        <Check key={one.id} name={name} value={one.id} label={one.name} checked={chosen.includes(one.id)} />
      ))}
    </fieldset>
  );
}

function bodyOf(data: FormData, before: Webhook | undefined, knowsAgents: boolean, knowsSpecs: boolean): WebhookCreate {
  const events = data.getAll("event").map(String) as WebhookCreate["events"];
  const lines = textOf(data, "headers")
    .split("\n")
    .filter((line) => line.includes(":"));
  return {
    url: textOf(data, "url"),
    description: textOrNull(data, "description"),
    events: events.length === ALL.length ? ["*"] : events,
    // What could not be shown is not changed.
    filter: {
      agentIds: knowsAgents ? data.getAll("agentId").map(String) : (before?.filter?.agentIds ?? []),
      dataSpecIds: knowsSpecs ? data.getAll("dataSpecId").map(String) : (before?.filter?.dataSpecIds ?? []),
    },
    headers: Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(":")).trim(), line.slice(line.indexOf(":") + 1).trim()])),
  };
}
