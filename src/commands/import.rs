//! `twig import interactions`: past questions and answers from elsewhere, at their own time. The same `externalId` comes in once.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::PathBuf,
};

use clap::Subcommand;
use serde::Deserialize;
use serde_json::json;
use twig_commands::{bus::CommandError, ids::derived_id, vault::Subject};
use twig_domain::{
    Timestamp,
    agent::{AgentSettings, RagStrategy},
    id::{AgentId, InteractionId, OrgId},
    interaction::{Answer, Feedback, Interaction, InteractionCommand, InteractionError, Origin, Provenance, Question, Rating, ReviewStatus, Usage},
};

use super::{context, find_org, open, org_id, say};
use crate::{node::Node, settings::Settings};

#[derive(Subcommand)]
pub enum Import {
    /// NDJSON, an interaction a line
    Interactions {
        file: PathBuf,
        #[arg(long)]
        org: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Line {
    external_id: String,
    agent_id: AgentId,
    prompt: String,
    response: Option<String>,
    created_at: Timestamp,
    session_id: Option<String>,
    user_id: Option<String>,
    answered: Option<bool>,
    latency_ms: Option<u64>,
    model: Option<String>,
    usage: Option<Usage>,
    metadata: Option<std::collections::BTreeMap<String, String>>,
    feedback: Option<LineFeedback>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LineFeedback {
    rating: Rating,
    comment: Option<String>,
    review_status: Option<ReviewStatus>,
    corrected_response: Option<String>,
}

pub async fn import(settings: &Settings, command: Import, as_json: bool) -> Result<(), String> {
    let Import::Interactions { file, org } = command;
    let node = open(settings).await?;
    let org = org_id(&find_org(&node, &org).await?)?;
    let reader = BufReader::new(File::open(&file).map_err(|error| format!("{} can't be read: {error}", file.display()))?);
    let (mut imported, mut skipped, mut failed) = (0u64, 0u64, Vec::new());
    for (number, line) in reader.lines().enumerate() {
        let line = line.map_err(|error| error.to_string())?;
        if line.trim().is_empty() {
            continue;
        }
        match one(&node, org, &line).await {
            Ok(true) => imported += 1,
            Ok(false) => skipped += 1,
            Err(reason) => failed.push(json!({"line": number + 1, "reason": reason})),
        }
    }
    let text = failed.iter().map(|bad| format!("line {}: {}\n", bad["line"], bad["reason"].as_str().unwrap_or_default())).collect::<String>();
    say(
        as_json,
        &json!({"imported": imported, "skipped": skipped, "failed": failed}),
        &format!("{text}{imported} imported, {skipped} known already, {} failed", failed.len()),
    );
    if failed.is_empty() { Ok(()) } else { Err(format!("{} lines could not be imported", failed.len())) }
}

/// `false` where it came in before.
async fn one(node: &Node, org: OrgId, line: &str) -> Result<bool, String> {
    let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let agent =
        node.views.agent(org, line.agent_id).await.map_err(|error| error.to_string())?.ok_or_else(|| format!("agent {} was not found", line.agent_id))?;
    let version = agent.version;
    let agent: AgentSettings = serde_json::from_value(agent.body).map_err(|error| error.to_string())?;
    let id: InteractionId = derived_id(line.created_at, &[org.to_string().as_bytes(), line.external_id.as_bytes()]);
    let session_id = line.session_id.unwrap_or_else(|| format!("import-{}", line.external_id));
    let subject = line.user_id.clone().map_or_else(|| Subject::Session(session_id.clone()), Subject::User);
    let key = node.vault.subject(org, subject, id).await.map_err(|error| error.to_string())?;
    let model = line.model.unwrap_or(agent.model);
    let question = Question {
        agent_id: line.agent_id,
        agent_version: version,
        session_id,
        prompt: key.seal(&line.prompt),
        user_id: line.user_id.as_ref().map(|user| key.seal(user)),
        metadata: line.metadata.map(|metadata| key.seal(&json!(metadata).to_string())),
        model: model.clone(),
        rag_strategy: RagStrategy::Redwood,
        origin: Origin::Import,
        asked_at: Some(line.created_at),
        external_id: Some(line.external_id),
    };
    let response = line.response.unwrap_or_default();
    let answer = Answer {
        response: key.seal(&response),
        sources: Vec::new(),
        answered: line.answered.unwrap_or(!response.is_empty()),
        finish_reason: "stop".into(),
        model,
        usage: line.usage.unwrap_or_default(),
        latency_ms: line.latency_ms.unwrap_or_default(),
        grounding: None,
        provenance: Provenance::default(),
    };
    let seal = |text: Option<String>| text.map(|text| key.seal(&text));
    let feedback = line.feedback.map(|given| InteractionCommand::SubmitFeedback {
        feedback: Feedback {
            rating: given.rating,
            comment: seal(given.comment),
            review_status: given.review_status,
            corrected_response: seal(given.corrected_response),
        },
    });
    let commands = [
        InteractionCommand::StartInteraction { organization: org, id, question: Box::new(question) },
        InteractionCommand::CompleteInteraction { answer: Box::new(answer) },
    ];
    let mut context = context(org);
    context.subject_keys.push(key.clone());
    match node.bus.execute::<Interaction>(id, commands.into_iter().chain(feedback).collect(), context).await {
        Ok(_) => Ok(true),
        Err(CommandError::Rejected(InteractionError::AlreadyExists)) => Ok(false),
        Err(error) => Err(error.to_string()),
    }
}
