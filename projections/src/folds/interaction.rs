//! Interactions and every feedback they were given. Sealed text is opened here; what was erased is `null` and says so.

use serde_json::{Value, json};
use twig_commands::log::RecordedEvent;
use twig_domain::{
    Sealed, Timestamp,
    interaction::{Answer, Feedback, InteractionEvent, Question},
};

use crate::fold::{FoldError, Opener, Row, Rows, Table};

pub fn fold(rows: &mut dyn Rows, recorded: &RecordedEvent, event: &InteractionEvent, open: Opener) -> Result<(), FoldError> {
    let (organization, id) = (recorded.meta.organization, recorded.aggregate_id.clone());
    if let InteractionEvent::InteractionStarted { question, .. } = event {
        rows.put(Table::Interactions, organization, &id, started(recorded, question, open));
        return Ok(());
    }
    let mut row = rows.need(Table::Interactions, organization, &id)?;
    match event {
        InteractionEvent::InteractionStarted { .. } => {}
        InteractionEvent::InteractionCompleted { answer } => complete(&mut row.body, answer, open),
        InteractionEvent::InteractionFailed { failure } => {
            row.body["status"] = "failed".into();
            row.body["error"] = json!({"code": failure.code, "message": failure.message});
            row.body["latencyMs"] = failure.latency_ms.into();
        }
        InteractionEvent::FeedbackSubmitted { feedback, .. } => {
            let shown = shown(feedback, recorded.recorded_at, open);
            row.body["reviewStatus"] = json!(feedback.review_status);
            let mut history = shown.clone();
            history["actor"] = json!(recorded.meta.actor);
            row.body["feedback"] = shown;
            let given = Row { parent: Some(id.clone()), at: recorded.recorded_at.millis(), sort: recorded.position as i64, body: history };
            rows.put(Table::Feedback, organization, &format!("{id}:{}", recorded.version), given);
        }
    }
    row.body["version"] = recorded.version.into();
    if let Some(positions) = row.body["_positions"].as_array_mut() {
        positions.push(recorded.position.into());
    }
    rows.put(Table::Interactions, organization, &id, row);
    Ok(())
}

fn started(recorded: &RecordedEvent, question: &Question, open: Opener) -> Row {
    let created_at: Timestamp = question.asked_at.unwrap_or(recorded.recorded_at);
    let metadata = question.metadata.as_ref().and_then(open).and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let prompt = open(&question.prompt);
    let mut body = json!({
        "id": recorded.aggregate_id, "sessionId": question.session_id, "agentId": question.agent_id, "agentVersion": question.agent_version, "response": null, "sources": [],
        "answered": null, "finishReason": null, "model": question.model, "ragStrategy": question.rag_strategy, "usage": null, "latencyMs": null, "createdAt": created_at,
        "grounding": null, "prompt": prompt, "status": "started", "error": null, "feedback": null, "reviewStatus": null, "userId": question.user_id.as_ref().and_then(open),
        "_user": question.user_id.as_ref().map(|user| &user.subject), "metadata": metadata.unwrap_or_else(|| json!({})), "origin": question.origin, "version": recorded.version, "_positions": [recorded.position], "_provenance": null,
    });
    if prompt.is_none() {
        body["erased"] = true.into();
    }
    Row { parent: Some(question.session_id.clone()), at: created_at.millis(), sort: recorded.position as i64, body }
}

fn complete(body: &mut Value, answer: &Answer, open: Opener) {
    let members = json!({
        "status": "completed", "response": open(&answer.response), "sources": answer.sources, "answered": answer.answered, "finishReason": answer.finish_reason, "model": answer.model,
        "usage": answer.usage, "latencyMs": answer.latency_ms, "grounding": answer.grounding, "_provenance": answer.provenance,
    });
    for (name, value) in members.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
}

fn shown(feedback: &Feedback, at: Timestamp, open: Opener) -> Value {
    let text = |sealed: &Option<Sealed>| sealed.as_ref().and_then(open);
    json!({
        "rating": feedback.rating, "comment": text(&feedback.comment), "reviewStatus": feedback.review_status, "correctedResponse": text(&feedback.corrected_response), "createdAt": at,
    })
}
