//! `/api/ai-agent-managers`, and `/api/agents`, which is the same resource.

use std::{collections::BTreeSet, sync::Arc};

use actix_web::http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use twig_commands::ids::new_id;
use twig_domain::{
    agent::{Agent, AgentCommand, AgentPatch, AgentSettings, AgentStatus, DataSpecLink, RagStrategy, ResponseStyle},
    id::{AgentId, DataSpecId},
    organization::Scope,
};
use twig_projections::Resource;

use super::{as_of, not_blank, object, optional_text, text, titled};
use crate::{
    problem::{Field, Problem},
    reply::{Answer, Reply},
    request::Request,
    route::{Gives, Route, Takes, handler},
    schemas::named,
};

const WHAT: &str = "The agent";
/// Both paths of the resource, with the paths below it.
const COLLECTIONS: [(&str, &str, &str, &str); 2] = [
    ("/api/ai-agent-managers", "/api/ai-agent-managers/{id}", "/api/ai-agent-managers/{id}/versions", "/api/ai-agent-managers/{id}/restore"),
    ("/api/agents", "/api/agents/{id}", "/api/agents/{id}/versions", "/api/agents/{id}/restore"),
];

pub fn routes(all: &mut Vec<Route>) {
    for (collection, one, versions, restore_path) in COLLECTIONS {
        let agent = || Gives::One(200, named("Agent"));
        all.extend([
            Route::new(Method::GET, collection, &[Scope::AgentsRead], "List agents", Gives::List(named("Agent")), handler!(list)).paged().query(&as_of()),
            Route::new(Method::POST, collection, &[Scope::AgentsWrite], "Create an agent", Gives::One(201, named("Agent")), handler!(create))
                .takes(Takes::Json(settings_schema(true)))
                .tagged(),
            Route::new(Method::GET, one, &[Scope::AgentsRead], "Read an agent", agent(), handler!(read)).query(&as_of()).tagged(),
            Route::new(Method::PUT, one, &[Scope::AgentsWrite], "Change an agent", agent(), handler!(update))
                .takes(Takes::Json(settings_schema(false)))
                .tagged(),
            Route::new(Method::DELETE, one, &[Scope::AgentsDelete], "Delete an agent", Gives::Deleted, handler!(delete)).tagged(),
            Route::new(Method::GET, versions, &[Scope::AgentsRead], "List an agent's versions", Gives::List(named("AgentVersion")), handler!(list_versions))
                .paged(),
            Route::new(Method::POST, restore_path, &[Scope::AgentsWrite], "Restore an earlier version as a new one", agent(), handler!(restore))
                .takes(Takes::Json(titled("AgentRestore", object(&["version"], json!({"version": {"type": "integer", "minimum": 1}})))))
                .tagged(),
        ]);
    }
}

