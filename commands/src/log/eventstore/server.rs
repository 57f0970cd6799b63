//! What is asked of the server, and how its answers and failures are read.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use kurrentdb::{
    AppendToStreamOptions, Client, ClientSettings, Error, EventData, Position, ReadAllOptions, ReadStreamOptions, RecordedEvent as Raw, StreamPosition,
    StreamState, SubscriptionFilter,
};
use twig_domain::id::{EventId, Identifier};

use super::events::{Names, is_ours, recorded};
use crate::log::{LogError, RecordedEvent};

/// How long one try of an append may take. The server is told, and does not begin it later.
pub(super) const APPEND_TIMEOUT: Duration = Duration::from_secs(5);
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_PAGE_EVENTS: usize = 4096;
/// gRPC's status codes, as far as they decide something.
const CANCELLED: i32 = 1;
const INVALID_ARGUMENT: i32 = 3;
const RESOURCE_EXHAUSTED: i32 = 8;
const ABORTED: i32 = 10;

/// Why the server did not do what it was asked.
#[derive(Debug)]
pub(super) enum Failure {
    WrongExpectedVersion,
    NoSuchStream,
    /// No event begins at the position that was to be read from.
    NoSuchPosition,
    Log(LogError),
}

impl From<Failure> for LogError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::WrongExpectedVersion => Self::Other("the stream is at another revision".into()),
            Failure::NoSuchStream => Self::Other("the stream is not there".into()),
            Failure::NoSuchPosition => Self::Other("no event begins at this position".into()),
            Failure::Log(error) => error,
        }
    }
}

pub(super) struct Server {
    settings: ClientSettings,
    pub(super) names: Names,
    /// One that could not find its server at all never answers again: it is made anew.
    client: Mutex<Option<Client>>,
}

impl Server {
    /// `esdb://…`, `kurrentdb://…`; what stands behind a `#` sets this log's streams apart from others on the same server.
    pub(super) fn of(url: &str) -> Result<Self, LogError> {
        let (url, name) = url.split_once('#').map_or((url, None), |(url, name)| (url, Some(name)));
        // Its error shows the URL, which may hold a password.
        let settings = url.parse().map_err(|_| LogError::Other("the address is not valid: esdb://USER:PASSWORD@HOST:PORT".into()))?;
        Ok(Self { settings, names: Names::of(name)?, client: Mutex::default() })
    }

