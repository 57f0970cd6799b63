//! Every error a client can meet, and how it is written: the envelope of API §1, or `application/problem+json` (RFC 9457) when that is asked for.
//!
//! Invariant: only this file decides statuses, and nothing internal (SQL, paths, other tenants' identifiers) gets into a message.

use std::error::Error;

use actix_web::http::StatusCode;
use serde_json::{Value, json};
use twig_commands::bus::CommandError;
use twig_domain::{
    access::AccessError, agent::AgentError, data_spec::DataSpecError, erasure::ErasureError, interaction::InteractionError, organization::OrganizationError,
    replay::ReplayError, webhook::WebhookError,
};

/// The `code` of an error: it carries the meaning, the status follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    InvalidRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    Conflict,
    PreconditionFailed,
    PayloadTooLarge,
    UnsupportedMediaType,
    IdempotencyMismatch,
    RateLimitExceeded,
    InternalError,
    UpstreamError,
    Unavailable,
    UpstreamTimeout,
}

impl Code {
    pub const ALL: [Self; 15] = [
        Self::InvalidRequest,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::PreconditionFailed,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::IdempotencyMismatch,
        Self::RateLimitExceeded,
        Self::InternalError,
        Self::UpstreamError,
        Self::Unavailable,
        Self::UpstreamTimeout,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Conflict => "conflict",
            Self::PreconditionFailed => "precondition_failed",
            Self::PayloadTooLarge => "payload_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::IdempotencyMismatch => "idempotency_mismatch",
            Self::RateLimitExceeded => "rate_limit_exceeded",
            Self::InternalError => "internal_error",
            Self::UpstreamError => "upstream_error",
            Self::Unavailable => "unavailable",
            Self::UpstreamTimeout => "upstream_timeout",
        }
    }

    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict => StatusCode::CONFLICT,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::IdempotencyMismatch => StatusCode::UNPROCESSABLE_ENTITY,
            Self::RateLimitExceeded => StatusCode::TOO_MANY_REQUESTS,
            Self::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::UpstreamError => StatusCode::BAD_GATEWAY,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

/// One offending field: a JSON pointer (RFC 6901) and why, for people.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Field {
    pub pointer: String,
    pub reason: String,
}

impl Field {
    pub fn new(pointer: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), reason: reason.into() }
    }
}

#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {message}", code.name())]
pub struct Problem {
    pub code: Code,
    pub message: String,
    pub details: Box<Value>,
    pub retry_after_s: Option<u64>,
    /// Methods of the route, for a 405's `Allow`.
    pub allow: Option<String>,
}

