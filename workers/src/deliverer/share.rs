//! What may be in flight at once, shared between organizations.
//!
//! Invariant: an organization holds at most as many slots as are free (the dynamic threshold of Choudhury and Hahne, 1998). One alone gets half, two get a
//! third each, and a newcomer always finds room, however many of the others' endpoints hang; nothing is kept aside for nobody.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;
use twig_domain::id::OrgId;

#[derive(Clone)]
pub struct Shares(Arc<Inner>);

struct Inner {
    limit: usize,
    held: Mutex<Held>,
    freed: Notify,
}

#[derive(Default)]
struct Held {
    all: usize,
    by_organization: HashMap<OrgId, usize>,
}

/// A slot, until it is dropped.
pub struct Slot {
    shares: Shares,
    organization: OrgId,
}

impl Shares {
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Inner { limit, held: Mutex::default(), freed: Notify::new() }))
    }

    /// Waits for a slot.
    pub async fn take(&self, organization: OrgId) -> Slot {
        loop {
            let mut freed = std::pin::pin!(self.0.freed.notified());
            freed.as_mut().enable();
            if let Some(slot) = self.try_take(organization) {
                return slot;
            }
            freed.await;
        }
    }

    fn try_take(&self, organization: OrgId) -> Option<Slot> {
        let mut held = self.held();
        let free = self.0.limit - held.all;
        let of = held.by_organization.entry(organization).or_default();
        if *of >= free {
            return None;
        }
        *of += 1;
        held.all += 1;
        metrics::gauge!("twig_webhook_in_flight").set(held.all as f64);
        Some(Slot { shares: self.clone(), organization })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut held = self.shares.held();
        held.all -= 1;
        metrics::gauge!("twig_webhook_in_flight").set(held.all as f64);
        if let Some(of) = held.by_organization.get_mut(&self.organization) {
            *of -= 1;
            if *of == 0 {
                held.by_organization.remove(&self.organization);
            }
        }
        drop(held);
        self.shares.0.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use twig_commands::ids::new_id;
    use twig_domain::Timestamp;

    fn all(shares: &Shares, organization: OrgId) -> Vec<Slot> {
        std::iter::from_fn(|| shares.try_take(organization)).collect()
    }

    #[test]
    fn a_newcomer_finds_room_however_much_the_others_hold() {
        let shares = Shares::new(256);
        let held: Vec<usize> = (0..6).map(|_| all(&shares, new_id(Timestamp::from_millis(1)))).map(|slots| (slots.len(), std::mem::forget(slots)).0).collect();
        assert_eq!(held, [128, 64, 32, 16, 8, 4]);
    }

    #[test]
    fn two_that_take_turns_end_with_a_third_each() {
        let shares = Shares::new(255);
        let [a, b]: [OrgId; 2] = [new_id(Timestamp::from_millis(1)), new_id(Timestamp::from_millis(2))];
        let mut held = (Vec::new(), Vec::new());
        loop {
            let (one, other) = (shares.try_take(a), shares.try_take(b));
            if one.is_none() && other.is_none() {
                break;
            }
            held.0.extend(one);
            held.1.extend(other);
        }
        assert_eq!((held.0.len(), held.1.len()), (85, 85));
        drop(held.0);
        assert_eq!(all(&shares, b).len(), 128 - 85);
    }

    #[tokio::test]
    async fn a_freed_slot_wakes_who_waits() {
        let shares = Shares::new(2);
        let organization = new_id(Timestamp::from_millis(1));
        let slot = shares.take(organization).await;
        let waiting = tokio::spawn({
            let shares = shares.clone();
            async move { drop(shares.take(organization).await) }
        });
        tokio::task::yield_now().await;
        drop(slot);
        assert!(waiting.await.is_ok());
    }
}
