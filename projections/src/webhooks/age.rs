//! What ended long ago is dropped. What is due stands in the queue and never ages out.
//!
//! Identifiers begin with their time, so what ended in a month lies together: in PostgreSQL as a partition a month, which is dropped whole; in SQLite as a
//! range of the table's own order, which is deleted piece by piece.

use jiff::civil::Date;
use twig_commands::database::{Database, PostgresPool, Session, StoreError};
use twig_domain::{Timestamp, id::DeliveryId};
use uuid::Uuid;

use super::Deliveries;
use crate::ViewError;

/// How long what has ended is kept: 90 days.
const KEEP_S: i64 = 90 * 86_400;
/// Rows that one transaction drops, so that nothing waits long for it.
const MAX_DROPPED_AT_ONCE: i64 = 5000;
/// The tables that are partitioned.
const PARTITIONED: [&str; 2] = ["webhook_ended", "webhook_attempts"];

impl Deliveries {
    /// Drops what is older than is kept.
    pub async fn age_out(&self, now: Timestamp) -> Result<(), ViewError> {
        let (database, before) = (self.database.clone(), now.plus_seconds(-KEEP_S));
        let work = move || match &database {
            Database::Sqlite(_) => delete_range(&database, &first_id(before)),
            Database::Postgres(pool) => {
                pool.run_ddl(&partitions(now))?;
                drop_partitions(&database, pool, before)
            }
        };
        Ok(tokio::task::spawn_blocking(work).await.map_err(|error| ViewError::Other(error.to_string()))??)
    }
}

/// The lowest identifier that a delivery of this time can have.
fn first_id(at: Timestamp) -> String {
    DeliveryId::from(Uuid::from_u128((at.millis().max(0) as u128) << 80)).to_string()
}

fn delete_range(database: &Database, before: &str) -> Result<(), StoreError> {
    let piece = |session: &mut Session| {
        let values = [before.into(), MAX_DROPPED_AT_ONCE.into()];
        let ended = session.execute("DELETE FROM webhook_ended WHERE id IN (SELECT id FROM webhook_ended WHERE id < ?1 ORDER BY id LIMIT ?2)", &values)?;
        let sql = "DELETE FROM webhook_attempts WHERE delivery IN (SELECT delivery FROM webhook_attempts a WHERE delivery < ?1 \
                   AND NOT EXISTS (SELECT 1 FROM webhook_due d WHERE d.id = a.delivery) ORDER BY delivery LIMIT ?2)";
        Ok::<_, StoreError>(ended + session.execute(sql, &values)?)
    };
    while database.write_now(piece)? > 0 {}
    Ok(())
}

/// DDL for the partitions of this month and the next, and one for what fits in none.
pub(super) fn partitions(now: Timestamp) -> String {
    let (this, next) = (month(now), month(now).saturating_add(jiff::Span::new().months(1)));
    let mut ddl = String::new();
    for table in PARTITIONED {
        ddl.push_str(&format!("CREATE TABLE IF NOT EXISTS {table}_other PARTITION OF {table} DEFAULT;\n"));
        for month in [this, next] {
            let (from, to) = (first_id(begin(month)), first_id(begin(month.saturating_add(jiff::Span::new().months(1)))));
            ddl.push_str(&format!("CREATE TABLE IF NOT EXISTS {table}_{} PARTITION OF {table} FOR VALUES FROM ('{from}') TO ('{to}');\n", name(month)));
        }
    }
    ddl
}

fn drop_partitions(database: &Database, pool: &PostgresPool, before: Timestamp) -> Result<(), StoreError> {
    for table in PARTITIONED {
        let sql = "SELECT CAST(inhrelid AS regclass)::text FROM pg_inherits WHERE inhparent = CAST(?1 AS text)::regclass ORDER BY 1";
        let rows = database.read_now(|session| session.query(sql, &[table.into()]))?;
        for row in rows {
            let partition: String = row.get(0)?;
            // A partition is named after its month: one before the month that is still kept in part is over.
            let of = partition.rsplit('_').next().filter(|of| of.bytes().all(|byte| byte.is_ascii_digit()));
            if of.is_some_and(|of| of < name(month(before)).as_str()) {
                tracing::info!(partition, "old webhook deliveries are dropped");
                pool.run_ddl(&format!("DROP TABLE IF EXISTS {partition}"))?;
            }
        }
        let key = if table == "webhook_ended" { "id" } else { "delivery" };
        database.write_now(|session| session.execute(&format!("DELETE FROM {table}_other WHERE {key} < ?1"), &[first_id(before).into()]))?;
    }
    Ok(())
}

fn month(at: Timestamp) -> Date {
    let at = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or_default();
    at.to_zoned(jiff::tz::TimeZone::UTC).date().first_of_month()
}

fn begin(month: Date) -> Timestamp {
    let midnight = month.to_zoned(jiff::tz::TimeZone::UTC).map(|zoned| zoned.timestamp().as_millisecond());
    Timestamp::from_millis(midnight.unwrap_or_default())
}

fn name(month: Date) -> String {
    format!("{:04}{:02}", month.year(), month.month())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_months_one_after_the_other() {
        let december = Timestamp::from_millis(1_797_000_000_000);
        let ddl = partitions(december);
        assert!(ddl.contains("webhook_ended_202612 PARTITION OF webhook_ended") && ddl.contains("webhook_attempts_202701 PARTITION OF"), "{ddl}");
        assert!(first_id(begin(month(december))) <= first_id(december));
        assert!(first_id(december) < first_id(begin(month(december).saturating_add(jiff::Span::new().months(1)))));
    }
}
