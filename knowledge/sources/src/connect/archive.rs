//! The members of a zip archive as documents. The invariants: never more than one member is held unpacked, and that within the limits, whatever the archive claims of itself; nothing is
//! written anywhere; an archive with a path that leads outside is refused whole, since no honest tool makes one.

use std::io::{Cursor, Read};

use bytes::Bytes;
use zip::{ZipArchive, result::ZipError};

use super::{Document, FetchError, Found, Job, base_name};
use crate::text::{mebibytes, one_line};

/// From this size on a member that is packed tighter than `MAX_RATIO` is taken for a bomb.
const RATIO_FROM_BYTES: u64 = 10 * 1024 * 1024;
const MAX_RATIO: u64 = 200;
const MAX_SHOWN_NAME_CHARS: usize = 200;
const OFFICE_EXTENSIONS: [&str; 12] = ["docx", "docm", "dotx", "pptx", "pptm", "ppsx", "xlsx", "xlsm", "xltx", "odt", "ods", "epub"];

type Archive = ZipArchive<Cursor<Bytes>>;

/// Whether a file is an archive to be opened, and not an office document, which is a zip too.
pub(super) fn is_archive(name: &str, bytes: &[u8]) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    match extension.as_deref() {
        Some("zip") => true,
        Some(other) if OFFICE_EXTENSIONS.contains(&other) => false,
        _ => bytes.starts_with(b"PK\x03\x04") && !bytes.windows(19).take(4096).any(|window| window == b"[Content_Types].xml"),
    }
}

pub(super) async fn fetch(job: &Job<'_>, whole: Document) -> Result<(), FetchError> {
    let limit_members = job.settings.max_archive_members;
    let bytes = whole.bytes.clone();
    let opened = tokio::task::spawn_blocking(move || open(bytes, limit_members)).await.unwrap_or_else(|_| Err(UNREADABLE.to_owned()));
    let (mut archive, names) = match opened {
        Ok(opened) => opened,
        Err(message) => return job.failed(&whole.url, message).await,
    };
    let mut left_bytes = job.settings.max_archive_bytes;
    for (index, name) in names {
        if !job.matcher.takes(&name) {
            continue;
        }
        let url = format!("{}/{name}", whole.url);
        let limit = Limit { member_bytes: job.settings.max_document_bytes, left_bytes, total_bytes: job.settings.max_archive_bytes };
        // The archive goes into the blocking thread and comes back: its directory is shared, so that this costs nothing.
        let unpacked = tokio::task::spawn_blocking(move || {
            let unpacked = unpack(&mut archive, index, &limit);
            (archive, unpacked)
        });
        let Ok((returned, unpacked)) = unpacked.await else { return job.failed(&whole.url, UNREADABLE).await };
        archive = returned;
        match unpacked {
            Ok(bytes) => {
                left_bytes = left_bytes.saturating_sub(bytes.len() as u64);
                let key = format!("{}!/{name}", whole.key);
                let document = Document { key, name: base_name(&name).to_owned(), url, title_hint: None, media_type: None, bytes };
                job.send(Found::Document(document)).await?;
            }
            Err(Refused { message, used_bytes }) => {
                left_bytes = left_bytes.saturating_sub(used_bytes);
                job.failed(url, message).await?;
            }
        }
        if left_bytes == 0 {
            return job.failed(&whole.url, format!("expands to more than {}; the rest of it is left out", mebibytes(job.settings.max_archive_bytes))).await;
        }
    }
    Ok(())
}

const UNREADABLE: &str = "the archive could not be read: it is damaged or no zip file";

/// The archive and the members worth opening, or why there are none.
fn open(bytes: Bytes, limit_members: usize) -> Result<(Archive, Vec<(usize, String)>), String> {
    if bytes.is_empty() {
        return Err("the file is empty".to_owned());
    }
    // Asked before the directory is read, since reading it takes memory by the member.
    if claimed_members(&bytes).is_some_and(|count| count > limit_members as u64) {
        return Err(format!("the archive has more than {limit_members} members"));
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| UNREADABLE.to_owned())?;
    if archive.len() > limit_members {
        return Err(format!("the archive has more than {limit_members} members"));
    }
    let mut members = Vec::new();
    for index in 0..archive.len() {
        let file = archive.by_index_raw(index).map_err(|_| UNREADABLE.to_owned())?;
        let name = safe_name(file.name())
            .ok_or_else(|| format!("the archive has an unsafe path, so nothing of it is taken: {}", one_line(file.name(), MAX_SHOWN_NAME_CHARS)))?;
        if !file.is_dir() && !name.is_empty() && !is_clutter(&name) {
            members.push((index, name));
        }
    }
    if members.is_empty() {
        return Err("the archive has no files".to_owned());
    }
    Ok((archive, members))
}

