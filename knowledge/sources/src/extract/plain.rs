//! Formats that are text already: Markdown, plain text, source code.

use super::Extraction;
use crate::chunk::headings;

/// Markdown: as it is, without its front matter, whose title is the document's.
pub(super) fn markdown(text: String) -> Extraction {
    let (front, body) = front_matter(&text);
    let title =
        front.and_then(|front| front.lines().find_map(|line| line.strip_prefix("title:")).map(|title| title.trim().trim_matches(['"', '\'']).to_owned()));
    let body = body.to_owned();
    let title = title.filter(|title| !title.is_empty()).or_else(|| first_heading(&body));
    Extraction { title, text: body, pages: Vec::new() }
}

/// Plain text has no title: its first line may be anything.
pub(super) fn text(text: String) -> Extraction {
    Extraction { title: None, text, pages: Vec::new() }
}

/// Source code goes into a fence, so that its comments are not taken for headings.
pub(super) fn code(name: &str, text: String) -> Extraction {
    if text.trim().is_empty() {
        return Extraction { title: None, text: String::new(), pages: Vec::new() };
    }
    let longest = text.lines().map(|line| line.trim_start().chars().take_while(|&c| c == '`').count()).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let language: String = name.rsplit_once('.').map(|(_, extension)| extension.chars().filter(char::is_ascii_alphanumeric).collect()).unwrap_or_default();
    Extraction { title: None, text: format!("{fence}{language}\n{}\n{fence}\n", text.trim_end()), pages: Vec::new() }
}

/// The first heading of level one or two.
pub(super) fn first_heading(markdown: &str) -> Option<String> {
    headings(markdown).into_iter().find(|heading| heading.level <= 2).map(|heading| heading.title).filter(|title| !title.is_empty())
}

fn front_matter(text: &str) -> (Option<&str>, &str) {
    let Some(rest) = text.strip_prefix("---\n") else { return (None, text) };
    let Some(end) = rest.find("\n---\n") else { return (None, text) };
    let front = &rest[..end];
    // A rule at the top of a text is no front matter: that has a key on each line.
    let is_yaml = front.lines().all(|line| line.is_empty() || line.starts_with([' ', '-', '#', '\t']) || line.contains(':'));
    if is_yaml { (Some(front), &rest[end + "\n---\n".len()..]) } else { (None, text) }
}
