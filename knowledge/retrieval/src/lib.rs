//! Finding the passages that answer a question, telling whether any does, and quoting from them.
//!
//! Invariant: an index never changes; vectors of two models are never compared; keyword statistics are those of exactly the indexes searched, so that no
//! tenant's words weigh in another's search. Nothing here knows of stores, HTTP or the event log: all is a function of its arguments and the models inside.

mod answerable;
mod extractive;
mod fuse;
mod index;
pub mod metrics;
mod model;
mod passage;
mod reader;
mod search;
mod stored;
mod strategy;
mod terms;

pub use answerable::{Confidence, confidence};
pub use extractive::{AnswerOptions, Extracted, Style, answer};
pub use index::{SpecIndex, StoredIndex, StoredPassage, StoredTerm};
pub use model::{BuiltIn, ModelError, count_tokens};
pub use passage::{Passage, embedding_text, embedding_texts};
pub use search::{Hit, Mode, Query, search};
pub use stored::{IndexStore, Search, touched};
pub use strategy::{ProviderReranker, Request, Retrieval, Step, Strategy, Turn, judged_by, retrieve, retrieve_reranked_by, rewrite_by_rules, searches};
