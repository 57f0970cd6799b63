//! The delivery log, and what is asked of single deliveries.

use std::collections::HashMap;

use serde_json::{Value, json};
use twig_commands::database::{Row, Session, StoreError, Value as Sql, at_one_moment};
use twig_domain::{Timestamp, id::OrgId};

use super::{
    Deliveries, Lane, message,
    rows::{MAX_ROWS_PER_STATEMENT, list},
};
use crate::{Cursor, ListAt, ListQuery, Page, ViewError, query::slice};

/// Which deliveries a list has; `None` is no condition.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    pub status: Option<String>,
    pub message_type: Option<String>,
}

/// The queue and what has ended, as one list.
const ALL: &str = "(SELECT id, organization, webhook, event_id, type, sequence, position, 'pending' AS state, lane, next_at, created_at, data FROM webhook_due \
                   UNION ALL SELECT id, organization, webhook, event_id, type, sequence, position, state, lane, NULL, created_at, data FROM webhook_ended) deliveries";
const COLUMNS: &str = "id, webhook, event_id, type, sequence, position, state, lane, next_at, created_at";

fn shown(row: &Row) -> Result<Value, StoreError> {
    let next = row.get::<Option<i64>>(8)?.map(|at| Timestamp::from_millis(at).to_string());
    Ok(json!({
        "id": row.get::<String>(0)?, "webhookId": row.get::<String>(1)?, "eventId": row.get::<String>(2)?, "type": row.get::<String>(3)?,
        "sequence": row.get::<i64>(4)?, "position": row.get::<Option<i64>>(5)?, "status": row.get::<String>(6)?,
        "replayed": row.get::<i64>(7)? == Lane::History.number(), "nextAttemptAt": next, "createdAt": Timestamp::from_millis(row.get(9)?).to_string(),
    }))
}

/// Puts its attempts to each delivery.
fn with_attempts(session: &mut Session, deliveries: &mut [Value]) -> Result<(), StoreError> {
    let ids: Vec<String> = deliveries.iter().map(|delivery| delivery["id"].as_str().unwrap_or_default().to_owned()).collect();
    let mut attempts: HashMap<String, Vec<Value>> = HashMap::new();
    for ids in ids.chunks(MAX_ROWS_PER_STATEMENT) {
        let (named, values) = list(ids);
        let sql = format!(
            "SELECT delivery, number, at, status, latency_ms, response, error FROM webhook_attempts WHERE delivery IN {named} ORDER BY delivery, number"
        );
        for row in session.query(&sql, &values)? {
            attempts.entry(row.get(0)?).or_default().push(json!({
                "number": row.get::<i64>(1)?, "at": Timestamp::from_millis(row.get(2)?).to_string(), "status": row.get::<Option<i64>>(3)?,
                "latencyMs": row.get::<i64>(4)?, "response": row.get::<Option<String>>(5)?, "error": row.get::<Option<String>>(6)?,
            }));
        }
    }
    for (delivery, id) in deliveries.iter_mut().zip(&ids) {
        delivery["attempts"] = attempts.remove(id).unwrap_or_default().into();
    }
    Ok(())
}

impl Deliveries {
    /// An endpoint's deliveries, newest first, each with its attempts.
    pub async fn list(&self, organization: OrgId, webhook: String, filter: DeliveryFilter, query: ListQuery) -> Result<Page, ViewError> {
        let read = move |session: &mut Session| -> Result<Page, ViewError> {
            let mut conditions = "organization = ? AND webhook = ?".to_owned();
            let mut values: Vec<Sql> = vec![organization.to_string().into(), webhook.into()];
            for (column, value) in [("state", filter.status), ("type", filter.message_type)] {
                if let Some(value) = value {
                    conditions.push_str(&format!(" AND {column} = ?"));
                    values.push(value.into());
                }
            }
            let total: u64 = session.query_one(&format!("SELECT count(*) FROM {ALL} WHERE {conditions}"), &values)?.get(0)?;
            let mut offset = 0;
            match &query.at {
                ListAt::Offset(given) => offset = *given,
                ListAt::After(Cursor { at, sort }) => {
                    conditions.push_str(" AND (created_at, sequence) < (?, ?)");
                    values.extend([(*at).into(), (*sort).into()]);
                }
            }
            values.extend([(i64::from(query.limit) + 1).into(), offset.into()]);
            let sql = format!("SELECT {COLUMNS} FROM {ALL} WHERE {conditions} ORDER BY created_at DESC, sequence DESC LIMIT ? OFFSET ?");
            let found = session.query(&sql, &values)?;
            let mut shown = found.iter().map(shown).collect::<Result<Vec<_>, _>>()?;
            with_attempts(session, &mut shown)?;
            let rows = found.iter().zip(shown).map(|(row, shown)| Ok((row.get(9)?, row.get(4)?, shown))).collect::<Result<Vec<_>, StoreError>>()?;
            Ok(slice(rows, query.limit, total))
        };
        self.database.read(|session| at_one_moment(session, read)).await
    }

    /// One delivery with its attempts and the body that was or will be sent.
    pub async fn one(&self, organization: OrgId, id: String) -> Result<Option<Value>, ViewError> {
        let read = move |session: &mut Session| -> Result<Option<(Value, Option<String>)>, ViewError> {
            let sql = format!("SELECT {COLUMNS}, data FROM {ALL} WHERE id = ?1 AND organization = ?2");
            let Some(row) = session.query_first(&sql, &[id.into(), organization.to_string().into()])? else { return Ok(None) };
            let mut one = [shown(&row)?];
            with_attempts(session, &mut one)?;
            let [delivery] = one;
            Ok(Some((delivery, row.get(10)?)))
        };
        let found = self.database.read(|session| at_one_moment(session, read)).await?;
        let Some((mut delivery, data)) = found else { return Ok(None) };
        let data = self.data_at(delivery["position"].as_u64(), data.and_then(|text| serde_json::from_str(&text).ok())).await?;
        let text = |name: &str| delivery[name].as_str().unwrap_or_default().to_owned();
        let sequence = delivery["sequence"].as_u64().unwrap_or_default();
        let body = message::body(&text("eventId"), &text("type"), &text("createdAt"), &organization.to_string(), sequence, data);
        delivery["payload"] = serde_json::from_str(&body).unwrap_or(Value::Null);
        Ok(Some(delivery))
    }

    /// How much is due, claimed or not, and since when the oldest is (milliseconds), for the metrics.
    pub async fn standing(&self, now: Timestamp) -> Result<(u64, Option<i64>), ViewError> {
        let sql = "SELECT count(*), min(d.due_at) FROM webhook_due d JOIN webhook_endpoints e ON e.id = d.webhook WHERE e.status = 'active' AND d.due_at <= ?1";
        let row = self.database.read(move |session| session.query_one(sql, &[now.millis().into()])).await?;
        Ok((row.get(0)?, row.get(1)?))
    }
}
