//! A crawl of a small server made here: HTTP/1.1 by hand, a connection a request.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{Filters, NetworkPolicy, Source, SourceKind, SourceSettings};

struct Site {
    base: String,
    hits: Arc<Mutex<Vec<String>>>,
}

type Pages = HashMap<&'static str, (u16, &'static str, String)>;

/// Serves what `pages` makes of the server's own base URL. A page of type `hang` is never answered.
async fn site(pages: impl FnOnce(&str) -> Pages) -> Site {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (pages, hits) = (Arc::new(pages(&base)), Arc::new(Mutex::new(Vec::new())));
    let seen = Arc::clone(&hits);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (pages, seen) = (Arc::clone(&pages), Arc::clone(&seen));
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap_or(b'\n'));
                }
                let path = String::from_utf8(head).unwrap().split(' ').nth(1).unwrap().to_owned();
                seen.lock().unwrap().push(path.clone());
                let missing = (404, "text/html", "<p>Not found</p>".to_owned());
                let (status, kind, body) = pages.get(path.as_str()).unwrap_or(&missing);
                if *kind == "hang" {
                    std::future::pending::<()>().await;
                }
                let extra = if (300..400).contains(status) { format!("location: {body}\r\n") } else { format!("content-type: {kind}\r\n") };
                let answer = format!("HTTP/1.1 {status} X\r\n{extra}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    Site { base, hits }
}

fn page(title: &str, links: &[&str]) -> (u16, &'static str, String) {
    let links: String = links.iter().map(|link| format!("<a href=\"{link}\">x</a>")).collect();
    (200, "text/html; charset=utf-8", format!("<html><head><title>{title}</title></head><body><p>{title} text</p>{links}</body></html>"))
}

fn settings() -> SourceSettings {
    SourceSettings { allow_networks: vec!["127.0.0.0/8".parse().unwrap()], crawl_requests_per_second: 100.0, fetch_silence_s: 5, ..SourceSettings::default() }
}

async fn crawl(kind: SourceKind, config: Value, settings: SourceSettings, filters: Filters) -> (Vec<Found>, Result<(), FetchError>) {
    crate::validate_config(kind, &config, &settings).unwrap();
    let source = Source { kind, config, uploads: Vec::new(), filters };
    let policy = Arc::new(NetworkPolicy::new(settings.allow_networks.clone()));
    let (out, mut found) = mpsc::channel(4);
    let collect = async {
        let mut all = Vec::new();
        while let Some(one) = found.recv().await {
            all.push(one);
        }
        all
    };
    let (done, all) = tokio::join!(crate::fetch(&source, &settings, policy, CancellationToken::new(), out), collect);
    (all, done)
}

fn paths(base: &str, found: &[Found]) -> Vec<String> {
    found.iter().filter_map(|one| if let Found::Document(document) = one { Some(document.url.strip_prefix(base).unwrap().to_owned()) } else { None }).collect()
}

fn example(base: &str) -> Pages {
    HashMap::from([
        ("/", page("Home", &["/a", "/a#part", "/old", "/private/secret", "http://localhost:9/elsewhere", "mailto:x@y", "/logo.png", "/gone", "/away"])),
        ("/a", page("A", &["/b", "/", "a"])),
        ("/b", page("B", &["/a", "/c"])),
        ("/c", page("C", &["/d"])),
        ("/d", page("Too deep", &[])),
        ("/old", (301, "", "/new".to_owned())),
        ("/new", page("Moved", &[])),
        ("/away", (302, "", "http://localhost:9/away".to_owned())),
        ("/private/secret", page("Secret", &[])),
        ("/only-in-sitemap", page("Hours", &[])),
        ("/robots.txt", (200, "text/plain", format!("User-agent: *\nDisallow: /private/\nSitemap: {base}/map.xml\n"))),
        (
            "/map.xml",
            (
                200,
                "application/xml",
                format!("<urlset><url><loc>{base}/</loc></url><url><loc>{base}/only-in-sitemap</loc></url><url><loc>http://localhost:9/x</loc></url></urlset>"),
            ),
        ),
    ])
}

#[tokio::test]
async fn a_site_is_crawled_to_its_depth_and_no_further() {
    let site = site(example).await;
    let (found, done) = crawl(SourceKind::Website, json!({"url": format!("{}/", site.base)}), settings(), Filters::default()).await;
    done.unwrap();
    assert_eq!(paths(&site.base, &found), ["/", "/a", "/new", "/only-in-sitemap", "/b", "/c"]);
    let failed: Vec<_> = found
        .iter()
        .filter_map(|one| if let Found::Failed { url, message } = one { Some((url.strip_prefix(&site.base).unwrap(), message.as_str())) } else { None })
        .collect();
    assert_eq!(failed, [("/gone", "answered 404 Not Found")]);
    let mut hits = site.hits.lock().unwrap().clone();
    assert!(!hits.iter().any(|path| path.starts_with("/private") || path == "/d" || path == "/logo.png"), "{hits:?}");
    let count = hits.len();
    hits.sort();
    hits.dedup();
    assert_eq!(hits.len(), count, "nothing is asked for twice");
}

#[tokio::test]
async fn limits_and_filters_hold() {
    let site = site(example).await;
    let url = format!("{}/", site.base);
    let go = async |config: Value, filters: Filters| paths(&site.base, &crawl(SourceKind::Website, config, settings(), filters).await.0);
    assert_eq!(go(json!({"url": url, "maxDepth": 0}), Filters::default()).await, ["/"]);
    assert_eq!(go(json!({"url": url, "maxPages": 2}), Filters::default()).await, ["/", "/a"]);
    assert_eq!(go(json!({"url": url, "include": ["/a*", "/b"]}), Filters::default()).await, ["/a", "/b"]);
    let filters = Filters { include: vec![], exclude: vec!["/b".to_owned(), "sitemap".to_owned()] };
    assert_eq!(go(json!({"url": url}), filters).await, ["/", "/a", "/new"]);
}

