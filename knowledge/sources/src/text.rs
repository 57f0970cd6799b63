//! Small things about text that several parts say alike.

use quick_xml::events::Event;

/// `52428800` as `50 MiB`; less than one is told in bytes.
pub(crate) fn mebibytes(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    if bytes >= 1024 * MIB && bytes.is_multiple_of(1024 * MIB) {
        format!("{} GiB", bytes / (1024 * MIB))
    } else if bytes >= MIB {
        format!("{} MiB", bytes / MIB)
    } else {
        format!("{bytes} bytes")
    }
}

/// One line of at most `max_chars`, for names and titles that come from outside.
pub(crate) fn one_line(text: &str, max_chars: usize) -> String {
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cleaned = joined.chars().filter(|c| !c.is_control());
    let mut line: String = cleaned.clone().take(max_chars).collect();
    if cleaned.count() > max_chars {
        line.push('…');
    }
    line
}

/// The characters of an XML event, entities resolved.
pub(crate) fn push_text(event: &Event<'_>, out: &mut String) {
    match event {
        Event::Text(piece) => out.push_str(&piece.decode().unwrap_or_default()),
        Event::CData(piece) => out.push_str(&piece.decode().unwrap_or_default()),
        Event::GeneralRef(entity) => match entity.resolve_char_ref() {
            Ok(Some(c)) => out.push(c),
            _ => out.push_str(quick_xml::escape::resolve_predefined_entity(&entity.decode().unwrap_or_default()).unwrap_or_default()),
        },
        _ => {}
    }
}
