//! More than one process, over real PostgreSQL, Kafka and ClickHouse: what is shared, and what goes wrong between machines.
#![expect(clippy::unwrap_used, reason = "tests")]

mod cluster;
mod equality;
mod feed;
mod load;
mod million;
mod node;
mod nodes;
#[expect(dead_code, reason = "the webhook tests ask it more")]
#[path = "../webhooks/receiver.rs"]
mod receiver;
mod roles;
mod search;
