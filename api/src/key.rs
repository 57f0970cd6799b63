//! API keys: 256 random bits in base62 and a CRC of six characters, so that a typo is told apart from a revoked key without a look-up.

use sha2::{Digest, Sha256};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SECRET_CHARS: usize = 43; // 62^43 > 2^256
const CRC_CHARS: usize = 6; // 62^6 > 2^32
const LIVE: &str = "twigsk_live_";
const TEST: &str = "twigsk_test_";

/// A new key as its owner sees it, once.
#[must_use]
pub fn generate(test: bool) -> String {
    let prefix = if test { TEST } else { LIVE };
    let secret = base62(&twig_commands::ids::random_bytes::<32>(), SECRET_CHARS);
    let crc = base62(&crc32fast::hash(format!("{prefix}{secret}").as_bytes()).to_be_bytes(), CRC_CHARS);
    format!("{prefix}{secret}{crc}")
}

/// Whether a text can be a key at all: prefix, alphabet, length and CRC.
#[must_use]
pub fn is_well_formed(key: &str) -> bool {
    let Some(rest) = key.strip_prefix(LIVE).or_else(|| key.strip_prefix(TEST)) else { return false };
    if rest.len() != SECRET_CHARS + CRC_CHARS || !rest.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return false;
    }
    let (body, crc) = key.split_at(key.len() - CRC_CHARS);
    base62(&crc32fast::hash(body.as_bytes()).to_be_bytes(), CRC_CHARS) == crc
}

/// What is stored of a key: its SHA-256, in hexadecimal.
#[must_use]
pub fn sha256(key: &str) -> String {
    Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The last four characters, by which people tell keys apart.
#[must_use]
pub fn last_four(key: &str) -> String {
    key[key.len().saturating_sub(4)..].to_owned()
}

/// Big-endian bytes as a base62 number of a fixed width.
fn base62(bytes: &[u8], width: usize) -> String {
    let mut digits = bytes.to_vec();
    let mut out = vec![ALPHABET[0]; width];
    for place in out.iter_mut().rev() {
        let mut rest = 0u32;
        for byte in &mut digits {
            let value = rest << 8 | u32::from(*byte);
            *byte = (value / 62) as u8;
            rest = value % 62;
        }
        *place = ALPHABET[rest as usize];
    }
    out.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_well_formed_and_a_typo_is_not() {
        for test in [false, true] {
            let key = generate(test);
            assert!(is_well_formed(&key) && key.len() == 12 + 49, "{key}");
            let mut typo = key.clone().into_bytes();
            typo[20] = if typo[20] == b'a' { b'b' } else { b'a' };
            assert!(!is_well_formed(&String::from_utf8_lossy(&typo)));
        }
    }

    #[test]
    fn what_is_no_key_is_told_at_once() {
        for text in ["", "twigsk_live_", "sk-123", "twigsk_live_é", &format!("twigsk_live_{}", "0".repeat(49))] {
            assert!(!is_well_formed(text), "{text}");
        }
    }
}
