//! `/api/interactions`: what was asked and answered, as a list, an export and one by one; and feedback.

use std::{collections::BTreeMap, str::FromStr, sync::Arc};

use actix_web::http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use twig_commands::vault::{Subject, VaultError};
use twig_domain::{
    Timestamp,
    access::Exported,
    id::{AgentId, DocumentId, InteractionId},
    interaction::{Feedback, Interaction, InteractionCommand, Rating, ReviewStatus},
    organization::Scope,
};
use twig_projections::{InteractionFilter, Resource};

use super::{as_of, date_query, object, optional_text, text, titled};
use crate::{
    export,
    problem::Problem,
    reply::{Answer, Reply},
    request::{Request, bad_parameter},
    route::{Gives, Route, Takes, handler},
    schemas::named,
};

pub(super) const WHAT: &str = "The interaction";
/// How many of [`MEMBERS`], from the first, an answer has too.
const OF_ANSWER: usize = 13;
const MEMBERS: [&str; 23] = [
    "id",
    "sessionId",
    "agentId",
    "agentVersion",
    "response",
    "sources",
    "answered",
    "finishReason",
    "model",
    "ragStrategy",
    "usage",
    "latencyMs",
    "createdAt",
    "prompt",
    "status",
    "error",
    "feedback",
    "reviewStatus",
    "userId",
    "metadata",
    "origin",
    "grounding",
    "version",
];

/// What of an interaction is its answer (API §3).
pub(super) fn answer_members() -> impl Iterator<Item = &'static str> {
    MEMBERS[..OF_ANSWER].iter().copied().chain(["grounding"])
}
const EXPORT_PAGE: u32 = 500;

pub fn routes(all: &mut Vec<Route>) {
    let feedback = titled(
        "FeedbackCreate",
        object(
            &["interactionId", "rating"],
            json!({
                "interactionId": text(1, 64), "rating": {"enum": ["positive", "negative"]}, "comment": optional_text(10_000),
                "reviewStatus": {"enum": ["accurate", "edited", "inaccurate", "no_answer", null]}, "correctedResponse": optional_text(32_000),
            }),
        ),
    );
    all.extend([
        Route::new(
            Method::GET,
            "/api/interactions",
            &[Scope::AnalyticsRead],
            "List or export interactions",
            Gives::Exported(named("Interaction")),
            handler!(list),
        )
        .paged()
        .query(&filters()),
        Route::new(
            Method::POST,
            "/api/interactions/feedback",
            &[Scope::Chat],
            "Give feedback on an interaction",
            Gives::One(201, named("Interaction")),
            handler!(submit_feedback),
        )
        .takes(Takes::Json(feedback))
        .tagged(),
        Route::new(
            Method::GET,
            "/api/interactions/{id}",
            &[Scope::AnalyticsRead],
            "Read an interaction",
            Gives::One(200, named("Interaction")),
            handler!(read),
        )
        .query(&[(
            "include",
            json!({"type": "string", "pattern": "^(provenance|history)(,(provenance|history))*$", "description": "`provenance`, `history` or both, by comma"}),
        )])
        .query(&as_of())
        .tagged(),
    ]);
}

/// The filters of the list, with their schemas.
pub(super) fn filters() -> [(&'static str, Value); 12] {
    let string = || json!({"type": "string"});
    [
        ("agentId", json!({"type": "string", "pattern": "^agent_[0-7][0-9a-hjkmnp-tv-zA-HJKMNP-TV-Z]{25}$"})),
        ("sessionId", string()),
        ("userId", string()),
        ("startDate", date_query()),
        ("endDate", date_query()),
        ("answered", json!({"type": "boolean"})),
        ("rating", json!({"enum": ["positive", "negative"]})),
        ("reviewStatus", json!({"enum": ["accurate", "edited", "inaccurate", "no_answer"]})),
        ("status", json!({"enum": ["started", "completed", "failed"]})),
        ("model", string()),
        ("documentId", json!({"type": "string", "pattern": "^doc_[0-7][0-9a-hjkmnp-tv-zA-HJKMNP-TV-Z]{25}$"})),
        ("q", string()),
    ]
}

async fn list(request: Arc<Request>) -> Answer {
    let filter = filter(&request.query)?;
    let paging = request.paging()?;
    if let Some(format) = export::Format::asked(&request) {
        export::record(&request, Exported::Interactions, format).await?;
        return Ok(export::stream(format, &MEMBERS, rows(request, filter)));
    }
    Ok(Reply::page(request.app.views.interactions(request.org()?, filter, paging.query.clone()).await?, &paging))
}

pub(super) fn filter(given: &BTreeMap<String, String>) -> Result<InteractionFilter, Problem> {
    let one_of = |name: &str, allowed: &[&str]| match given.get(name) {
        Some(given) if !allowed.contains(&given.as_str()) => Err(bad_parameter(name, &format!("one of {}", allowed.join(", ")))),
        given => Ok(given.cloned()),
    };
    Ok(InteractionFilter {
        agent_id: parsed::<AgentId>(given, "agentId", "an agent's id")?,
        session_id: given.get("sessionId").cloned(),
        user_id: given.get("userId").cloned(),
        from: date(given, "startDate", false)?,
        to: date(given, "endDate", true)?,
        answered: parsed(given, "answered", "true or false")?,
        rating: one_of("rating", &["positive", "negative"])?,
        review_status: one_of("reviewStatus", &["accurate", "edited", "inaccurate", "no_answer"])?,
        status: one_of("status", &["started", "completed", "failed"])?,
        model: given.get("model").cloned(),
        document_id: parsed::<DocumentId>(given, "documentId", "a document's id")?,
        q: given.get("q").filter(|q| !q.trim().is_empty()).cloned(),
    })
}

fn parsed<T: FromStr>(given: &BTreeMap<String, String>, name: &str, expected: &str) -> Result<Option<T>, Problem> {
    given.get(name).map(|text| text.parse().map_err(|_| bad_parameter(name, expected))).transpose()
}

/// A day (UTC, its end inclusive) or an RFC 3339 time.
fn date(given: &BTreeMap<String, String>, name: &str, end: bool) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = given.get(name) else { return Ok(None) };
    let moment = if text.len() == 10 {
        format!("{text}T00:00:00Z").parse::<Timestamp>().map(|day| if end { day.plus_seconds(86_400) } else { day })
    } else {
        text.parse()
    };
    moment.map(Some).map_err(|_| bad_parameter(name, "a day (YYYY-MM-DD) or an RFC 3339 time"))
}

