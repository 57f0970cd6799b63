//! How an audit log of many events is exported and checked: `cargo run --release -p twig-projections --example audit_scale -- FOLDER [EVENTS]`.
//!
//! Makes a log in FOLDER (or goes on with the one that is there), brings the audit view up to it, exports it and verifies the file, and prints what each
//! took and by how much the resident memory grew. The figures of docs/audit.md come from here.
#![expect(clippy::expect_used, reason = "a measurement, not a part of the product")]

use std::{
    fs::{self, File},
    io::{BufReader, BufWriter, Write},
    path::PathBuf,
    time::Instant,
};

use futures_util::{StreamExt, stream};
use twig_commands::{
    clock::Clock,
    ids::new_id,
    log::{Append, EventLog, NewEvent},
    vault::{MasterKey, Vault},
};
use twig_domain::{
    Actor, ActorKind, EventMeta,
    agent::{AgentEvent, AgentSettings},
    id::{AgentId, OrgId},
};
use twig_projections::{
    Projector, Views,
    audit::{Notary, verify},
};

const AT_ONCE: usize = 2048;

fn resident_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("a number") / 1024.0
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().expect("a folder"));
    let wanted: u64 = arguments.next().map_or(1_000_000, |count| count.parse().expect("a number of events"));
    fs::create_dir_all(&folder).expect("the folder can be made");
    let clock = Clock::system(0);
    let log = EventLog::open(&folder.join("events.db"), clock.clone()).expect("the log");
    let vault = Vault::open(log.database(), MasterKey::load_or_create(&folder.join("master.key")).expect("the key")).expect("the vault");
    let organization: OrgId = "org_01arz3ndektsv4rrffq69g5fav".parse().expect("an id");

    let (started, there) = (Instant::now(), log.head().await.expect("the head"));
    let appends = stream::iter(there..wanted).map(|_| log.append(agent_created(organization, &clock)));
    appends
        .buffer_unordered(AT_ONCE)
        .for_each(|appended| async {
            let _ = appended.expect("appended");
        })
        .await;
    println!("appended  {:>9} events in {:>6.1} s", wanted.saturating_sub(there), started.elapsed().as_secs_f64());

    let views = Views::open(&folder.join("views.db"), log.clone()).expect("the views");
    let started = Instant::now();
    Projector { log: log.clone(), vault: vault.clone(), views: views.clone() }.catch_up().await.expect("the views catch up");
    println!("folded                       in {:>6.1} s", started.elapsed().as_secs_f64());
    let notary = Notary::open(log, views, vault, clock).expect("the notary");
    let started = Instant::now();
    notary.checkpoint(organization).await.expect("a checkpoint");
    println!("signed                       in {:>6.1} s", started.elapsed().as_secs_f64());

    let (file, started, before) = (folder.join("audit.ndjson"), Instant::now(), resident_mib());
    let mut out = BufWriter::new(File::create(&file).expect("the file"));
    let (mut lines, mut peak) = (0u64, before);
    let exported = notary.export(organization, |line| {
        lines += 1;
        if lines.is_multiple_of(1000) {
            peak = peak.max(resident_mib());
        }
        out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n"))
    });
    let exported = exported.await.expect("the export");
    out.flush().expect("the file");
    let size_mib = fs::metadata(&file).expect("the file").len() as f64 / 1_048_576.0;
    println!(
        "exported  {:>9} events in {:>6.1} s, {size_mib:.0} MiB, at most {:.1} MiB more resident",
        exported.events,
        started.elapsed().as_secs_f64(),
        peak - before
    );

    let started = Instant::now();
    let report = verify(BufReader::with_capacity(1 << 20, File::open(&file).expect("the file")), &notary.verifier_key().expect("the key")).expect("a check");
    println!("verified  {:>9} events in {:>6.1} s, {} findings", report.events, started.elapsed().as_secs_f64(), report.findings.len());
    assert!(report.findings.is_empty() && report.events == exported.events);
}

fn agent_created(organization: OrgId, clock: &Clock) -> Append {
    let id: AgentId = new_id(clock.now());
    let event = AgentEvent::AgentCreated { organization, id, settings: Box::new(AgentSettings::named(format!("agent {id}"))) };
    let actor = Actor { kind: ActorKind::ApiKey, id: "key_01arz3ndektsv4rrffq69g5fav".into(), name: "scale".into() };
    let payload = serde_json::to_string(&event).expect("an event is JSON");
    Append {
        aggregate_type: "Agent",
        aggregate_id: id.to_string(),
        expected_version: 0,
        events: vec![NewEvent { event_type: event.name().to_owned(), event_version: event.shape_version(), payload }],
        meta: EventMeta {
            organization,
            actor,
            correlation_id: format!("req_{id}"),
            causation_id: None,
            ip: Some("192.0.2.7".into()),
            user_agent: Some("audit-scale/1".into()),
            traceparent: None,
        },
        idempotency: None,
        subject_keys: Vec::new(),
    }
}
