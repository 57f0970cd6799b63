//! The vault beside the log: sealed words open while their subject's key is there, and never again when it is destroyed.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{os::unix::fs::PermissionsExt, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use twig_commands::{
    bus::{CommandBus, CommandContext, CommandError},
    clock::Clock,
    database::StoreError,
    ids::{new_id, random_bytes},
    log::EventLog,
    vault::{MasterKey, Subject, SubjectKey, Vault, VaultError},
};
use twig_domain::{
    Actor, EventMeta, Sealed, Timestamp,
    agent::RagStrategy,
    id::{InteractionId, OrgId},
    interaction::{Failure, Interaction, InteractionCommand, InteractionError, Origin, Question},
};

struct Store {
    folder: tempfile::TempDir,
    log: EventLog,
    bus: CommandBus,
    organization: OrgId,
}

impl Store {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = EventLog::open(&folder.path().join("events.db"), Clock::system(0)).unwrap();
        let bus = CommandBus::new(log.clone(), tokio::runtime::Handle::current());
        Self { folder, log, bus, organization: new_id(Timestamp::from_millis(1)) }
    }

    fn vault(&self) -> Vault {
        open_vault(self.folder.path()).unwrap()
    }

    /// Records a question whose words are sealed with `key`.
    async fn ask(&self, key: &SubjectKey, prompt: &str) -> Result<Sealed, CommandError<InteractionError>> {
        let sealed = key.seal(prompt);
        let (id, now) = (new_id(Timestamp::from_millis(1)), Timestamp::from_millis(1));
        let question = Question {
            agent_id: new_id(now),
            agent_version: 1,
            session_id: "s".into(),
            prompt: sealed.clone(),
            user_id: None,
            metadata: None,
            model: "extractive".into(),
            rag_strategy: RagStrategy::Redwood,
            origin: Origin::Api,
            asked_at: None,
            external_id: None,
        };
        let start = InteractionCommand::StartInteraction { organization: self.organization, id, question: Box::new(question) };
        let failure = Failure { code: "unavailable".into(), message: "m".into(), latency_ms: 0 };
        let commands = vec![start, InteractionCommand::FailInteraction { failure }];
        let meta = EventMeta {
            organization: self.organization,
            actor: Actor::system("test"),
            correlation_id: "c".into(),
            causation_id: None,
            ip: None,
            user_agent: None,
            traceparent: None,
        };
        let context = CommandContext { subject_keys: vec![key.clone()], ..CommandContext::of(meta) };
        self.bus.execute::<Interaction>(id, commands, context).await.map(|_| sealed)
    }
}

fn open_vault(folder: &Path) -> Result<Vault, VaultError> {
    let log = EventLog::open(&folder.join("events.db"), Clock::system(0)).map_err(|error| StoreError::Other(error.to_string()))?;
    Vault::open(log.database(), MasterKey::load_or_create(&folder.join("master.key"))?)
}

/// What is said is said in something.
fn thing(n: u128) -> InteractionId {
    InteractionId::from(uuid::Uuid::from_u128(n))
}

fn ada() -> Subject {
    Subject::User("ada.lovelace".into())
}

#[tokio::test]
async fn sealed_words_open_for_whoever_has_the_master_key() {
    let store = Store::new();
    let vault = store.vault();
    let key = vault.subject(store.organization, ada(), thing(1)).await.unwrap();
    let sealed = store.ask(&key, "what is my salary?").await.unwrap();
    assert_eq!(vault.open_text(&sealed).unwrap().as_deref(), Some("what is my salary?"));
    assert_eq!(store.vault().open_text(&sealed).unwrap().as_deref(), Some("what is my salary?"), "after a restart");
    let log = std::fs::read(store.folder.path().join("events.db")).unwrap();
    let wal = std::fs::read(store.folder.path().join("events.db-wal")).unwrap();
    for clear in [&b"salary"[..], b"lovelace"] {
        assert!([&log, &wal].iter().all(|file| file.windows(clear.len()).all(|window| window != clear)), "no personal text stands in the clear");
    }
}