/// Every matching row, page by page, newest first.
fn rows(request: Arc<Request>, filter: InteractionFilter) -> impl futures_util::Stream<Item = Result<Vec<Value>, Problem>> + 'static {
    futures_util::stream::unfold((request, filter, Some(None)), |(request, filter, after)| async move {
        let after = after?;
        let page = async { Ok(request.app.views.interactions_after(request.org()?, filter.clone(), after, EXPORT_PAGE).await?) }.await;
        match page {
            Ok((rows, next)) => (!rows.is_empty()).then_some((Ok(rows), (request, filter, next.map(Some)))),
            Err(problem) => Some((Err(problem), (request, filter, None))),
        }
    })
}

async fn read(request: Arc<Request>) -> Answer {
    let id: InteractionId = request.id("id", WHAT)?;
    let includes: Vec<&str> = request.query.get("include").map(|list| list.split(',').map(str::trim).collect()).unwrap_or_default();
    if let Some(unknown) = includes.iter().find(|name| !["provenance", "history"].contains(*name)) {
        return Err(Problem::field("/include", format!("{unknown} can't be included; provenance and history can")));
    }
    let organization = request.org()?;
    let found = match request.as_of()? {
        Some(as_of) => request.app.views.interaction_as_of(organization, id, as_of).await?,
        None => request.app.views.interaction(organization, id).await?,
    };
    let mut found = found.ok_or_else(|| Problem::not_found(WHAT))?;
    if includes.contains(&"provenance") {
        found.body["provenance"] = request.app.knowledge.provenance(organization, id).await.map_err(|fault| Problem::fault(fault.cause()))?;
    }
    if includes.contains(&"history") {
        found.body["feedbackHistory"] = request.app.views.feedback_history(organization, id).await?.into();
    }
    // What is included is not part of the version that an entity tag names.
    Ok(if includes.is_empty() { Reply::resource(&found) } else { Reply::ok(&found.body) })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    interaction_id: String,
    rating: Rating,
    comment: Option<String>,
    review_status: Option<ReviewStatus>,
    corrected_response: Option<String>,
}

async fn submit_feedback(request: Arc<Request>) -> Answer {
    let given: Given = request.body()?;
    let id: InteractionId = given.interaction_id.parse().map_err(|_| Problem::not_found(WHAT))?;
    let organization = request.org()?;
    let before = current(&request, id).await?;
    // New words would stand under another key than those that were erased.
    if before.body["erased"] == true && (given.comment.is_some() || given.corrected_response.is_some()) {
        return Err(Problem::conflict("The interaction's words were erased; it takes no more of them"));
    }
    let subject = match before.body["userId"].as_str() {
        Some(user) => Subject::User(user.to_owned()),
        None => Subject::Session(before.body["sessionId"].as_str().unwrap_or_default().to_owned()),
    };
    let key = request.app.vault.subject(organization, subject, id).await.map_err(|error| match error {
        VaultError::Erased => Problem::conflict("The interaction's words were erased; it takes no more of them"),
        error => Problem::fault(&error),
    })?;
    let seal = |text: Option<String>| text.filter(|text| !text.is_empty()).map(|text| key.seal(&text));
    let feedback =
        Feedback { rating: given.rating, comment: seal(given.comment), review_status: given.review_status, corrected_response: seal(given.corrected_response) };
    let mut context = request.command(None)?;
    context.subject_keys.push(key.clone());
    let outcome = request.app.bus.execute::<Interaction>(id, vec![InteractionCommand::SubmitFeedback { feedback }], context).await?;
    if let Some(position) = outcome.position {
        request.app.wait_for(position).await?;
    }
    let after = current(&request, id).await?;
    Ok(Reply::created(format!("/api/interactions/{id}"), &after.body).etag(after.version).position(outcome.position, request.app.head()))
}

pub(super) async fn current(request: &Request, id: InteractionId) -> Result<Resource, Problem> {
    request.app.views.interaction(request.org()?, id).await?.ok_or_else(|| Problem::not_found(WHAT))
}
