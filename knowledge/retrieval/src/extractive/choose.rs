//! Which units answer the question: scored by the question's words they hold and by meaning, taken best first without saying anything twice.

use super::{
    AnswerOptions, Style,
    units::{Kind, Unit},
};
use crate::{
    model::{BuiltIn, dot, importance},
    search::Hit,
    terms,
};
use std::collections::HashSet;

/// A unit of a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) hit: usize,
    pub(super) unit: usize,
}

struct Scored {
    place: Place,
    score: f32,
    terms: HashSet<String>,
}

/// What is known of a question.
struct Asked {
    terms: Vec<(String, f32)>,
    total: f32,
    vector: Vec<f32>,
    wants_number: bool,
    wants_steps: bool,
}

const WORDS_WEIGHT: f32 = 0.55;
const MEANING_WEIGHT: f32 = 0.45;
/// A word in the heading above counts half: it says what the unit is about, not that the unit says it.
const CONTEXT_WORTH: f32 = 0.5;
const NUMBER_BONUS: f32 = 0.08;
const CODE_BONUS: f32 = 0.05;
/// What a hit's rank may take off its units' scores.
const RANK_WEIGHT: f32 = 0.35;
/// Units whose words are shared to this part say the same.
const SAME: f32 = 0.7;
/// A stored question this near to the one asked is answered by its whole answer.
const SAME_QUESTION: f32 = 0.6;
/// The units of the few best sources are enough to choose from.
const HITS_READ: usize = 8;

struct Limits {
    units: usize,
    /// A further unit's score beside the best's.
    least_share: f32,
    /// Items a lead-in brings with it.
    items: usize,
}

fn limits(style: Style) -> Limits {
    match style {
        Style::Concise => Limits { units: 1, least_share: 0.75, items: 8 },
        Style::Balanced => Limits { units: 3, least_share: 0.65, items: 12 },
        Style::Detailed => Limits { units: 6, least_share: 0.5, items: 20 },
        Style::Technical => Limits { units: 5, least_share: 0.55, items: 20 },
    }
}

/// The places chosen, the best first; what must be read before a unit stands before it.
pub(super) fn choose(question: &str, hits: &[Hit], units: &[Vec<Unit>], options: &AnswerOptions) -> Vec<Vec<Place>> {
    let asked = Asked::of(question);
    let best_hit = hits.iter().map(|hit| hit.fused).fold(f32::EPSILON, f32::max);
    if let Some(pair) = stored_answer(&asked, hits, units) {
        return pair;
    }
    let mut scored = Vec::new();
    for (number, (hit, units)) in hits.iter().zip(units).enumerate().take(HITS_READ) {
        let rank = 1.0 - RANK_WEIGHT * (1.0 - (hit.fused / best_hit).clamp(0.0, 1.0));
        let context = [hit.passage.title.as_str(), &hit.passage.heading_path.join(" ")].join(" ");
        for (place, unit) in units.iter().enumerate().filter(|(_, unit)| !unit.header && !has_marker(&unit.text)) {
            let lead = unit.lead.map(|lead| units[lead].text.as_str()).unwrap_or_default();
            let (score, terms) = asked.score(unit, &format!("{context} {} {lead}", unit.heading), options.style);
            scored.push(Scored { place: Place { hit: number, unit: place }, score: score * rank, terms });
        }
    }
    scored.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.place.cmp(&b.place)));
    pick(&scored, units, &limits(options.style))
}

fn pick(scored: &[Scored], units: &[Vec<Unit>], limits: &Limits) -> Vec<Vec<Place>> {
    let Some(best) = scored.first().map(|best| best.score).filter(|&score| score > 0.0) else { return Vec::new() };
    let mut picked: Vec<&Scored> = Vec::new();
    let mut taken: HashSet<Place> = HashSet::new();
    let mut groups = Vec::new();
    for unit in scored.iter().take_while(|unit| unit.score >= best * limits.least_share) {
        if picked.len() == limits.units {
            break;
        }
        if taken.contains(&unit.place) || picked.iter().any(|known| same(known, unit)) {
            continue;
        }
        picked.push(unit);
        let group: Vec<Place> = with_company(unit.place, &units[unit.place.hit], limits).into_iter().filter(|&place| taken.insert(place)).collect();
        groups.push(group);
    }
    groups
}

/// The unit with what must be read before it and, for a lead-in, with what it leads to.
fn with_company(place: Place, units: &[Unit], limits: &Limits) -> Vec<Place> {
    let at = |unit| Place { hit: place.hit, unit };
    let mut company = Vec::new();
    let unit = &units[place.unit];
    if let Some(lead) = unit.lead.filter(|&lead| !has_marker(&units[lead].text)) {
        company.push(at(lead));
    } else if unit.kind == Kind::Sentence && points_back(&unit.text) && place.unit > 0 {
        let before = &units[place.unit - 1];
        if before.block == unit.block && !has_marker(&before.text) {
            company.push(at(place.unit - 1));
        }
    }
    company.push(place);
    let led = units.iter().enumerate().filter(|(_, led)| led.lead == Some(place.unit) && !has_marker(&led.text));
    company.extend(led.map(|(unit, _)| at(unit)).take(limits.items));
    company
}

fn points_back(sentence: &str) -> bool {
    let first = sentence.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    matches!(first, "It" | "They" | "This" | "That" | "These" | "Those" | "He" | "She" | "Its" | "Their" | "Otherwise" | "However" | "Then" | "Instead")
}

