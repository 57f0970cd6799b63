//! Replays: past questions asked again, one after the other, each recorded as soon as it is answered. A replay whose process died goes on from there.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use twig_commands::bus::{CommandContext, CommandError};
use twig_domain::{
    id::{JobId, OrgId},
    replay::{Replay, ReplayCommand, ReplayError},
};
use twig_projections::{JobKind, ViewError};

use crate::{Workers, meta};

const LOOK_EVERY: Duration = Duration::from_millis(250);

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("the views failed: {0}")]
    View(#[from] ViewError),
    #[error("an answer could not be recorded: {0}")]
    Command(#[from] CommandError<ReplayError>),
}

pub async fn run(workers: Workers, cancel: CancellationToken) {
    while !cancel.is_cancelled() {
        match workers.views.open_jobs(JobKind::Replay).await {
            Ok(jobs) => {
                for (organization, id) in jobs {
                    let ended = workers.holding(organization, id, carry_out(&workers, organization, id, &cancel)).await;
                    if let Err(error) = ended.map_err(Failed::View).and_then(|ended| ended.unwrap_or(Ok(()))) {
                        tracing::error!(%error, job = %id, "a replay stopped; it is tried again");
                    }
                }
            }
            Err(error) => tracing::error!(%error, "open replays could not be read"),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = cancel.cancelled() => {}
        }
    }
}

async fn carry_out(workers: &Workers, organization: OrgId, id: JobId, cancel: &CancellationToken) -> Result<(), Failed> {
    let Some((plan, done)) = workers.views.replay_plan(organization, id).await? else { return Ok(()) };
    for interaction in plan.interactions.iter().filter(|interaction| !done.contains(interaction)) {
        if cancel.is_cancelled() {
            return Ok(());
        }
        let question = Box::new(workers.knowledge.replay(organization, *interaction, &plan).await);
        record(workers, organization, id, ReplayCommand::RecordQuestion { question }).await?;
    }
    record(workers, organization, id, ReplayCommand::CompleteReplay).await
}

async fn record(workers: &Workers, organization: OrgId, id: JobId, command: ReplayCommand) -> Result<(), Failed> {
    let context = CommandContext::of(meta(organization, "replayer", id));
    match workers.bus.execute::<Replay>(id, vec![command], context).await {
        Ok(_) | Err(CommandError::Rejected(ReplayError::AlreadyEnded | ReplayError::OtherQuestion)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
