//! How far a long command is: a bar on a terminal, elsewhere a line for each twentieth.

use std::{
    cell::Cell,
    io::{IsTerminal, stderr},
    time::Instant,
};

use indicatif::{ProgressBar, ProgressStyle};

const LINES: u64 = 20;
/// What is done sooner needs no line.
const MIN_EVENTS: u64 = 50_000;

pub struct Progress {
    name: String,
    bar: Option<ProgressBar>,
    begun: Instant,
    lines: Cell<u64>,
}

impl Progress {
    pub fn of(name: &str) -> Self {
        let style = ProgressStyle::with_template("{msg} {wide_bar} {human_pos} of {human_len} events, {per_sec}, {eta} left");
        let bar = stderr().is_terminal().then(|| ProgressBar::new(0).with_message(name.to_owned()));
        let bar = bar.map(|bar| if let Ok(style) = style { bar.with_style(style) } else { bar });
        Self { name: name.to_owned(), bar, begun: Instant::now(), lines: Cell::new(0) }
    }

    pub fn tell(&self, at: u64, head: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(head);
            bar.set_position(at);
            return;
        }
        let line = at * LINES / head.max(1);
        if head >= MIN_EVENTS && line > self.lines.replace(line) {
            let seconds = self.begun.elapsed().as_secs_f64();
            eprintln!("{}: {at} of {head} events ({} %), {seconds:.0} s", self.name, at * 100 / head);
        }
    }

    pub fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
