//! PDF: `unpdf` gives Markdown by page; where it fails or finds nothing, `pdf-extract` has its try.

use std::panic::{AssertUnwindSafe, catch_unwind};

use unpdf::{PageSelection, ParseOptions, RenderOptions};

use super::{ExtractError, Extraction, decode, plain};

/// A picture with hardly a word on its page: so many characters a page are still taken for a scan's page numbers.
const SCAN_MAX_CHARS_PER_PAGE: usize = 8;

pub(super) fn extract(bytes: &[u8]) -> Result<Extraction, ExtractError> {
    let first = guarded(|| by_unpdf(bytes));
    if let Ok(read) = &first
        && has_text(&read.pages)
    {
        return Ok(join(read.title.clone(), &read.pages));
    }
    if matches!(first, Err(ExtractError::Encrypted)) {
        return Err(ExtractError::Encrypted);
    }
    match guarded(|| by_pdf_extract(bytes)) {
        Ok(pages) if has_text(&pages) => Ok(join(first.ok().and_then(|read| read.title), &pages)),
        // Both could read it and there is nothing: pictures.
        Ok(_) if first.is_ok() => Err(ExtractError::Scanned),
        Err(ExtractError::Encrypted) => Err(ExtractError::Encrypted),
        _ if first.as_ref().is_ok_and(|read| !read.pages.is_empty()) => Err(ExtractError::Scanned),
        _ => Err(ExtractError::damaged("PDF file")),
    }
}

struct Read {
    title: Option<String>,
    pages: Vec<String>,
}

fn by_unpdf(bytes: &[u8]) -> Result<Read, ExtractError> {
    let document = unpdf::parse_bytes_with_options(bytes, ParseOptions::new().lenient().sequential()).map_err(|error| match error {
        unpdf::Error::Encrypted | unpdf::Error::InvalidPassword => ExtractError::Encrypted,
        _ => ExtractError::damaged("PDF file"),
    })?;
    let title = document.metadata.title.clone();
    let options = RenderOptions::new().with_standard_cleanup();
    let mut pages = Vec::new();
    let mut single = document.clone();
    for page in &document.pages {
        // Form fields belong to no page; the first carries them.
        single.form_fields = if pages.is_empty() { document.form_fields.clone() } else { Vec::new() };
        single.pages = vec![page.clone()];
        let options = options.clone().with_pages(PageSelection::All);
        pages.push(unpdf::render::to_markdown(&single, &options).map_err(|_| ExtractError::damaged("PDF file"))?);
    }
    Ok(Read { title, pages })
}

fn by_pdf_extract(bytes: &[u8]) -> Result<Vec<String>, ExtractError> {
    pdf_extract::extract_text_from_mem_by_pages(bytes)
        .map_err(|error| if error.to_string().to_lowercase().contains("crypt") { ExtractError::Encrypted } else { ExtractError::damaged("PDF file") })
}

fn guarded<T>(work: impl FnOnce() -> Result<T, ExtractError>) -> Result<T, ExtractError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(ExtractError::damaged("PDF file")))
}

fn has_text(pages: &[String]) -> bool {
    let characters: usize = pages.iter().map(|page| page.chars().filter(|c| c.is_alphanumeric()).count()).sum();
    characters > 0 && (characters > SCAN_MAX_CHARS_PER_PAGE * pages.len() || pages.len() == 1)
}

fn join(title: Option<String>, pages: &[String]) -> Extraction {
    let (mut text, mut starts) = (String::new(), Vec::new());
    for page in pages {
        starts.push(text.len());
        text.push_str(without_leaders(&decode::clean(page)).trim());
        text.push_str("\n\n");
    }
    let end = text.trim_end().len();
    text.truncate(end);
    for start in &mut starts {
        *start = (*start).min(end);
    }
    let title = title.filter(|title| is_title(title)).or_else(|| plain::first_heading(&text));
    Extraction { title, text, pages: starts }
}

/// A table of contents without the dots between its titles and its page numbers.
fn without_leaders(page: &str) -> String {
    if !page.contains(". . . .") && !page.contains(".....") {
        return page.to_owned();
    }
    let mut out = String::with_capacity(page.len());
    let mut rest = page;
    while let Some(at) = rest.find('.') {
        out.push_str(&rest[..at]);
        let run = rest[at..].find(|c| c != '.' && c != ' ').map_or(rest.len(), |end| at + end);
        let dots = rest[at..run].matches('.').count();
        out.push_str(if dots >= MIN_LEADER_DOTS { "… " } else { &rest[at..run] });
        rest = &rest[run..];
    }
    out.push_str(rest);
    out
}

const MIN_LEADER_DOTS: usize = 5;

/// Word processors leave their file's name or nothing as the title.
fn is_title(title: &str) -> bool {
    let title = title.trim();
    let lower = title.to_lowercase();
    !title.is_empty()
        && lower != "untitled"
        && !lower.starts_with("microsoft word")
        && ![".doc", ".docx", ".tex", ".dvi", ".indd", ".pdf", ".ppt", ".pptx"].iter().any(|end| lower.ends_with(end))
}
