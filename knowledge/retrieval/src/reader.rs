//! Reading what a search found: the transformer reads the few sentences, rows and code blocks that seem to bear on the question, word by word, and tells
//! which answers best and whether it answers at all.
//!
//! A search compares whole passages; whether a passage answers shows in one of its sentences. A question's word is held by the passage's word that comes
//! nearest to it in its context, so that "vacation" is held by "annual leave"; the word that is held worst tells what is missing. The weights are fitted on
//! labelled questions and cross-validated (docs/quality.md); they mean the same whatever model the passages were found by.

mod kinds;

use crate::{
    extractive::units::{self, Kind, Unit},
    model::{BuiltIn, States, dot, importance, states},
    passage::heading_line,
    search::{Hit, Keywords},
    terms,
};
use kinds::Wants;
use serde::Serialize;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// Hits whose units may be read.
pub(crate) const HITS_READ: usize = 10;
/// Units read for one question: each takes the transformer some milliseconds.
const UNITS_READ: usize = 12;
const UNITS_READ_OF_A_HIT: usize = 3;
/// Units of a passage that are looked at.
const UNITS_OF_A_HIT: usize = 80;

/// A passage's units, and what those that were read are worth to the question.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) units: Vec<Unit>,
    /// How likely each unit answers beside the others, 0 to 1; None for one that was not read.
    pub(crate) worth: Vec<Option<f32>>,
    /// Of the likeliest unit.
    pub(crate) features: Option<Features>,
    /// The passage's worth: its likeliest unit's. None where nothing of it was read.
    pub(crate) probability: Option<f32>,
}

/// What tells the unit that answers from those that do not; and the weights of the same.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Features {
    /// Of question and unit, with its heading.
    cosine: f32,
    /// How far the passage's best cosine is above the other documents' best.
    lead: f32,
    /// How well the question's words are held by the words of the unit, on average and at worst.
    words: f32,
    worst_word: f32,
    /// The share of the question's words that the unit has as they are.
    own_words: f32,
    /// A number is asked for and the unit has none.
    no_number: f32,
    /// Somebody is asked for and the unit names nobody.
    no_person: f32,
}

const CONSTANT: f32 = -6.98;
const WEIGHTS: Features = Features { cosine: 4.14, lead: 1.43, words: 2.46, worst_word: 4.07, own_words: 1.67, no_number: -2.37, no_person: -1.88 };

impl Features {
    fn all(&self) -> [f32; 7] {
        [self.cosine, self.lead, self.words, self.worst_word, self.own_words, self.no_number, self.no_person]
    }

    fn probability(&self) -> f32 {
        logistic(CONSTANT + weighed(&self.all(), &WEIGHTS.all()))
    }
}

/// What tells a question that has an answer here from one that has none, by the unit that answers best; and the weights of the same.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Evidence {
    lead: f32,
    worst_word: f32,
    /// How far the question's words stay below what would hold them, on average.
    gap: f32,
    /// Words of the question that say something: of many, one is held badly sooner.
    terms: f32,
    no_number: f32,
    no_person: f32,
    /// The question has a code, such as BK-309, that the passage does not have.
    code_missing: f32,
    /// A name, known by its capital, stands nowhere in what is searched.
    name_absent: f32,
}

/// The zero of the sum is a little on the refusing side of where as many of the answerable are refused as of the others are answered.
const EVIDENCE_CONSTANT: f32 = -1.6;
const EVIDENCE_WEIGHTS: Evidence =
    Evidence { lead: 0.9, worst_word: 2.12, gap: -7.0, terms: 0.5, no_number: -2.06, no_person: -1.03, code_missing: -1.8, name_absent: -1.31 };
/// Longer questions were not among those that the weights were fitted on.
const MOST_TERMS: usize = 8;
/// A word held this well is held.
const HELD: f32 = 0.6;

