//! An answer without a language model: the passages' own sentences that bear most on the question, each with its source.
//!
//! Invariant: everything in an answer but the markers stands, after white-space folding, in the source cited beside it. Nothing is written here.

mod choose;
mod render;
mod sentences;
pub(crate) mod units;

use crate::{
    reader::{self, Reading},
    search::Hit,
    strategy::judged_by,
};

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
    // A follow-up's own words say what is asked; those carried over from the turns before have done their work in the search.
    let question = judged_by(question);
    let mut read = hits.to_vec();
    if hits.iter().all(|hit| hit.reading.is_none()) {
        reader::read(question, &mut read, None);
    }
    let readings: Vec<&Reading> = read.iter().map_while(|hit| hit.reading.as_deref()).collect();
    let chosen = choose::choose(question, &read, &readings, options);
    render::render(&readings, &chosen, options.max_tokens)
}

#[cfg(test)]
mod tests;
