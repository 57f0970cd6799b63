//! Agents and their versions.

use serde_json::{Value, json};
use twig_commands::log::RecordedEvent;
use twig_domain::{
    agent::{AgentEvent, AgentSettings},
    change::{Change, changes},
};

use super::{DELETED, created, touch};
use crate::fold::{FoldError, Row, Rows, Table};

pub fn fold(rows: &mut dyn Rows, recorded: &RecordedEvent, event: &AgentEvent) -> Result<(), FoldError> {
    let (organization, id) = (recorded.meta.organization, recorded.aggregate_id.as_str());
    match event {
        AgentEvent::AgentCreated { settings, .. } => {
            let mut row = created(recorded, id, body(settings));
            row.body["createdBy"] = json!(recorded.meta.actor);
            rows.put(Table::Agents, organization, id, row);
            let set = changes(&Value::Null, &body(settings)).into_iter().filter(|change| !change.to.is_null()).collect::<Vec<_>>();
            version(rows, recorded, &set, settings, None);
        }
        AgentEvent::AgentUpdated { changes, settings, restored_from } => {
            let mut row = rows.need(Table::Agents, organization, id)?;
            for (name, value) in body(settings).as_object().into_iter().flatten() {
                row.body[name] = value.clone();
            }
            touch(&mut row, recorded);
            rows.put(Table::Agents, organization, id, row);
            version(rows, recorded, changes, settings, *restored_from);
        }
        AgentEvent::AgentDeleted {} => {
            let mut row = rows.need(Table::Agents, organization, id)?;
            row.parent = Some(DELETED.to_owned());
            touch(&mut row, recorded);
            rows.put(Table::Agents, organization, id, row);
        }
    }
    Ok(())
}

fn body(settings: &AgentSettings) -> Value {
    serde_json::to_value(settings).unwrap_or_default()
}

fn version(rows: &mut dyn Rows, recorded: &RecordedEvent, changes: &[Change], settings: &AgentSettings, restored_from: Option<u64>) {
    let mut body =
        json!({"version": recorded.version, "changes": changes, "actor": recorded.meta.actor, "createdAt": recorded.recorded_at, "_settings": settings});
    if let Some(from) = restored_from {
        body["restoredFrom"] = from.into();
    }
    let row = Row { parent: Some(recorded.aggregate_id.clone()), at: recorded.recorded_at.millis(), sort: recorded.position as i64, body };
    rows.put(Table::AgentVersions, recorded.meta.organization, &format!("{}:{}", recorded.aggregate_id, recorded.version), row);
}
