//! Text that only a key of its subject can open.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Encrypted text. The domain moves it and never looks inside; destroying the subject's key erases it everywhere at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sealed {
    /// Whose key opens it: a keyed hash of the organization and its user (or session), which tells nobody who that is.
    pub subject: String,
    /// Base64 of nonce and ciphertext.
    pub ciphertext: String,
}
