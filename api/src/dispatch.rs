//! The way of every request: identify, wait for own writes, authenticate, count, authorize, check query and body, replay or run, and write the answer.
//!
//! Invariant: whatever happens, the answer has the request's id, an authenticated one has its limits, and an error has the envelope.
#![expect(clippy::arc_with_non_send_sync, reason = "a request stays on its worker's thread; handlers share it with the futures they join")]

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
    time::Instant,
};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder,
    dev::Payload,
    http::{Method, StatusCode, header::HeaderMap},
    web,
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tracing::Instrument;
use twig_commands::{
    bus::CommandContext,
    idempotency::{Begin, IdempotencyKey, RunningGuard, StoredResponse},
};
use twig_domain::{
    EventMeta,
    access::{Access, AccessCommand, Refusal},
    organization::Scope,
};
use twig_projections::KeyAuth;

use crate::{
    App, body, key,
    limits::Standing,
    problem::{Code, Field, Problem},
    reply::{Answer, Body, Reply},
    request::{self, Request, bad_parameter},
    route::{Route, Takes},
    trace,
};

const MAX_BODY_BYTES: usize = 1 << 20;
const MAX_REQUEST_ID_CHARS: usize = 128;
const MAX_IDEMPOTENCY_KEY_CHARS: usize = 255;
/// Headers of a kept answer that are worth keeping with it.
const KEPT_HEADERS: [&str; 3] = ["location", "etag", "x-twig-position"];

/// A route with its schema compiled.
pub struct Compiled {
    pub route: Route,
    pub validator: Option<jsonschema::Validator>,
}

/// Answers a request to one of the routes that share a path.
pub async fn dispatch(app: Arc<App>, routes: Arc<Vec<Compiled>>, http: HttpRequest, payload: Payload) -> HttpResponse {
    let started = Instant::now();
    let request_id = request_id(http.headers(), &app);
    let mut standing = None;
    let span = trace::span(&routes, &http, &request_id);
    let mut answer = match choose(&routes, http.method()) {
        Ok(compiled) => Box::pin(run(&app, compiled, &http, payload, &request_id, &mut standing)).instrument(span.clone()).await,
        Err(problem) => Err(problem),
    };
    if let Ok(reply) = &mut answer {
        tell_position(&app, http.method(), standing.is_some(), reply);
    }
    let pattern = routes.first().map_or("unknown", |compiled| compiled.route.path);
    let response = write(answer, &http, &request_id, standing.as_ref());
    let status = response.status().as_u16();
    span.record("http.response.status_code", i64::from(status));
    metrics::histogram!("twig_http_request_seconds", "route" => pattern, "method" => http.method().to_string(), "status" => status.to_string())
        .record(started.elapsed());
    tracing::info!(%request_id, method = %http.method(), path = http.path(), status, elapsed_ms = started.elapsed().as_millis() as u64, "request");
    response
}

/// Every write tells a position, also one that left the log as it was.
fn tell_position(app: &App, method: &Method, authenticated: bool, reply: &mut Reply) {
    let told = reply.headers.iter().any(|(name, _)| *name == "x-twig-position");
    if authenticated && !told && !matches!(*method, Method::GET | Method::HEAD) {
        reply.headers.push(("x-twig-position", app.head().to_string()));
    }
}

/// Answers what no route knows.
pub async fn unknown(app: Arc<App>, http: HttpRequest) -> HttpResponse {
    let request_id = request_id(http.headers(), &app);
    write(Err(Problem::not_found("This path")), &http, &request_id, None)
}

fn choose<'a>(routes: &'a [Compiled], method: &Method) -> Result<&'a Compiled, Problem> {
    let asked = if method == Method::HEAD { &Method::GET } else { method };
    routes.iter().find(|compiled| compiled.route.method == *asked).ok_or_else(|| {
        let allow = routes.iter().map(|compiled| compiled.route.method.as_str()).collect::<Vec<_>>().join(", ");
        Problem { allow: Some(allow.clone()), ..Problem::new(Code::MethodNotAllowed, format!("This path takes {allow}")) }
    })
}

