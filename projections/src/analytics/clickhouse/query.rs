//! A dashboard's figures from ClickHouse: the cells that make its buckets and its range are chosen as in the view store.
//!
//! What is small is asked for cell by cell and added up here: planning a statement costs the server more than running it, and grouping sums of maps more than
//! sending them. What is large (how many different visitors there were, which of all documents were cited most) is added up over there.

use std::{collections::BTreeSet, ops::Range};

use clickhouse::Row;
use serde::Deserialize;
use twig_domain::id::{DocumentId, Identifier};

use super::{
    super::{
        cover::{Level, Run, cover, cover_all},
        figures::Figures,
        query::Question,
        report::{Counted, MAX_TOP_SOURCES, Report},
    },
    ClickHouse, ClickHouseError, QUERY_TIMEOUT,
};

const SUMS: [&str; 11] =
    ["interactions", "completed", "answered", "failures", "positive", "negative", "tokens", "accurate", "edited", "inaccurate", "no_answer"];
/// What single interactions count, in the order of [`SUMS`]; where a range begins or ends within a quarter they stand in for cells.
const SINGLE_SUMS: &str = "toInt64(i.sign) AS interactions, i.sign * toInt64(i.status = 'completed') AS completed, toInt64(i.sign * i.answered) AS answered, \
    i.sign * toInt64(i.status = 'failed') AS failures, toInt64(i.sign * i.positive) AS positive, toInt64(i.sign * i.negative) AS negative, i.sign * i.tokens AS tokens, \
    i.sign * toInt64(i.review = 'accurate') AS accurate, i.sign * toInt64(i.review = 'edited') AS edited, i.sign * toInt64(i.review = 'inaccurate') AS inaccurate, \
    i.sign * toInt64(i.review = 'no_answer') AS no_answer, \
    ([i.latency_bucket], [toInt64(i.sign) * (i.status = 'completed' AND i.latency_ms IS NOT NULL)]) AS latencies";
const AT: &str = "toUnixTimestamp64Milli(i.at)";
const PREVIOUS: i64 = i64::MIN;
const WHOLE: u8 = 0;
const AGENT: u8 = 1;

#[derive(Row, Deserialize)]
struct CellRow {
    part: u8,
    start: i64,
    name: String,
    sums: Vec<i64>,
    /// Buckets, and how many are in each.
    latencies: (Vec<u16>, Vec<i64>),
}

#[derive(Row, Deserialize)]
struct VisitorsRow {
    bucketed: u8,
    place: i64,
    sessions: u64,
    users: u64,
}

#[derive(Row, Deserialize)]
struct CitationsRow {
    document: String,
    count: i64,
}

/// The conditions of one dashboard.
struct Plan<'a> {
    question: &'a Question,
    chart: Vec<Run>,
    range: Vec<Run>,
    previous: Vec<Run>,
}

impl ClickHouse {
    /// Everything but words and names, which the view store has.
    pub async fn report(&self, question: &Question) -> Result<Report, ClickHouseError> {
        let plan = Plan {
            question,
            chart: cover_all(&question.spans()),
            range: cover(question.from..question.to),
            previous: cover(question.previous_from..question.from),
        };
        let asked = async {
            tokio::try_join!(
                self.rows::<CellRow>(question, plan.cells()),
                self.rows::<VisitorsRow>(question, plan.visitors()),
                self.rows::<CitationsRow>(question, plan.citations()),
            )
        };
        let (cells, visitors, citations) = tokio::time::timeout(QUERY_TIMEOUT, asked).await.map_err(|_| ClickHouseError::Late)??;
        let mut report = Report { buckets: vec![Counted::default(); question.starts.len()], ..Report::default() };
        for row in cells {
            let figures = report.place(question, row.part, row.start, row.name);
            figures.sums_mut().into_iter().zip(row.sums).for_each(|(sum, more)| *sum += more);
            row.latencies.0.into_iter().zip(row.latencies.1).for_each(|(bucket, count)| figures.latency.add(bucket, count));
        }
        for row in visitors {
            match (row.bucketed, row.place) {
                (0, PREVIOUS) => (report.previous.sessions, report.previous.users) = (row.sessions, row.users),
                (0, _) => (report.current.sessions, report.current.users) = (row.sessions, row.users),
                (_, start) => report.buckets[question.bucket(start)].sessions = row.sessions,
            }
        }
        report.buckets.iter().for_each(|bucket| report.current.figures.merge(&bucket.figures));
        let id = |text: &str| text.parse::<DocumentId>().ok().map(|id| id.uuid().as_u128());
        report.documents = citations.into_iter().filter_map(|row| Some((id(&row.document)?, row.count))).collect();
        if let Some(agent) = question.agent {
            report.agents = [(agent.to_string(), report.current.figures.clone())].into();
        }
        Ok(report)
    }

