//! Answers that other nodes may follow: the node that gives one writes its events to the database beside it, and renews its lease while it lives.
//!
//! Invariant: an answer whose lease has ended and that is not done has lost its node; nobody will ever end it there.

use std::{collections::HashSet, sync::Arc, time::Duration};

use serde_json::Value as Json;
use twig_commands::{
    clock::Clock,
    database::{Database, PostgresPool, StoreError, Value},
};
use twig_domain::{
    id::{InteractionId, OrgId},
    interaction::Failure,
};

use crate::live::{LiveAnswer, LiveEvent};

const DDL: &str = include_str!("../../schemas/sql/postgres/answers.sql");
const LEASE_S: i64 = 15;
const RENEW_EVERY: Duration = Duration::from_secs(4);
/// How soon a follower on another node sees what was written.
const LOOK_EVERY: Duration = Duration::from_millis(40);
const KEPT_AFTER_END_S: i64 = 5 * 60;

#[derive(Clone)]
pub struct SharedAnswers {
    database: Database,
    clock: Clock,
}

impl SharedAnswers {
    pub fn postgres(url: &str, clock: Clock) -> Result<Self, StoreError> {
        let pool = PostgresPool::connect(url, None)?;
        pool.migrate(DDL)?;
        Ok(Self { database: Database::Postgres(pool), clock })
    }

    /// Writes an answer's events as they come, until its end.
    pub(crate) async fn publish(self, organization: OrgId, live: Arc<LiveAnswer>) {
        let mut next = 0;
        loop {
            let events = tokio::time::timeout(RENEW_EVERY, live.after(next)).await.unwrap_or_default();
            next += events.len();
            let done = live.is_done_at(next);
            if let Err(error) = self.write(organization, live.id, events, done).await {
                tracing::warn!(%error, interaction = %live.id, "an answer could not be shared with other nodes");
                if !done {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
            if done {
                return;
            }
        }
    }

    async fn write(&self, organization: OrgId, id: InteractionId, events: Vec<LiveEvent>, done: bool) -> Result<(), StoreError> {
        let until = self.clock.now().plus_seconds(if done { KEPT_AFTER_END_S } else { LEASE_S }).millis();
        let (organization, interaction) = (organization.to_string(), id.to_string());
        let row = |event: &LiveEvent| -> Vec<Value> {
            let number = event.data["sequenceNumber"].as_u64().unwrap_or_default();
            vec![(&organization).into(), (&interaction).into(), number.into(), event.name.into(), Value::json(&event.data)]
        };
        let rows = events.iter().map(row).collect();
        let answer = vec![(&organization).into(), (&interaction).into(), until.into(), done.into()];
        self.database
            .write(move |session| {
                session.upsert(
                    "live_answer_events",
                    &["organization", "interaction", "number", "name", "data"],
                    &["organization", "interaction", "number"],
                    rows,
                )?;
                session.upsert("live_answers", &["organization", "interaction", "until", "done"], &["organization", "interaction"], vec![answer])
            })
            .await
    }

    /// An answer that another node gives or gave a moment ago, followed here.
    pub(crate) async fn follow(&self, organization: OrgId, id: InteractionId) -> Result<Option<Arc<LiveAnswer>>, StoreError> {
        if self.is_done(organization, id).await?.is_none() {
            return Ok(None);
        }
        let live = Arc::new(LiveAnswer::mirrored(id));
        let (shared, mirror) = (self.clone(), Arc::downgrade(&live));
        tokio::spawn(async move {
            let mut next = 0;
            // Nobody follows any more where the answer is gone.
            while let Some(live) = mirror.upgrade() {
                match shared.mirror(organization, &live, &mut next).await {
                    Ok(true) => return,
                    Ok(false) => {}
                    Err(error) => tracing::warn!(%error, interaction = %id, "an answer of another node could not be read"),
                }
                drop(live);
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        Ok(Some(live))
    }

    /// Takes over what was written since; whether that was the end.
    async fn mirror(&self, organization: OrgId, live: &LiveAnswer, next: &mut u64) -> Result<bool, StoreError> {
        let done = self.is_done(organization, live.id).await?;
        for (name, data) in self.events(organization, live.id, *next).await? {
            live.take(&name, data);
            *next += 1;
        }
        match done {
            Some(true) => {
                live.end_mirror();
                Ok(true)
            }
            Some(false) => Ok(false),
            None => {
                let failure = Failure { code: "unavailable".into(), message: "The server stopped before the answer was whole".into(), latency_ms: 0 };
                live.fail(failure, 0, "");
                Ok(true)
            }
        }
    }

    /// `None` where there is no such answer or its node is gone.
    async fn is_done(&self, organization: OrgId, id: InteractionId) -> Result<Option<bool>, StoreError> {
        let values = [organization.to_string().into(), id.to_string().into(), self.clock.now().millis().into()];
        let sql = "SELECT done FROM live_answers WHERE organization = ?1 AND interaction = ?2 AND until > ?3";
        self.database.read(move |session| session.query_first(sql, &values)?.map(|row| row.get(0)).transpose()).await
    }

    async fn events(&self, organization: OrgId, id: InteractionId, next: u64) -> Result<Vec<(String, Json)>, StoreError> {
        let values = [organization.to_string().into(), id.to_string().into(), next.into()];
        let sql = "SELECT name, data FROM live_answer_events WHERE organization = ?1 AND interaction = ?2 AND number >= ?3 ORDER BY number";
        self.database.read(move |session| session.query(sql, &values)?.iter().map(|row| Ok((row.get(0)?, row.json(1)?))).collect()).await
    }

    /// Interactions whose node lives.
    pub(crate) async fn alive(&self) -> Result<HashSet<String>, StoreError> {
        let now = self.clock.now().millis();
        self.database
            .read(move |session| session.query("SELECT interaction FROM live_answers WHERE until > ?1", &[now.into()])?.iter().map(|row| row.get(0)).collect())
            .await
    }

    /// Drops answers that have had their time, and one that is erased at once.
    pub async fn forget(&self, erased: Option<(OrgId, InteractionId)>) -> Result<(), StoreError> {
        let now = self.clock.now().millis();
        self.database
            .write(move |session| {
                let (condition, values) = match erased {
                    Some((organization, id)) => ("organization = ?1 AND interaction = ?2", vec![organization.to_string().into(), id.to_string().into()]),
                    None => ("until <= ?1", vec![now.into()]),
                };
                let sql = format!(
                    "WITH ended AS (DELETE FROM live_answers WHERE {condition} RETURNING organization, interaction)
                     DELETE FROM live_answer_events e USING ended WHERE e.organization = ended.organization AND e.interaction = ended.interaction"
                );
                session.execute(&sql, &values).map(drop)
            })
            .await
    }
}