impl Evidence {
    fn all(&self) -> [f32; 8] {
        [self.lead, self.worst_word, self.gap, self.terms, self.no_number, self.no_person, self.code_missing, self.name_absent]
    }

    /// That the question is answered, 0 to 1.
    pub(crate) fn probability(&self) -> f32 {
        logistic(EVIDENCE_CONSTANT + weighed(&self.all(), &EVIDENCE_WEIGHTS.all()))
    }
}

fn weighed(values: &[f32], weights: &[f32]) -> f32 {
    values.iter().zip(weights).map(|(value, weight)| value * weight).sum()
}

fn logistic(sum: f32) -> f32 {
    1.0 / (1.0 + (-sum).exp())
}

/// Without another document beside it a passage leads by this much.
const LEAD_ALONE: f32 = 0.1;

/// What chooses the units to read, by words and by static vectors.
const CHOICE_BY_WORDS: f32 = 0.55;
const CHOICE_BY_MEANING: f32 = 0.45;
const CHOICE_BY_RANK: f32 = 0.35;
/// A word in the heading above counts half: it says what the unit is about, not that the unit says it.
const HEADING_WORTH: f32 = 0.5;

/// A unit that may be read.
struct Candidate {
    hit: usize,
    unit: usize,
    choice: f32,
    own_words: f32,
}

/// What reading one unit says.
#[derive(Clone, Copy)]
struct Read {
    cosine: f32,
    words: f32,
    worst_word: f32,
    gap: f32,
}

/// Reads the first hits and gives each its reading; `keywords` are of the question over all that was searched. What there is says whether the question is
/// answered; None where nothing could be read.
pub(crate) fn read(question: &str, hits: &mut [Hit], keywords: Option<&Keywords>) -> Option<Evidence> {
    let asked = Asked::of(question);
    let first = hits.len().min(HITS_READ);
    let units: Vec<Vec<Unit>> = hits[..first].iter().map(|hit| units::split(&hit.passage.text)).collect();
    let candidates = choose(&asked, &hits[..first], &units);
    let reads: Vec<Read> = candidates.iter().map(|candidate| asked.read(&text_of(&hits[candidate.hit], &units[candidate.hit], candidate.unit))).collect();
    let mut readings: Vec<Reading> =
        units.into_iter().map(|units| Reading { worth: vec![None; units.len()], units, features: None, probability: None }).collect();
    let mut best: Option<(f32, usize, Features, f32)> = None;
    for (candidate, read) in candidates.iter().zip(&reads) {
        let lead = lead(&hits[..first], candidate.hit, &candidates, &reads);
        let features = asked.features(read, lead, candidate.own_words, &readings[candidate.hit].units[candidate.unit].text);
        let (reading, probability) = (&mut readings[candidate.hit], features.probability());
        reading.worth[candidate.unit] = Some(probability);
        if reading.probability.is_none_or(|known| probability > known) {
            (reading.features, reading.probability) = (Some(features), Some(probability));
        }
        if best.is_none_or(|(known, ..)| probability > known) {
            best = Some((probability, candidate.hit, features, read.gap));
        }
    }
    let evidence = best.map(|(_, hit, features, gap)| asked.evidence(&hits[hit], &features, gap, keywords));
    for (hit, reading) in hits.iter_mut().zip(readings) {
        hit.reading = Some(Arc::new(reading));
    }
    evidence
}

/// A hit's best cosine above the mean of those of other documents.
fn lead(hits: &[Hit], of: usize, candidates: &[Candidate], reads: &[Read]) -> f32 {
    let mut best: Vec<Option<f32>> = vec![None; hits.len()];
    for (candidate, read) in candidates.iter().zip(reads) {
        let known = &mut best[candidate.hit];
        *known = Some(known.map_or(read.cosine, |known| known.max(read.cosine)));
    }
    let others: Vec<f32> =
        hits.iter().zip(&best).filter(|(hit, _)| hit.passage.document_id != hits[of].passage.document_id).filter_map(|(_, best)| *best).collect();
    if others.is_empty() { LEAD_ALONE } else { best[of].unwrap_or(0.0) - others.iter().sum::<f32>() / others.len() as f32 }
}

