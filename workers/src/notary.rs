//! Signs the audit log's trees by time and by count.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use twig_projections::audit::Notary;

const LOOK_EVERY: Duration = Duration::from_secs(5);

pub async fn run(notary: Notary, cancel: CancellationToken) {
    while !cancel.is_cancelled() {
        if let Err(error) = notary.sign_due().await {
            tracing::error!(%error, "the audit log could not be signed");
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = cancel.cancelled() => {}
        }
    }
}
