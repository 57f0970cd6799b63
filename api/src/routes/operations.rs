//! What those who run it ask: is it alive, is it ready, how is it doing; and the contract's own documents.

use std::sync::Arc;

use actix_web::http::{Method, StatusCode};
use serde_json::json;

use super::answer;
use crate::{
    openapi,
    problem::{Code, Problem},
    reply::{Answer, Reply},
    request::Request,
    route::{Gives, Route, handler},
    schemas::named,
};

const JSON: &str = "application/json";

pub fn routes(all: &mut Vec<Route>) {
    all.extend([
        Route::new(Method::GET, "/healthz", &[], "Whether the process is alive", Gives::Shape(200, JSON, named("Health")), handler!(healthz)),
        Route::new(
            Method::GET,
            "/readyz",
            &[],
            "Whether every store answers and the views keep up",
            Gives::Shape(200, JSON, named("Readiness")),
            handler!(readyz),
        )
        .also(503, named("Readiness")),
        Route::new(Method::GET, "/metrics", &[], "Metrics in Prometheus' text form", Gives::Other(200, "text/plain"), handler!(metrics))
            .errors(&[Code::NotFound]),
        Route::new(
            Method::GET,
            "/openapi.json",
            &[],
            "This API as an OpenAPI 3.1 document",
            Gives::Shape(200, JSON, answer(&["openapi", "info", "servers", "tags", "paths", "components"])),
            handler!(document),
        ),
        Route::new(Method::GET, "/docs", &[], "This API as a page to read", Gives::Other(200, "text/html"), handler!(docs)),
    ]);
}

async fn healthz(_: Arc<Request>) -> Answer {
    Ok(Reply::raw(json!({"status": "ok"}).to_string().into_bytes(), "application/json"))
}

async fn readyz(request: Arc<Request>) -> Answer {
    let health = request.app.health().await;
    let mut reply = Reply::raw(health.body.to_string().into_bytes(), "application/json");
    if !health.ready {
        reply.status = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(reply)
}

async fn metrics(request: Arc<Request>) -> Answer {
    let text = request.app.metrics.as_ref().map(|metrics| metrics.render()).ok_or_else(|| Problem::not_found("The metrics recorder"))?;
    Ok(Reply::raw(text.into_bytes(), "text/plain; version=0.0.4"))
}

async fn docs(_: Arc<Request>) -> Answer {
    Ok(openapi::page::reply())
}

async fn document(_: Arc<Request>) -> Answer {
    Ok(Reply::raw(openapi::document().to_string().into_bytes(), "application/json"))
}
