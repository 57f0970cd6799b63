//! From a source to a cited answer: runs that make indexes, searches over them, and answers whose every word can be traced.
//!
//! Invariant: an index is (data spec, manifest, model) and never changes; what is searched is decided by the events alone.

mod answer;
pub mod ask;
mod config;
pub mod fault;
mod indexes;
pub mod ingest;
pub mod live;
mod manifest;
mod meaning;
mod provenance;
pub mod rehearse;
mod replay;
pub mod search;
mod shared_answers;
mod stored_indexes;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;
use tokio_util::sync::CancellationToken;
use twig_commands::{
    bus::CommandBus,
    clock::Clock,
    content::{ContentError, ContentStore},
    database::StoreError,
    vault::Vault,
};
use twig_domain::{
    data_spec::{DataSpecType, RunStage},
    id::{DataSpecId, InteractionId, OrgId, RunId},
};
use twig_generation::{Model, Models};
use twig_projections::{ListQuery, Page, ViewError, Views};
use twig_sources::{NetworkPolicy, SourceSettings};

pub use config::ConfigError;
use config::Configs;
use indexes::Indexes;
use live::{LiveAnswer, LiveAnswers};
use manifest::ManifestError;
pub use shared_answers::SharedAnswers;
pub use stored_indexes::StoredIndexes;

/// Which embedding model indexes stand on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Embeddings {
    /// The static model at once, the small transformer as soon as it is done.
    Auto,
    Static,
    MiniLm,
    /// `provider:model`.
    Provider(String),
}

#[derive(Clone, Debug)]
pub struct KnowledgeSettings {
    pub embeddings: Embeddings,
    pub sources: SourceSettings,
    /// This binary, to parse risky formats in a process of their own.
    pub executable: Option<PathBuf>,
    /// Development: a run stops at this stage until the process ends, so that its death there can be tried.
    pub stall_at: Option<RunStage>,
}

#[derive(Clone)]
pub struct Knowledge {
    pub(crate) bus: CommandBus,
    pub(crate) views: Views,
    pub(crate) vault: Vault,
    pub(crate) content: ContentStore,
    pub(crate) clock: Clock,
    pub(crate) models: Models,
    pub(crate) settings: Arc<KnowledgeSettings>,
    pub(crate) policy: Arc<NetworkPolicy>,
    pub(crate) indexes: Indexes,
    /// Where indexes are searched that are not in memory.
    pub(crate) stored: Option<StoredIndexes>,
    pub(crate) runtime: tokio::runtime::Handle,
    answers: LiveAnswers,
    /// Where other nodes follow this one's answers.
    pub(crate) shared: Option<SharedAnswers>,
    runs: Arc<Mutex<HashMap<RunId, CancellationToken>>>,
}

impl Knowledge {
    #[must_use]
    #[expect(clippy::too_many_arguments, reason = "the parts of a process, each given once, where it is put together")]
    pub fn new(
        bus: CommandBus,
        views: Views,
        vault: Vault,
        content: ContentStore,
        clock: Clock,
        models: Models,
        settings: KnowledgeSettings,
        shared: Option<SharedAnswers>,
        stored: Option<StoredIndexes>,
        runtime: tokio::runtime::Handle,
    ) -> Self {
        let policy = ingest::policy(settings.sources.allow_networks.clone());
        let indexes = Indexes::default();
        Self {
            bus,
            views,
            vault,
            content,
            clock,
            models,
            settings: Arc::new(settings),
            policy,
            indexes,
            stored,
            runtime,
            answers: LiveAnswers::default(),
            shared,
            runs: Arc::default(),
        }
    }

    /// Whether a model's name can be used here; the reason, for people, where not.
    pub fn check_model(&self, name: &str) -> Result<(), String> {
        Model::parse(name).map(drop).map_err(|error| error.to_string())
    }

    pub fn store_config(&self, organization: OrgId, kind: DataSpecType, given: Value, before: Option<&Value>) -> Result<Value, ConfigError> {
        self.configs().store(organization, kind, given, before)
    }

