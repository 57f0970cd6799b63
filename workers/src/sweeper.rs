//! Interactions whose server died: they began, nobody gives their answer, so they have failed.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use twig_commands::bus::{CommandContext, CommandError};
use twig_domain::interaction::{Failure, Interaction, InteractionCommand, InteractionError};

use crate::{Workers, meta};

const LOOK_EVERY: Duration = Duration::from_secs(10);

pub async fn run(workers: Workers, cancel: CancellationToken) {
    while !cancel.is_cancelled() {
        match workers.views.started_interactions().await {
            Ok(started) => {
                for (organization, id) in started {
                    if workers.knowledge.live(organization, id).is_some() {
                        continue;
                    }
                    let failure = Failure { code: "unavailable".into(), message: "The server stopped before the answer was whole".into(), latency_ms: 0 };
                    let context = CommandContext::of(meta(organization, "sweeper", id));
                    match workers.bus.execute::<Interaction>(id, vec![InteractionCommand::FailInteraction { failure }], context).await {
                        Ok(_) | Err(CommandError::Rejected(InteractionError::AlreadyEnded)) => {}
                        Err(error) => tracing::error!(%error, interaction = %id, "an abandoned interaction could not be ended"),
                    }
                }
            }
            Err(error) => tracing::error!(%error, "started interactions could not be read"),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = cancel.cancelled() => {}
        }
    }
}
