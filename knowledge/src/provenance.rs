//! Why an answer is as it is: the agent's settings at that version, each source's text as it was, the strategy's steps, what the model was sent.

use serde_json::{Value, json};
use twig_domain::{
    Sealed,
    id::{AgentId, ChunkId, InteractionId, OrgId},
    interaction::{Provenance, Source},
};

use crate::{Knowledge, manifest::Manifest};

impl Knowledge {
    pub async fn provenance(&self, organization: OrgId, id: InteractionId) -> Result<Value, String> {
        let found = self.views.interaction_provenance(organization, id).await.map_err(|error| error.to_string())?;
        let Some((kept, positions, body)) = found else { return Ok(Value::Null) };
        let kept: Provenance = serde_json::from_value(kept).unwrap_or_default();
        let sources: Vec<Source> = serde_json::from_value(body["sources"].clone()).unwrap_or_default();
        let agent: Option<AgentId> = body["agentId"].as_str().and_then(|id| id.parse().ok());
        let settings = match agent {
            Some(agent) => {
                self.views.agent_settings_at(organization, agent, body["agentVersion"].as_u64().unwrap_or_default()).await.map_err(|error| error.to_string())?
            }
            None => None,
        };
        let knowledge = self.clone();
        let (texts, steps) = tokio::task::spawn_blocking(move || {
            let steps = kept.steps.as_ref().map_or(Value::Array(Vec::new()), |sealed| knowledge.open_json(sealed));
            let texts: Vec<Value> = sources.iter().map(|source| knowledge.source_text(&kept, source)).collect();
            (texts, json!({"steps": steps, "messagesSha256": kept.messages_sha256, "costUsd": kept.cost_usd, "indexes": kept.manifests}))
        })
        .await
        .map_err(|error| error.to_string())?;
        let mut provenance = steps;
        provenance["agent"] = json!(settings);
        provenance["sources"] = texts.into();
        provenance["positions"] = positions;
        Ok(provenance)
    }

    fn open_json(&self, sealed: &Sealed) -> Value {
        self.vault.open_text(sealed).ok().flatten().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null)
    }

    /// The passage as it was indexed then, whatever became of its document since.
    fn source_text(&self, kept: &Provenance, source: &Source) -> Value {
        let chunk: ChunkId = source.chunk_id;
        let found = kept.manifests.iter().filter(|index| index.data_spec_id == source.data_spec_id).find_map(|index| {
            let manifest = Manifest::load(&self.content, &index.manifest).ok()?;
            let (document, found) = manifest.find(chunk)?;
            document.surrounded(found, &self.content).ok()
        });
        let (before, text, after) = found.map_or((None, None, None), |found| (Some(found.before), Some(found.text), Some(found.after)));
        json!({"index": source.index, "chunkId": chunk, "text": text, "before": before, "after": after})
    }
}
