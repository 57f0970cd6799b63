//! The feed: what projections are folded from. In process it is the tail of the log; over Kafka it is a topic that one relay writes and any number of
//! projectors share by its partitions.
//!
//! Everything in the topic is a [`Step`]: a statement about the log that stays true for ever, "of this partition's events, the one at `position` is the only
//! one after `previous`", or "there is none after `previous`, up to `position`". A batch therefore says exactly which events of which partitions it holds,
//! and views take it only where it joins what they have. Messages that are lost, repeated, late, or written by two relays at once can then cost time, but
//! never an event: a hole is seen and filled from the log. See docs/adr/0006-kafka-feed.md.

pub(crate) mod checkpoint;
#[cfg(feature = "kafka")]
pub(crate) mod consumer;
mod envelope;
#[cfg(feature = "kafka")]
mod kafka;
mod plan;
#[cfg(test)]
mod simulation;
mod told;

use std::sync::Arc;

use twig_commands::log::RecordedEvent;

pub use envelope::{Envelope, UnreadableEnvelope};
#[cfg(feature = "kafka")]
pub use kafka::{KafkaError, KafkaSettings, Producer};
pub(crate) use plan::{Planner, Received, Taken};
pub use told::{Marks, Told};

/// Events that one transaction takes at most.
pub const MAX_BATCH_EVENTS: usize = 1000;

/// A true statement about one partition's part of the log: `event` is at `position`, and nothing else is after `previous` and up to there.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub previous: u64,
    pub position: u64,
    pub event: Option<Arc<RecordedEvent>>,
}

/// Whole stretches of some partitions, with their events in position order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    pub stretches: Vec<Stretch>,
    pub events: Vec<Arc<RecordedEvent>>,
}

/// The batch has every event of this partition after `after`, up to `reached`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub partition: u32,
    pub after: u64,
    pub reached: u64,
    /// Where the topic goes on behind it, if it came from there.
    pub next_offset: Option<i64>,
}

/// How far a partition's events are in the views.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    pub position: u64,
    pub next_offset: Option<i64>,
}

/// The partition of a stream: CRC-32 of its id, as librdkafka's own partitioner has it. Part of what is stored: it never changes for a topic.
#[must_use]
pub fn partition_of(stream: &str, partitions: u32) -> u32 {
    crc32fast::hash(stream.as_bytes()) % partitions.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_streams_partition_is_its_crc_32() {
        // The check value of CRC-32/ISO-HDLC: 0xCBF43926.
        assert_eq!(partition_of("123456789", u32::MAX), 0xCBF4_3926);
        assert_eq!(partition_of("123456789", 12), 0xCBF4_3926 % 12);
        assert_eq!(partition_of("anything", 0), 0);
    }
}