pub(super) fn settings_schema(creating: bool) -> Value {
    let link = object(
        &["id"],
        json!({
            "id": text(1, 64), "enabled": {"type": "boolean"}, "tier": {"type": "integer", "minimum": 1, "maximum": 2},
            "tags": {"type": "array", "maxItems": 50, "items": text(1, 100)},
        }),
    );
    let settings = object(
        if creating { &["name"] } else { &[] },
        json!({
            "name": text(1, 120), "description": optional_text(2000), "status": {"enum": ["active", "inactive", "draft"]},
            "systemPrompt": optional_text(32_000), "model": not_blank(200), "temperature": {"type": "number", "minimum": 0, "maximum": 2},
            "maxTokens": {"type": "integer", "minimum": 1, "maximum": 32_000}, "ragStrategy": {"enum": ["redwood", "cedar", "cypress"]},
            "topK": {"type": "integer", "minimum": 1, "maximum": 50}, "minScore": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
            "minGrounding": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
            "fallbackMessage": text(1, 4000), "responseStyle": {"enum": ["concise", "detailed", "technical", null]},
            "tone": optional_text(200), "language": optional_text(35),
            "dataSpecs": {"type": "array", "maxItems": 200, "items": link}, "dataSpecIds": {"type": "array", "maxItems": 200, "items": text(1, 64), "description": "A shorthand for enabled `dataSpecs`"},
        }),
    );
    titled(if creating { "AgentCreate" } else { "AgentUpdate" }, settings)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Given {
    name: Option<String>,
    #[serde(default, deserialize_with = "super::present")]
    description: Option<Option<String>>,
    status: Option<AgentStatus>,
    #[serde(default, deserialize_with = "super::present")]
    system_prompt: Option<Option<String>>,
    model: Option<String>,
    temperature: Option<f64>,
    max_tokens: Option<f64>,
    rag_strategy: Option<RagStrategy>,
    top_k: Option<f64>,
    #[serde(default, deserialize_with = "super::present")]
    min_score: Option<Option<f64>>,
    #[serde(default, deserialize_with = "super::present")]
    min_grounding: Option<Option<f64>>,
    fallback_message: Option<String>,
    #[serde(default, deserialize_with = "super::present")]
    response_style: Option<Option<ResponseStyle>>,
    #[serde(default, deserialize_with = "super::present")]
    tone: Option<Option<String>>,
    #[serde(default, deserialize_with = "super::present")]
    language: Option<Option<String>>,
    data_specs: Option<Vec<GivenLink>>,
    data_spec_ids: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct GivenLink {
    id: String,
    enabled: Option<bool>,
    tier: Option<f64>,
    tags: Option<Vec<String>>,
}

impl Given {
    pub(super) async fn patch(self, request: &Request) -> Result<AgentPatch, Problem> {
        if let Some(model) = &self.model {
            request.app.knowledge.check_model(model).map_err(|reason| Problem::field("/model", reason))?;
        }
        let links = match (self.data_specs, self.data_spec_ids) {
            // The shorthand adds what the long form does not have.
            (Some(links), Some(ids)) => {
                let mut links: Vec<_> = links.into_iter().map(GivenLink::parsed).collect();
                for id in ids {
                    if links.iter().all(|(known, _)| *known != id) {
                        links.push((id.clone(), id.parse().ok().map(DataSpecLink::to)));
                    }
                }
                Some(("dataSpecs", links))
            }
            (Some(links), None) => Some(("dataSpecs", links.into_iter().map(GivenLink::parsed).collect::<Vec<_>>())),
            (None, Some(ids)) => Some(("dataSpecIds", ids.into_iter().map(|id| (id.clone(), id.parse().ok().map(DataSpecLink::to))).collect())),
            (None, None) => None,
        };
        let data_specs = match links {
            Some((member, links)) => Some(known_links(request, member, links).await?),
            None => None,
        };
        Ok(AgentPatch {
            name: self.name,
            description: self.description,
            status: self.status,
            system_prompt: self.system_prompt,
            model: self.model,
            temperature: self.temperature,
            max_tokens: self.max_tokens.map(|tokens| tokens as u32),
            rag_strategy: self.rag_strategy,
            top_k: self.top_k.map(|k| k as u32),
            min_score: self.min_score,
            min_grounding: self.min_grounding,
            fallback_message: self.fallback_message,
            response_style: self.response_style,
            tone: self.tone,
            language: self.language,
            data_specs,
        })
    }
}

impl GivenLink {
    fn parsed(self) -> (String, Option<DataSpecLink>) {
        let link = self.id.parse::<DataSpecId>().ok().map(|id| DataSpecLink {
            enabled: self.enabled.unwrap_or(true),
            tier: self.tier.unwrap_or(1.0) as u8,
            tags: self.tags.unwrap_or_default(),
            ..DataSpecLink::to(id)
        });
        (self.id, link)
    }
}

/// Data specs that are not this organization's, or given twice, are named.
async fn known_links(request: &Request, member: &str, given: Vec<(String, Option<DataSpecLink>)>) -> Result<Vec<DataSpecLink>, Problem> {
    let ids: Vec<DataSpecId> = given.iter().filter_map(|(_, link)| link.as_ref().map(|link| link.id)).collect();
    let missing = request.app.views.missing_data_specs(request.org()?, &ids).await?;
    let (mut links, mut fields, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (place, (text, link)) in given.into_iter().enumerate() {
        match link {
            Some(link) if missing.contains(&link.id) => fields.push(Field::new(format!("/{member}/{place}"), format!("data spec {text} was not found"))),
            Some(link) if !seen.insert(link.id) => fields.push(Field::new(format!("/{member}/{place}"), format!("data spec {text} is given twice"))),
            Some(link) => links.push(link),
            None => fields.push(Field::new(format!("/{member}/{place}"), format!("data spec {text} was not found"))),
        }
    }
    if fields.is_empty() { Ok(links) } else { Err(Problem::fields(fields)) }
}

async fn list(request: Arc<Request>) -> Answer {
    let paging = request.paging()?;
    let page = match request.as_of()? {
        Some(as_of) => request.app.views.agents_as_of(request.org()?, as_of, paging.query.clone()).await?,
        None => request.app.views.agents(request.org()?, paging.query.clone()).await?,
    };
    Ok(Reply::page(page, &paging))
}

async fn create(request: Arc<Request>) -> Answer {
    let patch = request.body::<Given>()?.patch(&request).await?;
    let id: AgentId = new_id(request.now);
    let settings = Box::new(patch.onto(&AgentSettings::named(String::new())));
    let outcome = request.execute::<Agent>(id, vec![AgentCommand::CreateAgent { organization: request.org()?, id, settings }], None).await?;
    let agent = current(&request, id).await?;
    Ok(Reply::created(format!("{}/{id}", request.path), &agent.body).etag(agent.version).position(outcome.position, request.app.head()))
}

async fn read(request: Arc<Request>) -> Answer {
    let id = request.id("id", WHAT)?;
    let found = match request.as_of()? {
        Some(as_of) => request.app.views.agent_as_of(request.org()?, id, as_of).await?,
        None => request.app.views.agent(request.org()?, id).await?,
    };
    found.map(|agent| Reply::resource(&agent)).ok_or_else(|| Problem::not_found(WHAT))
}

async fn update(request: Arc<Request>) -> Answer {
    let id = request.id("id", WHAT)?;
    let before = current(&request, id).await?;
    let expected = request.expected_version(before.version)?;
    let patch = Box::new(request.body::<Given>()?.patch(&request).await?);
    let outcome = request.execute::<Agent>(id, vec![AgentCommand::UpdateAgent { patch }], expected).await?;
    changed(&request, id, outcome.position).await
}

async fn delete(request: Arc<Request>) -> Answer {
    let id: AgentId = request.id("id", WHAT)?;
    let before = current(&request, id).await?;
    let expected = request.expected_version(before.version)?;
    let outcome = request.execute::<Agent>(id, vec![AgentCommand::DeleteAgent], expected).await?;
    Ok(Reply::deleted(&id.to_string()).position(outcome.position, request.app.head()))
}

async fn list_versions(request: Arc<Request>) -> Answer {
    let id = request.id("id", WHAT)?;
    current(&request, id).await?;
    let paging = request.paging()?;
    let page = request.app.views.agent_versions(request.org()?, id, paging.query.clone()).await?;
    Ok(Reply::page(page, &paging))
}

async fn restore(request: Arc<Request>) -> Answer {
    let id = request.id("id", WHAT)?;
    current(&request, id).await?;
    let version = request.body["version"].as_f64().unwrap_or_default() as u64;
    let settings = request.app.views.agent_settings_at(request.org()?, id, version).await?;
    let settings = Box::new(settings.ok_or_else(|| Problem::not_found("This version of the agent"))?);
    let outcome = request.execute::<Agent>(id, vec![AgentCommand::RestoreAgent { version, settings }], None).await?;
    changed(&request, id, outcome.position).await
}

async fn current(request: &Request, id: AgentId) -> Result<Resource, Problem> {
    request.app.views.agent(request.org()?, id).await?.ok_or_else(|| Problem::not_found(WHAT))
}

async fn changed(request: &Request, id: AgentId, position: Option<u64>) -> Answer {
    let agent = current(request, id).await?;
    Ok(Reply::resource(&agent).position(position, request.app.head()))
}
