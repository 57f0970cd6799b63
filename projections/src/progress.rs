//! What is not an event: how far a live run or a background embedding is, and who holds it. Losing it loses nothing.

use rusqlite::{OptionalExtension, params};
use serde_json::Value;
use twig_domain::{
    Timestamp,
    id::{DataSpecId, DocumentId, OrgId, RunId},
};

use crate::{ViewError, Views};

impl Views {
    pub async fn report_progress(&self, organization: OrgId, run: RunId, progress: Value) -> Result<(), ViewError> {
        self.change(move |connection| {
            let sql = "INSERT INTO run_progress (organization, run, body) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET body = excluded.body";
            connection.prepare_cached(sql)?.execute(params![organization.to_string(), run.to_string(), progress.to_string()])?;
            Ok(())
        })
        .await
    }

    /// Takes or renews the lease of a run; `false` where somebody else holds it.
    pub async fn claim_run(&self, organization: OrgId, run: RunId, owner: String, now: Timestamp, lease_s: i64) -> Result<bool, ViewError> {
        self.change(move |connection| {
            let sql = "INSERT INTO run_progress (organization, run, owner, lease_until) VALUES (?1, ?2, ?3, ?4) \
                       ON CONFLICT DO UPDATE SET owner = excluded.owner, lease_until = excluded.lease_until WHERE owner IS NULL OR owner = excluded.owner OR lease_until <= ?5";
            let until = now.plus_seconds(lease_s).millis();
            Ok(connection.prepare_cached(sql)?.execute(params![organization.to_string(), run.to_string(), owner, until, now.millis()])? > 0)
        })
        .await
    }

    /// Ends all leases: whoever held them cannot be alive, since this process alone has the data folder.
    pub async fn release_all_runs(&self) -> Result<(), ViewError> {
        self.change(|connection| Ok(connection.execute("UPDATE run_progress SET owner = NULL, lease_until = NULL", []).map(drop)?)).await
    }

    pub async fn report_embedding(&self, organization: OrgId, data_spec: DataSpecId, manifest: String, next: Option<Value>) -> Result<(), ViewError> {
        self.change(move |connection| {
            let key = [organization.to_string(), data_spec.to_string()];
            match next {
                Some(next) => connection.execute(
                    "INSERT OR REPLACE INTO embedding_progress (organization, data_spec, manifest, body) VALUES (?1, ?2, ?3, ?4)",
                    params![key[0], key[1], manifest, next.to_string()],
                )?,
                None => connection.execute("DELETE FROM embedding_progress WHERE organization = ?1 AND data_spec = ?2", key)?,
            };
            Ok(())
        })
        .await
    }

    /// The documents of a published manifest, for lists; made again from the manifest when missing.
    pub async fn set_documents(
        &self,
        organization: OrgId,
        data_spec: DataSpecId,
        manifest: String,
        documents: Vec<(DocumentId, Value)>,
    ) -> Result<(), ViewError> {
        self.change(move |connection| {
            let transaction = connection.transaction()?;
            let (organization, data_spec) = (organization.to_string(), data_spec.to_string());
            transaction.execute("DELETE FROM published_documents WHERE organization = ?1 AND data_spec = ?2", [&organization, &data_spec])?;
            {
                let mut insert = transaction
                    .prepare_cached("INSERT INTO published_documents (organization, data_spec, manifest, place, id, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
                for (place, (id, body)) in documents.iter().enumerate() {
                    insert.execute(params![organization, data_spec, manifest, place as i64, id.to_string(), body.to_string()])?;
                }
                if documents.is_empty() {
                    insert.execute(params![organization, data_spec, manifest, -1, "", "null"])?;
                }
            }
            Ok(transaction.commit()?)
        })
        .await
    }

    /// The manifest whose documents are known.
    pub async fn listed_manifest(&self, organization: OrgId, data_spec: DataSpecId) -> Result<Option<String>, ViewError> {
        self.read(move |connection, _| {
            let sql = "SELECT manifest FROM published_documents WHERE organization = ?1 AND data_spec = ?2 LIMIT 1";
            Ok(connection.prepare_cached(sql)?.query_row([organization.to_string(), data_spec.to_string()], |row| row.get(0)).optional()?)
        })
        .await
    }
}
