//! Rows of the wide tables, from the log alone: an interaction before and after a range of events.

use std::collections::HashMap;

use clickhouse::Row;
use serde::Serialize;
use twig_commands::log::{EventLog, RecordedEvent};
use twig_domain::{
    Event,
    id::{DocumentId, OrgId},
    interaction::InteractionEvent,
};

use super::super::{
    fact::{Fact, Status},
    figures::REVIEWS,
    histogram::middle,
};
use crate::{
    ViewError,
    fold::{MemoryRows, Projection, Rows, Table},
};

const INTERACTION: &str = "Interaction";

#[derive(Clone, Debug, PartialEq, Row, Serialize)]
pub struct InteractionRow {
    organization: String,
    id: String,
    at: i64,
    agent: String,
    model: String,
    session: u64,
    user: u64,
    status: i8,
    answered: i8,
    latency_ms: Option<u64>,
    latency_bucket: u16,
    tokens: i64,
    positive: i8,
    negative: i8,
    review: String,
    documents: Vec<String>,
    sign: i8,
    position: u64,
}

#[derive(Clone, Debug, PartialEq, Row, Serialize)]
pub struct FeedbackRow {
    organization: String,
    interaction: String,
    at: i64,
    rating: String,
    review: String,
    position: u64,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    pub interactions: Vec<InteractionRow>,
    pub feedback: Vec<FeedbackRow>,
}

impl Batch {
    /// What a range of events changes. The same events always give the same rows: nothing sealed is opened for them.
    pub async fn of(log: &EventLog, events: &[RecordedEvent]) -> Result<Self, ViewError> {
        let mut batch = Self::default();
        let mut by_interaction: Vec<Vec<&RecordedEvent>> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for recorded in events.iter().filter(|recorded| recorded.aggregate_type == INTERACTION) {
            batch.feedback.extend(feedback(recorded));
            let place = *places.entry(&recorded.aggregate_id).or_insert_with(|| {
                by_interaction.push(Vec::new());
                by_interaction.len() - 1
            });
            by_interaction[place].push(recorded);
        }
        for changes in by_interaction {
            batch.interactions.extend(changed(log, &changes).await?);
        }
        Ok(batch)
    }
}

/// The rows of one interaction: as it was, taken back, and as it is.
async fn changed(log: &EventLog, changes: &[&RecordedEvent]) -> Result<Vec<InteractionRow>, ViewError> {
    let (Some(first), Some(last)) = (changes.first(), changes.last()) else { return Ok(Vec::new()) };
    let mut rows = MemoryRows::default();
    if first.version > 1 {
        let history = log.read_stream(INTERACTION, &first.aggregate_id, 0).await?;
        history.iter().filter(|recorded| recorded.position < first.position).for_each(|recorded| fold(&mut rows, recorded));
    }
    let (organization, id) = (first.meta.organization, first.aggregate_id.as_str());
    let before = fact(&mut rows, organization, id);
    changes.iter().for_each(|recorded| fold(&mut rows, recorded));
    let after = fact(&mut rows, organization, id);
    if before == after {
        return Ok(Vec::new());
    }
    let row = |fact: Fact, sign| row(organization, id, &fact, sign, last.position);
    Ok(before.map(|fact| row(fact, -1)).into_iter().chain(after.map(|fact| row(fact, 1))).collect())
}

/// What cannot be folded is parked by the views' own runner; here it changes nothing.
fn fold(rows: &mut MemoryRows, recorded: &RecordedEvent) {
    let folded = recorded.event().map_err(Into::into).and_then(|event| Projection::Interactions.fold(rows, recorded, &event, &|_| None));
    if let Err(error) = folded {
        tracing::warn!(position = recorded.position, %error, "an event is left out of ClickHouse");
    }
}

fn fact(rows: &mut MemoryRows, organization: OrgId, id: &str) -> Option<Fact> {
    rows.get(Table::Interactions, organization, id).ok().flatten().map(|row| Fact::of(&row))
}

fn row(organization: OrgId, id: &str, fact: &Fact, sign: i8, position: u64) -> InteractionRow {
    InteractionRow {
        organization: organization.to_string(),
        id: id.to_owned(),
        at: fact.at,
        agent: fact.agent.clone(),
        model: fact.model.clone(),
        session: fact.session,
        user: fact.user.unwrap_or_default(),
        status: match fact.status {
            Status::Started => 0,
            Status::Completed => 1,
            Status::Failed => 2,
        },
        answered: i8::from(fact.answered),
        latency_ms: fact.latency.map(middle),
        latency_bucket: fact.latency.unwrap_or_default(),
        tokens: fact.tokens,
        positive: i8::from(fact.positive == Some(true)),
        negative: i8::from(fact.positive == Some(false)),
        review: fact.review.map_or("", |place| REVIEWS[place]).to_owned(),
        documents: fact.documents.iter().map(|document| DocumentId::from(uuid::Uuid::from_u128(*document)).to_string()).collect(),
        sign,
        position,
    }
}

fn feedback(recorded: &RecordedEvent) -> Option<FeedbackRow> {
    let Ok(Event::Interaction(InteractionEvent::FeedbackSubmitted { feedback, .. })) = recorded.event() else { return None };
    let name = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    Some(FeedbackRow {
        organization: recorded.meta.organization.to_string(),
        interaction: recorded.aggregate_id.clone(),
        at: recorded.recorded_at.millis(),
        rating: name(serde_json::json!(feedback.rating)),
        review: name(serde_json::json!(feedback.review_status)),
        position: recorded.position,
    })
}

#[cfg(test)]
impl super::ClickHouse {
    /// Puts made-up interactions in, as a range would.
    pub(in crate::analytics) async fn put(&self, organization: OrgId, facts: &[(String, Fact)]) -> Result<(), clickhouse::error::Error> {
        let mut insert = self.client().insert::<InteractionRow>("interactions").await?.with_setting("max_partitions_per_insert_block", "0");
        for (id, fact) in facts {
            insert.write(&row(organization, id, fact, 1, 0)).await?;
        }
        insert.end().await
    }
}