async fn run(app: &Arc<App>, compiled: &Compiled, http: &HttpRequest, payload: Payload, request_id: &str, standing: &mut Option<Standing>) -> Answer {
    let route = &compiled.route;
    let now = app.clock.now();
    let mut key = None;
    if !route.scopes.is_empty() {
        app.see_writes(min_position(http.headers())?).await?;
        let auth = authenticate(app, http.headers(), now).await?;
        let counted = app.limiter.admit(auth.organization, auth.limits, now).await.map_err(|error| Problem::fault(&error))?;
        *standing = Some(counted);
        first_use(app, &auth, http, request_id).await;
        if !counted.admitted {
            app.refused(auth.key_id, counted.refusal(), meta(http, &auth, request_id)).await;
            let seconds = counted.retry_after_s();
            return Err(Problem {
                retry_after_s: Some(seconds),
                ..Problem::new(Code::RateLimitExceeded, format!("The rate limit is reached; try again in {seconds} s"))
            });
        }
        if let Err(missing) = authorize(route, &auth) {
            let refusal = Refusal::Scope { required_scope: missing, route: format!("{} {}", route.method, route.path) };
            app.refused(auth.key_id, refusal, meta(http, &auth, request_id)).await;
            let details = Box::new(serde_json::json!({ "requiredScope": missing.name() }));
            return Err(Problem { details, ..Problem::new(Code::Forbidden, format!("This key does not have the scope {}", missing.name())) });
        }
        key = Some(auth);
    }
    let query = query(route, http.query_string())?;
    let mut request = Request {
        app: app.clone(),
        key,
        request_id: request_id.to_owned(),
        now,
        method: if route.method == Method::GET { "GET" } else { "OTHER" },
        path: http.path().to_owned(),
        parameters: http.match_info().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        query,
        headers: http.headers().clone(),
        peer_ip: http.peer_addr().map(|address| address.ip().to_string()),
        body: Value::Null,
        idempotency: None,
        payload: std::cell::RefCell::new(None),
        running: std::cell::RefCell::new(None),
    };
    match &route.takes {
        Takes::Nothing => {}
        Takes::Files => *request.payload.borrow_mut() = Some(payload),
        Takes::Json(_) | Takes::OptionalJson(_) | Takes::Foreign => read_json(compiled, &mut request, payload).await?,
    }
    if route.method == Method::POST && !matches!(route.takes, Takes::Files) {
        let fingerprint = fingerprint(&request.body);
        return once(request, fingerprint, compiled).await;
    }
    check(compiled, &request)?;
    let request = Arc::new(request);
    let reply = (route.handler)(request.clone()).await?;
    Ok(not_modified(&request, reply))
}

/// Reads and parses a JSON body.
async fn read_json(compiled: &Compiled, request: &mut Request, payload: Payload) -> Result<(), Problem> {
    let bytes = read(payload, &request.headers).await?;
    if bytes.is_empty() && matches!(compiled.route.takes, Takes::OptionalJson(_)) {
        request.body = Value::Object(serde_json::Map::new());
        return Ok(());
    }
    let content_type = request.header("content-type").unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(Code::UnsupportedMediaType, "The body must be application/json"));
    }
    request.body = body::parse(&bytes)?;
    Ok(())
}

fn check(compiled: &Compiled, request: &Request) -> Result<(), Problem> {
    compiled.validator.as_ref().map_or(Ok(()), |validator| body::check(validator, &request.body))
}

async fn read(mut payload: Payload, headers: &HeaderMap) -> Result<Bytes, Problem> {
    let too_large = || Problem::new(Code::PayloadTooLarge, "The body is over 1 MiB");
    let announced = headers.get("content-length").and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > MAX_BODY_BYTES) {
        return Err(too_large());
    }
    let mut bytes = BytesMut::with_capacity(announced.unwrap_or(0));
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Problem::field("", "The body could not be read"))?;
        if bytes.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// Runs a POST at most once under its `Idempotency-Key`. The key is looked up before the body is checked: used on another route, it is a mismatch there.
async fn once(mut request: Request, fingerprint: String, compiled: &Compiled) -> Answer {
    let handler = compiled.route.handler;
    let Some(begun) = begin(&request, fingerprint).await? else {
        check(compiled, &request)?;
        return handler(Arc::new(request)).await;
    };
    match begun {
        Begun::Replay(reply) => Ok(crate::routes::chat::as_asked(&request, reply)),
        Begun::Run(key, guard) => {
            check(compiled, &request)?;
            request.idempotency = Some(key.clone());
            *request.running.borrow_mut() = Some(guard);
            let request = Arc::new(request);
            let reply = handler(request.clone()).await?;
            keep(&request, &key, &reply).await;
            Ok(reply)
        }
    }
}

pub enum Begun {
    Replay(Reply),
    Run(IdempotencyKey, RunningGuard),
}

