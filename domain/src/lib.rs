//! What the product means: identifiers, values and the aggregates with their commands, events and errors.
//!
//! Invariant: everything here is pure. No I/O, no clock, no randomness: time and identifiers arrive inside commands, personal text arrives already
//! sealed, so that the same commands on the same events always decide the same.

pub mod access;
pub mod agent;
pub mod change;
pub mod data_spec;
pub mod erasure;
pub mod event;
pub mod id;
pub mod interaction;
pub mod organization;
pub mod replay;
pub mod sealed;
pub mod time;
pub mod webhook;

mod aggregate;

pub use aggregate::Decide;
pub use event::{Actor, ActorKind, Event, EventMeta};
pub use sealed::Sealed;
pub use time::Timestamp;