#[tokio::test]
async fn a_start_page_that_cannot_be_had_fails_the_source() {
    let site = site(|_| {
        HashMap::from([
            ("/busy/robots.txt", (503, "", String::new())),
            ("/loop", (301, "", "/loop".to_owned())),
            ("/image", (200, "image/png", "x".to_owned())),
        ])
    })
    .await;
    for (path, says) in [("/", "answered 404 Not Found"), ("/image", "nothing that can be read"), ("/loop", "nothing that can be read")] {
        let (found, done) = crawl(SourceKind::Website, json!({"url": format!("{}{path}", site.base)}), settings(), Filters::default()).await;
        let message = done.unwrap_err().to_string();
        assert!(found.is_empty() && message.contains(says), "{message}");
    }
    let closed = "http://127.0.0.1:9/";
    assert!(crawl(SourceKind::Website, json!({"url": closed}), settings(), Filters::default()).await.1.unwrap_err().to_string().contains("no connection"));
}

#[tokio::test]
async fn a_host_whose_robots_cannot_be_had_is_left_alone() {
    let site = site(|_| HashMap::from([("/", page("Home", &[])), ("/robots.txt", (503, "text/plain", String::new()))])).await;
    let (found, done) = crawl(SourceKind::Website, json!({"url": format!("{}/", site.base)}), settings(), Filters::default()).await;
    assert!(found.is_empty() && done.unwrap_err().to_string().contains("robots.txt answered 503"));
    assert_eq!(*site.hits.lock().unwrap(), ["/robots.txt"]);
}

#[tokio::test]
async fn a_redirect_to_a_private_address_is_not_followed() {
    let site = site(|_| {
        HashMap::from([("/data.csv", (302, "", "http://10.0.0.1/secret.csv".to_owned())), ("/name.csv", (302, "", "http://localhost.:1/x".to_owned()))])
    })
    .await;
    let (_, done) = crawl(SourceKind::Csv, json!({"url": format!("{}/data.csv", site.base)}), settings(), Filters::default()).await;
    assert!(done.unwrap_err().to_string().contains("may not be reached"));
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_refused_where_it_is_dialled() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (_, done) =
        crawl(SourceKind::Website, json!({"url": "http://localhost:9/"}), SourceSettings { allow_networks: Vec::new(), ..settings() }, Filters::default())
            .await;
    assert!(done.unwrap_err().to_string().contains("may not be reached"));
}

#[tokio::test]
async fn a_sitemap_gives_its_pages_and_no_link_is_followed() {
    let site = site(example).await;
    let (found, done) = crawl(SourceKind::Sitemap, json!({"url": format!("{}/map.xml", site.base)}), settings(), Filters::default()).await;
    done.unwrap();
    assert_eq!(paths(&site.base, &found), ["/", "/only-in-sitemap"]);
    assert!(found.contains(&Found::Seen(2)));
}

#[tokio::test]
async fn a_file_over_the_limit_is_named() {
    let site = site(|_| HashMap::from([("/", page("Home", &["/big"])), ("/big", (200, "text/plain", "x".repeat(5000)))])).await;
    let settings = SourceSettings { max_document_bytes: 4096, ..settings() };
    let (found, _) = crawl(SourceKind::Website, json!({"url": format!("{}/", site.base)}), settings, Filters::default()).await;
    assert!(found.contains(&Found::Failed { url: format!("{}/big", site.base), message: "larger than 4096 bytes".to_owned() }), "{found:?}");
}

#[tokio::test]
async fn a_cancellation_ends_a_crawl_that_waits() {
    let site = site(|_| HashMap::from([("/", page("Home", &["/slow"])), ("/slow", (200, "hang", String::new()))])).await;
    let source = Source { kind: SourceKind::Website, config: json!({"url": format!("{}/", site.base)}), uploads: Vec::new(), filters: Filters::default() };
    let (out, mut found) = mpsc::channel(1);
    let cancel = CancellationToken::new();
    let (settings, token) = (settings(), cancel.clone());
    let run = tokio::spawn(async move { crate::fetch(&source, &settings, Arc::new(NetworkPolicy::new(settings.allow_networks.clone())), token, out).await });
    assert!(matches!(found.recv().await, Some(Found::Document(_))), "the first page is seen before the crawl is done");
    cancel.cancel();
    assert!(matches!(run.await.unwrap(), Err(FetchError::Canceled)));
}

#[tokio::test]
async fn a_page_that_never_answers_is_failed_and_the_crawl_goes_on() {
    let site = site(|_| HashMap::from([("/", page("Home", &["/slow", "/ok"])), ("/slow", (200, "hang", String::new())), ("/ok", page("Ok", &[]))])).await;
    let settings = SourceSettings { fetch_silence_s: 1, ..settings() };
    let (found, done) = crawl(SourceKind::Website, json!({"url": format!("{}/", site.base)}), settings, Filters::default()).await;
    done.unwrap();
    assert_eq!(paths(&site.base, &found), ["/", "/ok"]);
    assert!(found.iter().any(|one| matches!(one, Found::Failed { url, message } if url.ends_with("/slow") && message.contains("did not answer in time"))));
}
