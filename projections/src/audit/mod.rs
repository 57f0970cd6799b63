//! The audit log's proofs: each organization's events are the leaves of a Merkle tree (RFC 6962), whose roots are signed.
//!
//! Invariant: a leaf never changes. It is the canonical JSON of the audit event as it is shown, which carries no personal text and no secret, so that an
//! erasure leaves every proof standing.

mod export;
mod leaf;
mod merkle;
mod notary;
mod note;
mod tiles;
pub(crate) mod tree;
mod verify;

pub use export::Exported;
pub use leaf::leaf;
pub use merkle::{Hash, continues};
pub use notary::{Notary, NotaryError, Signed};
pub use note::{Checkpoint, NoteError, NoteSigner, VerifierKey};
pub use verify::{FORM, Finding, Header, Line, Proof, Recorded, Report, VerifyError, hand_over_note, trusted, verify, verify_proof};
