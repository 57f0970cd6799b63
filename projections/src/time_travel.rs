//! A look into the past: a thing's events up to a moment, folded in memory by the same folds.

use std::sync::Arc;

use serde_json::Value;
use twig_commands::log::RecordedEvent;
use twig_domain::{
    Event, Sealed,
    data_spec::PublishedIndex,
    id::{AgentId, DataSpecId, InteractionId, OrgId},
    interaction::InteractionEvent,
};

use crate::{
    AsOf, ListAt, ListQuery, Page, Resource, ViewError, Views,
    fold::{MemoryRows, Row, Rows, Table},
    folds::DELETED,
    query::slice,
    views::shown,
};

impl AsOf {
    fn includes(self, event: &RecordedEvent) -> bool {
        match self {
            Self::Position(position) => event.position <= position,
            Self::Time(time) => event.recorded_at <= time,
        }
    }
}

impl Views {
    pub async fn agent_as_of(&self, organization: OrgId, id: AgentId, as_of: AsOf) -> Result<Option<Resource>, ViewError> {
        self.at(organization, Table::Agents, "Agent", &id.to_string(), as_of).await
    }

    pub async fn data_spec_as_of(&self, organization: OrgId, id: DataSpecId, as_of: AsOf) -> Result<Option<Resource>, ViewError> {
        self.at(organization, Table::DataSpecs, "DataSpec", &id.to_string(), as_of).await
    }

    /// An interaction's text is opened by the live view: what was erased since is erased in the past too.
    pub async fn interaction_as_of(&self, organization: OrgId, id: InteractionId, as_of: AsOf) -> Result<Option<Resource>, ViewError> {
        let Some(now) = self.interaction(organization, id).await? else { return Ok(None) };
        let events = self.log.read_stream("Interaction", &id.to_string(), 0).await?;
        let known: Vec<&RecordedEvent> = events.iter().filter(|event| as_of.includes(event)).collect();
        let Some(last) = known.last() else { return Ok(None) };
        let mut body = now.body;
        body["version"] = last.version.into();
        let happened = |kind: &str| known.iter().any(|event| event.event_type == kind);
        let given = known.iter().rev().find(|event| event.event_type == "FeedbackSubmitted").map(|event| event.version);
        let feedback = match given {
            Some(version) => self.feedback_at(organization, id, version).await?,
            None => Value::Null,
        };
        body["reviewStatus"] = feedback["reviewStatus"].clone();
        body["feedback"] = feedback;
        if !happened("InteractionCompleted") && !happened("InteractionFailed") {
            body["status"] = "started".into();
            body["sources"] = Value::Array(Vec::new());
            for name in ["response", "answered", "finishReason", "usage", "latencyMs", "grounding", "error"] {
                body[name] = Value::Null;
            }
        }
        Ok(Some(Resource { version: last.version, body }))
    }

    /// The index that a data spec had published then.
    pub async fn published_index_as_of(&self, organization: OrgId, id: DataSpecId, as_of: AsOf) -> Result<Option<PublishedIndex>, ViewError> {
        let row = self.row_at(organization, Table::DataSpecs, "DataSpec", &id.to_string(), as_of).await?;
        let Some((row, _)) = row else { return Ok(None) };
        serde_json::from_value(row.body["_index"].clone()).map_err(|error| ViewError::Other(error.to_string()))
    }

    /// What was asked, as the log has it.
    pub async fn sealed_prompt(&self, organization: OrgId, id: InteractionId) -> Result<Option<Sealed>, ViewError> {
        let events = self.log.read_stream("Interaction", &id.to_string(), 0).await?;
        let first = events.first().filter(|first| first.meta.organization == organization).and_then(|first| first.event().ok());
        Ok(match first {
            Some(Event::Interaction(InteractionEvent::InteractionStarted { question, .. })) => Some(question.prompt),
            _ => None,
        })
    }

    pub async fn agents_as_of(&self, organization: OrgId, as_of: AsOf, query: ListQuery) -> Result<Page, ViewError> {
        self.list_at(organization, Table::Agents, "Agent", as_of, query).await
    }

    pub async fn data_specs_as_of(&self, organization: OrgId, as_of: AsOf, query: ListQuery) -> Result<Page, ViewError> {
        self.list_at(organization, Table::DataSpecs, "DataSpec", as_of, query).await
    }

    async fn at(&self, organization: OrgId, table: Table, aggregate: &'static str, id: &str, as_of: AsOf) -> Result<Option<Resource>, ViewError> {
        let Some((mut row, mut rows)) = self.row_at(organization, table, aggregate, id, as_of).await? else { return Ok(None) };
        if table == Table::DataSpecs
            && let Some(run) = row.body["lastRun"].as_str().map(str::to_owned)
        {
            row.body["lastRun"] = rows.get(Table::Runs, organization, &run)?.map_or(Value::Null, |run| shown(run.body));
        }
        Ok(Some(Resource { version: row.body["version"].as_u64().unwrap_or_default(), body: shown(row.body) }))
    }

    /// A thing's row as it was, with all that was folded along.
    async fn row_at(&self, organization: OrgId, table: Table, aggregate: &'static str, id: &str, as_of: AsOf) -> Result<Option<(Row, MemoryRows)>, ViewError> {
        let mut rows = MemoryRows::default();
        for recorded in self.log.read_stream(aggregate, id, 0).await?.into_iter().filter(|event| as_of.includes(event)) {
            if recorded.meta.organization != organization {
                return Ok(None);
            }
            let event = recorded.event().map_err(|error| ViewError::Other(error.to_string()))?;
            table.projection().fold(&mut rows, &recorded, &event, &|_| None)?;
        }
        let row = rows.get(table, organization, id)?.filter(|row| row.parent.as_deref() != Some(DELETED));
        Ok(row.map(|row| (row, rows)))
    }

    /// Everything that was ever made and was there then: its cost is that of the things, not of the log.
    async fn list_at(&self, organization: OrgId, table: Table, aggregate: &'static str, as_of: AsOf, query: ListQuery) -> Result<Page, ViewError> {
        let ids = self.ids_ever(organization, table).await?;
        let mut found = Vec::new();
        for (id, at, sort) in ids {
            if let Some(resource) = self.at(organization, table, aggregate, &id, as_of).await? {
                found.push((at, sort, Arc::new(resource.body)));
            }
        }
        let total = found.len() as u64;
        let start = match &query.at {
            ListAt::Offset(offset) => usize::try_from(*offset).unwrap_or(usize::MAX).min(found.len()),
            ListAt::After(cursor) => found.iter().position(|(at, sort, _)| (*at, *sort) < (cursor.at, cursor.sort)).unwrap_or(found.len()),
        };
        let rest: Vec<(i64, i64, Value)> =
            found[start..].iter().take(query.limit as usize + 1).map(|(at, sort, body)| (*at, *sort, Value::clone(body))).collect();
        Ok(slice(rest, query.limit, total))
    }
}
