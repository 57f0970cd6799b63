//! What differs between two states of a thing, field by field.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One field's change. `path` is a JSON pointer (RFC 6901) into the resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    pub path: String,
    pub from: Value,
    pub to: Value,
}

/// The top-level members in which two objects differ, by path. A member that is missing counts as `null`.
#[must_use]
pub fn changes(from: &Value, to: &Value) -> Vec<Change> {
    let empty = serde_json::Map::new();
    let (from, to) = (from.as_object().unwrap_or(&empty), to.as_object().unwrap_or(&empty));
    let names = to.keys().chain(from.keys().filter(|name| !to.contains_key(*name)));
    let mut changes: Vec<Change> = names
        .filter_map(|name| {
            let (before, after) = (from.get(name).unwrap_or(&Value::Null), to.get(name).unwrap_or(&Value::Null));
            (before != after).then(|| Change { path: format!("/{}", name.replace('~', "~0").replace('/', "~1")), from: before.clone(), to: after.clone() })
        })
        .collect();
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_a_change() {
        let found = changes(&json!({"a": 1, "b": 2, "gone": 3}), &json!({"a": 1, "b": 4, "x/y": 5}));
        let paths: Vec<_> = found.iter().map(|c| (c.path.as_str(), &c.from, &c.to)).collect();
        assert_eq!(paths, [("/b", &json!(2), &json!(4)), ("/gone", &json!(3), &Value::Null), ("/x~1y", &Value::Null, &json!(5))]);
    }
}
