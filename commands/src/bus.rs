//! The command bus: load, decide, append. A hot aggregate's state is kept by version; a lost race is decided again on what won.
//!
//! Invariant: a command runs on the runtime, not in its caller: a client that goes away cannot cut it in half.

use std::{any::Any, fmt::Display, sync::Arc};

use cqrs_es::DomainEvent;
use moka::sync::Cache;
use twig_domain::{Decide, EventMeta};

use crate::{
    idempotency::IdempotencyKey,
    log::{Append, Appended, EventLog, LogError, NewEvent},
    vault::SubjectKey,
};

const MAX_CACHED_STATES: u64 = 20_000;
const MAX_TRIES: usize = 64;

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

type Cached = (u64, Arc<dyn Any + Send + Sync>);

#[derive(Clone)]
pub struct CommandBus {
    log: EventLog,
    states: Cache<(&'static str, String), Cached>,
    runtime: tokio::runtime::Handle,
}

impl CommandBus {
    #[must_use]
    pub fn new(log: EventLog, runtime: tokio::runtime::Handle) -> Self {
        Self { log, states: Cache::new(MAX_CACHED_STATES), runtime }
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
        for _ in 0..MAX_TRIES {
            let cached = self.cached::<A>(&key);
            let from_cache = cached.is_some();
            let (version, state) = match cached {
                Some(known) => known,
                None => self.load::<A>(&key, 0, A::default()).await.map_err(CommandError::Unavailable)?,
            };
            let decided = decide(&state, version, &commands, context.expected_version);
            match decided {
                // What is refused or changes nothing is answered only on what the log says now.
                Err(_) | Ok((_, None)) if from_cache && self.refresh::<A>(&key, version, &state).await.map_err(CommandError::Unavailable)? => {}
                Err(error) => return Err(error),
                Ok((_, None)) => return Ok(Outcome { version, position: None, state, events: Vec::new() }),
                Ok((after, Some(events))) => match self.append::<A>(&key, version, &events, &context).await.map_err(CommandError::Unavailable)? {
                    Appended::At(position) => {
                        let (version, state) = (version + events.len() as u64, Arc::new(after));
                        self.states.insert(key, (version, state.clone()));
                        return Ok(Outcome { version, position: Some(position), state, events });
                    }
                    Appended::Stale => self.states.invalidate(&key),
                    Appended::IdempotencyTaken => return Err(CommandError::IdempotencyTaken),
                    Appended::SubjectKeyConflict => return Err(CommandError::SubjectKeyConflict),
                },
            }
        }
        Err(CommandError::Unavailable(LogError::Busy))
    }

    fn cached<A: Decide>(&self, key: &(&'static str, String)) -> Option<(u64, Arc<A>)> {
        let (version, state) = self.states.get(key)?;
        Some((version, state.downcast().ok()?))
    }

    async fn load<A: Decide>(&self, key: &(&'static str, String), after: u64, mut state: A) -> Result<(u64, Arc<A>), LogError> {
        let mut version = after;
        for event in self.log.read_stream(key.0, &key.1, after).await? {
            version = event.version;
            let payload = serde_json::from_value(event.payload).map_err(|_| LogError::Unreadable { position: event.position })?;
            state.apply(payload);
        }
        let state = Arc::new(state);
        if version > 0 {
            self.states.insert(key.clone(), (version, state.clone()));
        }
        Ok((version, state))
    }

    /// Whether the log has more of a stream than the cached state knew.
    async fn refresh<A: Decide>(&self, key: &(&'static str, String), version: u64, state: &Arc<A>) -> Result<bool, LogError> {
        let (newest, _) = self.load::<A>(key, version, A::clone(state)).await?;
        Ok(newest > version)
    }

    async fn append<A: Decide>(&self, key: &(&'static str, String), version: u64, events: &[A::Event], context: &CommandContext) -> Result<Appended, LogError> {
        let new = |event: &A::Event| {
            let payload = serde_json::to_string(event).map_err(|error| LogError::Other(error.to_string()))?;
            Ok(NewEvent { event_type: event.event_type(), event_version: event.event_version().parse().unwrap_or(1), payload })
        };
        let append = Append {
            aggregate_type: A::TYPE,
            aggregate_id: key.1.clone(),
            expected_version: version,
            events: events.iter().map(new).collect::<Result<_, LogError>>()?,
            meta: context.meta.clone(),
            idempotency: context.idempotency.clone(),
            subject_keys: context.subject_keys.iter().map(SubjectKey::to_store).collect(),
        };
        self.log.append(append).await
    }
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
