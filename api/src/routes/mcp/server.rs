//! What MCP clients find: the tools, and each active agent as a resource `twig://{agentId}`.

use std::sync::Arc;

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CustomRequest, CustomResult, ErrorCode, Implementation, ListResourceTemplatesResult, ListResourcesResult,
        ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource, ResourceContents,
        ResourceTemplate, ServerCapabilities, ServerConfig,
    },
    service::RequestContext,
};
use serde_json::Value;
use twig_domain::{
    EventMeta, Timestamp,
    id::{AgentId, OrgId},
};
use twig_projections::{ListAt, ListQuery};

use super::{JSON, tools};
use crate::{App, problem::Problem, request::Request};

const MAX_AGENTS: u32 = 1000;
const RESOURCE_MEMBERS: [&str; 7] = ["id", "name", "description", "status", "model", "ragStrategy", "dataSpecs"];
/// Methods that need parameters: a message of one of them that `rmcp` takes for a custom one has none that fit.
const NEED_PARAMS: [&str; 3] = ["initialize", "tools/call", "resources/read"];

/// The server of one request, with the rights and the record of its key.
#[derive(Clone)]
pub(super) struct AgentServer {
    pub app: Arc<App>,
    pub organization: OrgId,
    pub meta: EventMeta,
    pub now: Timestamp,
    /// The agent of the header.
    pub agent: Option<String>,
}

impl AgentServer {
    pub fn of(request: &Request) -> Result<Self, Problem> {
        let organization = request.org()?;
        let agent = request.header("x-twig-agent-id").map(str::to_owned);
        Ok(Self { app: request.app.clone(), organization, meta: request.meta(organization), now: request.now, agent })
    }

    pub async fn active(&self) -> Result<Vec<Value>, Problem> {
        let page = self.app.views.agents(self.organization, ListQuery { limit: MAX_AGENTS, at: ListAt::Offset(0) }).await?;
        Ok(page.rows.into_iter().filter(|agent| agent["status"] == "active").collect())
    }
}

impl ServerHandler for AgentServer {
    fn get_info(&self) -> ServerConfig {
        let about = Implementation::new("twig", env!("CARGO_PKG_VERSION")).with_title("Twig AI");
        ServerConfig::new(ServerCapabilities::builder().enable_tools().enable_resources().build()).with_server_info(about).with_instructions(
            "Search an organization's documents with search_knowledge, or have one of its agents answer with cited sources by ask_a_question.",
        )
    }

    async fn list_tools(&self, _: Option<PaginatedRequestParams>, _: RequestContext<RoleServer>) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::all()))
    }

    async fn call_tool(&self, asked: CallToolRequestParams, _: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        tools::call(self, &asked.name, asked.arguments.unwrap_or_default()).await.map(CallToolResponse::from)
    }

    async fn list_resources(&self, _: Option<PaginatedRequestParams>, _: RequestContext<RoleServer>) -> Result<ListResourcesResult, ErrorData> {
        let agents = self.active().await.map_err(failed)?;
        let shown = |agent: &Value| {
            let text = |member: &str| agent[member].as_str().unwrap_or_default().to_owned();
            Resource::new(uri(&text("id")), text("name")).with_description(text("description")).with_mime_type(JSON)
        };
        Ok(ListResourcesResult::with_all_items(agents.iter().map(shown).collect()))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(vec![ResourceTemplate::new(uri("{agentId}"), "agent").with_mime_type(JSON)]))
    }

    async fn read_resource(&self, asked: ReadResourceRequestParams, _: RequestContext<RoleServer>) -> Result<ReadResourceResponse, ErrorData> {
        let uri = asked.uri;
        let missing = || ErrorData::resource_not_found(format!("the resource {uri} was not found"), None);
        let id: AgentId = uri.strip_prefix("twig://").and_then(|id| id.trim_end_matches('/').parse().ok()).ok_or_else(missing)?;
        let agent = self.app.views.agent(self.organization, id).await.map_err(|error| failed(error.into()))?.ok_or_else(missing)?;
        let about: serde_json::Map<String, Value> = RESOURCE_MEMBERS.into_iter().map(|name| (name.to_owned(), agent.body[name].clone())).collect();
        let contents = ResourceContents::text(Value::Object(about).to_string(), uri).with_mime_type(JSON);
        Ok(ReadResourceResult::new(vec![contents]).into())
    }

    async fn on_custom_request(&self, asked: CustomRequest, _: RequestContext<RoleServer>) -> Result<CustomResult, ErrorData> {
        let method = asked.method;
        if NEED_PARAMS.contains(&method.as_str()) {
            return Err(ErrorData::invalid_params(format!("the params of {method} are missing or do not fit"), None));
        }
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, format!("the method {method} is not known"), None))
    }
}

fn uri(id: &str) -> String {
    format!("twig://{id}")
}

fn failed(problem: Problem) -> ErrorData {
    ErrorData::internal_error(problem.message, None)
}
