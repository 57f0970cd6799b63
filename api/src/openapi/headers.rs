//! Headers of requests and answers.

use actix_web::http::Method;
use serde_json::{Map, Value, json};

use crate::{
    problem::Code,
    route::{Gives, Route, Takes},
};

/// Name in the document, name on the wire, schema, what it says.
fn all() -> [(&'static str, &'static str, Value, &'static str); 14] {
    let text = || json!({"type": "string"});
    let count = || json!({"type": "integer", "minimum": 0});
    [
        ("RequestId", "X-Request-Id", text(), "Names the request in logs and events: the given one, or one that was made"),
        ("Position", "X-Twig-Position", count(), "The position of the event log that this write reached"),
        ("ETag", "ETag", text(), "The version, in quotes"),
        ("Location", "Location", text(), "Where the thing is read"),
        ("IdempotentReplayed", "Idempotent-Replayed", json!({"const": "true"}), "This is the kept answer to the first request with this Idempotency-Key"),
        ("LimitLimit", "X-RateLimit-Limit", count(), "Of the window nearest to rejecting"),
        ("LimitRemaining", "X-RateLimit-Remaining", count(), "What that window has left"),
        ("LimitReset", "X-RateLimit-Reset", count(), "When that window begins anew, in Unix seconds"),
        ("LimitPolicy", "RateLimit-Policy", text(), "Both windows: `\"minute\";q=100;w=60, \"day\";q=10000;w=86400`"),
        ("Limit", "RateLimit", text(), "What both have left and when they begin anew: `\"minute\";r=95;t=12, \"day\";r=9876;t=3600`"),
        ("RetryAfter", "Retry-After", count(), "Seconds to wait before trying again"),
        ("Authenticate", "WWW-Authenticate", text(), "`Bearer`"),
        ("Allow", "Allow", text(), "The methods of the path"),
        ("CacheControl", "Cache-Control", text(), "`no-store`"),
    ]
}

const LIMITS: [&str; 5] = ["LimitLimit", "LimitRemaining", "LimitReset", "LimitPolicy", "Limit"];

/// `components.headers`: each once as always there, once as there at times (`Maybe…`).
pub fn components() -> Map<String, Value> {
    let mut components = Map::new();
    for (name, _, schema, description) in all() {
        components.insert(name.to_owned(), json!({"description": description, "required": true, "schema": schema}));
        components.insert(format!("Maybe{name}"), json!({"description": description, "required": false, "schema": schema}));
    }
    let used = |name: &str| super::table().iter().any(|route| success(route).contains(name)) || Code::ALL.iter().any(|code| error(*code).contains(name));
    components.retain(|name, _| used(&format!("#/components/headers/{name}\"")));
    components
}

fn references(names: impl IntoIterator<Item = (&'static str, bool)>) -> Value {
    let known = all();
    let wire = |name: &str| known.iter().find(|(known, ..)| *known == name).map_or("", |(_, wire, ..)| *wire);
    let reference =
        |(name, always): (&str, bool)| (wire(name).to_owned(), json!({"$ref": format!("#/components/headers/{}{name}", if always { "" } else { "Maybe" })}));
    Value::Object(names.into_iter().map(reference).collect())
}

/// What goes on after its answer, at the address that the answer names.
const FOLLOWED: [&str; 3] = ["/api/data-specs/{id}/process", "/api/interactions/replay", "/api/privacy/erasures"];

/// The headers of a success.
pub fn of_success(route: &Route, status: u16) -> Value {
    let mut names = vec![("RequestId", true)];
    let known = !route.scopes.is_empty();
    names.extend(LIMITS.into_iter().filter(|_| known).map(|name| (name, true)));
    let writes = known && route.method != Method::GET;
    names.extend(writes.then_some(("Position", true)));
    names.extend((writes && route.method == Method::POST).then_some(("IdempotentReplayed", false)));
    names.extend((status == 201 || status == 202 && FOLLOWED.contains(&route.path)).then_some(("Location", true)));
    // What is included is not part of the version that an entity tag names.
    let always = !route.query.iter().any(|(name, _)| *name == "include");
    names.extend((route.tagged && route.method != Method::DELETE).then_some(("ETag", always)));
    names.extend(matches!(route.gives, Gives::Answer(_) | Gives::Streamed(..)).then_some(("CacheControl", false)));
    names.extend(matches!(route.gives, Gives::Events).then_some(("CacheControl", true)));
    references(names)
}

/// The headers of an error. A request that is refused before its key is known has no limits.
pub fn of_error(code: Code) -> Value {
    let mut names = vec![("RequestId", true)];
    let limited = matches!(code, Code::Forbidden | Code::RateLimitExceeded);
    names.extend(LIMITS.into_iter().filter(|_| code != Code::Unauthorized).map(|name| (name, limited)));
    names.extend((code == Code::Unauthorized).then_some(("Authenticate", true)));
    names.extend((code == Code::MethodNotAllowed).then_some(("Allow", true)));
    names.extend(matches!(code, Code::RateLimitExceeded | Code::Unavailable).then_some(("RetryAfter", true)));
    names.extend((code == Code::Conflict).then_some(("RetryAfter", false)));
    references(names)
}

fn success(route: &Route) -> String {
    let status = match route.gives {
        Gives::One(status, _) => status,
        _ => 200,
    };
    of_success(route, status).to_string()
}

fn error(code: Code) -> String {
    of_error(code).to_string()
}

/// `components.parameters`: headers that many requests may have.
pub fn parameters() -> Value {
    let header =
        |name: &str, schema: Value, description: &str| json!({"name": name, "in": "header", "required": false, "schema": schema, "description": description});
    let text = || json!({"type": "string"});
    json!({
        "RequestId": header("X-Request-Id", text(), "1 to 128 visible ASCII characters, else one is made"),
        "IdempotencyKey": header("Idempotency-Key", json!({"type": "string", "minLength": 1, "maxLength": 255}), "The first outcome that changed something is kept for 24 h and answered again"),
        "IfMatch": header("If-Match", text(), "An ETag: changes only that version, else 412"),
        "IfNoneMatch": header("If-None-Match", text(), "An ETag: 304 when it is still that version"),
        "MinPosition": header("X-Twig-Min-Position", json!({"type": "integer", "minimum": 0}), "Any read with a key: waits until the views have reached this position, bounded, then 503"),
        "Traceparent": header("traceparent", text(), "Any request: W3C Trace Context"),
    })
}

/// The headers that an operation's request may have.
pub fn of_request(route: &Route) -> Vec<Value> {
    let mut names = vec!["RequestId"];
    names.extend((route.method == Method::POST && !matches!(route.takes, Takes::Nothing)).then_some("IdempotencyKey"));
    if route.tagged && route.method == Method::GET {
        names.push("IfNoneMatch");
    } else if route.tagged && route.method != Method::POST {
        names.push("IfMatch");
    }
    let shared = names.into_iter().map(|name| json!({"$ref": format!("#/components/parameters/{name}")}));
    let own = route.headers.iter();
    let own = own.map(|(name, schema, description)| json!({"name": name, "in": "header", "required": false, "schema": schema, "description": description}));
    shared.chain(own).collect()
}
