//! From a text to the terms it is found by: folded to lower case without accents, stemmed, and an identifier both whole and in its parts.
//!
//! Invariant: passages and queries go through the same function, so that a text always matches itself. A whole identifier starts with `WHOLE`, which no
//! ordinary term can.

use rust_stemmers::{Algorithm, Stemmer};
use std::cell::RefCell;
use unicode_segmentation::UnicodeSegmentation;

/// Marks the term of an identifier kept whole, such as `fs.readFile` or `--no-verify`.
pub(crate) const WHOLE: char = '=';
/// A longer run of signs is data rather than a name.
const MAX_TERM_BYTES: usize = 64;
/// A prompt may be 32,000 characters; what follows its first few hundred different words no longer changes what is found.
const MAX_QUERY_TERMS: usize = 256;

thread_local! {
    static STEMMER: RefCell<Stemmer> = RefCell::new(Stemmer::create(Algorithm::English));
}

/// A term as it is searched, and the word it was made from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Term {
    pub(crate) term: String,
    pub(crate) word: String,
}

/// Calls `each` with every term of the text and its word, in order.
pub(crate) fn for_each_term(text: &str, mut each: impl FnMut(&str, &str)) {
    for run in text.split_whitespace() {
        let name = trim_run(run);
        if is_identifier(name) {
            let whole = fold(name);
            if whole.len() <= MAX_TERM_BYTES {
                let marked = format!("{WHOLE}{whole}");
                each(&marked, &whole);
            }
            for part in identifier_parts(name) {
                emit(&part, &mut each);
            }
        } else {
            for word in run.unicode_words() {
                emit(word, &mut each);
            }
        }
    }
}

fn emit(word: &str, each: &mut impl FnMut(&str, &str)) {
    let folded = fold(word);
    if folded.is_empty() || folded.len() > MAX_TERM_BYTES {
        return;
    }
    STEMMER.with_borrow(|stemmer| each(&stemmer.stem(&folded), &folded));
}

/// The distinct terms of a query in the order of their first mention.
pub(crate) fn query_terms(text: &str) -> Vec<Term> {
    let mut terms: Vec<Term> = Vec::new();
    for_each_term(text, |term, word| {
        if terms.len() < MAX_QUERY_TERMS && !terms.iter().any(|known| known.term == term) {
            terms.push(Term { term: term.to_owned(), word: word.to_owned() });
        }
    });
    terms
}

/// Words of grammar: they are not searched for unless the query has nothing else.
pub(crate) fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.binary_search(&word).is_ok()
}

#[rustfmt::skip]
const STOP_WORDS: &[&str] = &[
    "a", "about", "am", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did", "do", "does", "for", "from", "get", "had",
    "has", "have", "he", "her", "him", "his", "how", "i", "i'm", "if", "in", "into", "is", "it", "it's", "its", "many", "may", "me", "much", "my", "of", "on",
    "or", "our", "out", "please", "re", "shall", "she", "should", "so", "some", "tell", "than", "that", "the", "their", "them", "then", "there", "these",
    "they", "this", "those", "to", "up", "us", "was", "we", "were", "what", "what's", "whats", "when", "where", "where's", "which", "who", "who's", "whom",
    "whose", "why", "will", "with", "within", "would", "you", "your", "yours", "yourself",
];

/// Signs around a word are not part of it, but for leading dashes of a flag, a leading dot, at or dollar sign, which belong to names in code.
fn trim_run(run: &str) -> &str {
    let run = run.trim_end_matches(|c: char| !c.is_alphanumeric());
    let start = run.find(char::is_alphanumeric).unwrap_or(run.len());
    let sigils: usize = run[..start].chars().rev().take_while(|c| matches!(c, '-' | '.' | '@' | '$' | '_')).map(char::len_utf8).sum();
    &run[start - sigils..]
}

fn is_identifier(name: &str) -> bool {
    if name.len() < 2 || !name.chars().any(char::is_alphanumeric) {
        return false;
    }
    name.starts_with(['-', '.', '@', '$', '_']) || name.contains(['.', '_', '/', ':', '-', '@', '#', '$', '(', '=', '[', '+', '%']) || has_hump(name)
}

/// `readFile` has a hump; `Refunds` and `API` have none.
fn has_hump(name: &str) -> bool {
    name.chars().zip(name.chars().skip(1)).any(|(a, b)| a.is_lowercase() && b.is_uppercase())
}

fn identifier_parts(name: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for piece in name.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’').filter(|piece| !piece.is_empty()) {
        let humps = split_humps(piece);
        if humps.len() > 1 {
            parts.push(piece.to_owned());
        }
        parts.extend(humps);
    }
    parts
}

fn split_humps(piece: &str) -> Vec<String> {
    let mut humps = vec![String::new()];
    let mut before: Option<char> = None;
    for character in piece.chars() {
        if before.is_some_and(char::is_lowercase) && character.is_uppercase() {
            humps.push(String::new());
        }
        if let Some(hump) = humps.last_mut() {
            hump.push(character);
        }
        before = Some(character);
    }
    humps
}

/// Lower case, without the accents of Latin letters, with a plain apostrophe.
pub(crate) fn fold(word: &str) -> String {
    if word.is_ascii() {
        return word.to_ascii_lowercase();
    }
    word.chars().flat_map(char::to_lowercase).map(without_accent).collect()
}

fn without_accent(character: char) -> char {
    match character {
        'à'..='å' | 'ā' | 'ă' | 'ą' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'ď' | 'đ' => 'd',
        'è'..='ë' | 'ē' | 'ė' | 'ę' | 'ě' => 'e',
        'ì'..='ï' | 'ī' | 'į' => 'i',
        'ł' => 'l',
        'ñ' | 'ń' | 'ň' => 'n',
        'ò'..='ö' | 'ø' | 'ō' | 'ő' => 'o',
        'ř' => 'r',
        'ś' | 'š' => 's',
        'ť' => 't',
        'ù'..='ü' | 'ū' | 'ů' | 'ű' => 'u',
        'ý' | 'ÿ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        '\u{2019}' | '\u{2018}' => '\'',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str) -> Vec<String> {
        query_terms(text).into_iter().map(|term| term.term).collect()
    }

    #[test]
    fn words_are_stemmed_and_folded() {
        assert_eq!(terms("Refunds are granted; ZÜRICH’s"), ["refund", "are", "grant", "zurich"]);
    }

    #[test]
    fn identifiers_are_kept_whole_and_in_parts() {
        assert_eq!(terms("call fs.readFile()."), ["call", "=fs.readfile", "fs", "readfil", "read", "file"]);
        assert_eq!(terms("ERR_TLS_CERT"), ["=err_tls_cert", "err", "tls", "cert"]);
        assert_eq!(terms("use --no-verify!"), ["use", "=--no-verify", "no", "verifi"]);
    }

    #[test]
    fn stop_words_are_sorted() {
        assert!(STOP_WORDS.is_sorted());
        assert!(is_stop_word("the") && !is_stop_word("refund"));
    }
}
