//! Queries over the views: every one names its organization, but those that workers ask and the look-up of a key.

mod audit;
mod lists;
mod system;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use twig_commands::database::Session;
use twig_domain::{
    Timestamp,
    agent::AgentSettings,
    data_spec::{DataSpecSettings, PublishedIndex, UploadedFile},
    id::{AgentId, DataSpecId, DocumentId, InteractionId, KeyId, OrgId, RunId, WebhookId},
    organization::{Limits, Plan, Scope},
};

use crate::{
    ViewError, Views,
    fold::{Row, Table},
    folds::DELETED,
    runner::Live,
    store,
    views::{Tenant, shown},
};

pub use audit::AuditFilter;
pub(crate) use lists::slice;

/// A single resource: its version is its entity tag.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    pub version: u64,
    pub body: Value,
}

/// Where a page of a list ends: lists are ordered by time and position, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    pub at: i64,
    pub sort: i64,
}

#[derive(Clone, Debug)]
pub enum ListAt {
    Offset(u64),
    After(Cursor),
}

#[derive(Clone, Debug)]
pub struct ListQuery {
    pub limit: u32,
    pub at: ListAt,
}

#[derive(Clone, Debug)]
pub struct Page {
    pub rows: Vec<Value>,
    pub total: u64,
    pub has_more: bool,
    pub next: Option<Cursor>,
}

/// A moment in the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    Time(Timestamp),
    Position(u64),
}

/// What a key may do, and within what limits.
#[derive(Clone, Debug)]
pub struct KeyAuth {
    pub organization: OrgId,
    pub key_id: KeyId,
    pub name: String,
    pub scopes: Vec<Scope>,
    pub expires_at: Option<Timestamp>,
    /// The end of a rotated secret's overlap.
    pub valid_until: Option<Timestamp>,
    pub test: bool,
    pub plan: Plan,
    pub limits: Limits,
    /// Whether its first use is in the log already.
    pub used: bool,
}

impl KeyAuth {
    #[must_use]
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|given| *given == scope || *given == Scope::Admin)
    }
}

/// Which interactions a list has; `None` is no condition.
#[derive(Clone, Debug, Default)]
pub struct InteractionFilter {
    pub agent_id: Option<AgentId>,
    pub session_id: Option<String>,
    pub user_id: Option<String>,
    pub from: Option<Timestamp>,
    /// Not included.
    pub to: Option<Timestamp>,
    pub answered: Option<bool>,
    pub rating: Option<String>,
    pub review_status: Option<String>,
    pub status: Option<String>,
    pub model: Option<String>,
    /// A document that is among the sources.
    pub document_id: Option<DocumentId>,
    pub q: Option<String>,
}

pub(crate) fn get(session: &mut Session, live: &Live, table: Table, organization: OrgId, id: &str) -> Result<Option<Row>, ViewError> {
    Ok(store::read(session, table, version(live, table), organization, id)?)
}

fn version(live: &Live, table: Table) -> i64 {
    live.get(&table.projection()).copied().unwrap_or(1)
}

pub(crate) fn name(live: &Live, table: Table) -> String {
    store::table_name(table, version(live, table))
}

fn resource(row: Row) -> Resource {
    Resource { version: row.body["version"].as_u64().unwrap_or_default(), body: shown(row.body) }
}

fn typed<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, ViewError> {
    T::deserialize(value).map_err(|error| ViewError::Other(format!("a row is damaged: {error}")))
}

impl Views {
    pub async fn key_by_hash(&self, sha256: &str) -> Result<Option<KeyAuth>, ViewError> {
        let sha256 = sha256.to_owned();
        self.read(Tenant::All, move |session, live| {
            let (keys, records, owners) = (name(live, Table::KeyHashes), name(live, Table::ApiKeys), name(live, Table::Organizations));
            let sql = format!(
                "SELECT h.organization, h.parent, h.body, r.body, o.body FROM {keys} h JOIN {records} r ON r.organization = h.organization AND r.id = h.parent \
                 JOIN {owners} o ON o.organization = h.organization AND o.id = h.organization WHERE h.id = ?1"
            );
            let Some(row) = session.query_first(&sql, &[sha256.into()])? else { return Ok(None) };
            let (secret, record, owner): (Value, Value, Value) = (row.json(2)?, row.json(3)?, row.json(4)?);
            Ok(Some(KeyAuth {
                organization: typed(&row.get::<String>(0)?.into())?,
                key_id: typed(&row.get::<String>(1)?.into())?,
                name: record["name"].as_str().unwrap_or_default().to_owned(),
                scopes: typed(&record["scopes"])?,
                expires_at: typed(&record["expiresAt"])?,
                valid_until: typed(&secret["validUntil"])?,
                test: record["test"].as_bool().unwrap_or_default(),
                plan: typed(&owner["plan"])?,
                limits: typed(&owner["limits"])?,
                used: record["_used"] == true,
            }))
        })
        .await
    }

