//! A follow-up question made to stand alone without a language model: the words of the last turn that say what it is about are added.

use crate::terms::{terms, weighted};

const MAX_ADDED_WORDS: usize = 8;
/// A question with fewer words of its own, or one that points back, leans on the conversation.
const OWN_WORDS: usize = 3;
const POINTING_BACK: &[&str] = &["it", "its", "they", "their", "them", "that", "this", "those", "these", "he", "she", "his", "her", "there", "one", "ones", "and", "also", "same"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    pub prompt: String,
    pub response: String,
}

#[must_use]
pub fn rewrite_by_rules(turns: &[Turn], question: &str) -> String {
    let Some(last) = turns.last() else { return question.to_owned() };
    let points_back = question.split(|c: char| !c.is_alphanumeric()).any(|word| POINTING_BACK.contains(&word.to_lowercase().as_str()));
    let own = terms(question);
    if !points_back && own.len() >= OWN_WORDS {
        return question.to_owned();
    }
    let mut subject: Vec<(String, f32)> = weighted(&last.prompt).into_iter().filter(|(term, _)| !own.contains(term)).collect();
    subject.sort_by(|a, b| b.1.total_cmp(&a.1));
    let words: Vec<String> = subject.into_iter().take(MAX_ADDED_WORDS).map(|(term, _)| term).collect();
    if words.is_empty() { question.to_owned() } else { format!("{question} {}", words.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_that_points_back_takes_the_subject_along() {
        let turns = [Turn { prompt: "How long does the emperor penguin incubate its egg?".into(), response: "Sixty-four days.".into() }];
        let rewritten = rewrite_by_rules(&turns, "And where does its colony winter?");
        assert!(rewritten.contains("penguin") && rewritten.starts_with("And where"), "{rewritten}");
        assert_eq!(rewrite_by_rules(&turns, "Which refund policy covers broken lamps?"), "Which refund policy covers broken lamps?");
        assert_eq!(rewrite_by_rules(&[], "x"), "x");
    }
}
