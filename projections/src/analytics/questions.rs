//! Questions that nobody could answer, grouped by what they mean.
//!
//! A question begins in a group of its own wording, which its fold finds or makes. A worker that has a language model at hand gives each wording a
//! vector, and a wording joins the group whose first wording is near enough; its counts move with it. A group is numbered by the position of its first
//! interaction. The words stand in the interactions alone: when one is erased it leaves its group, and with the last of a wording goes its vector.

use twig_commands::database::{Engine, Session, StoreError, Value};
use twig_domain::id::OrgId;

use super::{
    distinct::hash,
    fold::Differences,
    report::{MAX_QUESTION_IDS, MAX_QUESTIONS, Unanswered},
    store::{Change, add, touch},
};
use crate::{
    fold::Table,
    store::{guard, read},
};

/// Wordings whose vectors have at least this cosine mean the same.
const SAME_MEANING: f64 = 0.75;
/// So many groups, the newest, may still be joined.
const MAX_OPEN_GROUPS: i64 = 2000;
/// A component of a vector of length one, as a byte.
const VECTOR_SCALE: f32 = 127.0;

/// What the wordings of all versions are kept in: a rebuild need not run the language model again.
pub fn create(session: &mut Session) -> Result<(), StoreError> {
    let (number, bytes, end) = match session.engine() {
        Engine::Sqlite => ("INTEGER", "BLOB", " WITHOUT ROWID"),
        // Even an index that is there already would lock the table.
        Engine::Postgres if session.exists("SELECT 1 FROM pg_tables WHERE tablename = 'figure_changes' AND schemaname = current_schema()", &[])? => {
            return Ok(());
        }
        Engine::Postgres => ("bigint", "bytea", ""),
    };
    session.batch(&format!(
        "CREATE TABLE IF NOT EXISTS questions (organization TEXT NOT NULL, question {number} NOT NULL, grp {number} NOT NULL, leads {number} NOT NULL, vector {bytes}, PRIMARY KEY (organization, question)){end};
         CREATE INDEX IF NOT EXISTS questions_by_group ON questions (organization, grp);
         CREATE INDEX IF NOT EXISTS questions_waiting ON questions (organization, question) WHERE vector IS NULL;
         CREATE TABLE IF NOT EXISTS figure_changes (organization TEXT NOT NULL, changes {number} NOT NULL, position {number} NOT NULL, PRIMARY KEY (organization)){end};"
    ))?;
    guard(session, "questions")?;
    guard(session, "figure_changes")
}

fn unanswered(version: i64) -> String {
    format!("unanswered_v{version}")
}

pub fn create_version(session: &mut Session, version: i64) -> Result<(), StoreError> {
    let table = unanswered(version);
    let (number, end) = match session.engine() {
        Engine::Sqlite => ("INTEGER", " WITHOUT ROWID"),
        Engine::Postgres => ("bigint", ""),
    };
    session.batch(&format!(
        "CREATE TABLE IF NOT EXISTS {table} (organization TEXT NOT NULL, id TEXT NOT NULL, at {number} NOT NULL, agent TEXT NOT NULL, question {number} NOT NULL, grp {number} NOT NULL, PRIMARY KEY (organization, id)){end};
         CREATE INDEX IF NOT EXISTS {table}_by_group ON {table} (organization, grp, at, id, agent);
         CREATE INDEX IF NOT EXISTS {table}_by_question ON {table} (organization, question);"
    ))?;
    guard(session, &table)
}

pub fn drop_version(session: &mut Session, version: i64) -> Result<(), StoreError> {
    session.batch(&format!("DROP TABLE IF EXISTS {}", unanswered(version)))
}

/// The group that an interaction was in, and the one that it is in now.
pub fn groups(session: &mut Session, version: i64, change: &Change) -> Result<(Option<i64>, Option<i64>), StoreError> {
    let was = change.before.as_ref().and_then(|fact| fact.unanswered.as_ref());
    let is = change.after.as_ref().and_then(|fact| fact.unanswered.as_ref());
    match (was, is) {
        (None, None) => Ok((None, None)),
        (None, Some(words)) => Ok((None, Some(join(session, version, change, hash(words) as i64)?))),
        (Some(_), Some(_)) => group(session, version, change.organization, &change.id).map(|group| (group, group)),
        (Some(words), None) => {
            let group = group(session, version, change.organization, &change.id)?;
            leave(session, version, change, hash(words) as i64)?;
            Ok((group, None))
        }
    }
}

/// The group of an unanswered interaction.
pub fn group(session: &mut Session, version: i64, organization: OrgId, id: &str) -> Result<Option<i64>, StoreError> {
    let sql = format!("SELECT grp FROM {} WHERE organization = ?1 AND id = ?2", unanswered(version));
    session.query_first(&sql, &[organization.to_string().into(), id.into()])?.map(|row| row.get(0)).transpose()
}

