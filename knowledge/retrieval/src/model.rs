//! The embedding models inside the binary: a static one that is instant, and a small transformer that is slower and far better.
//!
//! Invariant: the same text always has the same vector, of length one, whatever else is embedded beside it; texts therefore go through one by one.

mod minilm;
mod static_en;

pub(crate) use minilm::{States, states};
pub(crate) use static_en::{importance, is_known_word, load_importance};

/// Why an embedded model could not be loaded or run.
#[derive(Debug, thiserror::Error)]
#[error("the built-in model {model} failed: {reason}")]
pub struct ModelError {
    pub model: &'static str,
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BuiltIn {
    /// 256 dimensions, microseconds a text.
    Static,
    /// 384 dimensions, tens of milliseconds a text.
    MiniLm,
}

impl BuiltIn {
    pub const ALL: [Self; 2] = [Self::Static, Self::MiniLm];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::MiniLm => "minilm",
        }
    }

    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|model| model.name() == name)
    }

    pub const fn dimension(self) -> usize {
        match self {
            Self::Static => static_en::DIMENSION,
            Self::MiniLm => minilm::DIMENSION,
        }
    }

    /// Loads the model now rather than at its first text.
    pub fn load(self) -> Result<(), ModelError> {
        match self {
            Self::Static => static_en::model().map(|_| load_importance()),
            Self::MiniLm => minilm::model().map(drop),
        }
    }

    /// Runs on the background threads, which leave half of the cores to questions.
    pub fn embed_passage(self, text: &str) -> Vec<f32> {
        match self {
            Self::Static => static_en::embed(text),
            Self::MiniLm => minilm::embed(text, minilm::Lane::Background),
        }
    }

    pub fn embed_query(self, text: &str) -> Vec<f32> {
        match self {
            Self::Static => static_en::embed(text),
            Self::MiniLm => minilm::embed(text, minilm::Lane::Request),
        }
    }

    /// One vector a text, in order.
    pub fn embed_passages(self, texts: &[String]) -> Vec<Vec<f32>> {
        texts.iter().map(|text| self.embed_passage(text)).collect()
    }
}

/// Characters a WordPiece of an ordinary word spans, on average.
const CHARACTERS_PER_WORD_PIECE: usize = 6;

/// About as many tokens as the models' tokenizers make of the text, without running them: a word is one token and one more for each
/// further six characters, a sign and an ideograph are one each.
pub fn count_tokens(text: &str) -> usize {
    let mut tokens = 0;
    let mut word = 0;
    for character in text.chars() {
        let ideograph = ('\u{2e80}'..='\u{9fff}').contains(&character) || ('\u{ac00}'..='\u{d7af}').contains(&character);
        if character.is_alphanumeric() && !ideograph {
            word += 1;
            if word % CHARACTERS_PER_WORD_PIECE == 1 && (word == 1 || word > 2 * CHARACTERS_PER_WORD_PIECE) {
                tokens += 1;
            }
        } else {
            word = 0;
            if !character.is_whitespace() {
                tokens += 1;
            }
        }
    }
    tokens
}

/// Scales to length one; a vector of zeros stays as it is.
pub(crate) fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > f32::EPSILON {
        vector.iter_mut().for_each(|x| *x /= length);
    }
}

pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_have_the_dimension_of_their_model_and_length_one() {
        for model in BuiltIn::ALL {
            let vector = model.embed_query("How do I restart the server?");
            assert_eq!(vector.len(), model.dimension());
            assert!((dot(&vector, &vector) - 1.0).abs() < 1e-3);
        }
    }

    #[test]
    fn the_same_text_has_the_same_vector_on_both_lanes() {
        let text = "Refunds are granted within thirty days of purchase.";
        assert_eq!(BuiltIn::MiniLm.embed_query(text), BuiltIn::MiniLm.embed_passage(text));
    }

    #[test]
    fn meaning_is_nearer_than_words_to_the_transformer() {
        let [question, near, far] =
            ["How do I get my money back?", "Refunds are paid to the card.", "The colony winters on sea ice."].map(|text| BuiltIn::MiniLm.embed_query(text));
        assert!(dot(&question, &near) > dot(&question, &far) + 0.1);
    }

    #[test]
    fn an_empty_text_has_a_vector_too() {
        for model in BuiltIn::ALL {
            assert_eq!(model.embed_query("").len(), model.dimension());
        }
    }

    #[test]
    fn tokens_are_counted_by_words_and_signs() {
        assert_eq!(count_tokens(""), 0);
        assert_eq!(count_tokens("Hello, world."), 4);
        assert_eq!(count_tokens("internationalisation"), 3);
    }
}
