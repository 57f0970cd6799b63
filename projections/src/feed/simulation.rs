//! Relays, a topic, consumers and views that go wrong in every way there is, without a broker: whatever happens, each event is folded once, in its
//! stream's order.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;
use twig_commands::log::RecordedEvent;
use twig_domain::{Actor, EventMeta, Timestamp};

use super::{Batch, Marks, Planner, Reached, Received, Step, Taken, Told, partition_of};

const CONSUMERS: usize = 2;

#[derive(Clone, Debug)]
enum Happening {
    Append(Vec<u8>),
    /// A relay begins up to so far behind the saved place, tells of so many events, and is killed before it saves its place or after.
    Relay {
        behind: u8,
        events: u8,
        saved: bool,
    },
    Lose(u8),
    Repeat(u8),
    Swap(u8, u8),
    MakeTopicAgain,
    /// A consumer takes some partitions without asking: the other one may not know yet.
    Assign {
        consumer: usize,
        partitions: u8,
    },
    Consume {
        consumer: usize,
        messages: u8,
    },
    RestoreViews,
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let one = prop_oneof![
        3 => prop::collection::vec(0u8..6, 1..8).prop_map(Happening::Append),
        4 => (0u8..6, 1u8..12, any::<bool>()).prop_map(|(behind, events, saved)| Happening::Relay { behind, events, saved }),
        1 => any::<u8>().prop_map(Happening::Lose),
        1 => any::<u8>().prop_map(Happening::Repeat),
        1 => any::<(u8, u8)>().prop_map(|(one, two)| Happening::Swap(one, two)),
        1 => Just(Happening::MakeTopicAgain),
        2 => (0..CONSUMERS, any::<u8>()).prop_map(|(consumer, partitions)| Happening::Assign { consumer, partitions }),
        4 => (0..CONSUMERS, 1u8..10).prop_map(|(consumer, messages)| Happening::Consume { consumer, messages }),
        1 => Just(Happening::RestoreViews),
    ];
    prop::collection::vec(one, 0..60)
}

#[derive(Default)]
struct Views {
    reached: BTreeMap<u32, Reached>,
    folded: BTreeMap<u32, Vec<u64>>,
}

impl Views {
    /// What `Views::fold_feed` does in its transaction.
    fn fold(&mut self, batch: &Batch, partitions: u32) -> bool {
        let at = |views: &Self, partition: u32| views.reached.get(&partition).copied().unwrap_or_default();
        if batch.stretches.iter().any(|stretch| stretch.after > at(self, stretch.partition).position) {
            return false;
        }
        for event in &batch.events {
            let partition = partition_of(&event.aggregate_id, partitions);
            if event.position > at(self, partition).position {
                self.folded.entry(partition).or_default().push(event.position);
            }
        }
        for stretch in &batch.stretches {
            let known = at(self, stretch.partition);
            self.reached.insert(stretch.partition, Reached { position: known.position.max(stretch.reached), next_offset: stretch.next_offset });
        }
        true
    }
}

struct World {
    partitions: u32,
    log: Vec<RecordedEvent>,
    place: u64,
    topic: BTreeMap<u32, Vec<Step>>,
    views: Views,
    backup: (BTreeMap<u32, Reached>, BTreeMap<u32, Vec<u64>>),
    consumers: [(Planner, BTreeMap<u32, i64>); CONSUMERS],
}

impl World {
    fn new(partitions: u32) -> Self {
        Self {
            partitions,
            log: Vec::new(),
            place: 0,
            topic: BTreeMap::new(),
            views: Views::default(),
            backup: Default::default(),
            consumers: Default::default(),
        }
    }

    fn read(&self, after: u64, limit: usize) -> Vec<RecordedEvent> {
        self.log.iter().filter(|event| event.position > after).take(limit).cloned().collect()
    }

    fn tell(&mut self, steps: Vec<(u32, Step)>) {
        for (partition, step) in steps {
            self.topic.entry(partition).or_default().push(step);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Append(streams) => {
                for stream in streams {
                    let position = self.log.len() as u64 + 1;
                    self.log.push(event(position, stream));
                }
            }
            Happening::Relay { behind, events, saved } => {
                let place = self.place.saturating_sub(u64::from(behind));
                let mut told = Told::at(place, self.partitions);
                let marks = told.marks(place, Marks::All);
                self.tell(marks);
                let events = self.read(place, usize::from(events));
                let reached = events.last().map_or(place, |last| last.position);
                let steps = told.events(events);
                self.tell(steps);
                if saved {
                    let marks = told.marks(reached, Marks::Behind);
                    self.tell(marks);
                    self.place = self.place.max(reached);
                }
            }
            Happening::Lose(which) => self.damage(which, |steps, place| drop(steps.remove(place))),
            Happening::Repeat(which) => self.damage(which, |steps, place| steps.push(steps[place].clone())),
            Happening::Swap(which, with) => self.damage(which, |steps, place| {
                let other = usize::from(with) % steps.len();
                steps.swap(place, other);
            }),
            Happening::MakeTopicAgain => self.topic.clear(),
            Happening::Assign { consumer, partitions } => {
                for partition in (0..self.partitions).filter(|partition| partitions & (1 << partition) != 0) {
                    self.assign(consumer, partition);
                }
            }
            Happening::Consume { consumer, messages } => self.consume(consumer, usize::from(messages)),
            Happening::RestoreViews => {
                let now = (self.views.reached.clone(), self.views.folded.clone());
                (self.views.reached, self.views.folded) = std::mem::replace(&mut self.backup, now);
            }
        }
    }

