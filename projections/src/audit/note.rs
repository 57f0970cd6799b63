//! Signed notes (C2SP signed-note) with Ed25519, and the checkpoints (C2SP tlog-checkpoint) that are written in them.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use super::merkle::Hash;

/// What stands before an Ed25519 key in its encodings.
const ED25519: u8 = 1;
const KEY_ID_BYTES: usize = 4;
/// A note that has more is not read.
const MAX_SIGNATURES: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("this is no signed note")]
    Malformed,
    #[error("no key that is trusted here has signed it")]
    Unsigned,
    #[error("a signature of a trusted key is wrong")]
    BadSignature,
    #[error("the note is no checkpoint")]
    NoCheckpoint,
    #[error("this is no verifier key (name+hash+key)")]
    BadKey,
}

/// Who signs, as everybody may know: `name+hash+key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    pub name: String,
    id: [u8; KEY_ID_BYTES],
    key: VerifyingKey,
}

impl VerifierKey {
    fn of(name: &str, key: VerifyingKey) -> Self {
        let hash = Sha256::new().chain_update(name).chain_update([b'\n', ED25519]).chain_update(key.as_bytes()).finalize();
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&hash[..KEY_ID_BYTES]);
        Self { name: name.to_owned(), id, key }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id), STANDARD.encode([&[ED25519][..], self.key.as_bytes()].concat()))
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else { return Err(NoteError::BadKey) };
        let bytes = STANDARD.decode(key).map_err(|_| NoteError::BadKey)?;
        let key: &[u8; 32] = bytes.strip_prefix(&[ED25519]).and_then(|key| key.try_into().ok()).ok_or(NoteError::BadKey)?;
        let key = Self::of(name, VerifyingKey::from_bytes(key).map_err(|_| NoteError::BadKey)?);
        if is_name(name) && id == format!("{:08x}", u32::from_be_bytes(key.id)) { Ok(key) } else { Err(NoteError::BadKey) }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|letter: char| letter.is_whitespace() || letter == '+')
}

/// Who signs, with the secret.
#[derive(Clone)]
pub struct NoteSigner {
    pub verifier: VerifierKey,
    key: SigningKey,
}

impl NoteSigner {
    #[must_use]
    pub fn new(name: &str, seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        Self { verifier: VerifierKey::of(name, key.verifying_key()), key }
    }

    /// The secret that the key is made from.
    pub(super) fn seed(&self) -> [u8; 32] {
        self.key.to_bytes()
    }
}

/// A text, which ends with a line break, with the signatures of all of these.
#[must_use]
pub fn sign(text: &str, signers: &[&NoteSigner]) -> String {
    let lines = signers.iter().map(|signer| {
        let signature = signer.key.sign(text.as_bytes()).to_bytes();
        format!("— {} {}\n", signer.verifier.name, STANDARD.encode([&signer.verifier.id[..], &signature].concat()))
    });
    format!("{text}\n{}", lines.collect::<String>())
}

/// A note's text, and those of `trusted` who have signed it: one of them at least, and none of them wrongly.
pub fn open<'a>(note: &str, trusted: &'a [VerifierKey]) -> Result<(String, Vec<&'a VerifierKey>), NoteError> {
    let (text, signatures) = note.rsplit_once("\n\n").ok_or(NoteError::Malformed)?;
    let text = format!("{text}\n");
    let lines: Vec<&str> = signatures.strip_suffix('\n').ok_or(NoteError::Malformed)?.split('\n').collect();
    if lines.len() > MAX_SIGNATURES || text.chars().any(|letter| letter.is_control() && letter != '\n') {
        return Err(NoteError::Malformed);
    }
    let mut signed_by = Vec::new();
    for line in lines {
        let (name, encoded) = line.strip_prefix("— ").and_then(|line| line.split_once(' ')).ok_or(NoteError::Malformed)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| NoteError::Malformed)?;
        let (id, signature) = bytes.split_at_checked(KEY_ID_BYTES).filter(|(_, rest)| is_name(name) && !rest.is_empty()).ok_or(NoteError::Malformed)?;
        let Some(key) = trusted.iter().find(|key| key.name == name && key.id == id) else { continue };
        let signature = Signature::from_slice(signature).map_err(|_| NoteError::BadSignature)?;
        key.key.verify_strict(text.as_bytes(), &signature).map_err(|_| NoteError::BadSignature)?;
        signed_by.push(key);
    }
    if signed_by.is_empty() { Err(NoteError::Unsigned) } else { Ok((text, signed_by)) }
}

/// How large a tree is, and its root; `origin` names the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub origin: String,
    pub size: u64,
    pub root: Hash,
}

impl Checkpoint {
    #[must_use]
    pub fn sign(&self, signer: &NoteSigner) -> String {
        sign(&self.to_string(), &[signer])
    }

