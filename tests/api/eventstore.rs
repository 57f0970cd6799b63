//! The whole server on a log in EventStoreDB, or its protocol double: views, keys and contents in the data folder.

use serde_json::{Value, json};
use twig_tests::{Server, eventually, stores, twig};

use crate::text_spec;

#[test]
fn what_was_written_is_there_after_a_restart_and_after_a_rebuild() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    stores::on_eventstore(&data);
    let mut server = Server::start(&data, &[]);
    let api = server.organization("tests");
    let spec = text_spec(&server, &api, "Refund policy", "Refunds are granted within thirty days of purchase.");
    let create = |server: &Server| {
        let request = api.http.post(format!("{}/api/agents", server.url)).bearer_auth(&api.key).header("idempotency-key", "once");
        let answer = request.json(&json!({"name": "Ada", "dataSpecIds": [spec]})).send().unwrap();
        assert_eq!(answer.status(), 201);
        answer.json::<Value>().unwrap()["data"].clone()
    };
    let agent = create(&server);
    assert_eq!(create(&server), agent, "a repeated request makes nothing new");
    let asked = json!({"prompt": "Within how many days are refunds granted?", "agentId": agent["id"], "userId": "ada"});
    let answer = api.ok(&server, "POST", "/api/chat", Some(&asked), 200);
    assert!(answer.to_string().contains("thirty days"), "{answer}");
    let (of_agent, of_interaction) =
        (format!("/api/agents/{}", agent["id"].as_str().unwrap()), format!("/api/interactions/{}", answer["id"].as_str().unwrap()));
    let interaction = api.ok(&server, "GET", &of_interaction, None, 200);

    server.restart();
    assert_eq!(create(&server), agent, "nor does one that is repeated after a crash");
    assert_eq!((api.ok(&server, "GET", &of_agent, None, 200), api.ok(&server, "GET", &of_interaction, None, 200)), (agent.clone(), interaction.clone()));
    api.ok(&server, "PUT", &of_agent, Some(&json!({"name": "Bob"})), 200);

    server.kill();
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(data.join(format!("views.db{end}")));
    }
    server.restart();
    let renamed = eventually(|| Some(api.ok(&server, "GET", &of_agent, None, 200)).filter(|agent| agent["name"] == "Bob"));
    assert_eq!((renamed["id"].clone(), api.ok(&server, "GET", &of_interaction, None, 200)), (agent["id"].clone(), interaction));
    let told = String::from_utf8(twig(&data, &["doctor"]).stdout).unwrap();
    assert!(["events_url", "keys.db", "content.db", "views.db"].iter().all(|store| told.contains(&format!("ok    {store}"))), "{told}");
}

/// What a process that does not serve writes is noticed by the one that does.
#[test]
fn another_process_s_events_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    stores::on_eventstore(&data);
    let server = Server::start(&data, &[]);
    let api = server.organization("tests");
    let other = api.with_key(server.key(&api.org, "agents:read"));
    eventually(|| (other.request(&server, "GET", "/api/agents", None).status() == 200).then_some(()));
}
