//! What it was measured on.

use std::{fs, process::Command};

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub memory_gib: u64,
    pub kernel: String,
    pub file_system: String,
}

impl Machine {
    #[must_use]
    pub fn here() -> Self {
        let value = |file: &str, name: &str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            text.lines().find_map(|line| Some(line.strip_prefix(name)?.trim_start_matches([' ', '\t', ':']).to_owned())).unwrap_or_default()
        };
        let memory_kib: u64 = value("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0);
        Self {
            processor: value("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: memory_kib.div_ceil(1 << 20),
            kernel: told("uname", &["-sr"]),
            file_system: told("stat", &["-f", "-c", "%T", "."]),
        }
    }
}

/// The resident memory of a process.
#[must_use]
pub fn resident_kib(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok())
}

/// How this was built.
#[must_use]
pub fn build() -> String {
    let built = if cfg!(debug_assertions) {
        "the development profile: dependencies hardly optimised"
    } else {
        "the profile `bench`: a release without linking across crates"
    };
    built.to_owned()
}

/// What a program prints, on one line; empty where it is not there.
#[must_use]
pub fn told(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().replace('\n', " ")).unwrap_or_default()
}
