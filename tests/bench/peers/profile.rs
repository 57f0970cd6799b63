//! Where the time goes: one contender over and over, while `perf` looks at the whole machine. `peers --profile ROW CONTENDER`.

use std::process::Command;

use crate::{Bench, rows::ROWS};

const SECONDS: &str = "8";
const SAMPLES_A_SECOND: &str = "499";
const SHOWN: usize = 40;

pub fn profile(bench: &Bench, row: &str, contender: &str) {
    let (_, make) = ROWS.iter().find(|(name, _)| *name == row).unwrap();
    let mut row = make(bench).unwrap();
    let contender = row.contenders.iter_mut().find(|known| known.name == contender).unwrap();
    (contender.pass)();
    let samples = bench.folder.join("perf.data");
    let mut perf =
        Command::new("perf").args(["record", "-q", "-a", "-g", "-F", SAMPLES_A_SECOND, "-o"]).arg(&samples).args(["--", "sleep", SECONDS]).spawn().unwrap();
    while perf.try_wait().unwrap().is_none() {
        (contender.pass)();
    }
    for keys in ["comm", "comm,dso,symbol"] {
        let mut report = Command::new("perf");
        report.args(["report", "--no-children", "--stdio", "-q", "-g", "none", "--percent-limit", "0.5", "--sort", keys, "-i"]).arg(&samples);
        let text = String::from_utf8_lossy(&report.output().unwrap().stdout).into_owned();
        text.lines().filter(|line| !line.trim().is_empty() && !line.contains("swapper")).take(SHOWN).for_each(|line| println!("{}", line.trim_end()));
        println!();
    }
}
