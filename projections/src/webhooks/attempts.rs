//! What the deliverer asks and tells: what is due, and how an attempt went.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, TransactionBehavior, params};
use serde_json::Value;
use twig_domain::{
    Timestamp,
    id::OrgId,
    webhook::{WebhookSecret, WebhookSettings},
};

use super::{Deliveries, message};
use crate::ViewError;

/// The waits after each failed attempt, in seconds; after the last the delivery has failed.
const RETRY_AFTER_S: [i64; 7] = [5, 300, 1800, 7200, 18_000, 36_000, 36_000];
/// An endpoint whose every attempt failed for this long is disabled.
const DISABLE_AFTER_S: i64 = 5 * 86_400;
/// `Retry-After` is honoured up to this.
const MAX_RETRY_AFTER_S: i64 = 86_400;
/// Deliveries that ended longer ago than this are dropped; what is due never is.
const KEEP_S: i64 = 90 * 86_400;

/// A claimed delivery, with what it takes to send it.
#[derive(Clone, Debug)]
pub struct DueDelivery {
    pub id: String,
    pub organization: OrgId,
    pub webhook: String,
    pub sequence: u64,
    pub position: Option<u64>,
    pub event_id: String,
    pub message_type: String,
    /// Of messages that no event stands behind.
    pub data: Option<Value>,
    pub replayed: bool,
    pub attempts: u32,
    pub created_at: Timestamp,
    pub url: String,
    /// Sealed values.
    pub headers: BTreeMap<String, String>,
    /// Sealed, the newest first; those whose overlap has ended are not here.
    pub secrets: Vec<String>,
}

/// How an attempt went.
#[derive(Clone, Debug)]
pub struct AttemptResult {
    pub at: Timestamp,
    pub status: Option<u16>,
    pub latency_ms: u64,
    pub response: Option<String>,
    pub error: Option<String>,
    pub retry_after_s: Option<i64>,
    /// From -1 to 1: where in the ±10 % the next wait falls.
    pub jitter: f64,
}

impl AttemptResult {
    fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status)) && self.error.is_none()
    }
}

/// What follows from an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    Delivered,
    RetryAt(Timestamp),
    Failed,
    Disable(String),
}

