//! From changed interactions to differences of cells. Pure: the store reads the cells, adds the differences, and writes them.
//!
//! An interaction counts in a cell of each level, for the organization as a whole and for its agent alone; beside each of these stand the figures of the
//! models, and of the agents.

use std::collections::BTreeMap;

use twig_domain::id::OrgId;

use super::{cover::Level, fact::Fact, figures::Cell};

/// What of its scope a cell counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    Whole,
    Agent,
    Model,
}

impl Part {
    /// As it is stored.
    #[must_use]
    pub fn number(self) -> i64 {
        self as i64
    }
}

/// All agents; else a scope is an agent's id.
pub const ALL_AGENTS: &str = "";

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CellKey {
    pub organization: OrgId,
    pub scope: String,
    pub part: Part,
    pub level: Level,
    pub start: i64,
    /// The agent or the model; of the whole, nothing.
    pub name: String,
}

/// A fact, and the group of its question where nobody could answer it.
#[derive(Clone, Copy, Debug)]
pub struct Grouped<'a> {
    pub fact: &'a Fact,
    pub group: Option<i64>,
}

#[derive(Debug, Default)]
pub struct Differences(pub BTreeMap<CellKey, Cell>);

impl Differences {
    /// An interaction is something else now.
    pub fn change(&mut self, organization: OrgId, before: Option<Grouped>, after: Option<Grouped>) {
        for (grouped, sign) in before.map(|before| (before, -1)).into_iter().chain(after.map(|after| (after, 1))) {
            let Grouped { fact, group } = grouped;
            self.each(organization, &fact.agent, fact.at, |cell| add(cell, fact, group, sign));
            for level in Level::ALL {
                self.part(organization, ALL_AGENTS, Part::Agent, level, fact, &fact.agent, sign);
                self.part(organization, ALL_AGENTS, Part::Model, level, fact, &fact.model, sign);
                self.part(organization, &fact.agent, Part::Model, level, fact, &fact.model, sign);
            }
        }
    }

    /// A question belongs to another group.
    pub fn regroup(&mut self, organization: OrgId, agent: &str, at: i64, from: i64, to: i64) {
        self.each(organization, agent, at, |cell| {
            cell.groups.add(from, -1);
            cell.groups.add(to, 1);
        });
    }

    /// The whole of all agents and of one, at each level.
    fn each(&mut self, organization: OrgId, agent: &str, at: i64, change: impl Fn(&mut Cell)) {
        for level in Level::ALL {
            for scope in [ALL_AGENTS, agent] {
                let key = CellKey { organization, scope: scope.to_owned(), part: Part::Whole, level, start: level.start(at), name: String::new() };
                change(self.0.entry(key).or_default());
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a cell's key, taken apart")]
    fn part(&mut self, organization: OrgId, scope: &str, part: Part, level: Level, fact: &Fact, name: &str, sign: i64) {
        let key = CellKey { organization, scope: scope.to_owned(), part, level, start: level.start(fact.at), name: name.to_owned() };
        self.0.entry(key).or_default().figures.add(fact, sign);
    }
}

/// Counts an interaction in the cell of a whole, or takes it back.
pub fn add(cell: &mut Cell, fact: &Fact, group: Option<i64>, sign: i64) {
    cell.figures.add(fact, sign);
    fact.documents.iter().for_each(|document| cell.documents.add(*document, sign));
    if let Some(group) = group {
        cell.groups.add(group, sign);
    }
    if sign > 0 {
        cell.sessions.add(fact.session);
        fact.user.into_iter().for_each(|user| cell.users.add(user));
    }
}
