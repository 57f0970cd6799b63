//! The consumer: partitions come by the group's rebalancing, each begins where the views' checkpoint says, and each batch goes into the views' transaction.
//!
//! Membership only shares the work. That nothing is folded twice or left out is the views' doing, which refuse a batch that does not join theirs: a member
//! that was paused, lost its partitions and wakes with an old batch changes nothing.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rdkafka::{
    ClientContext, Message, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    types::RDKafkaRespErr,
};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::{Batch, Envelope, KafkaError, KafkaSettings, MAX_BATCH_EVENTS, Planner, Received, Taken};
use crate::{Projector, ViewError};

const GROUP: &str = "twig.views";
/// A member that is silent for this long has lost its partitions.
const SESSION_TIMEOUT_MS: &str = "10000";
const HEARTBEAT_MS: &str = "2000";
/// Fetched and not yet folded, of all partitions.
const MAX_QUEUED_KIB: &str = "32768";
const POLL: Duration = Duration::from_millis(100);
const RETRY_AFTER: Duration = Duration::from_millis(500);

#[derive(Debug, thiserror::Error)]
enum FeedError {
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error(transparent)]
    Views(#[from] ViewError),
}

/// Folds what the topic has into the views until it is canceled, on the thread that calls.
pub fn run(projector: &Projector, settings: &KafkaSettings, cancel: &CancellationToken) {
    while !cancel.is_cancelled() {
        if let Err(error) = follow(projector, settings, cancel) {
            tracing::warn!(%error, "the feed from Kafka was interrupted and begins again at the checkpoint");
            metrics::counter!("twig_feed_interruptions_total").increment(1);
            std::thread::sleep(RETRY_AFTER);
        }
    }
}

fn follow(projector: &Projector, settings: &KafkaSettings, cancel: &CancellationToken) -> Result<(), FeedError> {
    projector.views.begin_feed(settings.partitions)?;
    let mut config = settings.client();
    config.set("group.id", GROUP).set("partition.assignment.strategy", "cooperative-sticky");
    config.set("session.timeout.ms", SESSION_TIMEOUT_MS).set("heartbeat.interval.ms", HEARTBEAT_MS);
    // The checkpoint counts; what is committed only shows the lag to whoever looks from outside.
    config.set("enable.auto.commit", "true").set("enable.auto.offset.store", "false").set("auto.offset.reset", "earliest");
    config.set("queued.max.messages.kbytes", MAX_QUEUED_KIB).set("fetch.wait.max.ms", "500");
    config.set_log_level(RDKafkaLogLevel::Error);
    let membership = Membership { projector: projector.clone(), topic: settings.topic.clone(), planner: Mutex::default(), failed: Mutex::default() };
    let consumer: BaseConsumer<Membership> = config.create_with_context(membership).map_err(KafkaError::from)?;
    consumer.subscribe(&[&settings.topic]).map_err(KafkaError::from)?;
    let mut received = VecDeque::new();
    while !cancel.is_cancelled() {
        poll(&consumer, &mut received)?;
        while !cancel.is_cancelled() && fold(projector, settings, &consumer, &mut received)? {}
    }
    Ok(())
}