    async fn rows<T>(&self, question: &Question, sql: String) -> Result<Vec<T>, clickhouse::error::Error>
    where
        T: clickhouse::RowOwned + clickhouse::RowRead,
    {
        // The columns are cast to the rows' types above; a check of each value again would take longer than reading it.
        self.client()
            .with_validation(false)
            .query_raw(&sql)
            .param("organization", question.organization.to_string())
            .param("scope", question.scope())
            .fetch_all()
            .await
    }
}

impl Report {
    fn place(&mut self, question: &Question, part: u8, start: i64, name: String) -> &mut Figures {
        match (part, start) {
            (WHOLE, start) if start < question.from => &mut self.previous.figures,
            (WHOLE, start) => &mut self.buckets[question.bucket(start)].figures,
            (AGENT, _) => self.agents.entry(name).or_default(),
            _ => self.models.entry(name).or_default(),
        }
    }
}

impl Plan<'_> {
    /// Cells of the whole over the chart and the period before, and of agents and models over the range.
    fn cells(&self) -> String {
        let whole: Vec<&Run> = self.chart.iter().chain(&self.previous).collect();
        let range: Vec<&Run> = self.range.iter().collect();
        let (parts, cells) = if self.question.agent.is_some() {
            ("part = 2", "[(0, ''), (2, toString(i.model))]")
        } else {
            ("part IN (1, 2)", "[(0, ''), (1, toString(i.agent)), (2, toString(i.model))]")
        };
        let columns = |wrap: &dyn Fn(&str) -> String| {
            let sums: Vec<String> = SUMS.iter().map(|sum| wrap(sum)).collect();
            format!("CAST([{}] AS Array(Int64)) AS sums", sums.join(", "))
        };
        let latencies = "Tuple(Array(UInt16), Array(Int64))";
        let mut sql = format!(
            "SELECT part, start, name, {}, CAST(latencies AS {latencies}) AS latencies FROM rollups WHERE {} AND ((part = 0 AND {}) OR ({parts} AND {}))",
            columns(&str::to_owned),
            of_scope(),
            in_cells(&whole),
            in_cells(&range)
        );
        if whole.iter().chain(&range).any(|run| run.level.is_none()) {
            // Of one quarter, and of one side of the range's beginning.
            sql.push_str(&format!(
                " UNION ALL SELECT part, min(at) AS start, name, {}, CAST(sumMap(latencies.1, latencies.2) AS {latencies}) AS latencies FROM (\
                   SELECT toUInt8(cell.1) AS part, {AT} AS at, cell.2 AS name, {SINGLE_SUMS} FROM interactions i ARRAY JOIN {cells} AS cell \
                   WHERE {} AND ((cell.1 = 0 AND {}) OR (cell.1 != 0 AND {}))) \
                 GROUP BY part, name, intDiv(at, {}), at >= {}",
                columns(&|sum| format!("sum({sum})")),
                of_agent(),
                in_singles(&whole),
                in_singles(&range),
                Level::Quarter.millis(),
                self.question.from
            ));
        }
        sql
    }

    fn visitors(&self) -> String {
        let states = "uniqCombined64State(14)(i.session) AS sessions, uniqCombined64IfState(14)(i.user, i.user != 0) AS users";
        let cells = |runs: &[&Run]| self.wholes("visitors", "sessions, users", states, runs, " GROUP BY start");
        let all: Vec<&Run> = self.range.iter().chain(&self.previous).collect();
        let from = self.question.from;
        format!(
            "SELECT toUInt8(1) AS bucketed, {} AS place, uniqCombined64Merge(14)(sessions) AS sessions, toUInt64(0) AS users FROM ({}) GROUP BY place \
             UNION ALL SELECT toUInt8(0) AS bucketed, if(start < {from}, {PREVIOUS}, toInt64({from})) AS place, uniqCombined64Merge(14)(sessions) AS sessions, uniqCombined64IfMerge(14)(users) AS users FROM ({}) GROUP BY place",
            self.start(),
            cells(&self.chart.iter().collect::<Vec<_>>()),
            cells(&all)
        )
    }

    fn citations(&self) -> String {
        let cells = self.wholes(
            "citations",
            "document, count",
            "arrayJoin(i.documents) AS document, toInt64(i.sign) AS count",
            &self.range.iter().collect::<Vec<_>>(),
            "",
        );
        format!("SELECT document, sum(count) AS count FROM ({cells}) GROUP BY document HAVING count > 0 ORDER BY count DESC, document LIMIT {MAX_TOP_SOURCES}")
    }

    /// The start of the bucket that a cell of the chart is in.
    fn start(&self) -> String {
        let starts: Vec<String> = self.question.starts.iter().map(ToString::to_string).collect();
        format!("toInt64(roundDown(start, [{}]))", starts.join(", "))
    }

    fn wholes(&self, table: &str, columns: &str, single: &str, runs: &[&Run], end: &str) -> String {
        let mut sql = format!("SELECT start, {columns} FROM {table} WHERE {} AND {}", of_scope(), in_cells(runs));
        if runs.iter().any(|run| run.level.is_none()) {
            sql.push_str(&format!(" UNION ALL SELECT {AT} AS start, {single} FROM interactions i WHERE {} AND {}{end}", of_agent(), in_singles(runs)));
        }
        sql
    }
}

