//! Reading what a search found: the transformer reads the few sentences, rows and code blocks that seem to bear on the question, word by word, and tells
//! how likely each passage answers it.
//!
//! A search compares whole passages; whether a passage answers shows in one of its sentences. A question's word is held by the passage's word that comes
//! nearest to it in its context, so that "vacation" is held by "annual leave"; the word that is held worst tells what is missing. The weights are fitted on
//! labelled questions and cross-validated (docs/quality.md); they mean the same whatever model the passages were found by.

use crate::{
    extractive::units::{self, Kind, Unit},
    model::{BuiltIn, States, dot, importance, is_known_word, states},
    passage::heading_line,
    search::{Hit, Keywords},
    terms,
};
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
    /// None for a unit that was not read.
    pub(crate) worth: Vec<Option<f32>>,
    pub(crate) features: Option<Features>,
    /// How likely the passage answers, 0 to 1; None where nothing of it was read.
    pub(crate) probability: Option<f32>,
}

/// What the judgement on a passage rests on, of its units that were read; and the weights of the same.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Features {
    /// The nearest unit's cosine, with its heading.
    cosine: f32,
    /// How far that is above the other documents' nearest.
    lead: f32,
    /// How well the question's words are held by the words of one unit, on average and at worst.
    words: f32,
    worst_word: f32,
    /// The question has a number or an identifier that the passage does not have.
    number_missing: f32,
    /// The question asks for a number and no unit has one.
    no_number: f32,
    /// A name, known by its capital, stands nowhere in what is searched.
    name_absent: f32,
    /// So does a word that the language hardly has.
    rare_word_absent: f32,
}

/// The zero of the sum is where as many of the answerable are refused as of the others are answered.
const CONSTANT: f32 = -6.25;
const WEIGHTS: Features =
    Features { cosine: 1.1, lead: 9.1, words: 4.6, worst_word: 4.3, number_missing: -3.5, no_number: -0.2, name_absent: -1.5, rare_word_absent: -0.7 };

impl Features {
    fn all(&self) -> [f32; 8] {
        [self.cosine, self.lead, self.words, self.worst_word, self.number_missing, self.no_number, self.name_absent, self.rare_word_absent]
    }

    fn probability(&self) -> f32 {
        let sum: f32 = CONSTANT + self.all().iter().zip(WEIGHTS.all()).map(|(value, weight)| value * weight).sum::<f32>();
        1.0 / (1.0 + (-sum).exp())
    }
}

/// Without another document beside it a passage leads by this much.
const LEAD_ALONE: f32 = 0.1;

/// What a unit is worth as an answer: its cosine, and beside it how its words hold the question's.
const WORDS_OF_A_UNIT: f32 = 0.5;
const OWN_WORDS_OF_A_UNIT: f32 = 0.1;
const NO_NUMBER_COST: f32 = 0.1;

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
}

/// Reads the first hits and gives each its reading; `keywords` are of the question over all that was searched.
pub(crate) fn read(question: &str, hits: &mut [Hit], keywords: Option<&Keywords>) {
    let asked = Asked::of(question);
    let first = hits.len().min(HITS_READ);
    let units: Vec<Vec<Unit>> = hits[..first].iter().map(|hit| units::split(&hit.passage.text)).collect();
    let mut worth: Vec<Vec<Option<f32>>> = units.iter().map(|units| vec![None; units.len()]).collect();
    let mut best: Vec<Option<Judged>> = vec![None; first];
    for candidate in choose(&asked, &hits[..first], &units) {
        let unit = &units[candidate.hit][candidate.unit];
        let read = asked.read(&text_of(&hits[candidate.hit], &units[candidate.hit], candidate.unit));
        let no_number = asked.wants_number && !says_number(&unit.text);
        let cost = if no_number { NO_NUMBER_COST } else { 0.0 };
        worth[candidate.hit][candidate.unit] = Some(read.cosine + WORDS_OF_A_UNIT * read.words + OWN_WORDS_OF_A_UNIT * candidate.own_words - cost);
        best[candidate.hit] = Some(best[candidate.hit].map_or_else(|| Judged::of(read, no_number), |known| known.with(read, no_number)));
    }
    let absent: Vec<&str> = keywords.map(|keywords| keywords.absent_words().collect()).unwrap_or_default();
    let features: Vec<Option<Features>> =
        (0..first).map(|hit| Some(features(&asked, &hits[hit], best[hit]?, lead(&hits[..first], &best, hit), &absent))).collect();
    for (hit, ((units, worth), features)) in hits.iter_mut().zip(units.into_iter().zip(worth).zip(features)) {
        hit.reading = Some(Arc::new(Reading { units, worth, features, probability: features.map(|features| features.probability()) }));
    }
}

/// The best of a passage's units, feature by feature.
#[derive(Clone, Copy)]
struct Judged {
    read: Read,
    no_number: bool,
}

impl Judged {
    fn of(read: Read, no_number: bool) -> Self {
        Self { read, no_number }
    }

