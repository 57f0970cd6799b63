//! The calls, by hand: what a generated server would be is as long as the whole double.
#![expect(clippy::result_large_err, reason = "tonic's own calls fail with a whole Status")]

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use futures_util::stream::{Iter, iter};
use regex::Regex;
use tokio::sync::watch;
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    codec::ProstCodec,
    codegen::Service,
    server::{ClientStreamingService, Grpc, NamedService, ServerStreamingService},
};

use crate::{
    protocol::{
        AllFrom, AppendContent, AppendReq, AppendResp, AppendResult, Count, Empty, Expected, Expression, FilterOn, FilterOption, Position, ReadContent,
        ReadEvent, ReadFrom, ReadOptions, ReadReq, ReadResp, RecordedEvent, Revision, StreamIdentifier, StreamNotFound, Success, Uuid, WrongExpectedVersion,
    },
    store::{Outcome, Record, Store},
};

type Work<T> = Pin<Box<dyn Future<Output = Result<T, Status>> + Send>>;
type Allowed = Box<dyn Fn(&Record) -> bool>;
type Answer = Iter<std::vec::IntoIter<Result<ReadResp, Status>>>;

#[derive(Clone)]
pub struct Streams {
    pub store: Arc<Mutex<Store>>,
    /// Whether answers of appends are held back.
    pub held: watch::Receiver<bool>,
}

impl NamedService for Streams {
    const NAME: &'static str = "event_store.client.streams.Streams";
}

impl Service<http::Request<Body>> for Streams {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let streams = self.clone();
        Box::pin(async move {
            Ok(match request.uri().path().rsplit('/').next() {
                Some("Read") => Grpc::new(ProstCodec::default()).server_streaming(streams, request).await,
                Some("Append") => Grpc::new(ProstCodec::default()).client_streaming(streams, request).await,
                _ => Status::unimplemented("the double does not know this call").into_http(),
            })
        })
    }
}

impl ServerStreamingService<ReadReq> for Streams {
    type Response = ReadResp;
    type ResponseStream = Answer;
    type Future = Work<Response<Answer>>;

    fn call(&mut self, request: Request<ReadReq>) -> Self::Future {
        let store = self.store.clone();
        Box::pin(async move { Ok(Response::new(iter(read(&store.lock().unwrap(), request.into_inner())?))) })
    }
}

impl ClientStreamingService<AppendReq> for Streams {
    type Response = AppendResp;
    type Future = Work<Response<AppendResp>>;

    fn call(&mut self, request: Request<Streaming<AppendReq>>) -> Self::Future {
        let mut streams = self.clone();
        Box::pin(async move {
            let answer = append(&streams.store, request.into_inner()).await?;
            streams.held.wait_for(|held| !held).await.map_err(|_| Status::unavailable("the double has ended"))?;
            Ok(Response::new(answer))
        })
    }
}

fn bad(told: &'static str) -> Status {
    Status::invalid_argument(told)
}

async fn append(store: &Mutex<Store>, mut request: Streaming<AppendReq>) -> Result<AppendResp, Status> {
    let Some(AppendContent::Options(options)) = request.message().await?.and_then(|message| message.content) else { return Err(bad("options come first")) };
    let (stream, expected) = (name(options.stream)?, options.expected.ok_or(bad("no expected revision"))?);
    let mut events = Vec::new();
    while let Some(message) = request.message().await? {
        let Some(AppendContent::Proposed(event)) = message.content else { return Err(bad("options come once")) };
        events.push((event.id.clone().and_then(Uuid::read).ok_or(bad("an event has no id"))?, event));
    }
    let result = match store.lock().unwrap().append(&stream, &expected, events) {
        Outcome::Written(revision, position) => AppendResult::Success(Success { current_revision: Some(revision), position: Some(Position::at(position)) }),
        Outcome::Wrong(current) => AppendResult::WrongExpectedVersion(wrong(current, &expected)),
    };
    Ok(AppendResp { result: Some(result) })
}

