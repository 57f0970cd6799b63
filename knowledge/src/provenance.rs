//! Why an answer is as it is: the agent's settings at that version, each source's text as it was, the strategy's steps, what the model was sent.

use serde_json::{Value, json};
use twig_domain::{
    Sealed,
    agent::AgentSettings,
    id::{AgentId, ChunkId, InteractionId, OrgId},
    interaction::{Provenance, Source},
};

use twig_generation::{ChatInput, SourceText, Turn, build_messages, canonical_sha256};

use crate::{
    Knowledge,
    answer::{Conversation, system},
    fault::Fault,
    manifest::Manifest,
};

impl Knowledge {
    pub async fn provenance(&self, organization: OrgId, id: InteractionId) -> Result<Value, Fault> {
        let found = self.views.interaction_provenance(organization, id).await?;
        let Some((kept, positions, body)) = found else { return Ok(Value::Null) };
        let kept: Provenance = serde_json::from_value(kept).unwrap_or_default();
        let sources: Vec<Source> = serde_json::from_value(body["sources"].clone()).unwrap_or_default();
        let agent: Option<AgentId> = body["agentId"].as_str().and_then(|id| id.parse().ok());
        let settings = match agent {
            Some(agent) => self.views.agent_settings_at(organization, agent, body["agentVersion"].as_u64().unwrap_or_default()).await?,
            None => None,
        };
        let (knowledge, agent_then, prompt) = (self.clone(), settings.clone(), body["prompt"].as_str().map(str::to_owned));
        let (texts, steps) = tokio::task::spawn_blocking(move || {
            let steps = kept.steps.as_ref().map_or(Value::Array(Vec::new()), |sealed| knowledge.open_json(sealed));
            let texts: Vec<Value> = sources.iter().map(|source| knowledge.source_text(&kept, source)).collect();
            let messages = knowledge.messages(&kept, agent_then.as_ref(), &sources, &texts, prompt);
            let told = json!({
                "steps": steps, "messages": messages, "messagesSha256": kept.messages_sha256, "costUsd": kept.cost_usd, "indexes": kept.manifests,
            });
            (texts, told)
        })
        .await?;
        let mut provenance = steps;
        provenance["agent"] = json!(settings);
        provenance["sources"] = texts.into();
        provenance["positions"] = positions;
        Ok(provenance)
    }

    fn open_json(&self, sealed: &Sealed) -> Value {
        self.vault.open_text(sealed).ok().flatten().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null)
    }

    /// What the model was sent, made again from its parts; `null` where a part was erased, and where it would not be that to the letter.
    fn messages(&self, kept: &Provenance, agent: Option<&AgentSettings>, sources: &[Source], texts: &[Value], prompt: Option<String>) -> Option<Value> {
        let (sha256, agent) = (kept.messages_sha256.as_ref()?, agent?);
        let conversation: Conversation = serde_json::from_value(self.open_json(kept.conversation.as_ref()?)).ok()?;
        let source = |(source, text): (&Source, &Value)| {
            Some(SourceText {
                index: source.index,
                title: source.document_title.clone(),
                heading_path: source.location.heading_path.clone(),
                text: text["text"].as_str()?.to_owned(),
            })
        };
        let input = ChatInput {
            system: system(agent, conversation.extra_system),
            turns: conversation.turns.into_iter().map(|(prompt, response)| Turn { prompt, response }).collect(),
            question: prompt?,
            sources: sources.iter().zip(texts).map(source).collect::<Option<_>>()?,
            response_style: agent.response_style.map(|style| json!(style).as_str().unwrap_or_default().to_owned()),
            tone: agent.tone.clone(),
            language: agent.language.clone(),
        };
        let messages = build_messages(&input);
        (canonical_sha256(&messages) == *sha256).then(|| json!(messages))
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
