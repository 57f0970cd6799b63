//! The runner on a real log and a real view store.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use twig_commands::{
    clock::Clock,
    database::Session,
    log::{Append, Appended, EventLog, NewEvent, RecordedEvent},
    vault::{MasterKey, Vault},
};

use super::{id, meta, organization, plain};
use crate::{
    Projector, Views,
    fold::{Projection, Table},
    runner::fold_batch,
    store,
    views::{Tenant, ViewError},
};

struct Store {
    folder: tempfile::TempDir,
    projector: Projector,
}

impl Store {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let events = folder.path().join("events.db");
        let log = EventLog::open(&events, Clock::system(0)).unwrap();
        let vault = Vault::open(log.database(), MasterKey::load_or_create(&folder.path().join("master.key")).unwrap()).unwrap();
        let views = Views::open(&folder.path().join("views.db"), log.clone()).unwrap();
        Self { folder, projector: Projector { log, vault, views } }
    }

    async fn append(&self, aggregate_type: &'static str, aggregate_id: &str, expected_version: u64, payloads: &[Value]) -> u64 {
        let event = |payload: &Value| NewEvent { event_type: payload["type"].as_str().unwrap().into(), event_version: 1, payload: payload.to_string() };
        let events = payloads.iter().map(event).collect();
        let aggregate_id = aggregate_id.to_owned();
        let append = Append { aggregate_type, aggregate_id, expected_version, events, meta: meta(), idempotency: None, subject_keys: Vec::new() };
        match self.projector.log.append(append).await.unwrap() {
            Appended::At(position) => position,
            other => panic!("{other:?}"),
        }
    }

    async fn fill(&self) -> u64 {
        self.append("Organization", &id("org"), 0, &["OrganizationRegistered", "ApiKeyIssued", "ApiKeyRotated"].map(plain)).await;
        self.append("Agent", &id("agent"), 0, &["AgentCreated", "AgentUpdated"].map(plain)).await;
        self.append("DataSpec", &id("ds"), 0, &["DataSpecCreated", "FilesAdded", "ProcessingRequested", "ProcessingStarted"].map(plain)).await
    }

    fn agents(&self) -> (i64, i64) {
        let count = |sql: &str| self.projector.views.read_now(Tenant::All, |session, _| Ok(session.query_one(sql, &[])?.get(0)?)).unwrap();
        (count("SELECT count(*) FROM agents_v1"), count("SELECT position FROM projections WHERE name = 'agents' AND live = 1"))
    }
}

#[tokio::test]
async fn rows_and_checkpoint_are_one_transaction() {
    let store = Store::new();
    store.append("Agent", &id("agent"), 0, &[plain("AgentCreated")]).await;
    let events: Vec<Arc<RecordedEvent>> = store.projector.log.read(0, 10).await.unwrap().into_iter().map(Arc::new).collect();
    let fold = |commit: bool| {
        store.projector.views.database().write_now(|session| {
            fold_batch(session, Projection::Agents, 1, &events, &|_| None)?;
            if commit { Ok(()) } else { Err(ViewError::Other("stop".into())) }
        })
    };
    assert!(fold(false).is_err());
    assert_eq!(store.agents(), (0, 0));
    fold(true).unwrap();
    assert_eq!(store.agents(), (1, 1));
    fold(true).unwrap();
    assert_eq!(store.agents(), (1, 1), "what is at or below the checkpoint is not folded again");
}

#[tokio::test]
async fn a_poison_event_is_parked_and_the_feed_goes_on() {
    let store = Store::new();
    store.append("Agent", "agent_of_no_creation", 0, &[plain("AgentUpdated")]).await;
    store.append("Agent", "agent_of_another_shape", 0, &[json!({"type": "AgentCreated", "settings": 7})]).await;
    let head = store.append("Agent", &id("agent"), 0, &[plain("AgentCreated")]).await;
    store.projector.catch_up().await.unwrap();
    assert_eq!(store.agents(), (1, head as i64));
    let dead: Vec<(String, u64)> = store.projector.views.status().await.unwrap().into_iter().map(|status| (status.name, status.dead_events)).collect();
    assert!(dead.contains(&("agents".into(), 2)), "{dead:?}");
}

