//! The dashboard's figures (API §6), from the interactions of the range and of the period before it. A failed interaction counts in `interactions` and
//! `failures`; rates are of the completed ones; percentiles are exact nearest ranks.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use twig_commands::database::{Engine, Row as SqlRow, StoreError, Value as Sql};
use twig_domain::{
    Timestamp,
    id::{AgentId, OrgId},
};

use super::name;
use crate::{ViewError, Views, fold::Table, views::Tenant};

const MAX_TOP_SOURCES: usize = 10;
const MAX_QUESTIONS: usize = 20;
const MAX_QUESTION_IDS: usize = 20;

/// What the figures are asked for. Buckets are the starts of a gapless sequence; each ends where the next begins, the last at `to`.
#[derive(Clone, Debug)]
pub struct DashboardQuery {
    pub from: Timestamp,
    /// Not included.
    pub to: Timestamp,
    /// The start of the period before, which ends at `from`.
    pub previous_from: Timestamp,
    pub agent: Option<AgentId>,
    /// Each bucket's start, and how it is written.
    pub buckets: Vec<(Timestamp, String)>,
}

/// One interaction, as far as figures need it.
struct Fact {
    at: i64,
    id: String,
    agent: String,
    session: String,
    user: Option<String>,
    status: String,
    answered: Option<bool>,
    latency_ms: Option<i64>,
    tokens: i64,
    model: String,
    rating: Option<String>,
    review: Option<String>,
    prompt: Option<String>,
}

/// Running figures of some set of interactions.
#[derive(Default)]
struct Figures {
    interactions: u64,
    completed: u64,
    answered: u64,
    failures: u64,
    positive: u64,
    negative: u64,
    tokens: i64,
    latencies: Vec<i64>,
    sessions: HashSet<String>,
    users: HashSet<String>,
}

impl Figures {
    fn add(&mut self, fact: &Fact) {
        self.interactions += 1;
        self.tokens += fact.tokens;
        self.sessions.insert(fact.session.clone());
        self.users.extend(fact.user.clone());
        match fact.status.as_str() {
            "completed" => {
                self.completed += 1;
                self.answered += u64::from(fact.answered == Some(true));
                self.latencies.extend(fact.latency_ms);
            }
            "failed" => self.failures += 1,
            _ => {}
        }
        match fact.rating.as_deref() {
            Some("positive") => self.positive += 1,
            Some("negative") => self.negative += 1,
            _ => {}
        }
    }

    fn answer_rate(&self) -> Value {
        rate(self.answered, self.completed)
    }

    fn satisfaction(&self) -> Value {
        rate(self.positive, self.positive + self.negative)
    }

    fn percentile(&mut self, percent: usize) -> Value {
        self.latencies.sort_unstable();
        let rank = (self.latencies.len() * percent).div_ceil(100).max(1);
        self.latencies.get(rank - 1).map_or(Value::Null, |value| json!(value))
    }
}

/// A fraction from 0 to 1; `null` where nothing was counted.
fn rate(part: u64, whole: u64) -> Value {
    if whole == 0 { Value::Null } else { json!(part as f64 / whole as f64) }
}

impl Views {
    /// Whether an agent is or ever was this organization's.
    pub async fn agent_ever(&self, organization: OrgId, id: AgentId) -> Result<bool, ViewError> {
        self.read(Tenant::Of(organization), move |session, live| Ok(super::get(session, live, Table::Agents, organization, &id.to_string())?.is_some())).await
    }

