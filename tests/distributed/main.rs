//! More than one process, over real PostgreSQL and Kafka: what is shared, and what goes wrong between machines.
#![expect(clippy::unwrap_used, reason = "tests")]

mod feed;
mod node;
