//! A circuit breaker for each provider: one that keeps failing is left alone for a moment, so that callers fail fast and it can recover.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Failures in a row that open the circuit. A deadline missed counts as one.
const MAX_FAILURES_IN_A_ROW: u32 = 20;
const OPEN_FOR: Duration = Duration::from_secs(3);

#[derive(Default)]
struct State {
    failures: u32,
    open_until: Option<Instant>,
}

#[derive(Clone, Default)]
pub struct Breakers(Arc<Mutex<HashMap<String, State>>>);

impl Breakers {
    /// Whether a call may be tried; after the pause one is, to see.
    pub fn allows(&self, target: &str) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(target).and_then(|state| state.open_until).is_none_or(|until| until <= Instant::now())
    }

    pub fn succeeded(&self, target: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(target);
    }

    pub fn failed(&self, target: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = all.entry(target.to_owned()).or_default();
        state.failures += 1;
        if state.failures >= MAX_FAILURES_IN_A_ROW {
            state.open_until = Some(Instant::now() + OPEN_FOR);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_failures_in_a_row_open_the_circuit_and_a_success_closes_it() {
        let breakers = Breakers::default();
        for _ in 0..MAX_FAILURES_IN_A_ROW {
            assert!(breakers.allows("p"));
            breakers.failed("p");
        }
        assert!(!breakers.allows("p") && breakers.allows("q"));
        breakers.succeeded("p");
        assert!(breakers.allows("p"));
    }
}
