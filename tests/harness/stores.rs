//! Which stores the binary stands on: files in its data folder or, where `TWIG_TEST_STORES` is `postgres`, a database of its own for each data folder. The same
//! tests run on both.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Base64 of 32 bytes, the same for all nodes on a database.
const MASTER_KEY: &str = "dHdpZyB0ZXN0cyB0d2lnIHRlc3RzIHR3aWcgdGVzdHM=";

#[must_use]
pub fn on_postgres() -> bool {
    std::env::var("TWIG_TEST_STORES").is_ok_and(|stores| stores == "postgres")
}

/// Whether a test of the files themselves has any here.
#[must_use]
pub fn on_files() -> bool {
    !on_postgres()
}

/// The database that stands for a data folder.
#[must_use]
pub fn database(folder: &Path) -> String {
    static DATABASES: Mutex<Option<HashMap<PathBuf, String>>> = Mutex::new(None);
    let mut known = DATABASES.lock().unwrap_or_else(PoisonError::into_inner);
    let fresh = || twig_test_servers::postgres_url().expect("tests/run asks for these stores only where PostgreSQL is to be had");
    known.get_or_insert_default().entry(folder.to_owned()).or_insert_with(fresh).clone()
}

/// What the binary needs in its environment.
#[must_use]
pub fn variables(folder: &Path) -> Vec<(&'static str, String)> {
    if on_files() {
        return Vec::new();
    }
    let url = database(folder);
    vec![("TWIG_EVENTS_URL", url.clone()), ("TWIG_VIEWS_URL", url), ("TWIG_MASTER_KEY", MASTER_KEY.to_owned())]
}
