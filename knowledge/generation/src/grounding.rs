//! How far an answer keeps to its sources: the share of its sentences whose words stand in one of them.

use std::collections::HashSet;

/// The share of a sentence's content words that one source must have.
const SUPPORTED_SHARE: f64 = 0.6;
const MIN_WORD_CHARS: usize = 4;

/// From 0 to 1; `None` where there is no sentence to judge.
#[must_use]
pub fn grounding(answer: &str, sources: &[String]) -> Option<f64> {
    let sources: Vec<HashSet<String>> = sources.iter().map(|source| words(source).collect()).collect();
    let plain = without_markers(answer);
    let sentences: Vec<Vec<String>> = sentences(&plain).map(|sentence| words(sentence).collect::<Vec<_>>()).filter(|words| !words.is_empty()).collect();
    if sentences.is_empty() {
        return None;
    }
    let supported = sentences.iter().filter(|sentence| sources.iter().any(|source| supports(source, sentence))).count();
    Some(supported as f64 / sentences.len() as f64)
}

/// Most of the words, and every number: a figure that the source does not have is the worst thing to make up.
fn supports(source: &HashSet<String>, sentence: &[String]) -> bool {
    let held = sentence.iter().filter(|word| source.contains(*word)).count();
    let numbers = sentence.iter().filter(|word| word.starts_with(|c: char| c.is_ascii_digit())).all(|number| source.contains(number));
    numbers && held as f64 >= SUPPORTED_SHARE * sentence.len() as f64
}

/// A full stop ends a sentence where white space follows, so that 3.5 stays whole.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.split_inclusive(". ").flat_map(|piece| piece.split_inclusive(['!', '?'])))
}

fn without_markers(answer: &str) -> String {
    let mut plain = String::with_capacity(answer.len());
    let mut rest = answer;
    while let Some(open) = rest.find('[') {
        let digits = rest[open + 1..].bytes().take_while(u8::is_ascii_digit).count();
        let marker = digits > 0 && rest[open + 1 + digits..].starts_with(']');
        plain.push_str(&rest[..open]);
        let next = if marker { open + digits + 2 } else { open + 1 };
        rest = &rest[next..];
    }
    plain + rest
}

/// Words of some length, and all numbers, each without a thousands comma.
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    let pieces = text.split(|c: char| !(c.is_alphanumeric() || c == ',' || c == '.')).map(|piece| piece.trim_matches([',', '.']));
    pieces.flat_map(|piece| {
        let number = piece.starts_with(|c: char| c.is_ascii_digit());
        let parts: Vec<String> = if number { vec![piece.replace(',', "")] } else { piece.split([',', '.']).map(str::to_lowercase).collect() };
        parts.into_iter().filter(move |part| if number { !part.is_empty() } else { part.chars().count() >= MIN_WORD_CHARS })
    })
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

    #[test]
    fn a_figure_that_no_source_has_is_not_supported() {
        let sources = ["The lamp costs 3.50 crowns and weighs 1,200 grams.".to_owned()];
        assert_eq!(grounding("The lamp costs 3.50 crowns [1].", &sources), Some(1.0));
        assert_eq!(grounding("The lamp weighs 1200 grams [2].", &sources), Some(1.0));
        assert_eq!(grounding("The lamp costs 4.50 crowns [1].", &sources), Some(0.0));
    }
}