fn choose(asked: &Asked, hits: &[Hit], units: &[Vec<Unit>]) -> Vec<Candidate> {
    let best = hits.iter().map(|hit| hit.fused).fold(f32::EPSILON, f32::max);
    let mut candidates = Vec::new();
    for (number, (hit, units)) in hits.iter().zip(units).enumerate() {
        let rank = 1.0 - CHOICE_BY_RANK * (1.0 - (hit.fused / best).clamp(0.0, 1.0));
        let heading = heading_line(&hit.passage);
        let around = term_set(&heading);
        for (place, unit) in units.iter().enumerate().take(UNITS_OF_A_HIT).filter(|(_, unit)| !unit.header) {
            let own_words = asked.held(&term_set(&unit.text), &around);
            let meaning = dot(&asked.static_vector, &BuiltIn::Static.embed_query(&format!("{heading} {}", unit.text))).max(0.0);
            candidates.push(Candidate { hit: number, unit: place, choice: rank * (CHOICE_BY_WORDS * own_words + CHOICE_BY_MEANING * meaning), own_words });
        }
    }
    candidates.sort_by(|a, b| b.choice.total_cmp(&a.choice).then((a.hit, a.unit).cmp(&(b.hit, b.unit))));
    let mut of_hit: HashMap<usize, usize> = HashMap::new();
    let mut chosen = Vec::with_capacity(UNITS_READ);
    for candidate in candidates {
        let taken = of_hit.entry(candidate.hit).or_default();
        if *taken < UNITS_READ_OF_A_HIT && chosen.len() < UNITS_READ {
            *taken += 1;
            chosen.push(candidate);
        }
    }
    chosen
}

/// As it is read: under its headings, a row under its table's header, an item under its lead-in, a sentence that points back after the one it points to.
fn text_of(hit: &Hit, units: &[Unit], place: usize) -> String {
    let unit = &units[place];
    let mut heading = heading_line(&hit.passage);
    if !heading.contains(&unit.heading) {
        heading = if heading.is_empty() { unit.heading.clone() } else { format!("{heading} > {}", unit.heading) };
    }
    let before = unit.lead.filter(|_| unit.kind != Kind::Sentence).or_else(|| units::pointed_to(units, place));
    let before = before.map(|before| format!("{} ", units[before].text)).unwrap_or_default();
    if heading.is_empty() { format!("{before}{}", unit.text) } else { format!("{heading}\n{before}{}", unit.text) }
}

/// What is known of a question.
struct Asked {
    /// Stemmed, with what each says.
    terms: Vec<(String, f32)>,
    total: f32,
    static_vector: Vec<f32>,
    states: Arc<States>,
    /// The word pieces that say something, with what each says.
    pieces: Vec<(usize, f32)>,
    /// Words with a capital that does not only begin the question, folded.
    capitals: HashSet<String>,
    codes: Vec<Name>,
    wants: Wants,
    /// Its words in lower case.
    words: HashSet<String>,
}

impl Asked {
    fn of(question: &str) -> Self {
        let terms: Vec<(String, f32)> = content_terms(question).into_iter().map(|term| (term.term, importance(&term.word))).collect();
        let states = states(question);
        let says = |(place, token): (usize, &String)| {
            let word = token.trim_start_matches('#');
            (!token.starts_with('[') && word.chars().all(char::is_alphanumeric) && !terms::is_stop_word(word)).then(|| (place, importance(word)))
        };
        let mut pieces: Vec<(usize, f32)> = states.tokens.iter().enumerate().filter_map(says).collect();
        if pieces.is_empty() {
            pieces.push((0, 1.0));
        }
        Self {
            total: terms.iter().map(|(_, weight)| weight).sum::<f32>().max(f32::EPSILON),
            terms,
            static_vector: BuiltIn::Static.embed_query(question),
            states,
            pieces,
            capitals: capitals(question),
            codes: Name::codes(question),
            wants: Wants::of(question),
            words: kinds::words(question),
        }
    }

