//! A dashboard from the view store: the cells that make its buckets and its range, added up.

use std::ops::Range;

use twig_commands::database::{Row as Stored, Session, StoreError, Value};
use twig_domain::id::{AgentId, DocumentId, OrgId};

use super::{
    bytes::Damaged,
    cover::{Level, Run, cover, cover_all},
    distinct::Distinct,
    fact::Fact,
    figures::{Figures, Groups},
    fold::{ALL_AGENTS, Part},
    questions::{self, Asked},
    report::{Counted, Report},
    store::{document_name, rollups},
};
use crate::{
    fold::Table,
    runner::Live,
    store::{self, table_name},
};

/// What the figures are asked for: buckets follow each other from `from` to `to`, and the period before ends at `from`. Milliseconds since the epoch.
#[derive(Clone, Debug)]
pub struct Question {
    pub organization: OrgId,
    pub agent: Option<AgentId>,
    pub previous_from: i64,
    pub from: i64,
    /// Not included.
    pub to: i64,
    /// The buckets' starts; the first may be before `from`.
    pub starts: Vec<i64>,
}

impl Question {
    /// Each bucket's part of the range.
    pub fn spans(&self) -> Vec<Range<i64>> {
        let ends = self.starts.iter().skip(1).copied().chain([self.to]);
        self.starts.iter().zip(ends).map(|(start, end)| (*start).max(self.from)..end.min(self.to)).collect()
    }

    /// The bucket that a moment of the range is in.
    pub fn bucket(&self, at: i64) -> usize {
        self.starts.partition_point(|start| *start <= at).saturating_sub(1)
    }

    pub fn scope(&self) -> String {
        self.agent.map_or_else(|| ALL_AGENTS.to_owned(), |agent| agent.to_string())
    }
}

/// Running figures.
#[derive(Clone, Default)]
struct Sum {
    figures: Figures,
    sessions: Distinct,
    users: Distinct,
}

impl Sum {
    fn counted(mut self) -> Counted {
        Counted { figures: self.figures, sessions: self.sessions.count(), users: self.users.count() }
    }
}

pub struct ViewStore<'a, 's> {
    pub session: &'a mut Session<'s>,
    pub live: &'a Live,
}

impl ViewStore<'_, '_> {
    fn version(&self) -> i64 {
        self.live.get(&Table::Interactions.projection()).copied().unwrap_or(1)
    }

    /// Everything, names and unanswered questions too.
    pub fn report(&mut self, question: &Question) -> Result<Report, StoreError> {
        let mut report = self.figures(question)?;
        self.complete(question, &mut report)?;
        Ok(report)
    }

    /// What no other store has: the words of unanswered questions, and what agents and documents are called.
    pub fn complete(&mut self, question: &Question, report: &mut Report) -> Result<(), StoreError> {
        let version = self.version();
        let agent = question.agent.map(|agent| agent.to_string());
        let groups = self.groups(question)?;
        let asked = Asked { organization: question.organization, agent: agent.as_deref(), from: question.from, to: question.to };
        report.questions = asked.most_frequent(self.session, version, &groups)?;
        for agent in report.agents.keys().cloned().collect::<Vec<_>>() {
            let of_agents = self.live.get(&Table::Agents.projection()).copied().unwrap_or(1);
            let row = store::read(self.session, Table::Agents, of_agents, question.organization, &agent)?;
            if let Some(name) = row.and_then(|row| row.body["name"].as_str().map(str::to_owned)) {
                report.names.agents.insert(agent, name);
            }
        }
        for (document, _) in report.top_documents() {
            let id = DocumentId::from(uuid::Uuid::from_u128(document)).to_string();
            report.names.documents.insert(document, document_name(self.session, version, question.organization, &id)?);
        }
        Ok(())
    }

    fn figures(&mut self, question: &Question) -> Result<Report, StoreError> {
        let mut report = Report::default();
        let mut buckets = vec![Sum::default(); question.starts.len()];
        for run in cover_all(&question.spans()) {
            self.each(question, &run, "figures, sessions", |start, cell| {
                let bucket = &mut buckets[question.bucket(start)];
                match cell {
                    Read::Stored(row) => {
                        bucket.figures.add_encoded(&bytes(row, 1)?)?;
                        bucket.sessions.add_encoded(&bytes(row, 2)?)
                    }
                    Read::Single(fact) => {
                        bucket.figures.add(fact, 1);
                        bucket.sessions.add(fact.session);
                        Ok(())
                    }
                }
            })?;
        }
        let mut current = Sum::default();
        for bucket in &buckets {
            current.figures.merge(&bucket.figures);
            current.sessions.merge(&bucket.sessions);
        }
        self.whole(question, &mut current, &mut report)?;
        report.buckets = buckets.into_iter().map(Sum::counted).collect();
        report.current = current.counted();
        report.previous = self.previous(question)?;
        Ok(report)
    }

