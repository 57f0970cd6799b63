//! The dashboard, from the store that has its figures at hand.

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;
use serde_json::Value;
use twig_commands::database::{Session, StoreError, at_one_moment};
use twig_domain::{
    Timestamp,
    id::{AgentId, OrgId},
};

use super::{
    query::{Question, ViewStore},
    questions::{self, Wording},
    report::Report,
    store,
};
use crate::{
    ViewError, Views,
    fold::{Projection, Table},
    runner::Live,
    store as rows,
    views::Tenant,
};

/// What the figures are asked for. Buckets are the starts of a gapless sequence; each ends where the next begins, the last at `to`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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

#[derive(Clone)]
pub struct Dashboard {
    /// Every event up to here is in the figures.
    pub position: u64,
    pub summary: Value,
    pub charts: Value,
}

/// Which figures an organization has: as long as this is the same, so are they.
#[derive(Clone, Debug)]
pub struct FiguresStamp {
    text: String,
    /// Every event up to here is in them.
    position: u64,
}

impl PartialEq for FiguresStamp {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl std::fmt::Display for FiguresStamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Dashboards whose figures have not changed since they were last asked for: several people look at the same page, again and again.
pub(crate) type Remembered = Cache<(OrgId, String, DashboardQuery), Arc<Dashboard>>;

/// Together, of all dashboards that are remembered.
const REMEMBERED_BUCKETS: u64 = 50_000;
const REMEMBERED_FOR: Duration = Duration::from_mins(10);

pub(crate) fn remembered() -> Remembered {
    let buckets = |(_, _, query): &(OrgId, String, DashboardQuery), _: &Arc<Dashboard>| u32::try_from(query.buckets.len() + 1).unwrap_or(u32::MAX);
    Cache::builder().max_capacity(REMEMBERED_BUCKETS).weigher(buckets).time_to_idle(REMEMBERED_FOR).build()
}

impl DashboardQuery {
    fn question(&self, organization: OrgId) -> Question {
        Question {
            organization,
            agent: self.agent,
            previous_from: self.previous_from.millis(),
            from: self.from.millis(),
            to: self.to.millis(),
            starts: self.buckets.iter().map(|(start, _)| start.millis()).collect(),
        }
    }
}

impl Views {
    /// Whether an agent is or ever was this organization's.
    pub async fn agent_ever(&self, organization: OrgId, id: AgentId) -> Result<bool, ViewError> {
        self.read(Tenant::Of(organization), move |session, live| {
            let version = live.get(&Projection::Agents).copied().unwrap_or(1);
            Ok(rows::read(session, Table::Agents, version, organization, &id.to_string())?.is_some())
        })
        .await
    }

    /// What the organization's figures can be known again by. Read before the figures, it never promises more than they hold.
    pub async fn figures_stamp(&self, organization: OrgId) -> Result<FiguresStamp, ViewError> {
        let (changes, changed, live, checkpoint) = self
            .read(Tenant::Of(organization), move |session, live| {
                let (changes, changed) = store::changes(session, organization)?;
                Ok((changes, changed, live.get(&Projection::Interactions).copied().unwrap_or(1), position(session, live)?))
            })
            .await?;
        let (behind, position) = match &self.clickhouse {
            None => (String::new(), checkpoint),
            Some(_) => {
                let reached = self.clickhouse_position().await?;
                (if reached < changed { format!("-c{reached}") } else { "-c".to_owned() }, reached)
            }
        };
        Ok(FiguresStamp { text: format!("{changed}.{changes}.{live}{behind}"), position })
    }

    /// The figures that this stamp, or a later one, stands for.
    pub async fn dashboard(&self, organization: OrgId, stamp: &FiguresStamp, query: DashboardQuery) -> Result<Dashboard, ViewError> {
        let key = (organization, stamp.text.clone(), query);
        if let Some(known) = self.dashboards.get(&key) {
            return Ok(Dashboard { position: known.position.max(stamp.position), ..Dashboard::clone(&known) });
        }
        let dashboard = self.counted(organization, &key.2).await?;
        self.dashboards.insert(key, Arc::new(dashboard.clone()));
        Ok(dashboard)
    }

    /// The figures as they are counted now.
    pub async fn counted(&self, organization: OrgId, query: &DashboardQuery) -> Result<Dashboard, ViewError> {
        let question = query.question(organization);
        let (position, report) = match self.clickhouse_report(&question).await? {
            Some(found) => found,
            None => self.snapshot(question).await?,
        };
        let starts: Vec<&str> = query.buckets.iter().map(|(_, start)| start.as_str()).collect();
        Ok(Dashboard { position, summary: report.summary(), charts: report.charts(&starts) })
    }

    /// All figures from the view store, at one position.
    async fn snapshot(&self, question: Question) -> Result<(u64, Report), ViewError> {
        self.read(Tenant::Of(question.organization), move |session, live| {
            at_one_moment(session, |session| {
                let position = position(session, live)?;
                Ok((position, ViewStore { session, live }.report(&question)?))
            })
        })
        .await
    }

    /// The figures from ClickHouse, where there is one and it answers; its words and names are the view store's.
    async fn clickhouse_report(&self, question: &Question) -> Result<Option<(u64, Report)>, ViewError> {
        let Some(clickhouse) = &self.clickhouse else { return Ok(None) };
        let position = self.clickhouse_position().await?;
        let mut report = match clickhouse.report(question).await {
            Ok(report) => report,
            Err(error) => {
                tracing::warn!(%error, "the figures are the view store's, since ClickHouse does not answer");
                metrics::counter!("twig_clickhouse_fallbacks_total").increment(1);
                return Ok(None);
            }
        };
        let question = question.clone();
        let report = self
            .read(Tenant::Of(question.organization), move |session, live| {
                ViewStore { session, live }.complete(&question, &mut report)?;
                Ok(report)
            })
            .await?;
        Ok(Some((position, report)))
    }

    /// Wordings of unanswered questions whose meaning nobody has looked at.
    pub async fn waiting_questions(&self, limit: usize) -> Result<Vec<Wording>, ViewError> {
        self.read(Tenant::All, move |session, live| {
            let version = live.get(&Projection::Interactions).copied().unwrap_or(1);
            Ok(questions::waiting(session, version, limit)?)
        })
        .await
    }

    /// Puts a wording with those that mean the same, by a vector of length one.
    pub async fn place_question(&self, wording: Wording, vector: Vec<f32>) -> Result<(), ViewError> {
        self.change(move |session| {
            let versions = store::hold(session)?;
            Ok(questions::place(session, &versions, wording.organization, wording.question, &vector)?)
        })
        .await
    }
}

fn position(session: &mut Session, live: &Live) -> Result<u64, StoreError> {
    let which = [Projection::Interactions.name().into(), live.get(&Projection::Interactions).copied().unwrap_or(1).into()];
    let sql = "SELECT coalesce((SELECT min(f.position) FROM feed_checkpoints f WHERE f.name = p.name AND f.version = p.version), p.position) FROM projections p \
               WHERE p.name = ?1 AND p.version = ?2";
    session.query_one(sql, &which)?.get(0)
}
