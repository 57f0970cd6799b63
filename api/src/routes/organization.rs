//! `/api/organizations/current`: the caller's organization. Plan and limits are the operator's to set.

use std::sync::Arc;

use actix_web::http::Method;
use serde_json::{Value, json};
use twig_domain::organization::{Organization, OrganizationCommand, Scope};

use super::{object, text, titled};
use crate::{
    problem::Problem,
    reply::{Answer, Reply},
    request::Request,
    route::{Gives, Route, Takes, handler},
    schemas::named,
};

pub fn routes(all: &mut Vec<Route>) {
    let path = "/api/organizations/current";
    let body = object(&["name"], json!({"name": text(1, 120)}));
    all.extend([
        Route::new(Method::GET, path, &[Scope::Admin], "Read the organization", Gives::One(200, named("Organization")), handler!(read)),
        Route::new(Method::PUT, path, &[Scope::Admin], "Rename the organization", Gives::One(200, named("Organization")), handler!(rename))
            .takes(Takes::Json(titled("OrganizationUpdate", body))),
    ]);
}

async fn read(request: Arc<Request>) -> Answer {
    Ok(Reply::ok(&shown(&request).await?))
}

async fn rename(request: Arc<Request>) -> Answer {
    let name = request.body["name"].as_str().unwrap_or_default().to_owned();
    let outcome = request.execute::<Organization>(request.org()?, vec![OrganizationCommand::RenameOrganization { name }], None).await?;
    Ok(Reply::ok(&shown(&request).await?).position(outcome.position, request.app.head()))
}

/// The organization with what it has used of its limits, this request counted.
async fn shown(request: &Request) -> Result<Value, Problem> {
    let mut found = request.app.views.organization(request.org()?).await?.ok_or_else(|| Problem::not_found("The organization"))?.body;
    let key = request.key()?;
    let standing = request.app.limiter.standing(key.organization, key.limits, request.now).await.map_err(|error| Problem::fault(&error))?;
    found["usage"] = json!({"minute": standing.minute_used, "today": standing.day_used});
    Ok(found)
}
