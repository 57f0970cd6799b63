//! A request as handlers see it: authenticated, admitted, its query known and its body valid.

use std::{collections::BTreeMap, str::FromStr, sync::Arc};

use actix_web::http::header::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::Instrument;
use twig_commands::{
    bus::{CommandContext, Outcome},
    idempotency::{IdempotencyKey, RunningGuard},
};
use twig_domain::{
    Actor, ActorKind, Decide, EventMeta, Timestamp,
    id::{Identifier, OrgId},
};
use twig_projections::{AsOf, KeyAuth, ListAt, ListQuery};

use crate::{
    App, cursor,
    problem::{Code, Problem},
};

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;
/// The largest whole number that every JSON reader keeps exactly.
pub const MAX_WHOLE_NUMBER: u64 = (1 << 53) - 1;
const MAX_USER_AGENT_CHARS: usize = 256;

/// One request.
pub struct Request {
    pub app: Arc<App>,
    /// The key's rights; every route with a scope has them.
    pub key: Option<KeyAuth>,
    pub request_id: String,
    pub now: Timestamp,
    pub method: &'static str,
    pub path: String,
    pub parameters: BTreeMap<String, String>,
    pub query: BTreeMap<String, String>,
    pub headers: HeaderMap,
    pub peer_ip: Option<String>,
    pub body: Value,
    pub idempotency: Option<IdempotencyKey>,
    /// Holds the `Idempotency-Key` as running; a handler whose work outlives its answer takes it along.
    pub running: std::cell::RefCell<Option<RunningGuard>>,
    /// The unread body of a route that takes files.
    pub payload: std::cell::RefCell<Option<actix_web::dev::Payload>>,
}

/// A list's paging, and what its cursors are bound to.
pub struct Paging {
    pub query: ListQuery,
    pub offset: Option<u64>,
    pub binding: String,
}

/// What `If-Match` asks for.
enum IfMatch {
    Any,
    Versions(Vec<u64>),
}

impl Request {
    pub fn org(&self) -> Result<OrgId, Problem> {
        self.key.as_ref().map(|key| key.organization).ok_or_else(|| Problem::new(Code::Unauthorized, "An API key is needed"))
    }

    pub fn key(&self) -> Result<&KeyAuth, Problem> {
        self.key.as_ref().ok_or_else(|| Problem::new(Code::Unauthorized, "An API key is needed"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The identifier in the path; one that cannot be one names nothing: 404.
    pub fn id<T: Identifier>(&self, parameter: &str, what: &str) -> Result<T, Problem> {
        self.parameters.get(parameter).and_then(|text| text.parse().ok()).ok_or_else(|| Problem::not_found(what))
    }

    /// The body as its type. The schema was checked before; what serde still refuses is a 400 with its pointer.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_path_to_error::deserialize(&self.body).map_err(|error| {
            let pointer: String = error.path().iter().map(segment).collect();
            Problem::field(pointer, error.inner().to_string())
        })
    }

