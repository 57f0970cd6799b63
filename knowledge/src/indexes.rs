//! Indexes in memory: made from a manifest and the content store when first searched, and kept while there is room.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use moka::future::Cache;
use twig_commands::{
    content::{ContentError, sha256},
    database::StoreError,
};
use twig_domain::id::{DataSpecId, OrgId};
use twig_retrieval::{BuiltIn, Mode, Passage, Search, SpecIndex, StoredIndex, embedding_texts, touched};

use crate::{Embeddings, Knowledge, fault::Fault, manifest::Manifest, stored_indexes::StoredIndexes};

const MAX_INDEX_BYTES: u64 = 2 << 30;
const MAX_CACHED_QUESTIONS: u64 = 10_000;
const UNUSED_FOR: Duration = Duration::from_secs(30 * 60);

type IndexKey = (DataSpecId, String, String);

#[derive(Clone)]
pub struct Indexes {
    indexes: Cache<IndexKey, Arc<SpecIndex>>,
    questions: Cache<(String, String), Arc<Vec<f32>>>,
}

impl Default for Indexes {
    fn default() -> Self {
        let weigh = |_: &IndexKey, index: &Arc<SpecIndex>| u32::try_from(index.weight()).unwrap_or(u32::MAX);
        Self {
            indexes: Cache::builder().max_capacity(MAX_INDEX_BYTES).weigher(weigh).time_to_idle(UNUSED_FOR).build(),
            questions: Cache::builder().max_capacity(MAX_CACHED_QUESTIONS).build(),
        }
    }
}

/// An index that is searched.
#[derive(Clone)]
pub enum Index {
    Memory(Arc<SpecIndex>),
    Stored(StoredIndex),
}

impl Index {
    #[must_use]
    pub fn model(&self) -> String {
        match self {
            Self::Memory(index) => index.model.clone(),
            Self::Stored(index) => index.model.clone(),
        }
    }
}

impl Indexes {
    /// Forgets the vectors of questions, whose keys are what was asked.
    pub(crate) fn forget_questions(&self) {
        self.questions.invalidate_all();
    }
}

impl Knowledge {
    /// The model that a run publishes on.
    pub(crate) fn first_model(&self) -> String {
        match &self.settings.embeddings {
            Embeddings::Auto | Embeddings::Static => BuiltIn::Static.name().to_owned(),
            Embeddings::MiniLm => BuiltIn::MiniLm.name().to_owned(),
            Embeddings::Provider(name) => name.clone(),
        }
    }

    /// One (data spec, manifest, model), from memory or made now; two callers make it once.
    pub(crate) async fn load_index(&self, spec: DataSpecId, manifest: &str, model: &str) -> Result<Arc<SpecIndex>, Fault> {
        let key = (spec, manifest.to_owned(), model.to_owned());
        let made = self.indexes.indexes.try_get_with(key, self.make_index(spec, manifest.to_owned(), model.to_owned())).await;
        made.map_err(Arc::unwrap_or_clone)
    }

    /// Each (data spec, manifest, model) where it is searched: in memory, or in the store of indexes, which gets those that it has not.
    pub(crate) async fn open_indexes(&self, wanted: Vec<(DataSpecId, String, String)>) -> Result<Vec<Index>, Fault> {
        let mut indexes = Vec::with_capacity(wanted.len());
        let Some(store) = &self.stored else {
            for (spec, manifest, model) in wanted {
                indexes.push(Index::Memory(self.load_index(spec, &manifest, &model).await?));
            }
            return Ok(indexes);
        };
        let find = store.clone();
        let (known, wanted) = tokio::task::spawn_blocking(move || Ok::<_, StoreError>((find.find(&wanted)?, wanted))).await??;
        for (known, (spec, manifest, model)) in known.into_iter().zip(wanted) {
            indexes.push(Index::Stored(match known {
                Some(known) => known,
                None => self.store_index(store.clone(), spec, manifest, model).await?,
            }));
        }
        Ok(indexes)
    }

    pub(crate) async fn open_index(&self, spec: DataSpecId, manifest: &str, model: &str) -> Result<(), Fault> {
        self.open_indexes(vec![(spec, manifest.to_owned(), model.to_owned())]).await.map(drop)
    }

    async fn store_index(&self, store: StoredIndexes, spec: DataSpecId, manifest: String, model: String) -> Result<StoredIndex, Fault> {
        let made = self.make_index(spec, manifest.clone(), model).await?;
        Ok(tokio::task::spawn_blocking(move || store.put(spec, &manifest, &made)).await??)
    }

    /// What these searches touch of the indexes, tier by tier. It may block.
    pub(crate) fn touched(&self, tiers: &[Vec<Index>], searches: &[Search], judged_by: &str, mode: Mode) -> Result<Vec<Vec<Arc<SpecIndex>>>, Fault> {
        let Some(store) = &self.stored else {
            let in_memory = |index: &Index| if let Index::Memory(index) = index { Some(index.clone()) } else { None };
            return Ok(tiers.iter().map(|tier| tier.iter().filter_map(in_memory).collect()).collect());
        };
        let stored = |index: &Index| if let Index::Stored(index) = index { Some(index.clone()) } else { None };
        let tiers: Vec<Vec<StoredIndex>> = tiers.iter().map(|tier| tier.iter().filter_map(stored).collect()).collect();
        Ok(touched(store, &tiers, searches, judged_by, mode)?)
    }

    /// Whether indexes are searched in a store rather than in memory.
    #[must_use]
    pub fn stores_indexes(&self) -> bool {
        self.stored.is_some()
    }

