//! What a data spec's `config` may hold, by the spec's type.
//!
//! Invariant: no rule here is stricter than those of the knowledge crate, which also knows what no schema can state: addresses that may not be reached, folders
//! that are not allowed.

use serde_json::{Value, json};

const MAX_TITLE_CHARS: u32 = 300;
const MAX_URL_CHARS: u32 = 2_048;
const MAX_PLAIN_CHARS: u32 = 4_096;
const MAX_PATTERNS: u32 = 100;
const MAX_PATTERN_CHARS: u32 = 500;
const MAX_DEPTH: u32 = 20;
const MAX_PAGES: u32 = 100_000;
const MAX_REQUESTS_PER_SECOND: u32 = 100;

/// A URL with a host, without a user name or a password. A parser of URLs skips more slashes than two.
pub const WEB_URL: &str = r"^\s*[hH][tT][tT][pP][sS]?://[/\\]*[^/\\?#@]+([/\\?#]|$)";
/// A bucket and a path, or a folder of the server's machine, with nothing else.
pub const BUCKET_URL: &str = r"^((s3|gs|az)://[^\x00-\x20#/:<>?@\[\\\]^|]+(/[^?#]*)?|file://(localhost)?([/\\][^?#]*)?)$";

pub const DESCRIPTION: &str = "By `type`. text: `title`, `content`. website: `url`, `maxDepth`, `maxPages`, `include`, `exclude`, `requestsPerSecond`. sitemap: `url`, `include`, `exclude`, `requestsPerSecond`. csv, qna_csv: `url`, or by upload. bucket: `url` (s3://, gs://, az://, file://), `prefix`, `endpoint`, `region`, `accessKeyId`, `secretAccessKey`, `sessionToken`, `include`, `exclude`. file: nothing, by upload. Secrets are answered as `***`; a PUT of `***` keeps them.";

/// A rule for each type, for `allOf`.
pub fn by_type() -> Value {
    let rule = |(kind, needed, properties): (&str, &[&str], Value)| {
        let mut config = json!({"type": "object", "additionalProperties": false, "required": needed, "properties": properties});
        if kind == "bucket" {
            config["dependentRequired"] = json!({"accessKeyId": ["secretAccessKey"], "sessionToken": ["secretAccessKey"]});
            // There it is the storage account's name.
            config["if"] = json!({"required": ["url"], "properties": {"url": {"type": "string", "pattern": "^az://"}}});
            config["then"] = json!({"required": ["accessKeyId"]});
        }
        let required: &[&str] = if needed.is_empty() { &[] } else { &["config"] };
        json!({"if": {"properties": {"type": {"const": kind}}}, "then": {"required": required, "properties": {"config": config}}})
    };
    let pace = json!({"type": "number", "exclusiveMinimum": 0, "maximum": MAX_REQUESTS_PER_SECOND});
    let table = || json!({"url": nullable(web_url())});
    let all: [(&str, &[&str], Value); 7] = [
        ("text", &["title", "content"], json!({"title": text(MAX_TITLE_CHARS), "content": {"type": "string", "pattern": r"\S"}})),
        ("file", &[], json!({})),
        (
            "website",
            &["url"],
            json!({
                "url": web_url(), "maxDepth": {"type": "integer", "minimum": 0, "maximum": MAX_DEPTH}, "maxPages": {"type": "integer", "minimum": 1, "maximum": MAX_PAGES},
                "include": patterns(), "exclude": patterns(), "requestsPerSecond": pace,
            }),
        ),
        ("sitemap", &["url"], json!({"url": web_url(), "include": patterns(), "exclude": patterns(), "requestsPerSecond": pace})),
        ("csv", &[], table()),
        ("qna_csv", &[], table()),
        ("bucket", &["url"], bucket()),
    ];
    all.into_iter().map(rule).collect()
}

fn bucket() -> Value {
    let plain = || nullable(text(MAX_PLAIN_CHARS));
    json!({
        "url": {"type": "string", "maxLength": MAX_URL_CHARS, "pattern": BUCKET_URL}, "prefix": plain(), "endpoint": nullable(web_url()), "region": plain(),
        "accessKeyId": plain(), "secretAccessKey": plain(), "sessionToken": plain(), "include": patterns(), "exclude": patterns(),
    })
}

/// Not blank.
fn text(max_chars: u32) -> Value {
    json!({"type": "string", "maxLength": max_chars, "pattern": r"\S"})
}

/// Without a user name or a password.
fn web_url() -> Value {
    json!({"type": "string", "maxLength": MAX_URL_CHARS, "pattern": WEB_URL})
}

fn patterns() -> Value {
    json!({"type": "array", "maxItems": MAX_PATTERNS, "items": text(MAX_PATTERN_CHARS)})
}

fn nullable(mut schema: Value) -> Value {
    schema["type"] = json!([schema["type"], "null"]);
    schema
}
