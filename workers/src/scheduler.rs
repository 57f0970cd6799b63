//! Schedules: a data spec whose time has come is processed.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use twig_commands::{bus::CommandContext, ids::new_id};
use twig_domain::{
    data_spec::{DataSpec, DataSpecCommand, RunTrigger},
    id::RunId,
};

use crate::{Workers, meta};

const LOOK_EVERY: Duration = Duration::from_secs(5);

pub async fn run(workers: Workers, cancel: CancellationToken) {
    while !cancel.is_cancelled() {
        let now = workers.clock.now();
        match workers.views.due_data_specs(now).await {
            Ok(due) => {
                for (organization, data_spec) in due {
                    let run_id: RunId = new_id(now);
                    let command = DataSpecCommand::ProcessDataSpec { run_id, trigger: RunTrigger::Schedule };
                    if let Err(error) =
                        workers.bus.execute::<DataSpec>(data_spec, vec![command], CommandContext::of(meta(organization, "scheduler", run_id))).await
                    {
                        tracing::warn!(%error, %data_spec, "a scheduled run could not be asked for");
                    }
                }
            }
            Err(error) => tracing::error!(%error, "schedules could not be read"),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = cancel.cancelled() => {}
        }
    }
}
