//! What a fold sees: rows by key. Each table's rows have the same outer shape; what a view means is in the body, which is the API's object.

use serde_json::Value;
use twig_commands::{database::StoreError, log::RecordedEvent};
use twig_domain::{Event, Sealed, id::OrgId};

use crate::audit::Hash;

/// A table of a projection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    Organizations,
    ApiKeys,
    KeyHashes,
    Agents,
    AgentVersions,
    DataSpecs,
    Runs,
    Uploads,
    Interactions,
    Feedback,
    Webhooks,
    AuditEvents,
    Jobs,
}

impl Table {
    pub fn name(self) -> &'static str {
        match self {
            Self::Organizations => "organizations",
            Self::ApiKeys => "api_keys",
            Self::KeyHashes => "key_hashes",
            Self::Agents => "agents",
            Self::AgentVersions => "agent_versions",
            Self::DataSpecs => "data_specs",
            Self::Runs => "runs",
            Self::Uploads => "uploads",
            Self::Interactions => "interactions",
            Self::Feedback => "feedback",
            Self::Webhooks => "webhooks",
            Self::AuditEvents => "audit_events",
            Self::Jobs => "jobs",
        }
    }

    pub fn projection(self) -> Projection {
        match self {
            Self::Organizations | Self::ApiKeys | Self::KeyHashes => Projection::Organizations,
            Self::Agents | Self::AgentVersions => Projection::Agents,
            Self::DataSpecs | Self::Runs | Self::Uploads => Projection::DataSpecs,
            Self::Interactions | Self::Feedback => Projection::Interactions,
            Self::Webhooks => Projection::Webhooks,
            Self::AuditEvents => Projection::Audit,
            Self::Jobs => Projection::Jobs,
        }
    }
}

/// What is checkpointed, rebuilt and switched as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Projection {
    Organizations,
    Agents,
    DataSpecs,
    Interactions,
    Webhooks,
    Audit,
    Jobs,
}

impl Projection {
    pub const ALL: [Self; 7] = [Self::Organizations, Self::Agents, Self::DataSpecs, Self::Interactions, Self::Webhooks, Self::Audit, Self::Jobs];

    pub fn name(self) -> &'static str {
        match self {
            Self::Organizations => "organizations",
            Self::Agents => "agents",
            Self::DataSpecs => "data_specs",
            Self::Interactions => "interactions",
            Self::Webhooks => "webhooks",
            Self::Audit => "audit",
            Self::Jobs => "jobs",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|projection| projection.name() == name)
    }

    /// Whether its rows depend on which of two streams' events came first: an audit tree has its leaves in the log's order, and a key's first use is of
    /// another stream than the key. All others may be folded partition by partition.
    pub fn in_log_order(self) -> bool {
        matches!(self, Self::Organizations | Self::Audit)
    }

    /// The table with a row for each aggregate, and the aggregate's type.
    pub fn subject(self) -> Option<(Table, &'static str)> {
        match self {
            Self::Organizations => Some((Table::Organizations, "Organization")),
            Self::Agents => Some((Table::Agents, "Agent")),
            Self::DataSpecs => Some((Table::DataSpecs, "DataSpec")),
            Self::Interactions => Some((Table::Interactions, "Interaction")),
            Self::Webhooks => Some((Table::Webhooks, "Webhook")),
            Self::Audit | Self::Jobs => None,
        }
    }

    pub fn tables(self) -> &'static [Table] {
        match self {
            Self::Organizations => &[Table::Organizations, Table::ApiKeys, Table::KeyHashes],
            Self::Agents => &[Table::Agents, Table::AgentVersions],
            Self::DataSpecs => &[Table::DataSpecs, Table::Runs, Table::Uploads],
            Self::Interactions => &[Table::Interactions, Table::Feedback],
            Self::Webhooks => &[Table::Webhooks],
            Self::Audit => &[Table::AuditEvents],
            Self::Jobs => &[Table::Jobs],
        }
    }

    /// Folds one event into rows; events of other aggregates are none of its business.
    pub fn fold(self, rows: &mut dyn Rows, recorded: &RecordedEvent, event: &Event, open: Opener) -> Result<(), FoldError> {
        match (self, event) {
            (Self::Organizations, Event::Organization(event)) => crate::folds::organization::fold(rows, recorded, event),
            (Self::Agents, Event::Agent(event)) => crate::folds::agent::fold(rows, recorded, event),
            (Self::DataSpecs, Event::DataSpec(event)) => crate::folds::data_spec::fold(rows, recorded, event),
            (Self::Interactions, Event::Interaction(event)) => crate::folds::interaction::fold(rows, recorded, event, open),
            (Self::Webhooks, Event::Webhook(event)) => crate::folds::webhook::fold(rows, recorded, event),
            (Self::Organizations, Event::Access(event)) => crate::folds::organization::fold_access(rows, recorded, event),
            (Self::Audit, _) => crate::folds::audit::fold(rows, recorded),
            (Self::Jobs, event) => crate::jobs::fold(rows, recorded, event),
            _ => Ok(()),
        }
    }
}

/// Opens sealed text; `None` where its subject was erased.
pub type Opener<'a> = &'a dyn Fn(&Sealed) -> Option<String>;

/// A row. `parent` groups rows or marks deleted ones; lists are ordered by `at` and `sort`.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub parent: Option<String>,
    pub at: i64,
    pub sort: i64,
    pub body: Value,
}

pub trait Rows {
    fn get(&mut self, table: Table, organization: OrgId, id: &str) -> Result<Option<Row>, FoldError>;
    fn put(&mut self, table: Table, organization: OrgId, id: &str, row: Row);
    fn remove(&mut self, table: Table, organization: OrgId, id: &str);

    /// Appends to an organization's audit tree; the leaf's place.
    fn append_leaf(&mut self, organization: OrgId, leaf: Hash) -> Result<u64, FoldError>;

    /// A row that must be there: an event of a thing follows its creation.
    fn need(&mut self, table: Table, organization: OrgId, id: &str) -> Result<Row, FoldError> {
        self.get(table, organization, id)?.ok_or_else(|| FoldError::Missing { table: table.name(), id: id.to_owned() })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    #[error("{table} has no row {id}")]
    Missing { table: &'static str, id: String },
    #[error("the view store failed: {0}")]
    Store(#[from] StoreError),
    #[error("a row is damaged")]
    Damaged,
    #[error("{0}")]
    Unreadable(#[from] twig_domain::event::UnreadableEvent),
}

/// Rows in memory: a look into the past, and tests.
#[derive(Default)]
pub struct MemoryRows(std::collections::HashMap<(Table, OrgId, String), Row>);

impl Rows for MemoryRows {
    fn get(&mut self, table: Table, organization: OrgId, id: &str) -> Result<Option<Row>, FoldError> {
        Ok(self.0.get(&(table, organization, id.to_owned())).cloned())
    }

    fn put(&mut self, table: Table, organization: OrgId, id: &str, row: Row) {
        self.0.insert((table, organization, id.to_owned()), row);
    }

    fn remove(&mut self, table: Table, organization: OrgId, id: &str) {
        self.0.remove(&(table, organization, id.to_owned()));
    }

    /// What is folded in memory has no tree.
    fn append_leaf(&mut self, _: OrgId, _: Hash) -> Result<u64, FoldError> {
        Ok(0)
    }
}
