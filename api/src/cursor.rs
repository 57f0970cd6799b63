//! Cursors as clients see them: opaque, and bound to the route and filters they were made for.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use twig_projections::Cursor;

const MAX_CURSOR_CHARS: usize = 1024;

#[derive(Serialize, Deserialize)]
struct Bound {
    at: Cursor,
    binding: String,
}

/// What a cursor is bound to: the route and every query parameter but the paging ones.
pub fn binding<'a>(route: &str, filters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut filters: Vec<_> = filters.into_iter().collect();
    filters.sort_unstable();
    let mut hash = Sha256::new();
    for part in [route].into_iter().chain(filters.into_iter().flat_map(|(name, value)| [name, value])) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    URL_SAFE_NO_PAD.encode(&hash.finalize()[..9])
}

pub fn encode(cursor: &Cursor, binding: &str) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&Bound { at: cursor.clone(), binding: binding.to_owned() }).unwrap_or_default())
}

/// `None` for what was never a cursor of this list with these filters.
pub fn decode(text: &str, binding: &str) -> Option<Cursor> {
    if text.len() > MAX_CURSOR_CHARS {
        return None;
    }
    let bound: Bound = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    (bound.binding == binding).then_some(bound.at)
}
