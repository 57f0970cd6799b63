//! Interactions whose server died: they began, nobody gives their answer, so they have failed.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use twig_commands::bus::{CommandContext, CommandError};
use twig_domain::{
    id::{InteractionId, OrgId},
    interaction::{Failure, Interaction, InteractionCommand, InteractionError},
};
use twig_projections::ViewError;

use crate::{Workers, meta};

const LOOK_EVERY: Duration = Duration::from_secs(10);
const GRACE_S: i64 = 10;

pub async fn run(workers: Workers, cancel: CancellationToken) {
    while !cancel.is_cancelled() {
        match abandoned(&workers).await {
            Ok(abandoned) => {
                for (organization, id) in abandoned {
                    end(&workers, organization, id).await;
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

/// An answer that has only just begun may not have told of itself yet.
async fn abandoned(workers: &Workers) -> Result<Vec<(OrgId, InteractionId)>, ViewError> {
    let before = workers.clock.now().plus_seconds(-GRACE_S);
    let started = workers.views.started_interactions(before).await?;
    if started.is_empty() {
        return Ok(started);
    }
    Ok(workers.knowledge.abandoned(started).await?)
}

async fn end(workers: &Workers, organization: OrgId, id: InteractionId) {
    let failure = Failure { code: "unavailable".into(), message: "The server stopped before the answer was whole".into(), latency_ms: 0 };
    let context = CommandContext::of(meta(organization, "sweeper", id));
    match workers.bus.execute::<Interaction>(id, vec![InteractionCommand::FailInteraction { failure }], context).await {
        Ok(_) | Err(CommandError::Rejected(InteractionError::AlreadyEnded)) => {}
        Err(error) => tracing::error!(%error, interaction = %id, "an abandoned interaction could not be ended"),
    }
}
