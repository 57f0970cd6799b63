//! Sitemaps (sitemaps.org 0.9): plain, compressed, an index of others, or a text file with a URL a line. Bounded in files, bytes and URLs.

use std::{
    collections::{HashSet, VecDeque},
    io::Read,
};

use quick_xml::{Reader, events::Event};
use url::Url;

use super::{
    FetchError, Found, Job,
    website::{Crawl, canonical, follow, status_text},
};
use crate::{
    pace,
    text::{mebibytes, push_text},
};

/// The protocol's own limit for one file, unpacked.
const MAX_SITEMAP_BYTES: u64 = 50 * 1024 * 1024;
const MAX_SITEMAP_FILES: usize = 100;

#[derive(Debug, Default, PartialEq, Eq)]
struct Listed {
    pages: Vec<String>,
    sitemaps: Vec<String>,
}

/// The source of kind `sitemap`: every page of the sitemap's own host, and no link followed.
pub(super) async fn fetch(job: &Job<'_>) -> Result<(), FetchError> {
    let url = canonical(job.url()?);
    let mut crawl = Crawl::begin(job, url.clone(), job.settings.max_documents as u64).await?;
    let listed = read(job, &crawl, &url).await.map_err(|message| FetchError::Source(format!("the sitemap {url} cannot be read: {message}")))?;
    let mut pages = listed.pages;
    pages.extend(walk(job, &crawl, listed.sitemaps, pages.len()).await);
    let mine = own_pages(&crawl, pages);
    if mine.is_empty() {
        return Err(FetchError::Source(format!("the sitemap {url} names no page of its own host")));
    }
    job.send(Found::Seen(mine.len() as u64)).await?;
    crawl.level(mine, false).await?;
    Ok(())
}

/// The pages that a web site's sitemaps name. A sitemap that cannot be had is no fault of the site.
pub(super) async fn pages_of_site(job: &Job<'_>, crawl: &Crawl<'_>) -> Vec<Url> {
    let mut named = crawl.rules.sitemaps().to_vec();
    if named.is_empty() {
        named.extend(crawl.origin.join("/sitemap.xml").map(String::from));
    }
    let pages = walk(job, crawl, named, 0).await;
    own_pages(crawl, pages)
}

fn own_pages(crawl: &Crawl<'_>, pages: Vec<String>) -> Vec<Url> {
    let mut seen = HashSet::new();
    let urls = pages.iter().filter_map(|page| Url::parse(page).ok()).map(canonical).filter(|url| url.origin() == crawl.origin.origin());
    urls.filter(|url| seen.insert(url.clone())).collect()
}

async fn walk(job: &Job<'_>, crawl: &Crawl<'_>, named: Vec<String>, already: usize) -> Vec<String> {
    let (mut pages, mut seen, mut queue) = (Vec::new(), HashSet::new(), VecDeque::from(named));
    while let Some(next) = queue.pop_front() {
        if seen.len() >= MAX_SITEMAP_FILES || already + pages.len() >= job.settings.max_documents {
            break;
        }
        let Ok(url) = Url::parse(&next) else { continue };
        if url.origin() != crawl.origin.origin() || !seen.insert(url.clone()) {
            continue;
        }
        match read(job, crawl, &url).await {
            Ok(listed) => {
                pages.extend(listed.pages);
                queue.extend(listed.sitemaps);
            }
            Err(message) => tracing::debug!(%url, message, "a sitemap was passed over"),
        }
    }
    pages.truncate(job.settings.max_documents);
    pages
}

async fn read(job: &Job<'_>, crawl: &Crawl<'_>, url: &Url) -> Result<Listed, String> {
    let rate = 1.0 / pace::interval(job.requests_per_second(), crawl.rules.crawl_delay_s()).as_secs_f64();
    let (_, reply) = follow(&crawl.client, url, rate).await.map_err(|error| error.to_string())?;
    if !reply.status().is_success() {
        return Err(format!("it answered {}", status_text(reply.status())));
    }
    let body = reply.bytes(MAX_SITEMAP_BYTES).await.map_err(|error| error.to_string())?;
    let max_urls = job.settings.max_documents;
    tokio::task::spawn_blocking(move || parse(&body, max_urls)).await.unwrap_or_else(|_| Err(NO_SITEMAP.to_owned()))
}

const NO_SITEMAP: &str = "it is no sitemap";