/// The number of members the end of the archive tells of.
fn claimed_members(bytes: &[u8]) -> Option<u64> {
    const END: &[u8] = b"PK\x05\x06";
    const END_64: &[u8] = b"PK\x06\x06";
    let tail = &bytes[bytes.len().saturating_sub(66_000)..];
    let at = tail.windows(4).rposition(|window| window == END)?;
    let count = u64::from(u16::from_le_bytes(tail.get(at + 10..at + 12)?.try_into().ok()?));
    if count < u64::from(u16::MAX) {
        return Some(count);
    }
    let at = tail.windows(4).rposition(|window| window == END_64)?;
    Some(u64::from_le_bytes(tail.get(at + 32..at + 40)?.try_into().ok()?))
}

/// A member's path with `/` between its parts; `None` when it leads outside the archive.
fn safe_name(raw: &str) -> Option<String> {
    let name = raw.replace('\\', "/");
    let drive = name.as_bytes().get(1) == Some(&b':') && name.as_bytes()[0].is_ascii_alphabetic();
    if name.starts_with('/') || name.contains('\0') || drive {
        return None;
    }
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => return None,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// What file managers leave behind.
fn is_clutter(name: &str) -> bool {
    name.split('/').any(|part| part == "__MACOSX" || part == ".DS_Store" || part == "Thumbs.db" || part == "desktop.ini" || part == ".git")
}

#[derive(Clone, Copy)]
struct Limit {
    member_bytes: u64,
    left_bytes: u64,
    total_bytes: u64,
}

struct Refused {
    message: String,
    /// What unpacking it took before it was given up, so that many bombs cannot take more together than one.
    used_bytes: u64,
}

fn unpack(archive: &mut Archive, index: usize, limit: &Limit) -> Result<Bytes, Refused> {
    let free = |message: &str| Refused { message: message.to_owned(), used_bytes: 0 };
    let file = archive.by_index(index).map_err(|error| match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) | ZipError::InvalidPassword => free("is encrypted"),
        ZipError::UnsupportedArchive(_) => free("is packed in a way that is not supported"),
        _ => free("could not be unpacked: it is damaged"),
    })?;
    if file.encrypted() {
        return Err(free("is encrypted"));
    }
    if file.is_symlink() {
        return Err(free("is a link and no file"));
    }
    if is_archive_name(file.name()) {
        return Err(free("is an archive inside an archive, which is not opened"));
    }
    let too_large = |used_bytes| Refused { message: format!("expands to more than {}", mebibytes(limit.member_bytes)), used_bytes };
    if file.size() > limit.member_bytes {
        return Err(too_large(0));
    }
    let (packed, bound) = (file.compressed_size().max(1), limit.member_bytes.min(limit.left_bytes));
    let mut bytes = Vec::new();
    let mut reader = file.take(bound + 1);
    let mut piece = vec![0; 64 * 1024];
    loop {
        let count =
            reader.read(&mut piece).map_err(|_| Refused { message: "could not be unpacked: it is damaged".to_owned(), used_bytes: bytes.len() as u64 })?;
        if count == 0 {
            break;
        }
        bytes.extend_from_slice(&piece[..count]);
        let used_bytes = bytes.len() as u64;
        if used_bytes > limit.member_bytes {
            return Err(too_large(used_bytes));
        }
        if used_bytes > limit.left_bytes {
            return Err(Refused { message: format!("the archive expands to more than {}", mebibytes(limit.total_bytes)), used_bytes });
        }
        if used_bytes > RATIO_FROM_BYTES && used_bytes / packed > MAX_RATIO {
            return Err(Refused { message: format!("expands to more than {MAX_RATIO} times its size"), used_bytes });
        }
    }
    if bytes.starts_with(b"PK\x03\x04") && is_archive("", &bytes) && !is_office_name(reader.get_ref().name()) {
        return Err(Refused { message: "is an archive inside an archive, which is not opened".to_owned(), used_bytes: bytes.len() as u64 });
    }
    Ok(bytes.into())
}

fn is_archive_name(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(".zip")
}

fn is_office_name(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| OFFICE_EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests;
