//! The command bus: load, decide, append. A hot aggregate's state is kept by version; a lost race is decided again on what won.
//!
//! Commands on one aggregate do not wait for each other's disk: each is decided on the state that the one before it will leave, and goes into the same
//! batch behind it. Where that one fails after all, the log finds the next one stale, and it is decided again.
//!
//! A stream that this process knows nothing of is most often a new one. What starts it is decided on nothing and queued without a look; should the stream
//! be there after all, the log finds the command stale, and it is decided again on what was loaded. Everything else is decided on what was loaded.
//!
//! Invariants: a command runs on the runtime, not in its caller: a client that goes away cannot cut it in half. Nothing is answered on a state that is not
//! in the log: a refusal waits until it is.

use std::{
    any::Any,
    collections::hash_map::RandomState,
    fmt::Display,
    hash::BuildHasher,
    sync::{Arc, Mutex, PoisonError},
};

use cqrs_es::DomainEvent;
use moka::sync::Cache;
use twig_domain::{Decide, EventMeta};

use crate::{
    idempotency::IdempotencyKey,
    log::{Append, Appended, EventLog, LogError, NewEvent, Pending, Place},
    vault::SubjectKey,
};

const MAX_CACHED_STATES: u64 = 20_000;
const MAX_TRIES: usize = 256;
/// Locks that keep deciding and queueing in one order; an aggregate always has the same one.
const STRIPES: usize = 64;

/// What goes with every command.
#[derive(Clone)]
pub struct CommandContext {
    pub meta: EventMeta,
    /// The version that the aggregate must be at (`If-Match`).
    pub expected_version: Option<u64>,
    pub idempotency: Option<IdempotencyKey>,
    /// Keys that the events' sealed texts need.
    pub subject_keys: Vec<SubjectKey>,
}

impl CommandContext {
    #[must_use]
    pub fn of(meta: EventMeta) -> Self {
        Self { meta, expected_version: None, idempotency: None, subject_keys: Vec::new() }
    }
}

/// What commands came to.
#[derive(Debug)]
pub struct Outcome<A: Decide> {
    pub version: u64,
    /// `None` where nothing changed.
    pub position: Option<u64>,
    pub state: Arc<A>,
    pub events: Vec<A::Event>,
}

#[derive(Debug, thiserror::Error)]
pub enum CommandError<E> {
    #[error("the command was refused")]
    Rejected(E),
    #[error("the aggregate is at version {current}")]
    Stale { current: u64 },
    #[error("the idempotency key has an outcome already")]
    IdempotencyTaken,
    #[error("another process made a key for the same subject")]
    SubjectKeyConflict,
    #[error("the event log failed")]
    Unavailable(#[source] LogError),
}

#[derive(Clone)]
struct Cached {
    version: u64,
    state: Arc<dyn Any + Send + Sync>,
    /// Whether the log has it, as far as this process knows; else it is on its way there.
    settled: bool,
}

/// A state that commands are decided on.
struct Known<A> {
    version: u64,
    state: Arc<A>,
    settled: bool,
    source: Source,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Cached,
    Loaded,
    /// Nothing is known of the stream; it is taken for a new one.
    Assumed,
}

impl<A: Default> Known<A> {
    fn nothing() -> Self {
        Self { version: 0, state: Arc::default(), settled: false, source: Source::Assumed }
    }
}

#[derive(Clone)]
pub struct CommandBus {
    log: EventLog,
    states: Cache<(&'static str, String), Cached>,
    stripes: Arc<[Mutex<()>]>,
    hasher: RandomState,
    runtime: tokio::runtime::Handle,
}

/// What deciding came to.
enum Step<A: Decide> {
    Queued {
        pending: Pending,
        version: u64,
        state: Arc<A>,
        events: Vec<A::Event>,
    },
    /// Refused, or nothing to change.
    Ended {
        known: Known<A>,
        outcome: Option<CommandError<A::Error>>,
    },
}

impl CommandBus {
    #[must_use]
    pub fn new(log: EventLog, runtime: tokio::runtime::Handle) -> Self {
        let stripes = (0..STRIPES).map(|_| Mutex::new(())).collect();
        Self { log, states: Cache::new(MAX_CACHED_STATES), stripes, hasher: RandomState::new(), runtime }
    }

