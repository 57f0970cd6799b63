//! A writer that is killed at a random moment: what it acknowledged is in the log, whole, and the log goes on.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use serde_json::json;
use twig_commands::log::Appended;

use crate::{
    contract::{all, append},
    store::open_file,
};

const FOLDER: &str = "TWIG_TEST_KILLED_WRITER";
const KILLS: usize = 5;
const WRITERS: usize = 12;

/// The process that is killed: this same binary, begun again by the test below. It prints each position it was given.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let log = open_file(&std::path::Path::new(&folder).join("events.db"));
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (log, stream) = (log.clone(), format!("s{writer}"));
        writers.spawn(async move {
            let mut version = log.read_stream("Agent", &stream, 0).await.unwrap().len() as u64;
            while let Appended::At(position) = log.append(append(&stream, version, [json!(stream), json!(stream)])).await.unwrap() {
                version += 2;
                println!("at {position} {stream}");
            }
        });
    }
    writers.join_all().await;
}

#[tokio::test]
async fn what_a_killed_writer_acknowledged_is_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "killed::child", "--nocapture"]).env(FOLDER, folder.path()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = child.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut count = 0;
        for line in lines {
            let mut words = line.rsplit("at ").next().unwrap_or_default().split(' ');
            let (Some(Ok(position)), Some(stream)) = (words.next().map(str::parse::<u64>), words.next()) else { continue };
            acknowledged.push((position, stream.to_owned()));
            count += 1;
            if count == 20 + 37 * kill {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
    }
    let events = all(&open_file(&folder.path().join("events.db"))).await;
    assert!(acknowledged.len() >= 20 * KILLS);
    assert!(events.iter().enumerate().all(|(place, event)| event.position == place as u64 + 1));
    for (position, stream) in acknowledged {
        let pair = &events[position as usize - 2..position as usize];
        assert!(pair.iter().all(|event| event.aggregate_id == stream && event.payload == json!(stream)), "{position} {stream}");
    }
}
