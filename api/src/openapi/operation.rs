//! One operation of the document: a row of the route table.

use actix_web::http::Method;
use serde_json::{Map, Value, json};

use super::{examples, headers, tag};
use crate::{
    problem::Code,
    route::{Gives, Route, Takes, table},
    schemas::named,
};

pub fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": operation_id(route), "summary": route.summary, "tags": [tag(route)], "parameters": parameters(route), "responses": responses(route),
    });
    if !route.scopes.is_empty() {
        let scopes: Vec<_> = route.scopes.iter().map(|scope| scope.name()).collect();
        operation["security"] = json!([{"key": scopes}]);
        operation["description"] = format!("Needs the scope `{}`.", scopes.join("` and `")).into();
    }
    if let Some(body) = request_body(route) {
        operation["requestBody"] = body;
    }
    operation
}

/// The method and the words of the path: `postDataSpecsIdFiles`.
pub fn operation_id(route: &Route) -> String {
    let words = route.path.trim_start_matches("/api/").split(['/', '-', '.', '{', '}']).filter(|word| !word.is_empty());
    let mut id = route.method.as_str().to_ascii_lowercase();
    for word in words {
        let mut letters = word.chars();
        id.extend(letters.next().into_iter().flat_map(char::to_uppercase).chain(letters));
    }
    id
}

/// The name of an error among the document's responses: `NotFound`.
pub fn error_name(code: Code) -> String {
    format!("{code:?}")
}

fn request_body(route: &Route) -> Option<Value> {
    let (required, media_type, schema) = match &route.takes {
        Takes::Json(schema) => (true, "application/json", by_name(schema)),
        Takes::OptionalJson(schema) => (false, "application/json", by_name(schema)),
        Takes::Files => {
            let file = json!({"type": "string", "format": "binary"});
            let form = json!({"type": "object", "required": ["file"], "additionalProperties": false, "properties": {"file": {"type": "array", "minItems": 1, "maxItems": 1000, "items": file}}});
            (true, "multipart/form-data", form)
        }
        Takes::Foreign => (true, "application/json", json!({"type": "object"})),
        Takes::Nothing => return None,
    };
    let mut content = json!({ "schema": schema });
    if let Some(example) = examples::request(&operation_id(route)) {
        content["example"] = example.clone();
    }
    Some(json!({"required": required, "content": {media_type: content}}))
}

/// A schema with a title stands among the components.
fn by_name(schema: &Value) -> Value {
    schema["title"].as_str().map_or_else(|| schema.clone(), named)
}

fn parameters(route: &Route) -> Vec<Value> {
    let operation = operation_id(route);
    let with_example = |name: &str, mut parameter: Value| {
        if let Some(example) = examples::parameter(&operation, name) {
            parameter["example"] = example.clone();
        }
        parameter
    };
    let in_path = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = in_path.map(|name| with_example(name, json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}})));
    let in_query = route.query.iter().map(|(name, schema)| {
        let mut schema = schema.clone();
        let description = schema.as_object_mut().and_then(|members| members.remove("description"));
        let mut parameter = json!({"name": name, "in": "query", "required": route.needed.contains(name), "schema": schema});
        if let Some(description) = description {
            parameter["description"] = description;
        }
        with_example(name, parameter)
    });
    in_path.chain(in_query).chain(headers::of_request(route)).collect()
}

fn responses(route: &Route) -> Value {
    let (status, content) = success(route);
    let mut responses = Map::new();
    let mut whole = json!({"description": "Success", "content": content, "headers": headers::of_success(route, status)});
    if let Some(links) = links(route) {
        whole["links"] = links;
    }
    responses.insert(status.to_string(), whole);
    if route.tagged && route.method == Method::GET {
        responses.insert("304".into(), json!({"description": "Not modified", "headers": headers::of_success(route, 304)}));
    }
    for code in errors(route) {
        let response =
            if route.path.starts_with("/v1/") { openai_error(code) } else { json!({"$ref": format!("#/components/responses/{}", error_name(code))}) };
        responses.insert(code.status().as_str().to_owned(), response);
    }
    for (status, schema) in &route.also {
        let response = match errors(route).into_iter().find(|code| code.status().as_u16() == *status) {
            // What stands before the handler answers with the envelope.
            Some(code) => {
                let mut response = error(code);
                response["content"]["application/json"]["schema"] = schema.clone();
                response
            }
            None => {
                let content = if schema.is_null() { json!({}) } else { json!({"application/json": {"schema": schema}}) };
                json!({"description": "See the shape", "content": content, "headers": headers::of_success(route, *status)})
            }
        };
        responses.insert(status.to_string(), response);
    }
    Value::Object(responses)
}

