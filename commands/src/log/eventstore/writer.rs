//! The append path: a task that takes, at each turn, all that has queued up. What stands beside the log is written for the whole batch at once; the events
//! of each command are one append, one after the other in a stream and side by side between streams.

use std::{collections::HashMap, sync::Arc, time::Duration};

use kurrentdb::EventData;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
    time::Instant,
};
use twig_domain::id::EventId;

use super::{
    beside::{Beside, Intent, Wanted},
    events::proposed,
    server::{APPEND_TIMEOUT, Failure, Server},
};
use crate::{
    clock::Clock,
    ids::new_id,
    log::{
        Append, Appended, LogError, publish,
        queue::{Gathering, Queued, answer_each},
    },
};

/// How long the appends of a batch are tried before their callers are told that the log cannot be reached.
const SETTLE_WITHIN: Duration = Duration::from_secs(20);
/// Longer than an append that was begun can take to arrive: then its intent is void.
pub(super) const INTENT_HOLDS_S: i64 = 2 * (SETTLE_WITHIN.as_secs() + APPEND_TIMEOUT.as_secs()) as i64;
const RETRY_AFTER: Duration = Duration::from_millis(100);
const MAX_RETRY_AFTER: Duration = Duration::from_secs(2);
const MAX_APPENDS_AT_ONCE: usize = 64;

#[derive(Clone)]
pub(super) struct Writer {
    pub(super) server: Arc<Server>,
    pub(super) beside: Beside,
    pub(super) clock: Clock,
    pub(super) head: watch::Sender<u64>,
}

/// One command on its way.
struct Sending {
    stream: String,
    expected_version: u64,
    events: Vec<EventData>,
    /// The last event's.
    id: Option<EventId>,
}

impl Sending {
    fn version(&self) -> u64 {
        self.expected_version + self.events.len() as u64
    }
}

/// Runs until every handle is gone.
pub(super) async fn write(writer: Writer, mut appends: mpsc::Receiver<Queued>) {
    let mut gathering = Gathering::default();
    while let Some(first) = appends.recv().await {
        let batch = gathering.waiting(first, &mut appends).await;
        let started = std::time::Instant::now();
        let outcomes = writer.settle(&batch).await;
        gathering.wrote(batch.len(), started.elapsed());
        metrics::histogram!("twig_log_batch_appends").record(batch.len() as f64);
        metrics::histogram!("twig_log_append_seconds").record(started.elapsed());
        answer_each(batch, outcomes);
    }
}

