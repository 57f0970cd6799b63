//! Counts that several processes share: each leases at most a tenth of a limit at a time, and admits from what it holds without asking anybody.
//!
//! Invariant: what was ever handed out in a window is at most its limit. So N processes admit at most the limit together, and one that dies has taken at
//! most one lease with it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use twig_commands::database::{Database, PostgresPool, Row, StoreError};
use twig_domain::{Timestamp, id::OrgId, organization::Limits};

use super::{Counts, DAY_S, MINUTE_S, Standing, Window, standing};

const DDL: &str = include_str!("../../../schemas/sql/postgres/limits.sql");
/// A lease is this part of its limit, and never more than [`MAX_LEASE`] requests: a process that dies takes one with it.
const LEASE_PART: u64 = 10;
const MAX_LEASE: u64 = 50;
/// How often one request asks: once, and again where others of this process used up what it got.
const MAX_ASKED: usize = 4;

#[derive(Clone)]
pub struct SharedLimiter {
    database: Database,
    held: Arc<Mutex<HashMap<OrgId, Held>>>,
    /// One request of an organization asks for more at a time; the others wait for what it brings.
    asking: Arc<Mutex<HashMap<OrgId, Arc<tokio::sync::Mutex<()>>>>>,
}

/// What this process has of an organization's windows.
#[derive(Clone, Copy, Default)]
struct Held {
    minute: Lease,
    day: Lease,
}

#[derive(Clone, Copy, Default)]
struct Lease {
    start_s: i64,
    /// Left of what was leased.
    left: u64,
    /// Handed out to all processes, when this one last asked.
    used: u64,
}

impl Lease {
    fn at(self, now_s: i64, length_s: i64) -> Self {
        let start_s = now_s - now_s.rem_euclid(length_s);
        if self.start_s == start_s { self } else { Self { start_s, ..Self::default() } }
    }

    fn window(self) -> Window {
        Window { start_s: self.start_s, count: self.used.saturating_sub(self.left) }
    }
}

impl SharedLimiter {
    pub(super) fn open(pool: PostgresPool) -> Result<Self, StoreError> {
        pool.migrate(DDL)?;
        Ok(Self { database: Database::Postgres(pool), held: Arc::default(), asking: Arc::default() })
    }

    pub(super) async fn admit(&self, organization: OrgId, limits: Limits, now: Timestamp) -> Result<Standing, StoreError> {
        for _ in 0..MAX_ASKED {
            if let Some(standing) = self.spend(organization, limits, now) {
                return Ok(standing);
            }
            let asking = self.asking(organization);
            let _one_at_a_time = asking.lock().await;
            if let Some(standing) = self.spend(organization, limits, now) {
                return Ok(standing);
            }
            if !self.lease(organization, limits, now).await? {
                break;
            }
        }
        let mut refused = self.known(organization, limits, now);
        // What others hold is not this process's to give: the window has no room here.
        (refused.admitted, refused.minute_used) = (false, refused.minute_used.max(if refused.day_left() == 0 { 0 } else { limits.per_minute }));
        Ok(refused)
    }

    pub(super) async fn standing(&self, organization: OrgId, limits: Limits, now: Timestamp) -> Result<Standing, StoreError> {
        let (minute, day) = starts(now);
        let values = [organization.to_string().into(), minute.into(), 0_i64.into(), 0_i64.into(), day.into(), 0_i64.into(), 0_i64.into()];
        let row = self.database.write(move |session| session.query_one(LEASE, &values)).await?;
        let counts = Counts { minute: Window { start_s: minute, count: row.get(1)? }, day: Window { start_s: day, count: row.get(3)? } };
        Ok(standing(counts, limits, now).0)
    }

    /// Gives back what this process will not use.
    pub(super) async fn give_back(&self) {
        let held: Vec<(OrgId, Held)> = self.held().drain().filter(|(_, held)| held.day.left > 0).collect();
        let given = self.database.write(move |session| {
            for (organization, held) in held {
                let values =
                    [organization.to_string().into(), held.minute.start_s.into(), held.minute.left.into(), held.day.start_s.into(), held.day.left.into()];
                session.execute(
                    "UPDATE rate_counts SET minute = CASE WHEN minute_start = ?2 THEN greatest(minute - ?3, 0) ELSE minute END, \
                     day = CASE WHEN day_start = ?4 THEN greatest(day - ?5, 0) ELSE day END WHERE organization = ?1",
                    &values,
                )?;
            }
            Ok::<_, StoreError>(())
        });
        if let Err(error) = given.await {
            tracing::warn!(%error, "leased requests could not be given back");
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<OrgId, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asking(&self, organization: OrgId) -> Arc<tokio::sync::Mutex<()>> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner).entry(organization).or_default().clone()
    }

