//! The audit log: who did what, and the proofs that none of it has changed since.

use std::{fs, path::Path};

use serde_json::{Value, json};
use twig_tests::{Api, Server, eventually, log::damage, stores, twig};

use crate::{start, things};

fn events(server: &Server, api: &Api, query: &str) -> Vec<Value> {
    api.ok(server, "GET", &format!("/api/audit/events?limit=200{query}"), None, 200).as_array().unwrap().clone()
}

fn of_type(server: &Server, api: &Api, kind: &str) -> Vec<Value> {
    events(server, api, &format!("&type={kind}"))
}

fn change<'a>(event: &'a Value, path: &str) -> &'a Value {
    event["changes"].as_array().unwrap().iter().find(|change| change["path"] == path).map(|change| &change["to"]).unwrap()
}

fn verifier_key(server: &Server) -> String {
    server.cli(&["audit", "key"])["verifierKey"].as_str().unwrap().to_owned()
}

fn export(server: &Server, api: &Api, file: &Path) -> Value {
    server.cli(&["audit", "export", file.to_str().unwrap(), "--org", &api.org])
}

/// The exit status and the document of `twig audit verify`.
fn verify(server: &Server, file: &Path, key: &str) -> (bool, Value) {
    let out = twig(&server.folder, &["audit", "verify", file.to_str().unwrap(), "--key", key, "--json"]);
    (out.status.success(), serde_json::from_slice(&out.stdout).unwrap_or(Value::Null))
}

#[test]
fn refusals_exports_first_uses_and_acts_of_the_command_line_are_in_the_log() {
    let (_folder, server, api) = start();
    api.ok(&server, "GET", "/api/agents", None, 200);
    let used = of_type(&server, &api, "ApiKeyFirstUsed");
    assert_eq!((used.len(), &used[0]["actor"]["type"], &used[0]["action"]), (1, &json!("api_key"), &json!("api_key.first_used")));
    let issued = of_type(&server, &api, "ApiKeyIssued");
    assert_eq!((&issued[0]["actor"]["type"], &issued[0]["context"]["requestId"]), (&json!("user"), &json!("cli")));

    let reader = api.with_key(server.key(&api.org, "audit:read"));
    for _ in 0..5 {
        assert_eq!(reader.request(&server, "POST", "/api/agents", Some(&json!({"name": "x"}))).status(), 403);
    }
    let refused = eventually(|| Some(of_type(&server, &api, "RequestsRefused")).filter(|found| !found.is_empty()));
    assert!(refused.len() <= 2, "refusals are counted and not told one by one: {refused:?}");
    assert_eq!(change(&refused[0], "/refusal")["requiredScope"], "agents:write");
    assert_eq!((&refused[0]["target"]["type"], &refused[0]["actor"]["name"]), (&json!("api_key"), &json!("test")));

    let csv = api.http.get(format!("{}/api/interactions?userId=ada", server.url)).bearer_auth(&api.key).header("accept", "text/csv").send().unwrap();
    assert_eq!(csv.status(), 200);
    drop(csv.bytes());
    let exported = eventually(|| of_type(&server, &api, "DataExported").into_iter().next());
    assert_eq!((change(&exported, "/what"), change(&exported, "/filters")), (&json!("interactions"), &json!({"userId": "***"})));
}

#[test]
fn a_limit_that_refuses_is_told_with_the_count_of_its_minute() {
    let (_folder, mut server, api) = start();
    let org = server.cli(&["orgs", "create", "small", "--plan", "free", "--per-minute", "100000", "--per-day", "2"]);
    let org = org["id"].as_str().unwrap().to_owned();
    let small = Api { org: org.clone(), ..api.with_key(server.key(&org, "admin")) };
    let statuses: Vec<u16> = (0..9).map(|_| small.request(&server, "GET", "/api/agents", None).status().as_u16()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 7);
    // What is still being counted is recorded when the server ends.
    assert_eq!(server.stop(), 0);
    let file = server.folder.join("small.ndjson");
    export(&server, &small, &file);
    let lines: Vec<Value> = fs::read_to_string(&file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let refused: Vec<&Value> = lines.iter().filter(|line| line["type"] == "RequestsRefused").collect();
    let counted: u64 = refused.iter().map(|event| change(event, "/count").as_u64().unwrap()).sum();
    assert_eq!((counted, change(refused[0], "/refusal")), (7, &json!({"reason": "day_limit"})));
    assert!(refused.len() <= 4, "the first and the rest of each minute");
}

#[test]
fn an_event_is_proved_and_the_log_goes_on_from_every_size_it_had() {
    let (folder, server, api) = start();
    things(&server, &api);
    let key = verifier_key(&server);
    let newest = api.ok(&server, "GET", "/api/audit/checkpoint", None, 200);
    assert_eq!(newest["verifierKey"], key.as_str());
    let size = |checkpoint: &Value| checkpoint["checkpoint"].as_str().unwrap().lines().nth(1).unwrap().parse::<u64>().unwrap();
    let before = size(&newest);
    let file = folder.path().join("proof.json");
    for event in events(&server, &api, "") {
        let proof = api.ok(&server, "GET", &format!("/api/audit/events/{}/proof", event["id"].as_str().unwrap()), None, 200);
        assert_eq!(proof["leafHash"], event["hash"]);
        fs::write(&file, json!({"event": event, "proof": proof}).to_string()).unwrap();
        assert_eq!(verify(&server, &file, &key), (true, json!({"valid": true, "reason": null})));
    }
    api.ok(&server, "POST", "/api/agents", Some(&json!({"name": "later"})), 201);
    let event = of_type(&server, &api, "AgentCreated").remove(0);
    let proof = api.ok(&server, "GET", &format!("/api/audit/events/{}/proof", event["id"].as_str().unwrap()), None, 200);
    assert!(proof["treeSize"].as_u64().unwrap() > before, "an event that was not covered makes a new checkpoint");
    let now = size(&api.ok(&server, "GET", "/api/audit/checkpoint", None, 200));
    let consistency = api.ok(&server, "GET", &format!("/api/audit/consistency?from={before}&to={now}"), None, 200);
    assert!(!consistency["hashes"].as_array().unwrap().is_empty());
    for query in ["from=0&to=1", "from=2&to=1", "from=1", "from=1&to=1000000"] {
        assert_eq!(api.request(&server, "GET", &format!("/api/audit/consistency?{query}"), None).status(), 400, "{query}");
    }
    let stranger = server.organization("strangers");
    assert!(size(&stranger.ok(&server, "GET", "/api/audit/checkpoint", None, 200)) < before, "each organization has its own tree");
}

/// Changes the log behind the product's back, as somebody could who owns the database.
fn edit(server: &Server, statements: &str) {
    let unlock = if stores::on_files() {
        "DROP TRIGGER events_are_never_updated; DROP TRIGGER events_are_never_deleted;"
    } else {
        "DROP TRIGGER events_are_never_changed ON events;"
    };
    damage(&server.folder.join("events.db"), &format!("{unlock} {statements}"));
}

/// An expression over the event's text, whatever the column's type.
fn payload(expression: &str) -> String {
    if stores::on_files() { expression.replace("PAYLOAD", "payload") } else { format!("({})::json", expression.replace("PAYLOAD", "payload::text")) }
}

/// Takes the views away, so that they are made again from the log as it is now.
fn without_views(server: &Server) {
    if !stores::on_files() {
        let tables = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema AND tablename ~ '_v[0-9]+$'";
        let drop = format!("DO $$ DECLARE t text; BEGIN FOR t IN {tables} LOOP EXECUTE format('DROP TABLE %I', t); END LOOP; END $$;");
        return damage(&server.folder.join("views.db"), &format!("{drop} DELETE FROM projections; DELETE FROM feed_checkpoints;"));
    }
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(server.folder.join(format!("views.db{end}")));
    }
}

