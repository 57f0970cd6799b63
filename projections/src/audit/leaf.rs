//! A leaf of the tree: an audit event's canonical JSON.

use serde_json::Value;

use super::merkle::{Hash, leaf_hash};

/// The leaf hash (RFC 6962 §2.1) of an audit event without its `hash`, as canonical JSON (RFC 8785).
#[must_use]
pub fn leaf(event: &Value) -> Hash {
    // Only a number that is no JSON can't be canonical, and a `Value` holds none.
    leaf_hash(&serde_json_canonicalizer::to_vec(event).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_hash_is_of_the_canonical_form() {
        let expected: Hash = Sha256::digest(b"\0{\"a\":[1,0.7],\"b\":null}").into();
        assert_eq!(leaf(&json!({"b": null, "a": [1.0, 0.7]})), expected);
    }
}
