//! The dashboard's figures: rollups kept beside the interactions, in the same transaction, and read instead of them.
//!
//! An interaction is counted in cells of a quarter of an hour, an hour and a UTC day. A dashboard adds up the few cells that make its buckets, whatever
//! its time zone; single interactions are read only where a range begins or ends within a quarter. What changes later is a difference that is added.

mod bytes;
mod clickhouse;
mod cover;
mod dashboard;
mod distinct;
mod fact;
mod figures;
mod fold;
mod histogram;
mod query;
mod questions;
mod report;
mod store;
#[cfg(test)]
mod tests;

pub use clickhouse::{ClickHouse, ClickHouseError, ClickHouseSink};
pub use dashboard::{Dashboard, DashboardQuery, FiguresStamp};
pub use questions::Wording;

pub(crate) use dashboard::{Remembered, remembered};
pub(crate) use fact::Fact;
pub(crate) use store::{Change, apply, create_version, differing_cells, drop_version, touch};

use twig_commands::database::{Session, StoreError};

/// Makes the tables that are not versioned.
pub(crate) fn create(session: &mut Session) -> Result<(), StoreError> {
    questions::create(session)?;
    clickhouse::create(session)
}