fn join(session: &mut Session, version: i64, change: &Change, question: i64) -> Result<i64, StoreError> {
    let organization = change.organization.to_string();
    let known = session.query_first("SELECT grp FROM questions WHERE organization = ?1 AND question = ?2", &[(&organization).into(), question.into()])?;
    let group = match known {
        Some(row) => row.get(0)?,
        None => {
            let sql = "INSERT INTO questions (organization, question, grp, leads) VALUES (?1, ?2, ?3, 1)";
            session.execute(sql, &[(&organization).into(), question.into(), change.sort.into()])?;
            change.sort
        }
    };
    let (at, agent) = change.after.as_ref().map_or((0, ""), |fact| (fact.at, fact.agent.as_str()));
    let member = vec![organization.into(), change.id.as_str().into(), at.into(), agent.into(), question.into(), group.into()];
    session.upsert(&unanswered(version), &["organization", "id", "at", "agent", "question", "grp"], &["organization", "id"], vec![member])?;
    Ok(group)
}

fn leave(session: &mut Session, version: i64, change: &Change, question: i64) -> Result<(), StoreError> {
    let organization = change.organization.to_string();
    let table = unanswered(version);
    session.execute(&format!("DELETE FROM {table} WHERE organization = ?1 AND id = ?2"), &[(&organization).into(), change.id.as_str().into()])?;
    let which = [Value::from(&organization), question.into()];
    if session.exists(&format!("SELECT 1 FROM {table} WHERE organization = ?1 AND question = ?2 LIMIT 1"), &which)? {
        return Ok(());
    }
    let gone = session.query_first("SELECT grp, leads FROM questions WHERE organization = ?1 AND question = ?2", &which)?;
    session.execute("DELETE FROM questions WHERE organization = ?1 AND question = ?2", &which)?;
    let Some(gone) = gone else { return Ok(()) };
    let (group, led): (i64, bool) = (gone.get(0)?, gone.get(1)?);
    if led {
        let sql =
            "UPDATE questions SET leads = 1 WHERE organization = ?1 AND question = (SELECT min(question) FROM questions WHERE organization = ?1 AND grp = ?2)";
        session.execute(sql, &[organization.into(), group.into()])?;
    }
    Ok(())
}

/// A wording that has no vector yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Wording {
    pub organization: OrgId,
    pub question: i64,
    /// One of the ways it was written.
    pub text: String,
}

