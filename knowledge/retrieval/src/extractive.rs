//! An answer without a language model: the passages' own sentences that bear most on the question, each with its source.
//!
//! Invariant: everything in an answer but the markers stands, after white-space folding, in the source cited beside it. Nothing is written here.

mod choose;
mod render;
mod sentences;
mod units;

use crate::{search::Hit, strategy::judged_by};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    Concise,
    #[default]
    Balanced,
    Detailed,
    /// As detailed, with code preferred.
    Technical,
}

#[derive(Clone, Copy, Debug)]
pub struct AnswerOptions {
    /// Of the whole answer, markers included.
    pub max_tokens: usize,
    pub style: Style,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extracted {
    /// Empty where the passages hold no sentence that bears on the question.
    pub text: String,
    /// The sources used, from 1, rising.
    pub cited: Vec<usize>,
    /// The best sentence had to be cut to `max_tokens`.
    pub truncated: bool,
}

/// Hits are numbered from 1 in their order.
#[must_use]
pub fn answer(question: &str, hits: &[Hit], options: &AnswerOptions) -> Extracted {
    let units: Vec<Vec<units::Unit>> = hits.iter().map(|hit| units::split(&hit.passage.text)).collect();
    // A follow-up's own words say what is asked; those carried over from the turns before have done their work in the search.
    let chosen = choose::choose(judged_by(question), hits, &units, options);
    render::render(&units, &chosen, options.max_tokens)
}

/// An answer's pieces with their citations, to be joined; none where nothing could be quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted {
    pub pieces: Vec<String>,
}

/// `answer` for a caller that streams.
#[must_use]
pub fn quote(question: &str, hits: &[Hit], max_tokens: usize, style: Style) -> Quoted {
    let text = answer(question, hits, &AnswerOptions { max_tokens, style }).text;
    Quoted { pieces: if text.is_empty() { Vec::new() } else { vec![text] } }
}

#[cfg(test)]
mod tests;
