//! The chosen units as one text, each with its marker, within the tokens allowed, in the order of their sources.

use super::{
    Extracted,
    choose::Place,
    units::{Kind, Unit},
};
use crate::{model::count_tokens, reader::Reading};
use std::fmt::Write;

/// A marker with its space and brackets.
const TOKENS_OF_A_MARKER: usize = 3;

pub(super) fn render(readings: &[&Reading], groups: &[Vec<Place>], max_tokens: usize) -> Extracted {
    let units: Vec<&[Unit]> = readings.iter().map(|reading| reading.units.as_slice()).collect();
    let cost = |place: &Place| count_tokens(&units[place.hit][place.unit].text) + TOKENS_OF_A_MARKER;
    let mut left = max_tokens;
    let mut places: Vec<Place> = Vec::new();
    let mut sources: Vec<usize> = Vec::new();
    for group in groups {
        for place in group {
            if cost(place) <= left {
                left -= cost(place);
                places.push(*place);
                if !sources.contains(&place.hit) {
                    sources.push(place.hit);
                }
            }
        }
    }
    let Some(first) = groups.first().and_then(|group| group.first()) else { return Extracted::default() };
    if places.is_empty() {
        return cut(&units[first.hit][first.unit].text, first.hit + 1, max_tokens);
    }
    // The source of the best unit is read first; within a source, its own order is kept.
    let rank = |place: &Place| sources.iter().position(|&source| source == place.hit);
    places.sort_by_key(|place| (rank(place), place.unit));
    let mut text = String::new();
    let mut before: Option<Place> = None;
    for place in &places {
        let unit = &units[place.hit][place.unit];
        text.push_str(before.map_or("", |before| between(&units[before.hit][before.unit], unit, before.hit == place.hit)));
        let gap = if unit.kind == Kind::Code { '\n' } else { ' ' };
        let _ = write!(text, "{}{gap}[{}]", unit.text, place.hit + 1);
        before = Some(*place);
    }
    sources.sort_unstable();
    Extracted { text, cited: sources.into_iter().map(|source| source + 1).collect(), truncated: false }
}

fn between(before: &Unit, unit: &Unit, same_source: bool) -> &'static str {
    let prose = before.kind == Kind::Sentence && unit.kind == Kind::Sentence;
    let lines = |kind| matches!(kind, Kind::Item | Kind::Row);
    if prose && same_source && before.block == unit.block {
        " "
    } else if lines(before.kind) && before.kind == unit.kind && same_source {
        "\n"
    } else {
        "\n\n"
    }
}

/// As many of the text's first words as fit: they stand in the source too. Code is not cut, since half a block is none.
fn cut(text: &str, source: usize, max_tokens: usize) -> Extracted {
    let mut kept = String::new();
    let mut left = max_tokens.saturating_sub(TOKENS_OF_A_MARKER).max(1);
    let plain = text.lines().filter(|line| !line.trim_start().starts_with("```") && !line.trim_start().starts_with("~~~"));
    for word in plain.flat_map(str::split_whitespace) {
        let cost = count_tokens(word);
        // Outside its code block a bracket could read as a citation.
        if (cost > left && !kept.is_empty()) || word.contains('[') {
            break;
        }
        if !kept.is_empty() {
            kept.push(' ');
        }
        kept.push_str(word);
        left = left.saturating_sub(cost);
        if left == 0 {
            break;
        }
    }
    if kept.is_empty() {
        return Extracted::default();
    }
    Extracted { text: format!("{kept} [{source}]"), cited: vec![source], truncated: true }
}