    fn client(&self) -> Result<Client, Failure> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        let made = Client::new(self.settings.clone()).map_err(|error| Failure::Log(LogError::Unavailable(error.to_string())))?;
        Ok(client.insert(made).clone())
    }

    async fn within<T>(&self, limit: Duration, question: impl Future<Output = Result<T, Error>> + Send) -> Result<T, Failure> {
        let answer = tokio::time::timeout(limit, question).await;
        if matches!(&answer, Ok(Err(Error::ConnectionClosed | Error::GrpcConnectionError(_)))) {
            *self.client.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        answer.map_err(|_| Failure::Log(LogError::Unavailable("no answer in time".into())))?.map_err(failure)
    }

    /// Appends events whole or not at all, once: the position of the last.
    pub(super) async fn append(&self, stream: &str, expected_version: u64, events: Vec<EventData>) -> Result<u64, Failure> {
        let state = expected_version.checked_sub(1).map_or(StreamState::NoStream, StreamState::StreamRevision);
        let options = AppendToStreamOptions::default().stream_state(state).requires_leader(true).deadline(APPEND_TIMEOUT);
        let client = self.client()?;
        let written = self.within(APPEND_TIMEOUT, client.append_to_stream(stream, &options, events)).await?;
        Ok(written.position.commit)
    }

    /// Where an event stands, by its id, if it is this version of the stream.
    pub(super) async fn position_of(&self, stream: &str, version: u64, id: EventId) -> Result<Option<u64>, LogError> {
        let events = self.stream(stream, ReadStreamOptions::default().position(StreamPosition::Position(version - 1)).max_count(1)).await?;
        Ok(events.first().filter(|event| event.revision + 1 == version && event.id == id.uuid()).map(|event| event.position.commit))
    }

    /// The version that a stream is at, and the position of its last event; zeros where there is none.
    pub(super) async fn version_of(&self, stream: &str) -> Result<(u64, u64), LogError> {
        let options = ReadStreamOptions::default().backwards().position(StreamPosition::End).max_count(1);
        let events = self.stream(stream, options).await?;
        Ok(events.first().map_or((0, 0), |event| (event.revision + 1, event.position.commit)))
    }

    pub(super) async fn read_stream(&self, aggregate_type: &str, aggregate_id: &str, after_version: u64) -> Result<Vec<RecordedEvent>, LogError> {
        let options = ReadStreamOptions::default().position(StreamPosition::Position(after_version));
        let events = self.stream(&self.names.stream(aggregate_type, aggregate_id), options).await?;
        events.iter().map(|event| recorded(&self.names, event)).collect()
    }

    async fn stream(&self, stream: &str, options: ReadStreamOptions) -> Result<Vec<Raw>, LogError> {
        let (client, options) = (self.client()?, options.requires_leader(true));
        let read = async {
            let (mut answer, mut events) = (client.read_stream(stream, &options).await?, Vec::new());
            while let Some(event) = answer.next().await? {
                events.extend(event.event);
            }
            Ok(events)
        };
        match self.within(READ_TIMEOUT, read).await {
            Err(Failure::NoSuchStream) => Ok(Vec::new()),
            read => Ok(read?),
        }
    }

    /// This log's events after a position, in position order.
    pub(super) async fn read(&self, after: u64, limit: usize) -> Result<Vec<RecordedEvent>, LogError> {
        let (mut events, mut at, mut more) = (Vec::new(), after, true);
        while more && events.len() < limit {
            let page;
            (page, more) = self.page(at, (limit - events.len()).min(MAX_PAGE_EVENTS)).await?;
            for event in page {
                at = event.position.commit;
                if events.len() < limit && is_ours(&self.names, &event) {
                    events.push(recorded(&self.names, &event)?);
                }
            }
        }
        Ok(events)
    }

    pub(super) async fn at(&self, position: u64) -> Result<Option<RecordedEvent>, LogError> {
        match self.page_from(position, 1).await {
            Err(Failure::NoSuchPosition) => Ok(None),
            read => read?
                .iter()
                .find(|event| event.position.commit == position && is_ours(&self.names, event))
                .map(|event| recorded(&self.names, event))
                .transpose(),
        }
    }

    /// The position of the newest event.
    pub(super) async fn newest(&self) -> Result<u64, LogError> {
        let options = ReadAllOptions::default().backwards().position(StreamPosition::End);
        let events = self.all(options, |event| is_ours(&self.names, event)).await?;
        Ok(events.last().filter(|event| is_ours(&self.names, event)).map_or(0, |event| event.position.commit))
    }

    /// The position of the newest event, of which all up to `known` are.
    pub(super) async fn newest_after(&self, known: u64) -> Result<u64, LogError> {
        let (mut newest, mut at, mut more) = (known, known, true);
        while more {
            let page;
            (page, more) = self.page(at, MAX_PAGE_EVENTS).await?;
            at = page.last().map_or(at, |event| event.position.commit);
            newest = page.iter().rev().find(|event| is_ours(&self.names, event)).map_or(newest, |event| event.position.commit);
        }
        Ok(newest)
    }

    /// About `count` events behind a position, and whether there may be more.
    async fn page(&self, after: u64, count: usize) -> Result<(Vec<Raw>, bool), LogError> {
        // A read begins with the event at its position, which has been seen. What begins at `p` may be asked for as being after `p - 1`, where none does.
        for from in [after, after + 1] {
            match self.page_from(from, count + 1).await {
                Ok(mut page) => {
                    let more = page.len() > count;
                    page.retain(|event| event.position.commit > after);
                    return Ok((page, more));
                }
                Err(Failure::NoSuchPosition) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.searched(after).await
    }

    async fn page_from(&self, from: u64, count: usize) -> Result<Vec<Raw>, Failure> {
        let place = if from == 0 { StreamPosition::Start } else { StreamPosition::Position(Position { commit: from, prepare: from }) };
        self.all(ReadAllOptions::default().position(place).max_count(count), |_| false).await
    }

    /// What is behind a position of somebody's own making (a replay may be asked for from any): the log is looked through for it, once.
    async fn searched(&self, after: u64) -> Result<(Vec<Raw>, bool), LogError> {
        let mut at = 0;
        loop {
            let mut page = self.page_from(at, MAX_PAGE_EVENTS).await?;
            let more = page.len() == MAX_PAGE_EVENTS;
            at = page.last().map_or(at, |event| event.position.commit);
            page.retain(|event| event.position.commit > after);
            if !more || !page.is_empty() {
                return Ok((page, more));
            }
        }
    }

    /// Events of `$all` but for the server's own, up to the first that is `enough`.
    async fn all(&self, options: ReadAllOptions, enough: impl Fn(&Raw) -> bool + Send + Sync) -> Result<Vec<Raw>, Failure> {
        let filter = SubscriptionFilter::on_stream_name();
        let filter = if self.names.prefix().is_empty() { filter.exclude_system_events() } else { filter.add_prefix(self.names.prefix()) };
        let (client, options) = (self.client()?, options.filter(filter).requires_leader(true));
        let read = async {
            let (mut answer, mut events) = (client.read_all(&options).await?, Vec::new());
            while let Some(event) = answer.next().await? {
                events.extend(event.event);
                if events.last().is_some_and(&enough) {
                    break;
                }
            }
            Ok(events)
        };
        self.within(READ_TIMEOUT, read).await
    }
}

fn failure(error: Error) -> Failure {
    let log = match error {
        Error::WrongExpectedVersion { .. } => return Failure::WrongExpectedVersion,
        Error::ResourceNotFound => return Failure::NoSuchStream,
        Error::Grpc { code, message } => match code as i32 {
            INVALID_ARGUMENT if message.contains("invalid position") => return Failure::NoSuchPosition,
            CANCELLED | RESOURCE_EXHAUSTED | ABORTED => LogError::Unavailable(message),
            code => LogError::Other(format!("status {code}: {message}")),
        },
        Error::ServerError(told) => LogError::Unavailable(told),
        Error::ConnectionClosed | Error::GrpcConnectionError(_) | Error::NotLeaderException(_) | Error::DeadlineExceeded => {
            LogError::Unavailable(error.to_string())
        }
        Error::AccessDenied => LogError::Other("access was denied: the user of the address must be allowed to append and to read $all".into()),
        other => LogError::Other(other.to_string()),
    };
    Failure::Log(log)
}
