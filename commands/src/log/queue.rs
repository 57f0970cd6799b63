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

impl Queue {
    pub(super) async fn append(&self, append: Append) -> Result<Appended, LogError> {
        let (done, answer) = oneshot::channel();
        self.0.send(Queued { append, done }).await.map_err(|_| LogError::Stopped)?;
        answer.await.map_err(|_| LogError::Stopped)?
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