#[test]
fn an_export_is_checked_offline_and_a_byte_changed_in_the_events_table_is_named_by_its_position() {
    let (folder, mut server, api) = start();
    let owned = things(&server, &api);
    let (file, key) = (folder.path().join("log.ndjson"), verifier_key(&server));
    let exported = export(&server, &api, &file);
    let (valid, report) = verify(&server, &file, &key);
    assert!(valid, "{report}");
    assert_eq!(report["events"], exported["events"]);
    assert!(!verify(&server, &file, "twig.audit/00000000+00000000+AAAA").0, "another key");

    let position = events(&server, &api, &format!("&target={}", owned["agent"].as_str().unwrap()))[0]["position"].as_u64().unwrap();
    let byte = "substr(PAYLOAD, 1, length(PAYLOAD) - 12) || '#' || substr(PAYLOAD, length(PAYLOAD) - 10)";
    edit(&server, &format!("UPDATE events SET payload = {} WHERE position = {position};", payload(byte)));
    let named = |server: &Server| {
        export(server, &api, &file);
        let (valid, report) = verify(server, &file, &key);
        assert!(!valid);
        report["findings"].as_array().unwrap().iter().map(|finding| finding["position"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(named(&server), [position]);

    // Also when the views are made again from the log as it is now: what was signed stands beside the log.
    assert_eq!(server.stop(), 0);
    without_views(&server);
    assert_eq!(named(&server), [position]);
}

#[test]
fn events_taken_out_of_the_log_or_put_into_it_are_named() {
    let (folder, server, api) = start();
    let owned = things(&server, &api);
    let (file, key) = (folder.path().join("log.ndjson"), verifier_key(&server));
    export(&server, &api, &file);
    let position = events(&server, &api, &format!("&target={}", owned["agent"].as_str().unwrap()))[0]["position"].as_u64().unwrap();
    edit(&server, &format!("DELETE FROM events WHERE position = {position};"));
    export(&server, &api, &file);
    let (valid, report) = verify(&server, &file, &key);
    assert!(!valid);
    let finding = &report["findings"][0];
    assert_eq!(finding["position"], position);
    assert!(finding["reason"].as_str().unwrap().contains("gone from the log"), "{finding}");
}

#[test]
fn a_watch_remembers_and_cries_out_when_history_was_changed() {
    let (folder, mut server, api) = start();
    let owned = things(&server, &api);
    let state = folder.path().join("seen.json");
    let watch = |server: &Server| twig(&server.folder, &["audit", "watch", "--once", "--org", &api.org, "--state", state.to_str().unwrap()]);
    let calm = |server: &Server| {
        let out = watch(server);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    };
    calm(&server);
    api.ok(&server, "POST", "/api/agents", Some(&json!({"name": "later"})), 201);
    calm(&server);
    server.cli(&["audit", "key", "--rotate"]);
    api.ok(&server, "POST", "/api/agents", Some(&json!({"name": "after the new key"})), 201);
    calm(&server);

    // A whole new past: the log is edited, and everything that was signed is thrown away.
    assert_eq!(server.stop(), 0);
    let agent = owned["agent"].as_str().unwrap();
    let other = payload("replace(PAYLOAD, '\"a\"', '\"b\"')");
    edit(&server, &format!("UPDATE events SET payload = {other} WHERE aggregate_id = '{agent}'; DELETE FROM audit_checkpoints;"));
    without_views(&server);
    let out = watch(&server);
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success() && told.contains("HISTORY WAS CHANGED"), "{told}");
}