    pub fn wants(&self, media_type: &str) -> bool {
        self.header("accept")
            .is_some_and(|accept| accept.split(',').any(|item| item.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media_type)))
    }

    /// A query parameter as its type.
    pub fn parameter<T: FromStr>(&self, name: &str, expected: &str) -> Result<Option<T>, Problem> {
        self.query.get(name).map(|text| text.parse().map_err(|_| bad_parameter(name, expected))).transpose()
    }

    pub fn paging(&self) -> Result<Paging, Problem> {
        let limit = self.parameter::<u32>("limit", "a whole number from 1 to 200")?.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(bad_parameter("limit", "a whole number from 1 to 200"));
        }
        let offset = self.parameter::<u64>("offset", "a whole number from 0").and_then(|offset| match offset {
            Some(offset) if offset > MAX_WHOLE_NUMBER => Err(bad_parameter("offset", "a whole number from 0")),
            offset => Ok(offset),
        })?;
        let filters =
            self.query.iter().filter(|(name, _)| !matches!(name.as_str(), "limit" | "offset" | "cursor")).map(|(name, value)| (name.as_str(), value.as_str()));
        let binding = cursor::binding(&self.path, filters);
        let at = match (offset, self.query.get("cursor")) {
            (Some(_), Some(_)) => return Err(Problem::field("/offset", "offset and cursor can't be given together")),
            (None, Some(text)) => {
                ListAt::After(cursor::decode(text, &binding).ok_or_else(|| Problem::field("/cursor", "is not a cursor of this list with these filters"))?)
            }
            (offset, None) => ListAt::Offset(offset.unwrap_or(0)),
        };
        let offset = matches!(at, ListAt::Offset(_)).then(|| offset.unwrap_or(0));
        Ok(Paging { query: ListQuery { limit, at }, offset, binding })
    }

    /// `asOf`: a position or an RFC 3339 time.
    pub fn as_of(&self) -> Result<Option<AsOf>, Problem> {
        let Some(text) = self.query.get("asOf") else { return Ok(None) };
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            let position = text.parse().ok().filter(|position| *position <= MAX_WHOLE_NUMBER);
            return position.map(|position| Some(AsOf::Position(position))).ok_or_else(|| bad_parameter("asOf", "an RFC 3339 time or a position"));
        }
        text.parse().map(|time| Some(AsOf::Time(time))).map_err(|_| bad_parameter("asOf", "an RFC 3339 time or a position"))
    }

    /// The version that `If-Match` allows, given the current one; 412 where it allows none that could be.
    pub fn expected_version(&self, current: u64) -> Result<Option<u64>, Problem> {
        let stale = || Problem {
            details: Box::new(serde_json::json!({ "currentVersion": current })),
            ..Problem::new(Code::PreconditionFailed, format!("The resource has changed: its version is {current}"))
        };
        match self.header("if-match").map(parse_if_match) {
            None | Some(IfMatch::Any) => Ok(None),
            Some(IfMatch::Versions(versions)) if versions.contains(&current) => Ok(Some(current)),
            Some(IfMatch::Versions(_)) => Err(stale()),
        }
    }

    /// Whether `If-None-Match` names this entity tag (weak comparison: RFC 9110 §13.1.2).
    #[must_use]
    pub fn has_tag(&self, etag: &str) -> bool {
        self.header("if-none-match").is_some_and(|given| given.trim() == "*" || given.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag))
    }

    #[must_use]
    pub fn meta(&self, organization: OrgId) -> EventMeta {
        meta(self.key.as_ref(), organization, &self.request_id, self.peer_ip.clone(), &self.headers)
    }

    pub fn command(&self, expected_version: Option<u64>) -> Result<CommandContext, Problem> {
        Ok(CommandContext { meta: self.meta(self.org()?), expected_version, idempotency: self.idempotency.clone(), subject_keys: Vec::new() })
    }

    /// Runs commands on one aggregate and waits until the views show them.
    pub async fn execute<A: Decide>(&self, id: impl std::fmt::Display, commands: Vec<A::Command>, expected_version: Option<u64>) -> Result<Outcome<A>, Problem>
    where
        A::Command: Clone + Send,
        A::Error: crate::problem::Refusal + Send,
    {
        let span = tracing::info_span!("command", aggregate = A::TYPE, position = tracing::field::Empty);
        let outcome = self.app.bus.execute::<A>(id, commands, self.command(expected_version)?).instrument(span.clone()).await?;
        span.record("position", outcome.position);
        if let Some(position) = outcome.position {
            self.app.wait_for(position).await?;
        }
        Ok(outcome)
    }
}

/// What the log keeps of a request.
pub fn meta(key: Option<&KeyAuth>, organization: OrgId, request_id: &str, ip: Option<String>, headers: &HeaderMap) -> EventMeta {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    EventMeta {
        organization,
        actor: key.map_or_else(|| Actor::system("api"), |key| Actor { kind: ActorKind::ApiKey, id: key.key_id.to_string(), name: key.name.clone() }),
        correlation_id: request_id.to_owned(),
        causation_id: None,
        ip,
        user_agent: header("user-agent").map(|agent| agent.chars().take(MAX_USER_AGENT_CHARS).collect()),
        traceparent: header("traceparent").filter(|value| is_traceparent(value)).map(str::to_owned),
    }
}

fn segment(segment: &serde_path_to_error::Segment) -> String {
    match segment {
        serde_path_to_error::Segment::Seq { index } => format!("/{index}"),
        serde_path_to_error::Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
        serde_path_to_error::Segment::Enum { variant } => format!("/{variant}"),
        serde_path_to_error::Segment::Unknown => String::new(),
    }
}

pub fn bad_parameter(name: &str, expected: &str) -> Problem {
    Problem::field(format!("/{name}"), format!("must be {expected}"))
}

fn parse_if_match(text: &str) -> IfMatch {
    if text.trim() == "*" {
        return IfMatch::Any;
    }
    IfMatch::Versions(text.split(',').filter_map(|tag| tag.trim().strip_prefix('"')?.strip_suffix('"')?.parse().ok()).collect())
}

/// W3C Trace Context §3.2: `00-<32 hex>-<16 hex>-<2 hex>`.
pub fn is_traceparent(value: &str) -> bool {
    let parts: Vec<_> = value.split('-').collect();
    let hex = |text: &str, length: usize| text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    matches!(parts.as_slice(), [version, trace, span, flags] if hex(version, 2) && hex(trace, 32) && hex(span, 16) && hex(flags, 2))
}
