//! The write side: the command bus, the event log, idempotency, the vault of keys, and the content store beside the log.
//!
//! Invariant: the log's append is the only write that means anything; everything else can be made again from it and the contents it names.

pub mod bus;
pub mod clock;
pub mod content;
pub mod database;
pub mod idempotency;
pub mod ids;
pub mod log;
mod puncture;
mod upcast;
pub mod vault;

use std::error::Error;

use database::StoreError;
use log::LogError;

/// Whether an error comes of a store that is away, busy or full for now: what was asked may be asked again.
#[must_use]
pub fn is_for_now(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source()).any(|error| {
        let store = error.downcast_ref().is_some_and(|error| matches!(error, StoreError::Unavailable(_) | StoreError::Busy | StoreError::Full));
        store || error.downcast_ref().is_some_and(|error| matches!(error, LogError::Unavailable(_) | LogError::Busy | LogError::Full))
    })
}
