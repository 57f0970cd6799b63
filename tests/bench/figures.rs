//! What was measured, as it is kept between runs: a file a row, from which the document is made.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    machine::Machine,
    statistics::{Quartiles, quartiles},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Operations a second: more is better.
    PerSecond,
    /// Seconds an operation: less is better.
    Seconds,
}

/// A bound on the ratio of two contenders' figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Goal {
    pub of: String,
    /// Seconds that do not count of it.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub less_seconds: f64,
    pub over: String,
    pub bound: Bound,
}

impl Goal {
    /// As the document has it.
    #[must_use]
    pub fn ratio_name(&self) -> String {
        let less = if is_nothing(&self.less_seconds) { String::new() } else { format!(" less {} ms", self.less_seconds * 1e3) };
        format!("{}{less} / {}", self.of, self.over)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_nothing(seconds: &f64) -> bool {
    *seconds == 0.0
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bound {
    #[must_use]
    pub fn is_met(self, ratio: f64) -> bool {
        match self {
            Self::AtLeast(bound) => ratio >= bound,
            Self::AtMost(bound) => ratio <= bound,
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Round {
    /// Of the disk, before and after the round.
    pub sync_seconds: [f64; 2],
    /// Whether the disk's sync time shifted two-fold and no more repeats were left.
    pub shifted: bool,
    pub figures: BTreeMap<String, f64>,
}

/// A figure that stands beside the ratios: a counter, a recall, a share.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Count {
    pub name: String,
    pub value: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<Bound>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RowFigures {
    pub name: String,
    pub title: String,
    pub workload: String,
    pub unit: Unit,
    /// In the order of their turns.
    pub contenders: Vec<(String, String)>,
    pub goals: Vec<Goal>,
    pub rounds: Vec<Round>,
    pub repeated_rounds: usize,
    pub counts: Vec<Count>,
    pub machine: Machine,
    pub versions: BTreeMap<String, String>,
    pub measured_at: String,
    pub commit: String,
    pub build: String,
}

impl RowFigures {
    /// Of a goal's ratio, over the rounds.
    #[must_use]
    pub fn ratio(&self, goal: &Goal) -> Option<Quartiles> {
        let ratio = |round: &Round| Some((round.figures.get(&goal.of)? - goal.less_seconds) / round.figures.get(&goal.over)?);
        let ratios: Option<Vec<f64>> = self.rounds.iter().map(ratio).collect();
        ratios.filter(|ratios| !ratios.is_empty()).map(|ratios| quartiles(&ratios))
    }

    /// Of one contender's own figures.
    #[must_use]
    pub fn figures(&self, of: &str) -> Option<Quartiles> {
        let figures: Option<Vec<f64>> = self.rounds.iter().map(|round| round.figures.get(of).copied()).collect();
        figures.filter(|figures| !figures.is_empty()).map(|figures| quartiles(&figures))
    }

    /// # Panics
    /// Where the checkout cannot be written.
    pub fn keep(&self) {
        let folder = folder();
        fs::create_dir_all(&folder).expect("the checkout is writable");
        let text = serde_json::to_string_pretty(self).expect("figures are plain data");
        fs::write(folder.join(format!("{}.json", self.name)), text + "\n").expect("the checkout is writable");
    }

    /// What was kept of a row.
    #[must_use]
    pub fn kept(name: &str) -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(folder().join(format!("{name}.json"))).ok()?).ok()
    }
}

pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("figures")
}
