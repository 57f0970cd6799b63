//! Runs: taken by lease, kept by heartbeat, ended by a command. A run whose worker died is taken over when its lease ends.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use twig_commands::bus::{CommandContext, CommandError};
use twig_domain::data_spec::{DataSpec, DataSpecCommand, DataSpecError};
use twig_knowledge::ingest::{IngestError, Job, Made};
use twig_projections::OpenRun;

use crate::{Workers, meta};

const LOOK_EVERY: Duration = Duration::from_millis(150);
const LEASE_S: i64 = 30;
const LOOK_FOR_CANCEL_EVERY: Duration = Duration::from_secs(1);
const HEARTBEAT_EVERY: Duration = Duration::from_secs(8);
const MAX_RUNS_AT_ONCE: usize = 8;
/// A run that lasts longer than this fails.
const DEADLINE: Duration = Duration::from_secs(12 * 3600);
/// What fails inside is tried again after 1 s, 2 s, 4 s ...: in all two minutes, in which a store that went away mostly is back.
const MAX_TRIES: u32 = 8;

pub async fn run(workers: Workers, cancel: CancellationToken) {
    let mut running = JoinSet::new();
    let mut taken = std::collections::HashSet::new();
    while !cancel.is_cancelled() {
        while let Some(ended) = running.try_join_next() {
            if let Ok(run) = ended {
                taken.remove(&run);
            }
        }
        match workers.views.open_runs().await {
            Ok(open) => {
                for open in open {
                    if running.len() >= MAX_RUNS_AT_ONCE || !taken.insert(open.run) {
                        continue;
                    }
                    let (workers, cancel) = (workers.clone(), cancel.clone());
                    running.spawn(async move {
                        work(&workers, open, &cancel).await;
                        open.run
                    });
                }
            }
            Err(error) => tracing::error!(%error, "open runs could not be read"),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = cancel.cancelled() => {}
        }
    }
}

async fn work(workers: &Workers, open: OpenRun, stop: &CancellationToken) {
    let claimed = workers.views.claim_run(open.organization, open.run, workers.owner.clone(), workers.clock.now(), LEASE_S).await;
    if !claimed.unwrap_or(false) {
        return;
    }
    let canceled = workers.knowledge.run_token(open.run);
    if !command(workers, open, DataSpecCommand::StartRun { run_id: open.run }).await {
        return;
    }
    let job = Job { organization: open.organization, data_spec: open.data_spec, run: open.run };
    let mut tries = 0;
    let ended = loop {
        tries += 1;
        let ingest = workers.knowledge.ingest(job, canceled.clone());
        let made = tokio::select! {
            made = tokio::time::timeout(DEADLINE, ingest) => made.unwrap_or_else(|_| Err(IngestError::Source { message: "The run took longer than 12 hours".into(), errors: Vec::new() })),
            () = heartbeat(workers, open) => Err(IngestError::Canceled),
            () = canceled.cancelled() => Err(IngestError::Canceled),
            // The process ends: the run goes on where it is begun again.
            () = stop.cancelled() => return,
        };
        match made {
            Err(IngestError::Internal(error)) if tries < MAX_TRIES => {
                tracing::warn!(error, tries, run = %open.run, "a run failed inside and is tried again");
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_secs(1 << (tries - 1))) => {}
                    () = canceled.cancelled() => break Err(IngestError::Canceled),
                    () = stop.cancelled() => return,
                }
            }
            made => break made,
        }
    };
    if let Some(last) = end(open, ended) {
        command(workers, open, last).await;
    }
    workers.knowledge.forget_run(open.run);
}

fn end(open: OpenRun, made: Result<Made, IngestError>) -> Option<DataSpecCommand> {
    let run_id = open.run;
    match made {
        Ok(Made { documents, index, errors, failed }) => Some(DataSpecCommand::CompleteRun { run_id, documents, index, errors, failed }),
        // A cancel is recorded by whoever canceled.
        Err(IngestError::Canceled) => None,
        Err(IngestError::Source { message, errors }) => Some(DataSpecCommand::FailRun { run_id, reason: message, failed: errors.len() as u64, errors }),
        Err(IngestError::Internal(error)) => {
            tracing::error!(error, run = %run_id, "a run failed");
            Some(DataSpecCommand::FailRun { run_id, reason: "Something went wrong on our side".into(), errors: Vec::new(), failed: 0 })
        }
    }
}

/// Renews the lease until it is lost or the run is no longer open: another process may have canceled it.
async fn heartbeat(workers: &Workers, open: OpenRun) {
    let mut renewed_at = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(LOOK_FOR_CANCEL_EVERY).await;
        let run = workers.views.run(open.organization, open.data_spec, open.run).await;
        if run.is_ok_and(|run| run.is_some_and(|run| run["status"] == "canceled")) {
            return;
        }
        if renewed_at.elapsed() < HEARTBEAT_EVERY {
            continue;
        }
        renewed_at = tokio::time::Instant::now();
        let renewed = workers.views.claim_run(open.organization, open.run, workers.owner.clone(), workers.clock.now(), LEASE_S).await;
        if !renewed.unwrap_or(true) {
            return;
        }
    }
}

/// `false` where the run is over already.
async fn command(workers: &Workers, open: OpenRun, command: DataSpecCommand) -> bool {
    let context = CommandContext::of(meta(open.organization, "ingester", open.run));
    match workers.bus.execute::<DataSpec>(open.data_spec, vec![command], context).await {
        Ok(_) => true,
        Err(CommandError::Rejected(DataSpecError::RunEnded | DataSpecError::NotFound)) => false,
        Err(error) => {
            tracing::error!(%error, run = %open.run, "a run's state could not be recorded");
            false
        }
    }
}