    /// What is asked of the whole range alone: users, documents, and the figures of agents and models.
    fn whole(&mut self, question: &Question, current: &mut Sum, report: &mut Report) -> Result<(), StoreError> {
        for run in cover(question.from..question.to) {
            self.each(question, &run, "users, documents", |_, cell| match cell {
                Read::Stored(row) => {
                    current.users.add_encoded(&bytes(row, 1)?)?;
                    let mut documents = super::figures::Documents(std::mem::take(&mut report.documents));
                    let added = documents.add_encoded(&bytes(row, 2)?);
                    report.documents = documents.0;
                    added
                }
                Read::Single(fact) => {
                    fact.user.into_iter().for_each(|user| current.users.add(user));
                    fact.documents.iter().for_each(|document| *report.documents.entry(*document).or_default() += 1);
                    report.agents.entry(fact.agent.clone()).or_default().add(fact, 1);
                    report.models.entry(fact.model.clone()).or_default().add(fact, 1);
                    Ok(())
                }
            })?;
            if let Some(level) = run.level {
                self.parts(question, level, &run.span, report)?;
            }
        }
        // The agents are those of the organization; asked for one, there is that one.
        if let Some(agent) = question.agent {
            report.agents = [(agent.to_string(), current.figures.clone())].into();
        }
        Ok(())
    }

    fn parts(&mut self, question: &Question, level: Level, span: &Range<i64>, report: &mut Report) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT part, name, figures FROM {} WHERE organization = ?1 AND scope = ?2 AND part = ?3 AND level = ?4 AND start >= ?5 AND start < ?6",
            rollups(self.version())
        );
        for part in [Part::Agent, Part::Model] {
            if part == Part::Agent && question.agent.is_some() {
                continue;
            }
            let values = [
                question.organization.to_string().into(),
                question.scope().into(),
                part.number().into(),
                level.minutes().into(),
                span.start.into(),
                span.end.into(),
            ];
            let named = if part == Part::Agent { &mut report.agents } else { &mut report.models };
            for row in self.session.query(&sql, &values)? {
                named.entry(row.get(1)?).or_default().add_encoded(&bytes(&row, 2).map_err(damaged)?).map_err(damaged)?;
            }
        }
        Ok(())
    }

    fn previous(&mut self, question: &Question) -> Result<Counted, StoreError> {
        let mut sum = Sum::default();
        for run in cover(question.previous_from..question.from) {
            self.each(question, &run, "figures, sessions, users", |_, cell| match cell {
                Read::Stored(row) => {
                    sum.figures.add_encoded(&bytes(row, 1)?)?;
                    sum.sessions.add_encoded(&bytes(row, 2)?)?;
                    sum.users.add_encoded(&bytes(row, 3)?)
                }
                Read::Single(fact) => {
                    sum.figures.add(fact, 1);
                    sum.sessions.add(fact.session);
                    fact.user.into_iter().for_each(|user| sum.users.add(user));
                    Ok(())
                }
            })?;
        }
        Ok(sum.counted())
    }

    fn groups(&mut self, question: &Question) -> Result<Groups, StoreError> {
        let (version, mut groups) = (self.version(), Groups::default());
        for run in cover(question.from..question.to) {
            if run.level.is_none() {
                for (id, fact) in self.singles(question, &run.span)? {
                    if fact.unanswered.is_some()
                        && let Some(group) = questions::group(self.session, version, question.organization, &id)?
                    {
                        groups.add(group, 1);
                    }
                }
                continue;
            }
            self.each(question, &run, "groups", |_, cell| match cell {
                Read::Stored(row) => groups.add_encoded(&bytes(row, 1)?),
                Read::Single(_) => Ok(()),
            })?;
        }
        Ok(groups)
    }

    /// Every cell of a run, or every interaction where it has no cells. A row begins with its start.
    fn each(&mut self, question: &Question, run: &Run, columns: &str, mut take: impl FnMut(i64, Read) -> Result<(), Damaged>) -> Result<(), StoreError> {
        let Some(level) = run.level else {
            for (_, fact) in self.singles(question, &run.span)? {
                take(fact.at, Read::Single(&fact)).map_err(damaged)?;
            }
            return Ok(());
        };
        let sql = format!(
            "SELECT start, {columns} FROM {} WHERE organization = ?1 AND scope = ?2 AND part = {} AND level = ?3 AND start >= ?4 AND start < ?5",
            rollups(self.version()),
            Part::Whole.number()
        );
        let values: [Value; 5] =
            [question.organization.to_string().into(), question.scope().into(), level.minutes().into(), run.span.start.into(), run.span.end.into()];
        for row in self.session.query(&sql, &values)? {
            take(row.get(0)?, Read::Stored(&row)).map_err(damaged)?;
        }
        Ok(())
    }

    fn singles(&mut self, question: &Question, span: &Range<i64>) -> Result<Vec<(String, Fact)>, StoreError> {
        let of_agent = if question.agent.is_some() { " AND (body ->> 'agentId') = ?4" } else { "" };
        let table = table_name(Table::Interactions, self.version());
        let sql = format!("SELECT parent, at, sort, body, id FROM {table} WHERE organization = ?1 AND at >= ?2 AND at < ?3{of_agent}");
        let mut values = vec![question.organization.to_string().into(), span.start.into(), span.end.into()];
        values.extend(question.agent.map(|agent| Value::from(agent.to_string())));
        self.session.query(&sql, &values)?.iter().map(|row| Ok((row.get(4)?, Fact::of(&store::row(row)?)))).collect()
    }
}

enum Read<'a> {
    Stored(&'a Stored),
    Single(&'a Fact),
}

fn bytes(row: &Stored, place: usize) -> Result<Vec<u8>, Damaged> {
    row.get::<Option<Vec<u8>>>(place).map(Option::unwrap_or_default).map_err(|_| Damaged)
}

fn damaged(error: Damaged) -> StoreError {
    StoreError::Shape(error.to_string())
}
