//! A webhook: an endpoint that is told of what happens. Its secret arrives sealed.

mod decide;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    aggregate::{aggregate, domain_event},
    change::Change,
    id::{AgentId, DataSpecId, OrgId, WebhookId},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookStatus {
    Active,
    Paused,
    Disabled,
}

/// Which events' things a webhook hears of; an empty list is no filter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookFilter {
    #[serde(default)]
    pub agent_ids: Vec<AgentId>,
    #[serde(default)]
    pub data_spec_ids: Vec<DataSpecId>,
}

/// All that can be set of a webhook. `events` are types or groups (`*`, `interaction.*`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookSettings {
    pub url: String,
    pub events: Vec<String>,
    pub description: Option<String>,
    pub filter: WebhookFilter,
    /// Header values are sealed by the organization's key, names are not.
    pub headers: BTreeMap<String, String>,
    pub status: WebhookStatus,
    pub disabled_reason: Option<String>,
}

/// The fields a client gave. An outer `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookPatch {
    pub url: Option<String>,
    pub events: Option<Vec<String>>,
    pub description: Option<Option<String>>,
    pub filter: Option<WebhookFilter>,
    pub headers: Option<BTreeMap<String, String>>,
    pub status: Option<WebhookStatus>,
}

/// A sealed signing secret and, for one that was replaced, the end of its overlap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookSecret {
    pub sealed: String,
    pub valid_until: Option<Timestamp>,
}

/// From where history is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ReplayFrom {
    Position(u64),
    Since(Timestamp),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookCommand {
    RegisterWebhook {
        organization: OrgId,
        id: WebhookId,
        settings: Box<WebhookSettings>,
        secret: String,
    },
    UpdateWebhook {
        patch: Box<WebhookPatch>,
    },
    /// A new secret; the ones before are signed with until `old_valid_until`.
    RotateWebhookSecret {
        secret: String,
        now: Timestamp,
        old_valid_until: Timestamp,
    },
    DisableWebhook {
        reason: String,
    },
    ReplayWebhook {
        from: ReplayFrom,
        types: Vec<String>,
    },
    DeleteWebhook,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum WebhookEvent {
    WebhookRegistered { organization: OrgId, id: WebhookId, settings: Box<WebhookSettings>, secret: WebhookSecret },
    WebhookUpdated { changes: Vec<Change>, settings: Box<WebhookSettings> },
    WebhookSecretRotated { secrets: Vec<WebhookSecret> },
    WebhookDisabled { reason: String },
    WebhookReplayRequested { from: ReplayFrom, types: Vec<String> },
    WebhookDeleted {},
}

domain_event!(WebhookEvent {
    WebhookRegistered = 1,
    WebhookUpdated = 1,
    WebhookSecretRotated = 1,
    WebhookDisabled = 1,
    WebhookReplayRequested = 1,
    WebhookDeleted = 1,
});

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    #[error("the webhook does not exist")]
    NotFound,
    #[error("the webhook exists already")]
    AlreadyExists,
}

/// The state that commands are decided on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Webhook {
    #[default]
    Absent,
    Present {
        settings: Box<WebhookSettings>,
        /// The newest first; older ones have an end.
        secrets: Vec<WebhookSecret>,
    },
    Deleted,
}

aggregate!(Webhook, "Webhook", WebhookCommand, WebhookEvent, WebhookError);
