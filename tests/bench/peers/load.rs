//! The load of the append rows: so many clients, each with one command at a time, until a pass is over.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::SmallRng};
use tokio::task::JoinSet;
use twig_bench::{rounds::Measured, statistics::median};

/// Streams that many commands share.
const HOT_STREAMS: usize = 100;

/// Which stream a client's next command is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// Nine of ten on a stream of their own, one of ten on a hot stream by Zipf's law (s = 1).
    Mixed,
    /// All on one.
    One,
}

/// What is measured of the load.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    Rate,
    P50,
}

#[derive(Clone, Copy)]
pub struct Load {
    pub clients: usize,
    pub streams: Streams,
    pub figure: Figure,
    pub pass: Duration,
}

/// The names of a pass's streams: all begin with the same words, which no other pass has, so that no stream grows from pass to pass.
pub struct Names {
    streams: Streams,
    prefix: String,
    client: usize,
    random: SmallRng,
    next: u64,
}

impl Names {
    pub fn of(streams: Streams, prefix: &str, client: usize) -> Self {
        Self { streams, prefix: prefix.to_owned(), client, random: SmallRng::seed_from_u64(client as u64), next: 0 }
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    pub fn next(&mut self) -> String {
        self.next += 1;
        let Self { prefix, client, next, .. } = self;
        match self.streams {
            Streams::One => format!("{prefix}hot"),
            Streams::Mixed if self.random.random_range(0..10) == 0 => format!("{prefix}hot.{}", zipf(&mut self.random)),
            Streams::Mixed => format!("{prefix}own.{client}.{next}"),
        }
    }
}

pub fn pass_prefix() -> String {
    static PASS: AtomicU64 = AtomicU64::new(0);
    format!("{}.{}.", std::process::id(), PASS.fetch_add(1, Ordering::Relaxed))
}

/// A rank by Zipf's law, by inversion of the harmonic sums.
fn zipf(random: &mut SmallRng) -> usize {
    static SUMS: std::sync::OnceLock<Vec<f64>> = std::sync::OnceLock::new();
    let sums = SUMS.get_or_init(|| {
        (1..=HOT_STREAMS)
            .scan(0.0, |sum, rank| {
                *sum += 1.0 / rank as f64;
                Some(*sum)
            })
            .collect()
    });
    let wanted = random.random_range(0.0..sums[HOT_STREAMS - 1]);
    sums.partition_point(|sum| *sum < wanted)
}

/// Commands acknowledged, and how long each took.
pub struct Done {
    pub prefix: String,
    pub acknowledged: u64,
    pub seconds: f64,
    pub each: Vec<f64>,
}

impl Done {
    pub fn measured(&self, figure: Figure) -> Measured {
        match figure {
            Figure::Rate => Measured::Rate { operations: self.acknowledged, seconds: self.seconds },
            Figure::P50 => Measured::Seconds(median(&self.each)),
        }
    }
}

/// Runs a command over and over; it gets the stream's name.
pub async fn run<F>(load: Load, command: impl Fn(String) -> F + Clone + Send + 'static) -> Done
where
    F: Future<Output = ()> + Send + 'static,
{
    let (prefix, started) = (pass_prefix(), Instant::now());
    let mut running = JoinSet::new();
    for client in 0..load.clients {
        let command = command.clone();
        let mut names = Names::of(load.streams, &prefix, client);
        running.spawn(async move {
            let mut each = Vec::new();
            while started.elapsed() < load.pass {
                let begun = Instant::now();
                command(names.next()).await;
                each.push(begun.elapsed().as_secs_f64());
            }
            each
        });
    }
    let each: Vec<f64> = running.join_all().await.into_iter().flatten().collect();
    Done { prefix, acknowledged: each.len() as u64, seconds: started.elapsed().as_secs_f64(), each }
}
