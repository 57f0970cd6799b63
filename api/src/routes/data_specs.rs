//! `/api/data-specs`: sources of documents. Long text in `config` lives in the content store, secrets are sealed: neither stands in an event.

use std::sync::Arc;

use actix_web::http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use twig_commands::ids::new_id;
use twig_domain::{
    data_spec::{DataSpec, DataSpecCommand, DataSpecPatch, DataSpecSettings, DataSpecType, Filters, SyncSchedule},
    id::DataSpecId,
    organization::Scope,
};
use twig_knowledge::ConfigError;
use twig_projections::{AsOf, Resource};

use super::{as_of, object, optional_text, text, titled};
use crate::{
    problem::{Field, Problem},
    reply::{Answer, Reply},
    request::Request,
    route::{Gives, Route, Takes, handler},
    schemas::{named, sources},
};

pub(super) const WHAT: &str = "The data spec";
pub fn routes(all: &mut Vec<Route>) {
    all.extend([
        Route::new(Method::GET, "/api/data-specs", &[Scope::DataRead], "List data specs", Gives::List(named("DataSpec")), handler!(list))
            .paged()
            .query(&as_of()),
        Route::new(Method::POST, "/api/data-specs", &[Scope::DataWrite], "Create a data spec", Gives::One(201, named("DataSpec")), handler!(create))
            .takes(Takes::Json(settings_schema(true)))
            .tagged(),
        Route::new(Method::GET, "/api/data-specs/{id}", &[Scope::DataRead], "Read a data spec", Gives::One(200, named("DataSpec")), handler!(read))
            .query(&as_of())
            .tagged(),
        Route::new(Method::PUT, "/api/data-specs/{id}", &[Scope::DataWrite], "Change a data spec", Gives::One(200, named("DataSpec")), handler!(update))
            .takes(Takes::Json(settings_schema(false)))
            .tagged(),
        Route::new(Method::DELETE, "/api/data-specs/{id}", &[Scope::DataWrite], "Delete a data spec", Gives::Deleted, handler!(delete)).tagged(),
    ]);
}

fn settings_schema(creating: bool) -> Value {
    let globs = json!({"type": "array", "maxItems": 100, "items": text(1, 500)});
    let mut properties = json!({
        "name": text(1, 120), "description": optional_text(2000), "config": {"type": "object", "description": sources::DESCRIPTION},
        "syncSchedule": {"enum": ["manual", "hourly", "daily", "weekly"]}, "tags": {"type": "array", "maxItems": 50, "items": text(1, 100)},
        "filters": object(&[], json!({"include": globs, "exclude": globs})),
        "type": {"enum": ["text", "file", "website", "sitemap", "qna_csv", "csv", "bucket"]},
    });
    if !creating {
        properties["type"]["description"] = "As it was created: a type does not change".into();
    }
    let mut settings = object(if creating { &["name", "type"] } else { &[] }, properties);
    if creating {
        settings["allOf"] = sources::by_type();
    }
    titled(if creating { "DataSpecCreate" } else { "DataSpecUpdate" }, settings)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    name: Option<String>,
    #[serde(default, deserialize_with = "super::present")]
    description: Option<Option<String>>,
    #[serde(rename = "type")]
    kind: Option<DataSpecType>,
    config: Option<Value>,
    sync_schedule: Option<SyncSchedule>,
    tags: Option<Vec<String>>,
    filters: Option<Filters>,
}

async fn list(request: Arc<Request>) -> Answer {
    let paging = request.paging()?;
    let mut page = match request.as_of()? {
        Some(as_of) => request.app.views.data_specs_as_of(request.org()?, as_of, paging.query.clone()).await?,
        None => request.app.views.data_specs(request.org()?, paging.query.clone()).await?,
    };
    for row in &mut page.rows {
        show(&request, row).await?;
    }
    Ok(Reply::page(page, &paging))
}

async fn create(request: Arc<Request>) -> Answer {
    let given: Given = request.body()?;
    let organization = request.org()?;
    let kind = given.kind.unwrap_or(DataSpecType::Text);
    let config = store_config(&request, kind, given.config.unwrap_or_else(|| json!({})), None).await?;
    let settings = Box::new(DataSpecSettings {
        name: given.name.unwrap_or_default(),
        description: given.description.flatten(),
        kind,
        config,
        sync_schedule: given.sync_schedule.unwrap_or(SyncSchedule::Manual),
        tags: given.tags.unwrap_or_default(),
        filters: given.filters.unwrap_or_default(),
    });
    let id: DataSpecId = new_id(request.now);
    let outcome = request.execute::<DataSpec>(id, vec![DataSpecCommand::CreateDataSpec { organization, id, settings }], None).await?;
    let spec = shown(&request, id).await?;
    Ok(Reply::created(format!("/api/data-specs/{id}"), &spec.body).etag(spec.version).position(outcome.position, request.app.head()))
}