fn same(a: &Scored, b: &Scored) -> bool {
    let common = a.terms.intersection(&b.terms).count();
    let fewer = a.terms.len().min(b.terms.len());
    // Rows and versions that differ in a number say different things.
    let numbers_agree = a.terms.symmetric_difference(&b.terms).all(|term| !term.contains(|c: char| c.is_ascii_digit()));
    fewer == 0 || numbers_agree && common as f32 >= SAME * fewer as f32
}

/// A passage that is a stored question and answer, where the question is the one asked: all of its answer.
fn stored_answer(asked: &Asked, hits: &[Hit], units: &[Vec<Unit>]) -> Option<Vec<Vec<Place>>> {
    let mut best: Option<(f32, usize, String)> = None;
    for (number, (hit, units)) in hits.iter().zip(units).enumerate().take(HITS_READ) {
        let inside = units.iter().map(|unit| unit.heading.as_str());
        let headings: HashSet<&str> = inside.chain(hit.passage.heading_path.last().map(String::as_str)).filter(|heading| heading.ends_with('?')).collect();
        for heading in headings {
            let likeness = asked.likeness(heading);
            if likeness >= SAME_QUESTION && best.as_ref().is_none_or(|(known, _, _)| likeness > *known) {
                best = Some((likeness, number, heading.to_owned()));
            }
        }
    }
    let (_, hit, heading) = best?;
    let of_pair = |unit: &Unit| unit.heading == heading || unit.heading.is_empty() && hits[hit].passage.heading_path.last() == Some(&heading);
    let places = units[hit].iter().enumerate().filter(|(_, unit)| of_pair(unit) && !has_marker(&unit.text));
    let places: Vec<Place> = places.map(|(unit, _)| Place { hit, unit }).collect();
    if places.is_empty() { None } else { Some(vec![places]) }
}

/// A text of the source that would read as a citation cannot be told from one, except in code.
fn has_marker(text: &str) -> bool {
    if text.trim_start().starts_with("```") || text.trim_start().starts_with("~~~") {
        return false;
    }
    let outside_code: Vec<&str> = text.split('`').step_by(2).collect();
    let marks = |piece: &str| {
        let number = &piece[..piece.find(']').unwrap_or(0)];
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    outside_code.iter().any(|piece| piece.split('[').skip(1).any(marks))
}

impl Asked {
    fn of(question: &str) -> Self {
        let mut words = terms::query_terms(question);
        if words.iter().any(|term| !terms::is_stop_word(&term.word)) {
            words.retain(|term| !terms::is_stop_word(&term.word));
        }
        let terms: Vec<(String, f32)> = words.into_iter().map(|term| (term.term, importance(&term.word))).collect();
        let lower = question.to_lowercase();
        let any = |phrases: &[&str]| phrases.iter().any(|phrase| lower.contains(phrase));
        Self {
            total: terms.iter().map(|(_, weight)| weight).sum::<f32>().max(f32::EPSILON),
            terms,
            vector: BuiltIn::Static.embed_query(question),
            wants_number: any(&[
                "how many",
                "how much",
                "how long",
                "how often",
                "how old",
                "how far",
                "how big",
                "how large",
                "when ",
                "cost",
                "price",
                "limit",
                "maximum",
                "minimum",
            ]),
            wants_steps: any(&["how do i", "how can i", "how to", "how do you", "command", "example", "code", "configure", "snippet"]),
        }
    }

    fn score(&self, unit: &Unit, context: &str, style: Style) -> (f32, HashSet<String>) {
        let own = term_set(&unit.text);
        let around = term_set(context);
        let held = |(term, weight): &(String, f32)| {
            if own.contains(term) {
                *weight
            } else if around.contains(term) {
                weight * CONTEXT_WORTH
            } else {
                0.0
            }
        };
        let words = self.terms.iter().map(held).sum::<f32>() / self.total;
        let meaning = dot(&self.vector, &BuiltIn::Static.embed_query(&unit.text)).max(0.0);
        let mut score = WORDS_WEIGHT * words + MEANING_WEIGHT * meaning;
        if self.wants_number && says_number(&unit.text) {
            score += NUMBER_BONUS;
        }
        if unit.kind == Kind::Code && (self.wants_steps || style == Style::Technical) {
            score += CODE_BONUS;
        }
        if own.len() < 2 || unit.text.ends_with('?') {
            score *= 0.5;
        }
        (score, own)
    }

    /// How alike two questions are, 0 to 1.
    fn likeness(&self, question: &str) -> f32 {
        let other = term_set(question);
        let held: f32 = self.terms.iter().filter(|(term, _)| other.contains(term)).map(|(_, weight)| weight).sum();
        WORDS_WEIGHT * held / self.total + MEANING_WEIGHT * dot(&self.vector, &BuiltIn::Static.embed_query(question)).max(0.0)
    }
}

fn term_set(text: &str) -> HashSet<String> {
    let mut set = HashSet::new();
    terms::for_each_term(text, |term, word| {
        if !terms::is_stop_word(word) {
            set.insert(term.to_owned());
        }
    });
    set
}

const NUMBER_WORDS: &[&str] = &[
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "fifteen", "twenty", "thirty", "forty", "fifty",
    "sixty", "seventy", "eighty", "ninety", "hundred", "thousand", "million",
];

fn says_number(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_digit()) || text.split(|c: char| !c.is_alphabetic()).any(|word| NUMBER_WORDS.contains(&word.to_lowercase().as_str()))
}
