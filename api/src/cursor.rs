//! Cursors as clients see them: opaque, and bound to the route and filters they were made for.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use twig_projections::Cursor;

const MAX_CURSOR_CHARS: usize = 1024;

#[derive(Serialize, Deserialize)]
struct Bound {
    at: Cursor,
    /// A hash of the binding and the place: a cursor that was cut, changed or taken elsewhere is refused. It keeps no secret: a place in one's own list is none.
    check: String,
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
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&Bound { at: cursor.clone(), check: check(cursor, binding) }).unwrap_or_default())
}

/// `None` for what was never a cursor of this list with these filters.
pub fn decode(text: &str, binding: &str) -> Option<Cursor> {
    if text.len() > MAX_CURSOR_CHARS {
        return None;
    }
    let bound: Bound = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    (bound.check == check(&bound.at, binding)).then_some(bound.at)
}

fn check(cursor: &Cursor, binding: &str) -> String {
    let hash = Sha256::new().chain_update(cursor.at.to_be_bytes()).chain_update(cursor.sort.to_be_bytes()).chain_update(binding).finalize();
    URL_SAFE_NO_PAD.encode(&hash[..9])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cursors() -> impl Strategy<Value = Cursor> {
        (any::<i64>(), any::<i64>()).prop_map(|(at, sort)| Cursor { at, sort })
    }

    fn filters() -> impl Strategy<Value = Vec<(String, String)>> {
        prop::collection::vec((".{0,12}", ".{0,12}"), 0..4)
    }

    fn bound(route: &str, filters: &[(String, String)]) -> String {
        binding(route, filters.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    proptest! {
        #[test]
        fn a_cursor_is_read_back_whatever_the_order_of_its_filters(cursor in cursors(), route in ".{0,20}", mut filters in filters()) {
            let text = encode(&cursor, &bound(&route, &filters));
            filters.reverse();
            prop_assert!(text.len() <= MAX_CURSOR_CHARS);
            prop_assert_eq!(decode(&text, &bound(&route, &filters)), Some(cursor));
        }

        #[test]
        fn a_cursor_is_bound_to_its_route_and_filters(cursor in cursors(), (one, other) in (filters(), filters()), routes in ("[a-c]", "[a-c]")) {
            let text = encode(&cursor, &bound(&routes.0, &one));
            let (mut one, mut other) = (one, other);
            one.sort_unstable();
            other.sort_unstable();
            let same = routes.0 == routes.1 && one == other;
            prop_assert_eq!(decode(&text, &bound(&routes.1, &other)).is_some(), same);
        }

        #[test]
        fn a_changed_cursor_is_refused(cursor in cursors(), place in any::<prop::sample::Index>(), with in "[A-Za-z0-9_=.-]") {
            let text = encode(&cursor, "b");
            let place = place.index(text.len());
            let changed = format!("{}{with}{}", &text[..place], &text[place + 1..]);
            prop_assert_eq!(decode(&changed, "b").is_some(), changed == text);
            prop_assert_eq!(decode(&text[..place], "b"), None);
        }

        #[test]
        fn what_is_no_cursor_is_refused(text in ".{0,2000}", bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(decode(&text, "b"), None);
            prop_assert_eq!(decode(&URL_SAFE_NO_PAD.encode(bytes), "b"), None);
        }
    }
}
