// Every chart of the dashboard.
import type { Dashboard, GroupFigures, Point } from "twig-ai";
import { count, duration, percent, short, since, time, words } from "../../format";
import { go, to } from "../../place";
import { Bars } from "../../ui/bars";
import { Chart, type Series } from "../../ui/chart";
import type { Column } from "../../ui/list";
import { type Filters, drill } from "./drill";
import { type Range, bucketName } from "./range";

interface Props {
  dashboard: Dashboard;
  range: Range;
}

export function Charts({ dashboard, range }: Props) {
  return (
    <div class="charts">
      <OverTime dashboard={dashboard} range={range} />
      <Feedback dashboard={dashboard} range={range} />
      <Unanswered dashboard={dashboard} range={range} />
      <Groups dashboard={dashboard} range={range} title="By agent" rows={dashboard.charts.byAgent} member="agentId" />
      <Groups dashboard={dashboard} range={range} title="By model" rows={dashboard.charts.byModel} member="model" />
      <TopSources dashboard={dashboard} range={range} />
    </div>
  );
}

function OverTime({ dashboard, range }: Props) {
  const { charts } = dashboard;
  const starts = charts.interactions.map((point) => point.start);
  const granularity = String(dashboard.range.granularity);
  const shared = { starts, zone: range.zone, name: (place: number) => bucketName(starts[place]!, granularity, range.zone) };
  const one = (label: string, points: Point[], tone: Series["tone"]): Series[] => [{ label, values: points.map((point) => point.value), tone }];
  const pick =
    (more: Filters = {}) =>
    (place: number) =>
      go(to("/interactions", drill(dashboard, range, more, place)));
  const latency = (["p50", "p95", "p99"] as const).map((name, i): Series => ({
    label: name,
    values: charts.latency.map((point) => point[name]),
    tone: (i + 1) as Series["tone"],
  }));
  const per = `each ${granularity}`;
  return (
    <>
      <Chart
        {...shared}
        title="Interactions"
        about={`Questions asked, ${per}`}
        kind="bars"
        series={one("Interactions", charts.interactions, 1)}
        write={short}
        pick={pick()}
      />
      <Chart
        {...shared}
        title="Answer rate"
        about={`Answered, of the completed, ${per}`}
        kind="lines"
        series={one("Answer rate", charts.answerRate, 1)}
        write={percent}
        pick={pick()}
        max={1}
      />
      <Chart {...shared} title="Latency" about={`Time to the whole answer, ${per}`} kind="lines" series={latency} write={duration} pick={pick()} />
      <Chart
        {...shared}
        title="Satisfaction"
        about={`Positive, of the rated, ${per}`}
        kind="lines"
        series={one("Satisfaction", charts.satisfaction, 2)}
        write={percent}
        pick={pick()}
        max={1}
      />
      <Chart
        {...shared}
        title="Tokens"
        about={`Of prompts and answers, ${per}`}
        kind="bars"
        series={one("Tokens", charts.tokens, 2)}
        write={short}
        pick={pick()}
      />
      <Chart
        {...shared}
        title="Sessions"
        about={`Conversations, ${per}`}
        kind="bars"
        series={one("Sessions", charts.sessions, 4)}
        write={short}
        pick={pick()}
      />
    </>
  );
}

function Feedback({ dashboard, range }: Props) {
  const { positive, negative, byReviewStatus } = dashboard.charts.feedback;
  const rows = [
    { label: "Positive", value: positive, filter: { rating: "positive" } },
    { label: "Negative", value: negative, filter: { rating: "negative" } },
    ...Object.entries(byReviewStatus ?? {}).map(([status, value]) => ({
      label: `Reviewed: ${words(status).toLowerCase()}`,
      value,
      filter: { reviewStatus: status },
    })),
  ];
  return (
    <Bars
      title="Feedback"
      about="Ratings and reviews in the range"
      rows={rows}
      id={(row) => row.label}
      label={(row) => row.label}
      value={(row) => row.value}
      write={count}
      measure="Interactions"
      pick={(row) => go(to("/interactions", drill(dashboard, range, row.filter)))}
      table={[["feedback", "interactions"], ...rows.map((row) => [row.label, row.value])]}
      empty="No feedback yet"
    />
  );
}

function Unanswered({ dashboard }: Props) {
  const rows = dashboard.charts.unansweredQuestions;
  const last: Column<(typeof rows)[number]> = {
    head: "Last asked",
    wide: true,
    cell: (row) => (
      <time dateTime={row.lastSeen} title={time(row.lastSeen)}>
        {since(row.lastSeen)}
      </time>
    ),
  };
  return (
    <Bars
      title="Unanswered questions"
      about="What the sources do not know: the gaps to fill"
      rows={rows}
      id={(row) => row.interactionIds[0] ?? row.question ?? ""}
      label={(row) => row.question ?? ""}
      value={(row) => row.count}
      write={count}
      measure="Asked"
      columns={[last]}
      pick={(row) => go(to("/interactions", { ids: row.interactionIds.join(",") }))}
      table={[["question", "count", "lastSeen", "interactionIds"], ...rows.map((row) => [row.question, row.count, row.lastSeen, row.interactionIds.join(" ")])]}
      empty="Everything was answered"
    />
  );
}

function Groups({ dashboard, range, title, rows, member }: Props & { title: string; rows: GroupFigures[]; member: "agentId" | "model" }) {
  const columns: Column<GroupFigures>[] = [
    { head: "Answered", num: true, cell: (row) => percent(row.answerRate) },
    { head: "Satisfied", num: true, wide: true, cell: (row) => percent(row.satisfaction) },
    { head: "p95", num: true, wide: true, cell: (row) => duration(row.p95) },
  ];
  return (
    <Bars
      title={title}
      about={`Interactions of each ${member === "model" ? "model" : "agent"}`}
      rows={rows}
      id={(row) => row.id}
      label={(row) => row.name || row.id}
      value={(row) => row.interactions}
      write={short}
      measure="Interactions"
      columns={columns}
      pick={(row) => go(to("/interactions", drill(dashboard, range, { [member]: row.id })))}
      table={[
        ["id", "name", "interactions", "answerRate", "satisfaction", "p95"],
        ...rows.map((row) => [row.id, row.name, row.interactions, row.answerRate, row.satisfaction, row.p95]),
      ]}
      empty="No interaction in this range"
    />
  );
}

function TopSources({ dashboard, range }: Props) {
  const rows = dashboard.charts.topSources;
  return (
    <Bars
      title="Top sources"
      about="Documents that answers were given from"
      rows={rows}
      id={(row) => row.documentId}
      label={(row) => row.title || row.url || ""}
      value={(row) => row.citations}
      write={count}
      measure="Citations"
      pick={(row) => go(to("/interactions", drill(dashboard, range, { documentId: row.documentId, documentTitle: row.title ?? undefined })))}
      table={[["documentId", "title", "url", "citations"], ...rows.map((row) => [row.documentId, row.title, row.url, row.citations])]}
      empty="No source was given yet"
    />
  );
}
