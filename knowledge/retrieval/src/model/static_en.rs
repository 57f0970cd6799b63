//! The static model: a text's vector is the weighted mean of its tokens' vectors. Its token weights also tell how much a word says in general.

use super::{ModelError, normalise};
use model2vec_rs::model::StaticModel;
use std::{collections::HashMap, sync::OnceLock};

pub(crate) const DIMENSION: usize = 256;
const NAME: &str = "static";

static TOKENIZER: &[u8] = include_bytes!("../../models/static-en/tokenizer.json");
static WEIGHTS: &[u8] = include_bytes!("../../models/static-en/model.safetensors");
static CONFIG: &[u8] = include_bytes!("../../models/static-en/config.json");

pub(crate) fn model() -> Result<&'static StaticModel, ModelError> {
    static MODEL: OnceLock<Result<StaticModel, String>> = OnceLock::new();
    MODEL
        .get_or_init(|| StaticModel::from_bytes(TOKENIZER, WEIGHTS, CONFIG, None).map_err(|error| error.to_string()))
        .as_ref()
        .map_err(|reason| ModelError { model: NAME, reason: reason.clone() })
}

pub(crate) fn embed(text: &str) -> Vec<f32> {
    let model = model().expect("the embedded static model is read in a test of every build");
    let mut vector = model.encode_single(text);
    vector.resize(DIMENSION, 0.0);
    normalise(&mut vector);
    vector
}

/// A word the vocabulary does not have as a whole is rarer than nearly all it has.
const UNKNOWN_WORD_IMPORTANCE: f32 = 0.4;

/// How much a lower-case word says, whatever is searched: about 0.04 for "the", 0.1 for "where", 0.3 to 0.4 for a word of a subject.
pub(crate) fn importance(word: &str) -> f32 {
    table().get(word).copied().unwrap_or(if word.chars().count() < 2 { 0.1 } else { UNKNOWN_WORD_IMPORTANCE })
}

/// Whether the vocabulary has the word as a whole, so that it is hardly a misspelling.
pub(crate) fn is_known_word(word: &str) -> bool {
    table().contains_key(word)
}

pub(crate) fn load_importance() {
    table();
}

fn table() -> &'static HashMap<Box<str>, f32> {
    static TABLE: OnceLock<HashMap<Box<str>, f32>> = OnceLock::new();
    TABLE.get_or_init(|| read_table().unwrap_or_default())
}

/// The `weights` tensor of the safetensors file beside the vocabulary's whole words.
fn read_table() -> Option<HashMap<Box<str>, f32>> {
    let header_length = usize::try_from(u64::from_le_bytes(WEIGHTS.get(..8)?.try_into().ok()?)).ok()?;
    let header: serde_json::Value = serde_json::from_slice(WEIGHTS.get(8..8 + header_length)?).ok()?;
    let offset = |n: usize| header["weights"]["data_offsets"][n].as_u64().and_then(|offset| usize::try_from(offset).ok());
    let bytes = WEIGHTS.get(8 + header_length + offset(0)?..8 + header_length + offset(1)?)?;
    let tokenizer: serde_json::Value = serde_json::from_slice(TOKENIZER).ok()?;
    let vocabulary = tokenizer["model"]["vocab"].as_object()?;
    let words = vocabulary.iter().filter(|(word, _)| !word.starts_with("##") && !word.starts_with('['));
    Some(words.filter_map(|(word, id)| Some((word.as_str().into(), weight(bytes, usize::try_from(id.as_u64()?).ok()?)?))).collect())
}

fn weight(bytes: &[u8], id: usize) -> Option<f32> {
    Some(f32::from_le_bytes(bytes.get(id * 4..id * 4 + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_subject_say_more_than_words_of_grammar() {
        assert!(importance("the") < importance("where"));
        assert!(importance("where") < importance("penguin"));
        assert!(importance("zygomorphic") >= 0.3);
    }
}
