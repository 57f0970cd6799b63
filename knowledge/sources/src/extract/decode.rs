//! From bytes to characters: byte-order marks, UTF-8, a declared charset, and Windows-1252 as what is left for text.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Where HTML may declare its charset (WHATWG HTML, section 13.2.3.2).
const META_WITHIN_BYTES: usize = 1024;
/// Control characters that no text has, of a thousand bytes.
const MAX_CONTROLS_PER_MILLE: usize = 5;

/// The text of `bytes`, or `None` when they are no text.
pub(super) fn text(bytes: &[u8], media_type: Option<&str>) -> Option<String> {
    let text = if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        encoding.decode(bytes).0.into_owned()
    } else if let Some(encoding) = wide(bytes) {
        encoding.decode_without_bom_handling(bytes).0.into_owned()
    } else if let Ok(text) = std::str::from_utf8(bytes) {
        text.to_owned()
    } else {
        charset(media_type).unwrap_or(WINDOWS_1252).decode_without_bom_handling(bytes).0.into_owned()
    };
    is_text(&text).then(|| clean(&text))
}

/// HTML is always text; its charset is that of the header, of its `meta`, or what the bytes look like.
pub(super) fn html(bytes: &[u8], media_type: Option<&str>) -> String {
    let encoding = Encoding::for_bom(bytes).map(|(encoding, _)| encoding).or_else(|| charset(media_type)).or_else(|| declared(bytes));
    let text = match encoding {
        Some(encoding) => encoding.decode(bytes).0.into_owned(),
        None => std::str::from_utf8(bytes).map_or_else(|_| WINDOWS_1252.decode(bytes).0.into_owned(), str::to_owned),
    };
    clean(&text)
}

/// Line ends as `\n`, and no NUL: stores and protocols further on choke on it.
pub(super) fn clean(text: &str) -> String {
    let text = text.trim_start_matches('\u{feff}');
    if !text.contains(['\r', '\0', '\u{c}']) {
        return text.to_owned();
    }
    text.replace("\r\n", "\n").replace(['\r', '\u{c}'], "\n").replace('\0', "")
}

/// UTF-16 without its mark: every other byte of the start is zero.
fn wide(bytes: &[u8]) -> Option<&'static Encoding> {
    let start = &bytes[..bytes.len().min(512) & !1];
    let pairs = start.len() / 2;
    if pairs < 2 {
        return None;
    }
    let zeros = |offset: usize| start.iter().skip(offset).step_by(2).filter(|&&byte| byte == 0).count();
    let (high, low) = (zeros(0), zeros(1));
    if low * 10 >= pairs * 9 && high == 0 {
        Some(UTF_16LE)
    } else if high * 10 >= pairs * 9 && low == 0 {
        Some(UTF_16BE)
    } else {
        None
    }
}

fn is_text(text: &str) -> bool {
    let start: &str = text.get(..65_536).unwrap_or(text);
    let odd = start.chars().filter(|c| (c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}' | '\u{1b}' | '\u{85}')) || *c == '\u{fffd}').count();
    odd * 1000 <= start.chars().count().max(1) * MAX_CONTROLS_PER_MILLE
}

fn charset(media_type: Option<&str>) -> Option<&'static Encoding> {
    let parameter = media_type?
        .split(';')
        .skip(1)
        .find_map(|part| part.trim().to_ascii_lowercase().strip_prefix("charset=").map(|label| label.trim_matches(['"', '\'']).to_owned()))?;
    Encoding::for_label(parameter.as_bytes())
}

fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(META_WITHIN_BYTES)]).to_ascii_lowercase();
    let at = start.find("charset=")? + "charset=".len();
    let label: String = start[at..].trim_start_matches(['"', '\'']).chars().take_while(|c| c.is_ascii_alphanumeric() || "-_:.".contains(*c)).collect();
    let encoding = Encoding::for_label(label.as_bytes())?;
    // A page that can be read as ASCII up to here is not UTF-16, whatever it says.
    Some(if encoding == UTF_16LE || encoding == UTF_16BE { UTF_8 } else { encoding })
}
