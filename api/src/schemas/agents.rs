//! Agents and their versions.

use serde_json::{Value, json};

use super::{count, described, fraction, id, list_of, named, nullable, shape, string, strings, time, version};

pub fn all() -> Vec<(&'static str, Value)> {
    vec![("Agent", agent()), ("DataSpecLink", link()), ("AgentVersion", agent_version())]
}

fn agent() -> Value {
    let text = || json!({"type": ["string", "null"]});
    described(
        "How questions are answered, over which data specs, by which model",
        shape(
            &["minGrounding"],
            json!({
                "id": id("agent"), "name": string(), "description": text(), "status": {"enum": ["active", "inactive", "draft"], "description": "Only an active agent answers"},
                "systemPrompt": text(), "model": described("`extractive`, `provider:model`, or a name at the server's own provider", string()),
                "temperature": {"type": "number", "minimum": 0, "maximum": 2}, "maxTokens": count(),
                "ragStrategy": {"enum": ["redwood", "cedar", "cypress"]}, "topK": count(), "minScore": nullable(fraction()),
                "minGrounding": described("With a language model, an answer whose `grounding` is below this is refused", nullable(fraction())), "fallbackMessage": string(),
                "responseStyle": {"enum": ["concise", "detailed", "technical", null]}, "tone": text(), "language": text(), "dataSpecs": list_of("DataSpecLink"),
                "version": version(), "createdAt": time(), "updatedAt": time(), "createdBy": named("Actor"),
            }),
        ),
    )
}

fn link() -> Value {
    shape(&[], json!({"id": id("ds"), "enabled": {"type": "boolean"}, "tier": {"type": "integer", "minimum": 1, "maximum": 2}, "tags": strings()}))
}

fn agent_version() -> Value {
    let restored = described("The version that this one brings back", count());
    shape(
        &["restoredFrom"],
        json!({"version": version(), "changes": list_of("Change"), "actor": named("Actor"), "createdAt": time(), "restoredFrom": restored}),
    )
}
