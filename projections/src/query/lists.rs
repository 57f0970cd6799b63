//! Lists: newest first, by offset or by a cursor that stays where it is while rows are added.

use serde_json::{Value, json};
use twig_commands::database::{Engine, Session, Value as Sql};
use twig_domain::id::{AgentId, DataSpecId, OrgId};

use super::{Cursor, InteractionFilter, ListAt, ListQuery, Page, get, name};
use crate::{
    ViewError, Views,
    fold::{Row, Table},
    folds::DELETED,
    runner::Live,
    store,
    views::{Tenant, shown},
};

/// Conditions of a list, with their values.
pub(super) struct Conditions {
    sql: String,
    values: Vec<Sql>,
}

impl Conditions {
    pub(super) fn of(organization: OrgId) -> Self {
        Self { sql: "organization = ?".to_owned(), values: vec![organization.to_string().into()] }
    }

    pub(super) fn and(mut self, sql: &str, value: Sql) -> Self {
        self.sql.push_str(" AND ");
        self.sql.push_str(sql);
        self.values.push(value);
        self
    }

    pub(super) fn and_text(self, sql: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.and(sql, value.to_string().into()),
            None => self,
        }
    }
}

/// One row more than asked was read, where there are more.
pub(crate) fn slice(mut rows: Vec<(i64, i64, Value)>, limit: u32, total: u64) -> Page {
    let has_more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().map(|(at, sort, _)| Cursor { at: *at, sort: *sort });
    Page { rows: rows.into_iter().map(|(_, _, body)| body).collect(), total, has_more, next }
}

pub(super) fn page(session: &mut Session, table: &str, conditions: Conditions, query: &ListQuery) -> Result<(Vec<Row>, u64), ViewError> {
    let total: u64 = session.query_one(&format!("SELECT count(*) FROM {table} WHERE {}", conditions.sql), &conditions.values)?.get(0)?;
    let (sql, mut values, offset) = match &query.at {
        ListAt::Offset(offset) => (conditions.sql, conditions.values, *offset as i64),
        ListAt::After(cursor) => {
            let mut values = conditions.values;
            values.extend([cursor.at.into(), cursor.sort.into()]);
            (format!("{} AND (at, sort) < (?, ?)", conditions.sql), values, 0)
        }
    };
    values.extend([(i64::from(query.limit) + 1).into(), offset.into()]);
    let sql = format!("SELECT parent, at, sort, body FROM {table} WHERE {sql} ORDER BY at DESC, sort DESC LIMIT ? OFFSET ?");
    let rows = session.query(&sql, &values)?;
    Ok((rows.iter().map(store::row).collect::<Result<_, _>>()?, total))
}

pub(super) fn to_page(rows: Vec<Row>, limit: u32, total: u64) -> Page {
    slice(rows.into_iter().map(|row| (row.at, row.sort, shown(row.body))).collect(), limit, total)
}

/// Rows after a cursor, and the cursor of the next ones where there may be some.
pub(super) fn after(
    session: &mut Session,
    table: &str,
    mut conditions: Conditions,
    after: Option<Cursor>,
    limit: u32,
) -> Result<(Vec<Value>, Option<Cursor>), ViewError> {
    let after = after.unwrap_or(Cursor { at: i64::MAX, sort: i64::MAX });
    conditions.sql.push_str(" AND (at, sort) < (?, ?)");
    conditions.values.extend([after.at.into(), after.sort.into(), limit.into()]);
    let sql = format!("SELECT parent, at, sort, body FROM {table} WHERE {} ORDER BY at DESC, sort DESC LIMIT ?", conditions.sql);
    let rows: Vec<Row> = session.query(&sql, &conditions.values)?.iter().map(store::row).collect::<Result<_, _>>()?;
    let next = (rows.len() == limit as usize).then(|| rows.last().map(|row| Cursor { at: row.at, sort: row.sort })).flatten();
    Ok((rows.into_iter().map(|row| shown(row.body)).collect(), next))
}

/// A run with its live progress, while it lasts.
pub(super) fn complete_run(session: &mut Session, organization: OrgId, mut run: Value) -> Result<Value, ViewError> {
    let id = run["id"].as_str().unwrap_or_default().to_owned();
    let sql = "SELECT body FROM run_progress WHERE organization = ?1 AND run = ?2";
    let live: Option<Option<String>> = session.query_first(sql, &[organization.to_string().into(), id.into()])?.map(|row| row.get(0)).transpose()?;
    let live: Option<Value> = live.flatten().and_then(|text| serde_json::from_str(&text).ok());
    if let Some(live) = live {
        run["heartbeatAt"] = live["heartbeatAt"].clone();
        if !matches!(run["status"].as_str(), Some("succeeded")) {
            run["stage"] = live["stage"].clone();
            run["progress"] = live["progress"].clone();
        }
    }
    Ok(run)
}

