//! Request bodies against their JSON Schemas: the same schemas that the OpenAPI document shows, so that what is documented is what is enforced.

use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use serde_json::Value;

use crate::{
    problem::{Code, Field, Problem},
    routes::webhooks,
    schemas::sources,
};

const MAX_FIELDS_NAMED: usize = 100;

/// Parses a body that must be a JSON object.
pub fn parse(bytes: &[u8]) -> Result<Value, Problem> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| {
        let reason = format!("The body is not valid JSON (line {}, column {})", error.line(), error.column());
        Problem::field("", if bytes.is_empty() { "The body is empty; a JSON object is needed".to_owned() } else { reason })
    })?;
    if value.is_object() { Ok(value) } else { Err(Problem::field("", "The body must be a JSON object")) }
}

/// Compiles a schema of the route table.
pub fn compile(schema: &Value) -> Result<Validator, Problem> {
    jsonschema::draft202012::options().build(schema).map_err(|error| Problem::new(Code::InternalError, error.to_string()))
}

/// A 400 that lists every field that does not fit.
pub fn check(validator: &Validator, body: &Value) -> Result<(), Problem> {
    let mut fields: Vec<Field> = validator.iter_errors(body).flat_map(|error| named(&error)).take(MAX_FIELDS_NAMED).collect();
    if fields.is_empty() {
        return Ok(());
    }
    fields.dedup();
    Err(Problem::fields(fields))
}

/// A missing or unknown member is named itself, not the object it is missing from.
fn named(error: &ValidationError) -> Vec<Field> {
    let at = error.instance_path().to_string();
    let child = |name: &str| format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
    match error.kind() {
        ValidationErrorKind::Required { property } => vec![Field::new(child(property.as_str().unwrap_or_default()), "is required")],
        ValidationErrorKind::PropertyNames { error } => vec![Field::new(child(error.instance().as_str().unwrap_or_default()), reason(error))],
        ValidationErrorKind::AdditionalProperties { unexpected } => unexpected.iter().map(|name| Field::new(child(name), "is not a known field")).collect(),
        _ => vec![Field::new(at, reason(error))],
    }
}

/// Values are not repeated: a long or secret one has no place in an error.
fn reason(error: &ValidationError) -> String {
    match error.kind() {
        ValidationErrorKind::Enum { options } => format!("must be one of {options}"),
        ValidationErrorKind::Constant { expected_value } => format!("must be {expected_value}"),
        ValidationErrorKind::Maximum { limit } => format!("must be at most {limit}"),
        ValidationErrorKind::Minimum { limit } => format!("must be at least {limit}"),
        ValidationErrorKind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        ValidationErrorKind::MaxLength { limit } => format!("must have at most {limit} characters"),
        ValidationErrorKind::MinLength { limit } => format!("must have at least {limit} characters"),
        ValidationErrorKind::MaxItems { limit } => format!("must have at most {limit} items"),
        ValidationErrorKind::MinItems { limit } => format!("must have at least {limit} items"),
        ValidationErrorKind::MaxProperties { limit } => format!("must have at most {limit} members"),
        ValidationErrorKind::MinProperties { limit } => format!("must have at least {limit} members"),
        ValidationErrorKind::Contains => "lacks an item that must be there".to_owned(),
        ValidationErrorKind::UniqueItems => "must not have the same item twice".to_owned(),
        ValidationErrorKind::Type { kind } => format!("must be of type {}", type_names(kind)),
        ValidationErrorKind::Format { format } => format!("must be of the form {format}"),
        ValidationErrorKind::Pattern { pattern } => in_words(pattern).map_or_else(|| format!("must match {pattern}"), str::to_owned),
        ValidationErrorKind::OneOfNotValid { context } if !lacking(context).is_empty() => format!("needs exactly one of {}", lacking(context).join(", ")),
        ValidationErrorKind::OneOfMultipleValid { .. } => "has members of which only one may be given".to_owned(),
        _ => "is not valid".to_owned(),
    }
}

fn in_words(pattern: &str) -> Option<&'static str> {
    match pattern {
        r"\S" => Some("must not be blank"),
        sources::WEB_URL => Some("must be an http or https URL without a user name or password"),
        sources::BUCKET_URL => Some("must be an s3://, gs://, az:// or file:// URL of a bucket and a path, with nothing else"),
        webhooks::URL => Some("must be an https URL without a user name or password (use headers); http is for loopback only"),
        name if name == *webhooks::HEADER_NAME => Some("is reserved, or is not the name of a header"),
        _ => None,
    }
}