    fn with(self, read: Read, no_number: bool) -> Self {
        let best =
            Read { cosine: self.read.cosine.max(read.cosine), words: self.read.words.max(read.words), worst_word: self.read.worst_word.max(read.worst_word) };
        Self { read: best, no_number: self.no_number && no_number }
    }
}

fn features(asked: &Asked, hit: &Hit, judged: Judged, lead: f32, absent: &[&str]) -> Features {
    let passage = term_set(&format!("{} {}", heading_line(&hit.passage), hit.passage.text));
    let flag = |is: bool| if is { 1.0 } else { 0.0 };
    Features {
        cosine: judged.read.cosine,
        lead,
        words: judged.read.words,
        worst_word: judged.read.worst_word,
        number_missing: flag(asked.numbers.iter().any(|name| !name.stands_in(&passage))),
        no_number: flag(judged.no_number),
        name_absent: flag(absent.iter().any(|word| asked.capitals.contains(*word))),
        rare_word_absent: flag(absent.iter().any(|word| !is_known_word(word) && !word.contains(|c: char| c.is_ascii_digit()))),
    }
}

/// A hit's cosine above the mean of those of other documents.
fn lead(hits: &[Hit], best: &[Option<Judged>], of: usize) -> f32 {
    let own = best[of].map_or(0.0, |judged| judged.read.cosine);
    let others: Vec<f32> = hits
        .iter()
        .zip(best)
        .filter(|(hit, _)| hit.passage.document_id != hits[of].passage.document_id)
        .filter_map(|(_, judged)| Some(judged.as_ref()?.read.cosine))
        .collect();
    if others.is_empty() { LEAD_ALONE } else { own - others.iter().sum::<f32>() / others.len() as f32 }
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
    let heading = heading_line(&hit.passage);
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
    numbers: Vec<Name>,
    wants_number: bool,
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
            numbers: Name::all(question),
            wants_number: wants_number(question),
        }
    }

    fn read(&self, text: &str) -> Read {
        let other = states(text);
        let (mut words, mut weights, mut worst_word) = (0.0, 0.0, 1.0f32);
        for &(piece, weight) in &self.pieces {
            let nearest = other.nearest(self.states.row(piece));
            words += weight * nearest;
            weights += weight;
            worst_word = worst_word.min(nearest);
        }
        Read { cosine: dot(&self.states.vector, &other.vector), words: words / weights.max(f32::EPSILON), worst_word }
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

/// A number, a version or an identifier with a digit in a question: a passage without it speaks of something else.
struct Name {
    terms: Vec<String>,
}

impl Name {
    fn all(question: &str) -> Vec<Self> {
        let with_digit = question.split_whitespace().filter(|run| run.contains(|c: char| c.is_ascii_digit()));
        with_digit
            .map(|run| {
                let mut terms = Vec::new();
                terms::for_each_term(run, |term, _| {
                    if term.contains(|c: char| c.is_ascii_digit()) {
                        terms.push(term.to_owned());
                    }
                });
                Self { terms }
            })
            .filter(|name| !name.terms.is_empty())
            .collect()
    }

    /// As a whole, or in its parts where no point joins them: 3.0 is not what has a 3 and a 0.
    fn stands_in(&self, passage: &HashSet<String>) -> bool {
        let whole = self.terms.iter().find(|term| term.starts_with(terms::WHOLE));
        let joined = whole.is_some_and(|whole| whole.contains('.'));
        whole.is_some_and(|whole| passage.contains(whole))
            || !joined && self.terms.iter().filter(|term| !term.starts_with(terms::WHOLE)).all(|term| passage.contains(term))
    }
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

#[rustfmt::skip]
const ASKING_FOR_A_NUMBER: &[&str] = &[
    "how many", "how much", "how long", "how often", "how old", "how far", "how big", "how large", "how late", "how early", "how tall", "how thick", "how fast",
    "how quick", "how hot", "when ", "what time", "cost", "price", "charge", "phone number", "maximum", "minimum",
];

fn wants_number(question: &str) -> bool {
    let lower = question.to_lowercase();
    ASKING_FOR_A_NUMBER.iter().any(|phrase| lower.contains(phrase))
}

#[rustfmt::skip]
const NUMBER_WORDS: &[&str] = &[
    "once", "twice", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen",
    "seventeen", "eighteen", "nineteen", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred", "thousand", "million", "half",
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "noon", "midnight", "free", "none", "unlimited", "closed",
];

fn says_number(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_digit())
        || text
            .split(|c: char| !c.is_alphabetic())
            .any(|word| NUMBER_WORDS.contains(&word.to_lowercase().trim_end_matches('s')) || NUMBER_WORDS.contains(&word.to_lowercase().as_str()))
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
        let stands = |question: &str, text: &str| Name::all(question).iter().all(|name| name.stands_in(&words(text)));
        assert!(!stands("version 3.0", "3.6 and 4.0") && stands("version 3.0", "since 3.0"));
        assert!(stands("error BK-204", "BK 204") && !stands("error BK-204", "BK 101"));
    }
}