/// A data spec with its last run and the embedding that is under way.
pub(super) fn complete_data_spec(session: &mut Session, live: &Live, organization: OrgId, mut row: Row) -> Result<Row, ViewError> {
    if let Some(run) = row.body["lastRun"].as_str() {
        let run = get(session, live, Table::Runs, organization, run)?.map(|run| complete_run(session, organization, run.body)).transpose()?;
        row.body["lastRun"] = run.unwrap_or(Value::Null);
    }
    let sql = "SELECT body FROM embedding_progress WHERE organization = ?1 AND data_spec = ?2 AND manifest = ?3";
    let key = [
        organization.to_string().into(),
        row.body["id"].as_str().unwrap_or_default().into(),
        row.body["_index"]["manifest"].as_str().unwrap_or_default().into(),
    ];
    let next: Option<String> = session.query_first(sql, &key)?.map(|row| row.get(0)).transpose()?;
    if let Some(next) = next.and_then(|text| serde_json::from_str::<Value>(&text).ok())
        && next["model"] != row.body["embedding"]["model"]
    {
        row.body["embedding"]["next"] = next;
    }
    Ok(row)
}

impl Views {
    async fn plain_list(&self, table: Table, organization: OrgId, parent: Option<String>, query: ListQuery) -> Result<Page, ViewError> {
        self.read(Tenant::Of(organization), move |session, live| {
            let mut conditions = Conditions::of(organization);
            match parent {
                Some(parent) => conditions = conditions.and("parent = ?", parent.into()),
                None => conditions.sql.push_str(" AND parent IS NULL"),
            }
            let (rows, total) = page(session, &name(live, table), conditions, &query)?;
            Ok(to_page(rows, query.limit, total))
        })
        .await
    }

    pub async fn api_keys(&self, organization: OrgId, query: ListQuery) -> Result<Page, ViewError> {
        self.plain_list(Table::ApiKeys, organization, None, query).await
    }

    pub async fn agents(&self, organization: OrgId, query: ListQuery) -> Result<Page, ViewError> {
        self.plain_list(Table::Agents, organization, None, query).await
    }

    pub async fn webhooks(&self, organization: OrgId, query: ListQuery) -> Result<Page, ViewError> {
        self.plain_list(Table::Webhooks, organization, None, query).await
    }

    pub async fn agent_versions(&self, organization: OrgId, id: AgentId, query: ListQuery) -> Result<Page, ViewError> {
        self.plain_list(Table::AgentVersions, organization, Some(id.to_string()), query).await
    }

    pub async fn data_specs(&self, organization: OrgId, query: ListQuery) -> Result<Page, ViewError> {
        self.read(Tenant::Of(organization), move |session, live| {
            let mut conditions = Conditions::of(organization);
            conditions.sql.push_str(" AND parent IS NULL");
            let (rows, total) = page(session, &name(live, Table::DataSpecs), conditions, &query)?;
            let rows = rows.into_iter().map(|row| complete_data_spec(session, live, organization, row)).collect::<Result<Vec<_>, _>>()?;
            Ok(to_page(rows, query.limit, total))
        })
        .await
    }

    pub async fn runs(&self, organization: OrgId, data_spec: DataSpecId, query: ListQuery) -> Result<Page, ViewError> {
        let mut page = self.plain_list(Table::Runs, organization, Some(data_spec.to_string()), query).await?;
        let rows = std::mem::take(&mut page.rows);
        page.rows =
            self.read(Tenant::Of(organization), move |session, _| rows.into_iter().map(|run| complete_run(session, organization, run)).collect()).await?;
        Ok(page)
    }

