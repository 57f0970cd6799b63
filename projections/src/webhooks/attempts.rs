//! How attempts went, and what follows from them.

use std::collections::HashMap;

use serde_json::Value;
use twig_commands::database::{Session, StoreError, Value as Sql};
use twig_domain::Timestamp;

use super::{
    Deliveries, DueDelivery, message,
    rows::{self, list},
};
use crate::ViewError;

/// The waits after each failed attempt, in seconds; after the last the delivery has failed.
const RETRY_AFTER_S: [i64; 7] = [5, 300, 1800, 7200, 18_000, 36_000, 36_000];
/// An endpoint whose every attempt failed for this long is disabled.
const DISABLE_AFTER_S: i64 = 5 * 86_400;
/// `Retry-After` is honoured up to this.
const MAX_RETRY_AFTER_S: i64 = 86_400;

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
    #[must_use]
    pub fn succeeded(&self) -> bool {
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
    /// Records attempts and what follows from each, in their order; one transaction for all.
    pub async fn record(&self, attempts: Vec<(DueDelivery, AttemptResult)>) -> Result<Vec<Next>, ViewError> {
        let write = move |session: &mut Session| -> Result<Vec<Next>, ViewError> {
            let mut failing = failing_since(session, &attempts)?;
            let before = failing.clone();
            log(session, &attempts, &failing)?;
            let mut follows = Vec::with_capacity(attempts.len());
            for (delivery, result) in &attempts {
                let since = failing.get_mut(&delivery.target.webhook);
                let next = follow(delivery, result, since.as_ref().and_then(|since| **since));
                if let Some(since) = since {
                    *since = if result.succeeded() { None } else { since.or(Some(result.at.millis())) };
                }
                follows.push(next);
            }
            for (webhook, since) in failing.iter().filter(|(webhook, since)| before.get(*webhook) != Some(since)) {
                session.execute("UPDATE webhook_endpoints SET failing_since = ?2 WHERE id = ?1", &[webhook.into(), (*since).into()])?;
            }
            carry_out(session, &attempts, &follows)?;
            Ok(follows)
        };
        self.database.write(write).await
    }

    /// The `data` of a delivery's message, rendered from the log.
    pub async fn data(&self, delivery: &DueDelivery) -> Result<Value, ViewError> {
        self.data_at(delivery.position, delivery.data.clone()).await
    }

    pub(super) async fn data_at(&self, position: Option<u64>, data: Option<Value>) -> Result<Value, ViewError> {
        let Some(position) = position else { return Ok(data.unwrap_or(Value::Null)) };
        let recorded = self.log.at(position).await?.ok_or_else(|| ViewError::Other(format!("the log has no event at {position}")))?;
        message::data(&self.log, &self.vault, &recorded).await
    }
}

impl DueDelivery {
    /// The body of its message.
    #[must_use]
    pub fn body(&self, data: Value) -> String {
        let (at, organization) = (self.created_at.to_string(), self.target.organization.to_string());
        message::body(&self.event_id, &self.message_type, &at, &organization, self.sequence, data)
    }
}

/// Since when each of the attempts' endpoints has been failing (milliseconds); one that is gone is not in it.
fn failing_since(session: &mut Session, attempts: &[(DueDelivery, AttemptResult)]) -> Result<HashMap<String, Option<i64>>, StoreError> {
    let mut webhooks: Vec<&str> = attempts.iter().map(|(delivery, _)| delivery.target.webhook.as_str()).collect();
    webhooks.sort_unstable();
    webhooks.dedup();
    if webhooks.is_empty() {
        return Ok(HashMap::new());
    }
    let (named, webhooks) = list(&webhooks);
    let rows = session.query(&format!("SELECT id, failing_since FROM webhook_endpoints WHERE id IN {named} ORDER BY id"), &webhooks)?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// Writes the attempts down; those to an endpoint that was deleted meanwhile leave no trace.
fn log(session: &mut Session, attempts: &[(DueDelivery, AttemptResult)], known: &HashMap<String, Option<i64>>) -> Result<(), StoreError> {
    let kept = attempts.iter().filter(|(delivery, _)| known.contains_key(&delivery.target.webhook));
    let rows: Vec<Vec<Sql>> = kept
        .map(|(delivery, result)| {
            vec![
                (&delivery.id).into(),
                (delivery.attempts + 1).into(),
                result.at.millis().into(),
                result.status.into(),
                result.latency_ms.into(),
                result.response.clone().into(),
                result.error.clone().into(),
            ]
        })
        .collect();
    session.upsert("webhook_attempts", &["delivery", "number", "at", "status", "latency_ms", "response", "error"], &["delivery", "number"], rows)
}

/// What has ended leaves the queue; the rest is due again later.
fn carry_out(session: &mut Session, attempts: &[(DueDelivery, AttemptResult)], follows: &[Next]) -> Result<(), StoreError> {
    let (mut succeeded, mut failed) = (Vec::new(), Vec::new());
    for ((delivery, _), next) in attempts.iter().zip(follows) {
        match next {
            Next::Delivered => succeeded.push(delivery.id.clone()),
            Next::Failed | Next::Disable(_) => failed.push(delivery.id.clone()),
            Next::RetryAt(at) => {
                // Where the lease was lost and somebody else's attempt is down already, that one counts.
                let sql = "UPDATE webhook_due SET attempts = ?2 + 1, tries = ?3, due_at = ?4, next_at = ?4, claimed_by = NULL WHERE id = ?1 AND attempts = ?2";
                session.execute(sql, &[(&delivery.id).into(), delivery.attempts.into(), (delivery.tries + 1).into(), at.millis().into()])?;
            }
        }
    }
    rows::end(session, &succeeded, "succeeded", 1)?;
    rows::end(session, &failed, "failed", 1)
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
    let Some(wait_s) = RETRY_AFTER_S.get(delivery.tries as usize) else { return Next::Failed };
    let jittered_ms = (*wait_s as f64 * 1000.0 * (1.0 + 0.1 * result.jitter)) as i64;
    let asked_ms = result.retry_after_s.unwrap_or(0).clamp(0, MAX_RETRY_AFTER_S) * 1000;
    Next::RetryAt(Timestamp::from_millis(result.at.millis() + jittered_ms.max(asked_ms)))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use super::{
        super::{Lane, claims::Target},
        *,
    };
    use twig_domain::id::OrgId;

    fn delivery(tries: u32) -> DueDelivery {
        let organization = OrgId::from(uuid::Uuid::nil());
        let target = Target { organization, webhook: "wh_1".into(), url: String::new(), headers: BTreeMap::new(), secrets: Vec::new() };
        DueDelivery {
            id: "dlv_1".into(),
            target: Arc::new(target),
            lane: Lane::Live,
            sequence: 1,
            position: None,
            event_id: "evt_1".into(),
            message_type: "agent.created".into(),
            data: None,
            attempts: tries,
            tries,
            created_at: Timestamp::from_millis(0),
            lease_until: Timestamp::from_millis(0),
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
