//! JSON as lines of `path: value`, the path being the whole way to the value, so that each line says what it is about. A list of flat objects becomes
//! a line an object, as a table's rows do; of others, a block an object.

use serde_json::Value;

use super::Extraction;

pub(super) fn extract(text: String) -> Extraction {
    let Some(values) = parse(&text) else {
        // Not JSON after all: still text that can be searched.
        return Extraction { title: None, text, pages: Vec::new() };
    };
    let mut out = String::new();
    for value in &values {
        write(&mut out, "", value);
        block_end(&mut out);
    }
    let title = match values.as_slice() {
        [Value::Object(fields)] => fields.get("title").or_else(|| fields.get("name")).and_then(Value::as_str).map(str::to_owned),
        _ => None,
    };
    Extraction { title, text: out, pages: Vec::new() }
}

/// One document, or one a line.
fn parse(text: &str) -> Option<Vec<Value>> {
    if let Ok(value) = serde_json::from_str(text) {
        return Some(vec![value]);
    }
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let values: Option<Vec<Value>> = lines.map(|line| serde_json::from_str(line).ok()).collect();
    values.filter(|values| values.len() > 1)
}

// serde_json refuses documents nested deeper than 128, so that this recursion is bounded.
fn write(out: &mut String, path: &str, value: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                write(out, &if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, inner);
            }
        }
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            let items: Vec<_> = items.iter().map(scalar).filter(|item| !item.is_empty()).collect();
            line(out, path, &items.join(", "));
        }
        Value::Array(items) if !items.is_empty() && items.iter().all(is_flat) => {
            if !path.is_empty() {
                block_end(out);
                out.push_str(&format!("{path}:\n\n"));
            }
            for item in items {
                row(out, item);
            }
            block_end(out);
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                write(out, &format!("{path} {}", index + 1), item);
                block_end(out);
            }
        }
        scalar_value => line(out, path, &scalar(scalar_value)),
    }
}

/// An object of values that fit on a line.
fn is_flat(value: &Value) -> bool {
    let on_a_line = |value: &Value| match value {
        Value::Object(_) => false,
        Value::Array(items) => items.iter().all(|item| !item.is_object() && !item.is_array()),
        Value::String(text) => text.len() <= MAX_CELL_BYTES && !text.contains('\n'),
        _ => true,
    };
    value.as_object().is_some_and(|fields| !fields.is_empty() && fields.values().all(on_a_line))
}

/// A longer text is no cell of a row.
const MAX_CELL_BYTES: usize = 400;

fn row(out: &mut String, item: &Value) {
    let cell = |(name, value): (&String, &Value)| match value {
        Value::Array(items) => (name.clone(), items.iter().map(scalar).collect::<Vec<_>>().join(", ")),
        value => (name.clone(), scalar(value)),
    };
    let cells = item.as_object().into_iter().flatten().map(cell).filter(|(_, value)| !value.is_empty());
    let cells: Vec<String> = cells.map(|(name, value)| format!("{name}: {value}")).collect();
    if !cells.is_empty() {
        out.push_str(&format!("- {}\n", cells.join("; ")));
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn line(out: &mut String, path: &str, value: &str) {
    if value.is_empty() {
        return;
    }
    if !path.is_empty() {
        out.push_str(path);
        out.push_str(": ");
    }
    // A text of several lines keeps them, set in so that none of them is taken for a heading.
    out.push_str(&value.replace('\n', "\n  "));
    out.push('\n');
}

fn block_end(out: &mut String) {
    if !out.is_empty() && !out.ends_with("\n\n") {
        out.push('\n');
    }
}