impl Problem {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Box::new(Value::Null), retry_after_s: None, allow: None }
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("{what} was not found"))
    }

    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(Code::Conflict, message)
    }

    /// A 400 that lists every offending field.
    pub fn fields(fields: Vec<Field>) -> Self {
        let message = match fields.as_slice() {
            [one] if one.pointer.is_empty() => one.reason.clone(),
            [one] => format!("{}: {}", one.pointer, one.reason),
            many => format!("{} fields are not valid; details.fields lists them", many.len()),
        };
        Self { details: Box::new(json!({ "fields": fields })), ..Self::new(Code::InvalidRequest, message) }
    }

    pub fn field(pointer: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::fields(vec![Field::new(pointer, reason)])
    }

    /// The same, of a part of a body: its pointers begin there.
    #[must_use]
    pub fn within(mut self, part: &str) -> Self {
        for field in self.details["fields"].as_array_mut().into_iter().flatten() {
            field["pointer"] = format!("{part}{}", field["pointer"].as_str().unwrap_or_default()).into();
        }
        self
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { retry_after_s: Some(1), ..Self::new(Code::Unavailable, message) }
    }

    /// A failure of ours: a store that is away or full for now is 503, so that a client tries again; all else is internal.
    pub fn fault(error: &(dyn Error + 'static)) -> Self {
        if !twig_commands::is_for_now(error) {
            return Self::internal(error);
        }
        tracing::error!(%error, "a store cannot be used");
        Self::unavailable("A store cannot be used at the moment; try again")
    }

    /// What went wrong inside is logged with the request's id; the client is told only that.
    pub fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "internal error");
        Self::new(Code::InternalError, "Something went wrong on our side; the request id names it in the logs")
    }

    /// The members of the `error` object.
    #[must_use]
    pub fn members(&self, request_id: &str) -> Value {
        let mut members = json!({"code": self.code.name(), "message": self.message, "details": self.details, "requestId": request_id});
        if let Some(seconds) = self.retry_after() {
            members["retryAfter"] = seconds.into();
        }
        members
    }

    /// What a limit's error tells in its body too.
    fn retry_after(&self) -> Option<u64> {
        self.retry_after_s.filter(|_| self.code == Code::RateLimitExceeded)
    }

    /// The body and its media type.
    #[must_use]
    pub fn body(&self, request_id: &str, as_problem_json: bool) -> (Vec<u8>, &'static str) {
        if as_problem_json {
            let status = self.code.status();
            let mut problem = json!({
                "type": format!("urn:twig:problem:{}", self.code.name()), "title": status.canonical_reason().unwrap_or_default(), "status": status.as_u16(),
                "detail": self.message, "code": self.code.name(), "details": self.details, "requestId": request_id,
            });
            if let Some(seconds) = self.retry_after() {
                problem["retryAfter"] = seconds.into();
            }
            return (problem.to_string().into_bytes(), "application/problem+json");
        }
        (json!({"error": self.members(request_id), "status": "error"}).to_string().into_bytes(), "application/json")
    }
}

impl Problem {
    /// OpenAI's own error object, for the routes that speak its protocol.
    #[must_use]
    pub fn openai_body(&self) -> Vec<u8> {
        let kind = match self.code {
            Code::RateLimitExceeded => "rate_limit_error",
            Code::InternalError | Code::UpstreamError | Code::Unavailable | Code::UpstreamTimeout => "server_error",
            _ => "invalid_request_error",
        };
        let code = match self.code {
            Code::Unauthorized => "invalid_api_key".into(),
            _ => self.details.get("openaiCode").cloned().unwrap_or_else(|| self.code.name().into()),
        };
        let param = self.details["fields"][0]["pointer"].as_str().map(|pointer| pointer.trim_start_matches('/').replace('/', "."));
        json!({"error": {"message": self.message, "type": kind, "param": param, "code": code, "details": self.details}}).to_string().into_bytes()
    }
}

/// What an aggregate's refusal means to a client.
pub trait Refusal {
    fn problem(self) -> Problem;
}

impl Refusal for AgentError {
    fn problem(self) -> Problem {
        match self {
            Self::NotFound => Problem::not_found("The agent"),
            Self::AlreadyExists => Problem::conflict("The agent exists already"),
        }
    }
}

impl Refusal for DataSpecError {
    fn problem(self) -> Problem {
        match self {
            Self::NotFound => Problem::not_found("The data spec"),
            Self::RunNotFound => Problem::not_found("The run"),
            Self::AlreadyExists => Problem::conflict("The data spec exists already"),
            Self::RunEnded => Problem::conflict("The run has ended already"),
            Self::TakesNoFiles => Problem::conflict("Only data specs of the types file, csv and qna_csv take files"),
            Self::IndexSuperseded => Problem::conflict("Another index has been published since"),
        }
    }
}

impl Refusal for InteractionError {
    fn problem(self) -> Problem {
        match self {
            Self::NotFound => Problem::not_found("The interaction"),
            Self::AlreadyExists => Problem::conflict("The interaction exists already"),
            Self::AlreadyEnded => Problem::conflict("The interaction has ended already"),
            Self::NotCompleted => Problem::conflict("Only a completed interaction takes feedback"),
        }
    }
}

impl Refusal for OrganizationError {
    fn problem(self) -> Problem {
        match self {
            Self::NotFound => Problem::not_found("The organization"),
            Self::KeyNotFound => Problem::not_found("The API key"),
            Self::AlreadyExists => Problem::conflict("The organization exists already"),
            Self::KeyAlreadyExists => Problem::conflict("The API key exists already"),
        }
    }
}

