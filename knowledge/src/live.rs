//! Answers while they are given, and for some minutes after: numbered events that any number of clients may follow from any number on.
//!
//! Invariant: an answer's events only grow, and its last one is its only end.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::sync::watch;
use twig_domain::{
    id::{InteractionId, OrgId},
    interaction::Failure,
};

/// How long after its end an answer can be resumed as it was sent.
const KEPT_AFTER_END: Duration = Duration::from_secs(5 * 60);

const NAMES: [&str; 5] = ["message.created", "message.sources", "message.delta", "message.completed", "error"];

/// One event of the stream (API §3).
#[derive(Clone, Debug)]
pub struct LiveEvent {
    /// `<interactionId>:<n>`.
    pub id: String,
    pub name: &'static str,
    pub data: Value,
}

/// How an answer ended, with the position of the event that says so.
#[derive(Clone, Debug)]
pub enum End {
    Completed { body: Value, position: u64 },
    Failed { failure: Failure, position: u64 },
}

#[derive(Default)]
struct Progress {
    events: Vec<LiveEvent>,
    end: Option<End>,
    done: bool,
}

pub struct LiveAnswer {
    pub id: InteractionId,
    progress: Mutex<Progress>,
    changed: watch::Sender<()>,
}

impl LiveAnswer {
    pub(crate) fn begin(id: InteractionId, session_id: &str) -> Self {
        let live = Self { id, progress: Mutex::default(), changed: watch::Sender::new(()) };
        live.push("message.created", json!({"id": id, "sessionId": session_id}));
        live
    }

    /// An answer of another node, whose events are taken over one by one.
    pub(crate) fn mirrored(id: InteractionId) -> Self {
        Self { id, progress: Mutex::default(), changed: watch::Sender::new(()) }
    }

    pub(crate) fn take(&self, name: &str, data: Value) {
        let Some(name) = NAMES.into_iter().find(|known| *known == name) else { return };
        self.push(name, data);
    }

    pub(crate) fn end_mirror(&self) {
        self.finish(None);
    }

    /// An answer that is read from the record: all of its events at once.
    #[must_use]
    pub fn recorded(id: InteractionId, interaction: &Value, request_id: &str) -> Self {
        let live = Self::begin(id, interaction["sessionId"].as_str().unwrap_or_default());
        match interaction["status"].as_str() {
            Some("completed") => {
                live.sources(&interaction["sources"]);
                if let Some(text) = interaction["response"].as_str().filter(|text| !text.is_empty()) {
                    live.delta(text);
                }
                live.push("message.completed", answer_members(interaction));
            }
            _ => {
                let error = &interaction["error"];
                let code = error["code"].as_str().unwrap_or("unavailable");
                let message = error["message"].as_str().unwrap_or("The answer is being given by another process");
                live.push("error", json!({"code": code, "message": message, "details": {"interactionId": id}, "requestId": request_id}));
            }
        }
        live.finish(None);
        live
    }

