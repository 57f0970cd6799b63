//! Questions that nobody could answer are put together by what they mean. A wording is looked at once, and its vector is kept with it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use twig_knowledge::fault::Fault;

use crate::Workers;

const LOOK_EVERY: Duration = Duration::from_secs(1);
const BATCH_WORDINGS: usize = 16;

pub async fn run(workers: Workers, cancel: CancellationToken) {
    while !cancel.is_cancelled() {
        let placed = tokio::select! {
            placed = place_some(&workers) => placed,
            () = cancel.cancelled() => return,
        };
        match placed {
            Ok(BATCH_WORDINGS..) => continue,
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "unanswered questions could not be grouped"),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = cancel.cancelled() => {}
        }
    }
}

/// How many wordings were placed.
async fn place_some(workers: &Workers) -> Result<usize, Fault> {
    let waiting = workers.views.waiting_questions(BATCH_WORDINGS).await?;
    let count = waiting.len();
    for wording in waiting {
        let vector = workers.knowledge.meaning(wording.text.clone()).await?;
        workers.views.place_question(wording, vector).await?;
    }
    Ok(count)
}
