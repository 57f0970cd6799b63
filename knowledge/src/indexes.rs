//! Indexes in memory: made from a manifest and the content store when first searched, and kept while there is room.

use std::{collections::HashMap, sync::Arc, time::Duration};

use moka::future::Cache;
use twig_domain::id::DataSpecId;
use twig_retrieval::{BuiltIn, SpecIndex, embedding_text};

use crate::{Embeddings, Knowledge, manifest::Manifest};

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
    pub(crate) async fn load_index(&self, spec: DataSpecId, manifest: &str, model: &str) -> Result<Arc<SpecIndex>, String> {
        let key = (spec, manifest.to_owned(), model.to_owned());
        let made = self.indexes.indexes.try_get_with(key, self.make_index(spec, manifest.to_owned(), model.to_owned())).await;
        made.map_err(|error: Arc<String>| error.to_string())
    }

    async fn make_index(&self, spec: DataSpecId, manifest: String, model: String) -> Result<Arc<SpecIndex>, String> {
        let content = self.content.clone();
        let read = tokio::task::spawn_blocking(move || {
            let manifest = Manifest::load(&content, &manifest).map_err(|error| error.to_string())?;
            manifest.passages(&content, spec).map_err(|error| error.to_string())
        });
        let passages = read.await.map_err(|error| error.to_string())??;
        let texts = passages.iter().map(embedding_text).collect();
        let vectors = self.embed(&model, texts).await?;
        tokio::task::spawn_blocking(move || Arc::new(SpecIndex::build(&model, passages, vectors))).await.map_err(|error| error.to_string())
    }

    /// Vectors made now.
    pub(crate) async fn embed_now(&self, model: &str, texts: Vec<String>) -> Result<Vec<Vec<f32>>, String> {
        match BuiltIn::by_name(model) {
            Some(built_in) => tokio::task::spawn_blocking(move || built_in.embed_passages(&texts)).await.map_err(|error| error.to_string()),
            None => self.models.embed(model, texts).await.map_err(|error| error.to_string()),
        }
    }

    /// The question's vector by each model that is searched.
    pub(crate) async fn question_vectors(&self, question: &str, indexes: &[Arc<SpecIndex>]) -> Result<HashMap<String, Vec<f32>>, String> {
        let mut vectors = HashMap::new();
        for index in indexes {
            if vectors.contains_key(&index.model) {
                continue;
            }
            let key = (index.model.clone(), question.to_owned());
            let (text, model) = (question.to_owned(), index.model.clone());
            let made = self.indexes.questions.try_get_with(key, async {
                let vector = match BuiltIn::by_name(&model) {
                    Some(built_in) => tokio::task::spawn_blocking(move || built_in.embed_query(&text)).await.map_err(|error| error.to_string())?,
                    None => self.models.embed(&model, vec![text]).await.map_err(|error| error.to_string())?.into_iter().next().unwrap_or_default(),
                };
                Ok::<_, String>(Arc::new(vector))
            });
            vectors.insert(index.model.clone(), made.await.map_err(|error| error.to_string())?.as_ref().clone());
        }
        Ok(vectors)
    }
}

const SHARPEN_BATCH_PASSAGES: usize = 8;

impl Knowledge {
    /// Embeds every passage of an index by the small transformer, reporting how far it is; the model's name when all are done. What a process that
    /// died had embedded is not embedded again.
    pub async fn sharpen(&self, organization: twig_domain::id::OrgId, spec: DataSpecId, manifest: &str) -> Result<String, String> {
        let model = BuiltIn::MiniLm.name().to_owned();
        let (content, sha) = (self.content.clone(), manifest.to_owned());
        let read = tokio::task::spawn_blocking(move || {
            let manifest = Manifest::load(&content, &sha).map_err(|error| error.to_string())?;
            manifest.passages(&content, spec).map_err(|error| error.to_string())
        });
        let texts: Vec<String> = read.await.map_err(|error| error.to_string())??.iter().map(embedding_text).collect();
        let report = async |done: usize| {
            let next = serde_json::json!({"model": model, "done": done, "total": texts.len()});
            self.views.report_embedding(organization, spec, manifest.to_owned(), Some(next)).await.map_err(|error| error.to_string())
        };
        for (batch, passages) in texts.chunks(SHARPEN_BATCH_PASSAGES).enumerate() {
            report(batch * SHARPEN_BATCH_PASSAGES).await?;
            self.embed(&model, passages.to_vec()).await?;
        }
        self.load_index(spec, manifest, &model).await?;
        Ok(model)
    }
}
