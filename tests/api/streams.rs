//! Answers as they are given: clients that go away, come back, or are still there when the server is told to stop.

use std::{
    io::{BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::{Value, json};
use twig_tests::{
    Api, Server, eventually,
    model::{Model, WORDS},
    stores,
    stream::{Event, events},
};

use crate::text_spec;

struct Streaming {
    _folder: tempfile::TempDir,
    _model: Model,
    server: Server,
    api: Api,
    question: Value,
}

/// A server with an agent whose model takes its time.
fn streaming() -> Streaming {
    let (model, folder) = (Model::start(), tempfile::tempdir().unwrap());
    let server = Server::start(&folder.path().join("data"), &["--model-base-url", &model.url]);
    let api = server.organization("streams");
    let spec = text_spec(&server, &api, "Refund policy", "Refunds are granted within thirty days of purchase.");
    let agent = api.ok(&server, "POST", "/api/agents", Some(&json!({"name": "a", "model": "slow", "dataSpecIds": [spec]})), 201);
    let question = json!({"prompt": "Within how many days are refunds granted?", "agentId": agent["id"], "stream": true});
    Streaming { _folder: folder, _model: model, server, api, question }
}

impl Streaming {
    fn ask(&self) -> impl Iterator<Item = Event> + use<> {
        let answer = self.api.request(&self.server, "POST", "/api/chat", Some(&self.question));
        assert_eq!(answer.status(), 200);
        for (header, value) in [("content-type", "text/event-stream"), ("cache-control", "no-store"), ("x-accel-buffering", "no")] {
            assert!(answer.headers()[header].to_str().unwrap().starts_with(value), "{header}");
        }
        events(answer)
    }

    /// The stream from an event on.
    fn resume(&self, interaction: &str, last: &str) -> Vec<Event> {
        let url = format!("{}/api/interactions/{interaction}/stream", self.server.url);
        let answer = self.api.http.get(url).bearer_auth(&self.api.key).header("last-event-id", last).timeout(Duration::from_secs(30)).send().unwrap();
        assert_eq!(answer.status(), 200);
        events(answer).collect()
    }
}

/// What API §3 says of every stream that ended well; its interaction's id.
fn whole(events: &[Event]) -> String {
    let id = events[0].data["id"].as_str().unwrap();
    for (n, event) in events.iter().enumerate() {
        assert_eq!((&event.id, &event.data["sequenceNumber"], &event.data["type"]), (&format!("{id}:{n}"), &json!(n), &json!(event.name)));
    }
    let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    let (end, before) = names.split_last().unwrap();
    assert_eq!((&before[..2], *end), (&["message.created", "message.sources"][..], "message.completed"));
    assert!(before[2..].iter().all(|name| *name == "message.delta"), "{names:?}");
    let text: String = events[2..events.len() - 1].iter().map(|event| event.data["text"].as_str().unwrap()).collect();
    let completed = &events.last().unwrap().data;
    assert_eq!((&completed["response"], text), (&json!(Model::text()), Model::text()));
    assert_eq!(completed["sources"], events[1].data["sources"]);
    id.to_owned()
}

#[test]
fn a_stream_resumed_from_any_event_has_every_event_exactly_once() {
    let s = streaming();
    let mut stream = s.ask();
    let mut all: Vec<Event> = stream.by_ref().take(4).collect();
    let id = all[0].data["id"].as_str().unwrap().to_owned();
    // Beside the running answer, one from each event that is there.
    let followers: Vec<_> = std::thread::scope(|scope| {
        let followers: Vec<_> = all.iter().map(|event| scope.spawn(|| s.resume(&id, &event.id))).collect();
        followers.into_iter().map(|follower| follower.join().unwrap()).collect()
    });
    all.extend(stream);
    whole(&all);
    assert!(all.len() > WORDS / 2, "it came in pieces: {}", all.len());
    for (n, rest) in followers.iter().enumerate() {
        assert_eq!(rest[..], all[n + 1..], "from event {n}, during the answer");
    }
    for (n, event) in all.iter().enumerate() {
        assert_eq!(s.resume(&id, &event.id)[..], all[n + 1..], "from event {n}, after the answer");
    }
    assert_eq!(s.resume(&id, "")[..], all[..]);
}

#[test]
fn a_client_that_resets_its_connection_leaves_a_completed_interaction() {
    let s = streaming();
    let address = s.server.url.strip_prefix("http://").unwrap();
    let body = s.question.to_string();
    let mut client = TcpStream::connect(address).unwrap();
    let head = format!("POST /api/chat HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json", s.api.key);
    write!(client, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut read = String::new();
    let mut reader = BufReader::new(client.try_clone().unwrap());
    while !read.contains("event: message.delta") {
        let mut piece = [0; 512];
        let size = reader.read(&mut piece).unwrap();
        assert!(size > 0, "{read}");
        read.push_str(&String::from_utf8_lossy(&piece[..size]));
    }
    // RST, not FIN: nothing that is on its way arrives.
    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop((reader, client));

    let recorded = eventually(|| {
        let list = s.api.ok(&s.server, "GET", "/api/interactions", None, 200);
        Some(list[0].clone()).filter(|interaction| interaction["status"] != "started")
    });
    assert_eq!((&recorded["status"], &recorded["response"], &recorded["answered"]), (&json!("completed"), &json!(Model::text()), &json!(true)));
    assert_eq!(whole(&s.resume(recorded["id"].as_str().unwrap(), "")), recorded["id"]);
}

#[test]
fn a_client_that_goes_away_before_a_whole_answer_leaves_a_completed_interaction() {
    let s = streaming();
    let mut question = s.question.clone();
    question["stream"] = json!(false);
    let sent = s.api.http.post(format!("{}/api/chat", s.server.url)).bearer_auth(&s.api.key).json(&question).timeout(Duration::from_millis(600)).send();
    assert!(sent.is_err(), "the client did not wait");
    let recorded = eventually(|| {
        let list = s.api.ok(&s.server, "GET", "/api/interactions", None, 200);
        list.get(0).cloned().filter(|interaction| interaction["status"] != "started")
    });
    assert_eq!((&recorded["status"], &recorded["response"]), (&json!("completed"), &json!(Model::text())));
}

#[test]
fn a_server_told_to_stop_finishes_its_streams() {
    let mut s = streaming();
    let mut stream = s.ask();
    let mut all: Vec<Event> = stream.by_ref().take(3).collect();
    s.server.terminate();
    all.extend(stream);
    let id = whole(&all);
    assert_eq!(s.server.stop(), 0);
    s.server.restart();
    assert_eq!(s.api.ok(&s.server, "GET", &format!("/api/interactions/{id}"), None, 200)["status"], "completed");
    // What a process had at hand is gone with it: the answer is told whole. In a database, where other nodes resume it, it stands word by word.
    let again = s.resume(&id, "");
    assert_eq!((again.len(), whole(&again)), (if stores::on_files() { 4 } else { all.len() }, id));
}
