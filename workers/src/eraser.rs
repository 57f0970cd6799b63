//! Erasures: the keys first, so that nothing can be read any more, then every copy in the clear, then a receipt.
//!
//! Every step can be done again: an erasure whose process died begins anew when its lease ends, and ends in the same state.

use std::{path::PathBuf, time::Duration};

use tokio_util::sync::CancellationToken;
use twig_commands::{
    bus::{CommandContext, CommandError},
    idempotency::Idempotency,
    log::{EventLog, LogError},
    vault::{Vault, VaultError},
};
use twig_domain::{
    erasure::{ClearedStore, Erasure, ErasureCommand, ErasureError, ErasureEvent, ErasureScope, Receipt, Receiver},
    id::{InteractionId, JobId, OrgId},
};
use twig_projections::{Deliveries, JobKind, Spoken, ViewError};

use crate::{Workers, meta};

const LOOK_EVERY: Duration = Duration::from_millis(250);
const MAX_VIEW_WAIT: Duration = Duration::from_secs(60);
const STEPS: u64 = 6;
const RETRY_AFTER: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub struct Eraser {
    pub workers: Workers,
    pub log: EventLog,
    pub vault: Vault,
    pub idempotency: Idempotency,
    pub deliveries: Deliveries,
    /// Where damaged views were put aside, which is a copy too.
    pub data_dir: PathBuf,
    /// How long other processes may still hold a destroyed key.
    pub settle: Duration,
    /// Whether events go to a message broker.
    pub broker: bool,
}

