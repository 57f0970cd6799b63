//! What the deliverer may send: which endpoints have something due, and the lease of it.
//!
//! A claim moves a row's `next_at` to the end of its lease: a row whose deliverer died becomes due by itself.

use std::{collections::HashMap, sync::Arc};

use serde_json::Value;
use twig_commands::database::{Engine, Row, Session, StoreError};
use twig_domain::{
    Timestamp,
    id::OrgId,
    webhook::{WebhookSecret, WebhookSettings},
};

use super::Deliveries;
use crate::ViewError;

/// What goes to an endpoint side by side: what happens, history that is sent again (one after the other, in order), and tests, which an inactive one gets too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    Live,
    History,
    Test,
}

impl Lane {
    pub(super) const ALL: [Self; 3] = [Self::Live, Self::History, Self::Test];

    pub(super) fn number(self) -> i64 {
        match self {
            Self::Live => 0,
            Self::History => 1,
            Self::Test => 2,
        }
    }
}

/// A lane of an endpoint with something due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    pub webhook: String,
    pub organization: OrgId,
    pub lane: Lane,
}

/// How many deliveries of a lane are asked for.
#[derive(Clone, Debug)]
pub struct Want {
    pub webhook: String,
    pub lane: Lane,
    pub limit: u32,
}

/// Where a delivery goes.
#[derive(Clone, Debug)]
pub struct Target {
    pub organization: OrgId,
    pub webhook: String,
    pub url: String,
    /// Sealed values.
    pub headers: std::collections::BTreeMap<String, String>,
    /// Sealed, the newest first; those whose overlap has ended are not here.
    pub secrets: Vec<String>,
}

/// A claimed delivery, with what it takes to send it.
#[derive(Clone, Debug)]
pub struct DueDelivery {
    pub id: String,
    pub target: Arc<Target>,
    pub lane: Lane,
    pub sequence: u64,
    pub position: Option<u64>,
    pub event_id: String,
    pub message_type: String,
    /// Of messages that no event stands behind.
    pub data: Option<Value>,
    /// Attempts ever made.
    pub attempts: u32,
    /// Attempts since it was queued or asked for again: its place in the schedule.
    pub tries: u32,
    pub created_at: Timestamp,
    pub lease_until: Timestamp,
}

impl Deliveries {
    /// Lanes with something due, the longest due first, and when the next of the others will be.
    pub async fn due(&self, now: Timestamp) -> Result<(Vec<Ready>, Option<Timestamp>), ViewError> {
        let sql = "SELECT id, organization, lane, due FROM \
                   (SELECT e.id, e.organization, l.lane, (SELECT min(d.next_at) FROM webhook_due d WHERE d.webhook = e.id AND d.lane = l.lane) AS due \
                    FROM webhook_endpoints e, (SELECT CAST(0 AS BIGINT) AS lane UNION ALL SELECT 1 UNION ALL SELECT 2) l WHERE e.status = 'active' OR l.lane = 2) lanes \
                   WHERE due IS NOT NULL ORDER BY due";
        let rows = self.database.read(move |session| session.query(sql, &[])).await?;
        let (mut ready, mut later) = (Vec::new(), None);
        for row in rows {
            let (lane, at): (i64, i64) = (row.get(2)?, row.get(3)?);
            if at > now.millis() {
                later = later.or(Some(Timestamp::from_millis(at)));
            } else if let Some(lane) = Lane::ALL.into_iter().find(|known| known.number() == lane) {
                ready.push(Ready { webhook: row.get(0)?, organization: organization(&row, 1)?, lane });
            }
        }
        Ok((ready, later))
    }

