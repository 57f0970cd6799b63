//! What a handler answers: a status, the `data` of the envelope, and the headers that follow from it.

use std::pin::Pin;

use actix_web::http::StatusCode;
use bytes::Bytes;
use futures_util::Stream;
use serde_json::{Value, json};
use twig_projections::{Page, Resource};

use crate::{cursor, problem::Problem, request::Paging};

/// A body that is made while it is sent.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, std::io::Error>>>>;

pub enum Body {
    /// A whole answer and its media type.
    Whole(Vec<u8>, &'static str),
    Stream(ByteStream, &'static str),
}

pub struct Reply {
    pub status: StatusCode,
    pub headers: Vec<(&'static str, String)>,
    pub body: Body,
    /// Whether the log has grown by this: only then is the answer kept for an `Idempotency-Key`.
    pub changed: bool,
}

impl Reply {
    fn json(status: StatusCode, value: &Value) -> Self {
        Self { status, headers: Vec::new(), body: Body::Whole(value.to_string().into_bytes(), "application/json"), changed: false }
    }

    /// 200 with `{"data", "status": "success"}`.
    pub fn ok(data: &Value) -> Self {
        Self::json(StatusCode::OK, &json!({"data": data, "status": "success"}))
    }

    pub fn created(location: String, data: &Value) -> Self {
        Self { status: StatusCode::CREATED, ..Self::ok(data) }.header("location", location)
    }

    pub fn accepted(data: &Value) -> Self {
        Self { status: StatusCode::ACCEPTED, ..Self::ok(data) }
    }

    pub fn deleted(id: &str) -> Self {
        Self::ok(&json!({"id": id, "deleted": true}))
    }

    /// A single resource with its `ETag`.
    pub fn resource(resource: &Resource) -> Self {
        Self::ok(&resource.body).etag(resource.version)
    }

    /// A page of a list, its cursor bound to the route and its filters.
    pub fn page(page: Page, paging: &Paging) -> Self {
        let next = page.next.as_ref().map(|next| cursor::encode(next, &paging.binding));
        let has_more = page.has_more;
        Self::json(
            StatusCode::OK,
            &json!({
                "data": page.rows, "status": "success",
                "pagination": {"limit": paging.query.limit, "offset": paging.offset, "total": page.total, "hasMore": has_more, "nextCursor": if has_more { next } else { None }},
            }),
        )
    }

    pub fn raw(body: Vec<u8>, media_type: &'static str) -> Self {
        Self { status: StatusCode::OK, headers: Vec::new(), body: Body::Whole(body, media_type), changed: false }
    }

    pub fn stream(stream: ByteStream, media_type: &'static str) -> Self {
        Self { status: StatusCode::OK, headers: Vec::new(), body: Body::Stream(stream, media_type), changed: false }
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    #[must_use]
    pub fn etag(self, version: u64) -> Self {
        self.header("etag", format!("\"{version}\""))
    }

    /// The position that a write reached; `None` where nothing changed, which leaves `head` to be answered.
    #[must_use]
    pub fn position(mut self, position: Option<u64>, head: u64) -> Self {
        self.changed = position.is_some();
        self.header("x-twig-position", position.unwrap_or(head).to_string())
    }
}

pub type Answer = Result<Reply, Problem>;
