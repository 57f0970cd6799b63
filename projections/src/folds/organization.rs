//! Organizations and their API keys. A key is found by its hash; while a rotation overlaps, two hashes lead to it.

use serde_json::{Value, json};
use twig_commands::log::RecordedEvent;
use twig_domain::{
    access::AccessEvent,
    id::{KeyId, OrgId},
    organization::OrganizationEvent,
};

use super::{created, touch};
use crate::fold::{FoldError, Row, Rows, Table};

pub fn fold(rows: &mut dyn Rows, recorded: &RecordedEvent, event: &OrganizationEvent) -> Result<(), FoldError> {
    let organization = recorded.meta.organization;
    match event {
        OrganizationEvent::OrganizationRegistered { id, name, plan, limits } => {
            let body = json!({"name": name, "plan": plan, "limits": limits});
            rows.put(Table::Organizations, organization, &id.to_string(), created(recorded, id, body));
        }
        OrganizationEvent::OrganizationRenamed { name, .. } => change(rows, recorded, &[("name", json!(name))])?,
        OrganizationEvent::PlanChanged { plan, limits, .. } => change(rows, recorded, &[("plan", json!(plan)), ("limits", json!(limits))])?,
        OrganizationEvent::ApiKeyIssued { key_id, key } => {
            let body = json!({
                "name": key.name, "scopes": key.scopes, "expiresAt": key.expires_at, "test": key.test, "lastFour": key.last_four, "_sha256": key.sha256, "_old": [],
            });
            rows.put(Table::ApiKeys, organization, &key_id.to_string(), created(recorded, key_id, body));
            hash(rows, recorded, &key.sha256, key_id, Value::Null);
        }
        OrganizationEvent::ApiKeyRotated { key_id, sha256, last_four, old_valid_until, .. } => {
            let mut row = rows.need(Table::ApiKeys, organization, &key_id.to_string())?;
            let old = row.body["_sha256"].as_str().unwrap_or_default().to_owned();
            hash(rows, recorded, &old, key_id, json!(old_valid_until));
            hash(rows, recorded, sha256, key_id, Value::Null);
            row.body["_sha256"] = json!(sha256);
            row.body["lastFour"] = json!(last_four);
            if let Some(all) = row.body["_old"].as_array_mut() {
                all.push(json!(old));
            }
            touch(&mut row, recorded);
            rows.put(Table::ApiKeys, organization, &key_id.to_string(), row);
        }
        OrganizationEvent::ApiKeyRevoked { key_id, .. } => revoke(rows, organization, *key_id)?,
    }
    Ok(())
}

/// A key that was used is not told of again.
pub fn fold_access(rows: &mut dyn Rows, recorded: &RecordedEvent, event: &AccessEvent) -> Result<(), FoldError> {
    let AccessEvent::ApiKeyFirstUsed { key_id, .. } = event else { return Ok(()) };
    // A key may have been revoked while its first request was under way.
    if let Some(mut row) = rows.get(Table::ApiKeys, recorded.meta.organization, &key_id.to_string())? {
        row.body["_used"] = true.into();
        rows.put(Table::ApiKeys, recorded.meta.organization, &key_id.to_string(), row);
    }
    Ok(())
}

fn change(rows: &mut dyn Rows, recorded: &RecordedEvent, members: &[(&str, Value)]) -> Result<(), FoldError> {
    let mut row = rows.need(Table::Organizations, recorded.meta.organization, &recorded.aggregate_id)?;
    for (name, value) in members {
        row.body[*name] = value.clone();
    }
    touch(&mut row, recorded);
    rows.put(Table::Organizations, recorded.meta.organization, &recorded.aggregate_id, row);
    Ok(())
}

fn hash(rows: &mut dyn Rows, recorded: &RecordedEvent, sha256: &str, key: &KeyId, valid_until: Value) {
    let row =
        Row { parent: Some(key.to_string()), at: recorded.recorded_at.millis(), sort: recorded.position as i64, body: json!({ "validUntil": valid_until }) };
    rows.put(Table::KeyHashes, recorded.meta.organization, sha256, row);
}

fn revoke(rows: &mut dyn Rows, organization: OrgId, key_id: KeyId) -> Result<(), FoldError> {
    let id = key_id.to_string();
    let row = rows.need(Table::ApiKeys, organization, &id)?;
    let old = row.body["_old"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for sha256 in old.chain(row.body["_sha256"].as_str()) {
        rows.remove(Table::KeyHashes, organization, sha256);
    }
    rows.remove(Table::ApiKeys, organization, &id);
    Ok(())
}
