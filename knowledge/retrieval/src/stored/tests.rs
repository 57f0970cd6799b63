#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{BuiltIn, Passage, Query, Request, Strategy, judged_by, model::dot, retrieve, search, searches};

/// Rows as a store has them, compared one by one.
#[derive(Default)]
struct Rows {
    indexes: Vec<StoredIndex>,
    terms: Vec<StoredTerm>,
    passages: Vec<StoredPassage>,
    directions: Vec<(i64, u32, Vec<f32>)>,
}

impl Rows {
    fn put(&mut self, index: &SpecIndex) -> StoredIndex {
        let id = i64::try_from(self.indexes.len()).unwrap() + 7;
        self.indexes.push(index.stored(id));
        self.terms.extend(index.stored_terms(id));
        for passage in index.stored_passages(id) {
            self.directions.extend(index.directions(passage.number).into_iter().map(|direction| (id, passage.number, direction)));
            self.passages.push(passage);
        }
        index.stored(id)
    }
}

impl IndexStore for Rows {
    type Error = ();

    fn terms(&self, indexes: &[i64], terms: &[String]) -> Result<Vec<StoredTerm>, ()> {
        Ok(self.terms.iter().filter(|term| indexes.contains(&term.index) && terms.contains(&term.term)).cloned().collect())
    }

    fn terms_like(&self, indexes: &[i64], word: &str, most: usize) -> Result<Vec<StoredTerm>, ()> {
        let like =
            |term: &&StoredTerm| indexes.contains(&term.index) && term.term.as_bytes()[0] == word.as_bytes()[0] && term.term.len().abs_diff(word.len()) <= most;
        Ok(self.terms.iter().filter(like).map(|term| StoredTerm { postings: Vec::new(), ..term.clone() }).collect())
    }

    fn nearest(&self, indexes: &[i64], model: &str, vector: &[f32], rows: usize) -> Result<Vec<(i64, u32)>, ()> {
        let of_model = |id: i64| self.indexes.iter().any(|index| index.id == id && index.model == model);
        let mut near: Vec<_> = self.directions.iter().filter(|(id, _, _)| indexes.contains(id) && of_model(*id)).collect();
        near.sort_by(|a, b| dot(&b.2, vector).total_cmp(&dot(&a.2, vector)));
        Ok(near.into_iter().take(rows).map(|(id, number, _)| (*id, *number)).collect())
    }

    fn passages(&self, wanted: &[(i64, u32)]) -> Result<Vec<StoredPassage>, ()> {
        Ok(self.passages.iter().filter(|passage| wanted.contains(&(passage.index, passage.number))).cloned().collect())
    }
}

const SUBJECTS: [&str; 8] = ["refund", "parcel", "password", "backup", "invoice", "penguin", "holiday", "certificate"];

/// More passages than each kind of search contributes.
fn index(model: BuiltIn, from: usize) -> Arc<SpecIndex> {
    let passage = |n: usize| {
        let (one, other) = (SUBJECTS[n % 8], SUBJECTS[(n / 8) % 8]);
        let text = format!("The {one} number {n} belongs to a {other}. It is kept for {} days, and whoever asks for the {one} must name the {other}.", n % 29);
        Passage { chunk_id: format!("{from}.{n}"), document_id: format!("{from}.{}", n / 3), title: format!("About the {one}"), text, ..Passage::default() }
    };
    let passages: Vec<Passage> = (from..from + 300).map(passage).collect();
    let vectors = model.embed_passages(&crate::embedding_texts(model.name(), &passages));
    Arc::new(SpecIndex::build(model.name(), passages, vectors))
}

const QUESTIONS: [&str; 5] = [
    "How long is a refund kept?",
    "certifcate number 47",
    "penguin backup invoice",
    "What is kept for 17 days and belongs to a parcel?",
    "zygomorphic brouhaha",
];

#[test]
fn a_part_is_searched_as_the_whole() {
    let (one, other) = (index(BuiltIn::Static, 0), index(BuiltIn::Static, 1000));
    let mut rows = Rows::default();
    let stored = vec![rows.put(&one), rows.put(&other)];
    let whole = [one, other];
    for text in QUESTIONS {
        let vectors = HashMap::from([("static".to_owned(), BuiltIn::Static.embed_query(text))]);
        for mode in [Mode::Hybrid, Mode::Vector, Mode::Keyword] {
            let searches = [Search { text: text.into(), vectors: vectors.clone() }];
            let parts = touched(&rows, std::slice::from_ref(&stored), &searches, text, mode).unwrap().concat();
            assert!(parts.iter().all(|part| part.len() < 300), "not all of an index is read");
            let found = |indexes: &[Arc<SpecIndex>]| -> Vec<_> {
                let hits = search(indexes, &Query { text, vectors: &vectors, mode, limit: 20 });
                hits.into_iter().map(|hit| (hit.passage.chunk_id.clone(), hit.score, hit.vector, hit.keyword, hit.coverage)).collect()
            };
            assert_eq!(found(&parts), found(&whole), "{text} {mode:?}");
        }
    }
}

#[test]
fn every_strategy_gives_the_same_over_parts_of_two_tiers() {
    let (one, other) = (index(BuiltIn::Static, 0), index(BuiltIn::Static, 1000));
    let mut rows = Rows::default();
    let stored = [vec![rows.put(&one)], vec![rows.put(&other)]];
    let whole = [vec![one], vec![other]];
    for query in QUESTIONS {
        let vectors = HashMap::from([("static".to_owned(), BuiltIn::Static.embed_query(query))]);
        for strategy in [Strategy::Redwood, Strategy::Cypress] {
            let parts = touched(&rows, &stored, &searches(strategy, query, &vectors), judged_by(query), Mode::Hybrid).unwrap();
            let found = |tiers: &[Vec<Arc<SpecIndex>>]| {
                let request = Request {
                    strategy,
                    query,
                    first_tier: &tiers[0],
                    second_tier: &tiers[1],
                    vectors: &vectors,
                    mode: Mode::Hybrid,
                    limit: 8,
                    min_score: None,
                };
                let retrieval = retrieve(&request);
                (retrieval.steps, retrieval.hits.into_iter().map(|hit| (hit.passage.chunk_id.clone(), hit.score)).collect::<Vec<_>>())
            };
            assert_eq!(found(&parts), found(&whole), "{query} {strategy:?}");
        }
    }
}

#[test]
fn rows_of_a_changed_shape_are_no_vectors() {
    let whole = index(BuiltIn::Static, 0);
    let stored = StoredIndex { dimension: 13, ..whole.stored(1) };
    let part = SpecIndex::of_passages(&stored, &[], whole.stored_passages(1).collect());
    assert!(part.len() == 300 && part.directions(0).is_empty());
}
