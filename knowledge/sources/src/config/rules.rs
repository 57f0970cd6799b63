//! The rules for each kind's fields.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use url::Url;

use super::{FieldError, SourceKind, SourceSettings};
use crate::egress::{NetworkPolicy, check_url};

const MAX_TITLE_CHARS: usize = 300;
const MAX_URL_CHARS: usize = 2_048;
const MAX_DEPTH: u64 = 20;
const MAX_PAGES: u64 = 100_000;
const MAX_REQUESTS_PER_SECOND: f64 = 100.0;
const MAX_PATTERNS: usize = 100;
const MAX_PATTERN_CHARS: usize = 500;
const MAX_PLAIN_CHARS: usize = 4_096;

pub(super) fn check(kind: SourceKind, config: &Value, settings: &SourceSettings) -> Result<(), Vec<FieldError>> {
    let none = Map::new();
    let fields = match config {
        Value::Object(fields) => fields,
        Value::Null => &none,
        _ => return Err(vec![FieldError { pointer: String::new(), reason: "must be an object".to_owned() }]),
    };
    let mut check = Check { fields, settings, errors: Vec::new() };
    check.known(known_fields(kind));
    match kind {
        SourceKind::Text => check.text(),
        SourceKind::File => {}
        SourceKind::Website => check.website(),
        SourceKind::Sitemap => {
            check.web_url("url", true);
            check.pace();
            check.patterns();
        }
        SourceKind::Csv | SourceKind::QnaCsv => check.web_url("url", false),
        SourceKind::Bucket => check.bucket(),
    }
    if check.errors.is_empty() {
        return Ok(());
    }
    check.errors.sort_by(|a, b| a.pointer.cmp(&b.pointer));
    Err(check.errors)
}

fn known_fields(kind: SourceKind) -> &'static [&'static str] {
    match kind {
        SourceKind::Text => &["title", "content"],
        SourceKind::File => &[],
        SourceKind::Website => &["url", "maxDepth", "maxPages", "include", "exclude", "requestsPerSecond"],
        SourceKind::Sitemap => &["url", "include", "exclude", "requestsPerSecond"],
        SourceKind::Csv | SourceKind::QnaCsv => &["url"],
        SourceKind::Bucket => &["url", "prefix", "endpoint", "region", "accessKeyId", "secretAccessKey", "sessionToken", "include", "exclude"],
    }
}

struct Check<'a> {
    fields: &'a Map<String, Value>,
    settings: &'a SourceSettings,
    errors: Vec<FieldError>,
}

