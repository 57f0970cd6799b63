//! Examples that the contract test recorded from the real binary (`schemas/examples.json`); that test also holds them against what the binary answers now.

use std::sync::LazyLock;

use serde_json::Value;

static RECORDED: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../schemas/examples.json")).expect("the contract test wrote it as JSON"));

/// The body that was sent.
pub fn request(operation: &str) -> Option<&'static Value> {
    RECORDED["operations"][operation].get("request")
}

/// What was answered, as a media type's example.
pub fn response(operation: &str, media_type: &str) -> Option<&'static Value> {
    RECORDED["operations"][operation]["responses"].get(media_type)
}

/// What an error looks like.
pub fn error(code: &str, media_type: &str) -> Option<&'static Value> {
    RECORDED["errors"][code].get(media_type)
}

/// The value that a parameter had.
pub fn parameter(operation: &str, name: &str) -> Option<&'static Value> {
    RECORDED["operations"][operation]["parameters"].get(name)
}
