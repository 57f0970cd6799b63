//! Which units answer the question: of those that were read, the best first without saying anything twice, each with what must be read with it.

use super::{
    AnswerOptions, Style,
    units::{self, Kind, Unit},
};
use crate::{
    model::{dot, importance, states},
    reader::{Reading, term_set},
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

const CODE_BONUS: f32 = 0.06;
/// What a hit's place among the sources may take off its units' scores.
const RANK_WEIGHT: f32 = 0.3;
/// Units whose words are shared to this part say the same.
const SAME: f32 = 0.7;
/// A stored question this near to the one asked is answered by its whole answer.
const SAME_QUESTION: f32 = 0.6;
/// Of that nearness, what words in common say; the rest is meaning.
const WORDS_WEIGHT: f32 = 0.3;
/// A heading or a fragment says little.
const LEAST_TERMS: usize = 2;

struct Limits {
    units: usize,
    /// A further unit's score beside the best's.
    least_share: f32,
    /// Items a lead-in brings with it.
    items: usize,
}

fn limits(style: Style) -> Limits {
    match style {
        Style::Concise => Limits { units: 1, least_share: 0.9, items: 12 },
        Style::Balanced => Limits { units: 3, least_share: 0.35, items: 12 },
        Style::Detailed => Limits { units: 6, least_share: 0.15, items: 20 },
        Style::Technical => Limits { units: 5, least_share: 0.2, items: 20 },
    }
}

/// The places chosen, the best first; what must be read before a unit stands before it.
pub(super) fn choose(question: &str, hits: &[Hit], readings: &[&Reading], options: &AnswerOptions) -> Vec<Vec<Place>> {
    if let Some(pair) = stored_answer(question, hits, readings) {
        return pair;
    }
    let surest = readings.iter().filter_map(|reading| reading.probability).fold(f32::EPSILON, f32::max);
    let wants_code = wants_steps(question) || options.style == Style::Technical;
    let mut scored = Vec::new();
    for (hit, reading) in readings.iter().enumerate() {
        let rank = 1.0 - RANK_WEIGHT * (1.0 - (reading.probability.unwrap_or(0.0) / surest).clamp(0.0, 1.0));
        for (place, unit) in reading.units.iter().enumerate().filter(|(_, unit)| !unit.header && !has_marker(&unit.text)) {
            let Some(worth) = reading.worth[place] else { continue };
            let terms = term_set(&unit.text);
            let bonus = if wants_code && unit.kind == Kind::Code { CODE_BONUS } else { 0.0 };
            let little = if terms.len() < LEAST_TERMS || unit.text.ends_with('?') { 0.5 } else { 1.0 };
            scored.push(Scored { place: Place { hit, unit: place }, score: (worth + bonus) * rank * little, terms });
        }
    }
    scored.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.place.cmp(&b.place)));
    pick(&scored, readings, &limits(options.style), wants_steps(question))
}

fn pick(scored: &[Scored], readings: &[&Reading], limits: &Limits, wants_steps: bool) -> Vec<Vec<Place>> {
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
        let company = with_company(unit.place, &readings[unit.place.hit].units, limits, wants_steps);
        groups.push(company.into_iter().filter(|&place| taken.insert(place)).collect());
    }
    groups
}

/// The unit with what must be read before it; for a lead-in, with what it leads to; for a step, with the other steps.
fn with_company(place: Place, units: &[Unit], limits: &Limits, wants_steps: bool) -> Vec<Place> {
    let at = |unit| Place { hit: place.hit, unit };
    let mut company = Vec::new();
    let unit = &units[place.unit];
    if let Some(lead) = unit.lead.filter(|&lead| !has_marker(&units[lead].text)) {
        company.push(at(lead));
    } else if let Some(before) = units::pointed_to(units, place.unit).filter(|&before| !has_marker(&units[before].text)) {
        company.push(at(before));
    }
    let in_list = |other: &Unit| unit.list.is_some() && other.list == unit.list;
    if unit.numbered || wants_steps && unit.lead.is_some() {
        let steps = units.iter().enumerate().filter(|(number, other)| (in_list(other) || *number == place.unit) && !has_marker(&other.text));
        company.extend(steps.map(|(unit, _)| at(unit)).take(limits.items));
    } else {
        company.push(place);
    }
    let led = units.iter().enumerate().filter(|(_, led)| led.lead == Some(place.unit) && !has_marker(&led.text));
    company.extend(led.map(|(unit, _)| at(unit)).take(limits.items));
    company
}

fn same(a: &Scored, b: &Scored) -> bool {
    let common = a.terms.intersection(&b.terms).count();
    let fewer = a.terms.len().min(b.terms.len());
    // Rows and versions that differ in a number say different things.
    let numbers_agree = a.terms.symmetric_difference(&b.terms).all(|term| !term.contains(|c: char| c.is_ascii_digit()));
    fewer == 0 || numbers_agree && common as f32 >= SAME * fewer as f32
}

/// A passage that is a stored question and answer, where the question is the one asked: all of its answer.
fn stored_answer(question: &str, hits: &[Hit], readings: &[&Reading]) -> Option<Vec<Vec<Place>>> {
    let mut best: Option<(f32, usize, String)> = None;
    for (number, (hit, reading)) in hits.iter().zip(readings).enumerate() {
        let inside = reading.units.iter().map(|unit| unit.heading.as_str());
        let headings: HashSet<&str> = inside.chain(hit.passage.heading_path.last().map(String::as_str)).filter(|heading| heading.ends_with('?')).collect();
        for heading in headings {
            let likeness = likeness(question, heading);
            if likeness >= SAME_QUESTION && best.as_ref().is_none_or(|(known, _, _)| likeness > *known) {
                best = Some((likeness, number, heading.to_owned()));
            }
        }
    }
    let (_, hit, heading) = best?;
    let of_pair = |unit: &Unit| unit.heading == heading || unit.heading.is_empty() && hits[hit].passage.heading_path.last() == Some(&heading);
    let places = readings[hit].units.iter().enumerate().filter(|(_, unit)| of_pair(unit) && !has_marker(&unit.text));
    let places: Vec<Place> = places.map(|(unit, _)| Place { hit, unit }).collect();
    if places.is_empty() { None } else { Some(vec![places]) }
}

/// How alike two questions are, 0 to 1.
fn likeness(question: &str, other: &str) -> f32 {
    let theirs = term_set(other);
    let terms: Vec<(bool, f32)> = terms::query_terms(question)
        .iter()
        .filter(|term| !terms::is_stop_word(&term.word))
        .map(|term| (theirs.contains(&term.term), importance(&term.word)))
        .collect();
    let all: f32 = terms.iter().map(|(_, weight)| weight).sum();
    let held: f32 = terms.iter().filter(|(held, _)| *held).map(|(_, weight)| weight).sum();
    let words = if all > 0.0 { held / all } else { 0.0 };
    WORDS_WEIGHT * words + (1.0 - WORDS_WEIGHT) * dot(&states(question).vector, &states(other).vector).max(0.0)
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

#[rustfmt::skip]
const ASKING_FOR_STEPS: &[&str] = &["how do i", "how can i", "how to", "how do you", "how should", "steps", "command", "example", "code", "configure", "snippet", "show me", "script", "what do i need"];

fn wants_steps(question: &str) -> bool {
    let lower = question.to_lowercase();
    ASKING_FOR_STEPS.iter().any(|phrase| lower.contains(phrase))
}
