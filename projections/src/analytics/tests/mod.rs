//! Figures against an exact count of the same history, in each store.
#![expect(clippy::unwrap_used, reason = "tests")]

mod clickhouse;
mod exact;
mod history;
mod measure;
mod views;

use std::sync::Arc;

use twig_commands::{
    clock::Clock,
    database::Session,
    log::{EventLog, RecordedEvent},
};
use twig_domain::Sealed;

use super::{
    query::{Question, ViewStore},
    report::Report,
};
use crate::{
    Views,
    fold::Projection,
    runner::fold_batch,
    views::{ViewError, live_versions},
};
use history::{History, organization};

const DAY: i64 = 86_400_000;
const HOUR: i64 = 3_600_000;

/// Views of a folder of their own; the log beside them is empty unless a test fills it.
struct Stores {
    _folder: tempfile::TempDir,
    log: EventLog,
    views: Views,
}

impl Stores {
    fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = EventLog::open(&folder.path().join("events.db"), Clock::system(0)).unwrap();
        let views = Views::open(&folder.path().join("views.db"), log.clone()).unwrap();
        Self { _folder: folder, log, views }
    }

    fn postgres(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = EventLog::open(&folder.path().join("events.db"), Clock::system(0)).unwrap();
        let views = Views::postgres(url, log.clone()).unwrap();
        Self { _folder: folder, log, views }
    }

    fn write<T>(&self, work: impl FnOnce(&mut Session) -> Result<T, ViewError>) -> T {
        self.views.database().write_now(work).unwrap()
    }

    /// Folds events into a version, so many at a time.
    fn fold(&self, version: i64, events: &[RecordedEvent], batch: usize) {
        for events in events.chunks(batch) {
            let events: Vec<Arc<RecordedEvent>> = events.iter().cloned().map(Arc::new).collect();
            self.write(|session| fold_batch(session, Projection::Interactions, version, &events, &opened));
        }
    }

    fn report(&self, question: &Question) -> Report {
        self.write(|session| {
            let live = live_versions(session)?;
            Ok(ViewStore { session, live: &live }.report(question)?)
        })
    }
}

/// Words are not really sealed here; those of an erased subject cannot be read.
fn opened(sealed: &Sealed) -> Option<String> {
    (!sealed.subject.starts_with("erased")).then(|| sealed.ciphertext.clone())
}

/// Days of a zone so far from UTC.
fn local_days(days: i64, offset: i64) -> Question {
    let from = history::START - offset;
    let starts: Vec<i64> = (0..days).map(|day| from + day * DAY).collect();
    Question { organization: organization(), agent: None, previous_from: from - days * DAY, from, to: from + days * DAY, starts }
}