    async fn one(&self, table: Table, organization: OrgId, id: String) -> Result<Option<Row>, ViewError> {
        self.read(Tenant::Of(organization), move |session, live| {
            Ok(get(session, live, table, organization, &id)?.filter(|row| row.parent.as_deref() != Some(DELETED)))
        })
        .await
    }

    pub async fn organization(&self, organization: OrgId) -> Result<Option<Resource>, ViewError> {
        Ok(self.one(Table::Organizations, organization, organization.to_string()).await?.map(resource))
    }

    pub async fn api_key(&self, organization: OrgId, id: KeyId) -> Result<Option<Value>, ViewError> {
        Ok(self.one(Table::ApiKeys, organization, id.to_string()).await?.map(|row| shown(row.body)))
    }

    pub async fn agent(&self, organization: OrgId, id: AgentId) -> Result<Option<Resource>, ViewError> {
        Ok(self.one(Table::Agents, organization, id.to_string()).await?.map(resource))
    }

    /// The settings of an agent at one of its versions.
    pub async fn agent_settings_at(&self, organization: OrgId, id: AgentId, version: u64) -> Result<Option<AgentSettings>, ViewError> {
        let row = self.one(Table::AgentVersions, organization, format!("{id}:{version}")).await?;
        row.map(|row| typed(&row.body["_settings"])).transpose()
    }

    /// The newest settings that an agent has or had.
    pub async fn last_agent_settings(&self, organization: OrgId, id: AgentId) -> Result<Option<AgentSettings>, ViewError> {
        self.read(Tenant::Of(organization), move |session, live| {
            let sql =
                format!("SELECT body FROM {} WHERE organization = ?1 AND parent = ?2 ORDER BY at DESC, sort DESC LIMIT 1", name(live, Table::AgentVersions));
            let row = session.query_first(&sql, &[organization.to_string().into(), id.to_string().into()])?;
            row.map(|row| typed(&row.json::<Value>(0)?["_settings"])).transpose()
        })
        .await
    }

    /// A webhook as it is stored: its headers' values are sealed.
    pub async fn webhook(&self, organization: OrgId, id: WebhookId) -> Result<Option<Resource>, ViewError> {
        Ok(self.one(Table::Webhooks, organization, id.to_string()).await?.map(resource))
    }

    pub async fn data_spec(&self, organization: OrgId, id: DataSpecId) -> Result<Option<Resource>, ViewError> {
        self.read(Tenant::Of(organization), move |session, live| {
            let row = get(session, live, Table::DataSpecs, organization, &id.to_string())?.filter(|row| row.parent.as_deref() != Some(DELETED));
            row.map(|row| Ok(resource(lists::complete_data_spec(session, live, organization, row)?))).transpose()
        })
        .await
    }

    /// What a worker needs of a data spec: settings, uploads, and the index that is published.
    pub async fn data_spec_settings(
        &self,
        organization: OrgId,
        id: DataSpecId,
    ) -> Result<Option<(DataSpecSettings, Vec<UploadedFile>, Option<PublishedIndex>)>, ViewError> {
        let row = self.one(Table::DataSpecs, organization, id.to_string()).await?;
        row.map(|row| Ok((typed(&row.body)?, typed(&row.body["_files"])?, typed(&row.body["_index"])?))).transpose()
    }

