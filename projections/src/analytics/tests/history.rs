//! Histories of interactions: as they happen, and as events.

use proptest::prelude::*;
use serde_json::{Value, json};
use twig_commands::log::{Append, Appended, EventLog, NewEvent, RecordedEvent};
use twig_domain::{
    Timestamp,
    id::{AgentId, DocumentId, InteractionId, OrgId},
};
use uuid::Uuid;

use crate::tests::meta;

/// 2026-03-02 00:00 UTC, a Monday.
pub const START: i64 = 1_772_409_600_000;
const MODELS: [&str; 3] = ["extractive", "openai:a", "openai:b"];
pub const REVIEWS: [&str; 4] = ["accurate", "edited", "inaccurate", "no_answer"];

pub fn organization() -> OrgId {
    meta().organization
}

pub fn agent(number: u8) -> AgentId {
    AgentId::from(Uuid::from_u128(1000 + u128::from(number)))
}

pub fn document(number: u8) -> DocumentId {
    DocumentId::from(Uuid::from_u128(2000 + u128::from(number)))
}

pub fn interaction(number: usize) -> InteractionId {
    InteractionId::from(Uuid::from_u128(3000 + number as u128))
}

/// Something happens; `which` is one of the interactions that it can happen to.
#[derive(Clone, Debug)]
pub enum Step {
    Ask { at: i64, agent: u8, model: u8, session: u8, user: Option<u8>, question: u8 },
    Answer { which: usize, answered: bool, latency: u64, tokens: u64, documents: Vec<u8>, model: u8 },
    Fail { which: usize },
    Rate { which: usize, positive: bool, review: Option<u8> },
}

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ask = (-35 * super::DAY..35 * super::DAY, 0u8..3, 0u8..3, 0u8..25, prop::option::of(0u8..12), 0u8..9)
        .prop_map(|(after, agent, model, session, user, question)| Step::Ask { at: START + after, agent, model, session, user, question });
    let answer = (any::<usize>(), prop::bool::weighted(0.7), 0u64..40_000, 0u64..3000, prop::collection::vec(0u8..14, 0..5), 0u8..3)
        .prop_map(|(which, answered, latency, tokens, documents, model)| Step::Answer { which, answered, latency, tokens, documents, model });
    let fail = any::<usize>().prop_map(|which| Step::Fail { which });
    let rate = (any::<usize>(), any::<bool>(), prop::option::of(0u8..4)).prop_map(|(which, positive, review)| Step::Rate { which, positive, review });
    prop::collection::vec(prop_oneof![4 => ask, 4 => answer, 1 => fail, 2 => rate], 1..160)
}

/// An interaction as it ended up.
#[derive(Clone, Debug)]
pub struct Told {
    pub id: InteractionId,
    pub at: i64,
    pub agent: u8,
    pub model: &'static str,
    pub session: u8,
    pub user: Option<u8>,
    pub question: u8,
    pub status: &'static str,
    pub answered: bool,
    pub latency: u64,
    pub tokens: u64,
    pub documents: Vec<u8>,
    pub positive: Option<bool>,
    pub review: Option<u8>,
}

/// What happened, and the events that say so, in order: an interaction, its version, and the payload.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub told: Vec<Told>,
    events: Vec<(InteractionId, u64, Value)>,
    versions: Vec<u64>,
}