impl Deliveries {
    /// Endpoints with something due, and when the next of the others will be.
    pub async fn due(&self, now: Timestamp) -> Result<(Vec<(String, OrgId)>, Option<Timestamp>), ViewError> {
        self.change(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT e.id, e.organization, (SELECT min(d.next_at) FROM deliveries d WHERE d.webhook = e.id AND d.state = 'pending' AND d.lease_until IS NULL \
                 AND (e.status = 'active' OR d.type = 'webhook.test')) AS due FROM endpoints e WHERE due IS NOT NULL ORDER BY due",
            )?;
            let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?)))?;
            let (mut ready, mut later) = (Vec::new(), None);
            for row in rows {
                let (webhook, organization, at) = row?;
                if at <= now.millis() {
                    ready.push((webhook, organization.parse().map_err(|_| ViewError::Other("an endpoint's organization is damaged".into()))?));
                } else {
                    later = later.or(Some(Timestamp::from_millis(at)));
                }
            }
            Ok((ready, later))
        })
        .await
    }

    /// Takes the lease of an endpoint's due deliveries, in the order of their sequence.
    pub async fn claim(&self, webhook: String, now: Timestamp, lease_s: i64, limit: u32) -> Result<Vec<DueDelivery>, ViewError> {
        self.change(move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let endpoint: Option<(String, String, String)> = transaction
                .prepare_cached("SELECT settings, secrets, status FROM endpoints WHERE id = ?1")?
                .query_row([&webhook], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()?;
            let Some((settings, secrets, status)) = endpoint else { return Ok(Vec::new()) };
            let damaged = |error: serde_json::Error| ViewError::Other(error.to_string());
            let settings: WebhookSettings = serde_json::from_str(&settings).map_err(damaged)?;
            let secrets: Vec<WebhookSecret> = serde_json::from_str(&secrets).map_err(damaged)?;
            let live: Vec<String> = secrets.into_iter().filter(|secret| secret.valid_until.is_none_or(|end| end > now)).map(|secret| secret.sealed).collect();
            let sql = "SELECT id, organization, sequence, position, event_id, type, data, replayed, attempts, created_at FROM deliveries \
                       WHERE webhook = ?1 AND state = 'pending' AND next_at <= ?2 AND (lease_until IS NULL OR lease_until <= ?2) AND (?3 OR type = 'webhook.test') \
                       ORDER BY next_at, sequence LIMIT ?4";
            let mut statement = transaction.prepare_cached(sql)?;
            let rows = statement.query_map(params![webhook, now.millis(), status == "active", limit], |row| {
                let data: Option<String> = row.get(6)?;
                Ok((
                    DueDelivery {
                        id: row.get(0)?,
                        organization: OrgId::from(uuid_nil()),
                        webhook: webhook.clone(),
                        sequence: row.get::<_, i64>(2)? as u64,
                        position: row.get::<_, Option<i64>>(3)?.map(|position| position as u64),
                        event_id: row.get(4)?,
                        message_type: row.get(5)?,
                        data: data.and_then(|text| serde_json::from_str(&text).ok()),
                        replayed: row.get(7)?,
                        attempts: row.get(8)?,
                        created_at: Timestamp::from_millis(row.get(9)?),
                        url: settings.url.clone(),
                        headers: settings.headers.clone(),
                        secrets: live.clone(),
                    },
                    row.get::<_, String>(1)?,
                ))
            })?;
            let mut due = Vec::new();
            for row in rows {
                let (mut delivery, organization) = row?;
                delivery.organization = organization.parse().map_err(|_| ViewError::Other("a delivery's organization is damaged".into()))?;
                due.push(delivery);
            }
            drop(statement);
            let until = now.plus_seconds(lease_s).millis();
            for delivery in &due {
                transaction.prepare_cached("UPDATE deliveries SET lease_until = ?2 WHERE id = ?1")?.execute(params![delivery.id, until])?;
            }
            transaction.commit()?;
            due.sort_by_key(|delivery| delivery.sequence);
            Ok(due)
        })
        .await
    }

    /// Gives back what was claimed and not sent.
    pub async fn release(&self, ids: Vec<String>) -> Result<(), ViewError> {
        self.change(move |connection| {
            for id in ids {
                connection.execute("UPDATE deliveries SET lease_until = NULL WHERE id = ?1", [id])?;
            }
            Ok(())
        })
        .await
    }

    /// Records an attempt and what follows from it.
    pub async fn record(&self, delivery: &DueDelivery, result: AttemptResult) -> Result<Next, ViewError> {
        let delivery = delivery.clone();
        self.change(move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let number = delivery.attempts + 1;
            let known = transaction.prepare_cached("UPDATE deliveries SET attempts = ?2 WHERE id = ?1")?.execute(params![delivery.id, number])?;
            if known == 0 {
                return Ok(Next::Failed);
            }
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO attempts (delivery, number, at, status, latency_ms, response, error) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![delivery.id, number, result.at.millis(), result.status, result.latency_ms as i64, result.response, result.error])?;
            let failing_since: Option<i64> = transaction
                .prepare_cached("SELECT failing_since FROM endpoints WHERE id = ?1")?
                .query_row([&delivery.webhook], |row| row.get(0))
                .optional()?
                .flatten();
            let next = follow(&delivery, &result, failing_since);
            let (state, next_at) = match &next {
                Next::Delivered => ("succeeded", result.at.millis()),
                Next::RetryAt(at) => ("pending", at.millis()),
                Next::Failed | Next::Disable(_) => ("failed", result.at.millis()),
            };
            transaction.prepare_cached("UPDATE deliveries SET state = ?2, next_at = ?3, lease_until = NULL WHERE id = ?1")?.execute(params![
                delivery.id,
                state,
                next_at
            ])?;
            let failing = if result.succeeded() { None } else { Some(failing_since.unwrap_or(result.at.millis())) };
            if failing != failing_since {
                transaction.prepare_cached("UPDATE endpoints SET failing_since = ?2 WHERE id = ?1")?.execute(params![delivery.webhook, failing])?;
            }
            transaction.commit()?;
            Ok(next)
        })
        .await
    }

    /// The `data` of a delivery's message, rendered from the log.
    pub async fn data(&self, delivery: &DueDelivery) -> Result<Value, ViewError> {
        self.data_at(delivery.position, delivery.data.clone()).await
    }

    pub(super) async fn data_at(&self, position: Option<u64>, data: Option<Value>) -> Result<Value, ViewError> {
        let Some(position) = position else { return Ok(data.unwrap_or(Value::Null)) };
        let events = self.log.read(position.saturating_sub(1), 1).await?;
        let recorded = events.first().filter(|recorded| recorded.position == position);
        let recorded = recorded.ok_or_else(|| ViewError::Other(format!("the log has no event at {position}")))?;
        message::data(&self.log, &self.vault, recorded).await
    }

    /// Drops what ended long ago.
    pub async fn age_out(&self, now: Timestamp) -> Result<usize, ViewError> {
        self.change(move |connection| {
            let before = now.plus_seconds(-KEEP_S).millis();
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute("DELETE FROM attempts WHERE delivery IN (SELECT id FROM deliveries WHERE state <> 'pending' AND created_at < ?1)", [before])?;
            let dropped = transaction.execute("DELETE FROM deliveries WHERE state <> 'pending' AND created_at < ?1", [before])?;
            transaction.commit()?;
            Ok(dropped)
        })
        .await
    }
}

