// The dashboard. Its whole state stands in the address; every figure leads to the interactions behind it.
import { useState } from "preact/hooks";
import type { Agent, Dashboard } from "twig-ai";
import { since } from "../../format";
import { useLive } from "../../live";
import { type Loaded, useLoad } from "../../load";
import { setQuery, usePlace } from "../../place";
import { twig } from "../../session";
import { Empty, Head, Loading } from "../../ui/basics";
import { Choice, Text } from "../../ui/form";
import { Problem } from "../../ui/problem";
import { Charts } from "./charts";
import { Summary } from "./summary";
import { PRESETS, type Range, paramsOf, rangeOf, zones } from "./range";

const GRANULARITIES: [string, string][] = [
  ["", "Automatic"],
  ["hour", "Hour"],
  ["day", "Day"],
  ["week", "Week"],
  ["month", "Month"],
];
const MAX_AGENTS = 200;

export function DashboardPage() {
  const { query } = usePlace();
  const range = rangeOf(query);
  const live = query.get("live") !== "off";
  const figures = useLoad((signal) => twig().analytics.dashboard(paramsOf(range), { signal }), [query.toString()], true);
  const agents = useLoad(async (signal) => (await twig().agents.list({ limit: MAX_AGENTS }, { signal })).data, []);
  useLive(figures.reload, live, figures.value?.freshness.position);
  return (
    <>
      <Head title="Dashboard" about={<Freshness of={figures} zone={range.zone} />}>
        <button type="button" class="button live" aria-pressed={live} onClick={() => setQuery({ live: live ? "off" : undefined })}>
          Live
        </button>
        <button type="button" class="button" onClick={figures.reload}>
          Refresh
        </button>
      </Head>
      <Controls range={range} agents={agents.value ?? []} />
      {!!figures.failure && <Problem failure={figures.failure} retry={figures.reload} />}
      {!figures.value && !figures.failure && (
        <div class="card">
          <Loading what="the dashboard" />
        </div>
      )}
      {figures.value && <Figures dashboard={figures.value} range={range} />}
    </>
  );
}

function Figures({ dashboard, range }: { dashboard: Dashboard; range: Range }) {
  const none = !dashboard.summary.interactions.value && !dashboard.summary.interactions.previous;
  return (
    <>
      {none && (
        <div class="card">
          <Empty icon="dashboard" title="No interaction in this range">
            <p>
              Ask something in the <a href="/console/playground">playground</a>, connect a client to the API, or choose a longer range.
            </p>
          </Empty>
        </div>
      )}
      <Summary dashboard={dashboard} range={range} />
      <Charts dashboard={dashboard} range={range} />
    </>
  );
}

function Freshness({ of, zone }: { of: Loaded<Dashboard>; zone: string }) {
  const fresh = of.value?.freshness;
  if (!fresh) return <>How your agents are doing.</>;
  return (
    <span>
      {fresh.lagMs > 0 ? `Figures are ${Math.ceil(fresh.lagMs / 1000)} s behind` : "Up to date"}
      {fresh.recordedAt ? `, last event ${since(fresh.recordedAt)}` : ""} · {zone}
    </span>
  );
}

function Controls({ range, agents }: { range: Range; agents: Agent[] }) {
  const [custom, setCustom] = useState(range.preset === "custom");
  const choose = (preset: string) => {
    setCustom(preset === "custom");
    if (preset !== "custom") setQuery({ range: preset === "30d" ? undefined : preset, from: undefined, to: undefined });
  };
  // Days are set by their field; a moment that the address has is shown as its day.
  const dayOf = (text: string | undefined) => text?.slice(0, 10) ?? "";
  return (
    <div class="card" role="group" aria-label="What is shown">
      <div class="filters">
        <Choice name="range" label="Range" value={custom ? "custom" : range.preset} options={PRESETS} change={choose} />
        {custom && (
          <Text
            name="from"
            label="From"
            type="date"
            value={dayOf(range.from)}
            max={dayOf(range.to) || undefined}
            change={(from) => setQuery({ from, range: undefined })}
          />
        )}
        {custom && (
          <Text
            name="to"
            label="To"
            type="date"
            value={dayOf(range.to)}
            min={dayOf(range.from) || undefined}
            change={(to) => setQuery({ to, range: undefined })}
          />
        )}
        <Choice
          name="agent"
          label="Agent"
          value={range.agentId}
          options={[["", "All agents"], ...agents.map((agent): [string, string] => [agent.id, agent.name])]}
          change={(agent) => setQuery({ agent })}
        />
        <Choice name="granularity" label="Granularity" value={range.granularity} options={GRANULARITIES} change={(granularity) => setQuery({ granularity })} />
        <Choice name="zone" label="Time zone" value={range.zone} options={zones().map((zone) => [zone, zone])} change={(zone) => setQuery({ zone })} />
      </div>
    </div>
  );
}
