//! Language models: what they are sent, how their answers come back, and what is kept out of them.
//!
//! Invariant: no key, address or body of a provider gets into an error's text, and text of documents is data in a prompt, never instructions.

mod breaker;
mod compatible;
mod endpoints;
mod grounding;
mod markers;
mod models;
mod prompt;
mod rewrite;

pub use grounding::grounding;
pub use markers::MarkerFilter;
pub use models::{Finished, Model, ModelError, ModelSettings, Models, RerankerSettings, Usage};
pub use prompt::{ChatInput, Message, Messages, SourceText, Turn, build_messages, canonical_sha256};
pub use rewrite::{parse_rewrite, rewrite_messages};
