//! Indexes on another model than they should stand on in the end are embedded again in the background, and each is switched over in one step: after a run
//! that published on the static model at once, and after the setting was changed.
//!
//! Invariant: until its switch an index is searched on the model it stands on; vectors of two models never meet.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use twig_commands::bus::{CommandContext, CommandError};
use twig_domain::{
    data_spec::{DataSpec, DataSpecCommand, DataSpecError, PublishedIndex},
    id::{DataSpecId, OrgId},
};
use twig_knowledge::fault::Fault;
use twig_projections::ViewError;

use crate::{Workers, meta};

const LOOK_EVERY: Duration = Duration::from_secs(1);
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);
/// A model that failed is given this long.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(15);

type Due = (OrgId, DataSpecId, PublishedIndex);

pub async fn run(workers: Workers, cancel: CancellationToken) {
    // What the setting of an earlier start left behind is looked for once; from then on only runs make work.
    let mut everything = true;
    let mut swept: Option<Instant> = None;
    while !cancel.is_cancelled() {
        let found = if everything { all_due(&workers).await } else { fresh(&workers).await };
        let wait = match found {
            Ok(due) => {
                let mut failed = false;
                for one in due {
                    tokio::select! {
                        done = sharpen(&workers, one) => failed |= !done,
                        () = cancel.cancelled() => return,
                    }
                }
                everything = failed;
                if failed { TRY_AGAIN_AFTER } else { LOOK_EVERY }
            }
            Err(error) => {
                tracing::error!(%error, "indexes could not be read");
                LOOK_EVERY
            }
        };
        if swept.is_none_or(|at| at.elapsed() > SWEEP_EVERY) {
            swept = Some(Instant::now());
            if let Err(error) = sweep(&workers).await {
                tracing::warn!(%error, "stored indexes that are no longer searched could not be dropped");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = cancel.cancelled() => {}
        }
    }
}

/// Drops what is stored of indexes that are not published any more.
async fn sweep(workers: &Workers) -> Result<(), Fault> {
    if !workers.knowledge.stores_indexes() {
        return Ok(());
    }
    let published = published(workers).await?.into_iter().map(|(_, data_spec, index)| (data_spec, index.manifest, index.model)).collect();
    let dropped = workers.knowledge.drop_unpublished_indexes(published).await?;
    if dropped > 0 {
        tracing::info!(dropped, "indexes that are no longer searched were dropped");
    }
    Ok(())
}

/// Every index that stands on another model than the last one.
async fn all_due(workers: &Workers) -> Result<Vec<Due>, ViewError> {
    let last = workers.knowledge.last_model();
    let mut due = published(workers).await?;
    due.retain(|(_, _, index)| index.model != last);
    Ok(due)
}

async fn published(workers: &Workers) -> Result<Vec<Due>, ViewError> {
    let mut published = Vec::new();
    for organization in workers.views.organizations().await? {
        let Some(organization) = organization["id"].as_str().and_then(|id| id.parse().ok()) else { continue };
        let indexes = workers.views.published_indexes(organization, None).await?;
        published.extend(indexes.into_iter().map(|(data_spec, index, _)| (organization, data_spec, index)));
    }
    Ok(published)
}

/// What runs published on the first model.
async fn fresh(workers: &Workers) -> Result<Vec<Due>, ViewError> {
    if workers.knowledge.last_model() == "static" { Ok(Vec::new()) } else { workers.views.indexes_on("static").await }
}

/// `false` where it has to be tried again.
async fn sharpen(workers: &Workers, (organization, data_spec, index): Due) -> bool {
    let model = match workers.knowledge.sharpen(organization, data_spec, &index.manifest).await {
        Ok(model) => model,
        Err(error) => {
            tracing::error!(%error, %data_spec, "an index could not be embedded again");
            return false;
        }
    };
    let command = DataSpecCommand::SwitchEmbedding { manifest: index.manifest, model };
    match workers.bus.execute::<DataSpec>(data_spec, vec![command], CommandContext::of(meta(organization, "sharpener", data_spec))).await {
        Ok(_) | Err(CommandError::Rejected(DataSpecError::IndexSuperseded | DataSpecError::NotFound)) => true,
        Err(error) => {
            tracing::error!(%error, %data_spec, "an index could not be switched over");
            false
        }
    }
}