    fn read(&self, text: &str) -> Read {
        let other = states(text);
        let (mut words, mut gap, mut weights, mut worst_word) = (0.0, 0.0, 0.0, 1.0f32);
        for &(piece, weight) in &self.pieces {
            let nearest = other.nearest(self.states.row(piece));
            words += weight * nearest;
            gap += weight * (HELD - nearest).max(0.0);
            weights += weight;
            worst_word = worst_word.min(nearest);
        }
        let all = weights.max(f32::EPSILON);
        Read { cosine: dot(&self.states.vector, &other.vector), words: words / all, worst_word, gap: gap / all }
    }

    fn features(&self, read: &Read, lead: f32, own_words: f32, unit: &str) -> Features {
        let no_number = flag(self.wants.number && !kinds::says_number(unit));
        let no_person = flag(self.wants.person && !kinds::says_person(unit, &self.words));
        Features { cosine: read.cosine, lead, words: read.words, worst_word: read.worst_word, own_words, no_number, no_person }
    }

    fn evidence(&self, hit: &Hit, best: &Features, gap: f32, keywords: Option<&Keywords>) -> Evidence {
        let passage = term_set(&format!("{} {}", heading_line(&hit.passage), hit.passage.text));
        let mut absent = keywords.into_iter().flat_map(Keywords::absent_words);
        Evidence {
            lead: best.lead,
            worst_word: best.worst_word,
            gap,
            terms: self.terms.len().min(MOST_TERMS) as f32,
            no_number: best.no_number,
            no_person: best.no_person,
            code_missing: flag(self.codes.iter().any(|code| !code.stands_in(&passage))),
            name_absent: flag(absent.any(|word| self.capitals.contains(word))),
        }
    }

    /// The share of what the question's words say that stands in the unit, or in the headings above it.
    fn held(&self, own: &HashSet<String>, around: &HashSet<String>) -> f32 {
        let held = |(term, weight): &(String, f32)| {
            if own.contains(term) {
                *weight
            } else if around.contains(term) {
                weight * HEADING_WORTH
            } else {
                0.0
            }
        };
        self.terms.iter().map(held).sum::<f32>() / self.total
    }
}

/// A version or an identifier with a digit in a question: a passage without it speaks of something else. A plain number may be an instance of a range.
struct Name {
    terms: Vec<String>,
}

impl Name {
    fn codes(question: &str) -> Vec<Self> {
        question.split_whitespace().map(|run| run.trim_matches(|c: char| !c.is_alphanumeric())).filter(|run| is_code(run)).map(Self::of).collect()
    }

    fn of(run: &str) -> Self {
        let mut terms = Vec::new();
        terms::for_each_term(run, |term, _| {
            if term.contains(|c: char| c.is_ascii_digit()) {
                terms.push(term.to_owned());
            }
        });
        Self { terms }
    }

    /// As a whole, or in its parts where no point joins them: 3.0 is not what has a 3 and a 0.
    fn stands_in(&self, passage: &HashSet<String>) -> bool {
        let whole = self.terms.iter().find(|term| term.starts_with(terms::WHOLE));
        let joined = whole.is_some_and(|whole| whole.contains('.'));
        whole.is_some_and(|whole| passage.contains(whole))
            || !joined && self.terms.iter().filter(|term| !term.starts_with(terms::WHOLE)).all(|term| passage.contains(term))
    }
}

/// A digit beside a letter, or digits joined by a sign that is not a thousands comma.
fn is_code(run: &str) -> bool {
    let digit = run.contains(|c: char| c.is_ascii_digit());
    let joined =
        run.as_bytes().windows(3).any(|three| three[0].is_ascii_digit() && matches!(three[1], b'-' | b'_' | b'.' | b':' | b'/') && three[2].is_ascii_digit());
    digit && (joined || run.contains(char::is_alphabetic))
}