    /// `summary` and `charts` of the dashboard.
    pub async fn dashboard(&self, organization: OrgId, query: DashboardQuery) -> Result<(Value, Value), ViewError> {
        self.read(Tenant::Of(organization), move |session, live| {
            let table = name(live, Table::Interactions);
            let mut condition = "organization = ? AND at >= ? AND at < ?".to_owned();
            let mut values = vec![Sql::from(organization.to_string()), query.previous_from.millis().into(), query.to.millis().into()];
            if let Some(agent) = query.agent {
                condition.push_str(" AND body ->> 'agentId' = ?");
                values.push(agent.to_string().into());
            }
            let sql = format!(
                "SELECT at, id, body ->> 'agentId', parent, body ->> '_user', body ->> 'status', body ->> 'answered', body ->> 'latencyMs', \
                 body -> 'usage' ->> 'totalTokens', body ->> 'model', body -> 'feedback' ->> 'rating', body ->> 'reviewStatus', body ->> 'prompt' \
                 FROM {table} WHERE {condition} ORDER BY at, sort"
            );
            let mut collected = Collected::of(&query);
            for row in session.query(&sql, &values)? {
                collected.add(&fact(&row)?, &query);
            }
            let mut agents: HashMap<String, Value> = HashMap::new();
            for id in collected.by_agent.keys() {
                let row = super::get(session, live, Table::Agents, organization, id)?;
                agents.insert(id.clone(), row.map_or(Value::Null, |row| row.body["name"].clone()));
            }
            values[1] = query.from.millis().into();
            let sources = match session.engine() {
                Engine::Sqlite => "json_each(body, '$.sources') s",
                Engine::Postgres => "jsonb_array_elements(body -> 'sources') s",
            };
            let sql = format!(
                "SELECT s.value ->> 'documentId', max(s.value ->> 'documentTitle'), max(s.value ->> 'documentUrl'), count(*) AS citations \
                 FROM {table}, {sources} WHERE {condition} GROUP BY 1 ORDER BY citations DESC, 1 LIMIT {MAX_TOP_SOURCES}"
            );
            let shown = |row: &SqlRow| {
                let (id, title, url): (String, Option<String>, Option<String>) = (row.get(0)?, row.get(1)?, row.get(2)?);
                // A page is a place in the document, not a document.
                let url = url.map(|url| url.split("#page=").next().unwrap_or_default().to_owned());
                Ok(json!({"documentId": id, "title": title, "url": url, "citations": row.get::<i64>(3)?}))
            };
            let sources: Vec<Value> = session.query(&sql, &values)?.iter().map(shown).collect::<Result<_, StoreError>>()?;
            Ok(collected.figures(&query, &agents, sources))
        })
        .await
    }
}

fn fact(row: &SqlRow) -> Result<Fact, StoreError> {
    Ok(Fact {
        at: row.get(0)?,
        id: row.get(1)?,
        agent: row.get(2)?,
        session: row.get(3)?,
        user: row.get(4)?,
        status: row.get(5)?,
        answered: flag(row, 6)?,
        latency_ms: number(row, 7)?,
        tokens: number(row, 8)?.unwrap_or(0),
        model: row.get::<Option<String>>(9)?.unwrap_or_default(),
        rating: row.get(10)?,
        review: row.get(11)?,
        prompt: row.get(12)?,
    })
}

/// A JSON number, which PostgreSQL gives as text.
fn number(row: &SqlRow, place: usize) -> Result<Option<i64>, StoreError> {
    row.get::<Option<i64>>(place).or_else(|_| Ok(row.get::<Option<String>>(place)?.and_then(|text| text.parse().ok())))
}

fn flag(row: &SqlRow, place: usize) -> Result<Option<bool>, StoreError> {
    row.get::<Option<bool>>(place).or_else(|_| Ok(row.get::<Option<String>>(place)?.map(|text| text == "true")))
}

/// A question nobody could answer, however it was spaced, cased or ended.
#[derive(Default)]
struct Unanswered {
    question: String,
    count: u64,
    last_seen: i64,
    ids: Vec<String>,
}

struct Collected {
    current: Figures,
    previous: Figures,
    buckets: Vec<Figures>,
    by_agent: HashMap<String, Figures>,
    by_model: HashMap<String, Figures>,
    reviews: HashMap<String, u64>,
    unanswered: HashMap<String, Unanswered>,
}

impl Collected {
    fn of(query: &DashboardQuery) -> Self {
        Self {
            current: Figures::default(),
            previous: Figures::default(),
            buckets: query.buckets.iter().map(|_| Figures::default()).collect(),
            by_agent: HashMap::new(),
            by_model: HashMap::new(),
            reviews: HashMap::new(),
            unanswered: HashMap::new(),
        }
    }

    fn add(&mut self, fact: &Fact, query: &DashboardQuery) {
        if fact.at < query.from.millis() {
            self.previous.add(fact);
            return;
        }
        self.current.add(fact);
        let bucket = query.buckets.partition_point(|(start, _)| start.millis() <= fact.at).saturating_sub(1);
        if let Some(figures) = self.buckets.get_mut(bucket) {
            figures.add(fact);
        }
        self.by_agent.entry(fact.agent.clone()).or_default().add(fact);
        self.by_model.entry(fact.model.clone()).or_default().add(fact);
        if let Some(review) = &fact.review {
            *self.reviews.entry(review.clone()).or_default() += 1;
        }
        if fact.status == "completed"
            && fact.answered == Some(false)
            && let Some(prompt) = &fact.prompt
        {
            let group = self.unanswered.entry(folded(prompt)).or_default();
            group.count += 1;
            (group.question, group.last_seen) = (prompt.clone(), fact.at);
            if group.ids.len() < MAX_QUESTION_IDS {
                group.ids.push(fact.id.clone());
            }
        }
    }