async fn read(request: Arc<Request>) -> Answer {
    let id = request.id("id", WHAT)?;
    if let Some(as_of) = request.as_of()? {
        return at(&request, id, as_of).await?.map(|found| Reply::resource(&found)).ok_or_else(|| Problem::not_found(WHAT));
    }
    Ok(Reply::resource(&shown(&request, id).await?))
}

async fn update(request: Arc<Request>) -> Answer {
    let id = request.id("id", WHAT)?;
    let before = current(&request, id).await?;
    let expected = request.expected_version(before.version)?;
    let (settings, _, _) = request.app.views.data_spec_settings(request.org()?, id).await?.ok_or_else(|| Problem::not_found(WHAT))?;
    let given: Given = request.body()?;
    if given.kind.is_some_and(|kind| kind != settings.kind) {
        return Err(Problem::field("/type", "can't be changed; make a new data spec"));
    }
    let config = match given.config {
        Some(config) => Some(store_config(&request, settings.kind, config, Some(&settings.config)).await?),
        None => None,
    };
    let patch = Box::new(DataSpecPatch {
        name: given.name,
        description: given.description,
        config,
        sync_schedule: given.sync_schedule,
        tags: given.tags,
        filters: given.filters,
    });
    let outcome = request.execute::<DataSpec>(id, vec![DataSpecCommand::UpdateDataSpec { patch }], expected).await?;
    Ok(Reply::resource(&shown(&request, id).await?).position(outcome.position, request.app.head()))
}

async fn delete(request: Arc<Request>) -> Answer {
    let id: DataSpecId = request.id("id", WHAT)?;
    let before = current(&request, id).await?;
    let expected = request.expected_version(before.version)?;
    let outcome = request.execute::<DataSpec>(id, vec![DataSpecCommand::DeleteDataSpec], expected).await?;
    Ok(Reply::deleted(&id.to_string()).position(outcome.position, request.app.head()))
}

/// Checks a config as the client wrote it and gives the form that may stand in an event.
async fn store_config(request: &Request, kind: DataSpecType, given: Value, before: Option<&Value>) -> Result<Value, Problem> {
    let organization = request.org()?;
    let knowledge = request.app.knowledge.clone();
    let before = before.cloned();
    let stored = request.app.blocking(move || knowledge.store_config(organization, kind, given, before.as_ref())).await?;
    stored.map_err(config_problem)
}

fn config_problem(error: ConfigError) -> Problem {
    match error {
        ConfigError::Fields(fields) => Problem::fields(fields.into_iter().map(|field| Field::new(format!("/config{}", field.pointer), field.reason)).collect()),
        ConfigError::Store(fault) => Problem::fault(fault.cause()),
        sealed @ ConfigError::Sealed(_) => Problem::internal(sealed),
    }
}

/// Makes a stored data spec what a client sees: text inflated, secrets as `***`.
pub(super) async fn show(request: &Request, body: &mut Value) -> Result<(), Problem> {
    let knowledge = request.app.knowledge.clone();
    let (kind, config) = (body["type"].clone(), body["config"].take());
    body["config"] = request.app.blocking(move || knowledge.show_config(&kind, config)).await?.map_err(config_problem)?;
    Ok(())
}

pub(super) async fn current(request: &Request, id: DataSpecId) -> Result<Resource, Problem> {
    request.app.views.data_spec(request.org()?, id).await?.ok_or_else(|| Problem::not_found(WHAT))
}

/// As it was at a moment.
pub(super) async fn at(request: &Request, id: DataSpecId, as_of: AsOf) -> Result<Option<Resource>, Problem> {
    let Some(mut found) = request.app.views.data_spec_as_of(request.org()?, id, as_of).await? else { return Ok(None) };
    show(request, &mut found.body).await?;
    Ok(Some(found))
}

async fn shown(request: &Request, id: DataSpecId) -> Result<Resource, Problem> {
    let mut spec = current(request, id).await?;
    show(request, &mut spec.body).await?;
    Ok(spec)
}
