//! A lane of an endpoint: what is claimed for it, and how much of that goes out side by side.
//!
//! The width follows what the endpoint shows: it doubles with each success, up to a bound, and falls to one when nothing answers in time; then there is a
//! pause before the next attempt, which grows. So an endpoint that hangs holds one slot and no more, and one that is down costs next to nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
    time::Instant,
};
use twig_domain::id::OrgId;
use twig_projections::{DueDelivery, Lane as Kind};

use super::send::{Outcome, Sending};

const MAX_WIDTH: usize = 8;
/// Claimed for each that is in flight, so that a lane does not run dry between two claims.
const CLAIMED_PER_WIDTH: usize = 8;
/// The pause after an attempt without an answer; it doubles with each one that follows, up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// The claiming loop's side of a lane; dropping it ends the lane.
pub struct Lane {
    queue: mpsc::UnboundedSender<DueDelivery>,
    load: Arc<Load>,
}

/// What a lane has, and what it can take.
struct Load {
    width: AtomicUsize,
    claimed: AtomicUsize,
}

impl Load {
    fn bound(&self) -> usize {
        self.width.load(Ordering::SeqCst) * CLAIMED_PER_WIDTH
    }
}

impl Lane {
    pub fn spawn(sending: Arc<Sending>, organization: OrgId, kind: Kind, room: Arc<Notify>, tasks: &mut JoinSet<()>) -> Self {
        let (queue, claimed) = mpsc::unbounded_channel();
        let load = Arc::new(Load { width: AtomicUsize::new(1), claimed: AtomicUsize::new(0) });
        let max_width = if kind == Kind::History { 1 } else { MAX_WIDTH };
        tasks.spawn(Running { sending, organization, max_width, load: load.clone(), room }.run(claimed));
        Self { queue, load }
    }

    /// How many more may be claimed; none while the lane still has half of what it can take.
    pub fn room(&self) -> u32 {
        let (bound, claimed) = (self.load.bound(), self.load.claimed.load(Ordering::SeqCst));
        if claimed * 2 > bound { 0 } else { u32::try_from(bound - claimed).unwrap_or(0) }
    }

    pub fn is_idle(&self) -> bool {
        self.load.claimed.load(Ordering::SeqCst) == 0
    }

    pub fn give(&self, delivery: DueDelivery) {
        self.load.claimed.fetch_add(1, Ordering::SeqCst);
        // A lane ends with its handle only: somebody listens.
        let _ = self.queue.send(delivery);
    }
}

struct Running {
    sending: Arc<Sending>,
    organization: OrgId,
    max_width: usize,
    load: Arc<Load>,
    room: Arc<Notify>,
}

impl Running {
    async fn run(self, mut claimed: mpsc::UnboundedReceiver<DueDelivery>) {
        let mut flying = FuturesUnordered::new();
        let (mut open, mut pause, mut paused_until) = (true, FIRST_PAUSE, None);
        while open || !flying.is_empty() {
            let width = self.load.width.load(Ordering::SeqCst);
            tokio::select! {
                biased;
                Some(outcome) = flying.next(), if !flying.is_empty() => {
                    (pause, paused_until) = match outcome {
                        Outcome::Silent => ((pause * 2).min(LAST_PAUSE), Some(Instant::now() + pause)),
                        _ => (FIRST_PAUSE, None),
                    };
                    self.ended(outcome, &mut claimed).await;
                }
                () = tokio::time::sleep_until(paused_until.unwrap_or_else(Instant::now)), if paused_until.is_some() && !self.sending.ends() => paused_until = None,
                next = claimed.recv(), if open && flying.len() < width && (paused_until.is_none() || self.sending.ends()) => match next {
                    Some(delivery) if self.sending.ends() => self.give_back(vec![delivery], &mut claimed).await,
                    Some(delivery) => flying.push(self.sending.deliver(self.organization, delivery)),
                    None => open = false,
                },
            }
        }
    }

    async fn ended(&self, outcome: Outcome, claimed: &mut mpsc::UnboundedReceiver<DueDelivery>) {
        let width = self.load.width.load(Ordering::SeqCst);
        let next = match outcome {
            Outcome::Succeeded => (width * 2).min(self.max_width),
            Outcome::Refused => width,
            Outcome::Silent | Outcome::Disabled => 1,
        };
        self.load.width.store(next, Ordering::SeqCst);
        self.load.claimed.fetch_sub(1, Ordering::SeqCst);
        // What is claimed beyond what a narrow lane can send within its lease is due again, for whoever comes next.
        if matches!(outcome, Outcome::Disabled) || self.load.claimed.load(Ordering::SeqCst) > self.load.bound() {
            self.give_back(Vec::new(), claimed).await;
        }
        if self.load.claimed.load(Ordering::SeqCst) * 2 <= self.load.bound() {
            self.room.notify_one();
        }
    }

    /// Gives back all that is claimed and not begun.
    async fn give_back(&self, mut rest: Vec<DueDelivery>, claimed: &mut mpsc::UnboundedReceiver<DueDelivery>) {
        while let Ok(delivery) = claimed.try_recv() {
            rest.push(delivery);
        }
        self.load.claimed.fetch_sub(rest.len(), Ordering::SeqCst);
        self.sending.give_back(rest).await;
    }
}
