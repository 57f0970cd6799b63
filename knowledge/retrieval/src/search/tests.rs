#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::model::BuiltIn;

fn passage(id: &str, title: &str, text: &str) -> Passage {
    Passage { chunk_id: id.into(), document_id: title.into(), title: title.into(), text: text.into(), ..Passage::default() }
}

fn index(model: BuiltIn, passages: Vec<Passage>) -> Arc<SpecIndex> {
    let vectors = passages.iter().map(|passage| model.embed_query(&crate::embedding_text(passage))).collect();
    Arc::new(SpecIndex::build(model.name(), passages, vectors))
}

fn ask(indexes: &[Arc<SpecIndex>], text: &str, mode: Mode) -> Vec<Hit> {
    let vectors: HashMap<String, Vec<f32>> = BuiltIn::ALL.into_iter().map(|model| (model.name().to_owned(), model.embed_query(text))).collect();
    search(indexes, &Query { text, vectors: &vectors, mode, limit: 8 })
}

fn code() -> Vec<Passage> {
    vec![
        passage("read", "File system", "fs.readFile(path, callback) reads a whole file asynchronously."),
        passage("write", "File system", "fs.writeFile(path, data) writes data to a file, replacing it."),
        passage("hook", "Git", "Use --no-verify to skip the hooks of a commit."),
        passage("tls", "Errors", "ERR_TLS_CERT_ALTNAME_INVALID: the host name does not match the certificate."),
    ]
}

#[test]
fn identifiers_are_found_whole_and_by_their_parts() {
    let indexes = [Arc::new(SpecIndex::build("static", code(), Vec::new()))];
    for (question, id) in
        [("fs.readFile", "read"), ("--no-verify", "hook"), ("ERR_TLS_CERT_ALTNAME_INVALID", "tls"), ("tls cert", "tls"), ("write file", "write")]
    {
        assert_eq!(ask(&indexes, question, Mode::Keyword)[0].passage.chunk_id, id, "{question}");
    }
}

#[test]
fn a_misspelt_word_finds_what_it_meant() {
    let indexes = [Arc::new(SpecIndex::build("static", code(), Vec::new()))];
    assert_eq!(ask(&indexes, "certifcate", Mode::Keyword)[0].passage.chunk_id, "tls");
    assert!(ask(&indexes, "zzzzqqqq", Mode::Keyword).is_empty());
}

#[test]
fn a_passage_said_twice_is_one_hit_and_rows_that_differ_in_a_number_are_two() {
    let same = "The warehouse ships every parcel before noon on working days and tells the customer by mail.";
    let row =
        |n: u32| passage(&format!("row{n}"), "Prices", &format!("Article: screw; Price: {n} euros; Unit: box of a hundred; Delivery: three days; Store: main"));
    let mut passages = vec![passage("a", "Shipping", same), passage("b", "Shipping again", same)];
    passages.extend([row(12), row(13)]);
    let indexes = [index(BuiltIn::Static, passages)];
    assert_eq!(ask(&indexes, "When does the warehouse ship a parcel?", Mode::Hybrid).iter().filter(|hit| hit.passage.text == same).count(), 1);
    assert_eq!(ask(&indexes, "price of a screw", Mode::Hybrid).iter().filter(|hit| hit.passage.title == "Prices").count(), 2);
}

#[test]
fn scores_fall_and_stay_between_zero_and_one_in_every_mode() {
    let indexes = [index(BuiltIn::Static, code())];
    for mode in [Mode::Hybrid, Mode::Vector, Mode::Keyword] {
        let hits = ask(&indexes, "How do I read a file?", mode);
        assert_eq!(hits[0].passage.chunk_id, "read");
        assert!(hits.windows(2).all(|pair| pair[0].score >= pair[1].score), "{mode:?}");
        assert!(hits.iter().all(|hit| (0.0..=1.0).contains(&hit.score)), "{mode:?}");
    }
}

#[test]
fn indexes_of_two_models_are_searched_together() {
    let refunds = passage("refund", "Refund policy", "Refunds are granted within thirty days of purchase.");
    let indexes = [index(BuiltIn::Static, code()), index(BuiltIn::MiniLm, vec![refunds])];
    assert_eq!(ask(&indexes, "How long can I return what I bought for a refund?", Mode::Hybrid)[0].passage.chunk_id, "refund");
    assert_eq!(ask(&indexes, "How do I skip the hooks of a commit?", Mode::Hybrid)[0].passage.chunk_id, "hook");
}

#[test]
fn vectors_of_equal_dimension_but_another_model_are_not_compared() {
    let passages = vec![passage("a", "A", "alpha"), passage("b", "B", "beta")];
    let index = Arc::new(SpecIndex::build("other:model", passages, vec![vec![1.0, 0.0], vec![0.0, 1.0]]));
    let vectors = HashMap::from([("some:model".to_owned(), vec![0.0, 1.0])]);
    let hits = search(&[index], &Query { text: "alpha", vectors: &vectors, mode: Mode::Hybrid, limit: 8 });
    assert!(hits.iter().all(|hit| hit.vector.is_none()));
    assert_eq!(hits.first().unwrap().passage.chunk_id, "a");
}

#[test]
fn words_are_weighed_over_the_indexes_searched_and_no_other() {
    let one = Arc::new(SpecIndex::build("static", vec![passage("a", "", "common rare"), passage("b", "", "common")], Vec::new()));
    let two = Arc::new(SpecIndex::build("static", vec![passage("c", "", "common"), passage("d", "", "common")], Vec::new()));
    let split = ask(&[one, two], "common rare", Mode::Keyword);
    let all = ["common rare", "common", "common", "common"].into_iter().zip(["a", "b", "c", "d"]).map(|(text, id)| passage(id, "", text)).collect();
    let whole = ask(&[Arc::new(SpecIndex::build("static", all, Vec::new()))], "common rare", Mode::Keyword);
    assert!((split[0].score - whole[0].score).abs() < 1e-6);
}

#[test]
fn nothing_is_found_in_nothing() {
    assert!(ask(&[], "anything", Mode::Hybrid).is_empty());
    assert!(ask(&[index(BuiltIn::Static, Vec::new())], "anything", Mode::Hybrid).is_empty());
    assert!(!ask(&[index(BuiltIn::Static, code())], "", Mode::Hybrid).iter().any(|hit| hit.score.is_nan()));
}
