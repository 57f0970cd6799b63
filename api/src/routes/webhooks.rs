//! `/api/webhooks`: endpoints, and what is asked of them: a test, a new secret, history again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
};

use actix_web::http::{Method, header::HeaderName};
use base64::Engine;
use serde::Deserialize;
use serde_json::{Value, json};
use twig_commands::ids::{new_id, random_bytes};
use twig_domain::{
    Timestamp,
    id::{AgentId, DataSpecId, EventId, WebhookId},
    organization::Scope,
    webhook::{ReplayFrom, Webhook, WebhookCommand, WebhookFilter, WebhookPatch, WebhookSettings, WebhookStatus},
};
use twig_projections::{MESSAGE_TYPES, Resource};

use super::{object, one_of, optional_text, text, time, titled};
use crate::{
    problem::{Field, Problem},
    reply::{Answer, Reply},
    request::{MAX_WHOLE_NUMBER, Request},
    route::{Gives, Route, Takes, handler},
    schemas::named,
};

pub(super) const WHAT: &str = "The webhook";
const SCOPE: &[Scope] = &[Scope::WebhooksWrite];
const DEFAULT_OVERLAP_S: u64 = 86_400;
const MAX_OVERLAP_S: u64 = 30 * 86_400;
const SECRET_BYTES: usize = 32;
/// Headers that are the product's or the connection's own.
const RESERVED_HEADERS: [&str; 12] = [
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "user-agent",
];
const RESERVED_PREFIXES: [&str; 2] = ["webhook-", "proxy-"];
/// A URL with a host, without a user name or a password; http to loopback only, where the operator allows it at all.
pub const URL: &str = r"^(https://[/\\]*[^/\\?#@]+|http://(localhost|127\.[0-9.]+|\[::1\])(:[0-9]*)?)([/\\?#]|$)";
/// A token (RFC 9110 §5.6.2) that is not reserved, in any case: patterns of JSON Schema have no flag for that.
pub static HEADER_NAME: LazyLock<String> = LazyLock::new(|| {
    let letter = |c: char| if c.is_ascii_alphabetic() { format!("[{c}{}]", c.to_ascii_uppercase()) } else { c.to_string() };
    let any_case = |names: &[&str]| names.iter().map(|name| name.chars().map(letter).collect::<String>()).collect::<Vec<_>>().join("|");
    format!("^(?!({})$|{})[!#$%&'*+.^_`|~0-9A-Za-z-]+$", any_case(&RESERVED_HEADERS), any_case(&RESERVED_PREFIXES))
});
/// Headers whose values are not shown again.
const SECRET_WORDS: [&str; 6] = ["authorization", "token", "secret", "key", "cookie", "password"];
const HIDDEN: &str = "***";

pub fn routes(all: &mut Vec<Route>) {
    let webhook = |status| Gives::One(status, named("Webhook"));
    let with_secret = |status| Gives::One(status, named("WebhookWithSecret"));
    let replay = one_of(
        &["since", "fromPosition"],
        json!({"since": time(), "fromPosition": {"type": "integer", "minimum": 1, "maximum": MAX_WHOLE_NUMBER}, "types": {"type": "array", "minItems": 1, "maxItems": 50, "items": {"enum": subscriptions()}}}),
    );
    let overlap = object(&[], json!({"overlapSeconds": {"type": "integer", "minimum": 0, "maximum": MAX_OVERLAP_S}}));
    all.extend([
        Route::new(Method::GET, "/api/webhooks", SCOPE, "List webhooks", Gives::List(named("Webhook")), handler!(list)).paged(),
        Route::new(Method::POST, "/api/webhooks", SCOPE, "Register a webhook", with_secret(201), handler!(register)).takes(Takes::Json(schema(true))).tagged(),
        Route::new(Method::GET, "/api/webhooks/{id}", SCOPE, "Read a webhook", webhook(200), handler!(read)).tagged(),
        Route::new(Method::PUT, "/api/webhooks/{id}", SCOPE, "Change, pause or resume a webhook", webhook(200), handler!(update))
            .takes(Takes::Json(schema(false)))
            .tagged(),
        Route::new(Method::DELETE, "/api/webhooks/{id}", SCOPE, "Delete a webhook and its delivery log", Gives::Deleted, handler!(delete)).tagged(),
        Route::new(Method::POST, "/api/webhooks/{id}/test", SCOPE, "Send a test message", Gives::One(202, named("Delivery")), handler!(test))
            .takes(Takes::OptionalJson(object(&[], json!({})))),
        Route::new(
            Method::POST,
            "/api/webhooks/{id}/rotate-secret",
            SCOPE,
            "Make a new signing secret; the old one signs too until the overlap ends",
            with_secret(200),
            handler!(rotate),
        )
        .takes(Takes::OptionalJson(titled("SecretRotation", overlap)))
        .tagged(),
        Route::new(Method::POST, "/api/webhooks/{id}/replay", SCOPE, "Send history again", Gives::One(202, named("WebhookReplay")), handler!(replay_history))
            .takes(Takes::Json(titled("WebhookReplayRequest", replay))),
    ]);
}

