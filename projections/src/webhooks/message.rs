//! What of the log is told to webhooks: the message type of an event, and its `data`, which is the thing as it was at that event.

use serde_json::{Value, json};
use twig_commands::{
    log::{EventLog, RecordedEvent},
    vault::Vault,
};
use twig_domain::{
    Event, Sealed, agent::AgentEvent, change::Change, data_spec::DataSpecEvent, id::AgentId, interaction::InteractionEvent, interaction::Origin,
    webhook::WebhookEvent,
};

use crate::{
    ViewError,
    fold::{MemoryRows, Projection, Rows, Table},
    views::shown,
};

/// Every type that can be subscribed to; `x.*` and `*` are groups of them.
pub const MESSAGE_TYPES: [&str; 14] = [
    "interaction.created",
    "interaction.completed",
    "interaction.failed",
    "interaction.feedback",
    "agent.created",
    "agent.updated",
    "agent.deleted",
    "datasource.created",
    "datasource.updated",
    "datasource.deleted",
    "datasource.processed",
    "datasource.failed",
    "webhook.test",
    "webhook.disabled",
];

/// The type of the message that an event is told by, if it is told at all.
pub fn message_type(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::Interaction(event) => match event {
            InteractionEvent::InteractionStarted { .. } => "interaction.created",
            InteractionEvent::InteractionCompleted { .. } => "interaction.completed",
            InteractionEvent::InteractionFailed { .. } => "interaction.failed",
            InteractionEvent::FeedbackSubmitted { .. } => "interaction.feedback",
        },
        Event::Agent(event) => match event {
            AgentEvent::AgentCreated { .. } => "agent.created",
            AgentEvent::AgentUpdated { .. } => "agent.updated",
            AgentEvent::AgentDeleted { .. } => "agent.deleted",
        },
        Event::DataSpec(event) => match event {
            DataSpecEvent::DataSpecCreated { .. } => "datasource.created",
            DataSpecEvent::DataSpecUpdated { .. } => "datasource.updated",
            DataSpecEvent::DataSpecDeleted { .. } => "datasource.deleted",
            DataSpecEvent::ProcessingCompleted { .. } => "datasource.processed",
            DataSpecEvent::ProcessingFailed { .. } | DataSpecEvent::ProcessingCanceled { .. } => "datasource.failed",
            DataSpecEvent::FilesAdded { .. }
            | DataSpecEvent::ProcessingRequested { .. }
            | DataSpecEvent::ProcessingStarted { .. }
            | DataSpecEvent::EmbeddingSwitched { .. } => return None,
        },
        Event::Webhook(WebhookEvent::WebhookDisabled { .. }) => "webhook.disabled",
        Event::Webhook(_) | Event::Organization(_) | Event::Access(_) | Event::Erasure(_) | Event::Replay(_) => return None,
    })
}

/// Whether a subscription has a type: `*`, `interaction.*` or the type itself.
pub fn subscribes(subscription: &[String], message_type: &str) -> bool {
    subscription.iter().any(|asked| {
        asked == "*" || asked == message_type || asked.strip_suffix('*').is_some_and(|group| group.ends_with('.') && message_type.starts_with(group))
    })
}

/// Whose interaction it is. Imported ones are not told of.
#[derive(Clone, Copy, Debug)]
pub struct AskedOf {
    pub agent: AgentId,
    pub imported: bool,
}

impl AskedOf {
    pub fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Interaction(InteractionEvent::InteractionStarted { question, .. }) => {
                Some(Self { agent: question.agent_id, imported: question.origin == Origin::Import })
            }
            _ => None,
        }
    }
}

/// Renders the `data` of a message from the log alone, so that every attempt says the same, and nothing erased.
pub async fn data(log: &EventLog, vault: &Vault, recorded: &RecordedEvent) -> Result<Value, ViewError> {
    let event = recorded.event().map_err(|error| ViewError::Other(error.to_string()))?;
    let (aggregate, projection, table) = match &event {
        Event::Interaction(_) => ("Interaction", Projection::Interactions, Table::Interactions),
        Event::Agent(_) => ("Agent", Projection::Agents, Table::Agents),
        Event::DataSpec(_) => ("DataSpec", Projection::DataSpecs, Table::DataSpecs),
        Event::Webhook(_) => ("Webhook", Projection::Webhooks, Table::Webhooks),
        Event::Organization(_) | Event::Access(_) | Event::Erasure(_) | Event::Replay(_) => return Ok(Value::Null),
    };
    let (organization, id) = (recorded.meta.organization, recorded.aggregate_id.as_str());
    let mut rows = MemoryRows::default();
    let open = |sealed: &Sealed| vault.open_text(sealed).ok().flatten();
    for past in log.read_stream(aggregate, id, 0).await?.iter().take_while(|past| past.version <= recorded.version) {
        let past_event = past.event().map_err(|error| ViewError::Other(error.to_string()))?;
        projection.fold(&mut rows, past, &past_event, &open)?;
    }
    let mut data = rows.get(table, organization, id)?.map_or_else(|| json!({ "id": id }), |row| shown(row.body));
    complete(&mut data, &event, &mut rows, recorded)?;
    Ok(data)
}

