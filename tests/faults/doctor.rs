//! `twig doctor` on a data folder in each state that an operator may find it in; and what a start makes of a damaged one.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use twig_tests::{Server, eventually, log, twig};

use crate::start;

/// What doctor says of each store, and its exit status.
fn doctor(folder: &Path) -> (BTreeMap<String, (bool, String)>, i32) {
    let out = twig(folder, &["doctor", "--json"]);
    let said: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("{out:?}"));
    let checks = said["checks"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let checks: BTreeMap<_, _> = checks.map(|check| (text(&check["check"]), (check["ok"] == true, text(&check["message"])))).collect();
    assert_eq!(said["healthy"], checks.values().all(|(ok, _)| *ok), "{said}");
    (checks, out.status.code().unwrap())
}

/// A used data folder with no server on it, and an agent that must outlive what is done to it.
fn used() -> (tempfile::TempDir, Server, twig_tests::Api, String) {
    let (folder, mut server, api) = start(&[]);
    let agent = api.ok(&server, "POST", "/api/agents", Some(&json!({"name": "kept"})), 201)["id"].as_str().unwrap().to_owned();
    assert_eq!(server.stop(), 0);
    (folder, server, api, agent)
}

/// What is still in the write-ahead log, where a server stopped, would heal the pages.
fn settle(store: &Path) {
    log::damage(store, "PRAGMA wal_checkpoint(TRUNCATE)");
}

/// Every page but the first is overwritten.
fn corrupt(store: &Path) {
    let mut bytes = fs::read(store).unwrap();
    assert!(bytes.len() > 8192, "{} has pages to damage", store.display());
    bytes[4096..].iter_mut().enumerate().for_each(|(n, byte)| *byte = u8::try_from(n * 31 % 251).unwrap());
    fs::write(store, bytes).unwrap();
}

fn overwrite(store: &Path) {
    fs::write(store, "no database at all, whatever it is called; and long enough to be looked at").unwrap();
}

#[test]
fn a_healthy_folder_is_healthy_with_and_without_a_server() {
    let (_folder, mut server, _, _) = used();
    for running in [false, true] {
        if running {
            server.restart();
        }
        let (checks, status) = doctor(&server.folder);
        assert_eq!((status, checks.values().all(|(ok, _)| *ok)), (0, true), "{checks:?}");
        assert!(["data folder", "events.db", "content.db", "views.db"].iter().all(|name| checks.contains_key(*name)), "{checks:?}");
    }
}

#[test]
fn corrupt_views_are_named_and_made_again_without_being_asked() {
    let (_folder, mut server, api, agent) = used();
    let before = log::events(&server.folder);
    for damage in [corrupt as fn(&Path), overwrite] {
        settle(&server.folder.join("views.db"));
        damage(&server.folder.join("views.db"));
        let (checks, status) = doctor(&server.folder);
        assert_eq!((status, checks["views.db"].0, checks["events.db"].0), (1, false, true), "{checks:?}");
        assert!(checks["views.db"].1.contains("corrupt") && checks["views.db"].1.contains("made again"), "{checks:?}");
        server.restart();
        assert_eq!(api.ok(&server, "GET", &format!("/api/agents/{agent}"), None, 200)["name"], "kept");
        assert_eq!(doctor(&server.folder).1, 0);
        assert_eq!(server.stop(), 0);
    }
    assert_eq!(log::events(&server.folder), before);
}

#[test]
fn a_corrupt_log_is_named_and_never_touched() {
    let (folder, mut server, api, agent) = used();
    server.restart();
    let backup = folder.path().join("backup.db");
    server.cli(&["backup", backup.to_str().unwrap()]);
    assert_eq!(server.stop(), 0);
    let events = server.folder.join("events.db");
    settle(&events);
    for damage in [corrupt as fn(&Path), overwrite] {
        damage(&events);
        let before = fs::read(&events).unwrap();
        let (checks, status) = doctor(&server.folder);
        assert_eq!((status, checks["events.db"].0), (1, false), "{checks:?}");
        assert!(checks["events.db"].1.contains("corrupt") && checks["events.db"].1.contains("twig restore"), "{checks:?}");
        // A start refuses it rather than beginning a new one.
        let started = twig(&server.folder, &["serve", "--listen", "127.0.0.1:0"]);
        assert_eq!(started.status.code(), Some(1), "{started:?}");
        assert!(String::from_utf8_lossy(&started.stderr).contains("event log"), "{started:?}");
        assert!(fs::read(&events).unwrap() == before, "the log is as it was");
    }
    // What doctor advises helps.
    server.cli(&["restore", backup.to_str().unwrap(), "--force"]);
    assert_eq!(doctor(&server.folder).1, 0);
    server.restart();
    assert_eq!(api.ok(&server, "GET", &format!("/api/agents/{agent}"), None, 200)["name"], "kept");
}

