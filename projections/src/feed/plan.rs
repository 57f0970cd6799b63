//! From messages to batches, without any I/O: which of them are known already, which join what the views have, and where something is missing.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use twig_commands::log::RecordedEvent;

use super::{Batch, MAX_BATCH_EVENTS, Reached, Step, Stretch, partition_of};

/// A message as it came.
#[derive(Clone, Debug)]
pub struct Received {
    pub partition: u32,
    pub offset: i64,
    pub step: Step,
}

#[derive(Debug, PartialEq)]
pub enum Taken {
    /// Joins what each of its partitions has.
    Batch(Batch),
    /// The next message begins behind what its partition has: everything up to this position has to come from the log first.
    Missing(u64),
    Nothing,
}

/// Where the partitions that this node has stand in the views.
#[derive(Default)]
pub struct Planner {
    reached: BTreeMap<u32, Reached>,
}

impl Planner {
    pub fn assign(&mut self, partition: u32, reached: Reached) {
        self.reached.insert(partition, reached);
    }

    pub fn revoke(&mut self, partition: u32) {
        self.reached.remove(&partition);
    }

    pub fn partitions(&self) -> Vec<u32> {
        self.reached.keys().copied().collect()
    }

    /// The position that every partition of this node has reached.
    pub fn lowest(&self) -> Option<u64> {
        self.reached.values().map(|reached| reached.position).min()
    }

    /// The next batch of what was received; messages of partitions that were taken away are dropped.
    pub fn take(&self, received: &mut VecDeque<Received>) -> Taken {
        let mut stretches: BTreeMap<u32, Stretch> = BTreeMap::new();
        let mut events = Vec::new();
        while events.len() < MAX_BATCH_EVENTS {
            let Some(next) = received.pop_front() else { break };
            let Some(known) = self.reached.get(&next.partition) else { continue };
            let at = known.position;
            let fresh = Stretch { partition: next.partition, after: at, reached: at, next_offset: known.next_offset };
            let stretch = stretches.entry(next.partition).or_insert(fresh);
            if next.step.position > stretch.reached {
                if next.step.previous > stretch.reached {
                    let missing = next.step.previous;
                    received.push_front(next);
                    stretches.retain(|_, stretch| stretch.reached > stretch.after);
                    return if stretches.is_empty() { Taken::Missing(missing) } else { batch(stretches, events) };
                }
                stretch.reached = next.step.position;
                events.extend(next.step.event);
            }
            stretch.next_offset = Some(next.offset + 1);
        }
        if stretches.is_empty() { Taken::Nothing } else { batch(stretches, events) }
    }

    /// A batch of what the log has after the lowest position: it is whole for every partition of this node.
    #[expect(clippy::wrong_self_convention, reason = "a batch comes from the log by this plan")]
    pub fn from_log(&self, after: u64, events: Vec<RecordedEvent>, partitions: u32) -> Option<Batch> {
        let reached = events.last()?.position;
        let stretch = |(partition, known): (&u32, &Reached)| Stretch { partition: *partition, after, reached, next_offset: known.next_offset };
        let stretches: Vec<Stretch> = self.reached.iter().filter(|(_, known)| known.position < reached).map(stretch).collect();
        let covered = |event: &RecordedEvent| stretches.iter().any(|stretch| stretch.partition == partition_of(&event.aggregate_id, partitions));
        let events = events.into_iter().filter(covered).map(Arc::new).collect();
        Some(Batch { stretches, events })
    }

    /// The views have taken a batch.
    pub fn done(&mut self, batch: &Batch) {
        for stretch in &batch.stretches {
            if let Some(known) = self.reached.get_mut(&stretch.partition) {
                *known = Reached { position: known.position.max(stretch.reached), next_offset: stretch.next_offset };
            }
        }
    }
}

fn batch(stretches: BTreeMap<u32, Stretch>, mut events: Vec<Arc<RecordedEvent>>) -> Taken {
    events.sort_by_key(|event| event.position);
    Taken::Batch(Batch { stretches: stretches.into_values().collect(), events })
}
