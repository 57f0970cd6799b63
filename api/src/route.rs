//! The route table: what there is, who may use it, what it takes. The router, the scopes, the checks of queries and bodies, the OpenAPI document and the
//! tests that call every route with a foreign key all read it, so that a new route cannot be forgotten by any of them.

use std::{future::Future, pin::Pin, sync::Arc};

use actix_web::http::Method;
use serde_json::Value;
use twig_domain::organization::Scope;

use crate::{problem::Code, reply::Answer, request::Request};

pub type Handling = Pin<Box<dyn Future<Output = Answer>>>;
pub type Handler = fn(Arc<Request>) -> Handling;

/// What a route reads of a request's body.
pub enum Takes {
    Nothing,
    /// A JSON object that fits the schema.
    Json(Value),
    /// The same, where no body at all is `{}`.
    OptionalJson(Value),
    /// `multipart/form-data`, read by the handler.
    Files,
    /// JSON that another protocol defines; the handler reads it.
    Foreign,
}

/// What a route answers, for the OpenAPI document.
pub enum Gives {
    One(u16, Value),
    List(Value),
    /// A list that `Accept` also has as CSV and NDJSON.
    Exported(Value),
    /// An answer, whole or as events.
    Answer(Value),
    /// The events of an answer.
    Events,
    Deleted,
    /// Another protocol's own shape, without the envelope.
    Shape(u16, &'static str, Value),
    /// The same, whole or as events of that shape.
    Streamed(Value, Value),
    /// What is no JSON.
    Other(u16, &'static str),
}

pub struct Route {
    pub method: Method,
    /// With `{name}` for a parameter.
    pub path: &'static str,
    /// All are needed; none at all means that no key is asked for.
    pub scopes: &'static [Scope],
    pub summary: &'static str,
    /// Query parameters with their schemas; any other is a 400.
    pub query: Vec<(&'static str, Value)>,
    /// Those of them that can't be left out.
    pub needed: Vec<&'static str>,
    pub takes: Takes,
    pub gives: Gives,
    /// Whether the answer has an `ETag`, and `If-None-Match` or `If-Match` are heeded.
    pub tagged: bool,
    /// Headers of the request that only this route heeds, and what they do.
    pub headers: Vec<(&'static str, Value, &'static str)>,
    /// Errors beside those that follow from the rest of the row.
    pub errors: Vec<Code>,
    /// Successes or failures of a shape of their own.
    pub also: Vec<(u16, Value)>,
    pub handler: Handler,
}

impl Route {
    pub fn new(method: Method, path: &'static str, scopes: &'static [Scope], summary: &'static str, gives: Gives, handler: Handler) -> Self {
        Self {
            method,
            path,
            scopes,
            summary,
            query: Vec::new(),
            needed: Vec::new(),
            takes: Takes::Nothing,
            gives,
            tagged: false,
            headers: Vec::new(),
            errors: Vec::new(),
            also: Vec::new(),
            handler,
        }
    }

    #[must_use]
    pub fn takes(mut self, takes: Takes) -> Self {
        self.takes = takes;
        self
    }

    #[must_use]
    pub fn tagged(mut self) -> Self {
        self.tagged = true;
        self
    }

    #[must_use]
    pub fn header(self, name: &'static str, description: &'static str) -> Self {
        self.header_of(name, serde_json::json!({"type": "string"}), description)
    }

    #[must_use]
    pub fn header_of(mut self, name: &'static str, schema: Value, description: &'static str) -> Self {
        self.headers.push((name, schema, description));
        self
    }

    #[must_use]
    pub fn errors(mut self, more: &[Code]) -> Self {
        self.errors.extend(more);
        self
    }

    #[must_use]
    pub fn also(mut self, status: u16, schema: Value) -> Self {
        self.also.push((status, schema));
        self
    }

    #[must_use]
    pub fn query(mut self, more: &[(&'static str, Value)]) -> Self {
        self.query.extend(more.iter().cloned());
        self
    }

    /// Query parameters that can't be left out.
    #[must_use]
    pub fn needs(mut self, more: &[(&'static str, Value)]) -> Self {
        self.needed.extend(more.iter().map(|(name, _)| *name));
        self.query(more)
    }

    /// `limit`, `offset` and `cursor`.
    #[must_use]
    pub fn paged(self) -> Self {
        self.query(&[
            ("limit", serde_json::json!({"type": "integer", "minimum": 1, "maximum": 200, "default": 50})),
            ("offset", serde_json::json!({"type": "integer", "minimum": 0, "maximum": crate::request::MAX_WHOLE_NUMBER})),
            ("cursor", serde_json::json!({"type": "string", "description": "`nextCursor` of the page before, instead of `offset`"})),
        ])
    }
}

/// Turns `async fn(Arc<Request>) -> Answer` into a [`Handler`].
macro_rules! handler {
    ($function:path) => {
        |request| Box::pin($function(request))
    };
}
pub(crate) use handler;

/// Every route of the product.
#[must_use]
pub fn table() -> Vec<Route> {
    let mut all = Vec::new();
    crate::routes::add_all(&mut all);
    all
}
