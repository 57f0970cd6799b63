//! What workers and the operator ask, across organizations.

use rusqlite::Connection;
use serde_json::Value;
use twig_domain::{
    Timestamp,
    data_spec::{DataSpecSettings, PublishedIndex},
    id::{DataSpecId, InteractionId, OrgId},
};

use super::{name, typed};
use crate::{OpenRun, ViewError, Views, fold::Table, views::shown};

impl Views {
    pub async fn organizations(&self) -> Result<Vec<Value>, ViewError> {
        self.read(|connection, live| {
            let rows = select(connection, &format!("SELECT organization, id, body FROM {} ORDER BY sort", name(live, Table::Organizations)))?;
            Ok(rows.into_iter().map(|(_, _, body)| shown(body)).collect())
        })
        .await
    }

    /// Runs that are queued or running, oldest first.
    pub async fn open_runs(&self) -> Result<Vec<OpenRun>, ViewError> {
        self.read(|connection, live| {
            let sql =
                format!("SELECT organization, id, body FROM {} WHERE body ->> '$.status' IN ('queued', 'running') ORDER BY sort", name(live, Table::Runs));
            let open = |(organization, run, body): (String, String, Value)| {
                Ok(OpenRun { organization: typed(&organization.into())?, data_spec: typed(&body["dataSpecId"])?, run: typed(&run.into())? })
            };
            select(connection, &sql)?.into_iter().map(open).collect()
        })
        .await
    }

    /// Data specs whose schedule asks for a run.
    pub async fn due_data_specs(&self, now: Timestamp) -> Result<Vec<(OrgId, DataSpecId)>, ViewError> {
        self.read(move |connection, live| {
            let specs = name(live, Table::DataSpecs);
            let sql = format!(
                "SELECT s.organization, s.id, json_set(s.body, '$._ended', r.body ->> '$.finishedAt') FROM {specs} s LEFT JOIN {} r ON r.organization = s.organization AND r.id = s.body ->> '$.lastRun' \
                 WHERE s.parent IS NULL AND s.body ->> '$.syncSchedule' <> 'manual' AND s.body ->> '$.status' <> 'processing'",
                name(live, Table::Runs)
            );
            let mut due = Vec::new();
            for (organization, id, body) in select(connection, &sql)? {
                let settings: DataSpecSettings = typed(&body)?;
                let since = body["_ended"].as_str().or(body["createdAt"].as_str()).and_then(|text| text.parse::<Timestamp>().ok());
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

    /// Interactions that have begun and not ended.
    pub async fn started_interactions(&self) -> Result<Vec<(OrgId, InteractionId)>, ViewError> {
        self.read(|connection, live| {
            let sql = format!("SELECT organization, id, '{{}}' FROM {} WHERE body ->> '$.status' = 'started'", name(live, Table::Interactions));
            select(connection, &sql)?.into_iter().map(|(organization, id, _)| Ok((typed(&organization.into())?, typed(&id.into())?))).collect()
        })
        .await
    }

    /// Every published index that stands on this model.
    pub async fn indexes_on(&self, model: &'static str) -> Result<Vec<(OrgId, DataSpecId, PublishedIndex)>, ViewError> {
        self.read(move |connection, live| {
            let sql = format!(
                "SELECT organization, id, body FROM {} WHERE parent IS NULL AND body ->> '$._index.model' = '{model}' ORDER BY sort",
                name(live, Table::DataSpecs)
            );
            select(connection, &sql)?
                .into_iter()
                .map(|(organization, id, body)| Ok((typed(&organization.into())?, typed(&id.into())?, typed(&body["_index"])?)))
                .collect()
        })
        .await
    }
}

fn select(connection: &Connection, sql: &str) -> Result<Vec<(String, String, Value)>, ViewError> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)))?;
    rows.map(|row| {
        let (organization, id, body) = row?;
        Ok((organization, id, serde_json::from_str(&body).map_err(|error| ViewError::Other(error.to_string()))?))
    })
    .collect()
}
