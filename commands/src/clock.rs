//! The product's clock: the one place that reads the machine's.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use twig_domain::Timestamp;

/// A clock that can be shifted (development) or moved by hand (tests).
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System { offset_ms: i64 },
    Manual(Arc<AtomicI64>),
}

impl Clock {
    #[must_use]
    pub fn system(offset_seconds: i64) -> Self {
        Self(Source::System { offset_ms: offset_seconds.saturating_mul(1000) })
    }

    #[must_use]
    pub fn manual(now: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(now.millis()))))
    }

    /// Moves a manual clock; a system clock goes by itself.
    pub fn advance(&self, seconds: i64) {
        if let Source::Manual(now) = &self.0 {
            now.fetch_add(seconds * 1000, Ordering::SeqCst);
        }
    }

    /// How far it is from the machine's, for a log whose server gives the times.
    #[cfg(feature = "eventstoredb")]
    pub(crate) fn offset_ms(&self) -> i64 {
        match &self.0 {
            Source::System { offset_ms } => *offset_ms,
            Source::Manual(_) => self.now().millis() - Self::system(0).now().millis(),
        }
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System { offset_ms } => {
                #[expect(clippy::disallowed_methods, reason = "the clock's home")]
                let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp::from_millis((since_epoch.as_millis() as i64).saturating_add(*offset_ms))
            }
            Source::Manual(now) => Timestamp::from_millis(now.load(Ordering::SeqCst)),
        }
    }
}