#[tokio::test]
async fn a_store_in_trouble_parks_nothing_and_the_batch_is_folded_later() {
    let store = Store::new();
    let head = store.fill().await;
    let break_it = |sql: &str| store.projector.views.database().write_now(|session| session.batch(sql)).unwrap();
    break_it("ALTER TABLE agents_v1 RENAME TO away");
    assert!(store.projector.catch_up().await.is_err());
    break_it("ALTER TABLE away RENAME TO agents_v1");
    store.projector.catch_up().await.unwrap();
    assert_eq!(store.agents(), (1, head as i64));
    assert!(store.projector.views.status().await.unwrap().iter().all(|status| status.dead_events == 0 && status.position == head));
}

#[tokio::test]
async fn a_rebuild_beside_live_writes_ends_equal_row_for_row() {
    let store = Store::new();
    store.fill().await;
    store.projector.catch_up().await.unwrap();
    let (views, vault) = (&store.projector.views, &store.projector.vault);
    for projection in Projection::ALL {
        views.rebuild(projection.name(), vault.clone(), |_, _| {}).await.unwrap();
    }
    store.append("Agent", &id("agent"), 2, &[plain("AgentDeleted")]).await;
    store.append("DataSpec", &id("ds"), 4, &[plain("ProcessingCompleted")]).await;
    store.projector.catch_up().await.unwrap();
    assert_eq!(views.differing_rows("agents", vault.clone()).await.unwrap(), 0, "the rebuilt version, which was behind, follows");
    for projection in Projection::ALL {
        let switched = views.switch(projection.name(), vault.clone()).await.unwrap();
        assert_eq!((switched, views.differing_rows(projection.name(), vault.clone()).await.unwrap()), (2, 0), "{}", projection.name());
        assert_eq!(views.drop_rebuilt(projection.name()).await.unwrap(), 1);
    }
    views.rebuild("agents", vault.clone(), |_, _| {}).await.unwrap();
    let damage = |session: &mut Session| Ok(session.execute("UPDATE agents_v2 SET body = '{}'", &[])?);
    let damaged = views.change(damage).await.unwrap();
    assert_eq!((damaged, views.differing_rows("agents", vault.clone()).await.unwrap()), (1, 2), "the row is another in each");
    assert!(views.agent_is_there());
}

impl Views {
    fn agent_is_there(&self) -> bool {
        self.read_now(Tenant::Of(organization()), |session, live| {
            let version = live[&Projection::Agents];
            Ok(store::read(session, Table::Agents, version, organization(), &id("agent"))?.is_some())
        })
        .unwrap()
    }
}

#[tokio::test]
async fn a_damaged_view_file_is_begun_anew_from_the_log() {
    let store = Store::new();
    let head = store.fill().await;
    store.projector.catch_up().await.unwrap();
    let file = store.folder.path().join("other.db");
    std::fs::write(&file, b"this is no database, and long enough to be seen as none").unwrap();
    let views = Views::open(&file, store.projector.log.clone()).unwrap();
    let projector = Projector { views: views.clone(), ..store.projector.clone() };
    projector.catch_up().await.unwrap();
    assert_eq!((views.position(), views.agent_is_there()), (head, true));
}

#[tokio::test]
async fn a_wait_for_own_writes_is_bounded() {
    let store = Store::new();
    let head = store.append("Agent", &id("agent"), 0, &[plain("AgentCreated")]).await;
    let views = store.projector.views.clone();
    assert!(!views.wait_for(head, Duration::from_millis(20)).await, "nothing folds yet");
    let waiting = tokio::spawn(async move { views.wait_for(head, Duration::from_secs(10)).await });
    store.projector.catch_up().await.unwrap();
    assert!(waiting.await.unwrap());
}

#[tokio::test]
async fn words_do_not_seem_erased_when_the_store_of_keys_fails() {
    let store = Store::new();
    store.append("Interaction", &id("int"), 0, &[plain("InteractionStarted")]).await;
    let events = rusqlite::Connection::open(store.folder.path().join("events.db")).unwrap();
    events.execute_batch("ALTER TABLE subject_keys RENAME TO away").unwrap();
    assert!(store.projector.catch_up().await.is_err());
    assert_eq!(store.projector.views.checkpoint().await.unwrap(), 0);
    events.execute_batch("ALTER TABLE away RENAME TO subject_keys").unwrap();
    store.projector.catch_up().await.unwrap();
    assert_eq!(store.projector.views.checkpoint().await.unwrap(), 1);
}
