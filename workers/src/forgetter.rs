//! Outcomes kept for an `Idempotency-Key` that have had their day: what is kept must not grow with history.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use twig_commands::{clock::Clock, idempotency::Idempotency};

const LOOK_EVERY: Duration = Duration::from_mins(5);
/// Between two parts, so that appends come through.
const PAUSE: Duration = Duration::from_millis(20);

pub async fn run(idempotency: Idempotency, clock: Clock, cancel: CancellationToken) {
    while !cancel.is_cancelled() {
        loop {
            match idempotency.forget_expired(clock.now()).await {
                Ok(0) => break,
                Ok(_) => tokio::time::sleep(PAUSE).await,
                Err(error) => {
                    tracing::error!(%error, "outcomes of idempotency keys could not be forgotten");
                    break;
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = cancel.cancelled() => {}
        }
    }
}
