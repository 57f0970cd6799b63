//! UmaDB over gRPC: its server as its Python package carries it, and its calls by hand (`umadb.v1.DCB`), as far as load, decide and append need them.

use std::{path::Path, process::Command, time::Duration};

use http::uri::PathAndQuery;
use prost::Message;
use tokio::runtime::Handle;
use tonic::{Code, Request, Status, client::Grpc, codec::ProstCodec, transport::Channel};
use twig_bench::rounds::Contender;
use twig_domain::Decide;
use uuid::Uuid;

use crate::{
    chat::{begin, free_port},
    ledger::{Enter, Entered, Ledger, TYPE, meta},
    load::{self, Done, Load},
    postgres::AMOUNT,
    twig::python,
};

/// As `fetch` names it.
pub const VERSION: &str = "0.7.8";

/// HTTP/2 connections that the clients share.
const CONNECTIONS: usize = 8;
const CHECK_BATCH: u32 = 1000;
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(string, tag = "1")]
    event_type: String,
    #[prost(string, repeated, tag = "2")]
    tags: Vec<String>,
    #[prost(bytes = "vec", tag = "3")]
    data: Vec<u8>,
    #[prost(string, tag = "4")]
    uuid: String,
    #[prost(message, repeated, tag = "5")]
    metadata: Vec<MetadataEntry>,
}

#[derive(Clone, PartialEq, Message)]
struct MetadataEntry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct SequencedEvent {
    #[prost(uint64, tag = "1")]
    position: u64,
    #[prost(message, optional, tag = "2")]
    event: Option<Event>,
}

#[derive(Clone, PartialEq, Message)]
struct QueryItem {
    #[prost(string, repeated, tag = "1")]
    types: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    tags: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Query {
    #[prost(message, repeated, tag = "1")]
    items: Vec<QueryItem>,
}

#[derive(Clone, PartialEq, Message)]
struct AppendCondition {
    #[prost(message, optional, tag = "1")]
    fail_if_events_match: Option<Query>,
    #[prost(uint64, optional, tag = "2")]
    after: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct ReadRequest {
    #[prost(message, optional, tag = "1")]
    query: Option<Query>,
    #[prost(uint64, optional, tag = "2")]
    start: Option<u64>,
    #[prost(bool, optional, tag = "3")]
    backwards: Option<bool>,
    #[prost(uint32, optional, tag = "4")]
    limit: Option<u32>,
    #[prost(uint32, optional, tag = "6")]
    batch_size: Option<u32>,
}

#[derive(Clone, PartialEq, Message)]
struct ReadResponse {
    #[prost(message, repeated, tag = "1")]
    events: Vec<SequencedEvent>,
}

#[derive(Clone, PartialEq, Message)]
struct AppendRequest {
    #[prost(message, repeated, tag = "1")]
    events: Vec<Event>,
    #[prost(message, optional, tag = "2")]
    condition: Option<AppendCondition>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct AppendResponse {
    #[prost(uint64, tag = "1")]
    position: u64,
}

/// `None` where its package is not there.
pub fn umadb(runtime: Handle, load: Load, folder: &Path) -> Option<Contender> {
    let port = free_port();
    let mut command = Command::new(python()?.with_file_name("umadb"));
    command.args(["--listen", &format!("127.0.0.1:{port}"), "--db-path"]).arg(folder.join("uma.db"));
    let (server, url) = begin(command, port)?;
    let calls: Vec<Calls> = (0..CONNECTIONS).map(|_| runtime.block_on(Calls::to(&url))).collect::<Result<_, _>>().ok()?;
    let settings = format!(
        "its server as released (page size, cache and writer by default), each append synced, over gRPC; {CONNECTIONS} connections, a conflict is tried again at once"
    );
    Some(Contender::new("UmaDB", settings, move || {
        let _alive = &server;
        let (turns, shared) = (std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0)), calls.clone());
        let enter = move |stream: String| {
            let calls = shared[turns.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % CONNECTIONS].clone();
            async move { calls.enter(&stream).await }
        };
        let before = runtime.block_on(calls[0].clone().last()).map_or(0, |last| last.position);
        let done = runtime.block_on(load::run(load, enter));
        runtime.block_on(calls[0].clone().check(before, &done));
        done.measured(load.figure)
    }))
}

#[derive(Clone)]
struct Calls(Grpc<Channel>);

impl Calls {
    async fn to(url: &str) -> Result<Self, tonic::transport::Error> {
        let endpoint = Channel::from_shared(url.to_owned()).expect("it is a URL").connect_timeout(CONNECT_WITHIN).tcp_nodelay(true);
        Ok(Self(Grpc::new(endpoint.connect().await?)))
    }

