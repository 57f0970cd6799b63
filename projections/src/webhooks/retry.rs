//! Deliveries that are asked for again.

use twig_commands::database::{Session, StoreError};
use twig_domain::{Timestamp, id::OrgId};

use super::{
    Deliveries,
    rows::{COLUMNS, MAX_ROWS_PER_STATEMENT, list},
};
use crate::ViewError;

impl Deliveries {
    /// Makes a delivery due now, whatever became of it; its schedule begins anew.
    pub async fn retry(&self, organization: OrgId, id: String, now: Timestamp) -> Result<bool, ViewError> {
        let found = self
            .database
            .write(move |session| -> Result<bool, ViewError> {
                let key = [id.as_str().into(), organization.to_string().into(), now.millis().into()];
                if session.exists("SELECT 1 FROM webhook_ended WHERE id = ?1 AND organization = ?2", &key[..2])? {
                    requeue(session, &[id], now)?;
                    return Ok(true);
                }
                // What is being sent right now is left to its deliverer.
                let sql =
                    "UPDATE webhook_due SET next_at = CASE WHEN claimed_by IS NULL THEN ?3 ELSE next_at END, due_at = ?3 WHERE id = ?1 AND organization = ?2";
                Ok(session.execute(sql, &key)? > 0)
            })
            .await?;
        self.wake();
        Ok(found)
    }

    /// Makes every failed delivery of a range due now; how many those are.
    pub async fn retry_failed(&self, organization: OrgId, webhook: String, since: Timestamp, until: Timestamp, now: Timestamp) -> Result<usize, ViewError> {
        let count = self
            .database
            .write(move |session| -> Result<usize, ViewError> {
                let sql = "SELECT id FROM webhook_ended \
                           WHERE organization = ?1 AND webhook = ?2 AND state = 'failed' AND created_at >= ?3 AND created_at <= ?4 ORDER BY sequence";
                let key = [organization.to_string().into(), webhook.into(), since.millis().into(), until.millis().into()];
                let failed = session.query(sql, &key)?.iter().map(|row| row.get(0)).collect::<Result<Vec<String>, _>>()?;
                requeue(session, &failed, now)?;
                Ok(failed.len())
            })
            .await?;
        self.wake();
        Ok(count)
    }
}

fn requeue(session: &mut Session, ids: &[String], now: Timestamp) -> Result<(), StoreError> {
    for ids in ids.chunks(MAX_ROWS_PER_STATEMENT) {
        let ((named, ids), now) = (list(ids), now.millis());
        let sql = format!(
            "INSERT INTO webhook_due ({COLUMNS}, attempts, tries, due_at, next_at) SELECT {COLUMNS}, attempts, 0, {now}, {now} FROM webhook_ended WHERE id IN {named} \
             ON CONFLICT (id) DO NOTHING"
        );
        session.execute(&sql, &ids)?;
        session.execute(&format!("DELETE FROM webhook_ended WHERE id IN {named}"), &ids)?;
    }
    Ok(())
}