    /// The published indexes of these data specs, or of all that are active; with their tags.
    pub async fn published_indexes(
        &self,
        organization: OrgId,
        ids: Option<Vec<DataSpecId>>,
    ) -> Result<Vec<(DataSpecId, PublishedIndex, Vec<String>)>, ViewError> {
        self.read(Tenant::Of(organization), move |session, live| {
            let sql =
                format!("SELECT id, body FROM {} WHERE organization = ?1 AND parent IS NULL AND body ->> '_index' IS NOT NULL", name(live, Table::DataSpecs));
            let mut found = Vec::new();
            for row in session.query(&sql, &[organization.to_string().into()])? {
                let id: DataSpecId = typed(&row.get::<String>(0)?.into())?;
                if ids.as_ref().is_some_and(|ids| !ids.contains(&id)) {
                    continue;
                }
                let body: Value = row.json(1)?;
                found.push((id, typed(&body["_index"])?, typed(&body["tags"])?));
            }
            Ok(found)
        })
        .await
    }

    /// Which of these data specs are not this organization's.
    pub async fn missing_data_specs(&self, organization: OrgId, ids: &[DataSpecId]) -> Result<Vec<DataSpecId>, ViewError> {
        let ids = ids.to_vec();
        self.read(Tenant::Of(organization), move |session, live| {
            let mut missing = Vec::new();
            for id in ids {
                if get(session, live, Table::DataSpecs, organization, &id.to_string())?.is_none_or(|row| row.parent.as_deref() == Some(DELETED)) {
                    missing.push(id);
                }
            }
            Ok(missing)
        })
        .await
    }

    pub async fn run(&self, organization: OrgId, data_spec: DataSpecId, run: RunId) -> Result<Option<Value>, ViewError> {
        self.read(Tenant::Of(organization), move |session, live| {
            let row =
                get(session, live, Table::Runs, organization, &run.to_string())?.filter(|row| row.parent.as_deref() == Some(data_spec.to_string().as_str()));
            row.map(|row| lists::complete_run(session, organization, row.body)).transpose()
        })
        .await
    }

    pub async fn interaction(&self, organization: OrgId, id: InteractionId) -> Result<Option<Resource>, ViewError> {
        Ok(self.one(Table::Interactions, organization, id.to_string()).await?.map(resource))
    }

    /// What is kept of how an answer came to be, and the positions of the interaction's events.
    pub async fn interaction_provenance(&self, organization: OrgId, id: InteractionId) -> Result<Option<(Value, Value, Value)>, ViewError> {
        let row = self.one(Table::Interactions, organization, id.to_string()).await?;
        Ok(row.map(|row| (row.body["_provenance"].clone(), row.body["_positions"].clone(), shown(row.body))))
    }

    /// Every feedback ever given, oldest first.
    pub async fn feedback_history(&self, organization: OrgId, id: InteractionId) -> Result<Vec<Value>, ViewError> {
        self.read(Tenant::Of(organization), move |session, live| {
            let sql = format!("SELECT parent, at, sort, body FROM {} WHERE organization = ?1 AND parent = ?2 ORDER BY sort", name(live, Table::Feedback));
            let rows = session.query(&sql, &[organization.to_string().into(), id.to_string().into()])?;
            rows.iter().map(|row| Ok(store::row(row)?.body)).collect::<Result<_, ViewError>>()
        })
        .await
    }

    /// A feedback as it was given, by the version that it made of its interaction.
    pub(crate) async fn feedback_at(&self, organization: OrgId, id: InteractionId, version: u64) -> Result<Value, ViewError> {
        let row = self.one(Table::Feedback, organization, format!("{id}:{version}")).await?;
        Ok(row.map_or(Value::Null, |mut row| {
            if let Some(members) = row.body.as_object_mut() {
                members.remove("actor");
            }
            row.body
        }))
    }

    /// A session's interactions, oldest first.
    pub async fn session(&self, organization: OrgId, session: &str) -> Result<Option<Vec<Value>>, ViewError> {
        let session = session.to_owned();
        self.read(Tenant::Of(organization), move |store, live| {
            let sql =
                format!("SELECT parent, at, sort, body FROM {} WHERE organization = ?1 AND parent = ?2 ORDER BY at, sort", name(live, Table::Interactions));
            let rows = store.query(&sql, &[organization.to_string().into(), session.into()])?;
            let turns: Vec<Value> = rows.iter().map(|row| Ok(shown(store::row(row)?.body))).collect::<Result<_, ViewError>>()?;
            Ok((!turns.is_empty()).then_some(turns))
        })
        .await
    }
}