fn of_scope() -> &'static str {
    "organization = {organization:String} AND scope = {scope:String}"
}

fn of_agent() -> &'static str {
    "i.organization = {organization:String} AND ({scope:String} = '' OR i.agent = {scope:String})"
}

/// One condition a level, however many runs there are: a long chain of them takes long to plan.
fn in_cells(runs: &[&Run]) -> String {
    any(Level::ALL.into_iter().filter_map(|level| {
        let spans: Vec<_> = runs.iter().filter(|run| run.level == Some(level)).map(|run| run.span.clone()).collect();
        let (first, end) = (spans.iter().map(|span| span.start).min()?, spans.iter().map(|span| span.end).max()?);
        let cells = |span: Range<i64>| span.step_by(level.millis() as usize);
        let within: BTreeSet<i64> = spans.iter().cloned().flat_map(cells).collect();
        let without: BTreeSet<i64> = cells(first..end).filter(|start| !within.contains(start)).collect();
        let list = |starts: &BTreeSet<i64>| starts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let which = match without.len() {
            0 => String::new(),
            _ if within.len() < without.len() => format!(" AND start IN ({})", list(&within)),
            _ => format!(" AND start NOT IN ({})", list(&without)),
        };
        Some(format!("(level = {} AND start >= {first} AND start < {end}{which})", level.minutes()))
    }))
}

fn in_singles(runs: &[&Run]) -> String {
    let singles = runs.iter().filter(|run| run.level.is_none()).map(|run| &run.span);
    any(singles.map(|span| format!("(i.at >= fromUnixTimestamp64Milli({}) AND i.at < fromUnixTimestamp64Milli({}))", span.start, span.end)))
}

fn any(conditions: impl Iterator<Item = String>) -> String {
    let conditions: Vec<String> = conditions.collect();
    if conditions.is_empty() { "false".to_owned() } else { format!("({})", conditions.join(" OR ")) }
}