/// Waits for a message and takes those that are there already.
fn poll(consumer: &BaseConsumer<Membership>, received: &mut VecDeque<Received>) -> Result<(), FeedError> {
    let mut wait = POLL;
    while received.len() < MAX_BATCH_EVENTS {
        let Some(polled) = consumer.poll(wait) else { break };
        wait = Duration::ZERO;
        match polled {
            Ok(message) => match Envelope::read(message.payload().unwrap_or_default()) {
                Ok(step) => received.push_back(Received { partition: message.partition() as u32, offset: message.offset(), step }),
                // A hole like any other: what it should have said comes from the log.
                Err(error) => {
                    metrics::counter!("twig_feed_unreadable_messages_total").increment(1);
                    tracing::warn!(%error, partition = message.partition(), offset = message.offset(), "a message of the topic can't be read and is skipped");
                }
            },
            // librdkafka goes on by itself: the broker or the topic is away for a while.
            Err(error) => tracing::warn!(%error, "Kafka can't be read at the moment"),
        }
    }
    match consumer.context().failed().take() {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

/// One batch into the views; `false` when nothing is left to fold.
fn fold(projector: &Projector, settings: &KafkaSettings, consumer: &BaseConsumer<Membership>, received: &mut VecDeque<Received>) -> Result<bool, FeedError> {
    let taken = consumer.context().planner().take(received);
    match taken {
        Taken::Nothing => Ok(false),
        Taken::Batch(batch) => {
            apply(projector, settings, consumer, &batch)?;
            Ok(true)
        }
        Taken::Missing(until) => {
            fill(projector, settings, consumer, until)?;
            Ok(true)
        }
    }
}

/// Takes from the log what the topic does not have.
fn fill(projector: &Projector, settings: &KafkaSettings, consumer: &BaseConsumer<Membership>, until: u64) -> Result<(), FeedError> {
    let Some(after) = consumer.context().planner().lowest().filter(|lowest| *lowest < until) else { return Ok(()) };
    let events = Handle::current().block_on(projector.log.read(after, MAX_BATCH_EVENTS)).map_err(ViewError::from)?;
    let count = events.len() as u64;
    let Some(batch) = consumer.context().planner().from_log(after, events, settings.partitions) else {
        return Err(ViewError::Other(format!("the topic is at position {until}, but the log has nothing after {after}: they are not of one log")).into());
    };
    metrics::counter!("twig_feed_filled_from_log_events_total").increment(count);
    apply(projector, settings, consumer, &batch)
}

fn apply(projector: &Projector, settings: &KafkaSettings, consumer: &BaseConsumer<Membership>, batch: &Batch) -> Result<(), FeedError> {
    projector.views.fold_feed(batch, settings.partitions, &projector.vault)?;
    consumer.context().planner().done(batch);
    let topic = &consumer.context().topic;
    for stretch in &batch.stretches {
        if let Some(next) = stretch.next_offset {
            // Refused for a partition that was taken away meanwhile, which is right.
            let _ = consumer.store_offset(topic, stretch.partition as i32, next - 1);
        }
    }
    Ok(())
}

/// What the group's rebalancing changes. The planner's lock is never held over I/O.
struct Membership {
    projector: Projector,
    topic: String,
    planner: Mutex<Planner>,
    failed: Mutex<Option<ViewError>>,
}

impl Membership {
    fn planner(&self) -> MutexGuard<'_, Planner> {
        self.planner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self) -> MutexGuard<'_, Option<ViewError>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the checkpoints of new partitions and sets where each begins.
    fn assign(&self, partitions: &mut TopicPartitionList) -> Result<(), ViewError> {
        let known = self.projector.views.feed_checkpoints()?;
        for mut element in partitions.elements() {
            let partition = element.partition() as u32;
            let reached = known.get(&partition).copied().unwrap_or_default();
            self.planner().assign(partition, reached);
            let offset = reached.next_offset.map_or(Offset::Beginning, Offset::Offset);
            element.set_offset(offset).map_err(|error| ViewError::Other(error.to_string()))?;
        }
        Ok(())
    }
}

impl ClientContext for Membership {}

impl ConsumerContext for Membership {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let changed = if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            if let Err(error) = self.assign(partitions) {
                *self.failed() = Some(error);
            }
            consumer.incremental_assign(partitions)
        } else {
            for element in partitions.elements() {
                self.planner().revoke(element.partition() as u32);
            }
            consumer.incremental_unassign(partitions)
        };
        let held = self.planner().partitions();
        metrics::gauge!("twig_feed_partitions").set(held.len() as f64);
        tracing::info!(?held, "the partitions were shared out anew");
        if let Err(error) = changed {
            *self.failed() = Some(ViewError::Other(error.to_string()));
        }
    }
}