fn parse(body: &[u8], max_urls: usize) -> Result<Listed, String> {
    let mut unpacked = Vec::new();
    let body = if body.starts_with(&[0x1f, 0x8b]) {
        let mut reader = flate2::read::MultiGzDecoder::new(body).take(MAX_SITEMAP_BYTES + 1);
        reader.read_to_end(&mut unpacked).map_err(|_| "its compression is damaged".to_owned())?;
        if unpacked.len() as u64 > MAX_SITEMAP_BYTES {
            return Err(format!("it expands to more than {}", mebibytes(MAX_SITEMAP_BYTES)));
        }
        &unpacked
    } else {
        body
    };
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with('<') { xml(text, max_urls) } else { plain(text, max_urls) }
}

fn xml(text: &str, max_urls: usize) -> Result<Listed, String> {
    let mut reader = Reader::from_str(text);
    let (mut listed, mut parent, mut location) = (Listed::default(), Vec::new(), None::<String>);
    let mut is_sitemap = false;
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) => match tag.local_name().as_ref() {
                b"urlset" | b"sitemapindex" => is_sitemap = true,
                name @ (b"url" | b"sitemap") => parent = name.to_vec(),
                b"loc" if tag.name().prefix().is_none() => location = Some(String::new()),
                _ => {}
            },
            Ok(event @ (Event::Text(_) | Event::CData(_) | Event::GeneralRef(_))) => {
                if let Some(location) = &mut location {
                    push_text(&event, location);
                }
            }
            Ok(Event::End(tag)) if tag.local_name().as_ref() == b"loc" => {
                let found = location.take().map(|found| found.trim().to_owned()).filter(|found| !found.is_empty());
                let list = if parent == b"sitemap" { &mut listed.sitemaps } else { &mut listed.pages };
                list.extend(found);
            }
            Ok(Event::Eof) => break,
            Ok(_) => {}
            Err(_) if is_sitemap => break, // what came before a broken end is still good
            Err(_) => return Err(NO_SITEMAP.to_owned()),
        }
        if listed.pages.len() >= max_urls {
            break;
        }
    }
    if is_sitemap { Ok(listed) } else { Err(NO_SITEMAP.to_owned()) }
}

fn plain(text: &str, max_urls: usize) -> Result<Listed, String> {
    let pages: Vec<String> =
        text.lines().map(str::trim).filter(|line| line.starts_with("http://") || line.starts_with("https://")).take(max_urls).map(str::to_owned).collect();
    if pages.is_empty() { Err(NO_SITEMAP.to_owned()) } else { Ok(Listed { pages, sitemaps: Vec::new() }) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::io::Write;

    use super::*;

    const PAGES: &str = r#"<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="i"><url><loc> https://a.example/x?a=1&amp;b=2 </loc>
        <image:image><image:loc>https://a.example/i.png</image:loc></image:image></url><url><loc><![CDATA[https://a.example/y]]></loc></url></urlset>"#;

    #[test]
    fn pages_are_read_with_entities_and_without_images() {
        assert_eq!(parse(PAGES.as_bytes(), 10).unwrap().pages, ["https://a.example/x?a=1&b=2", "https://a.example/y"]);
    }

    #[test]
    fn a_compressed_one_is_unpacked() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(PAGES.as_bytes()).unwrap();
        assert_eq!(parse(&packed.finish().unwrap(), 10).unwrap().pages.len(), 2);
    }

    #[test]
    fn an_index_names_other_sitemaps() {
        let index = "<sitemapindex><sitemap><loc>https://a.example/s1.xml</loc></sitemap></sitemapindex>";
        assert_eq!(parse(index.as_bytes(), 10).unwrap(), Listed { pages: vec![], sitemaps: vec!["https://a.example/s1.xml".to_owned()] });
    }

    #[test]
    fn a_text_file_is_a_sitemap_and_a_web_page_is_none() {
        assert_eq!(parse(b"https://a.example/1\nhttps://a.example/2\n", 10).unwrap().pages.len(), 2);
        assert!(parse(b"<!doctype html><html><body>Not found</body></html>", 10).is_err());
        assert!(parse(b"", 10).is_err());
    }

    #[test]
    fn no_more_is_taken_than_asked_for() {
        assert_eq!(parse(PAGES.as_bytes(), 1).unwrap().pages.len(), 1);
    }
}