fn schema(creating: bool) -> Value {
    let ids = json!({"type": "array", "maxItems": 200, "items": text(1, 64)});
    let header_value = json!({"type": "string", "minLength": 1, "maxLength": 4096, "pattern": "^[\\t\\x20-\\x7e]*$"});
    let settings = object(
        if creating { &["url", "events"] } else { &[] },
        json!({
            "url": {"type": "string", "pattern": URL, "maxLength": 2048},
            "events": {"type": "array", "minItems": 1, "maxItems": 50, "items": {"enum": subscriptions()}}, "description": optional_text(1000),
            "filter": {"type": ["object", "null"], "additionalProperties": false, "properties": {"agentIds": ids, "dataSpecIds": ids}},
            "headers": {"type": ["object", "null"], "maxProperties": 20, "propertyNames": {"pattern": *HEADER_NAME}, "additionalProperties": header_value},
            "status": {"enum": ["active", "paused"]},
        }),
    );
    titled(if creating { "WebhookCreate" } else { "WebhookUpdate" }, settings)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    url: Option<String>,
    events: Option<Vec<String>>,
    #[serde(default, deserialize_with = "super::present")]
    description: Option<Option<String>>,
    #[serde(default, deserialize_with = "super::present")]
    filter: Option<Option<GivenFilter>>,
    #[serde(default, deserialize_with = "super::present")]
    headers: Option<Option<BTreeMap<String, String>>>,
    status: Option<WebhookStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GivenFilter {
    #[serde(default)]
    agent_ids: Vec<String>,
    #[serde(default)]
    data_spec_ids: Vec<String>,
}

impl Given {
    /// Checks everything that was given and lists every field that is wrong. `kept` are the sealed headers that `***` keeps.
    async fn patch(self, request: &Request, kept: &Value) -> Result<WebhookPatch, Problem> {
        let mut fields = Vec::new();
        if let Some(url) = &self.url
            && let Err(reason) = request.app.targets.check(url).await
        {
            fields.push(Field::new("/url", reason));
        }
        let filter = match self.filter {
            None => None,
            Some(None) => Some(WebhookFilter::default()),
            Some(Some(given)) => Some(known_filter(request, given, &mut fields).await?),
        };
        let headers = self.headers.map(|given| sealed(request, given.unwrap_or_default(), kept, &mut fields)).transpose()?;
        if !fields.is_empty() {
            return Err(Problem::fields(fields));
        }
        Ok(WebhookPatch { url: self.url, events: self.events, description: self.description, filter, headers, status: self.status })
    }
}

/// Every type, every group of them, and `*`.
fn subscriptions() -> Vec<String> {
    let groups: BTreeSet<&str> = MESSAGE_TYPES.iter().filter_map(|kind| kind.split('.').next()).collect();
    let groups = groups.into_iter().map(|group| format!("{group}.*"));
    std::iter::once("*".to_owned()).chain(groups).chain(MESSAGE_TYPES.map(str::to_owned)).collect()
}

async fn known_filter(request: &Request, given: GivenFilter, fields: &mut Vec<Field>) -> Result<WebhookFilter, Problem> {
    let organization = request.org()?;
    let mut filter = WebhookFilter::default();
    for (place, text) in given.agent_ids.iter().enumerate() {
        match text.parse::<AgentId>() {
            Ok(id) if request.app.views.agent(organization, id).await?.is_some() => filter.agent_ids.push(id),
            _ => fields.push(Field::new(format!("/filter/agentIds/{place}"), format!("agent {text} was not found"))),
        }
    }
    for (place, text) in given.data_spec_ids.iter().enumerate() {
        match text.parse::<DataSpecId>() {
            Ok(id) if request.app.views.missing_data_specs(organization, &[id]).await?.is_empty() => filter.data_spec_ids.push(id),
            _ => fields.push(Field::new(format!("/filter/dataSpecIds/{place}"), format!("data spec {text} was not found"))),
        }
    }
    Ok(filter)
}

/// Custom headers with sealed values; a reserved or impossible one is named.
fn sealed(request: &Request, given: BTreeMap<String, String>, kept: &Value, fields: &mut Vec<Field>) -> Result<BTreeMap<String, String>, Problem> {
    let organization = request.org()?;
    let mut headers = BTreeMap::new();
    for (name, value) in given {
        let lower = name.to_ascii_lowercase();
        let mut refuse = |reason: &str| fields.push(Field::new(format!("/headers/{}", name.replace('~', "~0").replace('/', "~1")), reason));
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            refuse("is not a header name");
        } else if RESERVED_HEADERS.contains(&lower.as_str()) || RESERVED_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
            refuse("is reserved");
        } else if !value.bytes().all(|byte| (0x20..0x7f).contains(&byte) || byte == b'\t') {
            refuse("must have visible ASCII characters only");
        } else if value == HIDDEN {
            match kept[&name].as_str() {
                Some(old) => drop(headers.insert(name, old.to_owned())),
                None => refuse("*** keeps a value, and there is none yet"),
            }
        } else {
            let sealed = request.app.vault.seal_secret(organization, &value);
            headers.insert(name, sealed);
        }
    }
    Ok(headers)
}

