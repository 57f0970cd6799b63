//! `/api/api-keys`: keys of the organization. A key's secret is answered once, when it is made.

use std::sync::Arc;

use actix_web::http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use twig_commands::ids::new_id;
use twig_domain::{
    Timestamp,
    id::KeyId,
    organization::{KeyRecord, Organization, OrganizationCommand, Scope},
};

use super::{object, text, titled};
use crate::{
    key,
    problem::Problem,
    reply::{Answer, Reply},
    request::Request,
    route::{Gives, Route, Takes, handler},
    schemas::named,
};

const WHAT: &str = "The API key";
const MAX_OVERLAP_S: u64 = 30 * 86_400;
const DEFAULT_OVERLAP_S: u64 = 86_400;

pub fn routes(all: &mut Vec<Route>) {
    let scopes: Vec<_> = Scope::ALL.iter().map(|scope| scope.name()).collect();
    let new = object(
        &["name", "scopes"],
        json!({
            "name": text(1, 120), "scopes": {"type": "array", "minItems": 1, "uniqueItems": true, "items": {"enum": scopes}},
            "expiresAt": {"type": ["string", "null"], "format": "date-time"}, "test": {"type": "boolean"},
        }),
    );
    let rotate_body = object(&[], json!({"overlapSeconds": {"type": "integer", "minimum": 0, "maximum": MAX_OVERLAP_S}}));
    let with_key = || named("ApiKeyWithSecret");
    all.extend([
        Route::new(Method::GET, "/api/api-keys", &[Scope::Admin], "List API keys", Gives::List(named("ApiKey")), handler!(list)).paged(),
        Route::new(Method::POST, "/api/api-keys", &[Scope::Admin], "Issue an API key", Gives::One(201, with_key()), handler!(issue))
            .takes(Takes::Json(titled("ApiKeyCreate", new))),
        Route::new(Method::GET, "/api/api-keys/{id}", &[Scope::Admin], "Read an API key", Gives::One(200, named("ApiKey")), handler!(read)).tagged(),
        Route::new(Method::DELETE, "/api/api-keys/{id}", &[Scope::Admin], "Revoke an API key", Gives::Deleted, handler!(revoke)),
        Route::new(Method::POST, "/api/api-keys/{id}/rotate", &[Scope::Admin], "Give an API key a new secret", Gives::One(200, with_key()), handler!(rotate))
            .takes(Takes::OptionalJson(titled("SecretRotation", rotate_body))),
    ]);
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    name: String,
    scopes: Vec<Scope>,
    expires_at: Option<String>,
    #[serde(default)]
    test: bool,
}

async fn list(request: Arc<Request>) -> Answer {
    let paging = request.paging()?;
    Ok(Reply::page(request.app.views.api_keys(request.org()?, paging.query.clone()).await?, &paging))
}

async fn read(request: Arc<Request>) -> Answer {
    let id = request.id("id", WHAT)?;
    let found = current(&request, id).await?;
    Ok(Reply::ok(&found).etag(found["version"].as_u64().unwrap_or_default()))
}

async fn issue(request: Arc<Request>) -> Answer {
    let given: Given = request.body()?;
    let expires_at: Option<Timestamp> =
        given.expires_at.map(|text| text.parse().map_err(|_| Problem::field("/expiresAt", "must be an RFC 3339 time"))).transpose()?;
    if expires_at.is_some_and(|end| end <= request.now) {
        return Err(Problem::field("/expiresAt", "must be in the future"));
    }
    let secret = key::generate(given.test);
    let record =
        KeyRecord { name: given.name, scopes: given.scopes, sha256: key::sha256(&secret), last_four: key::last_four(&secret), test: given.test, expires_at };
    let key_id: KeyId = new_id(request.now);
    let outcome = request.execute::<Organization>(request.org()?, vec![OrganizationCommand::IssueApiKey { key_id, key: record }], None).await?;
    let body = with_secret(current(&request, key_id).await?, secret);
    Ok(Reply::created(format!("/api/api-keys/{key_id}"), &body).position(outcome.position, request.app.head()))
}

async fn revoke(request: Arc<Request>) -> Answer {
    let key_id: KeyId = request.id("id", WHAT)?;
    let outcome = request.execute::<Organization>(request.org()?, vec![OrganizationCommand::RevokeApiKey { key_id }], None).await?;
    Ok(Reply::deleted(&key_id.to_string()).position(outcome.position, request.app.head()))
}

async fn rotate(request: Arc<Request>) -> Answer {
    let key_id: KeyId = request.id("id", WHAT)?;
    let before = current(&request, key_id).await?;
    let overlap_s = request.body["overlapSeconds"].as_f64().map_or(DEFAULT_OVERLAP_S, |seconds| seconds as u64);
    let secret = key::generate(before["test"].as_bool().unwrap_or(false));
    let command = OrganizationCommand::RotateApiKey {
        key_id,
        sha256: key::sha256(&secret),
        last_four: key::last_four(&secret),
        old_valid_until: request.now.plus_seconds(overlap_s as i64),
    };
    let outcome = request.execute::<Organization>(request.org()?, vec![command], None).await?;
    let body = with_secret(current(&request, key_id).await?, secret);
    Ok(Reply::ok(&body).position(outcome.position, request.app.head()))
}

fn with_secret(mut body: Value, secret: String) -> Value {
    body["key"] = secret.into();
    body
}

async fn current(request: &Request, id: KeyId) -> Result<Value, Problem> {
    request.app.views.api_key(request.org()?, id).await?.ok_or_else(|| Problem::not_found(WHAT))
}