    fn figures(mut self, query: &DashboardQuery, agents: &HashMap<String, Value>, sources: Vec<Value>) -> (Value, Value) {
        let pair = |value: Value, previous: Value| json!({"value": value, "previous": previous});
        let (now, before) = (&mut self.current, &mut self.previous);
        let latency: HashMap<String, Value> = [50, 95, 99].into_iter().map(|p| (format!("p{p}"), pair(now.percentile(p), before.percentile(p)))).collect();
        let summary = json!({
            "interactions": pair(json!(now.interactions), json!(before.interactions)), "sessions": pair(json!(now.sessions.len()), json!(before.sessions.len())),
            "users": pair(json!(now.users.len()), json!(before.users.len())), "answerRate": pair(now.answer_rate(), before.answer_rate()),
            "satisfaction": pair(now.satisfaction(), before.satisfaction()), "latencyMs": latency, "tokens": pair(json!(now.tokens), json!(before.tokens)),
            "failures": pair(json!(now.failures), json!(before.failures)),
        });
        let starts: Vec<&String> = query.buckets.iter().map(|(_, start)| start).collect();
        let series = |value: &dyn Fn(&Figures) -> Value| -> Value {
            starts.iter().zip(&self.buckets).map(|(start, figures)| json!({"start": start, "value": value(figures)})).collect()
        };
        let mut charts = json!({
            "interactions": series(&|figures| json!(figures.interactions)), "answerRate": series(&Figures::answer_rate), "satisfaction": series(&Figures::satisfaction),
            "tokens": series(&|figures| json!(figures.tokens)), "sessions": series(&|figures| json!(figures.sessions.len())), "topSources": sources,
            "feedback": {"positive": self.current.positive, "negative": self.current.negative, "byReviewStatus": reviews(&self.reviews)},
        });
        let latency = starts
            .iter()
            .zip(&mut self.buckets)
            .map(|(start, figures)| json!({"start": start, "p50": figures.percentile(50), "p95": figures.percentile(95), "p99": figures.percentile(99)}));
        charts["latency"] = latency.collect();
        charts["byAgent"] = ranked(self.by_agent, |id| agents.get(id).cloned().unwrap_or(Value::Null));
        charts["byModel"] = ranked(self.by_model, |id| json!(id));
        charts["unansweredQuestions"] = questions(self.unanswered);
        (summary, charts)
    }
}

fn reviews(counted: &HashMap<String, u64>) -> Value {
    let count = |name: &str| counted.get(name).copied().unwrap_or(0);
    json!({"accurate": count("accurate"), "edited": count("edited"), "inaccurate": count("inaccurate"), "no_answer": count("no_answer")})
}

/// The most used first.
fn ranked(groups: HashMap<String, Figures>, named: impl Fn(&str) -> Value) -> Value {
    let mut groups: Vec<(String, Figures)> = groups.into_iter().collect();
    groups.sort_by(|(id_a, a), (id_b, b)| b.interactions.cmp(&a.interactions).then_with(|| id_a.cmp(id_b)));
    let shown = |(id, mut figures): (String, Figures)| json!({"id": id, "name": named(&id), "interactions": figures.interactions, "answerRate": figures.answer_rate(), "satisfaction": figures.satisfaction(), "p95": figures.percentile(95)});
    groups.into_iter().map(shown).collect()
}

fn questions(groups: HashMap<String, Unanswered>) -> Value {
    let mut groups: Vec<Unanswered> = groups.into_values().collect();
    groups.sort_by(|a, b| b.count.cmp(&a.count).then(b.last_seen.cmp(&a.last_seen)));
    let shown = |group: Unanswered| json!({"question": group.question, "count": group.count, "lastSeen": Timestamp::from_millis(group.last_seen).to_string(), "interactionIds": group.ids});
    groups.into_iter().take(MAX_QUESTIONS).map(shown).collect()
}

fn folded(prompt: &str) -> String {
    let words = prompt.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks_and_null_of_nothing() {
        let mut figures = Figures { latencies: vec![30, 10, 20, 40], ..Figures::default() };
        assert_eq!([figures.percentile(50), figures.percentile(95)], [json!(20), json!(40)]);
        assert_eq!(Figures::default().percentile(50), Value::Null);
        assert_eq!(Figures::default().answer_rate(), Value::Null);
    }

    #[test]
    fn a_question_is_the_same_in_any_spelling_of_spaces_and_case() {
        assert_eq!(folded("  What is  the Price? "), folded("what is the price"));
    }
}