impl Check<'_> {
    fn wrong(&mut self, field: &str, reason: impl Into<String>) {
        let escaped = field.replace('~', "~0").replace('/', "~1");
        self.errors.push(FieldError { pointer: format!("/{escaped}"), reason: reason.into() });
    }

    fn known(&mut self, known: &[&str]) {
        for field in self.fields.keys().filter(|field| !known.contains(&field.as_str())) {
            let allowed = if known.is_empty() { "no field is".to_owned() } else { format!("{} are", known.join(", ")) };
            self.wrong(field, format!("is not a field of this source; {allowed} allowed"));
        }
    }

    fn string(&mut self, field: &str, required: bool, max_chars: usize) -> Option<String> {
        match self.fields.get(field) {
            None | Some(Value::Null) if !required => None,
            None => {
                self.wrong(field, "is required");
                None
            }
            Some(Value::String(text)) if text.trim().is_empty() => {
                self.wrong(field, "must not be empty");
                None
            }
            Some(Value::String(text)) if text.chars().count() > max_chars => {
                self.wrong(field, format!("must have at most {max_chars} characters"));
                None
            }
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => {
                self.wrong(field, "must be a string");
                None
            }
        }
    }

    fn text(&mut self) {
        self.string("title", true, MAX_TITLE_CHARS);
        self.string("content", true, usize::MAX);
    }

    fn website(&mut self) {
        self.web_url("url", true);
        self.whole("maxDepth", 0, MAX_DEPTH);
        self.whole("maxPages", 1, MAX_PAGES);
        self.pace();
        self.patterns();
    }

    fn whole(&mut self, field: &str, least: u64, most: u64) {
        if let Some(value) = self.fields.get(field)
            && !value.as_f64().is_some_and(|number| number.fract() == 0.0 && (least as f64..=most as f64).contains(&number))
        {
            self.wrong(field, format!("must be a whole number from {least} to {most}"));
        }
    }

    fn pace(&mut self) {
        if let Some(value) = self.fields.get("requestsPerSecond")
            && !value.as_f64().is_some_and(|rate| rate > 0.0 && rate <= MAX_REQUESTS_PER_SECOND)
        {
            self.wrong("requestsPerSecond", format!("must be a number over 0 and at most {MAX_REQUESTS_PER_SECOND}"));
        }
    }

    fn patterns(&mut self) {
        for field in ["include", "exclude"] {
            let Some(value) = self.fields.get(field) else { continue };
            let fits = |pattern: &Value| pattern.as_str().is_some_and(|text| !text.trim().is_empty() && text.chars().count() <= MAX_PATTERN_CHARS);
            match value.as_array() {
                None => self.wrong(field, "must be a list of strings"),
                Some(list) if list.len() > MAX_PATTERNS => self.wrong(field, format!("must have at most {MAX_PATTERNS} patterns")),
                Some(list) => {
                    for (index, _) in list.iter().enumerate().filter(|(_, pattern)| !fits(pattern)) {
                        self.errors.push(FieldError {
                            pointer: format!("/{field}/{index}"),
                            reason: format!("must be a string of 1 to {MAX_PATTERN_CHARS} characters"),
                        });
                    }
                }
            }
        }
    }

    fn web_url(&mut self, field: &str, required: bool) {
        let Some(text) = self.string(field, required, MAX_URL_CHARS) else { return };
        if let Err(reason) = web_url(&text, &self.settings.allow_networks) {
            self.wrong(field, reason);
        }
    }

    fn bucket(&mut self) {
        for field in ["prefix", "region", "accessKeyId", "secretAccessKey", "sessionToken"] {
            self.string(field, false, MAX_PLAIN_CHARS);
        }
        for (field, other) in [("accessKeyId", "secretAccessKey"), ("sessionToken", "secretAccessKey")] {
            if self.fields.contains_key(field) && !self.fields.contains_key(other) {
                self.wrong(other, format!("is required with {field}"));
            }
        }
        self.web_url("endpoint", false);
        self.patterns();
        let Some(text) = self.string("url", true, MAX_URL_CHARS) else { return };
        match bucket_url(&text) {
            Err(reason) => self.wrong("url", reason),
            Ok(url) if url.scheme() == "file" => {
                if let Err(reason) = local_folder(&url, &self.settings.bucket_roots) {
                    self.wrong("url", reason);
                }
            }
            Ok(url) if url.scheme() == "az" && !self.fields.contains_key("accessKeyId") => {
                self.wrong("accessKeyId", "is required for az://: the storage account's name")
            }
            Ok(_) => {}
        }
    }
}

fn web_url(text: &str, allow: &[ipnet::IpNet]) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| "must be a URL".to_owned())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must be an http or https URL".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not carry a user name or password".to_owned());
    }
    check_url(&NetworkPolicy::new(allow.to_vec()), &url).map_err(|error| error.to_string())?;
    Ok(url)
}

/// A bucket's URL, of a scheme that there is a store for.
pub(crate) fn bucket_url(text: &str) -> Result<Url, String> {
    const SCHEMES: &str = "must be an s3://, gs://, az:// or file:// URL";
    let url = Url::parse(text).map_err(|_| SCHEMES.to_owned())?;
    if !matches!(url.scheme(), "s3" | "gs" | "az" | "file") {
        return Err(SCHEMES.to_owned());
    }
    let named = url.host_str().is_some_and(|host| !host.is_empty());
    if url.scheme() == "file" {
        if named {
            return Err("a file:// URL must name a folder of this machine: file:///folder".to_owned());
        }
    } else if !named {
        return Err("must name a bucket".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err("must be a bucket and a path, with nothing else".to_owned());
    }
    Ok(url)
}

/// The real folder of a `file://` bucket: existing, and under one of `roots` after every link and `..` has been followed.
pub(crate) fn local_folder(url: &Url, roots: &[PathBuf]) -> Result<PathBuf, String> {
    const OUTSIDE: &str = "must be an existing folder under one of the folders in TWIG_BUCKET_ROOTS";
    if roots.is_empty() {
        return Err("file:// is off: the operator has set no TWIG_BUCKET_ROOTS".to_owned());
    }
    // One answer for a folder that is outside and one that does not exist: the API is no way to look around this machine.
    let folder = url.to_file_path().ok().and_then(|path| path.canonicalize().ok()).filter(|path| path.is_dir()).ok_or_else(|| OUTSIDE.to_owned())?;
    let inside = |root: &PathBuf| root.canonicalize().is_ok_and(|root| is_under(&folder, &root));
    if roots.iter().any(inside) { Ok(folder) } else { Err(OUTSIDE.to_owned()) }
}

fn is_under(path: &Path, root: &Path) -> bool {
    path.starts_with(root)
}
