//! What is not an event: how far a live run or a background embedding is, and who holds it. Losing it loses nothing.

use serde_json::Value;
use twig_commands::database::Value as Sql;
use twig_domain::{
    Timestamp,
    id::{DataSpecId, DocumentId, OrgId, RunId},
};

use crate::{ViewError, Views, views::Tenant};

impl Views {
    pub async fn report_progress(&self, organization: OrgId, run: RunId, progress: Value) -> Result<(), ViewError> {
        let row = vec![organization.to_string().into(), run.to_string().into(), Sql::json(&progress)];
        self.change(move |session| Ok(session.upsert("run_progress", &["organization", "run", "body"], &["organization", "run"], vec![row])?)).await
    }

    /// Takes or renews the lease of a run; `false` where somebody else holds it.
    pub async fn claim_run(&self, organization: OrgId, run: RunId, owner: String, now: Timestamp, lease_s: i64) -> Result<bool, ViewError> {
        self.change(move |session| {
            let sql = "INSERT INTO run_progress AS r (organization, run, owner, lease_until) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (organization, run) \
                       DO UPDATE SET owner = excluded.owner, lease_until = excluded.lease_until WHERE r.owner IS NULL OR r.owner = excluded.owner OR r.lease_until <= ?5";
            let until = now.plus_seconds(lease_s).millis();
            Ok(session.execute(sql, &[organization.to_string().into(), run.to_string().into(), owner.into(), until.into(), now.millis().into()])? > 0)
        })
        .await
    }

    /// Ends all leases: whoever held them cannot be alive, since this process alone has the data folder.
    pub async fn release_all_runs(&self) -> Result<(), ViewError> {
        self.change(|session| Ok(session.execute("UPDATE run_progress SET owner = NULL, lease_until = NULL", &[]).map(drop)?)).await
    }

    pub async fn report_embedding(&self, organization: OrgId, data_spec: DataSpecId, manifest: String, next: Option<Value>) -> Result<(), ViewError> {
        self.change(move |session| {
            let (organization, data_spec) = (Sql::from(organization.to_string()), Sql::from(data_spec.to_string()));
            match next {
                Some(next) => {
                    let row = vec![organization, data_spec, manifest.into(), Sql::json(&next)];
                    session.upsert("embedding_progress", &["organization", "data_spec", "manifest", "body"], &["organization", "data_spec"], vec![row])?;
                }
                None => drop(session.execute("DELETE FROM embedding_progress WHERE organization = ?1 AND data_spec = ?2", &[organization, data_spec])?),
            }
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
        self.change(move |session| {
            let (organization, data_spec) = (organization.to_string(), data_spec.to_string());
            session.execute("DELETE FROM published_documents WHERE organization = ?1 AND data_spec = ?2", &[(&organization).into(), (&data_spec).into()])?;
            let row = |place: i64, id: String, body: &Value| {
                vec![(&organization).into(), (&data_spec).into(), (&manifest).into(), place.into(), id.into(), Sql::json(body)]
            };
            let mut rows: Vec<Vec<Sql>> = documents.iter().enumerate().map(|(place, (id, body))| row(place as i64, id.to_string(), body)).collect();
            if rows.is_empty() {
                // Says that the manifest is known and has none.
                rows.push(row(-1, String::new(), &Value::Null));
            }
            let columns = ["organization", "data_spec", "manifest", "place", "id", "body"];
            Ok(session.upsert("published_documents", &columns, &["organization", "data_spec", "place"], rows)?)
        })
        .await
    }

    /// The manifest whose documents are known.
    pub async fn listed_manifest(&self, organization: OrgId, data_spec: DataSpecId) -> Result<Option<String>, ViewError> {
        self.read(Tenant::Of(organization), move |session, _| {
            let sql = "SELECT manifest FROM published_documents WHERE organization = ?1 AND data_spec = ?2 LIMIT 1";
            let found = session.query_first(sql, &[organization.to_string().into(), data_spec.to_string().into()])?;
            Ok(found.map(|row| row.get(0)).transpose()?)
        })
        .await
    }
}
