//! What a relay says: the steps that follow from what it has told each partition already.

use twig_commands::log::RecordedEvent;

use super::{Step, partition_of};

/// The last position that each partition was told of.
pub struct Told(Vec<u64>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marks {
    All,
    /// Only where the partition has not heard of the position.
    Behind,
}

impl Told {
    /// A relay that begins at its place: of what was told before, it knows only that it was.
    #[must_use]
    pub fn at(place: u64, partitions: u32) -> Self {
        Self(vec![place; partitions as usize])
    }

    /// The log's next events, as steps of their partitions.
    pub fn events(&mut self, events: Vec<RecordedEvent>) -> Vec<(u32, Step)> {
        let partitions = self.0.len() as u32;
        let step = |event: RecordedEvent| {
            let (partition, position) = (partition_of(&event.aggregate_id, partitions), event.position);
            let previous = std::mem::replace(&mut self.0[partition as usize], position);
            (partition, Step { previous, position, event: Some(event.into()) })
        };
        events.into_iter().map(step).collect()
    }

    /// Every event up to `position` was told: so no partition has another one up to there.
    pub fn marks(&mut self, position: u64, which: Marks) -> Vec<(u32, Step)> {
        let mark = |(partition, told): (usize, &mut u64)| {
            let previous = std::mem::replace(told, position);
            (which == Marks::All || previous < position).then_some((partition as u32, Step { previous, position, event: None }))
        };
        self.0.iter_mut().enumerate().filter_map(mark).collect()
    }
}
