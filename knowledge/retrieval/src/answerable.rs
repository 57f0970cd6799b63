//! Whether the passages found can answer the question at all.
//!
//! Relative scores cannot tell: the best of nothing is still the best. So the judgement rests on figures that mean the same in every corpus: the cosine of
//! question and passage on its model's scale, and how much of what the question's words say, by their weight in the language at large, stands in the
//! passage. The weights are fitted for each model; `docs/quality.md` has precision and recall.

use crate::{fuse::scale, search::Hit};

/// The answer may stand in any of the first few.
pub(crate) const HITS_JUDGED: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Confidence {
    /// From 0 to 1.
    pub value: f32,
    pub answerable: bool,
}

/// Answer from here on.
pub(crate) const THRESHOLD: f32 = 0.5;

/// A cosine above that of texts that surely belong together says a little more.
const MAX_NEARNESS: f32 = 1.2;

struct Fit {
    constant: f32,
    cosine: f32,
    coverage: f32,
}

fn fit(model: &str) -> Fit {
    match model {
        "static" => Fit { constant: -5.4, cosine: 5.0, coverage: 6.0 },
        "minilm" => Fit { constant: -6.2, cosine: 7.0, coverage: 4.5 },
        _ => Fit { constant: -5.8, cosine: 6.5, coverage: 5.0 },
    }
}

/// By words alone there is less to go by, so more of the question must be covered.
const BY_WORDS: Fit = Fit { constant: -5.5, cosine: 0.0, coverage: 9.0 };

/// How likely the passage can answer, 0 to 1.
pub(crate) fn probability(hit: &Hit) -> f32 {
    let sum = match hit.vector {
        Some(cosine) => {
            let scale = scale(&hit.model);
            let near = ((cosine - scale.unrelated) / (scale.certain - scale.unrelated)).clamp(0.0, MAX_NEARNESS);
            let fit = fit(&hit.model);
            fit.constant + fit.cosine * near + fit.coverage * hit.coverage
        }
        None => BY_WORDS.constant + BY_WORDS.coverage * hit.coverage,
    };
    1.0 / (1.0 + (-sum).exp())
}

/// Of the hits of one question, the best first.
#[must_use]
pub fn confidence(hits: &[Hit]) -> Confidence {
    let value = hits.iter().take(HITS_JUDGED).map(probability).fold(0.0, f32::max);
    Confidence { value, answerable: value >= THRESHOLD }
}