/// What can be done next with the thing that was answered: every operation on the path that names it.
fn links(route: &Route) -> Option<Value> {
    let (named, parameter) = match route.path {
        "/api/data-specs/{id}/process" => ("/api/data-specs/{id}/runs/{run}".to_owned(), "run"),
        "/api/webhooks/{id}/test" => ("/api/webhooks/deliveries/{id}".to_owned(), "id"),
        "/api/chat" if route.method == Method::POST => ("/api/interactions/{id}".to_owned(), "id"),
        "/api/audit/events" => ("/api/audit/events/{id}".to_owned(), "id"),
        "/api/interactions/replay" => ("/api/interactions/replays/{id}".to_owned(), "id"),
        "/api/privacy/erasures" => ("/api/privacy/erasures/{id}".to_owned(), "id"),
        path if matches!(route.gives, Gives::One(201, _)) => (format!("{path}/{{id}}"), "id"),
        _ => return None,
    };
    let follows = |next: &Route| next.path.strip_prefix(&named).is_some_and(|rest| !rest.contains('{'));
    // Of a list, its first row.
    let id = if matches!(route.gives, Gives::List(_) | Gives::Exported(_)) { "$response.body#/data/0/id" } else { "$response.body#/data/id" };
    let link = |next: &Route| {
        let mut parameters = json!({ parameter: id });
        if parameter != "id" {
            parameters["id"] = "$request.path.id".into();
        }
        (operation_id(next), json!({"operationId": operation_id(next), "parameters": parameters}))
    };
    let links: Map<String, Value> = table().iter().filter(|next| follows(next)).map(link).collect();
    (!links.is_empty()).then_some(Value::Object(links))
}

fn success(route: &Route) -> (u16, Value) {
    let operation = operation_id(route);
    let envelope = |data: &Value| json!({"type": "object", "required": ["data", "status"], "properties": {"data": data, "status": {"const": "success"}}});
    let list = |item: &Value| {
        let mut list = envelope(&json!({"type": "array", "items": item}));
        list["properties"]["pagination"] = named("Pagination");
        list["required"] = json!(["data", "pagination", "status"]);
        list
    };
    let text = || json!({"type": "string"});
    let (status, contents) = match &route.gives {
        Gives::One(status, data) => (*status, vec![("application/json", envelope(data))]),
        Gives::Deleted => (200, vec![("application/json", envelope(&named("Deleted")))]),
        Gives::List(item) => (200, vec![("application/json", list(item))]),
        Gives::Exported(item) => (200, vec![("application/json", list(item)), ("text/csv", text()), ("application/x-ndjson", text())]),
        Gives::Answer(data) => (200, vec![("application/json", envelope(data)), ("text/event-stream", named("StreamEvent"))]),
        Gives::Events => (200, vec![("text/event-stream", named("StreamEvent"))]),
        Gives::Streamed(shape, event) => (200, vec![("application/json", shape.clone()), ("text/event-stream", event.clone())]),
        Gives::Shape(status, media_type, shape) => (*status, vec![(*media_type, shape.clone())]),
        Gives::Other(status, media_type) => (*status, vec![(*media_type, text())]),
    };
    let content = contents.into_iter().map(|(media_type, schema)| {
        let mut content = json!({ "schema": schema });
        if let Some(example) = examples::response(&operation, media_type) {
            content["example"] = example.clone();
        }
        (media_type.to_owned(), content)
    });
    (status, Value::Object(content.collect()))
}

/// The errors that a route's row lets expect.
fn errors(route: &Route) -> Vec<Code> {
    let (known, write) = (!route.scopes.is_empty(), route.method != Method::GET);
    let (post, body) = (route.method == Method::POST, !matches!(route.takes, Takes::Nothing));
    let names = route.path.contains('{') || post || route.query.iter().any(|(name, _)| *name == "agentId");
    let asks = matches!(route.gives, Gives::Answer(_) | Gives::Streamed(..));
    let all = [
        (Code::InvalidRequest, true),
        (Code::Unauthorized, known),
        (Code::Forbidden, known),
        (Code::NotFound, names),
        (Code::Conflict, write),
        (Code::PreconditionFailed, write && route.tagged),
        (Code::PayloadTooLarge, body),
        (Code::UnsupportedMediaType, body),
        (Code::IdempotencyMismatch, post && body),
        (Code::RateLimitExceeded, known),
        (Code::InternalError, true),
        (Code::UpstreamError, asks),
        (Code::Unavailable, known),
        (Code::UpstreamTimeout, asks),
    ];
    all.into_iter().filter(|(_, holds)| *holds).map(|(code, _)| code).chain(route.errors.iter().copied()).collect()
}

/// An error as the document's responses have it.
pub fn error(code: Code) -> Value {
    let mut content = json!({"application/json": {"schema": named("Error")}, "application/problem+json": {"schema": named("Problem")}});
    for media_type in ["application/json", "application/problem+json"] {
        if let Some(example) = examples::error(code.name(), media_type) {
            content[media_type]["example"] = example.clone();
        }
    }
    json!({"description": format!("`{}`", code.name()), "headers": headers::of_error(code), "content": content})
}

fn openai_error(code: Code) -> Value {
    json!({"description": format!("`{}`, in OpenAI's shape", code.name()), "headers": headers::of_error(code), "content": {"application/json": {"schema": named("OpenAIError")}}})
}
