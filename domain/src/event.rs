//! An event of any aggregate, with what the log keeps beside its payload.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    access::AccessEvent, agent::AgentEvent, data_spec::DataSpecEvent, erasure::ErasureEvent, id::OrgId, interaction::InteractionEvent,
    organization::OrganizationEvent, replay::ReplayEvent, webhook::WebhookEvent,
};

/// Who acted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Actor {
    #[serde(rename = "type")]
    pub kind: ActorKind,
    /// The key's identifier, the system's role, or the operating system's user.
    pub id: String,
    pub name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    ApiKey,
    System,
    User,
}

impl Actor {
    /// A part of the product that acts by itself: `ingester`, `sweeper`, …
    #[must_use]
    pub fn system(role: &str) -> Self {
        Self { kind: ActorKind::System, id: role.to_owned(), name: role.to_owned() }
    }
}

/// What the log keeps of every command's context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventMeta {
    pub organization: OrgId,
    pub actor: Actor,
    /// The request that caused it (`X-Request-Id`), or the run or job it is part of.
    pub correlation_id: String,
    /// The event that caused it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// An event of any aggregate.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Organization(OrganizationEvent),
    Agent(AgentEvent),
    DataSpec(DataSpecEvent),
    Interaction(InteractionEvent),
    Webhook(WebhookEvent),
    Access(AccessEvent),
    Erasure(ErasureEvent),
    Replay(ReplayEvent),
}

/// An event of the log that this binary cannot read: made by a newer one, or damaged.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableEvent {
    #[error("unknown aggregate type {0}")]
    Aggregate(String),
    #[error("an event of aggregate {aggregate} has an unexpected shape")]
    Shape {
        aggregate: String,
        #[source]
        source: serde_json::Error,
    },
}

impl Event {
    /// Reads a payload (already at its newest version) of the named aggregate.
    pub fn read(aggregate_type: &str, payload: &Value) -> Result<Self, UnreadableEvent> {
        let read = match aggregate_type {
            "Organization" => OrganizationEvent::deserialize(payload).map(Self::Organization),
            "Agent" => AgentEvent::deserialize(payload).map(Self::Agent),
            "DataSpec" => DataSpecEvent::deserialize(payload).map(Self::DataSpec),
            "Interaction" => InteractionEvent::deserialize(payload).map(Self::Interaction),
            "Webhook" => WebhookEvent::deserialize(payload).map(Self::Webhook),
            "Access" => AccessEvent::deserialize(payload).map(Self::Access),
            "Erasure" => ErasureEvent::deserialize(payload).map(Self::Erasure),
            "Replay" => ReplayEvent::deserialize(payload).map(Self::Replay),
            other => return Err(UnreadableEvent::Aggregate(other.to_owned())),
        };
        read.map_err(|source| UnreadableEvent::Shape { aggregate: aggregate_type.to_owned(), source })
    }
}

/// Every (aggregate, event type, version, JSON Schema) there is: what `schemas/events/` is generated from.
#[must_use]
pub fn schemas() -> Vec<(&'static str, &'static str, u32, Value)> {
    let mut all = Vec::new();
    let mut add = |aggregate, types: &[(&'static str, u32)], schema: schemars::Schema| {
        for (name, version) in types {
            all.push((aggregate, *name, *version, schema_of_variant(&schema, name)));
        }
    };
    add("Organization", OrganizationEvent::TYPES, schemars::schema_for!(OrganizationEvent));
    add("Agent", AgentEvent::TYPES, schemars::schema_for!(AgentEvent));
    add("DataSpec", DataSpecEvent::TYPES, schemars::schema_for!(DataSpecEvent));
    add("Interaction", InteractionEvent::TYPES, schemars::schema_for!(InteractionEvent));
    add("Webhook", WebhookEvent::TYPES, schemars::schema_for!(WebhookEvent));
    add("Access", AccessEvent::TYPES, schemars::schema_for!(AccessEvent));
    add("Erasure", ErasureEvent::TYPES, schemars::schema_for!(ErasureEvent));
    add("Replay", ReplayEvent::TYPES, schemars::schema_for!(ReplayEvent));
    all
}

/// The one branch of an event enum's schema that is `name`'s, with the definitions it may use.
fn schema_of_variant(schema: &schemars::Schema, name: &str) -> Value {
    let whole = schema.as_value();
    let branches = whole.get("oneOf").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut branch = branches.into_iter().find(|b| b.pointer("/properties/type/const").and_then(Value::as_str) == Some(name)).unwrap_or(Value::Null);
    if let Some(object) = branch.as_object_mut() {
        object.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        object.insert("title".into(), name.into());
        if let Some(definitions) = whole.get("$defs") {
            object.insert("$defs".into(), definitions.clone());
        }
    }
    branch
}
