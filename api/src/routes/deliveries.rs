//! The delivery log of a webhook: what was sent, how it went, and once more.

use std::sync::Arc;

use actix_web::http::Method;
use serde_json::{Value, json};
use twig_domain::{
    Timestamp,
    id::{DeliveryId, WebhookId},
    organization::Scope,
};
use twig_projections::{DeliveryFilter, MESSAGE_TYPES};

use super::{object, time, titled, webhooks};
use crate::{
    problem::{Field, Problem},
    reply::{Answer, Reply},
    request::{Request, bad_parameter},
    route::{Gives, Route, Takes, handler},
    schemas::named,
};

const WHAT: &str = "The delivery";
const SCOPE: &[Scope] = &[Scope::WebhooksWrite];
const STATUSES: [&str; 3] = ["pending", "succeeded", "failed"];

pub fn routes(all: &mut Vec<Route>) {
    let empty = || Takes::OptionalJson(object(&[], json!({})));
    all.extend([
        Route::new(Method::GET, "/api/webhooks/{id}/deliveries", SCOPE, "List a webhook's deliveries", Gives::List(named("Delivery")), handler!(list))
            .paged()
            .query(&[("status", json!({ "enum": STATUSES })), ("type", json!({ "enum": MESSAGE_TYPES }))]),
        Route::new(Method::GET, "/api/webhooks/deliveries/{id}", SCOPE, "Read a delivery and its payload", Gives::One(200, named("Delivery")), handler!(read)),
        Route::new(
            Method::POST,
            "/api/webhooks/deliveries/{id}/retry",
            SCOPE,
            "Send a delivery again now",
            Gives::One(202, named("Delivery")),
            handler!(retry),
        )
        .takes(empty()),
        Route::new(
            Method::POST,
            "/api/webhooks/{id}/retry-failed",
            SCOPE,
            "Send every failed delivery of a range again",
            Gives::One(202, named("WebhookRetries")),
            handler!(retry_failed),
        )
        .takes(Takes::OptionalJson(titled("WebhookRetryFailed", object(&[], json!({"since": time(), "until": time()}))))),
    ]);
}

async fn list(request: Arc<Request>) -> Answer {
    let webhook: WebhookId = request.id("id", webhooks::WHAT)?;
    webhooks::current(&request, webhook).await?;
    let one_of = |name: &str, allowed: &[&str]| match request.query.get(name) {
        Some(given) if !allowed.contains(&given.as_str()) => Err(bad_parameter(name, &format!("one of {}", allowed.join(", ")))),
        given => Ok(given.cloned()),
    };
    let filter = DeliveryFilter { status: one_of("status", &STATUSES)?, message_type: one_of("type", &MESSAGE_TYPES)? };
    let paging = request.paging()?;
    Ok(Reply::page(request.app.deliveries.list(request.org()?, webhook.to_string(), filter, paging.query.clone()).await?, &paging))
}

async fn read(request: Arc<Request>) -> Answer {
    Ok(Reply::ok(&current(&request, request.id("id", WHAT)?).await?))
}

async fn retry(request: Arc<Request>) -> Answer {
    let id: DeliveryId = request.id("id", WHAT)?;
    if !request.app.deliveries.retry(request.org()?, id.to_string(), request.now).await? {
        return Err(Problem::not_found(WHAT));
    }
    Ok(Reply::accepted(&current(&request, id).await?))
}

async fn retry_failed(request: Arc<Request>) -> Answer {
    let webhook: WebhookId = request.id("id", webhooks::WHAT)?;
    webhooks::current(&request, webhook).await?;
    let mut fields = Vec::new();
    let mut time = |name: &str, default: Timestamp| match request.body[name].as_str() {
        None => default,
        Some(text) => text.parse().unwrap_or_else(|_| {
            fields.push(Field::new(format!("/{name}"), "must be an RFC 3339 time"));
            default
        }),
    };
    let (since, until) = (time("since", Timestamp::from_millis(0)), time("until", request.now));
    if !fields.is_empty() {
        return Err(Problem::fields(fields));
    }
    let count = request.app.deliveries.retry_failed(request.org()?, webhook.to_string(), since, until, request.now).await?;
    Ok(Reply::accepted(&json!({"webhookId": webhook, "retried": count})))
}

async fn current(request: &Request, id: DeliveryId) -> Result<Value, Problem> {
    request.app.deliveries.one(request.org()?, id.to_string()).await?.ok_or_else(|| Problem::not_found(WHAT))
}
