//! `/api/privacy/erasures`: somebody's words made unreadable everywhere, as a job that ends with a receipt.

use std::sync::Arc;

use actix_web::http::Method;
use serde::Deserialize;
use serde_json::json;
use twig_commands::{ids::new_id, vault::Subject};
use twig_domain::{
    erasure::{Erasure, ErasureCommand, ErasureScope},
    id::{InteractionId, JobId},
    organization::Scope,
};

use super::{one_of, text, titled};
use crate::{
    problem::Problem,
    reply::{Answer, Reply},
    request::Request,
    route::{Gives, Route, Takes, handler},
    schemas::named,
};

const WHAT: &str = "The erasure";

pub fn routes(all: &mut Vec<Route>) {
    let one = one_of(&["userId", "sessionId", "interactionId"], json!({"userId": text(1, 256), "sessionId": text(1, 128), "interactionId": text(1, 64)}));
    let body = titled("ErasureRequest", one);
    all.extend([
        Route::new(
            Method::POST,
            "/api/privacy/erasures",
            &[Scope::Admin],
            "Erase what a user, a session or an interaction said",
            Gives::One(202, named("Erasure")),
            handler!(request_erasure),
        )
        .takes(Takes::Json(body)),
        Route::new(
            Method::GET,
            "/api/privacy/erasures/{id}",
            &[Scope::Admin],
            "How far an erasure is, and its receipt",
            Gives::One(200, named("Erasure")),
            handler!(read),
        ),
    ]);
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    user_id: Option<String>,
    session_id: Option<String>,
    interaction_id: Option<String>,
}

async fn request_erasure(request: Arc<Request>) -> Answer {
    let (organization, id) = (request.org()?, new_id::<JobId>(request.now));
    let scope = scope(&request, request.body::<Given>()?).await?;
    let command = ErasureCommand::RequestErasure { organization, id, scope };
    let outcome = request.execute::<Erasure>(id, vec![command], None).await?;
    let job = request.app.views.erasure(organization, id).await?.ok_or_else(|| Problem::not_found(WHAT))?;
    Ok(Reply::accepted(&job).header("location", format!("/api/privacy/erasures/{id}")).position(outcome.position, request.app.head()))
}

/// Whose words: named by their key, so that no event says who it is.
async fn scope(request: &Request, given: Given) -> Result<ErasureScope, Problem> {
    let organization = request.org()?;
    let name = |subject: Subject| request.app.vault.subject_name(organization, &subject);
    match (given.user_id, given.session_id, given.interaction_id) {
        (Some(user), None, None) => Ok(ErasureScope::User { subject: name(Subject::User(user)) }),
        (None, Some(session_id), None) => Ok(ErasureScope::Session { subject: name(Subject::Session(session_id.clone())), session_id }),
        (None, None, Some(id)) => {
            let interaction_id: InteractionId = id.parse().map_err(|_| Problem::not_found(super::interactions::WHAT))?;
            super::interactions::current(request, interaction_id).await?;
            Ok(ErasureScope::Interaction { interaction_id })
        }
        _ => Err(Problem::field("", "needs exactly one of userId, sessionId and interactionId")),
    }
}

async fn read(request: Arc<Request>) -> Answer {
    let id: JobId = request.id("id", WHAT)?;
    let job = request.app.views.erasure(request.org()?, id).await?;
    job.map(|job| Reply::ok(&job)).ok_or_else(|| Problem::not_found(WHAT))
}
