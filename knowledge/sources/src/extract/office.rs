//! Word and spreadsheet files, by `kreuzberg`'s parsers.

use std::{
    io::Cursor,
    panic::{AssertUnwindSafe, catch_unwind},
};

use kreuzberg::extraction::{docx::parser::parse_document, extract_core_properties, read_excel_bytes};
use zip::ZipArchive;

use super::{ExtractError, ExtractLimits, Extraction, csv, decode, plain};

pub(super) fn docx(bytes: &[u8], limits: &ExtractLimits) -> Result<Extraction, ExtractError> {
    const KIND: &str = "Word document";
    let title = open(bytes, KIND, limits)?;
    let markdown = guarded(KIND, || parse_document(bytes).map(|document| document.to_markdown(false)).map_err(|_| ExtractError::damaged(KIND)))?;
    let text = decode::clean(&markdown);
    let title = title.or_else(|| plain::first_heading(&text));
    Ok(Extraction { title, text, pages: Vec::new() })
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