    /// Drops stored indexes that are no longer searched.
    pub async fn drop_unpublished_indexes(&self, published: Vec<(DataSpecId, String, String)>) -> Result<u64, Fault> {
        let Some(store) = self.stored.clone() else { return Ok(0) };
        Ok(tokio::task::spawn_blocking(move || store.keep_only(&published)).await??)
    }

    async fn make_index(&self, spec: DataSpecId, manifest: String, model: String) -> Result<Arc<SpecIndex>, Fault> {
        let passages = self.passages(spec, &manifest).await?;
        let texts = embedding_texts(&model, &passages);
        let vectors = self.embed(&model, texts).await?;
        Ok(tokio::task::spawn_blocking(move || Arc::new(SpecIndex::build(&model, passages, vectors))).await?)
    }

    /// Vectors made now.
    pub(crate) async fn embed_now(&self, model: &str, texts: Vec<String>) -> Result<Vec<Vec<f32>>, Fault> {
        Ok(match BuiltIn::by_name(model) {
            Some(built_in) => tokio::task::spawn_blocking(move || built_in.embed_passages(&texts)).await?,
            None => self.models.embed(model, texts).await?,
        })
    }

    /// The question's vector by each model that is searched. Where a provider fails, its indexes are searched by keywords alone.
    pub async fn question_vectors(&self, question: &str, models: BTreeSet<String>) -> HashMap<String, Vec<f32>> {
        let mut vectors = HashMap::new();
        for model in models {
            match self.question_vector(question, &model).await {
                Ok(vector) => drop(vectors.insert(model, vector.as_ref().clone())),
                Err(error) => tracing::warn!(%error, model, "a question could not be embedded and is searched by its words alone"),
            }
        }
        vectors
    }

    async fn question_vector(&self, question: &str, model: &str) -> Result<Arc<Vec<f32>>, Fault> {
        let text = question.to_owned();
        let made = self.indexes.questions.try_get_with((model.to_owned(), text.clone()), async {
            let vector = match BuiltIn::by_name(model) {
                Some(built_in) => tokio::task::spawn_blocking(move || built_in.embed_query(&text)).await?,
                None => self.models.embed(model, vec![text]).await?.into_iter().next().unwrap_or_default(),
            };
            Ok::<_, Fault>(Arc::new(vector))
        });
        made.await.map_err(Arc::unwrap_or_clone)
    }
}

const EMBED_BATCH_PASSAGES: usize = 8;

impl Knowledge {
    /// The model that indexes stand on in the end.
    #[must_use]
    pub fn last_model(&self) -> String {
        match &self.settings.embeddings {
            Embeddings::Auto => BuiltIn::MiniLm.name().to_owned(),
            _ => self.first_model(),
        }
    }

    /// The model that a run publishes these passages on: the last one where it has embedded them all before, as in a run that changed nothing.
    pub(crate) async fn publishing_model(&self, passages: &[Passage]) -> Result<String, Fault> {
        let (first, last) = (self.first_model(), self.last_model());
        if first == last {
            return Ok(first);
        }
        let hashes: Vec<String> = embedding_texts(&last, passages).iter().map(|text| sha256(text.as_bytes())).collect();
        let (content, model) = (self.content.clone(), last.clone());
        let known = tokio::task::spawn_blocking(move || {
            for batch in hashes.chunks(EMBED_BATCH_PASSAGES) {
                if content.embeddings(&model, batch)?.iter().any(Option::is_none) {
                    return Ok(false);
                }
            }
            Ok::<_, ContentError>(true)
        });
        Ok(if known.await?? { last } else { first })
    }

    /// Embeds every passage of an index by the last model, reporting how far it is. What a process that died had embedded is not embedded again.
    pub async fn sharpen(&self, organization: OrgId, spec: DataSpecId, manifest: &str) -> Result<String, Fault> {
        let model = self.last_model();
        let texts = embedding_texts(&model, &self.passages(spec, manifest).await?);
        for (number, batch) in texts.chunks(EMBED_BATCH_PASSAGES).enumerate() {
            self.report_sharpening(organization, spec, manifest, number * EMBED_BATCH_PASSAGES, texts.len()).await?;
            self.embed(&model, batch.to_vec()).await?;
        }
        self.open_index(spec, manifest, &model).await?;
        Ok(model)
    }

    pub(crate) async fn report_sharpening(&self, organization: OrgId, spec: DataSpecId, manifest: &str, done: usize, total: usize) -> Result<(), Fault> {
        let next = serde_json::json!({"model": self.last_model(), "done": done, "total": total});
        Ok(self.views.report_embedding(organization, spec, manifest.to_owned(), Some(next)).await?)
    }

    /// The index of a manifest under any model, whichever it is published on; tells how many texts of how many are embedded.
    pub async fn index_under(&self, spec: DataSpecId, manifest: &str, model: &str, progress: impl Fn(usize, usize)) -> Result<Arc<SpecIndex>, Fault> {
        let texts = embedding_texts(model, &self.passages(spec, manifest).await?);
        for (number, batch) in texts.chunks(EMBED_BATCH_PASSAGES).enumerate() {
            progress(number * EMBED_BATCH_PASSAGES, texts.len());
            self.embed(model, batch.to_vec()).await?;
        }
        self.load_index(spec, manifest, model).await
    }

    async fn passages(&self, spec: DataSpecId, manifest: &str) -> Result<Vec<Passage>, Fault> {
        let (content, sha) = (self.content.clone(), manifest.to_owned());
        Ok(tokio::task::spawn_blocking(move || Manifest::load(&content, &sha)?.passages(&content, spec)).await??)
    }
}
