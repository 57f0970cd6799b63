//! Access that leaves no other trace: a key's first use, requests that were refused, and data that was taken out. Each record is a stream of its own and
//! never changes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Decide, Timestamp,
    aggregate::{aggregate, domain_event},
    id::KeyId,
    organization::Scope,
};

/// Why requests were refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "reason", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Refusal {
    /// The key lacks a scope that the route needs.
    Scope {
        required_scope: Scope,
        route: String,
    },
    /// A limit was reached.
    MinuteLimit,
    DayLimit,
}

/// Refusals of one kind to one key within a minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refusals {
    pub key_id: KeyId,
    pub refusal: Refusal,
    pub count: u64,
    /// The first and the last of them.
    pub since: Timestamp,
    pub until: Timestamp,
}

/// What was taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Exported {
    Interactions,
    AuditEvents,
    /// The audit log with its proofs, into a file.
    AuditLog,
    /// Everything, into a backup.
    Backup,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Export {
    pub what: Exported,
    pub format: String,
    /// The filters by name; those that may name a person stand as `***`.
    pub filters: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum AccessCommand {
    /// On the stream that has the key's identifier: only the first use is an event.
    RecordUse {
        key_id: KeyId,
        name: String,
    },
    RecordRefusals {
        refusals: Refusals,
    },
    RecordExport {
        export: Export,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum AccessEvent {
    ApiKeyFirstUsed { key_id: KeyId, name: String },
    RequestsRefused { refusals: Refusals },
    DataExported { export: Export },
}

domain_event!(AccessEvent { ApiKeyFirstUsed = 1, RequestsRefused = 1, DataExported = 1 });

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    #[error("the record exists already")]
    AlreadyRecorded,
}

/// The state that commands are decided on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    #[default]
    Absent,
    Recorded,
}

aggregate!(Access, "Access", AccessCommand, AccessEvent, AccessError);

impl Decide for Access {
    fn decide(&self, command: AccessCommand) -> Result<Vec<AccessEvent>, AccessError> {
        match (self, command) {
            (Self::Recorded, AccessCommand::RecordUse { .. }) => Ok(Vec::new()),
            (Self::Absent, AccessCommand::RecordUse { key_id, name }) => Ok(vec![AccessEvent::ApiKeyFirstUsed { key_id, name }]),
            (Self::Recorded, _) => Err(AccessError::AlreadyRecorded),
            (Self::Absent, AccessCommand::RecordRefusals { refusals }) if refusals.count == 0 => Ok(Vec::new()),
            (Self::Absent, AccessCommand::RecordRefusals { refusals }) => Ok(vec![AccessEvent::RequestsRefused { refusals }]),
            (Self::Absent, AccessCommand::RecordExport { export }) => Ok(vec![AccessEvent::DataExported { export }]),
        }
    }
}

impl Access {
    fn evolve(&mut self, _: AccessEvent) {
        *self = Self::Recorded;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cqrs_es::test::TestFramework;
    use uuid::Uuid;

    fn refusals(count: u64) -> Refusals {
        let at = Timestamp::from_millis(1);
        let refusal = Refusal::Scope { required_scope: Scope::Admin, route: "GET /api/api-keys".into() };
        Refusals { key_id: KeyId::from(Uuid::nil()), refusal, count, since: at, until: at }
    }

    #[test]
    fn only_the_first_use_of_a_key_is_told() {
        let use_it = || AccessCommand::RecordUse { key_id: KeyId::from(Uuid::nil()), name: "ci".into() };
        let first = AccessEvent::ApiKeyFirstUsed { key_id: KeyId::from(Uuid::nil()), name: "ci".into() };
        TestFramework::<Access>::with(()).given(vec![]).when(use_it()).then_expect_events(vec![first.clone()]);
        TestFramework::<Access>::with(()).given(vec![first]).when(use_it()).then_expect_events(vec![]);
    }

    #[test]
    fn a_record_is_made_once_and_none_of_nothing() {
        let record = |count| AccessCommand::RecordRefusals { refusals: refusals(count) };
        let recorded = AccessEvent::RequestsRefused { refusals: refusals(3) };
        TestFramework::<Access>::with(()).given(vec![]).when(record(3)).then_expect_events(vec![recorded.clone()]);
        TestFramework::<Access>::with(()).given(vec![]).when(record(0)).then_expect_events(vec![]);
        let export = Export { what: Exported::Interactions, format: "csv".into(), filters: BTreeMap::new() };
        TestFramework::<Access>::with(())
            .given(vec![])
            .when(AccessCommand::RecordExport { export: export.clone() })
            .then_expect_events(vec![AccessEvent::DataExported { export }]);
        TestFramework::<Access>::with(()).given(vec![recorded]).when(record(1)).then_expect_error(AccessError::AlreadyRecorded);
    }
}
