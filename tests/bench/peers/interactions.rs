//! Interactions in bulk, by the command bus: asked over sixty days, answered with sources, their words sealed.

use std::ops::Range;

use futures_util::StreamExt;
use serde_json::{Value, json};
use twig_commands::{
    bus::{CommandBus, CommandContext},
    clock::Clock,
    ids::new_id,
    vault::{Subject, Vault},
};
use twig_domain::{
    EventMeta, Timestamp,
    id::{AgentId, InteractionId},
    interaction::{Answer, Interaction, InteractionCommand, Question},
};
use uuid::Uuid;

pub const DAYS: u64 = 60;
pub const AGENTS: u64 = 10;
const DAY_MS: u64 = 86_400_000;
const USERS: u64 = 5000;
const WORDINGS: u64 = 2000;
const DOCUMENTS: u64 = 1000;
const IN_FLIGHT: usize = 512;

/// A number that looks random, of another number and a purpose (SplitMix64).
pub fn random(number: u64, purpose: u64) -> u64 {
    let mut x = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(purpose.wrapping_mul(0xbf58_476d_1ce4_e5b9));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Adds the interactions of these numbers, two events each.
pub async fn fill(bus: &CommandBus, vault: &Vault, meta: &EventMeta, numbers: Range<u64>) {
    let begin = Clock::system(0).now().millis() as u64 - DAYS * DAY_MS;
    let asked = numbers.map(|number| {
        let (bus, vault, meta) = (bus.clone(), vault.clone(), meta.clone());
        tokio::spawn(async move { add(&bus, &vault, meta, number, begin + random(number, 1) % (DAYS * DAY_MS)).await })
    });
    futures_util::stream::iter(asked).buffer_unordered(IN_FLIGHT).for_each(|added| async { added.unwrap() }).await;
}

async fn add(bus: &CommandBus, vault: &Vault, meta: EventMeta, number: u64, at: u64) {
    let id: InteractionId = new_id(Timestamp::from_millis(at as i64));
    let user = format!("user {}", random(number, 2) % USERS);
    let key = vault.subject(meta.organization, Subject::User(user.clone()), id).await.unwrap();
    let agent = AgentId::from(Uuid::from_u128(u128::from(1 + random(number, 3) % AGENTS)));
    let question: Question = serde_json::from_value(json!({
        "agentId": agent, "agentVersion": 1, "sessionId": format!("session {}", number / 3), "prompt": key.seal(&format!("What is number {}?", random(number, 4) % WORDINGS)),
        "userId": key.seal(&user), "metadata": null, "model": "extractive", "ragStrategy": "redwood", "origin": "import", "askedAt": Timestamp::from_millis(at as i64),
    }))
    .unwrap();
    let answered = !random(number, 5).is_multiple_of(10);
    let sources: Vec<Value> = if answered { (0..3).map(|place| source(place, random(number, 10 + place) % DOCUMENTS)).collect() } else { Vec::new() };
    let tokens = random(number, 6) % 3000;
    let answer: Answer = serde_json::from_value(json!({
        "response": key.seal("An answer of a few words, as long as one that is quoted from a document mostly is: some two lines of text."), "sources": sources,
        "answered": answered, "finishReason": "stop", "model": "extractive", "usage": {"promptTokens": 0, "completionTokens": tokens, "totalTokens": tokens},
        "latencyMs": 20 + random(number, 7) % 2000, "grounding": null,
        "provenance": {"steps": null, "messagesSha256": null, "manifests": [], "costUsd": null},
    }))
    .unwrap();
    let commands = vec![
        InteractionCommand::StartInteraction { organization: meta.organization, id, question: Box::new(question) },
        InteractionCommand::CompleteInteraction { answer: Box::new(answer) },
    ];
    let context = CommandContext { subject_keys: vec![key], ..CommandContext::of(meta) };
    bus.execute::<Interaction>(id, commands, context).await.unwrap();
}

fn source(place: u64, document: u64) -> Value {
    let id = |prefix: &str| format!("{prefix}_{}", &AgentId::from(Uuid::from_u128(u128::from(document))).to_string()["agent_".len()..]);
    json!({
        "index": place + 1, "chunkId": id("chk"), "documentId": id("doc"), "documentTitle": format!("Document {document}"), "documentUrl": null,
        "dataSpecId": id("ds"), "snippet": "…", "score": 0.5, "location": {"headingPath": [], "start": 0, "end": 1},
    })
}
