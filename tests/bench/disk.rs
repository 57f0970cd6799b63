//! How long the disk takes to make 4 KiB durable, now.

use std::{fs::File, os::unix::fs::FileExt, path::Path, time::Instant};

use crate::statistics::median;

const SYNCS: usize = 15;
const BLOCK_BYTES: usize = 4096;

/// The median time of a write of 4 KiB with `fdatasync`, in seconds.
///
/// # Panics
/// Where the folder cannot be written.
#[must_use]
pub fn sync_seconds(folder: &Path) -> f64 {
    let file = File::create(folder.join("probe")).expect("the folder of the measurement is writable");
    let times: Vec<f64> = (0..SYNCS)
        .map(|turn| {
            let started = Instant::now();
            file.write_all_at(&[turn as u8; BLOCK_BYTES], (turn * BLOCK_BYTES) as u64).expect("the disk has room");
            file.sync_data().expect("the disk syncs");
            started.elapsed().as_secs_f64()
        })
        .collect();
    median(&times)
}
