//! `/docs`: the document as a page to read, made once from the document itself. It needs nothing but itself: no script, one style sheet inside, so that the
//! policy that goes with it can forbid everything else.

use std::{fmt::Write, sync::LazyLock};

use base64::Engine;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::document;
use crate::reply::Reply;

const STYLE: &str = include_str!("page.css");
const METHODS: [&str; 4] = ["get", "post", "put", "delete"];
/// Nesting of shapes that is written out before it is told by name only.
const MAX_DEPTH: usize = 6;

static PAGE: LazyLock<String> = LazyLock::new(|| page(&document()));

pub fn reply() -> Reply {
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    Reply::raw(PAGE.clone().into_bytes(), "text/html; charset=utf-8")
        .header("content-security-policy", policy)
        .header("x-content-type-options", "nosniff")
        .header("referrer-policy", "no-referrer")
        .header("cache-control", "no-cache")
}

fn page(document: &Value) -> String {
    let (title, version) = (text(&document["info"]["title"]), text(&document["info"]["version"]));
    let mut nav = String::new();
    let mut main = format!(
        "<header><h1>{title} <small>{version}</small></h1>{}<p>The same as a document for programs: <a href=\"/openapi.json\">openapi.json</a>.</p></header>",
        prose(&document["info"]["description"])
    );
    for tag in document["tags"].as_array().into_iter().flatten() {
        let (name, anchor) = (text(&tag["name"]), anchor(&tag["name"]));
        let _ = write!(nav, "<li><a href=\"#{anchor}\">{name}</a><ul>");
        let _ = write!(main, "<section id=\"{anchor}\"><h2>{name}</h2>{}", prose(&tag["description"]));
        for (path, method, operation) in operations(document).filter(|(_, _, operation)| operation["tags"][0] == tag["name"]) {
            let id = text(&operation["operationId"]);
            let _ = write!(nav, "<li><a href=\"#{id}\">{}</a></li>", inline(&text(&operation["summary"])));
            main.push_str(&article(document, path, method, operation));
        }
        nav.push_str("</ul></li>");
        main.push_str("</section>");
    }
    nav.push_str("<li><a href=\"#errors\">Errors</a></li><li><a href=\"#shapes\">Shapes</a></li>");
    main.push_str(&errors(document));
    main.push_str(&shapes(document));
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><nav aria-label=\"Operations\"><a class=\"home\" href=\"#\">{title}</a><ul>{nav}</ul></nav><main>{main}</main></body></html>"
    )
}

fn operations(document: &Value) -> impl Iterator<Item = (&String, &'static str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, methods)| METHODS.into_iter().filter_map(move |method| Some((path, method, methods.get(method)?))))
}

fn article(document: &Value, path: &str, method: &str, operation: &Value) -> String {
    let mut html = format!(
        "<article id=\"{}\"><h3>{}</h3><p class=\"call\"><b class=\"{method}\">{}</b> <code>{}</code></p>{}",
        text(&operation["operationId"]),
        inline(&text(&operation["summary"])),
        method.to_uppercase(),
        escaped(path),
        prose(&operation["description"])
    );
    let parameters: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().map(|parameter| resolved(document, parameter)).collect();
    if !parameters.is_empty() {
        html.push_str("<h4>Parameters</h4><table>");
        for parameter in parameters {
            let note = if parameter["in"] == "path" { "in the path".to_owned() } else { format!("{}, {}", text(&parameter["in"]), kind(&parameter["schema"])) };
            row(&mut html, &parameter["name"], &note, &parameter["description"]);
        }
        html.push_str("</table>");
    }
    for (media_type, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
        let _ = write!(html, "<h4>Body <small>{media_type}</small></h4>{}{}", members(document, &content["schema"], 0), example(&content["example"], true));
    }
    html.push_str(&responses(operation));
    html.push_str("</article>");
    html
}

fn responses(operation: &Value) -> String {
    let mut html = String::new();
    let mut refused = Vec::new();
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        if response["$ref"].is_string() || operation["tags"][0] == "OpenAI" && status.as_str() >= "400" {
            refused.push(format!("<a href=\"#error-{status}\">{status}</a>"));
            continue;
        }
        let _ = write!(html, "<h4>{status} <small>{}</small></h4>", text(&response["description"]));
        for (media_type, content) in response["content"].as_object().into_iter().flatten() {
            let schema = content["schema"].pointer("/properties/data").unwrap_or(&content["schema"]);
            let _ = write!(html, "<p><small>{media_type}</small> {}</p>{}", kind(schema), example(&content["example"], false));
        }
        let names: Vec<_> = response["headers"].as_object().into_iter().flatten().map(|(name, _)| format!("<code>{}</code>", escaped(name))).collect();
        if !names.is_empty() {
            let _ = write!(html, "<p><small>Headers</small> {}</p>", names.join(" "));
        }
    }
    if !refused.is_empty() {
        let _ = write!(html, "<p><small>Errors</small> {}</p>", refused.join(" "));
    }
    html
}

