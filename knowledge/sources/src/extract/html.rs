//! HTML as Markdown: what a reader of the page reads, without menus, scripts and footers. Links keep their text and lose their target. The walk is bounded in depth, since a page may nest
//! as deep as it likes.

use std::sync::LazyLock;

use ego_tree::NodeRef;
use regex::{Captures, Regex};
use scraper::{ElementRef, Html, Node, Selector};
use url::Url;

use super::{Extraction, csv, decode};

/// Below this depth only the text is taken.
const MAX_DEPTH: usize = 200;
/// Above this depth no tree is built: it would take time by the square of the depth.
const MAX_TREE_DEPTH: usize = 3_000;
const MAX_LINKS: usize = 10_000;
/// A `main` element with less than this share of the page's text is not where the page's content is.
const MAIN_MIN_SHARE_PERCENT: usize = 25;
const SKIPPED: [&str; 23] = [
    "script", "style", "noscript", "template", "svg", "math", "iframe", "object", "embed", "canvas", "video", "audio", "head", "nav", "footer", "form",
    "button", "select", "input", "textarea", "dialog", "menu", "map",
];

pub(super) fn extract(html: &str) -> Extraction {
    if is_too_deep(html) {
        let seen = UNSEEN.replace_all(html, " ");
        return Extraction { title: None, text: squeeze(&ANY_TAG.replace_all(&seen, " ")), pages: Vec::new() };
    }
    let page = Html::parse_document(html);
    let first = |selector: &str| selected(&page, selector).map(|element| squeeze(&element.text().collect::<String>())).find(|text| !text.is_empty());
    let title = first("head > title").or_else(|| first("title")).or_else(|| first("h1"));
    let body = selected(&page, "body").next().unwrap_or_else(|| page.root_element());
    let whole = render(body, true);
    let text = match selected(&page, "main, [role=main]").next().map(|main| render(main, true)) {
        Some(main) if !main.is_empty() && main.len() * 100 >= whole.len() * MAIN_MIN_SHARE_PERCENT => main,
        // A page that is nothing but menu and form is better than nothing.
        _ if whole.is_empty() => render(body, false),
        _ => whole,
    };
    Extraction { title, text, pages: Vec::new() }
}

/// Where a page's links lead. Read off its tags alone: a crawl must not hang on a page, and a tree of a hostile one takes time by the square of its depth.
pub(crate) fn page_links(bytes: &[u8], media_type: Option<&str>, url: &Url) -> Vec<Url> {
    let page = decode::html(bytes, media_type);
    let page = UNSEEN.replace_all(&page, " ");
    let href = |found: &Captures<'_>| {
        found.get(2).or_else(|| found.get(3)).or_else(|| found.get(4)).map(|href| href.as_str().trim().replace("&amp;", "&").replace("&#38;", "&"))
    };
    let all = |name: &'static str| HREF.captures_iter(&page).filter(move |found| found[1].eq_ignore_ascii_case(name)).filter_map(|found| href(&found));
    let base = all("base").next().and_then(|base| url.join(&base).ok()).unwrap_or_else(|| url.clone());
    let links = all("a").chain(all("area")).take(MAX_LINKS);
    links.filter_map(|href| base.join(&href).ok()).filter(|url| matches!(url.scheme(), "http" | "https")).collect()
}

static UNSEEN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?is)<!--.*?-->|<script\b.*?</script|<style\b.*?</style").expect("an expression of this file is well-formed"));
static HREF: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?is)<(a|area|base)\s(?:[^>]*?\s)?href\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+))"#).expect("an expression of this file is well-formed")
});
static TAG: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?s)<(/?)([a-zA-Z][a-zA-Z0-9]*)[^>]*?(/?)>").expect("an expression of this file is well-formed"));
static ANY_TAG: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?s)<[^>]*>").expect("an expression of this file is well-formed"));

/// Whether a page nests deeper than any that is meant to be read. Tags that need no end are not counted.
fn is_too_deep(html: &str) -> bool {
    const NO_END: [&str; 32] = [
        "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr", "p", "li", "dt", "dd", "tr", "td", "th",
        "option", "optgroup", "tbody", "thead", "tfoot", "colgroup", "rp", "rt", "html", "head", "body", "param",
    ];
    let mut depth = 0usize;
    TAG.captures_iter(html).any(|tag| {
        if tag[3].is_empty() && !NO_END.contains(&tag[2].to_ascii_lowercase().as_str()) {
            depth = if tag[1].is_empty() { depth + 1 } else { depth.saturating_sub(1) };
        }
        depth > MAX_TREE_DEPTH
    })
}

