//! How often a host is asked. The invariant: within this process two requests to one host start at least an interval apart, whichever run, data spec or organization they are of.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use url::Url;

/// Above this many hosts those that are due are forgotten.
const HOSTS_BEFORE_SWEEP: usize = 10_000;
const MAX_INTERVAL_S: f64 = 60.0;

static NEXT: LazyLock<Mutex<HashMap<String, Instant>>> = LazyLock::new(Mutex::default);

/// Waits for this host's turn and takes it.
pub(crate) async fn turn(url: &Url, interval: Duration) {
    tokio::time::sleep_until(reserve(host_key(url), interval)).await;
}

/// The time between two requests at `per_second`, or longer where robots.txt asks for it.
pub(crate) fn interval(per_second: f64, crawl_delay_s: Option<f32>) -> Duration {
    let wanted = if per_second > 0.0 { 1.0 / per_second } else { 1.0 };
    let asked = crawl_delay_s.map_or(0.0, f64::from);
    let seconds = if asked.is_finite() { wanted.max(asked) } else { wanted };
    Duration::from_secs_f64(seconds.clamp(0.0, MAX_INTERVAL_S))
}

fn reserve(host: String, interval: Duration) -> Instant {
    let now = Instant::now();
    let mut next = NEXT.lock().unwrap_or_else(PoisonError::into_inner);
    if next.len() > HOSTS_BEFORE_SWEEP {
        next.retain(|_, at| *at > now);
    }
    let slot = next.get(&host).map_or(now, |at| (*at).max(now));
    next.insert(host, slot + interval);
    slot
}

fn host_key(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_of_one_host_are_an_interval_apart_and_hosts_do_not_wait_for_each_other() {
        let interval = Duration::from_secs(1);
        let first = reserve("pace-a.example:80".to_owned(), interval);
        let second = reserve("pace-a.example:80".to_owned(), interval);
        let other = reserve("pace-b.example:80".to_owned(), interval);
        assert_eq!(second - first, interval);
        assert!(other < second);
    }

    #[test]
    fn robots_may_slow_us_down_and_not_stop_us() {
        assert_eq!(interval(2.0, None), Duration::from_millis(500));
        assert_eq!(interval(2.0, Some(3.0)), Duration::from_secs(3));
        assert_eq!(interval(2.0, Some(1e9)), Duration::from_secs(60));
        assert_eq!(interval(2.0, Some(f32::NAN)), Duration::from_millis(500));
    }
}
