//! `/console`: the web console, static files that `build.rs` made and this binary carries.
//!
//! Invariant: the page runs its own script and style alone, speaks to this server alone, and is never framed; its key stays in the browser's tab.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web::{self, ServiceConfig},
};

use crate::{App, dispatch};

/// A built file, as it is and compressed. `tag` is a hash of its content.
struct File {
    path: &'static str,
    tag: &'static str,
    plain: &'static [u8],
    gzip: &'static [u8],
}

static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/console.rs"));

const INDEX: &str = "index.html";
/// Names below this carry a hash of their content.
const HASHED: &str = "assets/";
const FOREVER: &str = "public, max-age=31536000, immutable";
const ASK_FIRST: &str = "no-cache";
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";
const HEADERS: [(&str, &str); 5] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=(), payment=()"),
];
/// What `/console` answers where the build had no npm.
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>Twig console</title>\
    <h1>The web console is not in this binary</h1>\
    <p>It is made with Node.js 20.19 or later and npm, which were not there, or could not reach their registry, when this binary was built. The API is complete without it.</p>\
    <p>Install them, then build again:</p><pre>touch api/build.rs\ncargo build</pre></html>";

pub fn configure(service: &mut ServiceConfig, app: Arc<App>) {
    let answer = move |http: HttpRequest| {
        let response = respond(FILES, &http, dispatch::request_id(http.headers(), &app));
        std::future::ready(response)
    };
    service.service(web::resource(["/console", "/console/{path:.*}"]).to(answer));
}

fn respond(files: &'static [File], http: &HttpRequest, request_id: String) -> HttpResponse {
    let mut response = if ![Method::GET, Method::HEAD].contains(http.method()) {
        HttpResponse::MethodNotAllowed().insert_header((header::ALLOW, "GET, HEAD")).finish()
    } else {
        let path = http.match_info().get("path").unwrap_or_default();
        match find(files, path) {
            Some(file) => send(file, http.headers()),
            None if files.is_empty() => {
                HttpResponse::Ok().content_type("text/html; charset=utf-8").insert_header((header::CACHE_CONTROL, ASK_FIRST)).body(NOT_BUILT)
            }
            None => HttpResponse::NotFound().finish(),
        }
    };
    let all = HEADERS.into_iter().map(|(name, value)| (name, value.to_owned())).chain([("x-request-id", request_id)]);
    for (name, value) in all {
        if let Ok(value) = header::HeaderValue::from_str(&value) {
            response.headers_mut().insert(header::HeaderName::from_static(name), value);
        }
    }
    response
}

/// The file of a path. Every other path is a place within the page, but for a hashed file that is gone.
fn find(files: &'static [File], path: &str) -> Option<&'static File> {
    let named = |name: &str| files.iter().find(|file| file.path == name);
    named(path).or_else(|| if path.starts_with(HASHED) { None } else { named(INDEX) })
}

fn send(file: &'static File, asked: &header::HeaderMap) -> HttpResponse {
    let has = |name: header::HeaderName, wanted: &str| {
        asked.get_all(name).filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|one| one.trim().starts_with(wanted))
    };
    let gzip = has(header::ACCEPT_ENCODING, "gzip");
    let tag = format!("\"{}{}\"", file.tag, if gzip { "-gzip" } else { "" });
    let mut response = if has(header::IF_NONE_MATCH, &tag) { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header((header::CACHE_CONTROL, if file.path.starts_with(HASHED) { FOREVER } else { ASK_FIRST }))
        .insert_header((header::VARY, "accept-encoding"))
        .insert_header((header::ETAG, tag.clone()))
        .content_type(media_type(file.path));
    if has(header::IF_NONE_MATCH, &tag) {
        return response.finish();
    }
    if gzip {
        return response.insert_header((header::CONTENT_ENCODING, "gzip")).body(file.gzip);
    }
    response.body(file.plain)
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::collections::BTreeMap;

    use actix_web::{App as ActixApp, body::to_bytes, http::StatusCode, test};

    static BUILT: &[File] = &[
        File { path: INDEX, tag: "1", plain: b"page", gzip: b"packed page" },
        File { path: "assets/index-abc.js", tag: "2", plain: b"script", gzip: b"packed script" },
    ];

    async fn get(files: &'static [File], path: &str, headers: &[(&str, &str)]) -> (StatusCode, BTreeMap<String, String>, String) {
        let answer = move |http: HttpRequest| std::future::ready(respond(files, &http, "req_1".into()));
        let service = test::init_service(ActixApp::new().service(web::resource(["/console", "/console/{path:.*}"]).to(answer))).await;
        let request = headers.iter().fold(test::TestRequest::with_uri(path), |request, header| request.insert_header(*header));
        let response = test::call_service(&service, request.to_request()).await;
        let (status, headers) =
            (response.status(), response.headers().iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect());
        (status, headers, String::from_utf8(to_bytes(response.into_body()).await.unwrap().to_vec()).unwrap())
    }

    #[actix_web::test]
    async fn a_place_within_the_page_is_the_page_and_is_asked_for_anew() {
        for path in ["/console", "/console/", "/console/agents/agent_1", "/console/index.html"] {
            let (status, headers, body) = get(BUILT, path, &[]).await;
            assert_eq!((status, body.as_str()), (StatusCode::OK, "page"), "{path}");
            assert_eq!((headers["content-type"].as_str(), headers["cache-control"].as_str()), ("text/html; charset=utf-8", "no-cache"));
        }
    }

    #[actix_web::test]
    async fn a_hashed_file_is_kept_for_ever_and_sent_compressed() {
        let (status, headers, body) = get(BUILT, "/console/assets/index-abc.js", &[("accept-encoding", "br, gzip")]).await;
        assert_eq!((status, body.as_str(), headers["content-encoding"].as_str()), (StatusCode::OK, "packed script", "gzip"));
        assert!(headers["cache-control"].contains("immutable"));
        assert_eq!(get(BUILT, "/console/assets/index-old.js", &[]).await.0, StatusCode::NOT_FOUND);
    }

    #[actix_web::test]
    async fn what_the_browser_has_is_not_sent_again() {
        let (_, headers, _) = get(BUILT, "/console", &[]).await;
        let (status, _, body) = get(BUILT, "/console", &[("if-none-match", headers["etag"].as_str())]).await;
        assert_eq!((status, body.as_str()), (StatusCode::NOT_MODIFIED, ""));
    }

    #[actix_web::test]
    async fn every_answer_has_the_strict_policy_and_a_request_id() {
        for path in ["/console", "/console/assets/index-abc.js", "/console/assets/none.js"] {
            let (_, headers, _) = get(BUILT, path, &[]).await;
            let policy = &headers["content-security-policy"];
            assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
            assert_eq!((headers["x-content-type-options"].as_str(), headers["x-request-id"].as_str()), ("nosniff", "req_1"));
        }
    }

    #[actix_web::test]
    async fn without_built_files_the_page_says_how_to_build_it() {
        let (status, _, body) = get(&[], "/console/agents", &[]).await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.contains("npm") && body.contains("cargo build"), "{body}");
    }
}
