//! The deliverer: claims what is due by lease, signs and sends it, and records the attempt.
//!
//! One loop claims for all endpoints at once, as much as each one's lanes have room for. A lane sends side by side as much as its endpoint has shown to
//! answer, so that a slow or dead one holds little and delays nobody else; what is in flight is shared fairly between organizations. Attempts are recorded
//! together, as many as have ended while the last ones were written down.

mod lane;
mod record;
mod send;
mod share;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;
use twig_commands::{clock::Clock, vault::Vault};
use twig_projections::{Deliveries, Lane as Kind, Ready, ViewError, Want};

use crate::{
    Workers,
    targets::{ATTEMPT_TIMEOUT, WebhookTargets},
};
use lane::Lane;
use send::Sending;

/// How much longer than an attempt a lease has to be, in seconds: the clocks of two machines differ, and a busy one records late.
const LEASE_MARGIN_S: i64 = 15;
/// What another process dispatched is seen at the latest after this, and sooner while the log grows.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_millis(500);
const LOOK_WHILE_GROWING_EVERY: Duration = Duration::from_millis(25);
const GROWS_FOR: Duration = Duration::from_secs(1);
const STANDING_EVERY: Duration = Duration::from_secs(5);
const AGE_OUT_EVERY: Duration = Duration::from_secs(3600);
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// Lanes above this that have nothing to do are let go.
const MAX_IDLE_LANES: usize = 4096;

#[derive(Clone)]
pub struct Deliverer {
    pub workers: Workers,
    pub deliveries: Deliveries,
    pub vault: Vault,
    pub targets: WebhookTargets,
    /// How long a claim holds, in seconds; a dead deliverer's messages wait for its end.
    pub lease_s: i64,
}

/// Whether a lease is long enough that no two deliverers send one attempt at once.
///
/// # Errors
/// What is allowed.
pub fn check_lease(lease_s: i64) -> Result<(), String> {
    let least = ATTEMPT_TIMEOUT.as_secs() as i64 + LEASE_MARGIN_S;
    if lease_s >= least {
        return Ok(());
    }
    Err(format!("webhook_lease_s is {lease_s}; allowed is {least} or more, which is an attempt's time-out and a margin of {LEASE_MARGIN_S} s"))
}

type Lanes = HashMap<(String, Kind), Lane>;

pub async fn run(deliverer: Deliverer, cancel: CancellationToken) {
    let (deliveries, clock) = (deliverer.deliveries.clone(), deliverer.workers.clock.clone());
    let mut beside = JoinSet::new();
    beside.spawn(housekeeping(deliveries.clone(), clock.clone(), cancel.clone()));
    let (mut changes, mut log, mut grown) = (deliveries.due_changes(), deliveries.log_changes(), Instant::now());
    let room = Arc::new(Notify::new());
    let recorder = record::spawn(deliveries.clone(), &mut beside);
    let sending = Arc::new(Sending::new(deliverer, recorder, cancel.clone()));
    let (mut lanes, mut tasks) = (Lanes::new(), JoinSet::new());
    while !cancel.is_cancelled() {
        changes.mark_unchanged();
        let wait = match claim(&sending, &mut lanes, &mut tasks, &room).await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::error!(%error, "due webhook deliveries could not be claimed");
                RETRY_AFTER
            }
        };
        while tasks.try_join_next().is_some() {}
        let wait = if grown.elapsed() < GROWS_FOR { wait.min(LOOK_WHILE_GROWING_EVERY) } else { wait };
        tokio::select! {
            _ = changes.changed() => {}
            Ok(()) = log.changed() => grown = Instant::now(),
            () = room.notified() => {}
            () = tokio::time::sleep(wait) => {}
            () = cancel.cancelled() => {}
        }
    }
    drop(lanes);
    while tasks.join_next().await.is_some() {}
    drop(sending);
    while beside.join_next().await.is_some() {}
}

/// Claims for every lane that has something due and room for it; how long until there may be more.
async fn claim(sending: &Arc<Sending>, lanes: &mut Lanes, tasks: &mut JoinSet<()>, room: &Arc<Notify>) -> Result<Duration, ViewError> {
    let Deliverer { deliveries, workers, lease_s, .. } = &sending.deliverer;
    let now = workers.clock.now();
    if lanes.len() > MAX_IDLE_LANES {
        lanes.retain(|_, lane| !lane.is_idle());
    }
    let (ready, later) = deliveries.due(now).await?;
    let mut wants = Vec::new();
    for Ready { webhook, organization, lane } in ready {
        let of = lanes.entry((webhook.clone(), lane)).or_insert_with(|| Lane::spawn(sending.clone(), organization, lane, room.clone(), tasks));
        let limit = of.room();
        if limit > 0 {
            wants.push(Want { webhook, lane, limit });
        }
    }
    if !wants.is_empty() {
        for delivery in deliveries.claim(wants, workers.owner.clone(), now, now.plus_seconds(*lease_s)).await? {
            if let Some(lane) = lanes.get(&(delivery.target.webhook.clone(), delivery.lane)) {
                lane.give(delivery);
            }
        }
    }
    let until_later = later.map(|later| Duration::from_millis((later.millis() - now.millis()).max(1) as u64));
    Ok(until_later.unwrap_or(LOOK_AT_LEAST_EVERY).min(LOOK_AT_LEAST_EVERY))
}

/// Figures of the queue, and the end of what is old.
async fn housekeeping(deliveries: Deliveries, clock: Clock, cancel: CancellationToken) {
    let mut aged_out: Option<Instant> = None;
    while !cancel.is_cancelled() {
        standing(&deliveries, &clock).await;
        if aged_out.is_none_or(|last| last.elapsed() > AGE_OUT_EVERY) {
            aged_out = Some(Instant::now());
            if let Err(error) = deliveries.age_out(clock.now()).await {
                tracing::error!(%error, "old webhook deliveries could not be dropped");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(STANDING_EVERY) => {}
            () = cancel.cancelled() => {}
        }
    }
}

async fn standing(deliveries: &Deliveries, clock: &Clock) {
    let now = clock.now();
    match deliveries.standing(now).await {
        Ok((due, oldest)) => {
            metrics::gauge!("twig_webhook_due").set(due as f64);
            metrics::gauge!("twig_webhook_oldest_due_seconds").set(oldest.map_or(0.0, |at| (now.millis() - at).max(0) as f64 / 1000.0));
        }
        Err(error) => tracing::warn!(%error, "the figures of the webhook queue could not be read"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_lease_is_longer_than_an_attempt_and_its_margin() {
        assert!(super::check_lease(29).is_err());
        assert!(super::check_lease(30).is_ok());
    }
}
