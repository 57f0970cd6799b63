//! Identifiers: a prefix, an underscore and a UUID in 26 characters of lower-case Crockford base32, read in either case.
//!
//! A UUIDv7 begins with its time, and Crockford's alphabet keeps the order of the bytes, so identifiers sort by the time they were made.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH_CHARS: usize = 26;

/// A text that is no identifier of the kind asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid identifier")]
pub struct InvalidId;

fn encode(value: Uuid) -> [u8; LENGTH_CHARS] {
    let mut rest = value.as_u128();
    let mut out = [0; LENGTH_CHARS];
    for place in out.iter_mut().rev() {
        *place = ALPHABET[(rest & 31) as usize];
        rest >>= 5;
    }
    out
}

fn decode(text: &str) -> Option<Uuid> {
    if text.len() != LENGTH_CHARS {
        return None;
    }
    let mut value: u128 = 0;
    for (place, byte) in text.bytes().enumerate() {
        let digit = ALPHABET.iter().position(|&known| known == byte.to_ascii_lowercase())? as u128;
        if place == 0 && digit > 7 {
            return None; // 26 characters hold 130 bits; a UUID has 128
        }
        value = value << 5 | digit;
    }
    Some(Uuid::from_u128(value))
}

/// A kind of identifier: what the macro below gives each.
pub trait Identifier: Copy + Ord + fmt::Display + FromStr<Err = InvalidId> + From<Uuid> + Send + Sync + 'static {
    /// The text before the underscore.
    const PREFIX: &'static str;
    fn uuid(&self) -> Uuid;
}

macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl Identifier for $name {
            const PREFIX: &'static str = $prefix;
            fn uuid(&self) -> Uuid { self.0 }
        }
        impl From<Uuid> for $name {
            fn from(value: Uuid) -> Self { Self(value) }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!($prefix, "_"))?;
                f.write_str(std::str::from_utf8(&encode(self.0)).map_err(|_| fmt::Error)?)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Display::fmt(self, f) }
        }
        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix(concat!($prefix, "_")).and_then(decode).map(Self).ok_or(InvalidId)
            }
        }
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> { to.collect_str(self) }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
                text.parse().map_err(|_| serde::de::Error::custom(concat!("not a valid ", $prefix, "_ identifier")))
            }
        }
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> { stringify!($name).into() }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "pattern": concat!("^", $prefix, "_[0-7][0-9a-hjkmnp-tv-z]{25}$")})
            }
        }
    )+};
}

identifiers! {
    /// An organization: the tenant.
    OrgId = "org",
    /// An API key.
    KeyId = "key",
    /// An agent.
    AgentId = "agent",
    /// A data spec: a source of documents.
    DataSpecId = "ds",
    /// One processing of a data spec.
    RunId = "run",
    /// A document of a data spec.
    DocumentId = "doc",
    /// A passage of a document, as it was indexed.
    ChunkId = "chk",
    /// A session made by the product; clients may use strings of their own instead.
    SessionId = "sess",
    /// One question and its answer.
    InteractionId = "int",
    /// A webhook endpoint.
    WebhookId = "wh",
    /// One message on its way to a webhook.
    DeliveryId = "dlv",
    /// An event of the log.
    EventId = "evt",
    /// A background job: an erasure or a replay.
    JobId = "job",
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn an_identifier_is_read_back_in_either_case() {
        let id = AgentId::from(Uuid::from_u128(0x0198_f0c0_1234_7abc_8def_0123_4567_89ab));
        let text = id.to_string();
        assert_eq!((text.len(), text.parse::<AgentId>().unwrap()), (32, id));
        assert_eq!(format!("agent_{}", text[6..].to_uppercase()).parse::<AgentId>().unwrap(), id);
    }

    #[test]
    fn what_cannot_be_an_identifier_is_refused() {
        for text in [
            "",
            "agent_",
            "agent_01",
            "ds_00000000000000000000000000",
            "agent_uuuuuuuuuuuuuuuuuuuuuuuuuu",
            "agent_zzzzzzzzzzzzzzzzzzzzzzzzzz",
            "agent_0000000000000000000000000é",
        ] {
            assert_eq!(text.parse::<AgentId>(), Err(InvalidId), "{text}");
        }
    }

    #[test]
    fn identifiers_sort_as_their_numbers_do() {
        let texts: Vec<String> = (0..200u128).map(|n| RunId::from(Uuid::from_u128(n << 100 | n)).to_string()).collect();
        assert!(texts.is_sorted());
    }
}
