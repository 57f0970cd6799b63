//! A web site, breadth first from its start page. The invariants: only pages of the start page's own origin, allowed by robots.txt, no deeper than `maxDepth` and no more than `maxPages`;
//! one request at a time, paced for the host; a page is one document under the URL it was finally found at, and is fetched once.

use std::{collections::HashSet, time::Duration};

use bytes::Bytes;
use reqwest::StatusCode;
use serde_json::Value;
use url::Url;

use super::{Document, FetchError, Found, Job, base_name, robots::Rules, sitemap};
use crate::{
    egress::{EgressClient, EgressError, Reply},
    extract::page_links,
    pace,
};

const DEFAULT_MAX_DEPTH: u64 = 3;
const DEFAULT_MAX_PAGES: u64 = 1_000;
const MAX_REDIRECTS: usize = 5;
const MAX_URL_CHARS: usize = 2_048;
/// Requests that brought no page (wrong kind, known already) do not count as pages; for each page so many are allowed.
const MAX_REQUESTS_PER_PAGE: u64 = 5;
/// What a link may end in and still not be worth a request.
const NO_PAGES: [&str; 40] = [
    "png", "jpg", "jpeg", "gif", "svg", "webp", "avif", "ico", "bmp", "tiff", "css", "js", "mjs", "map", "woff", "woff2", "ttf", "otf", "eot", "mp3", "mp4",
    "m4a", "avi", "mov", "webm", "ogg", "wav", "flac", "zip", "gz", "tgz", "bz2", "xz", "7z", "rar", "exe", "dmg", "iso", "apk", "deb",
];

pub(super) async fn fetch(job: &Job<'_>) -> Result<(), FetchError> {
    // Checked to be whole, but 3.0 is as whole as 3.
    let number = |field: &str, default| job.source.config.get(field).and_then(Value::as_f64).map_or(default, |number| number as u64);
    let (max_depth, max_pages) = (number("maxDepth", DEFAULT_MAX_DEPTH), number("maxPages", DEFAULT_MAX_PAGES));
    let start = canonical(job.url()?);
    let mut crawl = Crawl::begin(job, start.clone(), max_pages).await?;
    let mut level = crawl.start_page(&start, max_depth > 0).await?;
    if max_depth > 0 {
        level.extend(sitemap::pages_of_site(job, &crawl).await);
    }
    for depth in 1..=max_depth {
        level = crawl.level(level, depth < max_depth).await?;
        if level.is_empty() {
            break;
        }
    }
    Ok(())
}

/// A crawl of one origin under way.
pub(super) struct Crawl<'a> {
    job: &'a Job<'a>,
    pub(super) client: EgressClient,
    pub(super) origin: Url,
    pub(super) rules: Rules,
    seen: HashSet<Url>,
    pages_left: u64,
    requests_left: u64,
}

enum Visit {
    Page(Page),
    /// Nothing to take and nothing wrong: of another kind, or known already.
    Nothing,
    NotAllowed,
    Elsewhere(Url),
    Failed(String),
}

struct Page {
    url: Url,
    media_type: Option<String>,
    bytes: Bytes,
}

impl<'a> Crawl<'a> {
    pub(super) async fn begin(job: &'a Job<'a>, origin: Url, max_pages: u64) -> Result<Self, FetchError> {
        let client = job.client()?;
        let rules = Rules::load(job, &client, &origin).await?;
        Ok(Self { job, client, origin, rules, seen: HashSet::new(), pages_left: max_pages, requests_left: max_pages.saturating_mul(MAX_REQUESTS_PER_PAGE) })
    }

    pub(super) fn interval(&self) -> Duration {
        pace::interval(self.job.requests_per_second(), self.rules.crawl_delay_s())
    }

    /// Fetches the start page, which must be there, and returns its links.
    async fn start_page(&mut self, start: &Url, want_links: bool) -> Result<Vec<Url>, FetchError> {
        self.seen.insert(start.clone());
        let mut visit = self.visit(start).await;
        if let Visit::Elsewhere(target) = &visit {
            // A site often answers under one name only, with or without www, by https only: that is still the site that was meant.
            if !same_site(start, target) {
                return Err(FetchError::Source(format!(
                    "the start page {start} redirects to {}: use that as the URL if it is what you mean",
                    origin_text(target)
                )));
            }
            let target = target.clone();
            self.origin = target.clone();
            self.rules = Rules::load(self.job, &self.client, &target).await?;
            self.seen.insert(target.clone());
            visit = self.visit(&target).await;
        }
        match visit {
            Visit::Page(page) => self.take(page, want_links).await,
            Visit::Nothing => Err(FetchError::Source(format!("the start page {start} is nothing that can be read as a document"))),
            Visit::NotAllowed => Err(FetchError::Source(format!("robots.txt of {} does not allow its start page to be crawled", origin_text(start)))),
            Visit::Elsewhere(target) => Err(FetchError::Source(format!("the start page {start} redirects to {}", origin_text(&target)))),
            Visit::Failed(message) => Err(FetchError::Source(format!("the start page {start} cannot be read: {message}"))),
        }
    }

    /// Fetches the pages of one depth and returns the links of the next.
    pub(super) async fn level(&mut self, urls: Vec<Url>, want_links: bool) -> Result<Vec<Url>, FetchError> {
        let mut next = Vec::new();
        for url in urls {
            if self.pages_left == 0 || self.requests_left == 0 {
                break;
            }
            if !self.is_wanted(&url) || !self.seen.insert(url.clone()) {
                continue;
            }
            match self.visit(&url).await {
                Visit::Page(page) => next.extend(self.take(page, want_links).await?),
                Visit::Failed(message) => {
                    self.pages_left -= 1;
                    self.job.failed(url, message).await?;
                }
                Visit::Nothing | Visit::NotAllowed | Visit::Elsewhere(_) => {}
            }
        }
        Ok(next)
    }

