//! Natural batching: while one batch is synced the next one gathers. There is no linger timer.

use tokio::sync::{mpsc, oneshot};

use super::{Append, Appended, LogError};

/// Commands that may wait for the writer before callers are held back.
const MAX_QUEUED_APPENDS: usize = 8192;
const MAX_BATCH_APPENDS: usize = 1024;
const MAX_BATCH_BYTES: usize = 4 << 20;

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

/// All that waits, up to the bounds.
pub(super) fn gather(first: Queued, appends: &mut mpsc::Receiver<Queued>) -> Vec<Queued> {
    let size = |queued: &Queued| queued.append.events.iter().map(|event| event.payload.len()).sum::<usize>();
    let mut bytes = size(&first);
    let mut batch = vec![first];
    while batch.len() < MAX_BATCH_APPENDS && bytes < MAX_BATCH_BYTES {
        match appends.try_recv() {
            Ok(next) => {
                bytes += size(&next);
                batch.push(next);
            }
            Err(_) => break,
        }
    }
    batch
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