    /// Takes the lease of due deliveries, in the order of their sequence. One transaction for all lanes.
    pub async fn claim(&self, wants: Vec<Want>, owner: String, now: Timestamp, lease_until: Timestamp) -> Result<Vec<DueDelivery>, ViewError> {
        let write = move |session: &mut Session| -> Result<Vec<DueDelivery>, ViewError> {
            let (mut claimed, mut targets) = (Vec::new(), HashMap::new());
            for want in wants {
                let target = match targets.get(&want.webhook) {
                    Some(target) => Option::clone(target),
                    None => targets.entry(want.webhook.clone()).or_insert(target(session, &want, now)?).clone(),
                };
                let Some(target) = target else { continue };
                claimed.extend(claim(session, &want, &target, &owner, now, lease_until)?);
            }
            Ok(claimed)
        };
        self.database.write(write).await
    }

    /// Gives back what was claimed and not sent; it is due as it was.
    pub async fn release(&self, ids: Vec<String>) -> Result<(), ViewError> {
        let write = move |session: &mut Session| {
            let sql = "UPDATE webhook_due SET claimed_by = NULL, next_at = due_at WHERE id = ?1";
            ids.iter().try_for_each(|id| session.execute(sql, &[id.into()]).map(drop))
        };
        self.database.write(write).await?;
        self.wake();
        Ok(())
    }
}

fn organization(row: &Row, place: usize) -> Result<OrgId, StoreError> {
    row.get::<String>(place)?.parse().map_err(|_| StoreError::Shape("an organization's identifier".into()))
}

/// `None` where the endpoint is gone, or has been paused or disabled since it was seen to have something due.
fn target(session: &mut Session, want: &Want, now: Timestamp) -> Result<Option<Arc<Target>>, ViewError> {
    let sql = "SELECT organization, settings, secrets, status FROM webhook_endpoints WHERE id = ?1";
    let Some(row) = session.query_first(sql, &[(&want.webhook).into()])? else { return Ok(None) };
    if row.get::<String>(3)? != "active" && want.lane != Lane::Test {
        return Ok(None);
    }
    let (settings, secrets): (WebhookSettings, Vec<WebhookSecret>) = (row.json(1)?, row.json(2)?);
    Ok(Some(Arc::new(Target {
        organization: organization(&row, 0)?,
        webhook: want.webhook.clone(),
        url: settings.url,
        headers: settings.headers,
        secrets: secrets.into_iter().filter(|secret| secret.valid_until.is_none_or(|end| end > now)).map(|secret| secret.sealed).collect(),
    })))
}

fn claim(session: &mut Session, want: &Want, target: &Arc<Target>, owner: &str, now: Timestamp, lease_until: Timestamp) -> Result<Vec<DueDelivery>, ViewError> {
    // Another deliverer's claim that is not committed yet is passed over, not waited for.
    let skip = if session.engine() == Engine::Postgres { "FOR UPDATE SKIP LOCKED" } else { "" };
    let sql = format!(
        "UPDATE webhook_due SET claimed_by = ?5, next_at = ?6 WHERE id IN \
         (SELECT id FROM webhook_due WHERE webhook = ?1 AND lane = ?2 AND next_at <= ?3 ORDER BY next_at, sequence LIMIT ?4 {skip}) \
         RETURNING id, sequence, position, event_id, type, data, attempts, tries, created_at"
    );
    let key = [(&want.webhook).into(), want.lane.number().into(), now.millis().into(), want.limit.into(), owner.into(), lease_until.millis().into()];
    let delivery = |row: &Row| {
        Ok(DueDelivery {
            id: row.get(0)?,
            target: target.clone(),
            lane: want.lane,
            sequence: row.get(1)?,
            position: row.get(2)?,
            event_id: row.get(3)?,
            message_type: row.get(4)?,
            data: row.get::<Option<String>>(5)?.and_then(|text| serde_json::from_str(&text).ok()),
            attempts: row.get(6)?,
            tries: row.get(7)?,
            created_at: Timestamp::from_millis(row.get(8)?),
            lease_until,
        })
    };
    let mut claimed = session.query(&sql, &key)?.iter().map(delivery).collect::<Result<Vec<_>, StoreError>>()?;
    claimed.sort_by_key(|delivery| delivery.sequence);
    Ok(claimed)
}
