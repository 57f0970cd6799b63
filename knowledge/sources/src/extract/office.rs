//! Word and spreadsheet files, by `kreuzberg`'s parsers.

use std::{
    io::{Cursor, Read, Write},
    panic::{AssertUnwindSafe, catch_unwind},
};

use kreuzberg::extraction::{docx::parser::parse_document, extract_core_properties, read_excel_bytes};
use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

use super::{ExtractError, ExtractLimits, Extraction, csv, decode, plain};

pub(super) fn docx(bytes: &[u8], limits: &ExtractLimits) -> Result<Extraction, ExtractError> {
    const KIND: &str = "Word document";
    let title = open(bytes, KIND, limits)?;
    let prepared = without_entities(bytes, limits).ok_or_else(|| ExtractError::damaged(KIND))?;
    let markdown = guarded(KIND, || parse_document(&prepared).map(|document| document.to_markdown(false)).map_err(|_| ExtractError::damaged(KIND)))?;
    let text = decode::clean(&with_entities(&markdown));
    let title = title.or_else(|| plain::first_heading(&text));
    Ok(Extraction { title, text, pages: Vec::new() })
}

/// `kreuzberg` loses every entity of a Word document (`R&amp;D` becomes `RD`), so that they go through its parser as characters of the private use area that stand for them.
const ENTITIES: [(&str, char, &str); 5] =
    [("&amp;", '\u{f8f0}', "&"), ("&lt;", '\u{f8f1}', "<"), ("&gt;", '\u{f8f2}', ">"), ("&quot;", '\u{f8f3}', "\""), ("&apos;", '\u{f8f4}', "'")];

/// The document with the texts of its parts made free of entities; of its other parts only those that a text needs.
fn without_entities(bytes: &[u8], limits: &ExtractLimits) -> Option<Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut out = ZipWriter::new(Cursor::new(Vec::new()));
    let mut left_bytes = limits.max_unpacked_bytes;
    for index in 0..archive.len() {
        let mut part = archive.by_index(index).ok()?;
        let name = part.name().to_owned();
        if !(name.ends_with(".xml") || name.ends_with(".rels")) {
            continue;
        }
        let mut content = Vec::new();
        (&mut part).take(left_bytes + 1).read_to_end(&mut content).ok()?;
        left_bytes = left_bytes.checked_sub(content.len() as u64)?;
        if name.starts_with("word/") && name.ends_with(".xml") && content.contains(&b'&') {
            content = match String::from_utf8(content) {
                Ok(xml) => resolved(&xml).into_bytes(),
                Err(other) => other.into_bytes(),
            };
        }
        out.start_file(name, SimpleFileOptions::default().compression_method(CompressionMethod::Stored)).ok()?;
        out.write_all(&content).ok()?;
    }
    out.finish().ok().map(Cursor::into_inner)
}

fn resolved(xml: &str) -> String {
    let mut out = String::with_capacity(xml.len());
    let mut rest = xml;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(MAX_ENTITY_BYTES).position(|byte| byte == b';').map_or(1, |end| end + 1);
        match character(&rest[..end]) {
            Some(c) => out.push(c),
            None => out.push_str(&rest[..end]),
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

const MAX_ENTITY_BYTES: usize = 12;

fn character(entity: &str) -> Option<char> {
    if let Some((_, stand_in, _)) = ENTITIES.iter().find(|(name, _, _)| *name == entity) {
        return Some(*stand_in);
    }
    let number = entity.strip_prefix("&#")?.strip_suffix(';')?;
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => number.parse().ok()?,
    };
    let c = char::from_u32(code)?;
    Some(ENTITIES.iter().find(|(_, _, meaning)| meaning.starts_with(c)).map_or(c, |(_, stand_in, _)| *stand_in))
}

fn with_entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match ENTITIES.iter().find(|(_, stand_in, _)| *stand_in == c) {
            Some((_, _, meaning)) => out.push_str(meaning),
            None => out.push(c),
        }
    }
    out
}

/// A spreadsheet: a heading a sheet, and under it a line a row.
pub(super) fn spreadsheet(bytes: &[u8], extension: &str, limits: &ExtractLimits) -> Result<Extraction, ExtractError> {
    const KIND: &str = "spreadsheet";
    let title = if extension == ".xls" { None } else { open(bytes, KIND, limits)? };
    let workbook = guarded(KIND, || read_excel_bytes(bytes, extension).map_err(|_| ExtractError::damaged(KIND)))?;
    let mut text = String::new();
    for sheet in &workbook.sheets {
        let Some(cells) = &sheet.table_cells else { continue };
        let rows = csv::table(cells, csv::Header::Guess);
        if !rows.trim().is_empty() {
            text.push_str(&format!("## {}\n\n{}\n\n", crate::text::one_line(&sheet.name, 100), rows.trim_end()));
        }
    }
    Ok(Extraction { title, text, pages: Vec::new() })
}

/// Checks the container before a parser does, and reads the title of its properties.
pub(super) fn open(bytes: &[u8], kind: &str, limits: &ExtractLimits) -> Result<Option<String>, ExtractError> {
    // A password turns an office file into this older container.
    if bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        return Err(ExtractError::Encrypted);
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| ExtractError::damaged(kind))?;
    let mut unpacked_bytes = 0u64;
    for index in 0..archive.len() {
        unpacked_bytes = unpacked_bytes.saturating_add(archive.by_index_raw(index).map_err(|_| ExtractError::damaged(kind))?.size());
    }
    if unpacked_bytes > limits.max_unpacked_bytes {
        return Err(ExtractError::Failed(format!("it expands to more than {}", crate::text::mebibytes(limits.max_unpacked_bytes))));
    }
    let properties = catch_unwind(AssertUnwindSafe(|| extract_core_properties(&mut archive).ok())).ok().flatten();
    Ok(properties
        .and_then(|properties| properties.title)
        .map(|title| title.trim().to_owned())
        .filter(|title| !title.is_empty() && title != "PowerPoint Presentation"))
}

fn guarded<T>(kind: &str, work: impl FnOnce() -> Result<T, ExtractError>) -> Result<T, ExtractError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(ExtractError::damaged(kind)))
}
