//! What looks after the data folder: doctor, backup and restore.

use std::{
    fs,
    io::Write,
    net::{TcpStream, ToSocketAddrs},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use twig_commands::database::{Database, DatabaseUrl, PostgresPool, StoreError};

use super::{records, say};
use crate::{
    node::writable,
    settings::{EventsUrl, Settings},
};

const REACH_TIMEOUT: Duration = Duration::from_secs(3);

/// Checks every store without changing any, and says what to do.
pub fn doctor(settings: &Settings, as_json: bool) -> Result<(), String> {
    let mut findings = vec![folder(&settings.data_dir)];
    match (settings.events()?, settings.views()?) {
        (EventsUrl::Database(DatabaseUrl::Sqlite(events)), DatabaseUrl::Sqlite(views)) => {
            let restore = "restore it from a backup: `twig restore FILE --force`";
            findings.push(("events.db", check(&events, restore)));
            findings.push(("content.db", check(&settings.file("content.db"), restore)));
            findings.push(("views.db", check(&views, "start the server: views are made again from the event log")));
        }
        (events, views) => {
            for (store, url) in [("events_url", events), ("views_url", EventsUrl::Database(views))] {
                match url {
                    EventsUrl::Database(DatabaseUrl::Postgres(url)) => findings.push((store, postgres(&url))),
                    EventsUrl::EventStore(url) => findings.push((store, reach(&event_store_hosts(&url)))),
                    EventsUrl::Database(DatabaseUrl::Sqlite(file)) => {
                        findings.push(("views.db", check(&file, "start the server: views are made again from the event log")));
                    }
                }
            }
            if let DatabaseUrl::Sqlite(keys) = settings.beside_log()? {
                let restore = "restore it from a backup";
                findings.push(("keys.db", check(&keys, restore)));
                findings.push(("content.db", check(&settings.file("content.db"), restore)));
            }
        }
    }
    if let Some(brokers) = &settings.kafka_brokers {
        findings.push(("kafka_brokers", reach(brokers)));
    }
    if let Some(url) = &settings.clickhouse_url {
        let host = url::Url::parse(url).ok().and_then(|url| Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?)));
        findings.push(("clickhouse_url", host.map_or_else(|| Err("is no URL: http://USER:PASSWORD@HOST:PORT/DATABASE".into()), |host| reach(&host))));
    }
    let healthy = findings.iter().all(|(_, result)| result.is_ok());
    let rows: Vec<_> = findings
        .iter()
        .map(|(store, result)| json!({"check": store, "ok": result.is_ok(), "message": result.as_ref().map_or_else(Clone::clone, Clone::clone)}))
        .collect();
    let text: Vec<String> = findings
        .iter()
        .map(|(store, result)| match result {
            Ok(fine) => format!("ok    {store}: {fine}"),
            Err(problem) => format!("FAIL  {store}: {problem}"),
        })
        .collect();
    say(as_json, &json!({"healthy": healthy, "checks": rows}), &text.join("\n"));
    if healthy { Ok(()) } else { Err("the data folder is not healthy".into()) }
}

fn folder(folder: &Path) -> (&'static str, Result<String, String>) {
    let absent = || Ok("is not there yet; the first start makes it".to_owned());
    ("data folder", if folder.exists() { writable(folder).map(|()| "can be written".to_owned()) } else { absent() })
}

/// Whether a database answers, may be written, and syncs what it commits.
fn postgres(url: &str) -> Result<String, String> {
    let unreachable = |error: StoreError| format!("{error}; is it running, and are host, port, name and password right?");
    let database = Database::Postgres(PostgresPool::connect(url, None).map_err(unreachable)?);
    let asked =
        "SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('transaction_read_only'), current_setting('server_version')";
    let row = database.read_now(|session| session.query_one(asked, &[])).map_err(unreachable)?;
    let setting = |place| row.get::<String>(place).map_err(|error| error.to_string());
    if setting(2)? == "on" {
        return Err("is read-only: name the primary server, not a replica".into());
    }
    if setting(0)? != "on" || setting(1)? == "off" {
        return Err("does not sync what it commits: set fsync and synchronous_commit to on".into());
    }
    Ok(format!("PostgreSQL {} answers and syncs", setting(3)?))
}

