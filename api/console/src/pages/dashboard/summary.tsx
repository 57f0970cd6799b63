// The figures of the whole range, each beside the period before it.
import type { Dashboard, Figure } from "twig-ai";
import { count, duration, percent, short } from "../../format";
import { to } from "../../place";
import { drill } from "./drill";
import type { Range } from "./range";

interface Kpi {
  name: string;
  figure: Figure;
  write: (value: number | null) => string;
  good: "up" | "down" | "none";
  more?: Record<string, string>;
  rate?: boolean;
  also?: string;
}

function kpis({ summary }: Dashboard): Kpi[] {
  return [
    { name: "Interactions", figure: summary.interactions, write: short, good: "none", more: {} },
    { name: "Answer rate", figure: summary.answerRate, write: percent, good: "up", rate: true, more: { answered: "false" } },
    { name: "Satisfaction", figure: summary.satisfaction, write: percent, good: "up", rate: true, more: { rating: "negative" } },
    {
      name: "Latency, median",
      figure: summary.latencyMs.p50,
      write: duration,
      good: "down",
      also: `p95 ${duration(summary.latencyMs.p95.value)}, p99 ${duration(summary.latencyMs.p99.value)}`,
    },
    { name: "Sessions", figure: summary.sessions, write: short, good: "none" },
    { name: "Users", figure: summary.users, write: short, good: "none" },
    { name: "Tokens", figure: summary.tokens, write: short, good: "none" },
    { name: "Failures", figure: summary.failures, write: count, good: "down", more: { status: "failed" } },
  ];
}

const LABELS: Record<string, string> = { "Answer rate": "Unanswered", Satisfaction: "Rated negative", Failures: "Failed", Interactions: "All" };

export function Summary({ dashboard, range }: { dashboard: Dashboard; range: Range }) {
  return (
    <section aria-label="Summary">
      <h2 class="hidden-text">Summary</h2>
      <dl class="kpis">
        {kpis(dashboard).map((kpi) => (
          <div key={kpi.name} class="card kpi">
            <dt>{kpi.name}</dt>
            <dd class="value">{kpi.write(kpi.figure.value)}</dd>
            <dd class="delta">
              <Delta {...kpi} />
              {kpi.also && <> · {kpi.also}</>}
              {kpi.more && (
                <>
                  {" "}
                  ·{" "}
                  <a href={to("/interactions", drill(dashboard, range, kpi.more))}>
                    {LABELS[kpi.name]}
                    <span class="hidden-text"> interactions of the range</span>
                  </a>
                </>
              )}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

/** The change since the period before: in points for a rate, else in percent. */
function Delta({ figure: { value, previous }, good, rate, write }: Kpi) {
  if (value === null || previous === null) return <span>no figure before</span>;
  if (value === previous) return <span>as before</span>;
  const up = value > previous;
  const tone = good === "none" ? "" : up === (good === "up") ? "up" : "down";
  const by = rate
    ? `${Math.abs((value - previous) * 100).toFixed(1)} points`
    : previous === 0
      ? write(Math.abs(value))
      : percent(Math.abs(value / previous - 1));
  return (
    <span>
      <b class={tone}>
        {up ? "▲" : "▼"}
        <span class="hidden-text">{up ? "up by" : "down by"}</span> {by}
      </b>{" "}
      from {write(previous)}
    </span>
  );
}
