//! `/api/interactions/replay`: past questions asked again on other settings, as a job with a report for each question.

use std::sync::Arc;

use actix_web::http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use twig_commands::ids::new_id;
use twig_domain::{
    id::{InteractionId, JobId},
    organization::Scope,
    replay::{Corpus, Replay, ReplayCommand, ReplayPlan, Variant},
};
use twig_projections::{ListAt, ListQuery};

use super::{agents, interactions, object, one_of, titled};
use crate::{
    problem::Problem,
    reply::{Answer, Reply},
    request::Request,
    route::{Gives, Route, Takes, handler},
    schemas::named,
};

const WHAT: &str = "The replay";
const DEFAULT_QUESTIONS: u32 = 50;
const MAX_QUESTIONS: u32 = 1000;

pub fn routes(all: &mut Vec<Route>) {
    let properties: Map<String, Value> = interactions::filters().into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    let mut body = one_of(
        &["agentVersion", "patch"],
        json!({
            "filter": object(&[], Value::Object(properties)), "agentVersion": {"type": "integer", "minimum": 1}, "patch": agents::settings_schema(false),
            "corpus": {"enum": ["current", "asOf"]}, "limit": {"type": "integer", "minimum": 1, "maximum": MAX_QUESTIONS},
        }),
    );
    body["properties"]["filter"]["description"] = "Which questions, as in the list of interactions; the newest first".into();
    let scopes = &[Scope::AnalyticsRead, Scope::Chat];
    all.extend([
        Route::new(
            Method::POST,
            "/api/interactions/replay",
            scopes,
            "Ask past questions again on another version of their agents",
            Gives::One(202, named("Replay")),
            handler!(request_replay),
        )
        .takes(Takes::Json(titled("ReplayRequest", body))),
        Route::new(
            Method::GET,
            "/api/interactions/replays/{id}",
            scopes,
            "How far a replay is, and its report for each question",
            Gives::One(200, named("Replay")),
            handler!(read),
        ),
    ]);
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    #[serde(default)]
    filter: Map<String, Value>,
    agent_version: Option<f64>,
    patch: Option<agents::Given>,
    #[serde(default)]
    corpus: Corpus,
    limit: Option<f64>,
}

async fn request_replay(request: Arc<Request>) -> Answer {
    let given: Given = request.body()?;
    let (organization, id) = (request.org()?, new_id::<JobId>(request.now));
    let variant = match (given.agent_version, given.patch) {
        (Some(version), None) => Variant::AgentVersion(version as u64),
        (None, Some(patch)) => Variant::Patch(members(&request, patch).await?),
        _ => return Err(Problem::field("", "needs either agentVersion or patch")),
    };
    let query = ListQuery { limit: given.limit.map_or(DEFAULT_QUESTIONS, |limit| limit as u32), at: ListAt::Offset(0) };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let filter =
        interactions::filter(&given.filter.iter().map(|(name, value)| (name.clone(), text(value))).collect()).map_err(|problem| problem.within("/filter"))?;
    let page = request.app.views.interactions(organization, filter, query).await?;
    // A question whose words are gone can't be asked again.
    let asked = page.rows.iter().filter(|row| row["prompt"].is_string()).filter_map(|row| row["id"].as_str()?.parse().ok());
    let plan = Box::new(ReplayPlan { interactions: asked.collect::<Vec<InteractionId>>(), variant, corpus: given.corpus });
    let outcome = request.execute::<Replay>(id, vec![ReplayCommand::RequestReplay { organization, id, plan }], None).await?;
    let job = request.app.views.replay(organization, id, &request.app.vault).await?.ok_or_else(|| Problem::not_found(WHAT))?;
    Ok(Reply::accepted(&job).header("location", format!("/api/interactions/replays/{id}")).position(outcome.position, request.app.head()))
}

/// The members that are replaced, as an agent has them.
async fn members(request: &Request, patch: agents::Given) -> Result<Value, Problem> {
    let mut members = request.body["patch"].clone();
    let links = patch.patch(request).await.map_err(|problem| problem.within("/patch"))?.data_specs;
    if let Some(object) = members.as_object_mut() {
        object.remove("dataSpecIds");
        if let Some(links) = links {
            object.insert("dataSpecs".into(), json!(links));
        }
    }
    Ok(members)
}

async fn read(request: Arc<Request>) -> Answer {
    let id: JobId = request.id("id", WHAT)?;
    let job = request.app.views.replay(request.org()?, id, &request.app.vault).await?;
    job.map(|job| Reply::ok(&job)).ok_or_else(|| Problem::not_found(WHAT))
}