    fn damage(&mut self, which: u8, damage: impl FnOnce(&mut Vec<Step>, usize)) {
        let partition = u32::from(which) % self.partitions;
        if let Some(steps) = self.topic.get_mut(&partition).filter(|steps| !steps.is_empty()) {
            let place = usize::from(which) % steps.len();
            damage(steps, place);
        }
    }

    fn assign(&mut self, consumer: usize, partition: u32) {
        let reached = self.views.reached.get(&partition).copied().unwrap_or_default();
        let (planner, offsets) = &mut self.consumers[consumer];
        planner.assign(partition, reached);
        offsets.insert(partition, reached.next_offset.unwrap_or(0));
    }

    fn consume(&mut self, consumer: usize, messages: usize) {
        let mut received = VecDeque::new();
        for partition in self.consumers[consumer].0.partitions() {
            let steps = self.topic.get(&partition).cloned().unwrap_or_default();
            let offset = self.consumers[consumer].1.entry(partition).or_default();
            // `auto.offset.reset=earliest`
            if *offset > steps.len() as i64 {
                *offset = 0;
            }
            for step in steps.into_iter().skip(*offset as usize).take(messages) {
                received.push_back(Received { partition, offset: *offset, step });
                *offset += 1;
            }
        }
        loop {
            let batch = match self.consumers[consumer].0.take(&mut received) {
                Taken::Nothing => return,
                Taken::Batch(batch) => batch,
                Taken::Missing(until) => {
                    let after = self.consumers[consumer].0.lowest().unwrap();
                    assert!(after < until);
                    let events = self.read(after, 3);
                    self.consumers[consumer].0.from_log(after, events, self.partitions).unwrap()
                }
            };
            if !self.views.fold(&batch, self.partitions) {
                // Begins again at the checkpoint.
                for partition in self.consumers[consumer].0.partitions() {
                    self.assign(consumer, partition);
                }
                return;
            }
            self.consumers[consumer].0.done(&batch);
        }
    }
}

fn event(position: u64, stream: u8) -> RecordedEvent {
    let id = |prefix: &str| format!("{prefix}_01arz3ndektsv4rrffq69g5fav");
    let meta = EventMeta {
        organization: id("org").parse().unwrap(),
        actor: Actor::system("test"),
        correlation_id: String::new(),
        causation_id: None,
        ip: None,
        user_agent: None,
        traceparent: None,
    };
    RecordedEvent {
        position,
        event_id: id("evt").parse().unwrap(),
        recorded_at: Timestamp::from_millis(0),
        aggregate_type: "Agent".into(),
        aggregate_id: format!("stream {stream}"),
        version: 1,
        event_type: "AgentCreated".into(),
        event_version: 1,
        meta,
        payload: serde_json::Value::Null,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_event_is_folded_once_and_in_order(partitions in 1u32..5, happenings in happenings()) {
        let mut world = World::new(partitions);
        for happening in happenings {
            world.happen(happening);
            // At any time the views are exactly the log up to each partition's checkpoint.
            for partition in 0..partitions {
                let reached = world.views.reached.get(&partition).map_or(0, |reached| reached.position);
                let expected: Vec<u64> = own(&world.log, partition, partitions).filter(|position| *position <= reached).collect();
                prop_assert_eq!(world.views.folded.get(&partition).cloned().unwrap_or_default(), expected);
            }
        }
        // In the end a relay lives, and so does a consumer: everything arrives.
        let all = world.log.len() as u8 + 20;
        world.happen(Happening::Relay { behind: 0, events: all, saved: true });
        for partition in 0..partitions {
            world.assign(0, partition);
        }
        for _ in 0..3 {
            world.consume(0, 10_000);
            // Its regular marks: an offset of a topic that was made again may lie behind all that is there.
            world.happen(Happening::Relay { behind: 0, events: 0, saved: true });
        }
        for partition in 0..partitions {
            let expected: Vec<u64> = own(&world.log, partition, partitions).collect();
            prop_assert_eq!(world.views.folded.get(&partition).cloned().unwrap_or_default(), expected);
            prop_assert!(world.views.reached.get(&partition).map_or(0, |reached| reached.position) >= world.log.len() as u64);
        }
    }
}

fn own(log: &[RecordedEvent], partition: u32, partitions: u32) -> impl Iterator<Item = u64> {
    log.iter().filter(move |event| partition_of(&event.aggregate_id, partitions) == partition).map(|event| event.position)
}