/// The members that the alternatives ask for, where that is all they ask for.
fn lacking(alternatives: &[Vec<ValidationError<'static>>]) -> Vec<String> {
    let required = |error: &ValidationError| match error.kind() {
        ValidationErrorKind::Required { property } => property.as_str().map(str::to_owned),
        _ => None,
    };
    alternatives.iter().flatten().map(required).collect::<Option<_>>().unwrap_or_default()
}

fn type_names(kind: &jsonschema::error::TypeKind) -> String {
    match kind {
        jsonschema::error::TypeKind::Single(one) => one.to_string(),
        jsonschema::error::TypeKind::Multiple(many) => many.iter().map(|one| one.to_string()).collect::<Vec<_>>().join(" or "),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn pointers(schema: Value, body: Value) -> Vec<String> {
        let problem = check(&compile(&schema).unwrap(), &body).unwrap_err();
        problem.details["fields"].as_array().unwrap().iter().map(|f| f["pointer"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn every_offending_field_is_listed_by_its_pointer() {
        let schema = json!({"type": "object", "required": ["name", "gone"], "additionalProperties": false, "properties": {
            "name": {"type": "string", "minLength": 1}, "gone": {}, "topK": {"type": "integer", "minimum": 1},
            "links": {"type": "array", "items": {"type": "object", "required": ["id"], "additionalProperties": false, "properties": {"id": {"type": "string"}}}}}});
        let mut found = pointers(schema, json!({"name": "", "topK": 1.5, "a/b": 1, "links": [{"idd": 1}]}));
        found.sort();
        assert_eq!(found, ["/a~1b", "/gone", "/links/0/id", "/links/0/idd", "/name", "/topK"]);
    }

    #[test]
    fn what_is_no_json_object_is_refused() {
        for body in [&b"{"[..], b"", b"[]", b"17", b"null", b"\"x\"", b"\xff\xfe", b"{} {}"] {
            assert_eq!(parse(body).unwrap_err().code, Code::InvalidRequest);
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            let object = prop::collection::vec((".{0,6}", inner.clone()), 0..4).prop_map(|members| Value::Object(members.into_iter().collect()));
            prop_oneof![prop::collection::vec(inner, 0..4).prop_map(Value::from), object]
        })
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_object_or_a_problem(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            match parse(&bytes) {
                Ok(value) => prop_assert!(value.is_object()),
                Err(problem) => prop_assert_eq!(problem.code, Code::InvalidRequest),
            }
        }

        #[test]
        fn any_json_is_an_object_or_a_problem(value in values()) {
            let parsed = parse(value.to_string().as_bytes());
            prop_assert_eq!(parsed.is_ok(), value.is_object());
            prop_assert_eq!(parsed.ok(), value.is_object().then_some(value));
        }

        #[test]
        fn every_member_that_does_not_fit_is_named_and_no_other(fits in prop::collection::btree_map("[a-z~/é ]{1,8}", any::<Option<bool>>(), 1..12)) {
            // A member fits, is of another type, or is missing.
            let properties: Value = fits.keys().map(|name| (name.clone(), json!({"type": "integer"}))).collect::<serde_json::Map<_, _>>().into();
            let schema = json!({"type": "object", "required": fits.keys().collect::<Vec<_>>(), "properties": properties});
            let given = |(name, fit): (&String, &Option<bool>)| fit.map(|fit| (name.clone(), if fit { json!(1) } else { json!("one") }));
            let body: Value = fits.iter().filter_map(given).collect::<serde_json::Map<_, _>>().into();
            let pointer = |name: &String| format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            let mut expected: Vec<String> = fits.iter().filter(|(_, fit)| **fit != Some(true)).map(|(name, _)| pointer(name)).collect();
            if expected.is_empty() {
                prop_assert!(check(&compile(&schema).unwrap(), &body).is_ok());
            } else {
                let mut found = pointers(schema, body);
                found.sort();
                expected.sort();
                prop_assert_eq!(found, expected);
            }
        }

        #[test]
        fn a_body_of_any_shape_is_checked_without_panic_and_named_by_pointers_into_it(body in values()) {
            let schema = json!({"type": "object", "additionalProperties": false, "required": ["a"], "properties": {"a": {"type": "array", "items": {"type": "string"}}}});
            if let Err(problem) = check(&compile(&schema).unwrap(), &body) {
                let fields = problem.details["fields"].as_array().unwrap();
                prop_assert!(!fields.is_empty() && fields.len() <= MAX_FIELDS_NAMED);
                prop_assert!(fields.iter().all(|field| field["pointer"] == "/a" || body.pointer(field["pointer"].as_str().unwrap()).is_some()));
            }
        }
    }
}