fn wrong(current: Option<u64>, expected: &Expected) -> WrongExpectedVersion {
    let expected_revision = if let Expected::Revision(revision) = expected { Some(*revision) } else { None };
    WrongExpectedVersion {
        current_revision: current,
        no_stream: current.is_none().then_some(Empty {}),
        expected_revision,
        expected_no_stream: expected_revision.is_none().then_some(Empty {}),
    }
}

fn name(stream: Option<StreamIdentifier>) -> Result<String, Status> {
    stream.and_then(|stream| String::from_utf8(stream.stream_name).ok()).ok_or(bad("no stream"))
}

fn read(store: &Store, request: ReadReq) -> Result<Vec<Result<ReadResp, Status>>, Status> {
    let options = request.options.ok_or(bad("no options"))?;
    let Some(Count::Events(count)) = options.count else { return Err(Status::unimplemented("the double has no subscriptions")) };
    let backwards = options.direction == 1;
    let places: Vec<usize> = match options.from.clone().ok_or(bad("no stream"))? {
        ReadFrom::All(all) => {
            let from = match all.from.ok_or(bad("no position"))? {
                AllFrom::Start(_) => 0,
                AllFrom::End(_) => store.records.len(),
                AllFrom::At(position) => store.place_of(position.commit).ok_or(bad("Trying to read from an invalid position."))?,
            };
            // Backwards a position is what comes behind the first that is read.
            if backwards { (0..from).rev().collect() } else { (from..store.records.len()).collect() }
        }
        ReadFrom::Stream(stream) => {
            let (name, revision) = (name(stream.stream)?, stream.revision.ok_or(bad("no revision"))?);
            let Some(places) = store.streams.get(&name) else {
                let stream = Some(StreamIdentifier { stream_name: name.into_bytes() });
                return Ok(vec![Ok(ReadResp { content: Some(ReadContent::StreamNotFound(StreamNotFound { stream })) })]);
            };
            match (revision, backwards) {
                (Revision::End(_), true) => places.iter().rev().copied().collect(),
                (Revision::At(revision), false) => places.iter().skip(revision as usize).copied().collect(),
                (Revision::Start(_), false) => places.clone(),
                _ => return Err(Status::unimplemented("the double does not read this way")),
            }
        }
    };
    let allowed = filter(&options)?;
    let records = places.into_iter().map(|place| &store.records[place]).filter(|record| allowed(record));
    Ok(records.take(usize::try_from(count).unwrap_or(usize::MAX)).map(|record| Ok(shown(record))).collect())
}

fn filter(options: &ReadOptions) -> Result<Allowed, Status> {
    let Some(FilterOption::Filter(filter)) = &options.filter else { return Ok(Box::new(|_| true)) };
    match filter.on.clone().ok_or(bad("a filter of nothing"))? {
        FilterOn::Stream(expression) => {
            let matches = matching(expression)?;
            Ok(Box::new(move |record| matches(&record.stream)))
        }
        FilterOn::EventType(expression) => {
            let matches = matching(expression)?;
            Ok(Box::new(move |record| matches(record.metadata.get("type").map_or("", String::as_str))))
        }
    }
}

fn matching(expression: Expression) -> Result<impl Fn(&str) -> bool, Status> {
    let regex = Regex::new(&expression.regex).map_err(|_| bad("the filter is no regular expression"))?;
    Ok(move |text: &str| match expression.prefix.as_slice() {
        [] => regex.is_match(text),
        prefixes => prefixes.iter().any(|prefix| text.starts_with(prefix)),
    })
}

fn shown(record: &Record) -> ReadResp {
    let event = RecordedEvent {
        id: Uuid::of(record.id),
        stream: Some(StreamIdentifier { stream_name: record.stream.clone().into_bytes() }),
        revision: record.revision,
        prepare: record.position,
        commit: record.position,
        metadata: record.metadata.clone(),
        custom_metadata: record.custom_metadata.clone(),
        data: record.data.clone(),
    };
    ReadResp { content: Some(ReadContent::Event(Box::new(ReadEvent { event: Some(event), commit_position: Some(record.position) }))) }
}
