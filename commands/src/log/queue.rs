//! Natural batching: while one batch is synced the next one gathers. There is no linger timer: a single client never waits for another.
//!
//! Those whom the last batch answered together mostly come back together. A batch is held open until as many are there again, for a share of the time that
//! the last one took and no longer; where fewer came, fewer are expected next time.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::{Append, Appended, LogError};

/// Commands that may wait for the writer before callers are held back.
const MAX_QUEUED_APPENDS: usize = 8192;
const MAX_BATCH_APPENDS: usize = 1024;
const MAX_BATCH_BYTES: usize = 4 << 20;
/// A batch is held open for at most this part of the time that the last one took, and this long.
const PATIENCE_PART: u32 = 4;
const MAX_PATIENCE: Duration = Duration::from_millis(2);
/// How often a writer without a runtime looks whether they are there.
const LOOK_EVERY: Duration = Duration::from_micros(50);

pub(super) struct Queued {
    pub append: Append,
    done: oneshot::Sender<Result<Appended, LogError>>,
}

/// The callers' end of the queue.
#[derive(Clone)]
pub(super) struct Queue(mpsc::Sender<Queued>);

pub(super) fn queue() -> (Queue, mpsc::Receiver<Queued>) {
    let (sender, receiver) = mpsc::channel(MAX_QUEUED_APPENDS);
    (Queue(sender), receiver)
}

/// A place in the queue that is kept for one append.
pub(crate) struct Place(mpsc::OwnedPermit<Queued>);

impl Place {
    /// Queues an append in its place; nothing is waited for.
    pub(crate) fn queue(self, append: Append) -> Pending {
        let (done, answer) = oneshot::channel();
        drop(self.0.send(Queued { append, done }));
        Pending(answer)
    }
}

/// An append that is on its way.
pub(crate) struct Pending(oneshot::Receiver<Result<Appended, LogError>>);

impl Pending {
    pub(crate) async fn outcome(self) -> Result<Appended, LogError> {
        self.0.await.map_err(|_| LogError::Stopped)?
    }
}

impl Queue {
    /// Waits for a place.
    pub(super) async fn place(&self) -> Result<Place, LogError> {
        self.0.clone().reserve_owned().await.map(Place).map_err(|_| LogError::Stopped)
    }

    pub(super) async fn append(&self, append: Append) -> Result<Appended, LogError> {
        self.place().await?.queue(append).outcome().await
    }
}

/// What the next batch is expected to be, by the last one.
#[derive(Default)]
pub(super) struct Gathering {
    expected: usize,
    patience: Duration,
}

impl Gathering {
    /// All that waits and is expected, up to the bounds.
    pub(super) fn blocking(&self, first: Queued, appends: &mut mpsc::Receiver<Queued>) -> Vec<Queued> {
        let (mut batch, until) = (Batch::of(first, appends), Instant::now() + self.patience);
        while batch.queued.len() < self.expected && Instant::now() < until {
            std::thread::sleep(LOOK_EVERY);
            batch.take(appends);
        }
        batch.queued
    }

    /// The same, on a runtime.
    pub(super) async fn waiting(&self, first: Queued, appends: &mut mpsc::Receiver<Queued>) -> Vec<Queued> {
        let (mut batch, until) = (Batch::of(first, appends), tokio::time::Instant::now() + self.patience);
        while batch.queued.len() < self.expected && batch.has_room() {
            let Ok(Some(next)) = tokio::time::timeout_at(until, appends.recv()).await else { break };
            batch.push(next);
            batch.take(appends);
        }
        batch.queued
    }

    /// What a batch was, and how long it took to write.
    pub(super) fn wrote(&mut self, commands: usize, took: Duration) {
        *self = Self { expected: commands, patience: (took / PATIENCE_PART).min(MAX_PATIENCE) };
    }
}

struct Batch {
    queued: Vec<Queued>,
    bytes: usize,
}

impl Batch {
    fn of(first: Queued, appends: &mut mpsc::Receiver<Queued>) -> Self {
        let mut batch = Self { queued: Vec::new(), bytes: 0 };
        batch.push(first);
        batch.take(appends);
        batch
    }

    fn has_room(&self) -> bool {
        self.queued.len() < MAX_BATCH_APPENDS && self.bytes < MAX_BATCH_BYTES
    }

    fn push(&mut self, next: Queued) {
        self.bytes += next.append.events.iter().map(|event| event.payload.len()).sum::<usize>();
        self.queued.push(next);
    }

    /// What is there already.
    fn take(&mut self, appends: &mut mpsc::Receiver<Queued>) {
        while self.has_room() {
            let Ok(next) = appends.try_recv() else { break };
            self.push(next);
        }
    }
}

/// Answers commands that each have an outcome of their own.
#[cfg(feature = "eventstoredb")]
pub(super) fn answer_each(batch: Vec<Queued>, outcomes: Vec<Result<Appended, LogError>>) {
    batch.into_iter().zip(outcomes).for_each(|(queued, outcome)| {
        if let Err(error) = &outcome {
            tracing::error!(%error, "a command could not be appended");
        }
        drop(queued.done.send(outcome));
    });
}

/// A caller that went away has its answer dropped; the events stand all the same.
pub(super) fn answer(batch: Vec<Queued>, outcome: Result<Vec<Appended>, LogError>) {
    match outcome {
        Ok(outcomes) => batch.into_iter().zip(outcomes).for_each(|(queued, appended)| drop(queued.done.send(Ok(appended)))),
        Err(error) => {
            tracing::error!(%error, commands = batch.len(), "a batch could not be appended");
            batch.into_iter().for_each(|queued| drop(queued.done.send(Err(error.clone()))));
        }
    }
}
