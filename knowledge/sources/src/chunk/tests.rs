#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

/// A token a word, and one more for each four characters of a long one.
fn tokens(text: &str) -> usize {
    text.split_whitespace().map(|word| 1 + word.chars().count() / 5).sum()
}

fn chunks(text: &str, pages: &[usize], max_tokens: usize, overlap_tokens: usize) -> Vec<Chunk> {
    let extraction = Extraction { title: None, text: text.to_owned(), pages: pages.to_vec() };
    chunk(&extraction, &ChunkOptions { max_tokens, overlap_tokens }, &tokens)
}

fn texts<'a>(text: &'a str, chunks: &[Chunk]) -> Vec<&'a str> {
    chunks.iter().map(|chunk| &text[chunk.start..chunk.end]).collect()
}

#[test]
fn a_section_is_a_chunk_with_its_path() {
    let text = "intro\n\n# A\n\none\n\n## B\n\ntwo\n\n# C\n\nthree\n";
    let found = chunks(text, &[], 512, 50);
    assert_eq!(texts(text, &found), ["intro", "# A\n\none", "## B\n\ntwo", "# C\n\nthree"]);
    let paths: Vec<_> = found.iter().map(|chunk| chunk.heading_path.join("/")).collect();
    assert_eq!(paths, ["", "A", "A/B", "C"]);
}

#[test]
fn a_heading_with_nothing_under_it_goes_with_the_deeper_one_below() {
    let text = "# Guide\n\n## Install\n\nRun it.\n\n## Empty\n\n## Next\n\ntext";
    assert_eq!(texts(text, &chunks(text, &[], 512, 50)), ["# Guide\n\n## Install\n\nRun it.", "## Empty", "## Next\n\ntext"]);
}

#[test]
fn a_heading_inside_code_is_none() {
    let text = "# A\n\n```sh\n# comment\n```\n\n    # indented\n\ntext";
    assert_eq!(chunks(text, &[], 512, 50).len(), 1);
}

#[test]
fn underlined_headings_count_and_lone_dashes_do_not() {
    let found = headings("Title\n=====\n\ntext\n-\n\nSub\n---\n\na\nb\n---\n\n- item\n---\n");
    let found: Vec<_> = found.iter().map(|heading| (heading.level, heading.title.as_str())).collect();
    assert_eq!(found, [(1, "Title"), (2, "Sub")]);
    assert_eq!(headings("## **The** [link](http://x) `code` ##\n")[0].title, "The link code");
    assert!(headings("#no\n####### no\n").is_empty());
}

#[test]
fn a_page_is_not_crossed_and_is_told() {
    let text = "first page\n\nsecond page";
    let found = chunks(text, &[0, 12], 512, 50);
    assert_eq!(texts(text, &found), ["first page", "second page"]);
    assert_eq!(found.iter().map(|chunk| chunk.page).collect::<Vec<_>>(), [Some(1), Some(2)]);
}

#[test]
fn a_long_section_is_cut_with_an_overlap() {
    let text: String = (0..200).map(|n| format!("Sentence number {n} is here. ")).collect();
    let found = chunks(&text, &[], 60, 15);
    assert!(found.len() > 5);
    assert!(found.windows(2).all(|pair| pair[1].start < pair[0].end), "neighbours overlap");
    assert!(found.iter().all(|chunk| tokens(&text[chunk.start..chunk.end]) <= 60));
}

#[test]
fn a_fence_that_fits_is_kept_whole() {
    let code = "```\nline one\nline two\nline three\n```";
    let text = format!("{}\n\n{code}\n\n{}", "word ".repeat(40), "word ".repeat(40));
    let found = chunks(&text, &[], 50, 0);
    assert!(texts(&text, &found).iter().any(|piece| piece.contains(code)), "{:?}", texts(&text, &found));
}

#[test]
fn a_row_of_a_table_is_not_torn() {
    let text: String = (0..100).map(|n| format!("- product: Lamp {n}; price: {n} crowns\n")).collect();
    let found = chunks(&text, &[], 40, 0);
    assert!(texts(&text, &found).iter().all(|piece| piece.lines().all(|line| line.starts_with("- product") && line.ends_with("crowns"))));
}

#[test]
fn characters_are_counted_as_characters() {
    let text = "äöü\n\n# Größe\n\nüber";
    let found = chunks(text, &[], 512, 50);
    let last = found.last().unwrap();
    assert_eq!(text.chars().skip(last.start_char).take(last.end_char - last.start_char).collect::<String>(), "# Größe\n\nüber");
}

#[test]
fn a_large_text_takes_no_longer_by_the_byte_than_a_small_one() {
    let text: String = (0..40_000).map(|n| format!("- product: Lamp {n}; price: {n} crowns\n")).collect();
    let found = chunks(&text, &[], 512, 50);
    assert!(found.len() > 100 && found.last().unwrap().end == text.trim_end().len());
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zäß ,.!]{0,60}",
        2 => "#{1,6} [a-zé]{1,12}",
        1 => Just("```".to_owned()),
        1 => Just("---".to_owned()),
        1 => "- [a-z ]{1,20}",
        1 => "\\| [a-z]{1,5} \\| [a-z]{1,5} \\|",
        1 => " {0,6}[a-z#>*`]{1,10}",
        3 => Just(String::new()),
        1 => "\\PC{0,40}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_is_lost_and_every_offset_is_right(lines in prop::collection::vec(line(), 0..60), cuts in prop::collection::vec(0.0f64..1.0, 0..4), max in 1usize..80, overlap in 0usize..80) {
        let text = lines.join("\n");
        let mut pages: Vec<usize> = cuts.iter().map(|share| (share * text.len() as f64) as usize).map(|at| (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap()).collect();
        pages.sort_unstable();
        if let Some(first) = pages.first_mut() { *first = 0; }
        let found = chunks(&text, &pages, max, overlap);

        let mut covered = vec![false; text.len()];
        for one in &found {
            let piece = text.get(one.start..one.end).expect("on character boundaries");
            prop_assert!(!piece.trim().is_empty());
            prop_assert_eq!(text.chars().skip(one.start_char).take(one.end_char - one.start_char).collect::<String>(), piece);
            prop_assert!(tokens(piece) <= max || piece.chars().count() == 1, "{} tokens of {}: {:?}", tokens(piece), max, piece);
            covered[one.start..one.end].fill(true);
            // A heading may only follow headings.
            for heading in headings(&text).iter().filter(|heading| heading.start > one.start && heading.start < one.end) {
                let above = headings(&text).into_iter().rev().find(|other| other.start < heading.start).expect("a chunk starts at or above its first heading");
                prop_assert!(text[above.end..heading.start].trim().is_empty(), "crosses {:?}: {:?}", heading, piece);
            }
            for page in pages.iter().filter(|page| **page > one.start) {
                prop_assert!(*page >= one.end);
            }
        }
        for (at, c) in text.char_indices().filter(|(_, c)| !c.is_whitespace()) {
            prop_assert!(covered[at], "lost {:?} at {}", c, at);
        }
        prop_assert_eq!(found, chunks(&text, &pages, max, overlap));
    }
}