fn flag(is: bool) -> f32 {
    if is { 1.0 } else { 0.0 }
}

fn capitals(question: &str) -> HashSet<String> {
    let words = question.split_whitespace().skip(1).map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
    words.filter(|word| word.contains(char::is_uppercase) && word.chars().count() > 2).map(terms::fold).collect()
}

/// The terms that say something; all of them where none does.
fn content_terms(question: &str) -> Vec<terms::Term> {
    let mut words = terms::query_terms(question);
    if words.iter().any(|term| !terms::is_stop_word(&term.word)) {
        words.retain(|term| !terms::is_stop_word(&term.word));
    }
    words
}

pub(crate) fn term_set(text: &str) -> HashSet<String> {
    let mut set = HashSet::new();
    terms::for_each_term(text, |term, word| {
        if !terms::is_stop_word(word) {
            set.insert(term.to_owned());
        }
    });
    set
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mode, Passage, Query, SpecIndex, search};

    fn read_of(question: &str, texts: &[&str]) -> Vec<Hit> {
        let passages: Vec<Passage> = texts
            .iter()
            .map(|text| Passage { chunk_id: (*text).to_owned(), document_id: (*text).to_owned(), text: (*text).to_owned(), ..Passage::default() })
            .collect();
        let vectors = texts.iter().map(|text| BuiltIn::Static.embed_passage(text)).collect();
        let index = [Arc::new(SpecIndex::build("static", passages, vectors))];
        let vectors = HashMap::from([("static".to_owned(), BuiltIn::Static.embed_query(question))]);
        let mut hits = search(&index, &Query { text: question, vectors: &vectors, mode: Mode::Hybrid, limit: 8 });
        read(question, &mut hits, Some(&Keywords::new(&index, question)));
        hits
    }

    fn probability(question: &str, texts: &[&str], of: &str) -> f32 {
        let hits = read_of(question, texts);
        hits.iter().find(|hit| hit.passage.text == of).and_then(|hit| hit.reading.as_ref()?.probability).unwrap_or(0.0)
    }

    const LEAVE: &str = "Full-time staff have 27 days of paid annual leave a year besides public holidays.";
    const ERROR: &str = "BK-204 means that the weekly hours are used up: wait until Monday.";
    const KILN: &str = "The kiln holds 140 litres and is fired on Mondays.";

    #[test]
    fn a_passage_that_says_it_in_other_words_is_likelier_than_one_of_something_else() {
        let question = "How many vacation days do employees get?";
        assert!(probability(question, &[LEAVE, KILN], LEAVE) > 3.0 * probability(question, &[LEAVE, KILN], KILN));
    }

    #[test]
    fn a_number_that_the_passage_does_not_have_makes_it_doubtful() {
        let [right, other] = ["What does BK-204 mean?", "What does BK-309 mean?"].map(|question| probability(question, &[ERROR, KILN, LEAVE], ERROR));
        assert!(right > other + 0.2, "{right} {other}");
    }

    #[test]
    fn a_name_that_stands_nowhere_makes_every_passage_doubtful() {
        let [plain, named] =
            ["How many days of leave are there?", "How many days of leave are there in Brazil?"].map(|question| probability(question, &[LEAVE, KILN], LEAVE));
        assert!(plain > named + 0.1, "{plain} {named}");
    }

    #[test]
    fn a_version_is_not_its_parts_and_a_hyphenated_code_may_be() {
        let words = |text: &str| term_set(text);
        let stands = |question: &str, text: &str| Name::codes(question).iter().all(|name| name.stands_in(&words(text)));
        assert!(!stands("version 3.0", "3.6 and 4.0") && stands("version 3.0", "since 3.0"));
        assert!(stands("error BK-204", "BK 204") && !stands("error BK-204", "BK 101"));
    }
}
