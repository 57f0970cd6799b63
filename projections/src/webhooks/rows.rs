//! Delivery rows on their way between the queue and the log of what has ended.

use twig_commands::database::{Session, StoreError, Value as Sql};

/// What a delivery is, in both tables.
pub(super) const COLUMNS: &str = "id, organization, webhook, lane, sequence, position, event_id, type, data, created_at";
const QUEUED: [&str; 12] = ["id", "organization", "webhook", "lane", "sequence", "position", "event_id", "type", "data", "created_at", "due_at", "next_at"];
/// Rows that one statement inserts or names.
pub(super) const MAX_ROWS_PER_STATEMENT: usize = 256;

/// A condition's list of values, `(?1, ?2)`, and those values. It is padded to a power of two, so that few different statements are prepared.
pub(super) fn list(values: &[impl AsRef<str>]) -> (String, Vec<Sql>) {
    let padded = values.len().next_power_of_two();
    let given = values.iter().map(AsRef::as_ref).chain(values.last().map(AsRef::as_ref).into_iter().cycle()).take(padded).map(Sql::from).collect();
    (format!("({})", (1..=padded).map(|place| format!("?{place}")).collect::<Vec<_>>().join(", ")), given)
}

/// A message that an endpoint has yet to get.
pub(super) struct NewDelivery {
    pub id: String,
    pub organization: String,
    pub webhook: String,
    pub lane: i64,
    pub position: Option<u64>,
    pub event_id: String,
    pub message_type: String,
    pub data: Option<String>,
    pub created_at: i64,
}

/// Puts messages to one endpoint into the queue, with its next numbers. Nothing where the endpoint is gone.
pub(super) fn enqueue(session: &mut Session, webhook: &str, deliveries: Vec<NewDelivery>, now: i64) -> Result<(), StoreError> {
    if deliveries.is_empty() {
        return Ok(());
    }
    let count = deliveries.len() as i64;
    let sql = "UPDATE webhook_endpoints SET sequence = sequence + ?2 WHERE id = ?1 RETURNING sequence";
    let Some(last) = session.query_first(sql, &[webhook.into(), count.into()])? else { return Ok(()) };
    let last: i64 = last.get(0)?;
    let mut rows: Vec<Vec<Sql>> = (last - count + 1..).zip(deliveries).map(|(sequence, new)| row(sequence, new, now)).collect();
    while !rows.is_empty() {
        let rest = rows.split_off(rows.len().min(MAX_ROWS_PER_STATEMENT));
        session.upsert("webhook_due", &QUEUED, &["id"], std::mem::replace(&mut rows, rest))?;
    }
    Ok(())
}

fn row(sequence: i64, new: NewDelivery, now: i64) -> Vec<Sql> {
    vec![
        new.id.into(),
        new.organization.into(),
        new.webhook.into(),
        new.lane.into(),
        sequence.into(),
        new.position.into(),
        new.event_id.into(),
        new.message_type.into(),
        new.data.into(),
        new.created_at.into(),
        now.into(),
        now.into(),
    ]
}

/// Moves deliveries out of the queue; `attempts` more have been made of each.
pub(super) fn end(session: &mut Session, ids: &[String], state: &str, attempts: i64) -> Result<(), StoreError> {
    for ids in ids.chunks(MAX_ROWS_PER_STATEMENT) {
        let (named, ids) = list(ids);
        let sql = format!(
            "INSERT INTO webhook_ended ({COLUMNS}, attempts, state) SELECT {COLUMNS}, attempts + {attempts}, '{state}' FROM webhook_due WHERE id IN {named} \
             ON CONFLICT (id) DO UPDATE SET attempts = excluded.attempts, state = excluded.state"
        );
        session.execute(&sql, &ids)?;
        session.execute(&format!("DELETE FROM webhook_due WHERE id IN {named}"), &ids)?;
    }
    Ok(())
}
