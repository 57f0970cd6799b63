//! Latencies by size. Buckets are a millisecond wide below 128 ms and an equal part of their power of two above, so that a bucket's middle is never
//! more than 1/128 (0.8 %) from what fell into it. Histograms are added bucket by bucket: a percentile of merged ones is that of all values together.

use super::bytes::{Damaged, Reader, put, put_count};

/// Each power of two has 2⁶ buckets.
const BITS: u32 = 6;
const EXACT_BELOW: u64 = 1 << (BITS + 1);
/// Longer than any answer: 2³⁶ ms are two years.
const MAX_MS: u64 = (1 << 36) - 1;

/// Counts by bucket; a difference of two histograms may have counts below nothing.
#[derive(Clone, Debug, Default)]
pub struct Histogram(Vec<i64>);

impl PartialEq for Histogram {
    fn eq(&self, other: &Self) -> bool {
        self.nonzero().eq(other.nonzero())
    }
}

/// Where a latency is counted.
#[must_use]
pub fn bucket(latency_ms: u64) -> u16 {
    let value = latency_ms.min(MAX_MS);
    if value < EXACT_BELOW {
        return value as u16;
    }
    let shift = value.ilog2() - BITS;
    // The lead bit of the shifted value counts as one power of two.
    ((u64::from(shift) << BITS) + (value >> shift)) as u16
}

/// The whole millisecond in the middle of a bucket.
#[must_use]
pub fn middle(bucket: u16) -> u64 {
    let bucket = u64::from(bucket);
    if bucket < EXACT_BELOW {
        return bucket;
    }
    let shift = (bucket >> BITS) - 1;
    let lead = bucket - (shift << BITS);
    (lead << shift) + (1 << shift) / 2
}

impl Histogram {
    pub fn add(&mut self, bucket: u16, count: i64) {
        let place = usize::from(bucket);
        if self.0.len() <= place {
            self.0.resize(place + 1, 0);
        }
        self.0[place] += count;
    }

    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in other.nonzero() {
            self.add(bucket, count);
        }
    }

    fn nonzero(&self) -> impl Iterator<Item = (u16, i64)> + '_ {
        self.0.iter().enumerate().filter(|(_, count)| **count != 0).map(|(bucket, count)| (bucket as u16, *count))
    }

    pub fn is_empty(&self) -> bool {
        self.nonzero().next().is_none()
    }

    /// The nearest-rank percentile, within 0.8 %; `None` of nothing.
    #[must_use]
    pub fn percentile(&self, percent: i64) -> Option<u64> {
        let total: i64 = self.0.iter().sum();
        let rank = (total * percent + 99) / 100;
        let mut seen = 0;
        let found = self.nonzero().find(|(_, count)| {
            seen += count;
            seen >= rank.max(1)
        });
        found.map(|(bucket, _)| middle(bucket))
    }

    pub fn encode(&self, out: &mut Vec<u8>) {
        put(out, self.nonzero().count() as u64);
        let mut before = 0;
        for (bucket, count) in self.nonzero() {
            put(out, u64::from(bucket - before));
            put_count(out, count);
            before = bucket;
        }
    }

    /// Adds what `encode` wrote.
    pub fn add_encoded(&mut self, from: &mut Reader) -> Result<(), Damaged> {
        let mut bucket = 0;
        for _ in 0..from.number()? {
            bucket += from.number()?;
            let place = u16::try_from(bucket).map_err(|_| Damaged)?;
            self.add(place, from.count()?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        let places: Vec<u16> = (0..100_000).map(bucket).collect();
        assert!(places.windows(2).all(|two| two[1] == two[0] || two[1] == two[0] + 1));
        assert_eq!((bucket(0), bucket(127), bucket(128)), (0, 127, 128));
        assert_eq!(bucket(u64::MAX), bucket(MAX_MS));
    }

    #[test]
    fn a_percentile_of_nothing_is_none_and_of_one_value_that_value() {
        assert_eq!(Histogram::default().percentile(50), None);
        let mut one = Histogram::default();
        one.add(bucket(77), 1);
        assert_eq!([50, 95, 99].map(|percent| one.percentile(percent)), [Some(77); 3]);
    }

    proptest! {
        #[test]
        fn a_bucket_s_middle_is_within_a_percent(latency in 0..MAX_MS) {
            let error = middle(bucket(latency)).abs_diff(latency) as f64;
            prop_assert!(error <= latency as f64 / 128.0, "{latency}: {error}");
        }

        #[test]
        fn percentiles_of_merged_parts_are_nearest_ranks_within_a_percent(parts in prop::collection::vec(prop::collection::vec(0u64..400_000, 0..60), 1..6)) {
            let mut merged = Histogram::default();
            for part in &parts {
                let mut one = Histogram::default();
                part.iter().for_each(|latency| one.add(bucket(*latency), 1));
                let mut bytes = Vec::new();
                one.encode(&mut bytes);
                merged.add_encoded(&mut Reader(&bytes)).unwrap();
            }
            let mut all: Vec<u64> = parts.concat();
            all.sort_unstable();
            for percent in [50, 95, 99] {
                let exact = all.get((all.len() * percent).div_ceil(100).max(1) - 1);
                let found = merged.percentile(percent as i64);
                prop_assert_eq!(exact.is_some(), found.is_some());
                if let (Some(exact), Some(found)) = (exact, found) {
                    prop_assert!(found.abs_diff(*exact) as f64 <= *exact as f64 / 128.0, "p{}: {} for {}", percent, found, exact);
                }
            }
        }
    }
}
