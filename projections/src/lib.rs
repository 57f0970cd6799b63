//! The read side: folds of the event log into views, the runner that keeps them up, and the queries over them.
//!
//! Invariant: a batch's rows and its checkpoint are one transaction, so every event is folded exactly once in effect. Folds know no SQL: they see rows
//! by key, so that the same folds serve another store, a rebuild beside the live tables, and a look into the past.

mod analytics;
pub mod audit;
mod erase;
pub mod feed;
mod fold;
mod folds;
mod jobs;
mod progress;
mod query;
mod rebuild;
mod runner;
mod store;
#[cfg(test)]
mod tests;
mod time_travel;
mod views;
mod webhooks;

pub use analytics::{ClickHouse, ClickHouseError, ClickHouseSink, Dashboard, DashboardQuery, FiguresStamp, Wording};
pub use erase::Spoken;
pub use jobs::JobKind;
pub use query::{AsOf, AuditFilter, Cursor, InteractionFilter, KeyAuth, ListAt, ListQuery, Page, Resource};
pub use rebuild::RebuildError;
pub use runner::Projector;
pub use views::{OpenRun, ProjectionStatus, ViewError, Views};
pub use webhooks::{AttemptResult, Deliveries, DeliveryFilter, DueDelivery, Lane, MESSAGE_TYPES, Next, Ready, Want};
