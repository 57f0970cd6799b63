//! The OpenAPI 3.1 document, made from the route table: the schemas it shows are the schemas that requests are checked by.

use serde_json::{Map, Value, json};

use crate::{
    problem::Code,
    route::{Gives, Route, Takes, table},
};

/// The contract's version; a change that breaks clients raises it.
const CONTRACT_VERSION: &str = "1.0.0";

#[must_use]
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in table() {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation(&route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Twig AI REST API", "version": CONTRACT_VERSION, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
                 "description": "Agents over an organization's own documents, with cited answers."},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key: twigsk_live_… or twigsk_test_…"}},
            "schemas": {"Error": error_schema(), "Pagination": pagination_schema()},
            "responses": {"Error": {"description": "An error", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}},
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": operation_id(route), "summary": route.summary, "parameters": parameters(route), "responses": responses(route),
        "tags": [route.path.trim_start_matches("/api/").trim_start_matches('/').split('/').next().unwrap_or_default()],
    });
    if !route.scopes.is_empty() {
        operation["security"] = json!([{"key": []}]);
        operation["description"] = format!("Needs the scope {}.", route.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(" and ")).into();
    }
    match &route.takes {
        Takes::Json(schema) => operation["requestBody"] = json!({"required": true, "content": {"application/json": {"schema": schema}}}),
        Takes::OptionalJson(schema) => operation["requestBody"] = json!({"required": false, "content": {"application/json": {"schema": schema}}}),
        Takes::Files => {
            let files =
                json!({"type": "object", "required": ["file"], "properties": {"file": {"type": "array", "items": {"type": "string", "format": "binary"}}}});
            operation["requestBody"] = json!({"required": true, "content": {"multipart/form-data": {"schema": files}}});
        }
        Takes::Foreign => operation["requestBody"] = json!({"required": true, "content": {"application/json": {"schema": {"type": "object"}}}}),
        Takes::Nothing => {}
    }
    operation
}

fn operation_id(route: &Route) -> String {
    let words = route.path.trim_start_matches("/api/").split(['/', '-', '.', '{', '}']).filter(|word| !word.is_empty());
    let mut id = route.method.as_str().to_ascii_lowercase();
    for word in words {
        let mut letters = word.chars();
        id.extend(letters.next().into_iter().flat_map(char::to_uppercase).chain(letters));
    }
    id
}

fn parameters(route: &Route) -> Vec<Value> {
    let in_path = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = in_path.map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
    let in_query = route.query.iter().map(|(name, schema)| json!({"name": name, "in": "query", "required": false, "schema": schema}));
    in_path.chain(in_query).collect()
}

fn responses(route: &Route) -> Value {
    let envelope = |data: &Value| json!({"type": "object", "required": ["data", "status"], "properties": {"data": data, "status": {"const": "success"}}});
    let json_content = |schema: Value| json!({"application/json": {"schema": schema}});
    let (status, content) = match &route.gives {
        Gives::One(status, data) => (*status, json_content(envelope(data))),
        Gives::Deleted => (
            200,
            json_content(envelope(
                &json!({"type": "object", "required": ["id", "deleted"], "properties": {"id": {"type": "string"}, "deleted": {"const": true}}}),
            )),
        ),
        Gives::List(item) => {
            let mut list = envelope(&json!({"type": "array", "items": item}));
            list["properties"]["pagination"] = json!({"$ref": "#/components/schemas/Pagination"});
            list["required"] = json!(["data", "pagination", "status"]);
            (200, json_content(list))
        }
        Gives::Other(status, media_type) => (*status, json!({*media_type: {}})),
    };
    let mut responses = Map::new();
    responses.insert(status.to_string(), json!({"description": "Success", "content": content}));
    for code in Code::ALL {
        responses.insert(code.status().as_str().to_owned(), json!({"$ref": "#/components/responses/Error"}));
    }
    Value::Object(responses)
}

fn error_schema() -> Value {
    let codes: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
    json!({
        "type": "object", "required": ["error", "status"],
        "properties": {
            "status": {"const": "error"},
            "error": {"type": "object", "required": ["code", "message", "details", "requestId"], "properties": {
                "code": {"enum": codes}, "message": {"type": "string"}, "details": {"type": ["object", "null"]}, "requestId": {"type": "string"}, "retryAfter": {"type": "integer"},
            }},
        },
    })
}

fn pagination_schema() -> Value {
    json!({
        "type": "object", "required": ["limit", "offset", "total", "hasMore", "nextCursor"],
        "properties": {"limit": {"type": "integer"}, "offset": {"type": ["integer", "null"]}, "total": {"type": "integer"}, "hasMore": {"type": "boolean"}, "nextCursor": {"type": ["string", "null"]}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let names: Vec<String> = table().iter().map(operation_id).collect();
        let mut unique = names.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(names.len(), unique.len());
    }
}
