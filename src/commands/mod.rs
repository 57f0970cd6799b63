//! Commands of the operator. Those that write append to the log like any other process, also beside a running server.

mod audit;
mod eval;
mod files;
mod import;
mod progress;
mod records;
mod watch;

use clap::Subcommand;
use serde_json::{Value, json};
use twig_api::key;
use twig_commands::{bus::CommandContext, ids::new_id};
use twig_domain::{
    Actor, ActorKind, EventMeta, Timestamp,
    id::{KeyId, OrgId},
    organization::{KeyRecord, Limits, Organization, OrganizationCommand, Plan, Scope},
};
use twig_projections::{ListAt, ListQuery};

use self::progress::Progress;
use crate::{node::Node, settings::Settings};

pub use audit::{Audit, audit, record_backup};
pub use eval::{Eval, eval};
pub use files::{backup, doctor, restore};
pub use import::{Import, import};

#[derive(Subcommand)]
pub enum Orgs {
    /// Register an organization
    Create {
        name: String,
        #[arg(long, value_parser = plan)]
        plan: Plan,
        #[arg(long)]
        per_minute: Option<u64>,
        #[arg(long)]
        per_day: Option<u64>,
    },
    List,
    /// Change an organization's plan or limits
    Set {
        org: String,
        #[arg(long, value_parser = plan)]
        plan: Option<Plan>,
        #[arg(long)]
        per_minute: Option<u64>,
        #[arg(long)]
        per_day: Option<u64>,
    },
}

#[derive(Subcommand)]
pub enum Keys {
    /// Issue a key; it is shown this once
    Create {
        #[arg(long)]
        org: String,
        #[arg(long)]
        name: String,
        #[arg(long, value_delimiter = ',', value_parser = scope)]
        scopes: Vec<Scope>,
        #[arg(long)]
        expires_at: Option<String>,
        #[arg(long)]
        test: bool,
    },
    List {
        #[arg(long)]
        org: Option<String>,
    },
    Revoke {
        id: String,
    },
}

#[derive(Subcommand)]
pub enum Projections {
    Status,
    /// Fill a new version beside the live one, or `clickhouse` anew
    Rebuild {
        name: String,
    },
    /// Make the rebuilt version the live one
    Switch {
        name: String,
    },
    /// Drop versions that are not live
    Drop {
        name: String,
    },
}

fn plan(text: &str) -> Result<Plan, String> {
    match text {
        "free" => Ok(Plan::Free),
        "pro" => Ok(Plan::Pro),
        "enterprise" => Ok(Plan::Enterprise),
        _ => Err("allowed are free, pro and enterprise".into()),
    }
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::named(text).ok_or_else(|| format!("allowed are {}", Scope::ALL.map(Scope::name).join(", ")))
}

pub fn say(as_json: bool, value: &Value, text: &str) {
    if as_json { println!("{value}") } else { println!("{text}") }
}

/// The operating system's user, as the audit shows them.
pub fn context(organization: OrgId) -> CommandContext {
    let name = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map_or_else(|| "unknown".into(), |user| user.name);
    let actor = Actor { kind: ActorKind::User, id: name.clone(), name };
    CommandContext::of(EventMeta { organization, actor, correlation_id: "cli".into(), causation_id: None, ip: None, user_agent: None, traceparent: None })
}

/// The stores, with the views brought up to the log.
pub async fn open(settings: &Settings) -> Result<Node, String> {
    let node = Node::open(settings)?;
    node.projector.catch_up().await.map_err(|error| error.to_string())?;
    Ok(node)
}

pub async fn find_org(node: &Node, wanted: &str) -> Result<Value, String> {
    let all = node.views.organizations().await.map_err(|error| error.to_string())?;
    let mut found = all.into_iter().filter(|org| org["id"].as_str().is_some_and(|id| id.eq_ignore_ascii_case(wanted)) || org["name"] == wanted);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => Err(format!("several organizations are named {wanted}; give the id")),
        (None, _) => Err(format!("there is no organization {wanted}")),
    }
}

pub fn org_id(org: &Value) -> Result<OrgId, String> {
    org["id"].as_str().and_then(|id| id.parse().ok()).ok_or_else(|| "the organization's row is damaged".into())
}

