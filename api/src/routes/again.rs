//! Answers that were lost: the process died after the events of a request with an `Idempotency-Key`, and before its answer was kept. What was answered
//! follows from the event. A new API key is the exception: its secret was never stored, so nobody can say it again.

use serde_json::{Value, json};
use twig_commands::log::RecordedEvent;
use twig_domain::{
    Event,
    agent::AgentEvent,
    data_spec::DataSpecEvent,
    id::{DataSpecId, Identifier, WebhookId},
    interaction::InteractionEvent,
    webhook::WebhookEvent,
};
use twig_projections::AsOf;

use super::{data_specs, files, interactions, webhooks};
use crate::{problem::Problem, reply::Reply, request::Request};

/// The answer to the request whose last event stands at this position; `None` where it can't be made again.
pub async fn answer(request: &Request, position: u64) -> Result<Option<Reply>, Problem> {
    let organization = request.org()?;
    let recorded = request.app.log.at(position).await.map_err(|error| Problem::fault(&error))?;
    let Some(recorded) = recorded.filter(|event| event.meta.organization == organization) else {
        return Ok(None);
    };
    request.app.wait_for(position).await?;
    let event = recorded.event().map_err(|error| Problem::fault(&error))?;
    let reply = match &event {
        Event::Agent(event) => agent(request, &recorded, event).await?,
        Event::DataSpec(event) => data_spec(request, &recorded, event).await?,
        Event::Interaction(event) => interaction(request, &recorded, event).await?,
        Event::Webhook(event) => webhook(request, &recorded, event).await?,
        _ => None,
    };
    Ok(reply.map(|reply| reply.position(Some(position), position)))
}

fn id<T: Identifier>(recorded: &RecordedEvent) -> Result<T, Problem> {
    recorded.aggregate_id.parse().map_err(|_| Problem::internal("an event's stream has no identifier"))
}

async fn agent(request: &Request, recorded: &RecordedEvent, event: &AgentEvent) -> Result<Option<Reply>, Problem> {
    let agent = request.app.views.agent_as_of(request.org()?, id(recorded)?, AsOf::Position(recorded.position)).await?;
    Ok(agent.map(|agent| match event {
        AgentEvent::AgentCreated { .. } => Reply::created(format!("{}/{}", request.path, recorded.aggregate_id), &agent.body).etag(agent.version),
        _ => Reply::resource(&agent),
    }))
}

async fn data_spec(request: &Request, recorded: &RecordedEvent, event: &DataSpecEvent) -> Result<Option<Reply>, Problem> {
    let spec: DataSpecId = id(recorded)?;
    Ok(match event {
        DataSpecEvent::DataSpecCreated { .. } => {
            let found = data_specs::at(request, spec, AsOf::Position(recorded.position)).await?;
            found.map(|found| Reply::created(format!("/api/data-specs/{spec}"), &found.body).etag(found.version))
        }
        DataSpecEvent::FilesAdded { files: added } => {
            Some(Reply::created(format!("/api/data-specs/{spec}/documents"), &added.iter().map(files::document).collect()))
        }
        DataSpecEvent::ProcessingRequested { run_id, .. } => {
            let run = json!({"id": run_id, "dataSpecId": spec, "status": "queued"});
            Some(Reply::accepted(&run).header("location", format!("/api/data-specs/{spec}/runs/{run_id}")))
        }
        DataSpecEvent::ProcessingCanceled { run_id } => request.app.views.run(request.org()?, spec, *run_id).await?.map(|run| Reply::accepted(&run)),
        _ => None,
    })
}

async fn interaction(request: &Request, recorded: &RecordedEvent, event: &InteractionEvent) -> Result<Option<Reply>, Problem> {
    let found = interactions::current(request, id(recorded)?).await?;
    Ok(match event {
        // The OpenAI routes have answers of another shape.
        InteractionEvent::InteractionCompleted { .. } if request.path == "/api/chat" => {
            let mut answer: Value = interactions::answer_members().map(|member| (member.to_owned(), found.body[member].clone())).collect();
            if found.body["erased"] == true {
                answer["erased"] = true.into();
            }
            Some(Reply::ok(&answer))
        }
        InteractionEvent::FeedbackSubmitted { .. } => {
            Some(Reply::created(format!("/api/interactions/{}", recorded.aggregate_id), &found.body).etag(found.version))
        }
        _ => None,
    })
}

async fn webhook(request: &Request, recorded: &RecordedEvent, event: &WebhookEvent) -> Result<Option<Reply>, Problem> {
    let id: WebhookId = id(recorded)?;
    let with_secret = async |sealed: &str| -> Result<_, Problem> {
        let mut webhook = webhooks::shown(request, &webhooks::current(request, id).await?)?;
        webhook.body["secret"] = request.app.vault.open_secret(request.org()?, sealed).ok_or_else(|| Problem::internal("a secret can't be opened"))?.into();
        Ok(webhook)
    };
    Ok(match event {
        WebhookEvent::WebhookRegistered { secret, .. } => {
            let webhook = with_secret(&secret.sealed).await?;
            Some(Reply::created(format!("/api/webhooks/{id}"), &webhook.body).etag(webhook.version))
        }
        WebhookEvent::WebhookSecretRotated { secrets } => match secrets.first() {
            Some(newest) => {
                let webhook = with_secret(&newest.sealed).await?;
                Some(Reply::ok(&webhook.body).etag(webhook.version))
            }
            None => None,
        },
        WebhookEvent::WebhookReplayRequested { .. } => Some(Reply::accepted(&json!({"webhookId": id, "status": "queued", "untilPosition": recorded.position}))),
        _ => None,
    })
}
