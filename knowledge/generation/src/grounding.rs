//! How far an answer keeps to its sources: the share of its sentences whose words stand in one of them.

use std::collections::HashSet;

/// The share of a sentence's content words that one source must have.
const SUPPORTED_SHARE: f64 = 0.6;
const MIN_WORD_CHARS: usize = 4;

/// From 0 to 1; `None` where there is no sentence to judge.
#[must_use]
pub fn grounding(answer: &str, sources: &[String]) -> Option<f64> {
    let sources: Vec<HashSet<String>> = sources.iter().map(|source| words(source).collect()).collect();
    let sentences: Vec<Vec<String>> =
        answer.split(['.', '!', '?', '\n']).map(|sentence| words(sentence).collect::<Vec<_>>()).filter(|words| !words.is_empty()).collect();
    if sentences.is_empty() {
        return None;
    }
    let supported = |sentence: &&Vec<String>| {
        let best = sources.iter().map(|source| sentence.iter().filter(|word| source.contains(*word)).count()).max().unwrap_or(0);
        best as f64 >= SUPPORTED_SHARE * sentence.len() as f64
    };
    Some(sentences.iter().filter(supported).count() as f64 / sentences.len() as f64)
}

fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() >= MIN_WORD_CHARS).map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_supported_by_the_words_of_one_source() {
        let sources = ["Refunds are granted within thirty days of purchase.".to_owned()];
        assert_eq!(grounding("Refunds are granted within thirty days [1].", &sources), Some(1.0));
        assert_eq!(grounding("Refunds are granted within thirty days. Elephants migrate through Botswana yearly.", &sources), Some(0.5));
        assert_eq!(grounding("", &sources), None);
    }
}
