//! `/api/audit/events`: who changed what, when and from where; as a list, an export and one by one.

use std::sync::Arc;

use actix_web::http::Method;
use serde_json::{Value, json};
use twig_domain::{Timestamp, id::EventId, organization::Scope};
use twig_projections::AuditFilter;

use super::time;
use crate::{
    export,
    problem::Problem,
    reply::{Answer, Reply},
    request::{Request, bad_parameter},
    route::{Gives, Route, handler},
    schemas::named,
};

const WHAT: &str = "The audit event";
const MEMBERS: [&str; 10] = ["id", "position", "occurredAt", "type", "actor", "target", "action", "changes", "context", "hash"];
const EXPORT_PAGE: u32 = 500;

pub fn routes(all: &mut Vec<Route>) {
    let filters: Vec<(&str, Value)> = ["actor", "target", "type", "action", "q"]
        .into_iter()
        .map(|name| (name, json!({"type": "string"})))
        .chain([("from", time()), ("to", time())])
        .collect();
    all.extend([
        Route::new(Method::GET, "/api/audit/events", &[Scope::AuditRead], "List or export audit events", Gives::Exported(named("AuditEvent")), handler!(list))
            .paged()
            .query(&filters),
        Route::new(Method::GET, "/api/audit/events/{id}", &[Scope::AuditRead], "Read an audit event", Gives::One(200, named("AuditEvent")), handler!(read)),
    ]);
}

async fn list(request: Arc<Request>) -> Answer {
    let given = |name: &str| request.query.get(name).filter(|text| !text.trim().is_empty()).cloned();
    let time = |name: &str| -> Result<Option<Timestamp>, Problem> {
        request.query.get(name).map(|text| text.parse().map_err(|_| bad_parameter(name, "an RFC 3339 time"))).transpose()
    };
    let filter = AuditFilter {
        actor: given("actor"),
        target: given("target"),
        event_type: given("type"),
        action: given("action"),
        from: time("from")?,
        to: time("to")?,
        q: given("q"),
    };
    let paging = request.paging()?;
    if let Some(format) = export::Format::asked(&request) {
        return Ok(export::stream(format, &MEMBERS, rows(request, filter)));
    }
    Ok(Reply::page(request.app.views.audit_events(request.org()?, filter, paging.query.clone()).await?, &paging))
}

/// Every matching row, page by page, newest first.
fn rows(request: Arc<Request>, filter: AuditFilter) -> impl futures_util::Stream<Item = Result<Vec<Value>, Problem>> + 'static {
    futures_util::stream::unfold((request, filter, Some(None)), |(request, filter, after)| async move {
        let after = after?;
        let page = async { Ok(request.app.views.audit_events_after(request.org()?, filter.clone(), after, EXPORT_PAGE).await?) }.await;
        match page {
            Ok((rows, next)) => (!rows.is_empty()).then_some((Ok(rows), (request, filter, next.map(Some)))),
            Err(problem) => Some((Err(problem), (request, filter, None))),
        }
    })
}

async fn read(request: Arc<Request>) -> Answer {
    let id: EventId = request.id("id", WHAT)?;
    let found = request.app.views.audit_event(request.org()?, id).await?;
    found.map(|event| Reply::ok(&event)).ok_or_else(|| Problem::not_found(WHAT))
}
