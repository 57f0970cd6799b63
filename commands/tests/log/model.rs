//! Random interleavings of stale and fresh commands, in random batches, against a model of a few lines.

use proptest::{prelude::*, test_runner::Config};
use serde_json::json;
use twig_commands::log::Appended;

use crate::{
    contract::{all, append, placed},
    store::LogStore,
};

const CASES: u32 = 24;
const STREAMS: usize = 3;

/// A command: its stream, how far its expectation is from the truth, and how many events it brings.
type Command = (usize, i64, usize);

fn commands() -> impl Strategy<Value = Vec<Vec<Command>>> {
    let command = (0..STREAMS, prop_oneof![3 => Just(0i64), 1 => -2i64..0, 1 => 1i64..3], 1usize..4);
    prop::collection::vec(prop::collection::vec(command, 1..8), 1..6)
}

/// How streams stand to each other: where one batch queues up for one writer, in the order of the queue.
#[derive(Clone, Copy, PartialEq)]
enum Across {
    Ordered,
    SideBySide,
}

/// What the log must answer, and the (stream, version) of every event it must have then.
#[derive(Default)]
struct Model {
    versions: [u64; STREAMS],
    events: Vec<(String, u64)>,
}

impl Model {
    fn expect(&mut self, (stream, off, events): Command) -> (u64, Appended) {
        let expected = self.versions[stream].saturating_add_signed(off);
        if expected != self.versions[stream] {
            return (expected, Appended::Stale);
        }
        for _ in 0..events {
            self.versions[stream] += 1;
            self.events.push((format!("s{stream}"), self.versions[stream]));
        }
        (expected, Appended::At(self.events.len() as u64))
    }
}

/// Runs the batches and says where the log and the model part.
fn follows_the_model(store: &LogStore, batches: Vec<Vec<Command>>, across: Across) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async move {
        let (log, mut model) = (store.open(), Model::default());
        for batch in batches {
            // On one thread tasks queue in the order they were spawned in.
            let running: Vec<_> = batch
                .into_iter()
                .map(|command| {
                    let (expected, outcome) = model.expect(command);
                    let append = append(&format!("s{}", command.0), expected, (0..command.2).map(|part| json!(part)));
                    let log = log.clone();
                    (tokio::spawn(async move { log.append(append).await.unwrap() }), outcome)
                })
                .collect();
            for (answer, outcome) in running {
                let answer = answer.await.unwrap();
                match across {
                    Across::Ordered => prop_assert_eq!(placed(&log, answer).await, outcome),
                    Across::SideBySide => prop_assert_eq!(matches!(answer, Appended::At(_)), matches!(outcome, Appended::At(_))),
                }
            }
        }
        let mut found: Vec<_> = all(&log).await.into_iter().map(|event| (event.aggregate_id, event.version)).collect();
        if across == Across::SideBySide {
            // Within a stream the order is kept.
            found.sort_by(|one, other| one.0.cmp(&other.0));
            model.events.sort_by(|one, other| one.0.cmp(&other.0));
        }
        prop_assert_eq!(found, model.events);
        Ok(())
    })
}

proptest! {
    #![proptest_config(Config { cases: CASES, failure_persistence: None, ..Config::default() })]

    #[test]
    fn any_interleaving_ends_as_the_model_says(batches in commands()) {
        follows_the_model(&LogStore::sqlite(), batches, Across::Ordered)?;
    }

    #[test]
    fn any_interleaving_on_postgres_ends_as_the_model_says(batches in commands()) {
        let Some(store) = LogStore::postgres() else { return Ok(()) };
        follows_the_model(&store, batches, Across::Ordered)?;
    }

    #[test]
    fn any_interleaving_on_eventstore_ends_as_the_model_says(batches in commands()) {
        follows_the_model(&LogStore::eventstore(), batches, Across::SideBySide)?;
    }
}