#[test]
fn damage_inside_a_record_is_named() {
    let (_folder, server, api, _) = used();
    let mut server = server;
    server.restart();
    let spec = api.ok(&server, "POST", "/api/data-specs", Some(&json!({"name": "s", "type": "file"})), 201)["id"].as_str().unwrap().to_owned();
    assert_eq!(api.upload(&server, &spec, &[("a.txt", b"Some words.".repeat(100).to_vec())]).status(), 201);
    assert_eq!(server.stop(), 0);
    let [events, contents] = ["events.db", "content.db"].map(|name| server.folder.join(name));
    log::damage(&contents, "UPDATE blobs SET zstd = CAST(substr(zstd, 1, length(zstd) - 1) || x'00' AS BLOB)");
    let (checks, status) = doctor(&server.folder);
    assert_eq!((status, checks["content.db"].0, checks["events.db"].0), (1, false, true), "{checks:?}");
    assert!(checks["content.db"].1.contains("is damaged") && checks["content.db"].1.contains("twig restore"), "{checks:?}");
    for (damage, named) in [
        ("UPDATE events SET payload = substr(payload, 1, length(payload) - 1) WHERE position = 2", "position 2 is damaged"),
        ("DELETE FROM events WHERE position = 2", "position 2 is missing"),
    ] {
        log::damage(&events, "DROP TRIGGER IF EXISTS events_are_never_updated; DROP TRIGGER IF EXISTS events_are_never_deleted;");
        log::damage(&events, damage);
        let (checks, status) = doctor(&server.folder);
        assert_eq!((status, checks["events.db"].0), (1, false), "{checks:?}");
        assert!(checks["events.db"].1.contains(named), "{checks:?}");
    }
}

/// A small file system of its own, which only root can mount.
struct Mount(PathBuf);

impl Mount {
    fn new(folder: &Path) -> Option<Self> {
        let point = folder.join("mount");
        fs::create_dir(&point).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(&point).output().is_ok_and(|out| out.status.success());
        mounted.then_some(Self(point))
    }

    fn read_only(&self) {
        assert!(Command::new("mount").args(["-o", "remount,ro"]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_read_only_folder_is_named_as_that_and_nothing_worse() {
    let (folder, server, _, _) = used();
    let mount = Mount::new(folder.path());
    let data = if let Some(mount) = &mount {
        copy(&server.folder, &mount.0.join("data"));
        mount.read_only();
        mount.0.join("data")
    } else {
        if nix::unistd::geteuid().is_root() {
            eprintln!("skipped: root may write everywhere, and nothing can be mounted here");
            return;
        }
        set_mode(&server.folder, 0o500);
        server.folder.clone()
    };
    let (checks, status) = doctor(&data);
    assert_eq!((status, checks["data folder"].0), (1, false), "{checks:?}");
    assert!(checks["data folder"].1.contains("read-only") && checks["data folder"].1.contains("right to write"), "{checks:?}");
    for store in ["events.db", "content.db", "views.db"] {
        assert!(checks[store].0 && !checks[store].1.contains("restore"), "the stores themselves are sound: {checks:?}");
    }
    let started = twig(&data, &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(started.status.code(), Some(1), "{started:?}");
    assert!(String::from_utf8_lossy(&started.stderr).contains("twig: "), "{started:?}");
    if mount.is_none() {
        set_mode(&data, 0o700);
    }
}

fn set_mode(folder: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_full_disk_is_named_and_nothing_is_lost_on_it() {
    let (folder, mut server, api, agent) = used();
    let Some(mount) = Mount::new(folder.path()) else {
        eprintln!("skipped: only root can mount the small file system that this fills");
        return;
    };
    let data = mount.0.join("data");
    copy(&server.folder, &data);
    let before = log::events(&data);
    let filler = mount.0.join("filler");
    let full = fs::write(&filler, vec![1; 16 << 20]);
    assert!(full.is_err());
    let (checks, status) = doctor(&data);
    assert_eq!((status, checks["data folder"].0), (1, false), "{checks:?}");
    assert!(checks["data folder"].1.contains("disk is full") && checks["data folder"].1.contains("make room"), "{checks:?}");
    assert!(checks["events.db"].0, "the log itself is sound: {checks:?}");
    assert_eq!(twig(&data, &["serve", "--listen", "127.0.0.1:0"]).status.code(), Some(1));
    fs::remove_file(filler).unwrap();
    assert_eq!(doctor(&data).1, 0);
    assert_eq!(log::events(&data), before);
    server.folder = data;
    server.restart();
    assert_eq!(api.ok(&server, "GET", &format!("/api/agents/{agent}"), None, 200)["name"], "kept");
    server.kill();
}

#[test]
fn a_disk_that_fills_up_refuses_writes_and_takes_them_again_when_there_is_room() {
    let (folder, mut server, api, agent) = used();
    let Some(mount) = Mount::new(folder.path()) else {
        eprintln!("skipped: only root can mount the small file system that this fills");
        return;
    };
    let data = mount.0.join("data");
    copy(&server.folder, &data);
    server.folder = data;
    server.restart();
    let create = || api.request(&server, "POST", "/api/agents", Some(&json!({"name": "more", "description": "x".repeat(900)}))).status().as_u16();
    assert_eq!(create(), 201);
    let filler = mount.0.join("filler");
    assert!(fs::write(&filler, vec![1; 16 << 20]).is_err());
    let mut made = 1;
    let refused = loop {
        match create() {
            201 => made += 1,
            refused => break refused,
        }
        assert!(made < 1000, "the disk is full");
    };
    assert_eq!(refused, 503);
    assert_eq!(doctor(&server.folder).1, 1);
    fs::remove_file(filler).unwrap();
    eventually(|| (create() == 201).then_some(()));
    made += 1;
    // Reads see all that was acknowledged; what was refused may not be there.
    let page: Value = api.request(&server, "GET", "/api/agents?limit=1", None).json().unwrap();
    assert_eq!(page["pagination"]["total"], made + 1);
    server.restart();
    assert_eq!(api.ok(&server, "GET", &format!("/api/agents/{agent}"), None, 200)["name"], "kept");
    assert_eq!(server.cli(&["projections", "rebuild", "agents"])["differingRows"], 0);
    assert_eq!(doctor(&server.folder).1, 0);
    server.kill();
}
