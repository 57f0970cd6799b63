//! Runs and documents of a data spec.

use std::sync::Arc;

use actix_web::http::Method;
use serde_json::json;
use twig_commands::ids::new_id;
use twig_domain::{
    data_spec::{DataSpec, DataSpecCommand, RunTrigger},
    id::{DataSpecId, RunId},
    organization::Scope,
};

use super::{
    data_specs::{WHAT, current},
    object,
};
use crate::{
    problem::Problem,
    reply::{Answer, Reply},
    request::Request,
    route::{Gives, Route, Takes, handler},
    schemas::named,
};

const RUN: &str = "The run";

pub fn routes(all: &mut Vec<Route>) {
    let nothing = || Takes::OptionalJson(object(&[], json!({})));
    let started = || Gives::One(202, named("RunStarted"));
    all.extend([
        Route::new(Method::POST, "/api/data-specs/{id}/process", &[Scope::DataWrite], "Process a data spec", started(), handler!(process)).takes(nothing()),
        Route::new(Method::GET, "/api/data-specs/{id}/runs", &[Scope::DataRead], "List runs", Gives::List(named("Run")), handler!(list)).paged(),
        Route::new(Method::GET, "/api/data-specs/{id}/runs/{run}", &[Scope::DataRead], "Read a run", Gives::One(200, named("Run")), handler!(read)),
        Route::new(
            Method::POST,
            "/api/data-specs/{id}/runs/{run}/cancel",
            &[Scope::DataWrite],
            "Cancel a run",
            Gives::One(202, named("Run")),
            handler!(cancel),
        )
        .takes(nothing()),
        Route::new(Method::GET, "/api/data-specs/{id}/documents", &[Scope::DataRead], "List documents", Gives::List(named("Document")), handler!(documents))
            .paged(),
    ]);
}

async fn process(request: Arc<Request>) -> Answer {
    let id: DataSpecId = request.id("id", WHAT)?;
    current(&request, id).await?;
    let command = DataSpecCommand::ProcessDataSpec { run_id: new_id(request.now), trigger: RunTrigger::Request };
    let outcome = request.execute::<DataSpec>(id, vec![command], None).await?;
    let DataSpec::Present(live) = outcome.state.as_ref() else { return Err(Problem::not_found(WHAT)) };
    let run = live.active_run.ok_or_else(|| Problem::conflict("The run ended before it could be answered; ask again"))?;
    let status = if live.running { "running" } else { "queued" };
    let location = format!("/api/data-specs/{id}/runs/{run}");
    Ok(Reply::accepted(&json!({"id": run, "dataSpecId": id, "status": status})).header("location", location).position(outcome.position, request.app.head()))
}

async fn list(request: Arc<Request>) -> Answer {
    let id = request.id("id", WHAT)?;
    current(&request, id).await?;
    let paging = request.paging()?;
    Ok(Reply::page(request.app.views.runs(request.org()?, id, paging.query.clone()).await?, &paging))
}

async fn read(request: Arc<Request>) -> Answer {
    let id = request.id("id", WHAT)?;
    let run = request.id("run", RUN)?;
    let found = request.app.views.run(request.org()?, id, run).await?;
    found.map(|body| Reply::ok(&body)).ok_or_else(|| Problem::not_found(RUN))
}

async fn cancel(request: Arc<Request>) -> Answer {
    let id: DataSpecId = request.id("id", WHAT)?;
    let run: RunId = request.id("run", RUN)?;
    request.app.views.run(request.org()?, id, run).await?.ok_or_else(|| Problem::not_found(RUN))?;
    let outcome = request.execute::<DataSpec>(id, vec![DataSpecCommand::CancelRun { run_id: run }], None).await?;
    request.app.knowledge.stop_run(run);
    let found = request.app.views.run(request.org()?, id, run).await?.ok_or_else(|| Problem::not_found(RUN))?;
    Ok(Reply::accepted(&found).position(outcome.position, request.app.head()))
}

async fn documents(request: Arc<Request>) -> Answer {
    let id = request.id("id", WHAT)?;
    current(&request, id).await?;
    let paging = request.paging()?;
    Ok(Reply::page(request.app.knowledge.documents(request.org()?, id, paging.query.clone()).await.map_err(|error| Problem::fault(&error))?, &paging))
}