    fn with<T>(&self, work: impl FnOnce(&mut Progress) -> T) -> T {
        work(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, name: &'static str, mut data: Value) {
        self.with(|progress| {
            let number = progress.events.len();
            data["type"] = name.into();
            data["sequenceNumber"] = number.into();
            progress.events.push(LiveEvent { id: format!("{}:{number}", self.id), name, data });
        });
        self.changed.send_replace(());
    }

    pub(crate) fn sources(&self, sources: &Value) {
        self.push("message.sources", json!({ "sources": sources }));
    }

    pub(crate) fn delta(&self, text: &str) {
        if !text.is_empty() {
            self.push("message.delta", json!({ "text": text }));
        }
    }

    pub(crate) fn complete(&self, body: Value, position: u64) {
        self.push("message.completed", body.clone());
        self.finish(Some(End::Completed { body, position }));
    }

    pub(crate) fn fail(&self, failure: Failure, position: u64, request_id: &str) {
        let details = json!({"interactionId": self.id});
        self.push("error", json!({"code": failure.code, "message": failure.message, "details": details, "requestId": request_id}));
        self.finish(Some(End::Failed { failure, position }));
    }

    fn finish(&self, end: Option<End>) {
        self.with(|progress| (progress.end, progress.done) = (end, true));
        self.changed.send_replace(());
    }

    /// The events from number `next` on, as soon as there is one; none when the answer has ended before.
    pub async fn after(&self, next: usize) -> Vec<LiveEvent> {
        let mut changed = self.changed.subscribe();
        loop {
            let found = self.with(|progress| {
                let events = progress.events.get(next..).unwrap_or_default().to_vec();
                (!events.is_empty() || progress.done).then_some(events)
            });
            match found {
                Some(events) => return events,
                // The sender is part of `self`, so it cannot be gone.
                None => drop(changed.changed().await),
            }
        }
    }

    #[must_use]
    pub fn is_done_at(&self, next: usize) -> bool {
        self.with(|progress| progress.done && progress.events.len() <= next)
    }

    /// Waits for the end.
    pub async fn end(&self) -> End {
        let mut changed = self.changed.subscribe();
        loop {
            if let Some(end) = self.with(|progress| progress.end.clone()) {
                return end;
            }
            drop(changed.changed().await);
        }
    }

    /// The text given so far.
    #[must_use]
    pub fn text(&self) -> String {
        self.with(|progress| progress.events.iter().filter(|event| event.name == "message.delta").filter_map(|event| event.data["text"].as_str()).collect())
    }
}

/// The members of an answer out of an interaction's.
fn answer_members(interaction: &Value) -> Value {
    let mut members = interaction.clone();
    if let Some(object) = members.as_object_mut() {
        for name in ["prompt", "status", "error", "feedback", "reviewStatus", "userId", "metadata", "origin", "version", "erased"] {
            object.remove(name);
        }
    }
    members
}

/// The answers of this process.
#[derive(Clone, Default)]
pub struct LiveAnswers(Arc<Mutex<ByInteraction>>);

type ByInteraction = HashMap<(OrgId, InteractionId), Arc<LiveAnswer>>;

impl LiveAnswers {
    fn with<T>(&self, work: impl FnOnce(&mut HashMap<(OrgId, InteractionId), Arc<LiveAnswer>>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn get(&self, organization: OrgId, id: InteractionId) -> Option<Arc<LiveAnswer>> {
        self.with(|all| all.get(&(organization, id)).cloned())
    }

    pub(crate) fn insert(&self, organization: OrgId, live: Arc<LiveAnswer>) {
        self.with(|all| all.insert((organization, live.id), live));
    }

    /// Forgets an answer some minutes after its end.
    pub(crate) fn forget_later(&self, organization: OrgId, id: InteractionId) {
        let all = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(KEPT_AFTER_END).await;
            all.forget(organization, id);
        });
    }

    /// Forgets an answer at once.
    pub fn forget(&self, organization: OrgId, id: InteractionId) {
        self.with(|all| all.remove(&(organization, id)));
    }

    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.with(|all| all.values().filter(|live| !live.with(|progress| progress.done)).count())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn id() -> InteractionId {
        "int_00000000000000000000000001".parse().unwrap()
    }

    #[tokio::test]
    async fn a_follower_has_every_event_once_from_any_number() {
        let live = LiveAnswer::begin(id(), "s");
        live.sources(&json!([]));
        live.delta("a");
        live.delta("");
        live.delta("b");
        live.complete(json!({"response": "ab"}), 7);
        for from in 0..5 {
            let names: Vec<_> = live.after(from).await.iter().map(|event| event.id.clone()).collect();
            assert_eq!(names, (from..5).map(|n| format!("{}:{n}", id())).collect::<Vec<_>>());
        }
        assert!(live.after(5).await.is_empty() && live.is_done_at(5) && !live.is_done_at(4));
        assert_eq!(live.text(), "ab");
    }

    #[tokio::test]
    async fn a_follower_waits_for_what_comes() {
        let live = Arc::new(LiveAnswer::begin(id(), "s"));
        let follower = tokio::spawn({
            let live = live.clone();
            async move { live.after(1).await }
        });
        tokio::task::yield_now().await;
        live.delta("late");
        assert_eq!(follower.await.unwrap()[0].data["text"], "late");
    }

    #[tokio::test]
    async fn a_recorded_answer_is_whole() {
        let live =
            LiveAnswer::recorded(id(), &json!({"id": id(), "sessionId": "s", "status": "completed", "response": "x", "sources": [], "prompt": "p"}), "r");
        let events = live.after(0).await;
        assert_eq!(events.iter().map(|event| event.name).collect::<Vec<_>>(), ["message.created", "message.sources", "message.delta", "message.completed"]);
        assert!(events[3].data.get("prompt").is_none());
    }
}
