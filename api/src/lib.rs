//! HTTP: from a request to commands and views and back. Handlers are short; what every request shares stands in [`dispatch`], what there is in [`route`].

mod body;
mod console;
mod cursor;
mod dispatch;
mod export;
pub mod key;
pub mod limits;
pub mod openapi;
mod problem;
mod reply;
mod request;
pub mod route;
mod routes;
mod schemas;
mod sse;
mod trace;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use actix_web::{
    HttpRequest,
    http::Method,
    web::{self, ServiceConfig},
};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};
use tokio::sync::watch;
use twig_commands::{bus::CommandBus, clock::Clock, content::ContentStore, idempotency::Idempotency, log::EventLog, vault::Vault};
use twig_knowledge::Knowledge;
use twig_projections::{Deliveries, Views};
use twig_workers::WebhookTargets;

use crate::{
    dispatch::{Compiled, Raw},
    limits::RateLimiter,
    problem::Problem,
    route::Takes,
};

/// How long a read waits for the views to show what was written before it.
const MAX_VIEW_WAIT: Duration = Duration::from_secs(5);
/// Events that the views may be behind before the process says that it is not ready.
const MAX_READY_LAG_EVENTS: u64 = 10_000;

/// What every process answers, whatever its role.
const OPERATIONS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// What handlers work with.
pub struct App {
    pub bus: CommandBus,
    pub log: EventLog,
    /// Whether this process is the only one that answers requests: then it knows of every write by itself.
    pub alone: bool,
    pub head: watch::Receiver<u64>,
    pub views: Views,
    pub vault: Vault,
    pub content: ContentStore,
    pub idempotency: Idempotency,
    pub knowledge: Knowledge,
    pub limiter: RateLimiter,
    pub deliveries: Deliveries,
    pub targets: WebhookTargets,
    pub clock: Clock,
    pub runtime: tokio::runtime::Handle,
    pub metrics: Option<PrometheusHandle>,
    /// Set when the process is ending: it is no longer ready.
    pub stopping: watch::Receiver<bool>,
}

/// What `readyz` tells.
pub struct Health {
    pub ready: bool,
    pub body: Value,
}

impl App {
    /// The newest position this process knows of.
    #[must_use]
    pub fn head(&self) -> u64 {
        *self.head.borrow()
    }

    pub async fn wait_for(&self, position: u64) -> Result<(), Problem> {
        if self.views.position() >= position || self.views.wait_for(position, MAX_VIEW_WAIT).await {
            return Ok(());
        }
        Err(Problem::unavailable(format!("The views have not reached position {position} yet")))
    }

    /// Waits for every write that was answered before, by whatever node, and for a position that the client names.
    async fn see_writes(&self, asked: Option<u64>) -> Result<(), Problem> {
        if self.alone {
            return self.wait_for(self.head().max(asked.unwrap_or(0))).await;
        }
        self.see_all_writes().await?;
        self.wait_for(asked.unwrap_or(0)).await
    }

    /// Waits for what the log says now.
    async fn see_all_writes(&self) -> Result<(), Problem> {
        let head = self.log.head().await.map_err(|error| {
            tracing::error!(%error, "the event log's head could not be read");
            Problem::unavailable("The event log can't be read at the moment")
        })?;
        self.wait_for(head).await
    }

    /// Runs what blocks (disk, parsing) on a thread that may block.
    pub async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        self.runtime.spawn_blocking(work).await.map_err(Problem::internal)
    }

    /// Asks every store, and how far the views are behind the log.
    pub async fn health(&self) -> Health {
        let head = self.log.head().await;
        let views = self.views.status().await;
        let content = self.content.clone();
        let content = self.blocking(move || content.contains(&"0".repeat(64))).await.is_ok_and(|answer| answer.is_ok());
        let lag = head.as_ref().map(|head| head.saturating_sub(self.views.position())).unwrap_or(u64::MAX);
        let dead = views.as_ref().map(|all| all.iter().map(|view| view.dead_events).sum::<u64>()).unwrap_or(0);
        let ready = head.is_ok() && views.is_ok() && content && lag <= MAX_READY_LAG_EVENTS && !*self.stopping.borrow();
        let body = json!({
            "status": if ready { "ready" } else { "not_ready" },
            "stores": {"events": head.is_ok(), "views": views.is_ok(), "content": content},
            "projections": {"lagEvents": lag, "deadEvents": dead}, "position": head.unwrap_or(0),
        });
        Health { ready, body }
    }
}

/// The routes as an actix application has them: all of them, or, where requests are other processes' work, those that look after this one.
pub fn configure(app: Arc<App>, whole: bool) -> Result<impl Fn(&mut ServiceConfig) + Clone + Send + 'static, String> {
    let mut by_path: BTreeMap<&'static str, Vec<Compiled>> = BTreeMap::new();
    for route in route::table().into_iter().filter(|route| whole || OPERATIONS.contains(&route.path)) {
        let validator = match &route.takes {
            Takes::Json(schema) | Takes::OptionalJson(schema) => Some(body::compile(schema).map_err(|problem| format!("{}: {problem}", route.path))?),
            Takes::Nothing | Takes::Files | Takes::Foreign => None,
        };
        by_path.entry(route.path).or_default().push(Compiled { route, validator });
    }
    // A literal path is found before one with a parameter in its place.
    let mut paths: Vec<(&'static str, Arc<Vec<Compiled>>)> = by_path.into_iter().map(|(path, routes)| (path, Arc::new(routes))).collect();
    paths.sort_by_key(|(path, _)| path.matches('{').count());
    Ok(move |service: &mut ServiceConfig| {
        for (path, routes) in &paths {
            let (app, routes) = (app.clone(), routes.clone());
            service.service(web::resource(*path).to(move |Raw(http, payload): Raw| dispatch::dispatch(app.clone(), routes.clone(), http, payload)));
        }
        console::configure(service, app.clone());
        let app = app.clone();
        service.default_service(web::to(move |http: HttpRequest| dispatch::unknown(app.clone(), http)));
    })
}

/// Every route's method, path and needed scopes: what tests and documents are generated from.
#[must_use]
pub fn route_list() -> Vec<(Method, &'static str, Vec<&'static str>)> {
    route::table().into_iter().map(|route| (route.method, route.path, route.scopes.iter().map(|scope| scope.name()).collect())).collect()
}
