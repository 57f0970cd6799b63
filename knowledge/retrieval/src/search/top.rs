//! The best n of many scores in one pass.

pub(super) struct Top {
    keep: usize,
    /// Scores must be above it.
    least: f32,
    entries: Vec<(f32, usize, u32)>,
}

impl Top {
    pub(super) fn new(keep: usize, above: f32) -> Self {
        Self { keep, least: above, entries: Vec::with_capacity(keep * 2) }
    }

    pub(super) fn offer(&mut self, index: usize, scores: impl Iterator<Item = (u32, f32)>) {
        for (passage, score) in scores {
            if score > self.least {
                self.entries.push((score, index, passage));
                if self.entries.len() == self.keep * 2 {
                    self.shrink();
                }
            }
        }
    }

    fn shrink(&mut self) {
        self.entries.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
        self.entries.truncate(self.keep);
        if let Some(last) = self.entries.get(self.keep - 1) {
            self.least = last.0;
        }
    }

    pub(super) fn places(&mut self) -> Vec<(usize, u32)> {
        self.shrink();
        self.entries.iter().map(|&(_, index, passage)| (index, passage)).collect()
    }

    /// Falling.
    pub(super) fn scores(&mut self) -> Vec<f32> {
        self.shrink();
        self.entries.iter().map(|entry| entry.0).collect()
    }
}