impl History {
    pub fn of(steps: &[Step]) -> Self {
        let mut history = Self::default();
        steps.iter().for_each(|step| history.step(step));
        history
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Ask { at, agent, model, session, user, question } => self.ask(*at, *agent, *model, *session, *user, *question),
            Step::Answer { which, answered, latency, tokens, documents, model } => {
                let Some(place) = self.one(*which, "started") else { return };
                let sources: Vec<Value> = documents.iter().enumerate().map(|(index, document)| source(index, *document)).collect();
                let told = &mut self.told[place];
                (told.status, told.answered, told.latency, told.tokens) = ("completed", *answered, *latency, *tokens);
                (told.documents, told.model) = (documents.clone(), MODELS[usize::from(*model)]);
                let answer = json!({
                    "response": sealed("response"), "sources": sources, "answered": answered, "finishReason": "stop", "model": told.model,
                    "usage": {"promptTokens": 0, "completionTokens": tokens, "totalTokens": tokens}, "latencyMs": latency, "grounding": null,
                    "provenance": {"steps": null, "messagesSha256": null, "manifests": [], "costUsd": null},
                });
                self.append(place, json!({"type": "InteractionCompleted", "answer": answer}));
            }
            Step::Fail { which } => {
                let Some(place) = self.one(*which, "started") else { return };
                self.told[place].status = "failed";
                self.append(place, json!({"type": "InteractionFailed", "failure": {"code": "upstream_error", "message": "no", "latencyMs": 7}}));
            }
            Step::Rate { which, positive, review } => {
                let Some(place) = self.one(*which, "completed") else { return };
                (self.told[place].positive, self.told[place].review) = (Some(*positive), *review);
                let rating = if *positive { "positive" } else { "negative" };
                let review = review.map(|review| REVIEWS[usize::from(review)]);
                let feedback = json!({"rating": rating, "comment": null, "reviewStatus": review, "correctedResponse": null});
                self.append(place, json!({"type": "FeedbackSubmitted", "feedback": feedback, "previous": null}));
            }
        }
    }

    fn ask(&mut self, at: i64, agent_number: u8, model: u8, session: u8, user: Option<u8>, question: u8) {
        let place = self.told.len();
        let (id, model) = (interaction(place), MODELS[usize::from(model)]);
        let user_id = user.map(|user| json!({"subject": format!("user {user}"), "ciphertext": format!("u{user}")}));
        // The same question in another spelling every time.
        let prompt = if place.is_multiple_of(2) { format!("Question  number {question}?") } else { format!("question Number {question}") };
        let asked = json!({
            "agentId": agent(agent_number), "agentVersion": 1, "sessionId": format!("session {session}"), "prompt": sealed(&prompt), "userId": user_id, "metadata": null,
            "model": model, "ragStrategy": "redwood", "origin": "import", "askedAt": Timestamp::from_millis(at),
        });
        self.told.push(Told {
            id,
            at,
            agent: agent_number,
            model,
            session,
            user,
            question,
            status: "started",
            answered: false,
            latency: 0,
            tokens: 0,
            documents: Vec::new(),
            positive: None,
            review: None,
        });
        self.versions.push(0);
        self.append(place, json!({"type": "InteractionStarted", "organization": organization(), "id": id, "question": asked}));
    }

    fn one(&self, which: usize, status: &str) -> Option<usize> {
        let fitting: Vec<usize> = (0..self.told.len()).filter(|place| self.told[*place].status == status).collect();
        (!fitting.is_empty()).then(|| fitting[which % fitting.len()])
    }

    fn append(&mut self, place: usize, payload: Value) {
        self.versions[place] += 1;
        self.events.push((self.told[place].id, self.versions[place], payload));
    }

    /// The events as a log would have recorded them.
    pub fn recorded(&self) -> Vec<RecordedEvent> {
        let record = |(position, (id, version, payload)): (u64, &(InteractionId, u64, Value))| RecordedEvent {
            position,
            event_id: crate::tests::id("evt").parse().unwrap(),
            recorded_at: Timestamp::from_millis(START).plus_seconds(position as i64),
            aggregate_type: "Interaction".into(),
            aggregate_id: id.to_string(),
            version: *version,
            event_type: payload["type"].as_str().unwrap().into(),
            event_version: 1,
            meta: meta(),
            payload: payload.clone(),
        };
        (1..).zip(&self.events).map(record).collect()
    }

    /// Appends the events to a log.
    pub async fn append_to(&self, log: &EventLog) {
        for (id, version, payload) in &self.events {
            let event = NewEvent { event_type: payload["type"].as_str().unwrap().into(), event_version: 1, payload: payload.to_string() };
            let append = Append {
                aggregate_type: "Interaction",
                aggregate_id: id.to_string(),
                expected_version: version - 1,
                events: vec![event],
                meta: meta(),
                idempotency: None,
                subject_keys: Vec::new(),
            };
            assert!(matches!(log.append(append).await.unwrap(), Appended::At(_)));
        }
    }
}

fn sealed(text: &str) -> Value {
    json!({"subject": "somebody", "ciphertext": text})
}

fn source(index: usize, number: u8) -> Value {
    json!({
        "index": index + 1, "chunkId": crate::tests::id("chk"), "documentId": document(number), "documentTitle": format!("Document {number}"),
        "documentUrl": format!("file{number}.pdf#page={index}"), "dataSpecId": crate::tests::id("ds"), "snippet": "…", "score": 0.5,
        "location": {"headingPath": [], "start": 0, "end": 1},
    })
}
