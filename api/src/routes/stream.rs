//! `GET /api/interactions/{id}/stream`: an answer's events from where a client was cut off.

use std::sync::Arc;

use actix_web::http::Method;
use twig_domain::{id::InteractionId, organization::Scope};
use twig_knowledge::live::LiveAnswer;

use super::interactions::{WHAT, current};
use crate::{
    problem::{Code, Problem},
    reply::Answer,
    request::Request,
    route::{Gives, Route, handler},
    sse,
};

pub fn routes(all: &mut Vec<Route>) {
    let route = Route::new(Method::GET, "/api/interactions/{id}/stream", &[Scope::Chat], "Resume an answer's stream", Gives::Events, handler!(resume))
        .header("Last-Event-ID", "The `id:` of the last event that was received: goes on after it");
    all.push(route);
}

/// While an answer is given and for some minutes after, its events as they were sent; later the recorded answer whole.
async fn resume(request: Arc<Request>) -> Answer {
    let id: InteractionId = request.id("id", WHAT)?;
    let interaction = current(&request, id).await?;
    let Some(live) = request.app.knowledge.follow(request.org()?, id).await.map_err(|error| Problem::fault(&error))? else {
        if interaction.body["erased"] == true {
            return Err(Problem::new(Code::NotFound, "The words of this interaction were erased"));
        }
        let recorded = LiveAnswer::recorded(id, &interaction.body, &request.request_id);
        return Ok(sse::reply(Arc::new(recorded), 0));
    };
    let from = match request.header("last-event-id") {
        None | Some("") => 0,
        Some(last) => {
            let number = last.rsplit_once(':').filter(|(of, _)| of.parse() == Ok(id)).and_then(|(_, number)| number.parse::<usize>().ok());
            number.ok_or_else(|| Problem::field("/Last-Event-ID", "is not an event of this interaction"))?.saturating_add(1)
        }
    };
    Ok(sse::reply(live, from))
}