    fn is_wanted(&self, url: &Url) -> bool {
        let extension = base_name(url.path()).rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
        url.origin() == self.origin.origin()
            && url.as_str().len() <= MAX_URL_CHARS
            && extension.is_none_or(|extension| !NO_PAGES.contains(&extension.as_str()))
            && self.job.matcher.takes(url.path())
    }

    async fn take(&mut self, page: Page, want_links: bool) -> Result<Vec<Url>, FetchError> {
        let mut links = Vec::new();
        if want_links && is_html(page.media_type.as_deref(), &page.bytes) {
            let (bytes, media_type, base) = (page.bytes.clone(), page.media_type.clone(), page.url.clone());
            // A page that the parser chokes on has no links; that it cannot be read is told when its text is extracted.
            links = tokio::task::spawn_blocking(move || page_links(&bytes, media_type.as_deref(), &base)).await.unwrap_or_default();
        }
        self.pages_left = self.pages_left.saturating_sub(1);
        if self.job.matcher.takes(page.url.path()) {
            self.job.send(Found::Document(page.into_document())).await?;
        }
        Ok(links.into_iter().map(canonical).filter(|url| !self.seen.contains(url)).collect())
    }

    async fn visit(&mut self, url: &Url) -> Visit {
        let mut url = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            if !self.rules.allow(&url) {
                return Visit::NotAllowed;
            }
            self.requests_left = self.requests_left.saturating_sub(1);
            pace::turn(&url, self.interval()).await;
            let reply = match self.client.get(&url).await {
                Ok(reply) => reply,
                Err(error) => return Visit::Failed(error.to_string()),
            };
            let Some(target) = redirect_target(&url, &reply) else { return self.read(url, reply).await };
            let target = canonical(target);
            if target.origin() != self.origin.origin() {
                return Visit::Elsewhere(target);
            }
            if target == url || !self.seen.insert(target.clone()) {
                return Visit::Nothing;
            }
            url = target;
        }
        Visit::Failed("redirects too often".to_owned())
    }

    async fn read(&self, url: Url, reply: Reply) -> Visit {
        if !reply.status().is_success() {
            return Visit::Failed(format!("answered {}", status_text(reply.status())));
        }
        let media_type = reply.header("content-type").map(str::to_owned);
        if !is_document(media_type.as_deref()) {
            return Visit::Nothing;
        }
        match reply.bytes(self.job.settings.max_document_bytes).await {
            Ok(bytes) => Visit::Page(Page { url, media_type, bytes }),
            Err(error) => Visit::Failed(error.to_string()),
        }
    }
}

impl Page {
    fn into_document(self) -> Document {
        let name = match base_name(self.url.path()) {
            "" => "index.html".to_owned(),
            name => name.to_owned(),
        };
        let url = self.url.to_string();
        Document { key: url.clone(), name, url, title_hint: None, media_type: self.media_type, bytes: self.bytes }
    }
}

/// Gets `url`, following redirects wherever the policy permits. Each target is checked as the first URL was.
pub(super) async fn follow(client: &EgressClient, url: &Url, requests_per_second: f64) -> Result<(Url, Reply), EgressError> {
    let mut url = url.clone();
    for _ in 0..=MAX_REDIRECTS {
        pace::turn(&url, pace::interval(requests_per_second, None)).await;
        let reply = client.get(&url).await?;
        match redirect_target(&url, &reply) {
            Some(target) => url = target,
            None => return Ok((url, reply)),
        }
    }
    Err(EgressError::Redirects { host: url.host_str().unwrap_or_default().to_owned() })
}

pub(super) fn status_text(status: StatusCode) -> String {
    status.canonical_reason().map_or_else(|| status.as_u16().to_string(), |reason| format!("{} {reason}", status.as_u16()))
}

/// A URL as a document's identity: without its fragment.
pub(super) fn canonical(mut url: Url) -> Url {
    url.set_fragment(None);
    if url.query() == Some("") {
        url.set_query(None);
    }
    url
}

fn redirect_target(url: &Url, reply: &Reply) -> Option<Url> {
    matches!(reply.status().as_u16(), 301 | 302 | 303 | 307 | 308).then(|| reply.header("location").and_then(|location| url.join(location).ok())).flatten()
}

/// Whether a redirect only settles on the site's one spelling: www or not, http to https.
fn same_site(from: &Url, to: &Url) -> bool {
    let bare = |url: &Url| url.host_str().unwrap_or_default().trim_start_matches("www.").to_owned();
    let scheme = from.scheme() == to.scheme() || (from.scheme() == "http" && to.scheme() == "https");
    bare(from) == bare(to) && scheme && (from.port() == to.port())
}

fn origin_text(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn is_html(media_type: Option<&str>, bytes: &[u8]) -> bool {
    match media_type {
        Some(media_type) => media_type.to_ascii_lowercase().contains("html"),
        None => bytes.trim_ascii_start().starts_with(b"<"),
    }
}

/// Whether a response of this type is worth reading as a document.
fn is_document(media_type: Option<&str>) -> bool {
    let Some(media_type) = media_type else { return true };
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let text = essence.starts_with("text/") && !matches!(essence.as_str(), "text/css" | "text/javascript");
    text || matches!(essence.as_str(), "application/xhtml+xml" | "application/pdf" | "application/json" | "application/msword")
        || essence.starts_with("application/vnd.openxmlformats-officedocument")
}

#[cfg(test)]
mod tests;
