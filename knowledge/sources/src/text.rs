//! Small things about text that several parts say alike.

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
