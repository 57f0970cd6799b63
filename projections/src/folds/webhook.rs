//! Webhook endpoints as the API shows them; header values stay sealed here.

use serde_json::{Value, json};
use twig_commands::log::RecordedEvent;
use twig_domain::webhook::WebhookEvent;

use super::{DELETED, created, touch};
use crate::fold::{FoldError, Rows, Table};

pub fn fold(rows: &mut dyn Rows, recorded: &RecordedEvent, event: &WebhookEvent) -> Result<(), FoldError> {
    let (organization, id) = (recorded.meta.organization, recorded.aggregate_id.clone());
    if let WebhookEvent::WebhookRegistered { settings, .. } = event {
        rows.put(Table::Webhooks, organization, &id, created(recorded, &id, json!(settings)));
        return Ok(());
    }
    let mut row = rows.need(Table::Webhooks, organization, &id)?;
    match event {
        WebhookEvent::WebhookUpdated { settings, .. } => {
            let settings: Value = json!(settings);
            for (name, value) in settings.as_object().into_iter().flatten() {
                row.body[name] = value.clone();
            }
        }
        WebhookEvent::WebhookDisabled { reason } => {
            row.body["status"] = "disabled".into();
            row.body["disabledReason"] = json!(reason);
        }
        WebhookEvent::WebhookDeleted {} => row.parent = Some(DELETED.to_owned()),
        WebhookEvent::WebhookRegistered { .. } | WebhookEvent::WebhookSecretRotated { .. } | WebhookEvent::WebhookReplayRequested { .. } => {}
    }
    touch(&mut row, recorded);
    rows.put(Table::Webhooks, organization, &id, row);
    Ok(())
}
