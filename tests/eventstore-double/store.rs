//! Streams in memory.

use std::{
    collections::HashMap,
    time::{SystemTime, UNIX_EPOCH},
};

use uuid::Uuid;

use crate::protocol::{Expected, Proposed};

/// What a record takes in the log beside its texts.
const RECORD_BYTES: u64 = 120;
/// The server writes events of its own between the others: here, before each so many appends.
const OWN_EVENT_EVERY: usize = 3;

#[derive(Clone)]
pub struct Record {
    pub position: u64,
    pub stream: String,
    pub revision: u64,
    pub id: Uuid,
    pub metadata: HashMap<String, String>,
    pub custom_metadata: Vec<u8>,
    pub data: Vec<u8>,
}

#[derive(Default)]
pub struct Store {
    pub records: Vec<Record>,
    /// The places of each stream's records.
    pub streams: HashMap<String, Vec<usize>>,
    end: u64,
    last_ticks: u128,
    appends: usize,
}

pub enum Outcome {
    /// The revision and the position of the last event.
    Written(u64, u64),
    /// The revision that the stream is at.
    Wrong(Option<u64>),
}

impl Store {
    pub fn append(&mut self, stream: &str, expected: &Expected, events: Vec<(Uuid, Proposed)>) -> Outcome {
        let length = self.streams.get(stream).map_or(0, Vec::len);
        let at = match expected {
            Expected::Revision(revision) => *revision as usize + 1,
            Expected::NoStream(_) => 0,
            Expected::Any(_) | Expected::StreamExists(_) => length,
        };
        if at != length {
            return self.known(stream, at, &events).unwrap_or(Outcome::Wrong(length.checked_sub(1).map(|last| last as u64)));
        }
        if self.appends.is_multiple_of(OWN_EVENT_EVERY) {
            self.write("$double", Uuid::from_u128(self.end.into()), Proposed::default());
        }
        self.appends += 1;
        events.into_iter().for_each(|(id, event)| self.write(stream, id, event));
        self.last(stream).unwrap_or(Outcome::Wrong(None))
    }

    /// An append that is there already, event for event, is no other one.
    fn known(&self, stream: &str, at: usize, events: &[(Uuid, Proposed)]) -> Option<Outcome> {
        let there = self.streams.get(stream)?.get(at..at + events.len())?;
        let same = there.iter().zip(events).all(|(place, (id, _))| self.records[*place].id == *id);
        let last = &self.records[*there.last()?];
        same.then_some(Outcome::Written(last.revision, last.position))
    }

    fn last(&self, stream: &str) -> Option<Outcome> {
        let last = &self.records[*self.streams.get(stream)?.last()?];
        Some(Outcome::Written(last.revision, last.position))
    }

    fn write(&mut self, stream: &str, id: Uuid, event: Proposed) {
        #[expect(clippy::disallowed_methods, reason = "the double stands for another machine")]
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() / 100;
        self.last_ticks = self.last_ticks.max(now);
        let mut metadata = event.metadata;
        metadata.insert("created".into(), self.last_ticks.to_string());
        let places = self.streams.entry(stream.to_owned()).or_default();
        let revision = places.len() as u64;
        places.push(self.records.len());
        let position = self.end;
        self.end += RECORD_BYTES + event.data.len() as u64 + event.custom_metadata.len() as u64;
        let Proposed { custom_metadata, data, .. } = Proposed { metadata: HashMap::new(), ..event };
        self.records.push(Record { position, stream: stream.to_owned(), revision, id, metadata, custom_metadata, data });
    }

    /// The place of the event that begins at a position, or of the end.
    pub fn place_of(&self, position: u64) -> Option<usize> {
        if position == self.end {
            return Some(self.records.len());
        }
        self.records.binary_search_by_key(&position, |record| record.position).ok()
    }
}
