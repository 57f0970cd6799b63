//! The delivery log, and what is asked of single deliveries.

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params, types::Value as Sql};
use serde_json::{Value, json};
use twig_domain::{Timestamp, id::OrgId};

use super::{Deliveries, message};
use crate::{Cursor, ListAt, ListQuery, Page, ViewError, query::slice};

/// Which deliveries a list has; `None` is no condition.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    pub status: Option<String>,
    pub message_type: Option<String>,
}

const COLUMNS: &str = "id, webhook, event_id, type, sequence, position, state, replayed, next_at, created_at";

fn shown(row: &Row) -> Result<Value, rusqlite::Error> {
    let state: String = row.get(6)?;
    let next = (state == "pending").then(|| row.get::<_, i64>(8).map(|at| Timestamp::from_millis(at).to_string())).transpose()?;
    Ok(json!({
        "id": row.get::<_, String>(0)?, "webhookId": row.get::<_, String>(1)?, "eventId": row.get::<_, String>(2)?, "type": row.get::<_, String>(3)?,
        "sequence": row.get::<_, i64>(4)?, "position": row.get::<_, Option<i64>>(5)?, "status": state, "replayed": row.get::<_, bool>(7)?,
        "nextAttemptAt": next, "createdAt": Timestamp::from_millis(row.get(9)?).to_string(),
    }))
}

fn with_attempts(connection: &Connection, mut delivery: Value) -> Result<Value, rusqlite::Error> {
    let mut statement =
        connection.prepare_cached("SELECT number, at, status, latency_ms, response, error FROM attempts WHERE delivery = ?1 ORDER BY number")?;
    let attempts = statement.query_map([delivery["id"].as_str().unwrap_or_default()], |row| {
        Ok(json!({
            "number": row.get::<_, i64>(0)?, "at": Timestamp::from_millis(row.get(1)?).to_string(), "status": row.get::<_, Option<i64>>(2)?,
            "latencyMs": row.get::<_, i64>(3)?, "response": row.get::<_, Option<String>>(4)?, "error": row.get::<_, Option<String>>(5)?,
        }))
    })?;
    delivery["attempts"] = attempts.collect::<Result<Vec<_>, _>>()?.into();
    Ok(delivery)
}

impl Deliveries {
    /// An endpoint's deliveries, newest first, each with its attempts.
    pub async fn list(&self, organization: OrgId, webhook: String, filter: DeliveryFilter, query: ListQuery) -> Result<Page, ViewError> {
        self.read(move |connection| {
            let mut sql = "organization = ? AND webhook = ?".to_owned();
            let mut values = vec![Sql::Text(organization.to_string()), Sql::Text(webhook)];
            for (column, value) in [("state", filter.status), ("type", filter.message_type)] {
                if let Some(value) = value {
                    sql.push_str(&format!(" AND {column} = ?"));
                    values.push(Sql::Text(value));
                }
            }
            let total: i64 =
                connection.query_row(&format!("SELECT count(*) FROM deliveries WHERE {sql}"), rusqlite::params_from_iter(&values), |row| row.get(0))?;
            let mut offset = 0;
            match &query.at {
                ListAt::Offset(given) => offset = *given as i64,
                ListAt::After(Cursor { at, sort }) => {
                    sql.push_str(" AND (created_at, sequence) < (?, ?)");
                    values.extend([Sql::Integer(*at), Sql::Integer(*sort)]);
                }
            }
            values.extend([Sql::Integer(i64::from(query.limit) + 1), Sql::Integer(offset)]);
            let sql = format!("SELECT {COLUMNS} FROM deliveries WHERE {sql} ORDER BY created_at DESC, sequence DESC LIMIT ? OFFSET ?");
            let mut statement = connection.prepare(&sql)?;
            let rows = statement.query_map(rusqlite::params_from_iter(&values), |row| Ok((row.get(9)?, row.get(4)?, shown(row)?)))?;
            let rows: Vec<(i64, i64, Value)> = rows.collect::<Result<_, _>>()?;
            let rows = rows.into_iter().map(|(at, sort, row)| Ok((at, sort, with_attempts(connection, row)?))).collect::<Result<Vec<_>, rusqlite::Error>>()?;
            Ok(slice(rows, query.limit, total as u64))
        })
        .await
    }

    /// One delivery with its attempts and the body that was or will be sent.
    pub async fn one(&self, organization: OrgId, id: String) -> Result<Option<Value>, ViewError> {
        let found = self
            .read(move |connection| {
                let sql = format!("SELECT {COLUMNS}, data FROM deliveries WHERE id = ?1 AND organization = ?2");
                let row = connection.query_row(&sql, [id, organization.to_string()], |row| Ok((shown(row)?, row.get::<_, Option<String>>(10)?))).optional()?;
                row.map(|(row, data)| Ok((with_attempts(connection, row)?, data))).transpose()
            })
            .await?;
        let Some((mut delivery, data)) = found else { return Ok(None) };
        let data = self.data_at(delivery["position"].as_u64(), data.and_then(|text| serde_json::from_str(&text).ok())).await?;
        let text = |name: &str| delivery[name].as_str().unwrap_or_default().to_owned();
        let sequence = delivery["sequence"].as_u64().unwrap_or_default();
        let body = message::body(&text("eventId"), &text("type"), &text("createdAt"), &organization.to_string(), sequence, data);
        delivery["payload"] = serde_json::from_str(&body).unwrap_or(Value::Null);
        Ok(Some(delivery))
    }

    /// Makes a delivery due now, whatever became of it.
    pub async fn retry(&self, organization: OrgId, id: String, now: Timestamp) -> Result<bool, ViewError> {
        let found = self
            .change(move |connection| {
                let sql = "UPDATE deliveries SET state = 'pending', next_at = ?3, attempts = min(attempts, 7) WHERE id = ?1 AND organization = ?2";
                let known = connection.execute(sql, params![id, organization.to_string(), now.millis()])?;
                Ok(known > 0)
            })
            .await?;
        self.wake();
        Ok(found)
    }

    /// Makes every failed delivery of a range due now; how many those are.
    pub async fn retry_failed(&self, organization: OrgId, webhook: String, since: Timestamp, until: Timestamp, now: Timestamp) -> Result<usize, ViewError> {
        let count = self
            .change(move |connection| {
                let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let sql = "UPDATE deliveries SET state = 'pending', next_at = ?5 \
                           WHERE organization = ?1 AND webhook = ?2 AND state = 'failed' AND created_at >= ?3 AND created_at <= ?4";
                let count = transaction.execute(sql, params![organization.to_string(), webhook, since.millis(), until.millis(), now.millis()])?;
                transaction.commit()?;
                Ok(count)
            })
            .await?;
        self.wake();
        Ok(count)
    }

    /// How much is due, in flight, and since when the oldest is due (milliseconds), for the metrics.
    pub async fn standing(&self, now: Timestamp) -> Result<(u64, u64, Option<i64>), ViewError> {
        self.read(move |connection| {
            let sql = "SELECT count(*), count(d.lease_until), min(d.next_at) FROM deliveries d JOIN endpoints e ON e.id = d.webhook \
                       WHERE d.state = 'pending' AND d.next_at <= ?1 AND e.status = 'active'";
            Ok(connection.query_row(sql, [now.millis()], |row| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64, row.get(2)?)))?)
        })
        .await
    }
}
