//! `/api/audit`: who changed what, when and from where, as a list, an export and one by one; and the proofs that none of it has changed since.

use std::sync::Arc;

use actix_web::http::Method;
use serde_json::{Value, json};
use twig_domain::{Timestamp, access::Exported, id::EventId, organization::Scope};
use twig_projections::{AuditFilter, audit::NotaryError};

use super::time;
use crate::{
    export,
    problem::Problem,
    reply::{Answer, Reply},
    request::{MAX_WHOLE_NUMBER, Request, bad_parameter},
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
        Route::new(
            Method::GET,
            "/api/audit/events/{id}/proof",
            &[Scope::AuditRead],
            "Prove that an event is in the log",
            Gives::One(200, named("AuditProof")),
            handler!(proof),
        ),
        Route::new(
            Method::GET,
            "/api/audit/checkpoint",
            &[Scope::AuditRead],
            "Read the newest signed checkpoint, which covers the whole log",
            Gives::One(200, named("AuditCheckpoint")),
            handler!(checkpoint),
        ),
        Route::new(
            Method::GET,
            "/api/audit/consistency",
            &[Scope::AuditRead],
            "Prove that the log of one size is the beginning of another's",
            Gives::One(200, named("AuditConsistency")),
            handler!(consistency),
        )
        .needs(&[("from", tree_size()), ("to", tree_size())]),
    ]);
}

fn tree_size() -> Value {
    json!({"type": "integer", "minimum": 1, "maximum": MAX_WHOLE_NUMBER, "description": "A number of events, as a checkpoint names it"})
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
        export::record(&request, Exported::AuditEvents, format).await?;
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

async fn proof(request: Arc<Request>) -> Answer {
    let id: EventId = request.id("id", WHAT)?;
    let proof = request.app.notary.proof(request.org()?, id).await.map_err(refused)?;
    Ok(Reply::ok(&json!(proof)))
}

async fn checkpoint(request: Arc<Request>) -> Answer {
    let signed = request.app.notary.checkpoint(request.org()?).await.map_err(refused)?;
    let notary = request.app.notary.clone();
    let (key, hand_overs) = request.app.blocking(move || Ok((notary.verifier_key()?, notary.hand_overs()?))).await?.map_err(refused)?;
    Ok(Reply::ok(&json!({"checkpoint": signed.note, "verifierKey": key.to_string(), "handOvers": hand_overs})))
}

async fn consistency(request: Arc<Request>) -> Answer {
    let size = |name: &str| request.parameter::<u64>(name, "a tree size, from 1")?.ok_or_else(|| bad_parameter(name, "a tree size, from 1"));
    let (from, to) = (size("from")?, size("to")?);
    if from == 0 || from > to {
        return Err(bad_parameter("from", "a tree size from 1, and not above to"));
    }
    let hashes = request.app.notary.consistency(request.org()?, from, to).await.map_err(refused)?;
    let hashes = hashes.ok_or_else(|| bad_parameter("to", "a size that the tree has reached"))?;
    Ok(Reply::ok(&json!({"from": from, "to": to, "hashes": hashes})))
}

fn refused(error: NotaryError) -> Problem {
    match error {
        NotaryError::NotFound => Problem::not_found(WHAT),
        NotaryError::Behind => Problem::unavailable("The audit view has not come to what was signed yet"),
        NotaryError::HistoryChanged { size, .. } => {
            tracing::error!(size, "the event log is not what was signed");
            Problem::unavailable("The audit log is not what was signed before: it proves nothing until that is looked into (twig audit export and verify)")
        }
        other => Problem::fault(&other),
    }
}