    /// Reads a signed checkpoint; lines after the third are another's extensions.
    pub fn open(note: &str, trusted: &[VerifierKey]) -> Result<Self, NoteError> {
        open(note, trusted)?.0.parse()
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, STANDARD.encode(self.root))
    }
}

impl FromStr for Checkpoint {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else { return Err(NoteError::NoCheckpoint) };
        let root = STANDARD.decode(root).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(NoteError::NoCheckpoint)?;
        let parsed: u64 = size.parse().map_err(|_| NoteError::NoCheckpoint)?;
        // Only the one decimal form, as the specification has it.
        if origin.is_empty() || parsed.to_string() != size { Err(NoteError::NoCheckpoint) } else { Ok(Self { origin: origin.to_owned(), size: parsed, root }) }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// The example of Go's `golang.org/x/mod/sumdb/note`, where the form comes from.
    const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const SECRET: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const TEXT: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const SIGNED: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    fn trusted() -> Vec<VerifierKey> {
        vec![KEY.parse().unwrap()]
    }

    #[test]
    fn the_published_note_is_opened_and_made_again_byte_for_byte() {
        let note = format!("{TEXT}\n{SIGNED}");
        assert_eq!(open(&note, &trusted()).unwrap().0, TEXT);
        let seed: [u8; 32] = STANDARD.decode(SECRET).unwrap()[1..].try_into().unwrap();
        let signer = NoteSigner::new("PeterNeumann", &seed);
        assert_eq!((signer.verifier.to_string(), sign(TEXT, &[&signer])), (KEY.to_owned(), note));
    }

    #[test]
    fn the_published_key_identifier_is_made() {
        let key = (0..32).map(|at| u8::from_str_radix(&"e932791ae6e7a840a46164c904786426d5e7821dd8b29a00d61cae72afdd4da4"[at * 2..at * 2 + 2], 16).unwrap());
        let bytes: [u8; 32] = key.collect::<Vec<_>>().try_into().unwrap();
        let key = VerifierKey::of("example.com/foo", VerifyingKey::from_bytes(&bytes).unwrap());
        assert_eq!(u32::from_be_bytes(key.id), 0x530d_903a);
    }

    #[test]
    fn a_checkpoint_that_another_implementation_signed_is_read() {
        let key = "sigsum.org:testonly+8de2c54b+AYzzrIWq3UKJHFrprvJyRMsqVGojEvgAIKrT8q4a9zMU".parse().unwrap();
        let note = "sigsum.org:testonly\n23\nHSt6W8ve4/36xAIf04qDOqaKLaKqSOUqKxLNrkK74+g=\n\n\
                    — sigsum.org:testonly jeLFS4WQDEeTavbiYArHzCQUPXbQ1Y/V8/dKJlBxqOAY4eLhSh3uWNJ8YXp1vs/zR4SDNHI+6UybLmHmFlg/VSf5OAs=\n";
        let read = Checkpoint::open(note, &[key]).unwrap();
        assert_eq!((read.origin.as_str(), read.size), ("sigsum.org:testonly", 23));
    }

    #[test]
    fn the_published_checkpoint_text_is_read_and_written_and_others_are_refused() {
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let read: Checkpoint = text.parse().unwrap();
        assert_eq!((read.size, read.to_string()), (20_852_163, text.to_owned()));
        for bad in [
            "",
            "a\n",
            "a\n1\n",
            "a\n01\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
            "a\n1\nCsUYapGGPo4=\n",
            "\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        ] {
            assert_eq!(bad.parse::<Checkpoint>(), Err(NoteError::NoCheckpoint), "{bad:?}");
        }
    }

    #[test]
    fn every_mangled_key_is_refused() {
        for at in 0..KEY.len() {
            let mut mangled = KEY.as_bytes().to_vec();
            mangled[at] += 1;
            let mangled = String::from_utf8(mangled).unwrap();
            assert!(mangled.parse::<VerifierKey>().is_err(), "{mangled}");
            assert!(KEY[..at].parse::<VerifierKey>().is_err());
        }
    }

    #[test]
    fn a_note_changed_in_any_byte_is_refused() {
        let note = format!("{TEXT}\n{SIGNED}");
        for at in 0..note.len() {
            let mut changed = note.as_bytes().to_vec();
            changed[at] ^= 1;
            if let Ok(changed) = String::from_utf8(changed) {
                assert!(open(&changed, &trusted()).is_err(), "{at}");
            }
        }
        let stranger = NoteSigner::new("PeterNeumann", &[7; 32]);
        assert_eq!(open(&sign(TEXT, &[&stranger]), &trusted()).err(), Some(NoteError::Unsigned));
        assert!(open(&format!("{}{SIGNED}", sign(TEXT, &[&stranger])), &trusted()).is_ok(), "another's signature beside a good one");
    }
}