fn errors(document: &Value) -> String {
    let mut html = "<section id=\"errors\"><h2>Errors</h2>".to_owned();
    for code in crate::problem::Code::ALL {
        let response = &document["components"]["responses"][super::operation::error_name(code)];
        let _ = write!(
            html,
            "<article id=\"error-{}\"><h3>{} <code>{}</code></h3>{}</article>",
            code.status().as_str(),
            code.status().as_str(),
            code.name(),
            example(&response["content"]["application/json"]["example"], true)
        );
    }
    html + "</section>"
}

fn shapes(document: &Value) -> String {
    let mut html = "<section id=\"shapes\"><h2>Shapes</h2>".to_owned();
    for (name, shape) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let _ = write!(html, "<article id=\"shape-{name}\"><h3>{name}</h3>{}{}</article>", prose(&shape["description"]), members(document, shape, 0));
    }
    html + "</section>"
}

/// A table of an object's members; what has a name of its own is linked and not written out.
fn members(document: &Value, schema: &Value, depth: usize) -> String {
    if let Some(name) = name_of(schema) {
        return if depth == 0 { members(document, resolved(document, schema), 1) } else { format!("<a href=\"#shape-{name}\">{name}</a>") };
    }
    let Some(properties) = schema["properties"].as_object().filter(|_| depth < MAX_DEPTH) else { return String::new() };
    let mut html = "<table>".to_owned();
    for (name, member) in properties {
        let needed = schema["required"].as_array().is_some_and(|required| required.iter().any(|one| one == name));
        let note = format!("{}{}", kind(member), if needed { "" } else { ", optional" });
        row(&mut html, &Value::String(name.clone()), &note, &member["description"]);
    }
    html + "</table>"
}

fn row(html: &mut String, name: &Value, note: &str, description: &Value) {
    let _ = write!(html, "<tr><th scope=\"row\"><code>{}</code></th><td><small>{note}</small> {}</td></tr>", text(name), inline(&text(description)));
}

/// What a value may be, in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = name_of(schema) {
        return format!("<a href=\"#shape-{name}\">{name}</a>");
    }
    if let Some(choices) = schema["anyOf"].as_array().filter(|_| schema.get("properties").is_none()) {
        return choices.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(|value| format!("<code>{}</code>", escaped(&value.to_string()))).collect::<Vec<_>>().join(" ");
    }
    if let Some(value) = schema.get("const") {
        return format!("<code>{}</code>", escaped(&value.to_string()));
    }
    let names = match &schema["type"] {
        Value::Array(all) => all.iter().map(text).collect::<Vec<_>>().join(" or "),
        one => text(one),
    };
    if names == "array" {
        return format!("list of {}", kind(&schema["items"]));
    }
    let bounds = [("minimum", "from "), ("maximum", "to "), ("minLength", "at least "), ("maxLength", "at most "), ("format", "")];
    let bounds = bounds.into_iter().filter_map(|(member, word)| Some(format!("{word}{}", text(schema.get(member)?))));
    std::iter::once(if names.is_empty() { "any".to_owned() } else { names }).chain(bounds).collect::<Vec<_>>().join(", ")
}

fn name_of(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix("#/components/schemas/")
}

fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    value["$ref"].as_str().and_then(|reference| document.pointer(reference.trim_start_matches('#'))).unwrap_or(value)
}

fn example(value: &Value, open: bool) -> String {
    let shown = match value {
        Value::Null => return String::new(),
        Value::String(text) => text.clone(),
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    };
    format!("<details{}><summary>Example</summary><pre><code>{}</code></pre></details>", if open { " open" } else { "" }, escaped(&shown))
}

/// Paragraphs, with what stands in back-ticks as code.
fn prose(value: &Value) -> String {
    let text = text(value);
    text.split("\n\n").filter(|paragraph| !paragraph.is_empty()).map(|paragraph| format!("<p>{}</p>", inline(paragraph))).collect()
}

fn inline(escaped: &str) -> String {
    let parts = escaped.split('`').enumerate();
    parts.map(|(place, part)| if place % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() }).collect()
}

fn anchor(name: &Value) -> String {
    let letters = name.as_str().unwrap_or_default().chars();
    letters.map(|letter| if letter.is_alphanumeric() { letter.to_ascii_lowercase() } else { '-' }).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => escaped(text),
        other => escaped(&other.to_string()),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_every_operation_and_loads_nothing() {
        let (document, page) = (document(), page(&document()));
        for (path, _, operation) in operations(&document) {
            assert!(page.contains(&format!("id=\"{}\"", text(&operation["operationId"]))), "{path}");
        }
        for foreign in ["<script", "src=", "http-equiv", "@import", "url("] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        let targets = page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()).filter(|target| !target.is_empty());
        for target in targets {
            assert!(page.contains(&format!("id=\"{target}\"")), "{target} leads nowhere");
        }
    }
}