fn selected<'a>(page: &'a Html, selector: &str) -> std::vec::IntoIter<ElementRef<'a>> {
    let selector = Selector::parse(selector).expect("a selector of this file is well-formed");
    page.select(&selector).collect::<Vec<_>>().into_iter()
}

fn render(root: ElementRef<'_>, without_clutter: bool) -> String {
    let mut writer = Writer { out: String::new(), line: String::new(), prefix: String::new(), without_clutter };
    writer.children(*root, 0);
    writer.flush();
    writer.out.trim().to_owned()
}

struct Writer {
    out: String,
    /// Inline text waiting for its block's end.
    line: String,
    /// What each line starts with: quotation marks, the indent of a list's item.
    prefix: String,
    without_clutter: bool,
}

impl Writer {
    fn children(&mut self, node: NodeRef<'_, Node>, depth: usize) {
        for child in node.children() {
            match child.value() {
                Node::Text(text) => self.line.push_str(text),
                Node::Element(_) if depth >= MAX_DEPTH => self.line.push_str(&text_of(child)),
                Node::Element(_) => {
                    if let Some(element) = ElementRef::wrap(child) {
                        self.element(element, depth + 1);
                    }
                }
                _ => {}
            }
        }
    }

    fn element(&mut self, element: ElementRef<'_>, depth: usize) {
        let name = element.value().name();
        if self.is_skipped(element) {
            return;
        }
        match name {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.flush();
                let text = squeeze(&text_of(*element));
                let level = usize::from(name.as_bytes()[1] - b'0');
                if !text.is_empty() {
                    self.block(&format!("{} {text}", "#".repeat(level)));
                }
            }
            "br" => self.line.push('\u{2028}'),
            "pre" => {
                self.flush();
                let text = text_of(*element);
                if !text.trim().is_empty() {
                    self.block(&format!("```\n{}\n```", text.trim_matches('\n').replace("```", "'''")));
                }
            }
            "code" | "kbd" | "samp" => {
                let text = squeeze(&text_of(*element));
                if !text.is_empty() {
                    self.line.push_str(&if text.contains('`') { text } else { format!("`{text}`") });
                }
            }
            "ul" | "ol" => {
                self.flush();
                self.list(element, name == "ol", depth);
            }
            "table" if is_data(element) => {
                self.flush();
                self.table(element);
            }
            "blockquote" => {
                self.flush();
                self.within("> ", |writer| writer.children(*element, depth));
            }
            "a" | "abbr" | "b" | "bdi" | "cite" | "data" | "del" | "dfn" | "em" | "font" | "i" | "ins" | "label" | "mark" | "q" | "s" | "small" | "span"
            | "strong" | "sub" | "sup" | "time" | "tt" | "u" | "var" | "wbr" => self.children(*element, depth),
            _ => {
                self.flush();
                self.children(*element, depth);
                self.flush();
            }
        }
    }

    fn is_skipped(&self, element: ElementRef<'_>) -> bool {
        let (value, name) = (element.value(), element.value().name());
        let hidden = value.attr("hidden").is_some() || value.attr("style").is_some_and(|style| style.replace(' ', "").contains("display:none"));
        if hidden || (matches!(name, "script" | "style" | "template" | "noscript" | "head" | "svg") && SKIPPED.contains(&name)) {
            return true;
        }
        // A header of the page (not of an article) is a banner; one that holds the page's heading is content.
        let banner =
            name == "header" && element.parent().and_then(ElementRef::wrap).is_some_and(|parent| parent.value().name() == "body") && !has_heading(element);
        let role = value.attr("role").is_some_and(|role| matches!(role, "navigation" | "banner" | "contentinfo" | "search" | "dialog"));
        // Whole pages stand inside one form, where their tool kit wants it.
        let page_in_form = name == "form" && has_heading(element);
        self.without_clutter && (banner || role || (SKIPPED.contains(&name) && !page_in_form))
    }

    fn list(&mut self, list: ElementRef<'_>, ordered: bool, depth: usize) {
        let mut number = list.value().attr("start").and_then(|start| start.parse::<i64>().ok()).unwrap_or(1);
        for item in list.children().filter_map(ElementRef::wrap) {
            if item.value().name() != "li" {
                self.element(item, depth);
                continue;
            }
            let mark = if ordered { format!("{number}. ") } else { "- ".to_owned() };
            let before = self.out.len();
            self.within(&" ".repeat(mark.len()), |writer| writer.children(*item, depth));
            // The item's first line carries the mark in place of its indent.
            let at = before + self.prefix.len();
            if self.out.len() > before && self.out.is_char_boundary(at) && self.out.get(at..at + mark.len()).is_some_and(|indent| indent.trim().is_empty()) {
                self.out.replace_range(at..at + mark.len(), &mark);
                number += 1;
                // Items stand close together.
                if self.out.ends_with("\n\n") {
                    self.out.pop();
                }
            }
        }
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    fn table(&mut self, table: ElementRef<'_>) {
        let mut rows = Vec::new();
        let mut named = false;
        for row in table.select(&Selector::parse("tr").expect("a selector of this file is well-formed")) {
            let cells: Vec<_> = row.children().filter_map(ElementRef::wrap).filter(|cell| matches!(cell.value().name(), "td" | "th")).collect();
            if rows.is_empty() {
                named = !cells.is_empty() && cells.iter().all(|cell| cell.value().name() == "th");
            }
            let cells: Vec<String> = cells.into_iter().map(|cell| squeeze(&text_of(*cell))).collect();
            if cells.iter().any(|cell| !cell.is_empty()) {
                rows.push(cells);
            }
        }
        let text = csv::table(&rows, if named { csv::Header::First } else { csv::Header::None });
        if !text.trim().is_empty() {
            self.block(text.trim_end());
        }
    }

    fn within(&mut self, prefix: &str, work: impl FnOnce(&mut Self)) {
        let length = self.prefix.len();
        self.prefix.push_str(prefix);
        work(self);
        self.flush();
        self.prefix.truncate(length);
    }

    /// Ends the paragraph under way.
    fn flush(&mut self) {
        let line = std::mem::take(&mut self.line);
        let lines: Vec<String> = line.split('\u{2028}').map(squeeze).filter(|line| !line.is_empty()).map(|line| literal(&line)).collect();
        if !lines.is_empty() {
            self.block(&lines.join("\n"));
        }
    }

    fn block(&mut self, text: &str) {
        for line in text.lines() {
            self.out.push_str(&self.prefix);
            self.out.push_str(line);
            self.out.push('\n');
        }
        self.out.push('\n');
    }
}