/// A webhook as a client sees it: header values opened, but those that are secrets.
pub(super) fn shown(request: &Request, webhook: &Resource) -> Result<Resource, Problem> {
    let organization = request.org()?;
    let mut body = webhook.body.clone();
    for (name, value) in body["headers"].as_object_mut().into_iter().flatten() {
        let lower = name.to_ascii_lowercase();
        let opened = value.as_str().and_then(|sealed| request.app.vault.open_secret(organization, sealed));
        *value = match opened {
            Some(text) if !SECRET_WORDS.iter().any(|word| lower.contains(word)) => text.into(),
            _ => HIDDEN.into(),
        };
    }
    Ok(Resource { version: webhook.version, body })
}

fn new_secret() -> String {
    format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(random_bytes::<SECRET_BYTES>()))
}

async fn list(request: Arc<Request>) -> Answer {
    let paging = request.paging()?;
    let mut page = request.app.views.webhooks(request.org()?, paging.query.clone()).await?;
    for row in &mut page.rows {
        *row = shown(&request, &Resource { version: 0, body: row.take() })?.body;
    }
    Ok(Reply::page(page, &paging))
}

async fn register(request: Arc<Request>) -> Answer {
    let patch = request.body::<Given>()?.patch(&request, &Value::Null).await?;
    let (id, organization, secret): (WebhookId, _, _) = (new_id(request.now), request.org()?, new_secret());
    let settings = Box::new(WebhookSettings {
        url: patch.url.unwrap_or_default(),
        events: patch.events.unwrap_or_default(),
        description: patch.description.flatten(),
        filter: patch.filter.unwrap_or_default(),
        headers: patch.headers.unwrap_or_default(),
        status: patch.status.unwrap_or(WebhookStatus::Active),
        disabled_reason: None,
    });
    let command = WebhookCommand::RegisterWebhook { organization, id, settings, secret: request.app.vault.seal_secret(organization, &secret) };
    let outcome = request.execute::<Webhook>(id, vec![command], None).await?;
    let mut webhook = shown(&request, &current(&request, id).await?)?;
    webhook.body["secret"] = secret.into();
    Ok(Reply::created(format!("/api/webhooks/{id}"), &webhook.body).etag(webhook.version).position(outcome.position, request.app.head()))
}

async fn read(request: Arc<Request>) -> Answer {
    let webhook = current(&request, request.id("id", WHAT)?).await?;
    Ok(Reply::resource(&shown(&request, &webhook)?))
}

async fn update(request: Arc<Request>) -> Answer {
    let id = request.id("id", WHAT)?;
    let before = current(&request, id).await?;
    let patch = Box::new(request.body::<Given>()?.patch(&request, &before.body["headers"]).await?);
    let expected = request.expected_version(before.version)?;
    // A value that is as it was is not sealed anew: a PUT that changes nothing makes no event.
    let patch = unchanged_headers_kept(&request, patch, &before)?;
    let outcome = request.execute::<Webhook>(id, vec![WebhookCommand::UpdateWebhook { patch }], expected).await?;
    let after = current(&request, id).await?;
    Ok(Reply::resource(&shown(&request, &after)?).position(outcome.position, request.app.head()))
}