    /// Published documents and uploads that no index has yet. They are few enough to be put together here.
    pub async fn documents(&self, organization: OrgId, data_spec: DataSpecId, query: ListQuery) -> Result<Page, ViewError> {
        self.read(Tenant::Of(organization), move |session, live| {
            let sql = "SELECT place, id, body FROM published_documents WHERE organization = ?1 AND data_spec = ?2 AND place >= 0 ORDER BY place";
            let mut all = Vec::new();
            let mut known = std::collections::HashSet::new();
            for row in session.query(sql, &[organization.to_string().into(), data_spec.to_string().into()])? {
                all.push((-1 - row.get::<i64>(0)?, 0, row.json(2)?));
                known.insert(row.get::<String>(1)?);
            }
            let spec = get(session, live, Table::DataSpecs, organization, &data_spec.to_string())?;
            let run =
                spec.as_ref().and_then(|row| row.body["lastRun"].as_str()).map(|run| get(session, live, Table::Runs, organization, run)).transpose()?.flatten();
            let errors = run.map_or_else(|| json!([]), |run| run.body["errors"].clone());
            let conditions = Conditions::of(organization).and("parent = ?", data_spec.to_string().into());
            let (uploads, _) = page(session, &name(live, Table::Uploads), conditions, &ListQuery { limit: u32::MAX - 1, at: ListAt::Offset(0) })?;
            for mut upload in uploads {
                // The members of an archive stand for it.
                let expanded = all.iter().any(|(_, _, row): &(i64, i64, Value)| {
                    row["url"].as_str().is_some_and(|url| url.starts_with(&format!("{}/", upload.body["name"].as_str().unwrap_or_default())))
                });
                if expanded || known.contains(upload.body["id"].as_str().unwrap_or_default()) {
                    continue;
                }
                if errors.as_array().is_some_and(|errors| errors.iter().any(|error| error["documentUrl"] == upload.body["url"])) {
                    upload.body["status"] = "failed".into();
                }
                all.push((upload.at, upload.sort, shown(upload.body)));
            }
            all.sort_by_key(|(at, sort, _)| std::cmp::Reverse((*at, *sort)));
            let total = all.len() as u64;
            let start = match &query.at {
                ListAt::Offset(offset) => usize::try_from(*offset).unwrap_or(usize::MAX).min(all.len()),
                ListAt::After(cursor) => all.iter().position(|(at, sort, _)| (*at, *sort) < (cursor.at, cursor.sort)).unwrap_or(all.len()),
            };
            Ok(slice(all.into_iter().skip(start).take(query.limit as usize + 1).collect(), query.limit, total))
        })
        .await
    }

    pub async fn interactions(&self, organization: OrgId, filter: InteractionFilter, query: ListQuery) -> Result<Page, ViewError> {
        self.read(Tenant::Of(organization), move |session, live| {
            let engine = session.engine();
            let (rows, total) = page(session, &name(live, Table::Interactions), matching(engine, organization, filter), &query)?;
            Ok(to_page(rows, query.limit, total))
        })
        .await
    }

    /// Rows after a cursor, for exports: no total is counted.
    pub async fn interactions_after(
        &self,
        organization: OrgId,
        filter: InteractionFilter,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<(Vec<Value>, Option<Cursor>), ViewError> {
        self.read(Tenant::Of(organization), move |session, live| {
            let conditions = matching(session.engine(), organization, filter);
            self::after(session, &name(live, Table::Interactions), conditions, after, limit)
        })
        .await
    }

    pub(crate) async fn ids_ever(&self, organization: OrgId, table: Table) -> Result<Vec<(String, i64, i64)>, ViewError> {
        self.read(Tenant::Of(organization), move |session, live| {
            let sql = format!(
                "SELECT id, at, sort FROM {} WHERE organization = ?1 AND (parent IS NULL OR parent = '{DELETED}') ORDER BY at DESC, sort DESC",
                name(live, table)
            );
            let rows = session.query(&sql, &[organization.to_string().into()])?;
            rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).collect::<Result<_, ViewError>>()
        })
        .await
    }
}

/// A text anywhere in another, whatever its case.
pub(super) fn contains(engine: Engine, text: &str) -> String {
    let like = if engine == Engine::Sqlite { "LIKE" } else { "ILIKE" };
    format!("{text} {like} ? ESCAPE '\\'")
}

pub(super) fn pattern(q: &str) -> String {
    format!("%{}%", q.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"))
}

fn matching(engine: Engine, organization: OrgId, filter: InteractionFilter) -> Conditions {
    let searched = contains(engine, "(coalesce(body ->> 'prompt', '') || '\n' || coalesce(body ->> 'response', ''))");
    let mut conditions = Conditions::of(organization)
        .and_text("body ->> 'agentId' = ?", filter.agent_id)
        .and_text("parent = ?", filter.session_id)
        .and_text("body ->> 'userId' = ?", filter.user_id)
        .and_text("body -> 'feedback' ->> 'rating' = ?", filter.rating)
        .and_text("body ->> 'reviewStatus' = ?", filter.review_status)
        .and_text("body ->> 'status' = ?", filter.status)
        .and_text("body ->> 'model' = ?", filter.model)
        // An identifier stands nowhere else: this finds it in either engine's way of writing JSON.
        .and_text("body ->> 'sources' LIKE ?", filter.document_id.map(|id| format!("%\"{id}\"%")))
        .and_text(&searched, filter.q.map(|q| pattern(&q)));
    if let Some(answered) = filter.answered {
        // SQLite reads a JSON boolean as a number, PostgreSQL as a word.
        let word = if engine == Engine::Sqlite { i64::from(answered).into() } else { answered.to_string().into() };
        conditions = conditions.and("body ->> 'answered' = ?", word);
    }
    if let Some(from) = filter.from {
        conditions = conditions.and("at >= ?", from.millis().into());
    }
    if let Some(to) = filter.to {
        conditions = conditions.and("at < ?", to.millis().into());
    }
    conditions
}
