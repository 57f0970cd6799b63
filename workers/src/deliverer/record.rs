//! Attempts are recorded together: while some are written down, the next ones gather. There is no waiting for more.

use std::time::Duration;

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use twig_projections::{AttemptResult, Deliveries, DueDelivery, Next};

const MAX_BATCH: usize = 200;
const MAX_QUEUED: usize = 1024;
const MAX_TRIES: u32 = 3;
const RETRY_AFTER: Duration = Duration::from_millis(200);

pub struct Ended {
    attempt: (DueDelivery, AttemptResult),
    next: oneshot::Sender<Next>,
}

#[derive(Clone)]
pub struct Recorder(mpsc::Sender<Ended>);

impl Recorder {
    /// Waits until it is recorded; `None` where it could not be: the attempt is made again when its lease ends.
    pub async fn record(&self, delivery: DueDelivery, result: AttemptResult) -> Option<Next> {
        let (next, answer) = oneshot::channel();
        self.0.send(Ended { attempt: (delivery, result), next }).await.ok()?;
        answer.await.ok()
    }
}

/// Runs until every handle is gone.
pub fn spawn(deliveries: Deliveries, tasks: &mut JoinSet<()>) -> Recorder {
    let (queue, mut ended) = mpsc::channel::<Ended>(MAX_QUEUED);
    tasks.spawn(async move {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        while ended.recv_many(&mut batch, MAX_BATCH).await > 0 {
            let (attempts, answers): (Vec<_>, Vec<_>) = batch.drain(..).map(|ended| (ended.attempt, ended.next)).unzip();
            if let Some(follows) = record(&deliveries, attempts).await {
                answers.into_iter().zip(follows).for_each(|(answer, next)| drop(answer.send(next)));
            }
        }
    });
    Recorder(queue)
}

async fn record(deliveries: &Deliveries, attempts: Vec<(DueDelivery, AttemptResult)>) -> Option<Vec<Next>> {
    for _ in 0..MAX_TRIES {
        match deliveries.record(attempts.clone()).await {
            Ok(follows) => return Some(follows),
            Err(error) => tracing::error!(%error, attempts = attempts.len(), "webhook attempts could not be recorded"),
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
    None
}