/// Looks an `Idempotency-Key` up; `None` where the request has none.
pub async fn begin(request: &Request, fingerprint: String) -> Result<Option<Begun>, Problem> {
    let Some(given) = request.headers.get("idempotency-key") else { return Ok(None) };
    let text = given.to_str().ok().filter(|text| (1..=MAX_IDEMPOTENCY_KEY_CHARS).contains(&text.len()));
    let text = text.ok_or_else(|| Problem::field("/Idempotency-Key", "must have 1 to 255 visible ASCII characters"))?;
    let key = IdempotencyKey { organization: request.org()?, key: text.to_owned(), route: request.path.clone(), fingerprint };
    match request.app.idempotency.begin(&key, request.now).await.map_err(|error| Problem::fault(&error))? {
        Begin::New(guard) => Ok(Some(Begun::Run(key, guard))),
        Begin::Running => Err(Problem { retry_after_s: Some(1), ..Problem::conflict("A request with this Idempotency-Key is being processed") }),
        Begin::Mismatch => Err(Problem::new(Code::IdempotencyMismatch, "This Idempotency-Key was used with another route or body")),
        Begin::Done(outcome) => match outcome.response {
            Some(stored) => Ok(Some(Begun::Replay(replayed(stored)))),
            // The outcome is in the log, but the process died before its answer was kept: it is not run again, but its answer is made again.
            None => match crate::routes::again::answer(request, outcome.position).await? {
                Some(reply) => {
                    keep(request, &key, &reply).await;
                    Ok(Some(Begun::Replay(reply.header("idempotent-replayed", "true"))))
                }
                None => Err(Problem::conflict(format!(
                    "A request with this Idempotency-Key was carried out (position {}), but its answer was lost",
                    outcome.position
                ))),
            },
        },
    }
}

/// Keeps an answer that changed something.
pub async fn keep(request: &Request, key: &IdempotencyKey, reply: &Reply) {
    let Body::Whole(bytes, _) = &reply.body else { return };
    if !reply.changed || reply.status.is_server_error() {
        return;
    }
    let headers = reply.headers.iter().filter(|(name, _)| KEPT_HEADERS.contains(name)).map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let stored = StoredResponse { status: reply.status.as_u16(), headers, body: bytes.clone() };
    if let Err(error) = request.app.idempotency.save_response(key, stored).await {
        tracing::warn!(%error, "an idempotent answer could not be kept");
    }
}

fn replayed(stored: StoredResponse) -> Reply {
    let mut reply = Reply::raw(stored.body, "application/json").header("idempotent-replayed", "true");
    reply.status = StatusCode::from_u16(stored.status).unwrap_or(StatusCode::OK);
    for (name, value) in stored.headers {
        if let Some(kept) = KEPT_HEADERS.iter().find(|kept| **kept == name) {
            reply.headers.push((kept, value));
        }
    }
    reply
}

