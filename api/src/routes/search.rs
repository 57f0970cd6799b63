//! `POST /api/semantic-search`: the passages that fit a query; no model is called and nothing is recorded.

use std::{sync::Arc, time::Instant};

use actix_web::http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use twig_domain::{
    id::{AgentId, DataSpecId, OrgId},
    organization::Scope,
};
use twig_knowledge::search::{SearchError, SearchMode, SearchRequest};

use super::{object, text, titled};
use crate::{
    App,
    problem::{Field, Problem},
    reply::{Answer, Reply},
    request::Request,
    route::{Gives, Route, Takes, handler},
    schemas::named,
};

pub fn routes(all: &mut Vec<Route>) {
    let filters = object(&[], json!({"tags": {"type": "array", "maxItems": 50, "items": text(1, 100)}}));
    let body = object(
        &["query"],
        json!({
            "query": text(1, 32_000), "agentId": text(1, 64), "dataSpecIds": {"type": "array", "maxItems": 200, "items": text(1, 64)},
            "topK": {"type": "integer", "minimum": 1, "maximum": 50}, "minScore": {"type": "number", "minimum": 0, "maximum": 1},
            "mode": {"enum": ["hybrid", "vector", "keyword"]}, "filters": filters,
        }),
    );
    all.push(
        Route::new(Method::POST, "/api/semantic-search", &[Scope::Chat], "Search documents", Gives::One(200, named("SearchResults")), handler!(search))
            .takes(Takes::Json(titled("SearchRequest", body))),
    );
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    query: String,
    agent_id: Option<String>,
    data_spec_ids: Option<Vec<String>>,
    top_k: Option<f64>,
    min_score: Option<f32>,
    #[serde(default)]
    mode: SearchMode,
    #[serde(default)]
    filters: GivenFilters,
}

#[derive(Default, Deserialize)]
struct GivenFilters {
    #[serde(default)]
    tags: Vec<String>,
}

async fn search(request: Arc<Request>) -> Answer {
    Ok(Reply::ok(&find(&request.app, request.org()?, &request.body).await?))
}

pub(super) async fn find(app: &App, organization: OrgId, body: &Value) -> Result<Value, Problem> {
    let started = Instant::now();
    let given = Given::deserialize(body).map_err(|error| Problem::field("", error.to_string()))?;
    let agent_id = given.agent_id.map(|text| text.parse::<AgentId>().map_err(|_| Problem::not_found("The agent"))).transpose()?;
    let data_spec_ids = match given.data_spec_ids {
        Some(texts) => Some(data_specs(app, organization, texts).await?),
        None => None,
    };
    let asked = SearchRequest {
        query: given.query,
        agent_id,
        data_spec_ids,
        top_k: given.top_k.unwrap_or(8.0) as usize,
        min_score: given.min_score,
        mode: given.mode,
        tags: given.filters.tags,
    };
    let results = app.knowledge.search(organization, asked).await.map_err(|error| match error {
        SearchError::AgentNotFound => Problem::not_found("The agent"),
        SearchError::View(error) => error.into(),
        SearchError::Index(fault) => Problem::fault(fault.cause()),
    })?;
    Ok(json!({"results": results, "latencyMs": started.elapsed().as_millis() as u64}))
}

/// An unknown data spec is named.
async fn data_specs(app: &App, organization: OrgId, texts: Vec<String>) -> Result<Vec<DataSpecId>, Problem> {
    let parsed: Vec<Option<DataSpecId>> = texts.iter().map(|text| text.parse().ok()).collect();
    let known: Vec<DataSpecId> = parsed.iter().flatten().copied().collect();
    let missing = app.views.missing_data_specs(organization, &known).await?;
    let unknown = parsed.iter().enumerate().filter(|(_, id)| id.is_none_or(|id| missing.contains(&id)));
    let fields: Vec<Field> =
        unknown.map(|(place, _)| Field::new(format!("/dataSpecIds/{place}"), format!("data spec {} was not found", texts[place]))).collect();
    if fields.is_empty() { Ok(known) } else { Err(Problem::fields(fields)) }
}
