//! Finds the headings of a Markdown text (CommonMark 0.31, sections 4.2, 4.3 and 4.5): `#` and underlined ones, outside code. An underlined heading is one line over three marks or more: with
//! CommonMark's own rule a lone dash would make a heading of the paragraph above it.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heading {
    /// Byte range of its lines.
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) level: u8,
    pub(crate) title: String,
}

const MIN_UNDERLINE_CHARS: usize = 3;
const MAX_TITLE_CHARS: usize = 300;

pub(crate) fn headings(text: &str) -> Vec<Heading> {
    let mut found = Vec::new();
    let mut fence: Option<(char, usize)> = None;
    // The line above, when it could be an underlined heading: a paragraph of one line.
    let mut above: Option<(usize, &str)> = None;
    let mut in_paragraph = false;
    let mut start = 0;
    for full in text.split_inclusive('\n') {
        let line = full.trim_end_matches(['\n', '\r']);
        let at = start;
        start += full.len();
        if let Some((mark, length)) = fence {
            if closes(line, mark, length) {
                fence = None;
            }
            continue;
        }
        let candidate = above.take();
        if let Some(opened) = opens(line) {
            fence = Some(opened);
            in_paragraph = false;
        } else if let Some((level, title)) = numbered(line) {
            found.push(Heading { start: at, end: start, level, title: shown(title) });
            in_paragraph = false;
        } else if let (Some((from, title)), Some(level)) = (candidate, underline(line)) {
            found.push(Heading { start: from, end: start, level, title: shown(title) });
            in_paragraph = false;
        } else if line.trim().is_empty() {
            in_paragraph = false;
        } else {
            if !in_paragraph && can_be_underlined(line) {
                above = Some((at, line));
            }
            in_paragraph = true;
        }
    }
    found
}

/// `## Title ##`
fn numbered(line: &str) -> Option<(u8, &str)> {
    let rest = unindented(line)?;
    let level = rest.bytes().take_while(|&byte| byte == b'#').count();
    if !(1..=6).contains(&level) {
        return None;
    }
    let title = &rest[level..];
    if !title.is_empty() && !title.starts_with([' ', '\t']) {
        return None;
    }
    let title = title.trim();
    let closed = title.trim_end_matches('#');
    let title = if closed.is_empty() || closed.ends_with([' ', '\t']) { closed.trim_end() } else { title };
    u8::try_from(level).ok().map(|level| (level, title))
}

fn underline(line: &str) -> Option<u8> {
    let marks = unindented(line)?.trim_end();
    if marks.len() < MIN_UNDERLINE_CHARS {
        None
    } else if marks.bytes().all(|byte| byte == b'=') {
        Some(1)
    } else if marks.bytes().all(|byte| byte == b'-') {
        Some(2)
    } else {
        None
    }
}

/// Lists, quotes, tables and rules are no headings, whatever is under them.
fn can_be_underlined(line: &str) -> bool {
    let Some(rest) = unindented(line) else { return false };
    let list = rest.starts_with(['-', '*', '+', '>', '|', '=', '_'])
        || rest
            .split_once(['.', ')'])
            .is_some_and(|(number, after)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) && after.starts_with(' '));
    !list && !rest.contains(" | ")
}

fn opens(line: &str) -> Option<(char, usize)> {
    let rest = unindented(line)?;
    let mark = rest.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let length = rest.chars().take_while(|&c| c == mark).count();
    (length >= 3 && !(mark == '`' && rest[length..].contains('`'))).then_some((mark, length))
}

fn closes(line: &str, mark: char, length: usize) -> bool {
    unindented(line).is_some_and(|rest| {
        let rest = rest.trim_end();
        rest.chars().all(|c| c == mark) && rest.len() >= length
    })
}

/// The line without up to three spaces; `None` for one that is set in further, which is code.
fn unindented(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches(' ');
    (line.len() - rest.len() <= 3 && !rest.starts_with('\t')).then_some(rest)
}

/// A title as it is shown: without emphasis and link targets.
fn shown(title: &str) -> String {
    let mut out = String::new();
    let mut rest = title;
    while let Some(open) = rest.find('[') {
        let link = rest[open..].find("](").and_then(|middle| rest[open + middle..].find(')').map(|close| (open + middle, open + middle + close)));
        let Some((middle, close)) = link else { break };
        out.push_str(&rest[..open]);
        out.push_str(&rest[open + 1..middle]);
        rest = &rest[close + 1..];
    }
    out.push_str(rest);
    let plain = out.replace("**", "").replace("__", "").replace('`', "");
    let plain = plain.trim().trim_matches('*');
    crate::text::one_line(plain, MAX_TITLE_CHARS)
}