/// Wordings that wait for a vector.
pub fn waiting(session: &mut Session, version: i64, limit: usize) -> Result<Vec<Wording>, StoreError> {
    let sql = format!(
        "SELECT q.organization, q.question, (SELECT min(u.id) FROM {} u WHERE u.organization = q.organization AND u.question = q.question) FROM questions q WHERE q.vector IS NULL LIMIT {limit}",
        unanswered(version)
    );
    let mut found = Vec::new();
    for row in session.query(&sql, &[])? {
        let (organization, question, id): (String, i64, Option<String>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (Ok(organization), Some(id)) = (organization.parse(), id) else { continue };
        let asked = read(session, Table::Interactions, version, organization, &id)?;
        let text = asked.and_then(|row| row.body["prompt"].as_str().map(str::to_owned));
        found.extend(text.map(|text| Wording { organization, question, text }));
    }
    Ok(found)
}

/// Puts a wording into the group that means the same, in these versions; else it stays in its own, which others may join.
pub fn place(session: &mut Session, versions: &[i64], organization: OrgId, question: i64, vector: &[f32]) -> Result<(), StoreError> {
    let which = [Value::from(organization.to_string()), question.into()];
    // It may have been erased meanwhile, or placed by another process.
    let Some(own) = session.query_first("SELECT grp FROM questions WHERE organization = ?1 AND question = ?2 AND vector IS NULL", &which)? else {
        return Ok(());
    };
    let own: i64 = own.get(0)?;
    let bytes = packed(vector);
    let joined = nearest(session, organization, &bytes)?.filter(|group| *group != own);
    let sql = "UPDATE questions SET vector = ?3, grp = ?4, leads = ?5 WHERE organization = ?1 AND question = ?2";
    let [organization_id, question_id] = which;
    session.execute(sql, &[organization_id, question_id, bytes.into(), joined.unwrap_or(own).into(), joined.is_none().into()])?;
    let Some(group) = joined else { return Ok(()) };
    for version in versions {
        regroup(session, *version, organization, own, group)?;
    }
    touch(session, organization, 0)
}

fn regroup(session: &mut Session, version: i64, organization: OrgId, from: i64, to: i64) -> Result<(), StoreError> {
    let table = unanswered(version);
    let which = [Value::from(organization.to_string()), from.into()];
    let mut differences = Differences::default();
    for row in session.query(&format!("SELECT at, agent FROM {table} WHERE organization = ?1 AND grp = ?2"), &which)? {
        differences.regroup(organization, &row.get::<String>(1)?, row.get(0)?, from, to);
    }
    add(session, version, differences)?;
    session
        .execute(&format!("UPDATE {table} SET grp = ?3 WHERE organization = ?1 AND grp = ?2"), &[organization.to_string().into(), from.into(), to.into()])?;
    Ok(())
}

/// The open group whose first wording is nearest, where it is near enough.
fn nearest(session: &mut Session, organization: OrgId, vector: &[u8]) -> Result<Option<i64>, StoreError> {
    let sql =
        format!("SELECT grp, vector FROM questions WHERE organization = ?1 AND leads = 1 AND vector IS NOT NULL ORDER BY grp DESC LIMIT {MAX_OPEN_GROUPS}");
    let mut best = None;
    for row in session.query(&sql, &[organization.to_string().into()])? {
        let likeness = cosine(vector, &row.get::<Vec<u8>>(1)?);
        if likeness >= best.map_or(SAME_MEANING, |(known, _)| known) {
            best = Some((likeness, row.get(0)?));
        }
    }
    Ok(best.map(|(_, group)| group))
}

fn packed(vector: &[f32]) -> Vec<u8> {
    vector.iter().map(|component| (component * VECTOR_SCALE).round().clamp(-VECTOR_SCALE, VECTOR_SCALE) as i8 as u8).collect()
}

fn cosine(a: &[u8], b: &[u8]) -> f64 {
    let product = |a: &[u8], b: &[u8]| -> i32 { a.iter().zip(b).map(|(x, y)| i32::from(*x as i8) * i32::from(*y as i8)).sum() };
    let length = f64::from(product(a, a)).sqrt() * f64::from(product(b, b)).sqrt();
    if length > 0.0 && a.len() == b.len() { f64::from(product(a, b)) / length } else { 0.0 }
}

/// What is asked of the groups: the most frequent, with the newest of their interactions in a stretch of time.
pub struct Asked<'a> {
    pub organization: OrgId,
    pub agent: Option<&'a str>,
    pub from: i64,
    pub to: i64,
}

impl Asked<'_> {
    pub fn most_frequent(&self, session: &mut Session, version: i64, groups: &super::figures::Groups) -> Result<Vec<Unanswered>, StoreError> {
        let mut counted: Vec<(i64, i64)> = groups.0.iter().filter(|(_, count)| **count > 0).map(|(group, count)| (*group, *count)).collect();
        counted.sort_unstable_by_key(|(group, count)| (-count, -group));
        counted.truncate(MAX_QUESTIONS);
        let shown: Result<Vec<_>, _> = counted.into_iter().map(|(group, count)| self.one(session, version, group, count)).collect();
        let mut shown: Vec<Unanswered> = shown?;
        shown.sort_by_key(|question| (-question.count, -question.last_seen));
        Ok(shown)
    }

    fn one(&self, session: &mut Session, version: i64, group: i64, count: i64) -> Result<Unanswered, StoreError> {
        let of_agent = if self.agent.is_some() { " AND agent = ?5" } else { "" };
        let sql = format!(
            "SELECT id, at FROM {} WHERE organization = ?1 AND grp = ?2 AND at >= ?3 AND at < ?4{of_agent} ORDER BY at DESC, id DESC LIMIT {MAX_QUESTION_IDS}",
            unanswered(version)
        );
        let mut values = vec![self.organization.to_string().into(), group.into(), self.from.into(), self.to.into()];
        values.extend(self.agent.map(Value::from));
        let rows = session.query(&sql, &values)?;
        let interactions: Vec<String> = rows.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?;
        let last_seen = rows.first().map_or(Ok(self.from), |row| row.get(1))?;
        let newest = interactions.first().map(|id| read(session, Table::Interactions, version, self.organization, id)).transpose()?.flatten();
        let question = newest.and_then(|row| row.body["prompt"].as_str().map(str::to_owned));
        Ok(Unanswered { question, count, last_seen, interactions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_packed_in_bytes_keep_their_cosine() {
        let (a, b) = (packed(&[0.6, 0.8, 0.0]), packed(&[0.8, 0.6, 0.0]));
        assert!((cosine(&a, &b) - 0.96).abs() < 0.01 && (cosine(&a, &a) - 1.0).abs() < 1e-9);
        assert!(cosine(&a, &[1, 2]).abs() < f64::EPSILON, "vectors of two models have nothing in common");
    }
}
