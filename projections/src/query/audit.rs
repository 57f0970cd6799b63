//! The audit log, filtered.

use serde_json::Value;
use twig_commands::database::Engine;
use twig_domain::{
    Timestamp,
    id::{EventId, OrgId},
};

use super::{Cursor, ListQuery, Page, lists, name};
use crate::{
    ViewError, Views,
    fold::Table,
    views::{Tenant, shown},
};

/// Which audit events a list has; `None` is no condition.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// An actor's id or name.
    pub actor: Option<String>,
    /// A thing's id or kind.
    pub target: Option<String>,
    pub event_type: Option<String>,
    pub action: Option<String>,
    pub from: Option<Timestamp>,
    /// Not included.
    pub to: Option<Timestamp>,
    pub q: Option<String>,
}

fn matching(engine: Engine, organization: OrgId, filter: AuditFilter) -> lists::Conditions {
    let text = if engine == Engine::Sqlite { "body" } else { "body::text" };
    let mut conditions = lists::Conditions::of(organization)
        .and_text("? IN (body -> 'actor' ->> 'id', body -> 'actor' ->> 'name')", filter.actor)
        .and_text("? IN (body -> 'target' ->> 'id', body -> 'target' ->> 'type')", filter.target)
        .and_text("body ->> 'type' = ?", filter.event_type)
        .and_text("body ->> 'action' = ?", filter.action)
        .and_text(&lists::contains(engine, text), filter.q.map(|q| lists::pattern(&q)));
    if let Some(from) = filter.from {
        conditions = conditions.and("at >= ?", from.millis().into());
    }
    if let Some(to) = filter.to {
        conditions = conditions.and("at < ?", to.millis().into());
    }
    conditions
}

impl Views {
    pub async fn audit_event(&self, organization: OrgId, id: EventId) -> Result<Option<Value>, ViewError> {
        Ok(self.one(Table::AuditEvents, organization, id.to_string()).await?.map(|row| shown(row.body)))
    }

    pub async fn audit_events(&self, organization: OrgId, filter: AuditFilter, query: ListQuery) -> Result<Page, ViewError> {
        self.read(Tenant::Of(organization), move |session, live| {
            let conditions = matching(session.engine(), organization, filter);
            let (rows, total) = lists::page(session, &name(live, Table::AuditEvents), conditions, &query)?;
            Ok(lists::to_page(rows, query.limit, total))
        })
        .await
    }

    /// Rows after a cursor, for exports: no total is counted.
    pub async fn audit_events_after(
        &self,
        organization: OrgId,
        filter: AuditFilter,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<(Vec<Value>, Option<Cursor>), ViewError> {
        self.read(Tenant::Of(organization), move |session, live| {
            let conditions = matching(session.engine(), organization, filter);
            lists::after(session, &name(live, Table::AuditEvents), conditions, after, limit)
        })
        .await
    }
}