    /// Runs commands on one aggregate, in order, as one append.
    pub async fn execute<A: Decide>(&self, id: impl Display, commands: Vec<A::Command>, context: CommandContext) -> Result<Outcome<A>, CommandError<A::Error>>
    where
        A::Command: Clone + Send + 'static,
        A::Error: Send + 'static,
    {
        let (bus, id) = (self.clone(), id.to_string());
        let done = self.runtime.spawn(async move { bus.run::<A>(id, commands, context).await });
        done.await.map_err(|error| CommandError::Unavailable(LogError::Other(error.to_string())))?
    }

    async fn run<A: Decide>(&self, id: String, commands: Vec<A::Command>, context: CommandContext) -> Result<Outcome<A>, CommandError<A::Error>>
    where
        A::Command: Clone,
    {
        let key = (A::TYPE, id);
        let mut may_be_new = true;
        for _ in 0..MAX_TRIES {
            let known = match self.cached::<A>(&key) {
                Some(known) => known,
                None if may_be_new => Known::nothing(),
                None => self.load::<A>(&key, 0, A::default()).await.map_err(CommandError::Unavailable)?,
            };
            may_be_new = false;
            let place = self.log.place().await.map_err(CommandError::Unavailable)?;
            match self.decide_and_queue::<A>(&key, known, place, &commands, &context).map_err(CommandError::Unavailable)? {
                Step::Queued { pending, version, state, events } => match pending.outcome().await {
                    Ok(Appended::At(position)) => {
                        self.settle(&key, version);
                        return Ok(Outcome { version, position: Some(position), state, events });
                    }
                    refused => {
                        self.states.invalidate(&key);
                        match refused.map_err(CommandError::Unavailable)? {
                            Appended::IdempotencyTaken => return Err(CommandError::IdempotencyTaken),
                            Appended::SubjectKeyConflict => return Err(CommandError::SubjectKeyConflict),
                            Appended::Stale | Appended::At(_) => {}
                        }
                    }
                },
                Step::Ended { known, outcome } => {
                    // What is refused or changes nothing is answered only on what the log says now.
                    if known.source == Source::Assumed {
                        continue;
                    }
                    if known.source == Source::Cached && !self.is_current::<A>(&key, &known, &context).await.map_err(CommandError::Unavailable)? {
                        continue;
                    }
                    return match outcome {
                        Some(error) => Err(error),
                        None => Ok(Outcome { version: known.version, position: None, state: known.state, events: Vec::new() }),
                    };
                }
            }
        }
        Err(CommandError::Unavailable(LogError::Busy))
    }

