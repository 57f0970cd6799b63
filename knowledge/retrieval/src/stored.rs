//! A search over indexes that a store keeps: only what the question touches is read, and searched as if it were all.
//!
//! Invariant: what is found is what the whole indexes in memory would give, but for passages that the store's own index of vectors misses. Words decide by the
//! whole's counts; a vector is compared as memory compares it, however it was found.

use crate::{
    index::{SpecIndex, StoredIndex, StoredPassage, StoredTerm},
    search::{Keywords, Mode, POOL, best_by_words, searched_terms},
};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// Vectors are asked for by rows, of which a long passage has several.
const NEAREST_ROWS: usize = POOL * 2;

/// Where indexes are kept. An index is named by the identifier that the store gave it.
pub trait IndexStore {
    type Error;

    /// These terms, with their postings, of each index that has them.
    fn terms(&self, indexes: &[i64], terms: &[String]) -> Result<Vec<StoredTerm>, Self::Error>;

    /// The terms on the same first letter as a word's own and at most so many letters longer or shorter, without postings.
    fn terms_like(&self, indexes: &[i64], term: &str, most: usize) -> Result<Vec<StoredTerm>, Self::Error>;

    /// The passages, by index and number, whose directions are nearest to a vector; about so many rows are looked at.
    fn nearest(&self, indexes: &[i64], model: &str, vector: &[f32], rows: usize) -> Result<Vec<(i64, u32)>, Self::Error>;

    /// Passages by index and number.
    fn passages(&self, wanted: &[(i64, u32)]) -> Result<Vec<StoredPassage>, Self::Error>;
}

/// What indexes are searched for.
pub struct Search {
    pub text: String,
    /// The text's vector by each model that is searched.
    pub vectors: HashMap<String, Vec<f32>>,
}

/// The parts of these indexes, tier by tier, that the searches touch; `judged_by` is a text whose words only weigh what is found.
pub fn touched<S: IndexStore>(
    store: &S,
    tiers: &[Vec<StoredIndex>],
    searches: &[Search],
    judged_by: &str,
    mode: Mode,
) -> Result<Vec<Vec<Arc<SpecIndex>>>, S::Error> {
    let all: Vec<&StoredIndex> = tiers.iter().flatten().collect();
    // Cypress searches the tiers apart; what is read of the hits is weighed over all.
    let mut groups: Vec<Vec<&StoredIndex>> = vec![all.clone()];
    groups.extend(tiers.iter().filter(|tier| !tier.is_empty() && tier.len() < all.len()).map(|tier| tier.iter().collect()));
    let texts: Vec<&str> = searches.iter().map(|search| search.text.as_str()).chain([judged_by]).collect();
    let terms = terms(store, &groups, &texts)?;
    let mut wanted: BTreeSet<(i64, u32)> = BTreeSet::new();
    for group in &groups {
        let (parts, numbers) = of_terms(group, &terms);
        for search in searches {
            if mode != Mode::Vector {
                let places = best_by_words(&parts, &Keywords::new(&parts, &search.text));
                wanted.extend(places.into_iter().map(|(index, place)| (group[index].id, numbers[index][place as usize])));
            }
            if mode != Mode::Keyword {
                for (model, vector) in &search.vectors {
                    let own: Vec<i64> = group.iter().filter(|index| index.model == *model).map(|index| index.id).collect();
                    let same = |other: &Search| other.vectors.get(model) == Some(vector);
                    // Variants of a question may have its vector.
                    if !own.is_empty() && searches.iter().position(same) == searches.iter().position(|one| std::ptr::eq(one, search)) {
                        wanted.extend(store.nearest(&own, model, vector, NEAREST_ROWS)?);
                    }
                }
            }
        }
    }
    let mut found: HashMap<i64, Vec<StoredPassage>> = HashMap::new();
    for passage in store.passages(&wanted.into_iter().collect::<Vec<_>>())? {
        found.entry(passage.index).or_default().push(passage);
    }
    let mut part = |index: &StoredIndex| Arc::new(SpecIndex::of_passages(index, &terms, found.remove(&index.id).unwrap_or_default()));
    Ok(tiers.iter().map(|tier| tier.iter().map(&mut part).collect()).collect())
}

/// The terms of the texts, and what is needed to mend those that no passage has.
fn terms<S: IndexStore>(store: &S, groups: &[Vec<&StoredIndex>], texts: &[&str]) -> Result<Vec<StoredTerm>, S::Error> {
    let ids: Vec<i64> = groups[0].iter().map(|index| index.id).collect();
    let mut asked: BTreeSet<String> = texts.iter().flat_map(|text| searched_terms(text)).map(|term| term.term).collect();
    let mut terms = store.terms(&ids, &asked.iter().cloned().collect::<Vec<_>>())?;
    let mut like: BTreeSet<(String, usize)> = BTreeSet::new();
    for_each(groups, texts, &terms, |keywords| like.extend(keywords.misspelt().map(|(term, most)| (term.to_owned(), most))));
    if like.is_empty() {
        return Ok(terms);
    }
    for (term, most) in like {
        let known: BTreeSet<(i64, &str)> = terms.iter().map(|term| (term.index, term.term.as_str())).collect();
        let mut found = store.terms_like(&ids, &term, most)?;
        found.retain(|term| !known.contains(&(term.index, term.term.as_str())));
        terms.extend(found);
    }
    let mut mended: BTreeSet<String> = BTreeSet::new();
    for_each(groups, texts, &terms, |keywords| mended.extend(keywords.found().map(str::to_owned)));
    mended.retain(|term| asked.insert(term.clone()));
    if !mended.is_empty() {
        let found = store.terms(&ids, &mended.iter().cloned().collect::<Vec<_>>())?;
        terms.retain(|term| !mended.contains(&term.term));
        terms.extend(found);
    }
    Ok(terms)
}

fn for_each(groups: &[Vec<&StoredIndex>], texts: &[&str], terms: &[StoredTerm], mut each: impl FnMut(&Keywords)) {
    for group in groups {
        let (parts, _) = of_terms(group, terms);
        texts.iter().for_each(|text| each(&Keywords::new(&parts, text)));
    }
}

fn of_terms(group: &[&StoredIndex], terms: &[StoredTerm]) -> (Vec<Arc<SpecIndex>>, Vec<Vec<u32>>) {
    let part = |index: &&StoredIndex| {
        let (part, numbers) = SpecIndex::of_terms(index, terms);
        (Arc::new(part), numbers)
    };
    group.iter().map(part).unzip()
}

#[cfg(test)]
mod tests;
