#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{BuiltIn, Mode, Passage, Query, SpecIndex, search};
use proptest::prelude::*;
use std::{collections::HashMap, sync::Arc};

fn hits(question: &str, texts: &[&str]) -> Vec<Hit> {
    let passages: Vec<Passage> =
        texts.iter().enumerate().map(|(n, text)| Passage { chunk_id: n.to_string(), text: (*text).into(), ..Passage::default() }).collect();
    let vectors = passages.iter().map(|passage| BuiltIn::Static.embed_passage(&passage.text)).collect();
    let index = Arc::new(SpecIndex::build("static", passages, vectors));
    let vectors = HashMap::from([("static".to_owned(), BuiltIn::Static.embed_query(question))]);
    search(&[index], &Query { text: question, vectors: &vectors, mode: Mode::Hybrid, limit: 8 })
}

fn concise(question: &str, texts: &[&str]) -> String {
    answer(question, &hits(question, texts), &AnswerOptions { max_tokens: 500, style: Style::Concise }).text
}

const PENGUINS: &str = "The emperor penguin incubates its egg for sixty-four days. The colony winters on sea ice.";

#[test]
fn the_sentence_that_answers_is_quoted_with_its_source() {
    let refunds = "Refunds are granted within thirty days of purchase. The customer must show the receipt. Refunds are paid to the card that was used.";
    assert_eq!(
        concise("Within how many days of purchase are refunds granted?", &[refunds, PENGUINS]),
        "Refunds are granted within thirty days of purchase. [1]"
    );
}

#[test]
fn a_follow_up_is_answered_by_its_own_words() {
    assert_eq!(concise("And where does its colony winter? (re: emperor penguin incubate egg)", &[PENGUINS]), "The colony winters on sea ice. [1]");
}

#[test]
fn a_row_comes_with_its_header() {
    let table = "# Plans\n\n| Plan | Seats | Price |\n| --- | --- | --- |\n| Basic | 3 | $20 |\n| Team | 25 | $150 |\n";
    assert_eq!(concise("What is the price of the Team plan?", &[table, PENGUINS]), "| Plan | Seats | Price | [1]\n| Team | 25 | $150 | [1]");
}

#[test]
fn a_list_comes_with_its_lead_in() {
    let list = "Anyone may join. To apply for a parking space you need:\n\n- a valid licence\n- the car's papers\n\nSpaces are few.";
    let text = concise("What do I need to apply for a parking space?", &[list, PENGUINS]);
    assert_eq!(text, "To apply for a parking space you need: [1]\n\n- a valid licence [1]\n- the car's papers [1]");
}

#[test]
fn a_code_block_is_whole_and_its_marker_outside_it() {
    let code = "To restart the server, run:\n\n```sh\ntwig stop\ntwig serve\n```\n\nIt takes a second.";
    let text = concise("How do I restart the server?", &[code, PENGUINS]);
    assert!(text.contains("```sh\ntwig stop\ntwig serve\n```\n[1]"), "{text}");
}

#[test]
fn a_stored_question_is_answered_by_its_whole_answer() {
    let pair = "### Can I bring my dog to the office?\n\nDogs are welcome on Mondays.\n\nThey must be quiet. Cats stay at home.";
    let text = concise("May I bring my dog to the office?", &[pair, PENGUINS]);
    assert_eq!(text, "Dogs are welcome on Mondays. [1]\n\nThey must be quiet. [1] Cats stay at home. [1]");
}

#[test]
fn a_record_is_told_whole() {
    let rows = "Name: Ada Byron\nRole: Lead engineer\n\nName: Grace Munro\nRole: Accountant";
    assert_eq!(concise("What is the role of Grace Munro?", &[rows, PENGUINS]), "Name: Grace Munro\nRole: Accountant [1]");
}

#[test]
fn nothing_is_said_twice() {
    let text = "The office opens at nine. It closes at six.";
    let more = "The office opens at nine. Bring your badge.";
    let question = "When does the office open?";
    let said = answer(question, &hits(question, &[text, more]), &AnswerOptions { max_tokens: 500, style: Style::Detailed });
    assert_eq!(said.text.matches("opens at nine").count(), 1, "{}", said.text);
}

#[test]
fn an_answer_keeps_to_its_tokens() {
    let question = "Within how many days of purchase are refunds granted?";
    let hits = hits(question, &["Refunds are granted within thirty days of purchase. Refunds take thirty days."]);
    for max_tokens in [1, 5, 12, 40] {
        let said = answer(question, &hits, &AnswerOptions { max_tokens, style: Style::Detailed });
        assert!(crate::count_tokens(&said.text) <= max_tokens.max(5), "{max_tokens}: {}", said.text);
        assert!(!said.text.is_empty());
    }
}

#[test]
fn what_would_read_as_a_citation_is_not_quoted() {
    let question = "When does the office open?";
    let text = concise(question, &["The office opens at nine [7]. The office opens its doors early."]);
    assert!(!text.contains("[7]"), "{text}");
}

fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

const BLOCK: &str = "([A-Z][a-z]{2,8} [a-z]{3,9}( [a-z]{2,9}){0,5}[.!?:] ?){1,3}|- [a-z]{3,9} [a-z]{3,9}|\\| [a-z]{3,9} \\| [a-z]{3,9} \\||### [A-Z][a-z]{3,9} [a-z]{3,9}\\?|[A-Z][a-z]{3,6}: [a-z]{3,9}|```|\\[[0-9]\\] e\\.g\\. [a-z]{3,9}";

proptest! {
    // Each case is read by the transformer.
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_piece_stands_in_the_source_cited_behind_it(
        texts in proptest::collection::vec(proptest::collection::vec((BLOCK, "\n|\n\n|\n  "), 1..8), 1..4),
        question in "[a-z]{3,8} [a-z]{3,8}( [a-z]{3,8})?\\??",
        max_tokens in 1usize..200,
    ) {
        let texts: Vec<String> = texts.into_iter().map(|blocks| blocks.into_iter().map(|(block, gap)| block + &gap).collect()).collect();
        let refs: Vec<&str> = texts.iter().map(String::as_str).collect();
        let hits = hits(&question, &refs);
        for style in [Style::Concise, Style::Balanced, Style::Detailed, Style::Technical] {
            let said = answer(&question, &hits, &AnswerOptions { max_tokens, style });
            let mut rest = said.text.as_str();
            let outside_code = |text: &str, open: usize| text[..open].matches("```").count().is_multiple_of(2);
            while let Some((open, _)) = rest.match_indices('[').find(|&(open, _)| outside_code(rest, open)) {
                let close = open + rest[open..].find(']').unwrap();
                let number: usize = rest[open + 1..close].parse().unwrap();
                prop_assert!(said.cited.contains(&number));
                prop_assert!(folded(&hits[number - 1].passage.text).contains(&folded(&rest[..open])), "{:?} is not in {:?}", &rest[..open], hits[number - 1].passage.text);
                rest = &rest[close + 1..];
            }
            prop_assert!(rest.trim().is_empty(), "uncited: {rest:?}");
        }
    }
}
