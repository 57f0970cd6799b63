//! How good a ranking is: nDCG@10, recall@10 and the reciprocal rank, with bootstrap intervals. Relevance is yes or no.

use std::collections::HashSet;

/// The depth of nDCG and recall.
pub const DEPTH: usize = 10;

/// Of one question.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    pub ndcg: f64,
    pub recall: f64,
    pub reciprocal_rank: f64,
}

/// `ranked` has no id twice; a question with no relevant passage scores nothing.
pub fn figures<S: AsRef<str>>(ranked: &[S], relevant: &HashSet<String>) -> Figures {
    if relevant.is_empty() {
        return Figures::default();
    }
    let gain = |rank: usize| 1.0 / ((rank + 2) as f64).log2();
    let found: Vec<usize> = ranked.iter().enumerate().filter(|(_, id)| relevant.contains(id.as_ref())).map(|(rank, _)| rank).collect();
    let within = found.iter().filter(|&&rank| rank < DEPTH);
    let ideal: f64 = (0..relevant.len().min(DEPTH)).map(gain).sum();
    Figures {
        ndcg: within.clone().map(|&rank| gain(rank)).sum::<f64>() / ideal,
        recall: within.count() as f64 / relevant.len() as f64,
        reciprocal_rank: found.first().map_or(0.0, |&rank| 1.0 / (rank + 1) as f64),
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub mean: f64,
    pub low: f64,
    pub high: f64,
}

const RESAMPLES: usize = 1_000;
const SHARE_OUTSIDE_EACH_SIDE: f64 = 0.025;

/// The mean with its 95 % bootstrap interval; the same values always give the same interval.
pub fn interval(values: &[f64]) -> Interval {
    if values.is_empty() {
        return Interval { mean: 0.0, low: 0.0, high: 0.0 };
    }
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut draw = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        values[usize::try_from(state % values.len() as u64).unwrap_or(0)]
    };
    let mut means: Vec<f64> = (0..RESAMPLES).map(|_| (0..values.len()).map(|_| draw()).sum::<f64>() / values.len() as f64).collect();
    means.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a thousand")]
    let outside = (RESAMPLES as f64 * SHARE_OUTSIDE_EACH_SIDE) as usize;
    Interval { mean: values.iter().sum::<f64>() / values.len() as f64, low: means[outside], high: means[RESAMPLES - 1 - outside] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[&str]) -> HashSet<String> {
        ids.iter().map(|&id| id.to_owned()).collect()
    }

    #[test]
    fn the_ideal_ranking_has_one_everywhere() {
        assert_eq!(figures(&["a", "b", "c"], &ids(&["a", "b"])), Figures { ndcg: 1.0, recall: 1.0, reciprocal_rank: 1.0 });
    }

    #[test]
    fn a_passage_at_rank_two_is_discounted() {
        let figures = figures(&["x", "a"], &ids(&["a", "b"]));
        assert!((figures.ndcg - 0.63093 / 1.63093).abs() < 1e-4);
        assert_eq!((figures.recall, figures.reciprocal_rank), (0.5, 0.5));
    }

    #[test]
    fn beyond_the_depth_only_the_reciprocal_rank_counts() {
        let ranked: Vec<String> = (0..20).map(|n| n.to_string()).collect();
        assert_eq!(figures(&ranked, &ids(&["10"])), Figures { ndcg: 0.0, recall: 0.0, reciprocal_rank: 1.0 / 11.0 });
    }

    #[test]
    fn the_interval_holds_the_mean_and_repeats_itself() {
        let values: Vec<f64> = (0..200).map(|n| f64::from(n % 3) / 2.0).collect();
        let first = interval(&values);
        assert!(first.low < first.mean && first.mean < first.high);
        assert_eq!(first, interval(&values));
    }
}
