//! The counts of one process, exact. They go to their own small database by a thread of its own, and a process that is killed has forgotten at most what that
//! thread had not yet written. Near a limit, where it matters, a request waits until it is; elsewhere it never does.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError, mpsc},
};

use rusqlite::{Connection, params};
use twig_domain::{Timestamp, id::OrgId, organization::Limits};

use super::{Counts, Standing, Window, standing};

/// So few requests before a limit, each is written before it is answered.
const NEAR: u64 = 16;

/// The counts of every organization.
#[derive(Clone)]
pub struct LocalLimiter {
    counts: Arc<Mutex<HashMap<OrgId, Counts>>>,
    save: mpsc::Sender<Save>,
}

enum Save {
    Counts(OrgId, Counts),
    Flush(mpsc::Sender<()>),
}

impl LocalLimiter {
    /// Opens the counts of an earlier process, or begins anew where the file cannot be read: limits must not keep a server from starting.
    pub fn open(file: &Path) -> Result<Self, rusqlite::Error> {
        let connection = Connection::open(file)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS counts (organization TEXT PRIMARY KEY, minute_start INTEGER NOT NULL, minute INTEGER NOT NULL, day_start INTEGER NOT NULL, day INTEGER NOT NULL) WITHOUT ROWID",
        )?;
        let counts = read(&connection)?;
        let (save, saves) = mpsc::channel();
        std::thread::Builder::new().name("rate-limits".into()).spawn(move || write_forever(connection, &saves)).map_err(|_| rusqlite::Error::InvalidQuery)?;
        Ok(Self { counts: Arc::new(Mutex::new(counts)), save })
    }

    /// Counts a request where both windows have room.
    #[must_use]
    pub fn admit(&self, organization: OrgId, limits: Limits, now: Timestamp) -> Standing {
        let mut all = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = all.entry(organization).or_default();
        let (mut standing, mut at) = standing(*counts, limits, now);
        if standing.minute_left() > 0 && standing.day_left() > 0 {
            standing.admitted = true;
            standing.minute_used += 1;
            standing.day_used += 1;
            at.minute.count += 1;
            at.day.count += 1;
            *counts = at;
            // The receiver lives as long as the process; a failed send only means that it is ending.
            let _ = self.save.send(Save::Counts(organization, at));
        }
        drop(all);
        if standing.admitted && standing.minute_left().min(standing.day_left()) < NEAR {
            self.flush();
        }
        standing
    }

    /// How an organization stands, without counting.
    #[must_use]
    pub fn standing(&self, organization: OrgId, limits: Limits, now: Timestamp) -> Standing {
        let all = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        standing(all.get(&organization).copied().unwrap_or_default(), limits, now).0
    }

    /// Waits until everything counted so far is written.
    pub fn flush(&self) {
        let (done, wait) = mpsc::channel();
        if self.save.send(Save::Flush(done)).is_ok() {
            let _ = wait.recv();
        }
    }
}

fn read(connection: &Connection) -> Result<HashMap<OrgId, Counts>, rusqlite::Error> {
    let mut statement = connection.prepare("SELECT organization, minute_start, minute, day_start, day FROM counts")?;
    let rows = statement.query_map([], |row| {
        let counts = Counts {
            minute: Window { start_s: row.get(1)?, count: row.get::<_, i64>(2)? as u64 },
            day: Window { start_s: row.get(3)?, count: row.get::<_, i64>(4)? as u64 },
        };
        Ok((row.get::<_, String>(0)?, counts))
    })?;
    Ok(rows.filter_map(Result::ok).filter_map(|(id, counts)| Some((id.parse().ok()?, counts))).collect())
}

/// Takes all that waits, keeps the newest of each organization, and writes it in one transaction.
fn write_forever(mut connection: Connection, saves: &mpsc::Receiver<Save>) {
    while let Ok(first) = saves.recv() {
        let (mut newest, mut flushed) = (HashMap::new(), Vec::new());
        for save in std::iter::once(first).chain(saves.try_iter()) {
            match save {
                Save::Counts(organization, counts) => drop(newest.insert(organization, counts)),
                Save::Flush(done) => flushed.push(done),
            }
        }
        if let Err(error) = write(&mut connection, &newest) {
            tracing::warn!(%error, "rate-limit counts could not be saved");
        }
        for done in flushed {
            let _ = done.send(());
        }
    }
}

fn write(connection: &mut Connection, newest: &HashMap<OrgId, Counts>) -> Result<(), rusqlite::Error> {
    let transaction = connection.transaction()?;
    {
        let mut upsert = transaction.prepare_cached("INSERT OR REPLACE INTO counts VALUES (?1, ?2, ?3, ?4, ?5)")?;
        for (organization, counts) in newest {
            upsert.execute(params![
                organization.to_string(),
                counts.minute.start_s,
                counts.minute.count as i64,
                counts.day.start_s,
                counts.day.count as i64
            ])?;
        }
    }
    transaction.commit()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const LIMITS: Limits = Limits { per_minute: 3, per_day: 5 };

    fn org() -> OrgId {
        "org_00000000000000000000000001".parse().unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn both_windows_bound_and_a_refused_request_is_not_counted() {
        let folder = tempfile::tempdir().unwrap();
        let limiter = LocalLimiter::open(&folder.path().join("limits.db")).unwrap();
        let admitted = |second: i64| limiter.admit(org(), LIMITS, at(second)).admitted;
        assert_eq!([admitted(0), admitted(1), admitted(2), admitted(3), admitted(59)], [true, true, true, false, false]);
        assert_eq!([admitted(60), admitted(61), admitted(62)], [true, true, false], "the day's five are used");
        assert_eq!(limiter.standing(org(), LIMITS, at(62)).retry_after_s(), 86_400 - 62);
        assert!(admitted(86_400), "a new day");
    }

    #[test]
    fn a_restart_forgets_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("limits.db");
        let first = LocalLimiter::open(&file).unwrap();
        for _ in 0..3 {
            assert!(first.admit(org(), LIMITS, at(10)).admitted);
        }
        first.flush();
        drop(first);
        let standing = LocalLimiter::open(&file).unwrap().standing(org(), LIMITS, at(11));
        assert_eq!((standing.minute_used, standing.day_used), (3, 3));
    }

    #[test]
    fn headers_tell_of_the_window_nearest_to_rejecting() {
        let folder = tempfile::tempdir().unwrap();
        let limiter = LocalLimiter::open(&folder.path().join("limits.db")).unwrap();
        let headers = limiter.admit(org(), LIMITS, at(0)).headers();
        assert_eq!((headers[0].1.as_str(), headers[1].1.as_str(), headers[2].1.as_str()), ("3", "2", "60"));
        assert_eq!(headers[4].1, "\"minute\";r=2;t=60, \"day\";r=4;t=86400");
        for second in [1, 2, 60] {
            let _ = limiter.admit(org(), LIMITS, at(second));
        }
        assert_eq!(limiter.admit(org(), LIMITS, at(61)).headers()[0].1, "5", "the day has none left");
    }
}