#[derive(Debug, thiserror::Error)]
enum EraseError {
    #[error("the views failed: {0}")]
    View(#[from] ViewError),
    #[error("the keys failed: {0}")]
    Vault(#[from] VaultError),
    #[error("the event log failed: {0}")]
    Log(#[from] LogError),
    #[error("the views did not come to the log's end in time")]
    Behind,
    #[error("the erasure could not be recorded: {0}")]
    Command(#[from] CommandError<ErasureError>),
    #[error("a copy could not be removed: {0}")]
    File(#[from] std::io::Error),
}

pub async fn run(eraser: Eraser, cancel: CancellationToken) {
    while !cancel.is_cancelled() {
        match eraser.workers.views.open_jobs(JobKind::Erasure).await {
            Ok(jobs) => {
                for (organization, id) in jobs {
                    let ended = eraser.workers.holding(organization, id, eraser.carry_out(organization, id)).await;
                    if let Err(error) = ended.map_err(EraseError::View).and_then(|ended| ended.unwrap_or(Ok(()))) {
                        tracing::error!(%error, job = %id, "an erasure could not be carried out; it is tried again");
                        tokio::time::sleep(RETRY_AFTER).await;
                    }
                }
            }
            Err(error) => tracing::error!(%error, "open erasures could not be read"),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = cancel.cancelled() => {}
        }
    }
}

impl Eraser {
    async fn carry_out(&self, organization: OrgId, id: JobId) -> Result<(), EraseError> {
        let scope = self.log.read_stream("Erasure", &id.to_string(), 0).await?.first().and_then(|first| match first.event() {
            Ok(twig_domain::Event::Erasure(ErasureEvent::ErasureRequested { scope, .. })) => Some(scope),
            _ => None,
        });
        let Some(scope) = scope else { return Ok(()) };
        let receipt = self.erase(organization, id, &scope).await?;
        let context = CommandContext::of(meta(organization, "eraser", id));
        match self.workers.bus.execute::<Erasure>(id, vec![ErasureCommand::CompleteErasure { receipt }], context).await {
            Ok(_) | Err(CommandError::Rejected(ErasureError::AlreadyEnded)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn erase(&self, organization: OrgId, id: JobId, scope: &ErasureScope) -> Result<Receipt, EraseError> {
        let step = async |done: u64| -> Result<(), EraseError> { Ok(self.workers.views.report_job(organization, id, done, STEPS).await?) };
        step(0).await?;
        let (spoken, keys) = self.destroy_keys(organization, scope).await?;
        step(1).await?;
        let ids: Vec<InteractionId> = spoken.iter().map(|one| one.id).collect();
        let positions: Vec<u64> = spoken.iter().flat_map(|one| one.positions.clone()).collect();
        let cleared = self.clear_views(organization, &ids).await?;
        step(2).await?;
        let answers = self.idempotency.forget_answers(organization, positions.clone()).await?;
        step(3).await?;
        let (attempts, receivers) = self.deliveries.erase(organization, positions).await?;
        step(4).await?;
        let streams = self.workers.knowledge.forget_words(organization, &ids).await.map_err(ViewError::from)?;
        step(5).await?;
        self.scrub().await?;
        step(6).await?;
        let stores = vec![
            store("events", keys, "the words stay encrypted; the keys that opened them are destroyed, and every event and proof is what it was"),
            store("views", cleared, "words are null, counts stay; free pages were overwritten"),
            store("idempotency", answers, "kept answers to requests were removed"),
            store("webhooks", attempts, "what receivers had answered was removed; messages are never kept"),
            store("streams", streams, "answers that could still be resumed were dropped"),
        ];
        let receivers = receivers.into_iter().map(|(webhook_id, deliveries)| Receiver { webhook_id, deliveries }).collect();
        let beyond = self.beyond(&spoken);
        Ok(Receipt { erased_at: self.workers.clock.now(), interactions: ids.len() as u64, keys, stores, receivers, beyond })
    }

    /// Destroys keys until the views know of no interaction that came between.
    async fn destroy_keys(&self, organization: OrgId, scope: &ErasureScope) -> Result<(Vec<Spoken>, u64), EraseError> {
        let mut keys = 0;
        let mut known = Vec::new();
        loop {
            self.reach_head().await?;
            let spoken = self.workers.views.spoken(organization, scope.clone()).await?;
            let whole = match scope {
                ErasureScope::User { subject } | ErasureScope::Session { subject, .. } => Some(subject.as_str()),
                ErasureScope::Interaction { .. } => None,
            };
            let single: Vec<(String, InteractionId)> =
                spoken.iter().filter(|one| whole != Some(one.subject.as_str())).map(|one| (one.subject.clone(), one.id)).collect();
            let (vault, whole) = (self.vault.clone(), whole.map(str::to_owned));
            let destroyed = tokio::task::spawn_blocking(move || {
                let mut destroyed = whole.map_or(Ok(0), |subject| vault.destroy(&subject).map(u64::from))?;
                for (subject, interaction) in single {
                    destroyed += u64::from(vault.puncture(&subject, interaction)?);
                }
                Ok::<_, VaultError>(destroyed)
            });
            keys += destroyed.await.map_err(|_| VaultError::Damaged)??;
            if spoken == known {
                return Ok((spoken, keys));
            }
            known = spoken;
        }
    }

    /// A fold that had a key in hand may have written words after the first clearing: once it must have ended, they are cleared again.
    async fn clear_views(&self, organization: OrgId, ids: &[InteractionId]) -> Result<u64, EraseError> {
        let cleared = self.workers.views.clear_words(organization, ids.to_vec()).await?;
        if !self.settle.is_zero() {
            tokio::time::sleep(self.settle).await;
        }
        self.reach_head().await?;
        self.workers.views.clear_words(organization, ids.to_vec()).await?;
        Ok(cleared)
    }

    async fn reach_head(&self) -> Result<(), EraseError> {
        let head = self.log.head().await?;
        if self.workers.views.wait_for(head, MAX_VIEW_WAIT).await { Ok(()) } else { Err(EraseError::Behind) }
    }

    /// Overwrites what the stores have given free, and removes copies that were put aside.
    async fn scrub(&self) -> Result<(), EraseError> {
        self.deliveries.scrub().await?;
        let (views, log, data_dir) = (self.workers.views.clone(), self.log.clone(), self.data_dir.clone());
        let scrubbed = tokio::task::spawn_blocking(move || {
            views.database().scrub().map_err(ViewError::from)?;
            log.database().forget_deleted().map_err(ViewError::from)?;
            for entry in std::fs::read_dir(&data_dir).into_iter().flatten().flatten() {
                if entry.file_name().to_string_lossy().ends_with(".damaged") {
                    std::fs::remove_file(entry.path())?;
                }
            }
            Ok(())
        });
        scrubbed.await.unwrap_or_else(|error| Err(EraseError::View(ViewError::Other(error.to_string()))))
    }

    /// What this product can't reach.
    fn beyond(&self, spoken: &[Spoken]) -> Vec<String> {
        let now = self.workers.clock.now();
        let mut beyond = vec![format!("Backups made before {now} hold the destroyed keys: keep none of them longer than you may keep the words.")];
        if self.broker {
            beyond.push("The message broker's topic holds these events, with the words encrypted by the destroyed keys; they age out by its retention.".into());
        }
        let sent = spoken.iter().filter(|one| one.sent_to_model).count();
        if sent > 0 {
            beyond.push(format!("The words of {sent} interactions were sent to a language model's provider, and are its to erase."));
        }
        beyond
    }
}

fn store(store: &str, cleared: u64, note: &str) -> ClearedStore {
    ClearedStore { store: store.to_owned(), cleared, note: note.to_owned() }
}