#[tokio::test]
async fn an_erased_subject_is_unreadable_while_the_log_still_reads() {
    let store = Store::new();
    let vault = store.vault();
    let bob = vault.subject(store.organization, Subject::User("bob".into()), thing(2)).await.unwrap();
    let key = vault.subject(store.organization, ada(), thing(1)).await.unwrap();
    let (mine, his) = (store.ask(&key, "mine").await.unwrap(), store.ask(&bob, "his").await.unwrap());
    let before = store.log.read(0, 100).await.unwrap();

    assert!(vault.destroy(&vault.subject_name(store.organization, &ada())).unwrap());
    assert!(!vault.destroy(&vault.subject_name(store.organization, &ada())).unwrap(), "there is nothing left to destroy");
    for vault in [&vault, &store.vault()] {
        assert_eq!((vault.open_text(&mine).unwrap(), vault.open_text(&his).unwrap().as_deref()), (None, Some("his")));
    }
    assert_eq!(store.log.read(0, 100).await.unwrap(), before, "no event has changed");

    let again = vault.subject(store.organization, ada(), thing(3)).await.unwrap();
    let new = store.ask(&again, "new").await.unwrap();
    assert_eq!((vault.open_text(&new).unwrap().as_deref(), vault.open_text(&mine).is_ok_and(|text| text.is_some())), (Some("new"), false));
}

#[tokio::test]
async fn one_thing_is_erased_among_others_of_the_same_subject() {
    let store = Store::new();
    let vault = store.vault();
    let mut said = Vec::new();
    for n in 1..=3 {
        let key = vault.subject(store.organization, ada(), thing(n)).await.unwrap();
        said.push(store.ask(&key, &format!("word {n}")).await.unwrap());
    }
    let held = vault.subject(store.organization, ada(), thing(1)).await.unwrap();
    let name = vault.subject_name(store.organization, &ada());
    assert!(vault.puncture(&name, thing(2)).unwrap());
    assert!(!vault.puncture(&name, thing(2)).unwrap(), "there is nothing left to destroy");
    for vault in [&vault, &store.vault()] {
        let read: Vec<bool> = said.iter().map(|sealed| vault.open_text(sealed).unwrap().is_some()).collect();
        assert_eq!(read, [true, false, true]);
    }
    assert!(matches!(vault.subject(store.organization, ada(), thing(2)).await, Err(VaultError::Erased)), "it takes no new words");
    assert!(matches!(store.ask(&held, "late").await, Err(CommandError::SubjectKeyConflict)), "the key as it was does not come back");
    let key = vault.key_of(&said[0]).unwrap().unwrap();
    assert_eq!(vault.open_text(&key.seal("more")).unwrap().as_deref(), Some("more"));
    assert!(vault.key_of(&said[1]).unwrap().is_none());
}

#[tokio::test]
async fn a_destroyed_key_does_not_come_back_with_an_answer_that_was_under_way() {
    let store = Store::new();
    let vault = store.vault();
    let held = vault.subject(store.organization, ada(), thing(3)).await.unwrap();
    let sealed = store.ask(&held, "mine").await.unwrap();
    vault.destroy(&vault.subject_name(store.organization, &ada())).unwrap();
    assert!(matches!(store.ask(&held, "late").await, Err(CommandError::SubjectKeyConflict)));
    assert_eq!(store.vault().open_text(&sealed).unwrap(), None);
}

#[tokio::test]
async fn two_that_make_a_key_for_one_subject_end_with_one() {
    let store = Store::new();
    let (one, other) = (store.vault(), store.vault());
    let (first, second) = (one.subject(store.organization, ada(), thing(1)).await.unwrap(), other.subject(store.organization, ada(), thing(1)).await.unwrap());
    store.ask(&first, "first").await.unwrap();
    assert!(matches!(store.ask(&second, "second").await, Err(CommandError::SubjectKeyConflict)));
    other.forget(&second);
    let second = other.subject(store.organization, ada(), thing(1)).await.unwrap();
    let sealed = store.ask(&second, "second").await.unwrap();
    assert_eq!(one.open_text(&sealed).unwrap().as_deref(), Some("second"));
}

#[tokio::test]
async fn the_master_key_file_is_its_owners_alone_and_another_key_is_refused() {
    let store = Store::new();
    drop(store.vault());
    let file = store.folder.path().join("master.key");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let other = MasterKey::from_base64(&STANDARD.encode(random_bytes::<32>())).unwrap();
    assert!(matches!(Vault::open(store.log.database(), other), Err(VaultError::WrongMasterKey)));
    assert!(matches!(MasterKey::from_base64("c2hvcnQ="), Err(VaultError::Malformed)));
}

#[tokio::test]
async fn a_secret_opens_for_its_organization_alone() {
    let store = Store::new();
    let (vault, other) = (store.vault(), new_id(Timestamp::from_millis(2)));
    let sealed = vault.seal_secret(store.organization, "hush");
    assert_eq!((vault.open_secret(store.organization, &sealed).as_deref(), vault.open_secret(other, &sealed)), (Some("hush"), None));
}
