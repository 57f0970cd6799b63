//! A key that can forget: from one secret follows a key for each of 2^64 places, and single places can be given up for good.
//!
//! The secret is the root of a binary tree of hashes (Goldreich, Goldwasser and Micali, 1986): a node's secret gives those of the two below it and nothing
//! above. Giving a place up replaces the node over it by the siblings along the way, from which that place's key cannot be made again, while all others can.
//! So a subject's words are under one stored key, however many there are, and one question can be erased among them.

use sha2::{Digest, Sha256};

const DEPTH: u8 = 64;
const SECRET_BYTES: usize = 32;
const NODE_BYTES: usize = 1 + 8 + SECRET_BYTES;

pub type Secret = [u8; SECRET_BYTES];

/// The subtree whose places begin with the first `depth` bits of `prefix`.
#[derive(Clone, PartialEq, Eq)]
struct Node {
    depth: u8,
    prefix: u64,
    secret: Secret,
}

#[derive(Clone, PartialEq, Eq)]
pub struct PuncturableKey(Vec<Node>);

impl PuncturableKey {
    pub fn new(secret: Secret) -> Self {
        Self(vec![Node { depth: 0, prefix: 0, secret }])
    }

    /// The key of a place; `None` where it was given up.
    pub fn at(&self, place: u64) -> Option<Secret> {
        let node = self.0.iter().find(|node| node.covers(place))?;
        Some((node.depth..DEPTH).fold(node.secret, |secret, depth| below(&secret, bit(place, depth))))
    }

    /// Gives a place up; `false` where it was before.
    pub fn puncture(&mut self, place: u64) -> bool {
        let Some(found) = self.0.iter().position(|node| node.covers(place)) else { return false };
        let Node { depth: from, mut secret, .. } = self.0.swap_remove(found);
        for depth in from..DEPTH {
            let (bit, mask) = (bit(place, depth), 1 << (63 - depth));
            let prefix = (place ^ mask) & (u64::MAX << (63 - depth));
            self.0.push(Node { depth: depth + 1, prefix, secret: below(&secret, !bit) });
            secret = below(&secret, bit);
        }
        true
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|node| [&[node.depth][..], &node.prefix.to_be_bytes(), &node.secret].concat()).collect()
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let node = |bytes: &[u8]| {
            let (depth, rest) = bytes.split_first()?;
            let (prefix, secret) = rest.split_at_checked(8)?;
            let node = Node { depth: *depth, prefix: u64::from_be_bytes(prefix.try_into().ok()?), secret: secret.try_into().ok()? };
            (node.depth <= DEPTH).then_some(node)
        };
        bytes.len().is_multiple_of(NODE_BYTES).then(|| bytes.chunks(NODE_BYTES).map(node).collect::<Option<_>>().map(Self))?
    }
}

impl Node {
    fn covers(&self, place: u64) -> bool {
        self.depth == 0 || (place ^ self.prefix) >> (DEPTH - self.depth) == 0
    }
}

/// The bit of a place that decides at this depth, the first one at 0.
fn bit(place: u64, depth: u8) -> bool {
    place >> (63 - depth) & 1 == 1
}

fn below(secret: &Secret, right: bool) -> Secret {
    Sha256::new().chain_update([u8::from(right)]).chain_update(secret).finalize().into()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_given_up_is_gone_and_all_else_stays(places in prop::collection::btree_set(any::<u64>(), 1..6), others in prop::collection::vec(any::<u64>(), 20)) {
            let whole = PuncturableKey::new([7; 32]);
            let mut key = whole.clone();
            for place in &places {
                prop_assert!(key.puncture(*place));
                prop_assert!(!key.puncture(*place));
            }
            let read = PuncturableKey::from_bytes(&key.to_bytes()).unwrap();
            for place in &places {
                prop_assert_eq!(read.at(*place), None);
                // The nearest places there are.
                for near in [place ^ 1, place ^ 2, place ^ (1 << 63)].iter().chain(&others).filter(|near| !places.contains(near)) {
                    prop_assert_eq!(read.at(*near), whole.at(*near));
                }
            }
        }
    }

    #[test]
    fn each_place_has_a_key_of_its_own() {
        let key = PuncturableKey::new([7; 32]);
        let keys: std::collections::BTreeSet<_> = (0..500).map(|place| key.at(place)).collect();
        assert_eq!(keys.len(), 500);
        assert!(PuncturableKey::from_bytes(&[0; 40]).is_none());
    }
}
