//! Sharper embeddings: indexes on the static model are embedded again by the small transformer, and switched over in one step.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use twig_commands::bus::{CommandContext, CommandError};
use twig_domain::data_spec::{DataSpec, DataSpecCommand, DataSpecError};

use crate::{Workers, meta};

const LOOK_EVERY: Duration = Duration::from_secs(1);

pub async fn run(workers: Workers, cancel: CancellationToken) {
    while !cancel.is_cancelled() {
        match workers.views.indexes_on("static").await {
            Ok(indexes) => {
                for (organization, data_spec, index) in indexes {
                    let sharpened = tokio::select! {
                        done = workers.knowledge.sharpen(organization, data_spec, &index.manifest) => done,
                        () = cancel.cancelled() => return,
                    };
                    let model = match sharpened {
                        Ok(model) => model,
                        Err(error) => {
                            tracing::error!(error, %data_spec, "an index could not be embedded again");
                            continue;
                        }
                    };
                    let command = DataSpecCommand::SwitchEmbedding { manifest: index.manifest, model };
                    match workers.bus.execute::<DataSpec>(data_spec, vec![command], CommandContext::of(meta(organization, "sharpener", data_spec))).await {
                        Ok(_) | Err(CommandError::Rejected(DataSpecError::IndexSuperseded | DataSpecError::NotFound)) => {}
                        Err(error) => tracing::error!(%error, %data_spec, "an index could not be switched over"),
                    }
                }
            }
            Err(error) => tracing::error!(%error, "indexes could not be read"),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = cancel.cancelled() => {}
        }
    }
}