    pub fn show_config(&self, kind: &Value, config: Value) -> Result<Value, ConfigError> {
        self.configs().show(kind, config)
    }

    fn configs(&self) -> Configs<'_> {
        Configs { content: &self.content, vault: &self.vault, settings: &self.settings.sources }
    }

    /// An answer that this process gives or gave a moment ago.
    #[must_use]
    pub fn live(&self, organization: OrgId, id: InteractionId) -> Option<Arc<LiveAnswer>> {
        self.answers.get(organization, id)
    }

    /// The same, of whatever node gives it.
    pub async fn follow(&self, organization: OrgId, id: InteractionId) -> Result<Option<Arc<LiveAnswer>>, StoreError> {
        match (self.live(organization, id), &self.shared) {
            (Some(live), _) => Ok(Some(live)),
            (None, Some(shared)) => shared.follow(organization, id).await,
            (None, None) => Ok(None),
        }
    }

    /// Of these interactions, which have begun and not ended, those that no living node answers.
    pub async fn abandoned(&self, started: Vec<(OrgId, InteractionId)>) -> Result<Vec<(OrgId, InteractionId)>, StoreError> {
        let Some(shared) = &self.shared else {
            return Ok(started.into_iter().filter(|(organization, id)| self.live(*organization, *id).is_none()).collect());
        };
        shared.forget(None).await?;
        let alive = shared.alive().await?;
        Ok(started.into_iter().filter(|(_, id)| !alive.contains(&id.to_string())).collect())
    }

    /// Drops answers that can still be resumed, on every node, and the vectors of questions; how many answers there were here.
    pub async fn forget_words(&self, organization: OrgId, interactions: &[InteractionId]) -> Result<u64, StoreError> {
        self.indexes.forget_questions();
        let mut forgotten = 0;
        for id in interactions {
            forgotten += u64::from(self.answers.get(organization, *id).is_some());
            self.answers.forget(organization, *id);
            if let Some(shared) = &self.shared {
                shared.forget(Some((organization, *id))).await?;
            }
        }
        Ok(forgotten)
    }

    /// Answers that are not at their end yet.
    #[must_use]
    pub fn unfinished_answers(&self) -> usize {
        self.answers.unfinished()
    }

    /// The token that stops a run of this process.
    #[must_use]
    pub fn run_token(&self, run: RunId) -> CancellationToken {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).entry(run).or_default().clone()
    }

    pub fn stop_run(&self, run: RunId) {
        if let Some(token) = self.runs.lock().unwrap_or_else(PoisonError::into_inner).get(&run) {
            token.cancel();
        }
    }

    pub fn forget_run(&self, run: RunId) {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).remove(&run);
    }

    /// The documents of a data spec; the published ones are read from the manifest where the views do not have them.
    pub async fn documents(&self, organization: OrgId, data_spec: DataSpecId, query: ListQuery) -> Result<Page, ViewError> {
        let published = self.views.data_spec_settings(organization, data_spec).await?.and_then(|(_, _, index)| index);
        if let Some(index) = published
            && self.views.listed_manifest(organization, data_spec).await?.as_deref() != Some(&index.manifest)
        {
            let (content, sha) = (self.content.clone(), index.manifest.clone());
            let manifest =
                tokio::task::spawn_blocking(move || manifest::Manifest::load(&content, &sha)).await.map_err(|error| ViewError::Other(error.to_string()))?;
            let manifest = manifest.map_err(|error| match error {
                ManifestError::Store(ContentError::Store(error)) => error.into(),
                error => ViewError::Other(error.to_string()),
            })?;
            self.views.set_documents(organization, data_spec, index.manifest, manifest.rows()).await?;
        }
        self.views.documents(organization, data_spec, query).await
    }

    async fn stall_if_asked(&self, stage: RunStage) {
        if self.settings.stall_at == Some(stage) {
            tracing::warn!(?stage, "stalling here, as asked by the development setting");
            std::future::pending::<()>().await;
        }
    }
}