/// The body of a delivery's message.
#[must_use]
pub fn body(delivery: &DueDelivery, data: Value) -> String {
    let (id, at, organization) = (&delivery.event_id, delivery.created_at.to_string(), delivery.organization.to_string());
    message::body(id, &delivery.message_type, &at, &organization, delivery.sequence, data)
}

fn uuid_nil() -> uuid::Uuid {
    uuid::Uuid::nil()
}

fn follow(delivery: &DueDelivery, result: &AttemptResult, failing_since: Option<i64>) -> Next {
    if result.succeeded() {
        return Next::Delivered;
    }
    let test = delivery.message_type == "webhook.test";
    if result.status == Some(410) && !test {
        return Next::Disable("The endpoint answered 410 Gone".into());
    }
    if failing_since.is_some_and(|since| result.at.millis() - since >= DISABLE_AFTER_S * 1000) {
        return Next::Disable("Every attempt has failed for 5 days".into());
    }
    let Some(wait_s) = RETRY_AFTER_S.get(delivery.attempts as usize) else { return Next::Failed };
    let jittered_ms = (*wait_s as f64 * 1000.0 * (1.0 + 0.1 * result.jitter)) as i64;
    let asked_ms = result.retry_after_s.unwrap_or(0).clamp(0, MAX_RETRY_AFTER_S) * 1000;
    Next::RetryAt(Timestamp::from_millis(result.at.millis() + jittered_ms.max(asked_ms)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(attempts: u32) -> DueDelivery {
        DueDelivery {
            id: "dlv_1".into(),
            organization: OrgId::from(uuid_nil()),
            webhook: "wh_1".into(),
            sequence: 1,
            position: None,
            event_id: "evt_1".into(),
            message_type: "agent.created".into(),
            data: None,
            replayed: false,
            attempts,
            created_at: Timestamp::from_millis(0),
            url: String::new(),
            headers: BTreeMap::new(),
            secrets: Vec::new(),
        }
    }

    fn result(status: u16) -> AttemptResult {
        AttemptResult { at: Timestamp::from_millis(0), status: Some(status), latency_ms: 1, response: None, error: None, retry_after_s: None, jitter: 0.0 }
    }

    #[test]
    fn waits_grow_until_the_delivery_has_failed() {
        let waits: Vec<i64> = (0..7)
            .map(|attempts| match follow(&delivery(attempts), &result(500), None) {
                Next::RetryAt(at) => at.millis() / 1000,
                _ => -1,
            })
            .collect();
        assert_eq!(waits, RETRY_AFTER_S);
        assert_eq!(follow(&delivery(7), &result(500), None), Next::Failed);
        assert_eq!(follow(&delivery(0), &result(302), None), Next::RetryAt(Timestamp::from_millis(5000)));
        assert_eq!(follow(&delivery(0), &result(204), None), Next::Delivered);
    }

    #[test]
    fn jitter_stays_within_a_tenth_and_retry_after_is_honoured() {
        let with = |jitter, retry_after_s| AttemptResult { jitter, retry_after_s, ..result(503) };
        assert_eq!(follow(&delivery(0), &with(-1.0, None), None), Next::RetryAt(Timestamp::from_millis(4500)));
        assert_eq!(follow(&delivery(0), &with(1.0, None), None), Next::RetryAt(Timestamp::from_millis(5500)));
        assert_eq!(follow(&delivery(0), &with(0.0, Some(90)), None), Next::RetryAt(Timestamp::from_millis(90_000)));
    }

    #[test]
    fn gone_and_five_days_of_failure_disable() {
        assert!(matches!(follow(&delivery(0), &result(410), None), Next::Disable(_)));
        let late = AttemptResult { at: Timestamp::from_millis(DISABLE_AFTER_S * 1000), ..result(500) };
        assert!(matches!(follow(&delivery(0), &late, Some(0)), Next::Disable(_)));
        assert!(matches!(follow(&delivery(0), &late, Some(1)), Next::RetryAt(_)));
    }
}
