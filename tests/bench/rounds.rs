//! A row of the suite, and its rounds: A B C C B A, with the disk's sync time probed before and after, and a round repeated when it shifted two-fold.

use std::{collections::BTreeMap, path::Path};

use crate::{
    disk::sync_seconds,
    figures::{Bound, Count, Goal, Round, RowFigures, Unit},
    machine::{Machine, build, told},
    statistics::quartiles,
};

pub const MIN_ROUNDS: usize = 7;
/// The disk's sync time after a round over that before it, or the inverse, at which the round is repeated.
const MAX_SHIFT: f64 = 2.0;
/// Of a whole row.
const MAX_REPEATED_ROUNDS: usize = 14;

/// What one pass came to.
#[derive(Clone, Copy, Debug)]
pub enum Measured {
    Rate {
        operations: u64,
        seconds: f64,
    },
    /// The median of one operation.
    Seconds(f64),
}

/// One of those who take turns.
pub struct Contender {
    pub name: String,
    /// Its version and settings, as the document prints them.
    pub settings: String,
    /// One pass, which ends with its own check.
    pub pass: Box<dyn FnMut() -> Measured>,
}

impl Contender {
    pub fn new(name: &str, settings: impl Into<String>, pass: impl FnMut() -> Measured + 'static) -> Self {
        Self { name: name.to_owned(), settings: settings.into(), pass: Box::new(pass) }
    }
}

pub struct Row {
    pub name: &'static str,
    pub title: &'static str,
    pub workload: String,
    pub unit: Unit,
    pub contenders: Vec<Contender>,
    pub goals: Vec<Goal>,
    pub counts: Vec<Count>,
    pub versions: BTreeMap<String, String>,
}

impl Row {
    #[must_use]
    pub fn new(name: &'static str, title: &'static str, unit: Unit, workload: impl Into<String>) -> Self {
        Self { name, title, workload: workload.into(), unit, contenders: Vec::new(), goals: Vec::new(), counts: Vec::new(), versions: BTreeMap::new() }
    }

    #[must_use]
    pub fn with(mut self, contender: Contender) -> Self {
        self.contenders.push(contender);
        self
    }

    #[must_use]
    pub fn at_least(mut self, factor: f64, of: &str, over: &str) -> Self {
        self.goals.push(Goal { of: of.to_owned(), less_seconds: 0.0, over: over.to_owned(), bound: Bound::AtLeast(factor) });
        self
    }

    #[must_use]
    pub fn at_most(self, factor: f64, of: &str, over: &str) -> Self {
        self.at_most_beside(0.0, factor, of, over)
    }

    /// At most a factor, and so many seconds beside it.
    #[must_use]
    pub fn at_most_beside(mut self, seconds: f64, factor: f64, of: &str, over: &str) -> Self {
        self.goals.push(Goal { of: of.to_owned(), less_seconds: seconds, over: over.to_owned(), bound: Bound::AtMost(factor) });
        self
    }

    pub fn count(&mut self, name: impl Into<String>, value: f64, bound: Option<Bound>) {
        let name = name.into();
        println!("  {name}: {value:.4}");
        self.counts.push(Count { name, value, bound });
    }

    /// Warms up, measures and keeps the figures.
    pub fn run(mut self, rounds: usize, folder: &Path) -> RowFigures {
        println!("{}: {}", self.name, self.workload);
        for contender in &mut self.contenders {
            (contender.pass)();
        }
        let mut kept = Vec::new();
        let mut repeated = 0;
        while kept.len() < rounds {
            let round = self.round(folder, repeated == MAX_REPEATED_ROUNDS);
            match round {
                Some(round) => {
                    println!("  round {}: {}", kept.len() + 1, shown(&round, self.unit));
                    kept.push(round);
                }
                None => {
                    repeated += 1;
                    println!("  the disk's sync time shifted two-fold: the round is repeated");
                }
            }
        }
        let figures = self.figures(kept, repeated);
        for goal in &figures.goals {
            if let Some(ratio) = figures.ratio(goal) {
                println!("  {}: {:.3} ({:.3}–{:.3}), goal {:?}", goal.ratio_name(), ratio.median, ratio.lower, ratio.upper, goal.bound);
            }
        }
        figures.keep();
        figures
    }

    /// `None` where the disk was another one before than after.
    fn round(&mut self, folder: &Path, last_try: bool) -> Option<Round> {
        let before = sync_seconds(folder);
        let mut passes: BTreeMap<String, Vec<Measured>> = BTreeMap::new();
        let there = 0..self.contenders.len();
        for turn in there.clone().chain(there.rev()) {
            let contender = &mut self.contenders[turn];
            passes.entry(contender.name.clone()).or_default().push((contender.pass)());
        }
        let after = sync_seconds(folder);
        let shifted = before.max(after) / before.min(after) >= MAX_SHIFT;
        let figures = passes.into_iter().map(|(name, passes)| (name, together(&passes))).collect();
        (!shifted || last_try).then_some(Round { sync_seconds: [before, after], shifted, figures })
    }

    fn figures(self, rounds: Vec<Round>, repeated_rounds: usize) -> RowFigures {
        RowFigures {
            name: self.name.to_owned(),
            title: self.title.to_owned(),
            workload: self.workload,
            unit: self.unit,
            contenders: self.contenders.into_iter().map(|contender| (contender.name, contender.settings)).collect(),
            goals: self.goals,
            rounds,
            repeated_rounds,
            counts: self.counts,
            machine: Machine::here(),
            versions: self.versions,
            measured_at: told("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
            commit: told("git", &["rev-parse", "--short", "HEAD"]),
            build: build(),
        }
    }
}

/// Both passes of a round.
fn together(passes: &[Measured]) -> f64 {
    let (mut operations, mut seconds, mut medians) = (0, 0.0, Vec::new());
    for pass in passes {
        match *pass {
            Measured::Rate { operations: more, seconds: longer } => {
                operations += more;
                seconds += longer;
            }
            Measured::Seconds(median) => medians.push(median),
        }
    }
    if medians.is_empty() { operations as f64 / seconds } else { quartiles(&medians).median }
}

fn shown(round: &Round, unit: Unit) -> String {
    let figure = |figure: f64| if unit == Unit::PerSecond { format!("{figure:.0}/s") } else { format!("{:.3} ms", figure * 1e3) };
    let figures: Vec<String> = round.figures.iter().map(|(name, value)| format!("{name} {}", figure(*value))).collect();
    format!("{} (sync {:.2} ms, {:.2} ms)", figures.join(", "), round.sync_seconds[0] * 1e3, round.sync_seconds[1] * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_passes_of_a_round_count_by_their_time() {
        let passes = [Measured::Rate { operations: 100, seconds: 1.0 }, Measured::Rate { operations: 300, seconds: 3.0 }];
        assert!((together(&passes) - 100.0).abs() < 1e-9);
        assert!((together(&[Measured::Seconds(1.0), Measured::Seconds(3.0)]) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn contenders_take_turns_there_and_back() {
        let turns = std::rc::Rc::new(std::cell::RefCell::new(String::new()));
        let mut row = Row::new("turns", "", Unit::Seconds, "");
        for name in ["A", "B", "C"] {
            let turns = turns.clone();
            row = row.with(Contender::new(name, "", move || {
                turns.borrow_mut().push_str(name);
                Measured::Seconds(1.0)
            }));
        }
        row.round(&std::env::temp_dir(), true);
        assert_eq!(*turns.borrow(), "ABCCBA");
    }
}