impl Writer {
    async fn settle(&self, batch: &[Queued]) -> Vec<Result<Appended, LogError>> {
        let (now, offset, until) = (self.clock.now(), self.clock.offset_ms(), Instant::now() + SETTLE_WITHIN);
        let mut outcomes: Vec<Option<Result<Appended, LogError>>> = Vec::new();
        let (mut sending, mut wanted) = (Vec::new(), Vec::new());
        for (place, queued) in batch.iter().enumerate() {
            let append = &queued.append;
            let ids: Vec<EventId> = append.events.iter().map(|_| new_id(now)).collect();
            match proposed(append, &ids, offset) {
                Ok(events) => {
                    let stream = self.server.names.stream(append.aggregate_type, &append.aggregate_id);
                    wanted.extend(wanted_of(append, ids.last(), place));
                    sending.push((place, Sending { stream, expected_version: append.expected_version, events, id: ids.last().copied() }));
                    outcomes.push(None);
                }
                Err(error) => outcomes.push(Some(Err(error))),
            }
        }
        for (place, refused) in self.beside.reserve(wanted.clone(), now).await {
            outcomes[place] = Some(refused);
        }
        sending.retain(|(place, _)| outcomes[*place].is_none());
        wanted.retain(|wanted| outcomes[wanted.place].is_none());
        for (place, outcome) in self.send(sending, until).await {
            if let Ok(Appended::At(position)) = outcome {
                metrics::counter!("twig_log_events_total").increment(batch[place].append.events.len() as u64);
                metrics::counter!("twig_log_commits_total").increment(1);
                publish(&self.head, position);
            }
            outcomes[place] = Some(outcome);
        }
        let outcomes: Vec<Result<Appended, LogError>> =
            outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(|| Err(LogError::Other("an append was cut off".into())))).collect();
        self.beside.conclude(wanted, &outcomes).await;
        outcomes
    }

    /// Each command's outcome, by its place in the batch.
    async fn send(&self, sending: Vec<(usize, Sending)>, until: Instant) -> Vec<(usize, Result<Appended, LogError>)> {
        let mut streams: HashMap<String, Vec<(usize, Sending)>> = HashMap::new();
        for (place, sending) in sending {
            streams.entry(sending.stream.clone()).or_default().push((place, sending));
        }
        let (mut tasks, at_once) = (JoinSet::new(), Arc::new(Semaphore::new(MAX_APPENDS_AT_ONCE)));
        for commands in streams.into_values() {
            let (writer, at_once) = (self.clone(), at_once.clone());
            tasks.spawn(async move {
                let _turn = at_once.acquire_owned().await;
                let mut outcomes = Vec::with_capacity(commands.len());
                for (place, sending) in commands {
                    outcomes.push((place, writer.append(sending, until).await));
                }
                outcomes
            });
        }
        let mut outcomes = Vec::new();
        while let Some(sent) = tasks.join_next().await {
            match sent {
                Ok(sent) => outcomes.extend(sent),
                Err(error) => tracing::error!(%error, "an append was cut off"),
            }
        }
        outcomes
    }

    /// Appends one command's events. After a lost answer the stream is looked into first: the server may have taken them.
    async fn append(&self, sending: Sending, until: Instant) -> Result<Appended, LogError> {
        let Some(id) = sending.id else { return self.stands(&sending).await };
        let (mut lost, mut pause) = (false, RETRY_AFTER);
        loop {
            let tried = self.once(&sending, id, lost, until).await;
            match tried {
                Err(LogError::Unavailable(told)) if Instant::now() + pause < until => {
                    tracing::warn!(told, stream = sending.stream, "an append's answer was lost; it is looked for");
                    lost = true;
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(MAX_RETRY_AFTER);
                }
                tried => return tried,
            }
        }
    }

    async fn once(&self, sending: &Sending, id: EventId, lost: bool, until: Instant) -> Result<Appended, LogError> {
        if lost && let Some(position) = self.server.position_of(&sending.stream, sending.version(), id).await? {
            return Ok(Appended::At(position));
        }
        // None begins when its intent may soon be void.
        if Instant::now() >= until {
            return Err(LogError::Unavailable("it has been tried for too long".into()));
        }
        match self.server.append(&sending.stream, sending.expected_version, sending.events.clone()).await {
            // One that was still on its way may have been first: the server knows it by its ids, and the stream says where it stands.
            Ok(_) | Err(Failure::WrongExpectedVersion) if lost => {
                Ok(self.server.position_of(&sending.stream, sending.version(), id).await?.map_or(Appended::Stale, Appended::At))
            }
            Ok(position) => Ok(Appended::At(position)),
            Err(Failure::WrongExpectedVersion) => Ok(Appended::Stale),
            Err(error) => Err(error.into()),
        }
    }

    /// An append of nothing: whether the stream is where it is expected.
    async fn stands(&self, sending: &Sending) -> Result<Appended, LogError> {
        let (version, position) = self.server.version_of(&sending.stream).await?;
        Ok(if version == sending.expected_version { Appended::At(position) } else { Appended::Stale })
    }
}

fn wanted_of(append: &Append, last: Option<&EventId>, place: usize) -> Option<Wanted> {
    let event_id = *last?;
    if append.idempotency.is_none() && append.subject_keys.is_empty() {
        return None;
    }
    let version = append.expected_version + append.events.len() as u64;
    let intent = append.idempotency.clone().map(|key| Intent {
        key,
        aggregate_type: append.aggregate_type.to_owned(),
        aggregate_id: append.aggregate_id.clone(),
        version,
        event_id,
    });
    Some(Wanted { place, intent, subject_keys: append.subject_keys.clone() })
}