fn unchanged_headers_kept(request: &Request, mut patch: Box<WebhookPatch>, before: &Resource) -> Result<Box<WebhookPatch>, Problem> {
    let organization = request.org()?;
    let open = |sealed: &str| request.app.vault.open_secret(organization, sealed);
    for (name, value) in patch.headers.iter_mut().flatten() {
        if let Some(old) = before.body["headers"][name].as_str()
            && open(old) == open(value)
        {
            old.clone_into(value);
        }
    }
    Ok(patch)
}

async fn delete(request: Arc<Request>) -> Answer {
    let id: WebhookId = request.id("id", WHAT)?;
    let expected = request.expected_version(current(&request, id).await?.version)?;
    let outcome = request.execute::<Webhook>(id, vec![WebhookCommand::DeleteWebhook], expected).await?;
    Ok(Reply::deleted(&id.to_string()).position(outcome.position, request.app.head()))
}

async fn test(request: Arc<Request>) -> Answer {
    let id: WebhookId = request.id("id", WHAT)?;
    current(&request, id).await?;
    let organization = request.org()?;
    let event: EventId = new_id(request.now);
    // The dispatcher may still be about to see the registration.
    let mut made = None;
    for _ in 0..DISPATCH_LOOKS {
        made = request.app.deliveries.test(organization.to_string(), id.to_string(), event, request.now).await?;
        if made.is_some() {
            break;
        }
        request.app.runtime.spawn(tokio::time::sleep(DISPATCH_WAIT)).await.map_err(Problem::internal)?;
    }
    let delivery = made.ok_or_else(|| Problem::unavailable("The webhook is not known to the dispatcher yet"))?;
    let delivery = request.app.deliveries.one(organization, delivery.to_string()).await?;
    Ok(Reply::accepted(&delivery.unwrap_or(Value::Null)))
}

const DISPATCH_LOOKS: u32 = 40;
const DISPATCH_WAIT: std::time::Duration = std::time::Duration::from_millis(50);

async fn rotate(request: Arc<Request>) -> Answer {
    let id: WebhookId = request.id("id", WHAT)?;
    current(&request, id).await?;
    let overlap_s = request.body["overlapSeconds"].as_f64().map_or(DEFAULT_OVERLAP_S, |seconds| seconds as u64);
    let secret = new_secret();
    let command = WebhookCommand::RotateWebhookSecret {
        secret: request.app.vault.seal_secret(request.org()?, &secret),
        now: request.now,
        old_valid_until: request.now.plus_seconds(overlap_s as i64),
    };
    let outcome = request.execute::<Webhook>(id, vec![command], None).await?;
    let mut webhook = shown(&request, &current(&request, id).await?)?;
    webhook.body["secret"] = secret.into();
    Ok(Reply::ok(&webhook.body).etag(webhook.version).position(outcome.position, request.app.head()))
}

async fn replay_history(request: Arc<Request>) -> Answer {
    let id: WebhookId = request.id("id", WHAT)?;
    current(&request, id).await?;
    let types: Vec<String> = request.body["types"].as_array().into_iter().flatten().filter_map(|kind| kind.as_str().map(str::to_owned)).collect();
    let from = match (request.body["since"].as_str(), request.body["fromPosition"].as_f64()) {
        (Some(since), None) => ReplayFrom::Since(since.parse::<Timestamp>().map_err(|_| Problem::field("/since", "must be an RFC 3339 time"))?),
        (None, Some(position)) => ReplayFrom::Position(position as u64),
        _ => return Err(Problem::field("", "either since or fromPosition is needed")),
    };
    let outcome = request.execute::<Webhook>(id, vec![WebhookCommand::ReplayWebhook { from, types }], None).await?;
    Ok(Reply::accepted(&json!({"webhookId": id, "status": "queued", "untilPosition": outcome.position})).position(outcome.position, request.app.head()))
}

pub(super) async fn current(request: &Request, id: WebhookId) -> Result<Resource, Problem> {
    request.app.views.webhook(request.org()?, id).await?.ok_or_else(|| Problem::not_found(WHAT))
}
