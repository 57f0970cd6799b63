//! What an erasure finds and clears in the views. The rows stay, and with them every count; the words in them do not.

use serde_json::Value;
use twig_commands::database::{Session, StoreError, Value as Sql};
use twig_domain::{
    erasure::ErasureScope,
    id::{InteractionId, OrgId},
};

use crate::{
    ViewError, Views,
    analytics::{self, Change, Fact},
    fold::{Projection, Row, Table},
    query, store,
    views::Tenant,
};

const BATCH_ROWS: usize = 500;

/// An interaction whose words are to go: under which key they stand, and where in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    pub id: InteractionId,
    pub subject: String,
    pub positions: Vec<u64>,
    /// Whether a language model's provider was sent its words.
    pub sent_to_model: bool,
}

impl Views {
    /// The interactions of an erasure.
    pub async fn spoken(&self, organization: OrgId, scope: ErasureScope) -> Result<Vec<Spoken>, ViewError> {
        self.read(Tenant::Of(organization), move |session, live| {
            let (condition, value) = match scope {
                ErasureScope::User { subject } => ("body ->> '_subject' = ?2", subject),
                ErasureScope::Session { session_id, .. } => ("parent = ?2", session_id),
                ErasureScope::Interaction { interaction_id } => ("id = ?2", interaction_id.to_string()),
            };
            let sql =
                format!("SELECT parent, at, sort, body FROM {} WHERE organization = ?1 AND {condition} ORDER BY sort", query::name(live, Table::Interactions));
            let rows = session.query(&sql, &[organization.to_string().into(), value.into()])?;
            rows.iter().map(|row| Ok(spoken(store::row(row)?))).filter_map(Result::transpose).collect()
        })
        .await
    }

    /// Clears the words of interactions in every version of the view, also one that is being filled; how many rows.
    pub async fn clear_words(&self, organization: OrgId, interactions: Vec<InteractionId>) -> Result<u64, ViewError> {
        let mut cleared = 0;
        for batch in interactions.chunks(BATCH_ROWS) {
            let ids: Vec<String> = batch.iter().map(ToString::to_string).collect();
            cleared += self.change(move |session| clear(session, organization, &ids)).await?;
        }
        Ok(cleared)
    }
}

fn spoken(row: Row) -> Option<Spoken> {
    Some(Spoken {
        id: row.body["id"].as_str()?.parse().ok()?,
        subject: row.body["_subject"].as_str()?.to_owned(),
        positions: row.body["_positions"].as_array()?.iter().filter_map(Value::as_u64).collect(),
        sent_to_model: row.body["_provenance"]["messagesSha256"].is_string(),
    })
}

fn clear(session: &mut Session, organization: OrgId, ids: &[String]) -> Result<u64, ViewError> {
    let mut cleared = 0;
    let versions = session.query("SELECT version FROM projections WHERE name = ?1", &[Projection::Interactions.name().into()])?;
    for version in versions.iter().map(|row| row.get::<i64>(0)).collect::<Result<Vec<_>, _>>()? {
        for id in ids {
            if let Some(mut row) = store::read(session, Table::Interactions, version, organization, id)? {
                let before = row.clone();
                clear_interaction(&mut row.body);
                update(session, Table::Interactions, version, organization, id, &row.body)?;
                let change = Change::of(organization, id, Some(Fact::of(&before)), Some(&row));
                analytics::apply(session, version, change.into_iter().collect())?;
                cleared += 1;
            }
            let table = store::table_name(Table::Feedback, version);
            let given =
                session.query(&format!("SELECT id FROM {table} WHERE organization = ?1 AND parent = ?2"), &[organization.to_string().into(), id.into()])?;
            for key in given.iter().map(|row| row.get::<String>(0)).collect::<Result<Vec<_>, _>>()? {
                if let Some(mut row) = store::read(session, Table::Feedback, version, organization, &key)? {
                    clear_feedback(&mut row.body);
                    update(session, Table::Feedback, version, organization, &key, &row.body)?;
                }
            }
        }
    }
    Ok(cleared)
}

fn update(session: &mut Session, table: Table, version: i64, organization: OrgId, id: &str, body: &Value) -> Result<(), StoreError> {
    let sql = format!("UPDATE {} SET body = ?3 WHERE organization = ?1 AND id = ?2", store::table_name(table, version));
    session.execute(&sql, &[organization.to_string().into(), id.into(), Sql::json(body)]).map(drop)
}

/// What a fold would make of the interaction now that its words can't be opened.
pub(crate) fn clear_interaction(body: &mut Value) {
    for name in ["prompt", "response", "userId"] {
        body[name] = Value::Null;
    }
    body["metadata"] = Value::Object(serde_json::Map::new());
    clear_feedback(&mut body["feedback"]);
    body["erased"] = true.into();
}

fn clear_feedback(feedback: &mut Value) {
    if feedback.is_object() {
        (feedback["comment"], feedback["correctedResponse"]) = (Value::Null, Value::Null);
    }
}