    async fn enter(mut self, stream: &str) {
        let query = Query { items: vec![QueryItem { types: Vec::new(), tags: vec![stream.to_owned()] }] };
        loop {
            let last = self.read(ReadRequest { query: Some(query.clone()), backwards: Some(true), limit: Some(1), ..ReadRequest::default() }).await.unwrap();
            let (state, after) = match last.first() {
                Some(SequencedEvent { position, event: Some(event) }) => {
                    (Ledger { entries: serde_json::from_slice::<Entered>(&event.data).unwrap().number }, Some(*position))
                }
                _ => (Ledger::default(), None),
            };
            let entered = state.decide(Enter { amount: AMOUNT }).unwrap().remove(0);
            let condition = AppendCondition { fail_if_events_match: Some(query.clone()), after };
            match self.append(AppendRequest { events: vec![event(stream, &entered)], condition: Some(condition) }).await {
                Ok(_) => return,
                Err(status) if status.code() == Code::FailedPrecondition => {}
                Err(status) => panic!("{status}"),
            }
        }
    }

    async fn read(&mut self, request: ReadRequest) -> Result<Vec<SequencedEvent>, Status> {
        self.ready().await?;
        let path = PathAndQuery::from_static("/umadb.v1.DCB/Read");
        let mut answers = self.0.server_streaming(Request::new(request), path, ProstCodec::<_, ReadResponse>::default()).await?.into_inner();
        let mut events = Vec::new();
        while let Some(answer) = answers.message().await? {
            events.extend(answer.events);
        }
        Ok(events)
    }

    async fn append(&mut self, request: AppendRequest) -> Result<AppendResponse, Status> {
        self.ready().await?;
        let path = PathAndQuery::from_static("/umadb.v1.DCB/Append");
        Ok(self.0.unary(Request::new(request), path, ProstCodec::default()).await?.into_inner())
    }

    async fn ready(&mut self) -> Result<(), Status> {
        self.0.ready().await.map_err(|error| Status::unavailable(error.to_string()))
    }

    async fn last(mut self) -> Option<SequencedEvent> {
        self.read(ReadRequest { backwards: Some(true), limit: Some(1), ..ReadRequest::default() }).await.unwrap().pop()
    }

    /// As many events as were acknowledged, each the next of its stream.
    async fn check(mut self, before: u64, done: &Done) {
        let events = self.read(ReadRequest { start: Some(before + 1), batch_size: Some(CHECK_BATCH), ..ReadRequest::default() }).await.unwrap();
        assert_eq!(events.len() as u64, done.acknowledged, "acknowledged and stored");
        let mut streams = std::collections::HashMap::new();
        for event in events.into_iter().filter_map(|sequenced| sequenced.event) {
            let (number, entries) = (serde_json::from_slice::<Entered>(&event.data).unwrap().number, streams.entry(event.tags[0].clone()).or_insert(0));
            *entries += 1;
            assert_eq!(number, *entries, "numbered as it was decided");
        }
    }
}

fn event(stream: &str, entered: &Entered) -> Event {
    Event {
        event_type: format!("{TYPE}Entered"),
        tags: vec![stream.to_owned()],
        data: entered.json().into_bytes(),
        uuid: Uuid::now_v7().to_string(),
        metadata: vec![MetadataEntry { key: "meta".to_owned(), value: serde_json::to_string(&meta()).unwrap() }],
    }
}