    /// Takes one request from what is held.
    fn spend(&self, organization: OrgId, limits: Limits, now: Timestamp) -> Option<Standing> {
        let mut all = self.held();
        let held = all.entry(organization).or_default();
        *held = held.at(now);
        if held.minute.left == 0 || held.day.left == 0 {
            return None;
        }
        held.minute.left -= 1;
        held.day.left -= 1;
        let counted = standing(Counts { minute: held.minute.window(), day: held.day.window() }, limits, now).0;
        Some(Standing { admitted: true, ..counted })
    }

    fn known(&self, organization: OrgId, limits: Limits, now: Timestamp) -> Standing {
        let held = self.held().get(&organization).copied().unwrap_or_default().at(now);
        standing(Counts { minute: held.minute.window(), day: held.day.window() }, limits, now).0
    }

    /// Asks for more of what has run out; `false` where a window has no more.
    async fn lease(&self, organization: OrgId, limits: Limits, now: Timestamp) -> Result<bool, StoreError> {
        let held = self.held().get(&organization).copied().unwrap_or_default().at(now);
        let (minute, day) = starts(now);
        let want = |lease: Lease, limit: u64| if lease.left == 0 { (limit / LEASE_PART).clamp(1, MAX_LEASE) } else { 0 };
        let (minute_want, day_want) = (want(held.minute, limits.per_minute), want(held.day, limits.per_day));
        let values =
            [organization.to_string().into(), minute.into(), minute_want.into(), limits.per_minute.into(), day.into(), day_want.into(), limits.per_day.into()];
        let row: Row = self.database.write(move |session| session.query_one(LEASE, &values)).await?;
        let (minute_got, minute_used, day_got, day_used): (u64, u64, u64, u64) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let mut all = self.held();
        let held = all.entry(organization).or_default();
        *held = held.at(now);
        held.minute = Lease { left: held.minute.left + minute_got, used: minute_used, ..held.minute };
        held.day = Lease { left: held.day.left + day_got, used: day_used, ..held.day };
        Ok(held.minute.left > 0 && held.day.left > 0)
    }
}

impl Held {
    fn at(self, now: Timestamp) -> Self {
        let now_s = now.millis().div_euclid(1000);
        Self { minute: self.minute.at(now_s, MINUTE_S), day: self.day.at(now_s, DAY_S) }
    }
}

const LEASE: &str = "SELECT minute_got, minute_used, day_got, day_used FROM twig_lease(?1, ?2, ?3, ?4, ?5, ?6, ?7)";

fn starts(now: Timestamp) -> (i64, i64) {
    let now_s = now.millis().div_euclid(1000);
    (now_s - now_s.rem_euclid(MINUTE_S), now_s - now_s.rem_euclid(DAY_S))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const LIMITS: Limits = Limits { per_minute: 20, per_day: 35 };

    fn org() -> OrgId {
        "org_00000000000000000000000001".parse().unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn node(url: &str) -> SharedLimiter {
        SharedLimiter::open(PostgresPool::connect(url, None).unwrap()).unwrap()
    }

    async fn admitted(nodes: &[SharedLimiter], second: i64, requests: usize) -> u64 {
        let mut count = 0;
        for request in 0..requests {
            count += u64::from(nodes[request % nodes.len()].admit(org(), LIMITS, at(second)).await.unwrap().admitted);
        }
        count
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_process_is_exact_and_a_restart_forgets_no_day() {
        let Some(url) = twig_test_servers::postgres_url() else { return };
        let one = node(&url);
        assert_eq!(admitted(std::slice::from_ref(&one), 0, 30).await, 20);
        let standing = one.admit(org(), LIMITS, at(1)).await.unwrap();
        assert_eq!((standing.admitted, standing.headers()[1].1.as_str(), standing.retry_after_s()), (false, "0", 59));
        one.give_back().await;
        assert_eq!(admitted(&[node(&url)], 60, 30).await, 15, "the day's thirty-five");
        assert_eq!(admitted(&[node(&url)], 86_400, 30).await, 20, "a new day");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn several_processes_admit_the_limit_within_their_leases() {
        let Some(url) = twig_test_servers::postgres_url() else { return };
        let nodes = [node(&url), node(&url), node(&url)];
        let count = admitted(&nodes, 0, 90).await;
        assert!((20 - 2 * 2..=20).contains(&count), "{count}");
    }
}
