//! `/api/sessions/{id}`: a conversation, its turns oldest first.

use std::sync::Arc;

use actix_web::http::Method;
use serde_json::json;
use twig_domain::organization::Scope;

use crate::{
    problem::Problem,
    reply::{Answer, Reply},
    request::Request,
    route::{Gives, Route, handler},
    schemas::named,
};

pub fn routes(all: &mut Vec<Route>) {
    all.push(Route::new(Method::GET, "/api/sessions/{id}", &[Scope::Chat], "Read a session", Gives::One(200, named("Session")), handler!(read)));
}

async fn read(request: Arc<Request>) -> Answer {
    let id = request.parameters.get("id").cloned().unwrap_or_default();
    let turns = request.app.views.session(request.org()?, &id).await?;
    turns.map(|turns| Reply::ok(&json!({"id": id, "turns": turns}))).ok_or_else(|| Problem::not_found("The session"))
}