/// Whether one of some `HOST:PORT` takes connections.
fn reach(hosts: &str) -> Result<String, String> {
    let open = |host: &str| {
        let found = host.trim().to_socket_addrs().ok().into_iter().flatten().any(|address| TcpStream::connect_timeout(&address, REACH_TIMEOUT).is_ok());
        found.then(|| host.trim().to_owned())
    };
    let answering: Vec<String> = hosts.split(',').filter_map(open).collect();
    if answering.is_empty() {
        Err(format!("nothing takes connections at {hosts}: start it, or name where it runs"))
    } else {
        Ok(format!("{} takes connections", answering.join(", ")))
    }
}

/// The `HOST:PORT` of an EventStoreDB's address, with commas between.
fn event_store_hosts(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let hosts = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let hosts = hosts.rsplit_once('@').map_or(hosts, |(_, hosts)| hosts);
    hosts.split(',').map(|host| if host.contains(':') { host.to_owned() } else { format!("{host}:2113") }).collect::<Vec<_>>().join(",")
}

fn check(file: &Path, if_corrupt: &str) -> Result<String, String> {
    if !file.exists() {
        return Ok("is not there yet; the first start makes it".into());
    }
    match quick_check(file) {
        Ok(text) if text == "ok" => Ok("is sound".into()),
        Ok(text) => Err(format!("is corrupt ({}): {if_corrupt}", text.lines().next().unwrap_or_default())),
        Err(error) => Err(match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => format!("is corrupt: {if_corrupt}"),
            Some(rusqlite::ErrorCode::ReadOnly | rusqlite::ErrorCode::CannotOpen | rusqlite::ErrorCode::PermissionDenied) => {
                "can't be opened: give this user the right to read and write it".into()
            }
            Some(rusqlite::ErrorCode::DiskFull) => "can't be checked, for the disk is full: make room".into(),
            _ => "can't be checked: the disk or its file system fails; look at the system's log".into(),
        }),
    }
}

/// Reads only: opened for writing, a damaged log would have its write-ahead log copied over it on the way out. A folder that can't be written has no
/// place for what SQLite shares between processes; what lies in it then changes for nobody, and is read as it is.
fn quick_check(file: &Path) -> Result<String, rusqlite::Error> {
    let check = |name: &str| -> Result<String, rusqlite::Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let store = Connection::open_with_flags(name, flags)?;
        let pages: String = store.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if pages == "ok" { Ok(records::damage(&store)?.unwrap_or(pages)) } else { Ok(pages) }
    };
    let path = file.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let unshared = |code| matches!(code, rusqlite::ErrorCode::ReadOnly | rusqlite::ErrorCode::CannotOpen);
    match check(&format!("file:{path}")) {
        Err(error) if error.sqlite_error_code().is_some_and(unshared) => check(&format!("file:{path}?immutable=1")),
        checked => checked,
    }
}

fn in_a_folder(settings: &Settings) -> Result<(), String> {
    match settings.events()? {
        EventsUrl::Database(DatabaseUrl::Sqlite(_)) => Ok(()),
        EventsUrl::EventStore(_) => {
            Err("the events are in EventStoreDB: back them up by its own means, after them the database of views_url or keys.db, content.db \
                                        and webhooks.db in the data folder, and keep TWIG_MASTER_KEY or master.key"
                .into())
        }
        EventsUrl::Database(DatabaseUrl::Postgres(_)) => {
            Err("the data is in PostgreSQL: use pg_dump and pg_restore on the database of events_url, and keep TWIG_MASTER_KEY".into())
        }
    }
}