/// Object members in any order and any white space are the same body.
fn fingerprint(body: &Value) -> String {
    fn sorted(value: &Value, out: &mut String) {
        match value {
            Value::Object(members) => {
                let members: BTreeMap<_, _> = members.iter().collect();
                out.push('{');
                for (name, value) in members {
                    out.push_str(&Value::from(name.as_str()).to_string());
                    out.push(':');
                    sorted(value, out);
                    out.push(',');
                }
                out.push('}');
            }
            Value::Array(items) => {
                out.push('[');
                for item in items {
                    sorted(item, out);
                    out.push(',');
                }
                out.push(']');
            }
            plain => out.push_str(&plain.to_string()),
        }
    }
    let mut text = String::new();
    sorted(body, &mut text);
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn authenticate(app: &App, headers: &HeaderMap, now: twig_domain::Timestamp) -> Result<KeyAuth, Problem> {
    let unauthorized = |message: &str| Problem::new(Code::Unauthorized, message);
    let header = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .ok_or_else(|| unauthorized("An API key is needed: Authorization: Bearer twigsk_…"))?;
    let (scheme, given) = header.split_once(' ').unwrap_or((header, ""));
    let given = given.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || !key::is_well_formed(given) {
        return Err(unauthorized("This is not an API key; check it for a typing error"));
    }
    let hash = key::sha256(given);
    let found = match app.views.key_by_hash(&hash).await? {
        Some(found) => Some(found),
        // The command line may have issued it a moment ago, in a process of its own.
        None => {
            app.see_all_writes().await?;
            app.views.key_by_hash(&hash).await?
        }
    };
    let found = found.ok_or_else(|| unauthorized("This API key is unknown or was revoked"))?;
    let ended = |end: Option<twig_domain::Timestamp>| end.is_some_and(|end| end <= now);
    if ended(found.expires_at) || ended(found.valid_until) {
        return Err(unauthorized("This API key has expired"));
    }
    Ok(found)
}

/// The scope that a key lacks.
fn authorize(route: &Route, auth: &KeyAuth) -> Result<(), Scope> {
    route.scopes.iter().find(|scope| !auth.allows(**scope)).map_or(Ok(()), |missing| Err(*missing))
}

/// Tells the log of a key's first use; a log that takes no writes keeps nobody from reading.
async fn first_use(app: &App, auth: &KeyAuth, http: &HttpRequest, request_id: &str) {
    if auth.used || !app.used_keys.lock().unwrap_or_else(PoisonError::into_inner).insert(auth.key_id) {
        return;
    }
    let command = AccessCommand::RecordUse { key_id: auth.key_id, name: auth.name.clone() };
    if let Err(error) = app.bus.execute::<Access>(auth.key_id, vec![command], CommandContext::of(meta(http, auth, request_id))).await {
        tracing::warn!(%error, "a key's first use could not be recorded");
    }
}

fn meta(http: &HttpRequest, auth: &KeyAuth, request_id: &str) -> EventMeta {
    request::meta(Some(auth), auth.organization, request_id, http.peer_addr().map(|address| address.ip().to_string()), http.headers())
}

fn query(route: &Route, text: &str) -> Result<BTreeMap<String, String>, Problem> {
    let pairs = web::Query::<Vec<(String, String)>>::from_query(text).map_err(|_| Problem::field("", "The query string is malformed"))?.into_inner();
    let mut query = BTreeMap::new();
    for (name, value) in pairs {
        if !route.query.iter().any(|(known, _)| *known == name) {
            return Err(Problem::field(format!("/{name}"), "is not a known query parameter"));
        }
        if query.insert(name.clone(), value).is_some() {
            return Err(bad_parameter(&name, "given once"));
        }
    }
    let missing: Vec<Field> =
        route.needed.iter().filter(|name| !query.contains_key(**name)).map(|name| Field::new(format!("/{name}"), "is required")).collect();
    if missing.is_empty() { Ok(query) } else { Err(Problem::fields(missing)) }
}

fn min_position(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    headers
        .get("x-twig-min-position")
        .map(|value| value.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(|| bad_parameter("X-Twig-Min-Position", "a position")))
        .transpose()
}

pub fn request_id(headers: &HeaderMap, app: &App) -> String {
    let given = headers.get("x-request-id").and_then(|value| value.to_str().ok());
    let fits = |text: &&str| (1..=MAX_REQUEST_ID_CHARS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    given
        .filter(fits)
        .map_or_else(|| format!("req_{}", &twig_commands::ids::new_id::<twig_domain::id::EventId>(app.clock.now()).to_string()[4..]), str::to_owned)
}

fn not_modified(request: &Request, reply: Reply) -> Reply {
    let tag = reply.headers.iter().find(|(name, _)| *name == "etag").map(|(_, tag)| tag.clone());
    match tag {
        Some(tag) if request.method == "GET" && reply.status == StatusCode::OK && request.has_tag(&tag) => {
            Reply { status: StatusCode::NOT_MODIFIED, body: Body::Whole(Vec::new(), ""), ..reply }
        }
        _ => reply,
    }
}

/// Puts an answer on the wire.
fn write(answer: Answer, http: &HttpRequest, request_id: &str, standing: Option<&Standing>) -> HttpResponse {
    let mut response;
    let body = match answer {
        Ok(reply) => {
            response = HttpResponse::build(reply.status);
            for (name, value) in &reply.headers {
                response.insert_header((*name, value.as_str()));
            }
            reply.body
        }
        Err(problem) => {
            response = HttpResponse::build(problem.code.status());
            error_headers(&mut response, &problem);
            let accepts = http.headers().get("accept").and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains("application/problem+json"));
            let openai = http.path().starts_with("/v1/");
            let (body, media_type) = if openai { (problem.openai_body(), "application/json") } else { problem.body(request_id, accepts) };
            Body::Whole(body, media_type)
        }
    };
    response.insert_header(("x-request-id", request_id));
    for (name, value) in standing.iter().flat_map(|standing| standing.headers()) {
        response.insert_header((name, value));
    }
    match body {
        Body::Whole(_, "") => response.finish(),
        Body::Whole(bytes, media_type) => response.content_type(media_type).body(bytes),
        Body::Stream(stream, media_type) => response.content_type(media_type).streaming(stream),
    }
}

fn error_headers(response: &mut HttpResponseBuilder, problem: &Problem) {
    if problem.code == Code::Unauthorized {
        response.insert_header(("www-authenticate", "Bearer"));
    }
    if let Some(seconds) = problem.retry_after_s {
        response.insert_header(("retry-after", seconds.to_string()));
    }
    if let Some(allow) = &problem.allow {
        response.insert_header(("allow", allow.as_str()));
    }
}

/// The payload and the request, as actix gives them.
pub struct Raw(pub HttpRequest, pub Payload);

impl FromRequest for Raw {
    type Error = actix_web::Error;
    type Future = std::future::Ready<Result<Self, Self::Error>>;

    fn from_request(http: &HttpRequest, payload: &mut Payload) -> Self::Future {
        std::future::ready(Ok(Self(http.clone(), payload.take())))
    }
}
