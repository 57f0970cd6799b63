//! A follow-up question made to stand alone without a language model.
//!
//! A follow-up is known by its pronouns, its opening word or its brevity; it gets the words that carried the question it follows, behind `CARRIED`, so
//! that a search has them and the judgement whether the question itself is answered does not.

use crate::{
    model::importance,
    terms::{self, Term},
};

/// A turn before the question, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    pub prompt: String,
    pub response: String,
}

const CARRIED: &str = " (re: ";
/// Words more general than this say nothing of a subject.
const MIN_IMPORTANCE: f32 = 0.2;
const MAX_WORDS_OF_A_PROMPT: usize = 8;
const MAX_WORDS_OF_AN_ANSWER: usize = 4;
/// A question with fewer words of its own follows the turn before, if there is one.
const OWN_WORDS: usize = 2;
/// How far back a chain of follow-ups is traced.
const MAX_TURNS: usize = 4;

#[rustfmt::skip]
const POINTING_BACK: &[&str] = &[
    "also", "another", "else", "former", "he", "her", "hers", "him", "his", "instead", "it", "its", "itself", "latter", "one", "ones", "other", "same", "she",
    "that", "their", "theirs", "them", "there", "these", "they", "this", "those", "too",
];
const OPENINGS: &[&str] = &["and", "but", "or", "so", "then", "also", "what about"];

/// The question, with the words it points back to when it points back; otherwise as it is.
#[must_use]
pub fn rewrite_by_rules(turns: &[Turn], question: &str) -> String {
    if turns.is_empty() || !follows(question) {
        return question.to_owned();
    }
    let mut known: Vec<String> = terms::query_terms(question).into_iter().map(|term| term.term).collect();
    let mut added = Vec::new();
    for (distance, turn) in turns.iter().rev().take(MAX_TURNS).enumerate() {
        take(subject_words(&turn.prompt), MAX_WORDS_OF_A_PROMPT, &mut known, &mut added);
        if distance == 0 {
            take(subject_words(&names(&turn.response)), MAX_WORDS_OF_AN_ANSWER, &mut known, &mut added);
        }
        if !follows(&turn.prompt) {
            break;
        }
    }
    if added.is_empty() { question.to_owned() } else { format!("{}{CARRIED}{})", question.trim(), added.join(" ")) }
}

/// The words an answer must cover: the question's own where it has any of its own, so that the turns before cannot vouch for it.
#[must_use]
pub fn judged_by(query: &str) -> &str {
    match query.rsplit_once(CARRIED) {
        Some((question, _)) if !subject_words(question).is_empty() => question,
        _ => query,
    }
}

fn take(words: Vec<Term>, most: usize, known: &mut Vec<String>, added: &mut Vec<String>) {
    let fresh: Vec<Term> = words.into_iter().filter(|word| !known.contains(&word.term)).take(most).collect();
    for Term { term, word } in fresh {
        known.push(term);
        added.push(word);
    }
}

fn follows(question: &str) -> bool {
    let lower = terms::fold(question.trim());
    let opens = OPENINGS.iter().any(|opening| lower.strip_prefix(opening).is_some_and(|rest| rest.starts_with(|c: char| !c.is_alphanumeric())));
    let points = lower.split(|c: char| !c.is_alphanumeric()).any(|word| POINTING_BACK.contains(&word));
    opens || points || subject_words(question).len() < OWN_WORDS
}

fn subject_words(text: &str) -> Vec<Term> {
    let mut words = terms::query_terms(text);
    words.retain(|term| !term.term.starts_with(terms::WHOLE) && !terms::is_stop_word(&term.word) && !POINTING_BACK.contains(&term.word.as_str()));
    words.retain(|term| importance(&term.word) >= MIN_IMPORTANCE);
    words
}

/// Names in an answer: words with a capital inside a sentence, and identifiers.
fn names(answer: &str) -> String {
    let mut inside = false;
    let mut named = Vec::new();
    for word in answer.split_whitespace() {
        if (inside && word.starts_with(char::is_uppercase)) || word.contains(['_', '`']) {
            named.push(word);
        }
        inside = !word.ends_with(['.', '!', '?', ':', ']']);
    }
    named.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn penguins() -> Vec<Turn> {
        vec![Turn {
            prompt: "How long does the emperor penguin incubate its egg?".into(),
            response: "The emperor penguin incubates its egg for sixty-four days. [1]".into(),
        }]
    }

    #[test]
    fn a_follow_up_gets_the_words_it_points_to() {
        let query = rewrite_by_rules(&penguins(), "And where does its colony winter?");
        assert!(query.contains("emperor penguin") && query.starts_with("And where does its colony winter?"), "{query}");
    }

    #[test]
    fn a_question_that_stands_alone_stays_as_it_is() {
        let question = "How much do express parcels to Norway cost?";
        assert_eq!(rewrite_by_rules(&penguins(), question), question);
        assert_eq!(rewrite_by_rules(&[], "And where does its colony winter?"), "And where does its colony winter?");
    }

    #[test]
    fn a_chain_of_follow_ups_is_traced_to_its_start() {
        let mut turns = penguins();
        turns.push(Turn { prompt: "And where does its colony winter?".into(), response: "On sea ice [1].".into() });
        assert!(rewrite_by_rules(&turns, "Why there?").contains("penguin"));
    }

    #[test]
    fn the_turns_before_do_not_vouch_for_words_of_its_own() {
        assert_eq!(judged_by(&rewrite_by_rules(&penguins(), "Does it serve pizza?")), "Does it serve pizza?");
        assert!(judged_by(&rewrite_by_rules(&penguins(), "And why?")).contains("penguin"));
    }
}