/// One SQLite file with everything that can't be made again: the log, the contents and, where it came from the data folder, the master key.
pub fn backup(settings: &Settings, file: &Path, as_json: bool) -> Result<(), String> {
    in_a_folder(settings)?;
    if file.exists() {
        return Err(format!("{} is there already", file.display()));
    }
    let events = settings.file("events.db");
    if !events.exists() {
        return Err(format!("{} holds no event log", settings.data_dir.display()));
    }
    let failed = |error: &dyn std::fmt::Display| format!("the backup failed: {error}");
    // The log first, the contents after it: every content that the copied log names is then in the copy.
    let half = file.with_extension("half");
    let _ = fs::remove_file(&half);
    let source = Connection::open_with_flags(&events, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|error| failed(&error))?;
    source.execute("VACUUM INTO ?1", [half.to_string_lossy()]).map_err(|error| failed(&error))?;
    let out = Connection::open(&half).map_err(|error| failed(&error))?;
    out.execute("ATTACH ?1 AS content", [settings.file("content.db").to_string_lossy()]).map_err(|error| failed(&error))?;
    for table in ["blobs", "extractions", "embeddings"] {
        out.execute_batch(&format!("CREATE TABLE backup_{table} AS SELECT * FROM content.{table}")).map_err(|error| failed(&error))?;
    }
    let key = if settings.master_key.is_none() { fs::read_to_string(settings.file("master.key")).ok() } else { None };
    out.execute_batch("CREATE TABLE backup_key (key TEXT)").map_err(|error| failed(&error))?;
    if let Some(key) = &key {
        out.execute("INSERT INTO backup_key VALUES (?1)", [key]).map_err(|error| failed(&error))?;
    }
    out.execute_batch("DETACH content").map_err(|error| failed(&error))?;
    drop(out);
    fs::rename(&half, file).map_err(|error| failed(&error))?;
    let note = if key.is_some() { "it holds the master key: keep it as safe as the data" } else { "the master key is not in it: keep TWIG_MASTER_KEY" };
    say(as_json, &json!({"file": file, "masterKey": key.is_some()}), &format!("backed up to {}; {note}", file.display()));
    Ok(())
}

pub fn restore(settings: &Settings, file: &Path, force: bool, as_json: bool) -> Result<(), String> {
    in_a_folder(settings)?;
    let failed = |error: &dyn std::fmt::Display| format!("the restore failed: {error}");
    let source = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|_| format!("{} is no backup", file.display()))?;
    source.query_row("SELECT count(*) FROM backup_blobs", [], |row| row.get::<_, i64>(0)).map_err(|_| format!("{} is no backup", file.display()))?;
    drop(source);
    if settings.file("events.db").exists() && !force {
        return Err(format!("{} holds data already; --force replaces it", settings.data_dir.display()));
    }
    fs::create_dir_all(&settings.data_dir).map_err(|error| failed(&error))?;
    let _lock = crate::node::hold(&settings.data_dir)?;
    for store in ["events.db", "content.db", "views.db", "limits.db"] {
        for end in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(settings.file(&format!("{store}{end}")));
        }
    }
    let content = Connection::open(settings.file("content.db")).map_err(|error| failed(&error))?;
    content.execute_batch(include_str!("../../schemas/sql/sqlite/content.sql")).map_err(|error| failed(&error))?;
    content.execute("ATTACH ?1 AS backup", [file.to_string_lossy()]).map_err(|error| failed(&error))?;
    for table in ["blobs", "extractions", "embeddings"] {
        content.execute_batch(&format!("INSERT INTO {table} SELECT * FROM backup.backup_{table}")).map_err(|error| failed(&error))?;
    }
    let key: Option<String> = content.query_row("SELECT max(key) FROM backup.backup_key", [], |row| row.get(0)).map_err(|error| failed(&error))?;
    drop(content);
    fs::copy(file, settings.file("events.db")).map_err(|error| failed(&error))?;
    let events = Connection::open(settings.file("events.db")).map_err(|error| failed(&error))?;
    events
        .execute_batch("DROP TABLE backup_blobs; DROP TABLE backup_extractions; DROP TABLE backup_embeddings; DROP TABLE backup_key; VACUUM")
        .map_err(|error| failed(&error))?;
    if let Some(key) = key {
        use std::os::unix::fs::OpenOptionsExt;
        let mut out =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(settings.file("master.key")).map_err(|error| failed(&error))?;
        out.write_all(key.as_bytes()).map_err(|error| failed(&error))?;
    }
    say(as_json, &json!({"restored": true}), "restored; views are made again at the next start");
    Ok(())
}