impl Refusal for WebhookError {
    fn problem(self) -> Problem {
        match self {
            Self::NotFound => Problem::not_found("The webhook"),
            Self::AlreadyExists => Problem::conflict("The webhook exists already"),
        }
    }
}

impl Refusal for AccessError {
    fn problem(self) -> Problem {
        match self {
            Self::AlreadyRecorded => Problem::conflict("The record exists already"),
        }
    }
}

impl Refusal for ErasureError {
    fn problem(self) -> Problem {
        match self {
            Self::NotFound => Problem::not_found("The erasure"),
            Self::AlreadyExists => Problem::conflict("The erasure exists already"),
            Self::AlreadyEnded => Problem::conflict("The erasure has ended already"),
        }
    }
}

impl Refusal for ReplayError {
    fn problem(self) -> Problem {
        match self {
            Self::NotFound => Problem::not_found("The replay"),
            Self::AlreadyExists => Problem::conflict("The replay exists already"),
            Self::AlreadyEnded => Problem::conflict("The replay has ended already"),
            Self::OtherQuestion | Self::QuestionsLeft => Problem::conflict("The replay is at another question"),
        }
    }
}

impl<E: Refusal> From<CommandError<E>> for Problem {
    fn from(error: CommandError<E>) -> Self {
        match error {
            CommandError::Rejected(refusal) => refusal.problem(),
            CommandError::Stale { current } => Self {
                details: Box::new(json!({ "currentVersion": current })),
                ..Self::new(Code::PreconditionFailed, format!("The resource has changed: its version is {current}"))
            },
            CommandError::IdempotencyTaken => Self::conflict("A request with this Idempotency-Key is being processed"),
            CommandError::SubjectKeyConflict => Self::unavailable("Another request was first to write for this user; try again"),
            CommandError::Unavailable(error) => {
                tracing::error!(%error, "the event log refused a write");
                Self::unavailable("The event log takes no writes at the moment")
            }
        }
    }
}

impl From<twig_projections::ViewError> for Problem {
    fn from(error: twig_projections::ViewError) -> Self {
        Self::fault(&error)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use twig_commands::{database::StoreError, log::LogError};

    use super::*;

    #[test]
    fn a_problem_is_written_in_either_form() {
        let problem = Problem::field("/name", "is required");
        let (envelope, kind) = problem.body("r1", false);
        let envelope: Value = serde_json::from_slice(&envelope).unwrap();
        assert_eq!((kind, &envelope["status"], &envelope["error"]["requestId"]), ("application/json", &json!("error"), &json!("r1")));
        assert_eq!(envelope["error"]["details"], json!({"fields": [{"pointer": "/name", "reason": "is required"}]}));
        let (rfc9457, kind) = problem.body("r1", true);
        let rfc9457: Value = serde_json::from_slice(&rfc9457).unwrap();
        assert_eq!((kind, &rfc9457["status"], &rfc9457["code"]), ("application/problem+json", &json!(400), &json!("invalid_request")));
    }

    #[test]
    fn a_store_that_is_away_is_to_be_tried_again() {
        let of = |error: StoreError| Problem::from(twig_projections::ViewError::from(error)).code;
        assert_eq!(of(StoreError::Unavailable("no connection".into())), Code::Unavailable);
        assert_eq!(of(StoreError::Shape("a column".into())), Code::InternalError);
        assert_eq!(Problem::fault(&LogError::from(StoreError::Busy)).retry_after_s, Some(1));
    }

    #[test]
    fn retry_after_stands_in_the_error_of_a_limit() {
        let limited = Problem { retry_after_s: Some(7), ..Problem::new(Code::RateLimitExceeded, "slow down") };
        assert_eq!(limited.members("r")["retryAfter"], json!(7));
        assert_eq!(Problem::unavailable("later").members("r").get("retryAfter"), None);
    }
}
