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
