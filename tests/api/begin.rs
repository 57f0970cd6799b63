//! How soon the binary answers on a data folder that is there already, and what it holds when it has nothing to do.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{start, things};

const START_WITHIN: Duration = Duration::from_millis(300);
const IDLE_MIB: u64 = 150;
/// Once it has answered, the transformer is in memory too, and the pages of a development binary that it took to get there.
const ANSWERED_MIB: u64 = 200;
/// The quickest counts: others use this machine too.
const TRIES: usize = 5;

#[test]
fn it_starts_at_once_and_is_small_when_idle() {
    if !twig_tests::stores::on_files() {
        return;
    }
    let (_folder, mut server, api) = start();
    let owned = things(&server, &api);
    let again = |server: &mut twig_tests::Server| {
        assert_eq!(server.stop(), 0);
        let begun = Instant::now();
        server.restart();
        assert_eq!(api.request(server, "GET", "/api/agents", None).status(), 200);
        begun.elapsed()
    };
    let quickest = (0..TRIES).map(|_| again(&mut server)).min().unwrap();
    assert!(quickest < START_WITHIN, "the first answer came after {quickest:?}");

    let held = held_mib(server.process_id());
    assert!(held < IDLE_MIB, "{held} MiB are held with nothing to do");
    let question = json!({"prompt": "Within how many days are refunds granted?", "agentId": owned["agent"]});
    assert_eq!(api.ok(&server, "POST", "/api/chat", Some(&question), 200)["answered"], true);
    let held = held_mib(server.process_id());
    assert!(held < ANSWERED_MIB, "{held} MiB are held after an answer");
}

fn held_mib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let held = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    held.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}
