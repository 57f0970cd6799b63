//! What workers and the operator ask, across organizations.

use serde_json::Value;
use twig_commands::database::Session;
use twig_domain::{
    Timestamp,
    data_spec::{DataSpecSettings, PublishedIndex},
    id::{DataSpecId, InteractionId, OrgId},
};

use super::{name, typed};
use crate::{
    OpenRun, ViewError, Views,
    fold::Table,
    views::{Tenant, shown},
};

impl Views {
    pub async fn organizations(&self) -> Result<Vec<Value>, ViewError> {
        self.read(Tenant::All, |session, live| {
            let rows = select(session, &format!("SELECT organization, id, body FROM {} ORDER BY sort", name(live, Table::Organizations)))?;
            Ok(rows.into_iter().map(|(_, _, body)| shown(body)).collect())
        })
        .await
    }

    /// Runs that are queued or running, oldest first.
    pub async fn open_runs(&self) -> Result<Vec<OpenRun>, ViewError> {
        self.read(Tenant::All, |session, live| {
            let sql = format!("SELECT organization, id, body FROM {} WHERE body ->> 'status' IN ('queued', 'running') ORDER BY sort", name(live, Table::Runs));
            let open = |(organization, run, body): (String, String, Value)| {
                Ok(OpenRun { organization: typed(&organization.into())?, data_spec: typed(&body["dataSpecId"])?, run: typed(&run.into())? })
            };
            select(session, &sql)?.into_iter().map(open).collect()
        })
        .await
    }

    /// Data specs whose schedule asks for a run.
    pub async fn due_data_specs(&self, now: Timestamp) -> Result<Vec<(OrgId, DataSpecId)>, ViewError> {
        self.read(Tenant::All, move |session, live| {
            let specs = name(live, Table::DataSpecs);
            let sql = format!(
                "SELECT s.organization, s.id, s.body, r.body ->> 'finishedAt' FROM {specs} s LEFT JOIN {} r ON r.organization = s.organization AND r.id = s.body ->> 'lastRun' \
                 WHERE s.parent IS NULL AND s.body ->> 'syncSchedule' <> 'manual' AND s.body ->> 'status' <> 'processing'",
                name(live, Table::Runs)
            );
            let mut due = Vec::new();
            for row in session.query(&sql, &[])? {
                let (organization, id, body, ended): (String, String, Value, Option<String>) = (row.get(0)?, row.get(1)?, row.json(2)?, row.get(3)?);
                let settings: DataSpecSettings = typed(&body)?;
                let since = ended.as_deref().or(body["createdAt"].as_str()).and_then(|text| text.parse::<Timestamp>().ok());
                if let (Some(period), Some(since)) = (settings.sync_schedule.period_seconds(), since)
                    && since.plus_seconds(period) <= now
                {
                    due.push((typed(&organization.into())?, typed(&id.into())?));
                }
            }
            Ok(due)
        })
        .await
    }

    /// Interactions that began before a moment and have not ended.
    pub async fn started_interactions(&self, before: Timestamp) -> Result<Vec<(OrgId, InteractionId)>, ViewError> {
        self.read(Tenant::All, move |session, live| {
            let sql = format!("SELECT organization, id FROM {} WHERE body ->> 'status' = 'started' AND at < ?1", name(live, Table::Interactions));
            let started = session.query(&sql, &[before.millis().into()])?;
            started.iter().map(|row| Ok((typed(&row.get::<String>(0)?.into())?, typed(&row.get::<String>(1)?.into())?))).collect()
        })
        .await
    }

    /// Every published index that stands on this model.
    pub async fn indexes_on(&self, model: &'static str) -> Result<Vec<(OrgId, DataSpecId, PublishedIndex)>, ViewError> {
        self.read(Tenant::All, move |session, live| {
            let sql = format!(
                "SELECT organization, id, body FROM {} WHERE parent IS NULL AND body -> '_index' ->> 'model' = '{model}' ORDER BY sort",
                name(live, Table::DataSpecs)
            );
            select(session, &sql)?
                .into_iter()
                .map(|(organization, id, body)| Ok((typed(&organization.into())?, typed(&id.into())?, typed(&body["_index"])?)))
                .collect()
        })
        .await
    }
}

fn select(session: &mut Session, sql: &str) -> Result<Vec<(String, String, Value)>, ViewError> {
    session.query(sql, &[])?.iter().map(|row| Ok((row.get(0)?, row.get(1)?, row.json(2)?))).collect()
}
