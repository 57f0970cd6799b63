//! Searches without an answer.

use serde::Deserialize;
use serde_json::{Value, json};
use twig_domain::{
    agent::AgentSettings,
    data_spec::PublishedIndex,
    id::{AgentId, DataSpecId, OrgId},
    interaction::{Location, Source},
};
use twig_projections::ViewError;
use twig_retrieval::{Hit, Mode, Query, Search, search};

use crate::{Knowledge, fault::Fault, indexes::Index};

const SNIPPET_CHARS: usize = 300;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchMode {
    #[default]
    Hybrid,
    Vector,
    Keyword,
}

pub struct SearchRequest {
    pub query: String,
    pub agent_id: Option<AgentId>,
    pub data_spec_ids: Option<Vec<DataSpecId>>,
    pub top_k: usize,
    pub min_score: Option<f32>,
    pub mode: SearchMode,
    /// Data specs with one of these tags; none is no condition.
    pub tags: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error("the agent does not exist")]
    AgentNotFound,
    #[error("the views failed")]
    View(#[from] ViewError),
    #[error("an index could not be searched: {0}")]
    Index(Fault),
}

impl SearchError {
    /// The fault itself, where it is one: a part of another would hide its cause.
    pub(crate) fn into_fault(self) -> Fault {
        match self {
            Self::Index(fault) => fault,
            error => error.into(),
        }
    }
}

/// An index that is searched, and where it comes from.
pub(crate) struct Searched {
    pub data_spec: DataSpecId,
    pub published: PublishedIndex,
    pub index: Index,
}

impl Knowledge {
    pub async fn search(&self, organization: OrgId, request: SearchRequest) -> Result<Vec<Value>, SearchError> {
        let mut ids = request.data_spec_ids;
        if let Some(agent) = request.agent_id {
            let agent = self.views.agent(organization, agent).await?.ok_or(SearchError::AgentNotFound)?;
            let settings: AgentSettings = serde_json::from_value(agent.body).map_err(|error| SearchError::Index(error.into()))?;
            let linked: Vec<DataSpecId> = settings.data_specs.iter().filter(|link| link.enabled).map(|link| link.id).collect();
            ids = Some(ids.map_or(linked.clone(), |ids| ids.into_iter().filter(|id| linked.contains(id)).collect()));
        }
        let searched = self.searched(organization, ids, &request.tags).await?;
        let indexes: Vec<Index> = searched.into_iter().map(|one| one.index).collect();
        let models = indexes.iter().map(Index::model).collect();
        let vectors = if request.mode == SearchMode::Keyword { Default::default() } else { self.question_vectors(&request.query, models).await };
        let mode = match request.mode {
            SearchMode::Hybrid => Mode::Hybrid,
            SearchMode::Vector => Mode::Vector,
            SearchMode::Keyword => Mode::Keyword,
        };
        let knowledge = self.clone();
        let hits = tokio::task::spawn_blocking(move || {
            let searches = [Search { text: request.query.clone(), vectors }];
            let indexes = knowledge.touched(&[indexes], &searches, &request.query, mode)?.concat();
            Ok::<_, Fault>(search(&indexes, &Query { text: &request.query, vectors: &searches[0].vectors, mode, limit: request.top_k }))
        });
        let hits = hits.await.map_err(|error| SearchError::Index(error.into()))?.map_err(SearchError::Index)?;
        let wanted = hits.iter().filter(|hit| request.min_score.is_none_or(|least| hit.score >= least));
        Ok(wanted.enumerate().filter_map(|(place, hit)| result(place, hit)).collect())
    }

    /// The published indexes of these data specs that have one of the tags.
    pub(crate) async fn searched(&self, organization: OrgId, ids: Option<Vec<DataSpecId>>, tags: &[String]) -> Result<Vec<Searched>, SearchError> {
        let mut published = self.views.published_indexes(organization, ids).await?;
        published.retain(|(_, _, own)| tags.is_empty() || own.iter().any(|tag| tags.contains(tag)));
        self.opened(published.into_iter().map(|(data_spec, index, _)| (data_spec, index)).collect()).await
    }

    /// These indexes.
    pub(crate) async fn opened(&self, corpus: Vec<(DataSpecId, PublishedIndex)>) -> Result<Vec<Searched>, SearchError> {
        let wanted = corpus.iter().map(|(data_spec, index)| (*data_spec, index.manifest.clone(), index.model.clone())).collect();
        let indexes = self.open_indexes(wanted).await.map_err(SearchError::Index)?;
        Ok(corpus.into_iter().zip(indexes).map(|((data_spec, published), index)| Searched { data_spec, published, index }).collect())
    }
}

/// A hit as the API's source object. Identifiers are ours, so one that cannot be read is none of this index.
pub(crate) fn source(place: usize, hit: &Hit) -> Option<Source> {
    let passage = &hit.passage;
    Some(Source {
        index: place as u32 + 1,
        chunk_id: passage.chunk_id.parse().ok()?,
        document_id: passage.document_id.parse().ok()?,
        document_title: passage.title.clone(),
        document_url: passage.url.clone(),
        data_spec_id: passage.data_spec_id.parse().ok()?,
        snippet: snippet(&passage.text),
        score: (f64::from(hit.score) * 1e4).round() / 1e4,
        location: Location { page: passage.page, heading_path: passage.heading_path.clone(), start: passage.start as u64, end: passage.end as u64 },
    })
}

fn result(place: usize, hit: &Hit) -> Option<Value> {
    let mut result = serde_json::to_value(source(place, hit)?).ok()?;
    result["content"] = hit.passage.text.clone().into();
    result["scores"] = json!({"vector": hit.vector, "keyword": hit.keyword});
    Some(result)
}

/// The beginning of a passage, cut at a word.
fn snippet(text: &str) -> String {
    let text = text.trim();
    if text.chars().count() <= SNIPPET_CHARS {
        return text.to_owned();
    }
    let cut: String = text.chars().take(SNIPPET_CHARS).collect();
    let end = cut.rfind(char::is_whitespace).unwrap_or(cut.len());
    format!("{}…", &cut[..end])
}
