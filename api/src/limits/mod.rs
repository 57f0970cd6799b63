//! Rate limits: a minute and a day (UTC) window at once, per organization. One process counts exactly; several share the counts by leases.
//!
//! Invariant: a request is admitted by both windows or counted by neither.

mod local;
mod shared;

use std::path::Path;

use twig_commands::database::{PostgresPool, StoreError};
use twig_domain::{Timestamp, access::Refusal, id::OrgId, organization::Limits};

use local::LocalLimiter;
use shared::SharedLimiter;

const MINUTE_S: i64 = 60;
const DAY_S: i64 = 86_400;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Window {
    start_s: i64,
    count: u64,
}

impl Window {
    /// The count in the window of `now`, which is none when a new one has begun.
    fn at(self, now_s: i64, length_s: i64) -> Self {
        let start_s = now_s - now_s.rem_euclid(length_s);
        if self.start_s == start_s { self } else { Self { start_s, count: 0 } }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    minute: Window,
    day: Window,
}

/// How an organization stands after a request, as its headers tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub admitted: bool,
    pub limits: Limits,
    pub minute_used: u64,
    pub day_used: u64,
    pub minute_resets_in_s: u64,
    pub day_resets_in_s: u64,
    now_s: i64,
}

impl Standing {
    fn minute_left(&self) -> u64 {
        self.limits.per_minute.saturating_sub(self.minute_used)
    }

    fn day_left(&self) -> u64 {
        self.limits.per_day.saturating_sub(self.day_used)
    }

    /// Whether the day is the window nearest to rejecting.
    fn day_is_nearest(&self) -> bool {
        self.day_left() < self.minute_left()
    }

    /// Seconds until a refused request may be tried again.
    #[must_use]
    pub fn retry_after_s(&self) -> u64 {
        if self.day_left() == 0 { self.day_resets_in_s } else { self.minute_resets_in_s }.max(1)
    }

    /// Which limit refuses.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        if self.day_left() == 0 { Refusal::DayLimit } else { Refusal::MinuteLimit }
    }

    /// Both header families of API §1.
    #[must_use]
    pub fn headers(&self) -> [(&'static str, String); 5] {
        let (limit, left, resets_in_s) = if self.day_is_nearest() {
            (self.limits.per_day, self.day_left(), self.day_resets_in_s)
        } else {
            (self.limits.per_minute, self.minute_left(), self.minute_resets_in_s)
        };
        [
            ("x-ratelimit-limit", limit.to_string()),
            ("x-ratelimit-remaining", left.to_string()),
            ("x-ratelimit-reset", (self.now_s + resets_in_s as i64).to_string()),
            ("ratelimit-policy", format!("\"minute\";q={};w={MINUTE_S}, \"day\";q={};w={DAY_S}", self.limits.per_minute, self.limits.per_day)),
            (
                "ratelimit",
                format!("\"minute\";r={};t={}, \"day\";r={};t={}", self.minute_left(), self.minute_resets_in_s, self.day_left(), self.day_resets_in_s),
            ),
        ]
    }
}

/// The counts of every organization.
#[derive(Clone)]
pub enum RateLimiter {
    Local(LocalLimiter),
    Shared(SharedLimiter),
}

impl RateLimiter {
    /// The counts of a data folder.
    pub fn open(file: &Path) -> Result<Self, rusqlite::Error> {
        LocalLimiter::open(file).map(Self::Local)
    }

    /// Counts that the processes on a database share.
    pub fn postgres(url: &str) -> Result<Self, StoreError> {
        SharedLimiter::open(PostgresPool::connect(url, None)?).map(Self::Shared)
    }

    /// Counts a request where both windows have room.
    pub async fn admit(&self, organization: OrgId, limits: Limits, now: Timestamp) -> Result<Standing, StoreError> {
        match self {
            Self::Local(limiter) => Ok(limiter.admit(organization, limits, now)),
            Self::Shared(limiter) => limiter.admit(organization, limits, now).await,
        }
    }

    /// How an organization stands, without counting.
    pub async fn standing(&self, organization: OrgId, limits: Limits, now: Timestamp) -> Result<Standing, StoreError> {
        match self {
            Self::Local(limiter) => Ok(limiter.standing(organization, limits, now)),
            Self::Shared(limiter) => limiter.standing(organization, limits, now).await,
        }
    }

    /// Waits until everything counted so far is written, and gives back what was leased and not used.
    pub async fn flush(&self) {
        match self {
            Self::Local(limiter) => limiter.flush(),
            Self::Shared(limiter) => limiter.give_back().await,
        }
    }
}

fn standing(counts: Counts, limits: Limits, now: Timestamp) -> (Standing, Counts) {
    let now_s = now.millis().div_euclid(1000);
    let at = Counts { minute: counts.minute.at(now_s, MINUTE_S), day: counts.day.at(now_s, DAY_S) };
    let standing = Standing {
        admitted: false,
        limits,
        minute_used: at.minute.count,
        day_used: at.day.count,
        minute_resets_in_s: (at.minute.start_s + MINUTE_S - now_s) as u64,
        day_resets_in_s: (at.day.start_s + DAY_S - now_s) as u64,
        now_s,
    };
    (standing, at)
}
