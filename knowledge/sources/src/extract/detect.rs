//! Which format a file is of: by its first bytes, then its media type, then its name.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Pdf,
    Docx,
    Pptx,
    /// With the extension that tells the parser which of the spreadsheet formats it is.
    Xlsx(&'static str),
    Html,
    Markdown,
    Csv,
    Json,
    Text,
    Code,
    Archive,
    Unknown,
}

impl Format {
    /// Whether its parser is one that may hang, eat memory or die.
    pub(super) fn is_risky(self) -> bool {
        matches!(self, Self::Pdf | Self::Docx | Self::Pptx | Self::Xlsx(_))
    }
}

/// A PDF may start with some rubbish.
const PDF_WITHIN_BYTES: usize = 1024;
const SNIFFED_BYTES: usize = 4096;
const OLD_OFFICE: &[u8] = &[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
const BINARY_STARTS: [&[u8]; 14] = [
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"\x7fELF",
    b"MZ\x90",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ",
    b"7z\xbc\xaf",
    b"Rar!",
    b"OggS",
    b"RIFF",
    b"\x00asm",
    b"SQLite format 3",
];

pub(super) fn detect(name: &str, media_type: Option<&str>, bytes: &[u8]) -> Format {
    let extension = extension(name);
    let start = &bytes[..bytes.len().min(PDF_WITHIN_BYTES)];
    if start.windows(5).any(|window| window == b"%PDF-") && !matches!(extension.as_str(), "md" | "txt" | "html" | "json" | "csv") {
        return Format::Pdf;
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return zipped(&extension, bytes);
    }
    if bytes.starts_with(OLD_OFFICE) {
        // The container of the old formats, and of the new ones under a password: their parsers tell that.
        return match extension.as_str() {
            "xls" => Format::Xlsx(".xls"),
            "docx" | "docm" | "pptx" | "pptm" | "xlsx" | "xlsm" => by_extension(&extension).unwrap_or(Format::Unknown),
            _ => Format::Unknown,
        };
    }
    if BINARY_STARTS.iter().any(|magic| bytes.starts_with(magic)) {
        return Format::Unknown;
    }
    let named = by_extension(&extension);
    let essence = media_type.map(|full| full.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    match essence.as_deref() {
        Some("text/html" | "application/xhtml+xml") => Format::Html,
        Some("text/markdown" | "text/x-markdown") => Format::Markdown,
        Some("text/csv" | "application/csv") => Format::Csv,
        Some("application/json" | "text/json") => Format::Json,
        Some(other) if other.ends_with("+json") => Format::Json,
        Some("application/pdf") => Format::Pdf,
        // These say less than a name does: servers and browsers give them when they know nothing.
        _ => named.unwrap_or_else(|| if looks_like_html(bytes) { Format::Html } else { Format::Text }),
    }
}

fn by_extension(extension: &str) -> Option<Format> {
    Some(match extension {
        "pdf" => Format::Pdf,
        "docx" | "docm" | "dotx" => Format::Docx,
        "pptx" | "pptm" | "ppsx" => Format::Pptx,
        "xlsx" | "xltx" => Format::Xlsx(".xlsx"),
        "xlsm" => Format::Xlsx(".xlsm"),
        "html" | "htm" | "xhtml" => Format::Html,
        "md" | "markdown" | "mdx" => Format::Markdown,
        "csv" | "tsv" => Format::Csv,
        "json" | "jsonl" | "ndjson" | "geojson" => Format::Json,
        "txt" | "text" | "log" | "rst" | "adoc" => Format::Text,
        "rs" | "py" | "js" | "ts" | "tsx" | "jsx" | "java" | "kt" | "go" | "c" | "h" | "cpp" | "hpp" | "cc" | "cs" | "rb" | "php" | "swift" | "scala"
        | "sh" | "bash" | "ps1" | "sql" | "toml" | "yaml" | "yml" | "ini" | "cfg" | "conf" | "xml" | "css" | "lua" | "r" | "pl" | "dockerfile" | "tf"
        | "proto" | "graphql" => Format::Code,
        _ => return None,
    })
}

/// A zip: an office document by its name, else by the folders inside it.
fn zipped(extension: &str, bytes: &[u8]) -> Format {
    if let Some(format) = by_extension(extension).filter(|format| matches!(format, Format::Docx | Format::Pptx | Format::Xlsx(_))) {
        return format;
    }
    let has = |part: &[u8]| bytes[..bytes.len().min(SNIFFED_BYTES)].windows(part.len()).any(|window| window == part);
    if has(b"word/") {
        Format::Docx
    } else if has(b"ppt/") {
        Format::Pptx
    } else if has(b"xl/") {
        Format::Xlsx(".xlsx")
    } else {
        Format::Archive
    }
}

fn looks_like_html(bytes: &[u8]) -> bool {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(512)]).trim_start_matches('\u{feff}').trim_start().to_ascii_lowercase();
    start.starts_with("<!doctype html") || start.starts_with("<html")
}

/// Whether a name alone tells that there is no text to be had, so that it need not be loaded.
pub(crate) fn is_hopeless(name: &str) -> bool {
    matches!(
        extension(name).as_str(),
        "png"
            | "jpg"
            | "jpeg"
            | "gif"
            | "webp"
            | "bmp"
            | "ico"
            | "tif"
            | "tiff"
            | "heic"
            | "avif"
            | "mp3"
            | "mp4"
            | "m4a"
            | "wav"
            | "flac"
            | "ogg"
            | "mov"
            | "avi"
            | "mkv"
            | "webm"
            | "exe"
            | "dll"
            | "so"
            | "dylib"
            | "o"
            | "a"
            | "class"
            | "jar"
            | "pyc"
            | "wasm"
            | "iso"
            | "dmg"
            | "woff"
            | "woff2"
            | "ttf"
            | "otf"
            | "eot"
            | "db"
            | "sqlite"
            | "parquet"
            | "7z"
            | "rar"
            | "gz"
            | "bz2"
            | "xz"
            | "tar"
            | "tgz"
            | "bin"
    )
}

fn extension(name: &str) -> String {
    let base = name.rsplit('/').next().unwrap_or(name);
    base.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default()
}