/// What the type of the event adds to the thing. A config can hold secrets, sealed or not: it is never told.
fn complete(data: &mut Value, event: &Event, rows: &mut MemoryRows, recorded: &RecordedEvent) -> Result<(), ViewError> {
    let run = |rows: &mut MemoryRows, run: String| -> Result<Value, ViewError> {
        Ok(rows.get(Table::Runs, recorded.meta.organization, &run)?.map_or(Value::Null, |row| shown(row.body)))
    };
    match event {
        Event::Agent(AgentEvent::AgentUpdated { changes, .. }) => data["changes"] = json!(changes),
        Event::Agent(AgentEvent::AgentDeleted { .. }) => data["deleted"] = true.into(),
        Event::Webhook(WebhookEvent::WebhookDisabled { reason }) => {
            if let Some(object) = data.as_object_mut() {
                object.retain(|name, _| ["id", "url", "events", "status", "description"].contains(&name.as_str()));
            }
            data["reason"] = json!(reason);
        }
        Event::DataSpec(event) => {
            if let Some(object) = data.as_object_mut() {
                object.remove("config");
                object.remove("lastRun");
            }
            match event {
                DataSpecEvent::DataSpecUpdated { changes, .. } => data["changes"] = changes.iter().map(told).collect(),
                DataSpecEvent::DataSpecDeleted { .. } => data["deleted"] = true.into(),
                DataSpecEvent::ProcessingCompleted { run_id, .. } => data["run"] = run(rows, run_id.to_string())?,
                DataSpecEvent::ProcessingFailed { run_id, reason, .. } => {
                    data["run"] = run(rows, run_id.to_string())?;
                    data["reason"] = json!(reason);
                }
                DataSpecEvent::ProcessingCanceled { run_id } => {
                    data["run"] = run(rows, run_id.to_string())?;
                    data["reason"] = "canceled".into();
                }
                _ => {}
            }
        }
        _ => {}
    }
    Ok(())
}

fn told(change: &Change) -> Value {
    if change.path.starts_with("/config") { json!({"path": change.path, "from": "***", "to": "***"}) } else { json!(change) }
}

/// The body of a message, under [`MAX_BODY_BYTES`]: the longest texts are cut until it fits, and `data.truncated` says so.
pub fn body(id: &str, message_type: &str, timestamp: &str, organization: &str, sequence: u64, mut data: Value) -> String {
    let whole = |data: &Value| {
        json!({"id": id, "type": message_type, "timestamp": timestamp, "organizationId": organization, "sequence": sequence, "data": data}).to_string()
    };
    let mut body = whole(&data);
    while body.len() >= MAX_BODY_BYTES {
        let excess = body.len() - MAX_BODY_BYTES + 1;
        if !shorten(&mut data, excess) {
            data = json!({ "id": data["id"] });
        }
        data["truncated"] = true.into();
        body = whole(&data);
    }
    body
}

/// Standard Webhooks advises payloads under 20 kB.
const MAX_BODY_BYTES: usize = 20_000;
/// Texts are not cut below this; then lists are emptied.
const MIN_TEXT_CHARS: usize = 200;

/// Cuts the longest text, by `excess` at most half of it, or else empties the largest list. `false` when nothing can be cut.
fn shorten(data: &mut Value, excess: usize) -> bool {
    if let Some(text) = longest(data) {
        let keep = (text.chars().count().saturating_sub(excess + 32)).max(text.chars().count() / 2).max(MIN_TEXT_CHARS);
        let cut: String = text.chars().take(keep).collect();
        let mut cut = cut;
        cut.push('…');
        *text = cut;
        return true;
    }
    let largest = data.as_object_mut().and_then(|object| {
        object.values_mut().filter(|value| value.as_array().is_some_and(|list| !list.is_empty())).max_by_key(|value| value.to_string().len())
    });
    largest.is_some_and(|list| {
        *list = json!([]);
        true
    })
}

fn longest(value: &mut Value) -> Option<&mut String> {
    match value {
        Value::String(text) if text.chars().count() > MIN_TEXT_CHARS + 1 => Some(text),
        Value::Array(items) => items.iter_mut().filter_map(longest).max_by_key(|text| text.len()),
        Value::Object(members) => members.values_mut().filter_map(longest).max_by_key(|text| text.len()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_subscribe_to_their_types() {
        let all = |text: &str| vec![text.to_owned()];
        assert!(subscribes(&all("*"), "agent.created"));
        assert!(subscribes(&all("interaction.*"), "interaction.failed"));
        assert!(!subscribes(&all("interaction.*"), "agent.created"));
        assert!(subscribes(&all("agent.created"), "agent.created"));
        assert!(!subscribes(&all("agent"), "agent.created"));
    }

    #[test]
    fn a_long_answer_is_cut_and_says_so() {
        let data = json!({"id": "int_1", "response": "ä".repeat(60_000), "sources": vec![json!({"snippet": "x".repeat(3000)}); 20]});
        let text = body("evt_1", "interaction.completed", "now", "org_1", 7, data);
        assert!(text.len() < 20_000, "{}", text.len());
        let parsed: Value = serde_json::from_str(&text).unwrap_or_default();
        assert_eq!((&parsed["data"]["truncated"], &parsed["data"]["id"]), (&json!(true), &json!("int_1")));
        let short = body("evt_1", "agent.created", "now", "org_1", 7, json!({"id": "agent_1"}));
        assert!(!short.contains("truncated"));
    }

    #[test]
    fn many_small_things_still_fit() {
        let data = json!({"id": "ds_1", "run": {"errors": vec![json!({"message": "m".repeat(150)}); 1000]}});
        assert!(body("evt_1", "datasource.processed", "now", "org_1", 1, data).len() < 20_000);
    }
}
