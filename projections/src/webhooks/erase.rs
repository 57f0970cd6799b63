//! What an erasure clears of the deliveries: a receiver may have answered with the words it was sent.

use std::collections::{BTreeMap, BTreeSet};

use twig_commands::database::Session;
use twig_domain::id::{OrgId, WebhookId};

use super::Deliveries;
use crate::ViewError;

impl Deliveries {
    /// Clears what receivers answered to the messages of these events: how many answers, and which endpoints have had how many messages.
    pub async fn erase(&self, organization: OrgId, positions: Vec<u64>) -> Result<(u64, Vec<(WebhookId, u64)>), ViewError> {
        let erase = move |session: &mut Session| {
            let positions: BTreeSet<u64> = positions.into_iter().collect();
            let (mut cleared, mut told) = (0, BTreeMap::new());
            for table in ["webhook_due", "webhook_ended"] {
                for (delivery, webhook) in about(session, table, organization, &positions)? {
                    let sql = "UPDATE webhook_attempts SET response = NULL WHERE delivery = ?1 AND response IS NOT NULL";
                    cleared += session.execute(sql, &[delivery.into()])?;
                    if let Ok(webhook) = webhook.parse::<WebhookId>() {
                        *told.entry(webhook).or_default() += 1;
                    }
                }
            }
            Ok::<_, ViewError>((cleared, told.into_iter().collect()))
        };
        self.database.write(erase).await
    }

    /// Leaves nothing deleted in the store's file.
    pub async fn scrub(&self) -> Result<(), ViewError> {
        let database = self.database.clone();
        let scrubbed = tokio::task::spawn_blocking(move || database.scrub());
        Ok(scrubbed.await.map_err(|error| ViewError::Other(error.to_string()))??)
    }
}

/// Deliveries that were tried, of messages about these events.
fn about(session: &mut Session, table: &str, organization: OrgId, positions: &BTreeSet<u64>) -> Result<Vec<(String, String)>, ViewError> {
    let (Some(first), Some(last)) = (positions.first(), positions.last()) else { return Ok(Vec::new()) };
    let sql = format!("SELECT id, webhook, position FROM {table} WHERE organization = ?1 AND position >= ?2 AND position <= ?3 AND attempts > 0");
    let rows = session.query(&sql, &[organization.to_string().into(), (*first).into(), (*last).into()])?;
    let mut found = Vec::new();
    for row in rows {
        if positions.contains(&row.get::<u64>(2)?) {
            found.push((row.get(0)?, row.get(1)?));
        }
    }
    Ok(found)
}
