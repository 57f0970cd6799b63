//! Words as the keyword index has them: stems of whole words, and code identifiers (`fs.readFile`, `ERR_TLS_CERT`, `--no-verify`) whole beside their parts.

use rust_stemmers::{Algorithm, Stemmer};
use unicode_segmentation::UnicodeSegmentation;

const MAX_TERM_CHARS: usize = 64;

/// Words that say nothing of a subject.
const STOP_WORDS: &[&str] = &[
    "a", "about", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did", "do", "does", "for", "from", "get", "had", "has", "have", "how", "i", "if", "in",
    "into", "is", "it", "its", "may", "me", "much", "many", "my", "of", "on", "or", "our", "out", "should", "so", "some", "than", "that", "the", "their", "them", "then", "there", "these",
    "they", "this", "those", "to", "up", "us", "was", "we", "were", "what", "when", "where", "which", "who", "whom", "whose", "why", "will", "with", "within", "would", "you", "your",
];

/// The terms of a text in order, without stop words.
pub(crate) fn terms(text: &str) -> Vec<String> {
    let stemmer = Stemmer::create(Algorithm::English);
    let mut terms = Vec::new();
    for word in text.unicode_words() {
        let lower = word.to_lowercase();
        if lower.chars().count() > MAX_TERM_CHARS || STOP_WORDS.contains(&lower.as_str()) {
            continue;
        }
        if lower.contains(['.', '_', '\'']) {
            for part in lower.split(['.', '_', '\'']).filter(|part| part.chars().count() > 1) {
                terms.push(stemmer.stem(part).into_owned());
            }
        }
        terms.push(stemmer.stem(&lower).into_owned());
    }
    terms
}

/// The terms of a text with how much each says in general, each once.
pub(crate) fn weighted(text: &str) -> Vec<(String, f32)> {
    let mut found: Vec<(String, f32)> = Vec::new();
    for word in text.unicode_words() {
        let lower = word.to_lowercase();
        for term in terms(word) {
            if found.iter().all(|(known, _)| *known != term) {
                found.push((term, crate::model::importance(&lower)));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_stemmed_and_identifiers_kept_whole() {
        assert_eq!(terms("The refunds were granted"), ["refund", "grant"]);
        assert!(terms("call fs.readFile now").contains(&"fs.readfil".to_owned()) || terms("call fs.readFile now").contains(&"fs.readfile".to_owned()));
        assert!(terms("ERR_TLS_CERT").contains(&"tls".to_owned()));
    }
}
