//! The loops that act by themselves: runs, schedules, interactions whose server died, sharper embeddings, questions of one meaning.
//!
//! Invariant: a loop can be killed anywhere and begun again: what it does is a command, and a command that was carried out is not carried out twice.

pub mod deliverer;
pub mod eraser;
pub mod forgetter;
mod ingester;
mod jobs;
pub mod notary;
mod questions;
#[cfg(feature = "kafka")]
mod relay;
pub mod replayer;
mod scheduler;
mod sharpener;
mod sweeper;
mod targets;

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use twig_commands::{bus::CommandBus, clock::Clock};
use twig_domain::{Actor, EventMeta, id::OrgId};
use twig_knowledge::Knowledge;
use twig_projections::Views;

#[cfg(feature = "kafka")]
pub use relay::Relay;
pub use targets::{TargetSettings, WebhookTargets};

#[derive(Clone)]
pub struct Workers {
    pub bus: CommandBus,
    pub views: Views,
    pub knowledge: Knowledge,
    pub clock: Clock,
    /// Who holds leases: a process, for as long as it lives.
    pub owner: String,
}

impl Workers {
    /// Begins every loop; they end when `cancel` is.
    pub fn spawn(&self, tasks: &TaskTracker, cancel: &CancellationToken) {
        tasks.spawn(ingester::run(self.clone(), cancel.clone()));
        tasks.spawn(scheduler::run(self.clone(), cancel.clone()));
        tasks.spawn(sweeper::run(self.clone(), cancel.clone()));
        tasks.spawn(sharpener::run(self.clone(), cancel.clone()));
        if self.knowledge.knows_meaning() {
            tasks.spawn(questions::run(self.clone(), cancel.clone()));
        }
    }
}

/// What a loop's commands are recorded with.
fn meta(organization: OrgId, role: &str, correlation: impl std::fmt::Display) -> EventMeta {
    EventMeta {
        organization,
        actor: Actor::system(role),
        correlation_id: correlation.to_string(),
        causation_id: None,
        ip: None,
        user_agent: None,
        traceparent: None,
    }
}
