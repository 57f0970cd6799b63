//! New identifiers and random bytes: the one place that asks for randomness.

use std::sync::{Mutex, PoisonError};

use rand::RngCore;
use sha2::{Digest, Sha256};
use twig_domain::{Timestamp, id::Identifier};
use uuid::Uuid;

/// The last number given: identifiers of one process grow strictly, also within a millisecond.
static LAST: Mutex<u128> = Mutex::new(0);

const VERSION_7: u128 = 0x7 << 76;
const VARIANT: u128 = 0b10 << 62;
const RANDOM_BITS: u128 = !(0xffff_ffff_ffff_u128 << 80 | 0xf << 76 | 0b11 << 62);

/// A UUIDv7 (RFC 9562 §5.7) of the given time; within a millisecond the 12 bits after the version count up.
#[must_use]
pub fn new_id<T: Identifier>(now: Timestamp) -> T {
    let random = u128::from_be_bytes(random_bytes());
    let fresh = shaped(now, random & !(0xfff << 64) | (random & 0x7ff << 64));
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let same_time = fresh >> 80 == *last >> 80;
    let mut value = fresh;
    if same_time && fresh >> 64 <= *last >> 64 {
        let next = (*last >> 64 & 0xfff) + 1;
        value = if next <= 0xfff { fresh & !(0xfff << 64) | next << 64 } else { *last + 1 };
    }
    *last = value;
    T::from(Uuid::from_u128(value))
}

/// The same identifier for the same time and parts, shaped as a UUIDv7.
#[must_use]
pub fn derived_id<T: Identifier>(at: Timestamp, parts: &[&[u8]]) -> T {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    T::from(Uuid::from_u128(shaped(at, u128::from_be_bytes(bytes))))
}

fn shaped(at: Timestamp, random: u128) -> u128 {
    (at.millis().max(0) as u128) << 80 | VERSION_7 | VARIANT | random & RANDOM_BITS
}

#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::disallowed_methods, reason = "the home of randomness")]
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use twig_domain::id::AgentId;

    #[test]
    fn identifiers_grow_strictly_within_a_millisecond() {
        let ids: Vec<AgentId> = (0..20_000).map(|_| new_id(Timestamp::from_millis(1_700_000_000_000))).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_derived_identifier_is_the_same_each_time_and_a_version_7() {
        let at = Timestamp::from_millis(1_700_000_000_000);
        let [one, two, other]: [AgentId; 3] = [derived_id(at, &[b"a", b"b"]), derived_id(at, &[b"a", b"b"]), derived_id(at, &[b"ab"])];
        assert_eq!((one, one.uuid().get_version_num()), (two, 7));
        assert_ne!(one, other);
    }
}