pub async fn register(node: &Node, name: &str, plan: Plan, limits: Limits) -> Result<OrgId, String> {
    if name.trim().is_empty() || name.chars().count() > 120 {
        return Err("a name has 1 to 120 characters".into());
    }
    let id: OrgId = new_id(node.clock.now());
    let command = OrganizationCommand::RegisterOrganization { id, name: name.to_owned(), plan, limits };
    node.bus.execute::<Organization>(id, vec![command], context(id)).await.map_err(|error| error.to_string())?;
    Ok(id)
}

/// The key's id and its secret.
pub async fn issue(node: &Node, org: OrgId, name: &str, scopes: Vec<Scope>, expires_at: Option<Timestamp>, test: bool) -> Result<(KeyId, String), String> {
    let secret = key::generate(test);
    let record = KeyRecord { name: name.to_owned(), scopes, sha256: key::sha256(&secret), last_four: key::last_four(&secret), test, expires_at };
    let key_id: KeyId = new_id(node.clock.now());
    node.bus
        .execute::<Organization>(org, vec![OrganizationCommand::IssueApiKey { key_id, key: record }], context(org))
        .await
        .map_err(|error| error.to_string())?;
    Ok((key_id, secret))
}

pub async fn orgs(settings: &Settings, command: Orgs, as_json: bool) -> Result<(), String> {
    let node = open(settings).await?;
    match command {
        Orgs::Create { name, plan, per_minute, per_day } => {
            let limits = Limits { per_minute: per_minute.unwrap_or(plan.limits().per_minute), per_day: per_day.unwrap_or(plan.limits().per_day) };
            let id = register(&node, &name, plan, limits).await?;
            say(as_json, &json!({"id": id, "name": name, "plan": plan, "limits": limits}), &format!("{id}  {name}"));
        }
        Orgs::List => {
            let all = node.views.organizations().await.map_err(|error| error.to_string())?;
            let text: Vec<String> = all
                .iter()
                .map(|org| {
                    format!(
                        "{}  {}  {}",
                        org["id"].as_str().unwrap_or_default(),
                        org["plan"].as_str().unwrap_or_default(),
                        org["name"].as_str().unwrap_or_default()
                    )
                })
                .collect();
            say(as_json, &json!(all), &text.join("\n"));
        }
        Orgs::Set { org, plan, per_minute, per_day } => {
            let found = find_org(&node, &org).await?;
            let id = org_id(&found)?;
            let old: Plan = serde_json::from_value(found["plan"].clone()).map_err(|error| error.to_string())?;
            let old_limits: Limits = serde_json::from_value(found["limits"].clone()).map_err(|error| error.to_string())?;
            let base = plan.map_or(old_limits, Plan::limits);
            let (plan, limits) = (plan.unwrap_or(old), Limits { per_minute: per_minute.unwrap_or(base.per_minute), per_day: per_day.unwrap_or(base.per_day) });
            node.bus
                .execute::<Organization>(id, vec![OrganizationCommand::ChangePlan { plan, limits }], context(id))
                .await
                .map_err(|error| error.to_string())?;
            say(as_json, &json!({"id": id, "name": found["name"], "plan": plan, "limits": limits}), &format!("{id} is set"));
        }
    }
    Ok(())
}

