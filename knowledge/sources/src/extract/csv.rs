//! Tables. Every row becomes one line that carries its headers (`- product: Velvetine lamp; price: eighty-one crowns`): a row is then found, understood and quoted without the rest of its table.

use super::{ExtractError, Extraction, decode, plain};

const MAX_HEADER_CHARS: usize = 120;

pub(super) fn extract(text: &str) -> Result<Extraction, ExtractError> {
    let rows = rows(text)?;
    let columns: Vec<String> = rows.first().map(|header| header.iter().map(|cell| cell.trim().to_lowercase()).collect()).unwrap_or_default();
    let asks = columns.len() == 2 && columns.iter().any(|name| QUESTION.contains(&name.as_str())) && columns.iter().any(|name| ANSWER.contains(&name.as_str()));
    let questions = if asks { questions(&rows).ok() } else { None };
    Ok(Extraction { title: None, text: questions.unwrap_or_else(|| table(&rows, Header::Guess)), pages: Vec::new() })
}

const QUESTION: [&str; 2] = ["question", "questions"];
const ANSWER: [&str; 2] = ["answer", "answers"];

/// Whether a table's first row names its columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Header {
    First,
    None,
    /// It does when it reads like names.
    Guess,
}

/// A list of questions and answers as Markdown, a heading a question.
pub(crate) fn qna_markdown(bytes: &[u8]) -> Result<String, String> {
    let text = decode::text(bytes, None).ok_or("the file is no CSV text")?;
    questions(&rows(&text).map_err(|error| error.to_string())?)
}

fn questions(rows: &[Vec<String>]) -> Result<String, String> {
    let Some((header, pairs)) = rows.split_first() else { return Err(ExtractError::Empty.to_string()) };
    let column = |names: &[&str]| header.iter().position(|cell| names.contains(&cell.trim().to_lowercase().as_str()));
    let (question, answer) = (column(&QUESTION), column(&ANSWER));
    let (question, answer) = match (question, answer) {
        (Some(question), Some(answer)) => (question, answer),
        (None, Some(_)) => return Err("the column Question is missing; a question list needs the columns Question and Answer".to_owned()),
        (Some(_), None) => return Err("the column Answer is missing; a question list needs the columns Question and Answer".to_owned()),
        (None, None) => return Err("the columns Question and Answer are missing".to_owned()),
    };
    let cell = |row: &[String], at: usize| row.get(at).map(|cell| cell.trim().to_owned()).unwrap_or_default();
    let mut out = String::new();
    for row in pairs {
        let (question, answer) = (one_line(&cell(row, question)), cell(row, answer));
        if question.is_empty() && answer.is_empty() {
            continue;
        }
        if !question.is_empty() {
            out.push_str(&format!("### {question}\n\n"));
        }
        out.push_str(&without_headings(&answer));
        out.push_str("\n\n");
    }
    if out.is_empty() { Err("the file has no questions".to_owned()) } else { Ok(out.trim_end().to_owned() + "\n") }
}

/// A table's rows as lines, each with the header's names.
pub(super) fn table(rows: &[Vec<String>], header: Header) -> String {
    let filled = |row: &Vec<String>| row.iter().filter(|cell| !cell.trim().is_empty()).count();
    let width = rows.iter().map(filled).max().unwrap_or(0);
    // What stands above a table in a single cell is its caption.
    let captions = if width > 1 { rows.iter().take_while(|row| filled(row) <= 1).count() } else { 0 };
    let mut out = String::new();
    for row in rows[..captions].iter().filter(|row| filled(row) == 1) {
        out.push_str(&one_line(&row.join(" ")));
        out.push_str("\n\n");
    }
    let body = &rows[captions..];
    let has_header = |first: &Vec<String>| match header {
        Header::First => true,
        Header::None => false,
        Header::Guess => is_header(first, filled(first), width),
    };
    let header = body.first().filter(|first| body.len() > 1 && has_header(first));
    let lines = if header.is_some() { &body[1..] } else { body };
    for row in lines.iter().filter(|row| filled(row) > 0) {
        out.push_str("- ");
        out.push_str(&line(row, header));
        out.push('\n');
    }
    if lines.is_empty()
        && let Some(only) = body.first()
    {
        out.push_str(&format!("- {}\n", line(only, None)));
    }
    out
}

fn line(row: &[String], header: Option<&Vec<String>>) -> String {
    let cells = row.iter().enumerate().map(|(at, cell)| (at, one_line(cell))).filter(|(_, cell)| !cell.is_empty());
    let named = cells.map(|(at, cell)| match header.and_then(|header| header.get(at)).map(|name| one_line(name)).filter(|name| !name.is_empty()) {
        Some(name) => format!("{name}: {cell}"),
        None => cell,
    });
    let cells: Vec<_> = named.collect();
    // Two cells without a header are mostly a name and its value.
    cells.join(if header.is_none() && cells.len() == 2 { ": " } else { "; " })
}

fn is_header(row: &[String], filled: usize, width: usize) -> bool {
    let names = row.iter().map(|cell| cell.trim()).filter(|cell| !cell.is_empty());
    let number = |name: &str| name.parse::<f64>().is_ok();
    // Years name columns, beside a name that is none.
    let year = |name: &str| name.parse::<u16>().is_ok_and(|year| YEARS.contains(&year));
    let named = names.clone().all(|name| (!number(name) || year(name)) && name.chars().count() <= MAX_HEADER_CHARS);
    filled * 2 > width && named && names.clone().any(|name| !number(name))
}

const YEARS: std::ops::RangeInclusive<u16> = 1900..=2100;

fn rows(text: &str) -> Result<Vec<Vec<String>>, ExtractError> {
    let delimiter = delimiter(text);
    let mut reader = ::csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(text.as_bytes());
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|_| ExtractError::damaged("CSV file"))?;
        rows.push(record.iter().map(str::to_owned).collect::<Vec<_>>());
    }
    rows.retain(|row| row.iter().any(|cell| !cell.trim().is_empty()));
    Ok(rows)
}

/// The separator that the first line has most of, outside quotes.
fn delimiter(text: &str) -> u8 {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let count = |separator: char| {
        let mut quoted = false;
        first
            .chars()
            .filter(|&c| {
                quoted ^= c == '"';
                c == separator && !quoted
            })
            .count()
    };
    let candidates = [(',', b','), (';', b';'), ('\t', b'\t'), ('|', b'|')];
    // max_by_key keeps the last of equals: the comma is to win.
    candidates.into_iter().rev().max_by_key(|(separator, _)| count(*separator)).map_or(b',', |(_, byte)| byte)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// An answer whose lines do not start new sections.
fn without_headings(answer: &str) -> String {
    let mut text = answer.to_owned();
    for heading in crate::chunk::headings(answer).iter().rev() {
        if answer[heading.start..].starts_with('#') {
            text.insert(heading.start, '\\');
        }
    }
    // A line of dashes or equals signs under a text would make it a heading too.
    if crate::chunk::headings(&text).is_empty() { text } else { plain::code("", text).text.trim_end().to_owned() }
}
