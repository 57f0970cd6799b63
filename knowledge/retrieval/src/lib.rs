//! Finding the passages that answer a question, telling whether any does, and quoting from them.
//!
//! Invariant: an index never changes; vectors of two models are never compared; keyword statistics are those of exactly the indexes searched, so that no
//! tenant's words weigh in another's search.

mod model;
mod passage;
mod quote;
mod retrieve;
mod rewrite;
mod search;
mod terms;

pub use model::{BuiltIn, ModelError, count_tokens};
pub use passage::{Passage, embedding_text};
pub use quote::{Quoted, Style, quote};
pub use retrieve::{Request, Retrieval, Step, Strategy, retrieve};
pub use rewrite::{Turn, rewrite_by_rules};
pub use search::{Hit, Mode, Query, SpecIndex, search};