/// The text of an element, without that of scripts and styles.
fn text_of(node: NodeRef<'_, Node>) -> String {
    let mut out = String::new();
    let mut skip = 0usize;
    for edge in node.traverse() {
        match edge {
            ego_tree::iter::Edge::Open(node) => match node.value() {
                Node::Text(text) if skip == 0 => out.push_str(text),
                Node::Element(element) if matches!(element.name(), "script" | "style" | "template" | "noscript") => skip += 1,
                Node::Element(element) if matches!(element.name(), "br" | "p" | "div" | "li" | "td" | "tr") => {
                    out.push(if element.name() == "br" { '\n' } else { ' ' })
                }
                _ => {}
            },
            ego_tree::iter::Edge::Close(node) => {
                if let Node::Element(element) = node.value()
                    && matches!(element.name(), "script" | "style" | "template" | "noscript")
                {
                    skip = skip.saturating_sub(1);
                }
            }
        }
    }
    out
}

/// A table of data, and not one that lays out a page.
fn is_data(table: ElementRef<'_>) -> bool {
    let blocks = Selector::parse("table, h1, h2, h3, h4, pre, ul, ol, p + p").expect("a selector of this file is well-formed");
    table.value().attr("role") != Some("presentation") && table.select(&blocks).next().is_none()
}

fn has_heading(element: ElementRef<'_>) -> bool {
    element.select(&Selector::parse("h1, h2").expect("a selector of this file is well-formed")).next().is_some()
}

/// A line of text that Markdown would read as something else, marked as text.
fn literal(line: &str) -> String {
    let rule = line.chars().all(|c| matches!(c, '-' | '=' | '_' | '*'));
    if line.starts_with(['#', '>']) || line.starts_with("```") || line.starts_with("~~~") || rule { format!("\\{line}") } else { line.to_owned() }
}

fn squeeze(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
