//! What a leak check found: the resident memory of a server under a steady load, as it is kept between runs.

use std::{collections::BTreeMap, fmt::Write, fs};

use serde::{Deserialize, Serialize};

use crate::{figures::folder, machine::Machine, statistics::slope};

/// What comes before counts as warm-up: caches fill, and the first of everything is made.
const WARM_UP_MINUTES: f64 = 10.0;
/// Of a check that is too short for ten minutes of warm-up.
const WARM_UP_SHARE: f64 = 1.0 / 3.0;
const SHOWN_EVERY_MINUTES: f64 = 10.0;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sample {
    pub minutes: f64,
    pub resident_kib: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LeakFigures {
    pub workload: String,
    /// How long it was to last.
    pub minutes: f64,
    pub samples: Vec<Sample>,
    /// Answers, by what was asked for.
    pub answered: BTreeMap<String, u64>,
    pub machine: Machine,
    pub measured_at: String,
    pub commit: String,
    pub build: String,
}

impl LeakFigures {
    /// # Panics
    /// Where the checkout cannot be written.
    pub fn keep(&self) {
        fs::create_dir_all(folder()).expect("the checkout is writable");
        let text = serde_json::to_string_pretty(self).expect("figures are plain data");
        fs::write(folder().join("leak.json"), text + "\n").expect("the checkout is writable");
    }

    #[must_use]
    pub fn kept() -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(folder().join("leak.json")).ok()?).ok()
    }

    /// The samples after the warm-up.
    #[must_use]
    pub fn warm(&self) -> &[Sample] {
        let warm_up = WARM_UP_MINUTES.min(self.minutes * WARM_UP_SHARE);
        let cold = self.samples.partition_point(|sample| sample.minutes < warm_up);
        &self.samples[cold..]
    }

    /// By least squares, after the warm-up.
    #[must_use]
    pub fn kib_an_hour(&self) -> Option<f64> {
        let points: Vec<(f64, f64)> = self.warm().iter().map(|sample| (sample.minutes / 60.0, sample.resident_kib as f64)).collect();
        slope(&points)
    }

    /// The section of the document.
    #[must_use]
    pub fn section(&self, notes: &str) -> String {
        let answered: u64 = self.answered.values().sum();
        let mut text = format!(
            "\n## leak\n\n**A leak check.** {}\n\n`./tests/bench/run --leak {:.0}`, {}, at {}, built by {}.\n\n",
            self.workload, self.minutes, self.measured_at, self.commit, self.build
        );
        let mib = |sample: Option<&Sample>| {
            sample.map_or_else(String::new, |sample| format!("{:.1} MiB, minute {:.0}", sample.resident_kib as f64 / 1024.0, sample.minutes))
        };
        let slope = self.kib_an_hour().map_or_else(String::new, |slope| format!("{slope:.0} KiB an hour"));
        text += "| resident memory | |\n| --- | --- |\n";
        _ = writeln!(text, "| first | {} |\n| after the warm-up | {} |", mib(self.samples.first()), mib(self.warm().first()));
        self.every_ten_minutes().for_each(|sample| _ = writeln!(text, "| | {} |", mib(Some(sample))));
        _ = writeln!(text, "| last | {} |\n| slope after the warm-up, by least squares | {slope} |\n", mib(self.samples.last()));
        let kinds: Vec<String> = self.answered.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        _ = writeln!(text, "{answered} answers: {}.", kinds.join(", "));
        if !notes.is_empty() {
            text += "\n";
            text += notes;
        }
        text
    }

    fn every_ten_minutes(&self) -> impl Iterator<Item = &Sample> {
        let tens = |sample: &Sample| (sample.minutes / SHOWN_EVERY_MINUTES).floor();
        self.warm().windows(2).filter(move |pair| tens(&pair[0]) < tens(&pair[1])).map(|pair| &pair[1])
    }
}