    /// Decides on the newest state there is, and queues the events before anybody decides on what they leave.
    fn decide_and_queue<A: Decide>(
        &self,
        key: &(&'static str, String),
        loaded: Known<A>,
        place: Place,
        commands: &[A::Command],
        context: &CommandContext,
    ) -> Result<Step<A>, LogError>
    where
        A::Command: Clone,
    {
        let _in_order = self.stripe(key).lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.cached::<A>(key).filter(|cached| cached.version >= loaded.version).unwrap_or(loaded);
        match decide(&known.state, known.version, commands, context.expected_version) {
            Err(error) => Ok(Step::Ended { known, outcome: Some(error) }),
            Ok((_, None)) => Ok(Step::Ended { known, outcome: None }),
            Ok((after, Some(events))) => {
                let (version, state) = (known.version + events.len() as u64, Arc::new(after));
                let pending = place.queue(append::<A>(&key.1, known.version, &events, context)?);
                self.states.insert(key.clone(), Cached { version, state: state.clone(), settled: false });
                Ok(Step::Queued { pending, version, state, events })
            }
        }
    }

    fn stripe(&self, key: &(&'static str, String)) -> &Mutex<()> {
        &self.stripes[self.hasher.hash_one(key) as usize % STRIPES]
    }

    fn cached<A: Decide>(&self, key: &(&'static str, String)) -> Option<Known<A>> {
        let Cached { version, state, settled } = self.states.get(key)?;
        Some(Known { version, state: state.downcast().ok()?, settled, source: Source::Cached })
    }

    /// The log has this version now; a later one may be on its way already.
    fn settle(&self, key: &(&'static str, String), version: u64) {
        let _in_order = self.stripe(key).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cached) = self.states.get(key).filter(|cached| cached.version == version) {
            self.states.insert(key.clone(), Cached { settled: true, ..cached });
        }
    }

    /// Whether the log stands where the cached state says. One that is on its way is waited for, by an append of nothing behind it.
    async fn is_current<A: Decide>(&self, key: &(&'static str, String), known: &Known<A>, context: &CommandContext) -> Result<bool, LogError> {
        if known.settled {
            let newest = self.load::<A>(key, known.version, A::clone(&known.state)).await?;
            return Ok(newest.version == known.version);
        }
        let nothing = CommandContext { idempotency: None, subject_keys: Vec::new(), ..context.clone() };
        let arrived = self.log.append(append::<A>(&key.1, known.version, &[], &nothing)?).await?;
        if arrived == Appended::Stale {
            self.states.invalidate(key);
        }
        Ok(arrived != Appended::Stale)
    }

    async fn load<A: Decide>(&self, key: &(&'static str, String), after: u64, mut state: A) -> Result<Known<A>, LogError> {
        let mut version = after;
        for event in self.log.read_stream(key.0, &key.1, after).await? {
            version = event.version;
            let payload = serde_json::from_value(event.payload).map_err(|_| LogError::Unreadable { position: event.position })?;
            state.apply(payload);
        }
        let state = Arc::new(state);
        if version > after {
            let _in_order = self.stripe(key).lock().unwrap_or_else(PoisonError::into_inner);
            if self.states.get(key).is_none_or(|cached| cached.version < version) {
                self.states.insert(key.clone(), Cached { version, state: state.clone(), settled: true });
            }
        }
        Ok(Known { version, state, settled: true, source: Source::Loaded })
    }
}

fn append<A: Decide>(id: &str, version: u64, events: &[A::Event], context: &CommandContext) -> Result<Append, LogError> {
    let new = |event: &A::Event| {
        let payload = serde_json::to_string(event).map_err(|error| LogError::Other(error.to_string()))?;
        Ok(NewEvent { event_type: event.event_type(), event_version: event.event_version().parse().unwrap_or(1), payload })
    };
    Ok(Append {
        aggregate_type: A::TYPE,
        aggregate_id: id.to_owned(),
        expected_version: version,
        events: events.iter().map(new).collect::<Result<_, LogError>>()?,
        meta: context.meta.clone(),
        idempotency: context.idempotency.clone(),
        subject_keys: context.subject_keys.iter().map(SubjectKey::to_store).collect(),
    })
}

type Decided<A> = Result<(A, Option<Vec<<A as cqrs_es::Aggregate>::Event>>), CommandError<<A as cqrs_es::Aggregate>::Error>>;

/// The state after all commands and their events; no events at all is `None`.
fn decide<A: Decide>(state: &Arc<A>, version: u64, commands: &[A::Command], expected: Option<u64>) -> Decided<A>
where
    A::Command: Clone,
{
    let mut after = A::clone(state);
    let mut events = Vec::new();
    if expected.is_some_and(|expected| expected != version) {
        return Err(CommandError::Stale { current: version });
    }
    for command in commands {
        for event in after.decide(command.clone()).map_err(CommandError::Rejected)? {
            after.apply(event.clone());
            events.push(event);
        }
    }
    Ok((after, (!events.is_empty()).then_some(events)))
}
