//! Refused requests in the audit log: the first of a kind in a minute at once, the others of that minute as one count when it has ended.
//!
//! What is still being counted when the process is killed is lost; the first of each kind is not.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;
use twig_commands::{
    bus::{CommandBus, CommandContext},
    ids::new_id,
};
use twig_domain::{
    EventMeta, Timestamp,
    access::{Access, AccessCommand, Refusal, Refusals},
    id::{EventId, KeyId},
};

const WINDOW_MS: i64 = 60_000;
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Kinds of refusals that are counted at once; beyond it the first of a minute is all that is told of one.
const MAX_COUNTED: usize = 100_000;

struct Count {
    window: i64,
    count: u64,
    since: Timestamp,
    until: Timestamp,
    meta: EventMeta,
}

#[derive(Clone, Default)]
pub struct RefusalCounter(Arc<Mutex<HashMap<(KeyId, Refusal), Count>>>);

impl RefusalCounter {
    /// Counts a refusal; the first of its minute is to be recorded.
    fn count(&self, key: KeyId, refusal: &Refusal, meta: EventMeta, now: Timestamp) -> Vec<(EventMeta, Refusals)> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = now.millis().div_euclid(WINDOW_MS);
        let place = (key, refusal.clone());
        if let Some(count) = counts.get_mut(&place).filter(|count| count.window == window) {
            (count.count, count.since, count.until) = (count.count + 1, if count.count == 0 { now } else { count.since }, now);
            count.meta = meta;
            return Vec::new();
        }
        let first = Refusals { key_id: key, refusal: refusal.clone(), count: 1, since: now, until: now };
        let mut due: Vec<_> = counts.remove(&place).and_then(|count| told(&place, count)).into_iter().collect();
        due.push((meta.clone(), first));
        if counts.len() < MAX_COUNTED {
            counts.insert(place, Count { window, count: 0, since: now, until: now, meta });
        }
        due
    }

    /// What was counted in minutes that have ended; in all of them when `now` is `None`.
    fn ended(&self, now: Option<Timestamp>) -> Vec<(EventMeta, Refusals)> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = now.map(|now| now.millis().div_euclid(WINDOW_MS));
        let ended = counts.extract_if(|_, count| window.is_none_or(|window| count.window < window));
        ended.filter_map(|(place, count)| told(&place, count)).collect()
    }
}

fn told((key_id, refusal): &(KeyId, Refusal), count: Count) -> Option<(EventMeta, Refusals)> {
    let refusals = Refusals { key_id: *key_id, refusal: refusal.clone(), count: count.count, since: count.since, until: count.until };
    (count.count > 0).then_some((count.meta, refusals))
}

impl crate::App {
    pub(crate) async fn refused(&self, key: KeyId, refusal: Refusal, meta: EventMeta) {
        record(&self.bus, self.refusals.count(key, &refusal, meta, self.clock.now()), self.clock.now()).await;
    }

    /// Records the counts of minutes that have ended, until it is canceled; then all that there are.
    pub async fn record_refusals(self: Arc<Self>, cancel: CancellationToken) {
        while !cancel.is_cancelled() {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = cancel.cancelled() => {}
            }
            let now = self.clock.now();
            record(&self.bus, self.refusals.ended((!cancel.is_cancelled()).then_some(now)), now).await;
        }
    }
}

async fn record(bus: &CommandBus, due: Vec<(EventMeta, Refusals)>, now: Timestamp) {
    for (meta, refusals) in due {
        let id: EventId = new_id(now);
        if let Err(error) = bus.execute::<Access>(id, vec![AccessCommand::RecordRefusals { refusals }], CommandContext::of(meta)).await {
            tracing::warn!(%error, "refused requests could not be recorded");
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use twig_domain::{Actor, organization::Scope};

    fn meta() -> EventMeta {
        EventMeta {
            organization: "org_00000000000000000000000001".parse().unwrap(),
            actor: Actor::system("test"),
            correlation_id: "r".into(),
            causation_id: None,
            ip: None,
            user_agent: None,
            traceparent: None,
        }
    }

    #[test]
    fn refusals_are_told_by_the_minute_and_none_is_lost_or_told_twice() {
        let (counter, key): (_, KeyId) = (RefusalCounter::default(), "key_00000000000000000000000001".parse().unwrap());
        let refusal = Refusal::Scope { required_scope: Scope::Admin, route: "GET /x".into() };
        let at = |second: i64| Timestamp::from_millis(second * 1000);
        let told = |due: Vec<(EventMeta, Refusals)>| due.into_iter().map(|(_, refusals)| refusals.count).collect::<Vec<_>>();
        let count = |second| told(counter.count(key, &refusal, meta(), at(second)));
        assert_eq!([count(0), count(1), count(59)], [vec![1], vec![], vec![]]);
        assert_eq!(count(61), [2, 1], "the minute before, and the first of the new one");
        assert_eq!(told(counter.count(key, &Refusal::MinuteLimit, meta(), at(61))), [1], "another kind");
        assert!(count(62).is_empty());
        assert!(told(counter.ended(Some(at(100)))).is_empty());
        assert_eq!(told(counter.ended(Some(at(120)))), [1]);
        assert!(told(counter.ended(None)).is_empty());
    }
}
