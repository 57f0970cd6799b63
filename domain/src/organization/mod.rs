//! An organization: the tenant, its plan with limits, and its API keys.

mod decide;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    aggregate::{aggregate, domain_event},
    change::Change,
    id::{KeyId, OrgId},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    Free,
    Pro,
    Enterprise,
}

impl Plan {
    /// Requests a minute and a day that a plan begins with (API §1).
    #[must_use]
    pub fn limits(self) -> Limits {
        match self {
            Self::Free => Limits { per_minute: 20, per_day: 1_000 },
            Self::Pro => Limits { per_minute: 100, per_day: 10_000 },
            Self::Enterprise => Limits { per_minute: 1_000, per_day: 1_000_000 },
        }
    }
}

/// Requests an organization may make in a minute and in a day (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    pub per_minute: u64,
    pub per_day: u64,
}

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Scope {
    #[serde(rename = "chat")]
    Chat,
    #[serde(rename = "agents:read")]
    AgentsRead,
    #[serde(rename = "agents:write")]
    AgentsWrite,
    #[serde(rename = "agents:delete")]
    AgentsDelete,
    #[serde(rename = "data:read")]
    DataRead,
    #[serde(rename = "data:write")]
    DataWrite,
    #[serde(rename = "analytics:read")]
    AnalyticsRead,
    #[serde(rename = "webhooks:write")]
    WebhooksWrite,
    #[serde(rename = "audit:read")]
    AuditRead,
    /// All of the others.
    #[serde(rename = "admin")]
    Admin,
}

impl Scope {
    pub const ALL: [Self; 10] = [
        Self::Chat,
        Self::AgentsRead,
        Self::AgentsWrite,
        Self::AgentsDelete,
        Self::DataRead,
        Self::DataWrite,
        Self::AnalyticsRead,
        Self::WebhooksWrite,
        Self::AuditRead,
        Self::Admin,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::AgentsRead => "agents:read",
            Self::AgentsWrite => "agents:write",
            Self::AgentsDelete => "agents:delete",
            Self::DataRead => "data:read",
            Self::DataWrite => "data:write",
            Self::AnalyticsRead => "analytics:read",
            Self::WebhooksWrite => "webhooks:write",
            Self::AuditRead => "audit:read",
            Self::Admin => "admin",
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// What is kept of a key: never the key itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyRecord {
    pub name: String,
    pub scopes: Vec<Scope>,
    /// SHA-256 of the key, in hexadecimal.
    pub sha256: String,
    /// The key's last four characters, for people to tell keys apart.
    pub last_four: String,
    pub test: bool,
    pub expires_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum OrganizationCommand {
    RegisterOrganization {
        id: OrgId,
        name: String,
        plan: Plan,
        limits: Limits,
    },
    RenameOrganization {
        name: String,
    },
    ChangePlan {
        plan: Plan,
        limits: Limits,
    },
    IssueApiKey {
        key_id: KeyId,
        key: KeyRecord,
    },
    /// A new secret for a key; the old one works until `old_valid_until`.
    RotateApiKey {
        key_id: KeyId,
        sha256: String,
        last_four: String,
        old_valid_until: Timestamp,
    },
    RevokeApiKey {
        key_id: KeyId,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum OrganizationEvent {
    OrganizationRegistered { id: OrgId, name: String, plan: Plan, limits: Limits },
    OrganizationRenamed { changes: Vec<Change>, name: String },
    PlanChanged { changes: Vec<Change>, plan: Plan, limits: Limits },
    ApiKeyIssued { key_id: KeyId, key: KeyRecord },
    ApiKeyRotated { key_id: KeyId, name: String, sha256: String, last_four: String, old_valid_until: Timestamp },
    ApiKeyRevoked { key_id: KeyId, name: String },
}

domain_event!(OrganizationEvent {
    OrganizationRegistered = 1,
    OrganizationRenamed = 1,
    PlanChanged = 1,
    ApiKeyIssued = 1,
    ApiKeyRotated = 1,
    ApiKeyRevoked = 1,
});

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrganizationError {
    #[error("the organization does not exist")]
    NotFound,
    #[error("the organization exists already")]
    AlreadyExists,
    #[error("the API key does not exist")]
    KeyNotFound,
    #[error("the API key exists already")]
    KeyAlreadyExists,
}

/// The state that commands are decided on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Organization {
    #[default]
    Absent,
    Present {
        name: String,
        plan: Plan,
        limits: Limits,
        /// Live keys and their names.
        keys: BTreeMap<KeyId, String>,
    },
}

aggregate!(Organization, "Organization", OrganizationCommand, OrganizationEvent, OrganizationError);
