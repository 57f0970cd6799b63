//! Sentences of a paragraph whose white space is folded.

use crate::model::count_tokens;
use unicode_segmentation::UnicodeSegmentation;

/// Text without full stops, as some formats give it, is cut into pieces of this many words.
const WORDS_OF_A_PIECE: usize = 60;
const TOKENS_OF_A_SENTENCE: usize = 160;

const ABBREVIATIONS: &[&str] = &[
    "approx.", "art.", "ca.", "cf.", "co.", "corp.", "dept.", "dr.", "e.g.", "eq.", "est.", "etc.", "fig.", "i.e.", "inc.", "incl.", "jr.", "ltd.", "max.",
    "min.", "mr.", "mrs.", "ms.", "no.", "nr.", "p.", "pp.", "prof.", "resp.", "sec.", "sr.", "st.", "vol.", "vs.",
];

pub(super) fn fold_space(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn split(paragraph: &str) -> Vec<String> {
    let folded = fold_space(paragraph);
    let mut sentences: Vec<String> = Vec::new();
    for piece in folded.split_sentence_bounds() {
        match sentences.last_mut() {
            Some(before) if !ends(before, piece) => before.push_str(piece),
            _ => sentences.push(piece.to_owned()),
        }
    }
    sentences.into_iter().map(|sentence| sentence.trim().to_owned()).filter(|sentence| !sentence.is_empty()).flat_map(cut).collect()
}

fn ends(before: &str, next: &str) -> bool {
    let before = before.trim_end();
    let last_word = before.rsplit(' ').next().unwrap_or_default().trim_start_matches(['(', '"', '\'', '[']);
    let initial = last_word.len() == 2 && last_word.starts_with(|c: char| c.is_ascii_uppercase()) && last_word.ends_with('.');
    let abbreviated = ABBREVIATIONS.contains(&last_word.to_lowercase().as_str());
    let open_code = before.matches('`').count() % 2 == 1;
    let goes_on = next.starts_with(|c: char| c.is_lowercase() || matches!(c, ',' | ';' | ')'));
    !initial && !abbreviated && !open_code && !goes_on
}

fn cut(sentence: String) -> Vec<String> {
    if count_tokens(&sentence) <= TOKENS_OF_A_SENTENCE {
        return vec![sentence];
    }
    let words: Vec<&str> = sentence.split(' ').collect();
    words.chunks(WORDS_OF_A_PIECE).map(|words| words.join(" ")).collect()
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn abbreviations_and_wrapped_lines_do_not_end_a_sentence() {
        assert_eq!(split("Ask Dr. Smith,\ne.g. by mail. He knows."), ["Ask Dr. Smith, e.g. by mail.", "He knows."]);
        assert_eq!(split("It costs $3.50 a day. Pay at 5 p.m. sharp!"), ["It costs $3.50 a day.", "Pay at 5 p.m. sharp!"]);
    }

    #[test]
    fn a_text_without_full_stops_is_cut() {
        assert!(split(&"word ".repeat(500)).len() > 5);
    }
}