pub async fn keys(settings: &Settings, command: Keys, as_json: bool) -> Result<(), String> {
    let node = open(settings).await?;
    match command {
        Keys::Create { org, name, scopes, expires_at, test } => {
            if scopes.is_empty() {
                return Err(format!("--scopes is needed; allowed are {}", Scope::ALL.map(Scope::name).join(", ")));
            }
            let expires_at = expires_at.map(|text| text.parse().map_err(|_| format!("--expires-at is {text:?}; an RFC 3339 time is needed"))).transpose()?;
            let org = org_id(&find_org(&node, &org).await?)?;
            let (id, secret) = issue(&node, org, &name, scopes.clone(), expires_at, test).await?;
            say(
                as_json,
                &json!({"id": id, "key": secret, "scopes": scopes, "name": name, "expiresAt": expires_at}),
                &format!("{id}\n{secret}\nKeep the key: it is not shown again."),
            );
        }
        Keys::List { org } => {
            let mut all = Vec::new();
            for found in node.views.organizations().await.map_err(|error| error.to_string())? {
                let wanted = org.as_ref().is_none_or(|org| found["id"] == org.as_str() || found["name"] == org.as_str());
                if wanted {
                    let page =
                        node.views.api_keys(org_id(&found)?, ListQuery { limit: 10_000, at: ListAt::Offset(0) }).await.map_err(|error| error.to_string())?;
                    all.extend(page.rows.into_iter().map(|mut row| {
                        row["organizationId"] = found["id"].clone();
                        row
                    }));
                }
            }
            let text: Vec<String> = all
                .iter()
                .map(|row| {
                    format!(
                        "{}  …{}  {}",
                        row["id"].as_str().unwrap_or_default(),
                        row["lastFour"].as_str().unwrap_or_default(),
                        row["name"].as_str().unwrap_or_default()
                    )
                })
                .collect();
            say(as_json, &json!(all), &text.join("\n"));
        }
        Keys::Revoke { id } => {
            let key_id: KeyId = id.parse().map_err(|_| format!("{id} is no key's id"))?;
            for found in node.views.organizations().await.map_err(|error| error.to_string())? {
                let org = org_id(&found)?;
                if node.views.api_key(org, key_id).await.map_err(|error| error.to_string())?.is_some() {
                    node.bus
                        .execute::<Organization>(org, vec![OrganizationCommand::RevokeApiKey { key_id }], context(org))
                        .await
                        .map_err(|error| error.to_string())?;
                    say(as_json, &json!({"id": id, "deleted": true}), &format!("{id} is revoked"));
                    return Ok(());
                }
            }
            return Err(format!("there is no key {id}"));
        }
    }
    Ok(())
}

pub async fn projections(settings: &Settings, command: Projections, as_json: bool) -> Result<(), String> {
    let node = Node::open(settings)?;
    let progress = Progress::of("views");
    node.projector.catch_up_telling(|at, head| progress.tell(at, head)).await.map_err(|error| error.to_string())?;
    progress.done();
    match command {
        Projections::Status => {
            let all = node.views.status().await.map_err(|error| error.to_string())?;
            let line = |one: &twig_projections::ProjectionStatus| {
                format!("{} v{}{}  at {}  {} dead events", one.name, one.version, if one.live { " (live)" } else { "" }, one.position, one.dead_events)
            };
            say(as_json, &json!(all), &all.iter().map(line).collect::<Vec<_>>().join("\n"));
        }
        Projections::Rebuild { name } if name == "clickhouse" => {
            let sink = node.clickhouse_sink().ok_or("clickhouse_url is needed")?;
            let progress = Progress::of("clickhouse");
            sink.rebuild(|at, head| progress.tell(at, head)).await.map_err(|error| error.to_string())?;
            progress.done();
            say(as_json, &json!({"name": name}), "ClickHouse is filled");
        }
        Projections::Rebuild { name } => {
            let progress = Progress::of(&name);
            let version = node.views.rebuild(&name, node.vault.clone(), |at, head| progress.tell(at, head));
            let version = version.await.map_err(|error| error.to_string())?;
            progress.done();
            node.projector.catch_up().await.map_err(|error| error.to_string())?;
            let differing = node.views.differing_rows(&name, node.vault.clone()).await.map_err(|error| error.to_string())?;
            say(
                as_json,
                &json!({"name": name, "version": version, "differingRows": differing}),
                &format!("{name} v{version} is filled; {differing} rows differ from the live version"),
            );
        }
        Projections::Switch { name } => {
            let version = node.views.switch(&name, node.vault.clone()).await.map_err(|error| error.to_string())?;
            say(as_json, &json!({"name": name, "version": version}), &format!("{name} v{version} is live"));
        }
        Projections::Drop { name } => {
            let dropped = node.views.drop_rebuilt(&name).await.map_err(|error| error.to_string())?;
            say(as_json, &json!({"name": name, "dropped": dropped}), &format!("{dropped} versions dropped"));
        }
    }
    Ok(())
}
