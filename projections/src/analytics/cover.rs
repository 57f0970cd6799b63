//! How a stretch of time is made of cells: as few as possible, weeks first, then days, hours and quarters of an hour at its ends, and single interactions
//! where it begins or ends within a quarter. Zones differ from UTC by whole quarters, so that a local day or hour never needs single ones.

use std::ops::Range;

const MINUTE_MS: i64 = 60_000;

/// The length of a cell, which begins at a multiple of it since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    Quarter,
    Hour,
    Day,
    /// From Thursday to Thursday, as the epoch began.
    Week,
}

impl Level {
    pub const ALL: [Self; 4] = [Self::Quarter, Self::Hour, Self::Day, Self::Week];

    /// As it is stored.
    #[must_use]
    pub fn minutes(self) -> i64 {
        match self {
            Self::Quarter => 15,
            Self::Hour => 60,
            Self::Day => 24 * 60,
            Self::Week => 7 * 24 * 60,
        }
    }

    #[must_use]
    pub fn millis(self) -> i64 {
        self.minutes() * MINUTE_MS
    }

    /// The start of the cell that a moment is in.
    #[must_use]
    pub fn start(self, at: i64) -> i64 {
        at - at.rem_euclid(self.millis())
    }

    fn finer(self) -> Option<Self> {
        match self {
            Self::Quarter => None,
            Self::Hour => Some(Self::Quarter),
            Self::Day => Some(Self::Hour),
            Self::Week => Some(Self::Day),
        }
    }
}

/// Cells of one level, or single interactions where there is none, in milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub level: Option<Level>,
    pub span: Range<i64>,
}

/// The runs that make a stretch of time.
#[must_use]
pub fn cover(span: Range<i64>) -> Vec<Run> {
    let mut runs = Vec::new();
    fill(span, Some(Level::Week), &mut runs);
    runs
}

/// The runs of stretches that follow each other; no cell is in two of them.
#[must_use]
pub fn cover_all(spans: &[Range<i64>]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for run in spans.iter().cloned().flat_map(cover) {
        match runs.last_mut() {
            Some(last) if last.level == run.level && last.span.end == run.span.start => last.span.end = run.span.end,
            _ => runs.push(run),
        }
    }
    runs
}

fn fill(span: Range<i64>, level: Option<Level>, runs: &mut Vec<Run>) {
    if span.is_empty() {
        return;
    }
    let Some(coarse) = level else {
        runs.push(Run { level, span });
        return;
    };
    let (first, last) = (coarse.start(span.start + coarse.millis() - 1), coarse.start(span.end));
    if first >= last {
        return fill(span, coarse.finer(), runs);
    }
    fill(span.start..first, coarse.finer(), runs);
    runs.push(Run { level, span: first..last });
    fill(last..span.end, coarse.finer(), runs);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: i64 = 60 * MINUTE_MS;
    const DAY: i64 = 24 * HOUR;

    #[test]
    fn local_days_of_a_zone_an_hour_off_are_one_run_of_hours_and_their_sum_is_of_weeks() {
        let days: Vec<_> = (0..30).map(|day| day * DAY - HOUR..(day + 1) * DAY - HOUR).collect();
        assert_eq!(cover_all(&days), [Run { level: Some(Level::Hour), span: -HOUR..30 * DAY - HOUR }]);
        let levels: Vec<_> = cover(-HOUR..30 * DAY - HOUR).iter().map(|run| (run.level, (run.span.end - run.span.start) / HOUR)).collect();
        assert_eq!(levels, [(Some(Level::Hour), 1), (Some(Level::Week), 4 * 7 * 24), (Some(Level::Day), 24), (Some(Level::Hour), 23)]);
    }

    #[test]
    fn a_zone_three_quarters_off_needs_no_single_interactions() {
        let offset = 5 * HOUR + 45 * MINUTE_MS;
        assert!(cover(-offset..DAY - offset).iter().all(|run| run.level.is_some()));
        assert_eq!(cover(-offset..HOUR - offset).iter().filter(|run| run.level == Some(Level::Quarter)).count(), 1);
    }

    proptest! {
        #[test]
        fn runs_are_the_stretch_without_gap_or_overlap(start in -9 * DAY..9 * DAY, length in 0..30 * DAY) {
            let runs = cover(start..start + length);
            let mut at = start;
            for run in &runs {
                prop_assert_eq!(run.span.start, at);
                prop_assert!(run.span.end > at);
                if let Some(level) = run.level {
                    prop_assert_eq!((level.start(run.span.start), level.start(run.span.end)), (run.span.start, run.span.end));
                }
                at = run.span.end;
            }
            prop_assert_eq!(at, start + length);
            let single: i64 = runs.iter().filter(|run| run.level.is_none()).map(|run| run.span.end - run.span.start).sum();
            prop_assert!(single < 2 * Level::Quarter.millis());
        }
    }
}
