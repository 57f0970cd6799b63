//! What should be flat: append, read, list and dashboard at more and more events, search at more and more chunks, and memory. `peers --growth`.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::task::JoinSet;
use twig_bench::{
    machine::{build, resident_kib},
    statistics::median,
};
use twig_commands::{
    bus::CommandBus,
    clock::Clock,
    log::EventLog,
    vault::{MasterKey, Vault},
};
use twig_domain::{
    EventMeta, Timestamp,
    id::{InteractionId, OrgId},
};
use twig_projections::{DashboardQuery, InteractionFilter, ListAt, ListQuery, Projector, Views};

use crate::{
    Bench,
    http::{Connection, get, post},
    interactions,
    ledger::meta,
    retrieval,
    twig::Twig,
};

const EVENTS: [u64; 4] = [10_000, 100_000, 1_000_000, 10_000_000];
const CHUNKS: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
const TIMES: u64 = 100;
const PAGE: u32 = 50;
const DAY_MS: i64 = 86_400_000;

/// Interactions that are written before the views take them in.
const FILLED_AT_ONCE: u64 = 25_000;
/// A server that was begun has read what it keeps in memory.
const IDLE_AFTER: Duration = Duration::from_secs(10);
const LOADED_FOR: Duration = Duration::from_secs(10);
const LOAD_CONNECTIONS: usize = 16;

/// One size, and what each operation took at the median, in milliseconds.
#[derive(Clone, Serialize, Deserialize)]
struct Size {
    size: u64,
    milliseconds: Vec<(String, f64)>,
}

/// Every size that was measured, as it is kept between runs.
#[derive(Default, Serialize, Deserialize)]
struct Sizes {
    events: Vec<Size>,
    chunks: Vec<Size>,
}

impl Sizes {
    fn file() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("figures/growth.json")
    }

    fn kept() -> Self {
        fs::read(Self::file()).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    /// Puts a size in the place of what was measured of it before, and writes the notes and the plot.
    fn keep(&mut self, sizes: fn(&mut Self) -> &mut Vec<Size>, size: Size) {
        let sizes = sizes(self);
        sizes.retain(|known| known.size != size.size);
        sizes.push(size);
        sizes.sort_by_key(|size| size.size);
        fs::write(Self::file(), serde_json::to_string_pretty(self).unwrap() + "\n").unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut notes = format!("\n## growth\n\n**What grows.** `./tests/bench/run --growth`, embedded, built by {}; medians of {TIMES}.\n\n", build());
        notes += "![Milliseconds by events](benchmarks-growth.svg)\n\n";
        notes += &table("events", &self.events);
        notes += &table("chunks", &self.chunks);
        notes += &fs::read_to_string(folder.join("notes/growth-words.md")).unwrap_or_default();
        fs::write(folder.join("notes/growth.md"), notes).unwrap();
        fs::write(folder.join("../../docs/benchmarks-growth.svg"), plot(&self.events, &self.chunks)).unwrap();
    }
}

/// Up to so many events and chunks, in a folder that a later run may go on with.
pub fn measure(bench: &Bench, folder: &Path, most_events: u64, most_chunks: usize) {
    let mut sizes = Sizes::kept();
    for size in EVENTS.into_iter().filter(|size| *size <= most_events) {
        if let Some(size) = events(bench, folder, size) {
            sizes.keep(|sizes| &mut sizes.events, size);
        }
    }
    for chunks in CHUNKS.into_iter().filter(|chunks| *chunks <= most_chunks) {
        sizes.keep(|sizes| &mut sizes.chunks, search(chunks));
    }
}

/// The product's folder with this organization.
#[derive(Serialize, Deserialize)]
struct Made {
    organization: String,
    key: String,
}

fn made(folder: &Path) -> Made {
    let file = folder.join("bench.json");
    if let Ok(text) = fs::read(&file) {
        return serde_json::from_slice(&text).unwrap();
    }
    let twig = Twig::start(folder, &[], &[]).expect("TWIG_BIN names the binary");
    let made = Made { organization: twig.organization.clone(), key: twig.key.clone() };
    fs::write(file, serde_json::to_vec(&made).unwrap()).unwrap();
    made
}

/// `None` where the folder has more already.
fn events(bench: &Bench, folder: &Path, size: u64) -> Option<Size> {
    let made = made(folder);
    let mut milliseconds = bench.runtime.block_on(grown(folder, &made, size))?;
    let (idle, loaded) = bench.runtime.block_on(memory(folder, &made.key));
    milliseconds.extend([("memory idle, MiB".to_owned(), idle), ("memory under load, MiB".to_owned(), loaded)]);
    println!("  {size} events: {milliseconds:.2?}");
    Some(Size { size, milliseconds })
}

async fn grown(folder: &Path, made: &Made, size: u64) -> Option<Vec<(String, f64)>> {
    let log = EventLog::open(&folder.join("events.db"), Clock::system(0)).unwrap();
    let vault = Vault::open(log.database(), MasterKey::load_or_create(&folder.join("master.key")).unwrap()).unwrap();
    let views = Views::open(&folder.join("views.db"), log.clone()).unwrap();
    let bus = CommandBus::new(log.clone(), tokio::runtime::Handle::current());
    let projector = Projector { log: log.clone(), vault: vault.clone(), views: views.clone() };
    let meta = EventMeta { organization: made.organization.parse().unwrap(), ..meta() };
    let mut filled = log.head().await.unwrap() / 2;
    if filled > size / 2 + size / 10 {
        return None;
    }
    let (from, begun) = (filled, Instant::now());
    while filled < size / 2 {
        let to = (filled + FILLED_AT_ONCE).min(size / 2);
        interactions::fill(&bus, &vault, &meta, filled..to).await;
        projector.catch_up().await.unwrap();
        filled = to;
        println!("  {} events in {:.0} s", 2 * (filled - from), begun.elapsed().as_secs_f64());
    }
    projector.catch_up().await.unwrap();
    let milliseconds = operations(&views, &bus, &vault, &meta, &mut filled).await;
    projector.catch_up().await.unwrap();
    Some(milliseconds.into_iter().map(|(name, milliseconds)| (name.to_owned(), milliseconds)).collect())
}

/// Of the binary on this folder: some time after it began, and the most while it reads, lists, counts and writes.
async fn memory(folder: &Path, key: &str) -> (f64, f64) {
    let server = Twig::again(folder);
    tokio::time::sleep(IDLE_AFTER).await;
    let resident = || resident_kib(server.process()).expect("the server runs") as f64 / 1024.0;
    let idle = resident();
    let (started, mut clients) = (Instant::now(), JoinSet::new());
    for client in 0..LOAD_CONNECTIONS {
        let requests = [
            get(&server.url, "/api/interactions", key),
            get(&server.url, "/api/analytics/charts/dashboard", key),
            post(&server.url, "/api/agents", key, &json!({ "name": "Ada" }).to_string()),
            get(&server.url, "/api/agents", key),
        ];
        let url = server.url.clone();
        clients.spawn(async move {
            let mut connection = Connection::open(&url).await;
            for turn in client.. {
                if started.elapsed() > LOADED_FOR {
                    return;
                }
                let answer = connection.send(&requests[turn % requests.len()]).await;
                assert!((200..300).contains(&answer.status), "{}", String::from_utf8_lossy(answer.body));
            }
        });
    }
    let mut most = idle;
    while started.elapsed() < LOADED_FOR {
        tokio::time::sleep(Duration::from_millis(200)).await;
        most = most.max(resident());
    }
    clients.join_all().await;
    (idle, most)
}

async fn operations(views: &Views, bus: &CommandBus, vault: &Vault, meta: &EventMeta, filled: &mut u64) -> Vec<(&'static str, f64)> {
    let organization = meta.organization;
    let first = list(views, organization, 0).await;
    let known: InteractionId = first[0]["id"].as_str().unwrap().parse().unwrap();
    let mut append = Vec::new();
    for _ in 0..TIMES {
        let begun = Instant::now();
        interactions::fill(bus, vault, meta, *filled..*filled + 1).await;
        *filled += 1;
        append.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let deep = (*filled / 2).min(5000);
    vec![
        ("append", median(&append)),
        ("read", timed(async || drop(views.interaction(organization, known).await.unwrap().unwrap())).await),
        ("first page", timed(async || drop(list(views, organization, 0).await)).await),
        ("page at 5,000", timed(async || drop(list(views, organization, deep).await)).await),
        ("dashboard", timed(async || drop(views.counted(organization, &thirty_days()).await.unwrap())).await),
    ]
}

async fn list(views: &Views, organization: OrgId, offset: u64) -> Vec<serde_json::Value> {
    let query = ListQuery { limit: PAGE, at: ListAt::Offset(offset) };
    let page = views.interactions(organization, InteractionFilter::default(), query).await.unwrap();
    assert_eq!(page.rows.len(), PAGE as usize);
    page.rows
}

fn thirty_days() -> DashboardQuery {
    let (now, at) = (Clock::system(0).now().millis(), Timestamp::from_millis);
    let from = now / DAY_MS * DAY_MS - 29 * DAY_MS;
    let buckets = (0..30).map(|day| (at(from + day * DAY_MS), "x".to_owned())).collect();
    DashboardQuery { from: at(from), to: at(from + 30 * DAY_MS), previous_from: at(from - 30 * DAY_MS), agent: None, buckets }
}

async fn timed(operation: impl AsyncFn()) -> f64 {
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let begun = Instant::now();
        operation().await;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    median(&times)
}

fn search(chunks: usize) -> Size {
    let milliseconds = retrieval::one_tenant(chunks) * 1e3;
    println!("  {chunks} chunks: {milliseconds:.2} ms");
    Size { size: chunks as u64, milliseconds: vec![("search".to_owned(), milliseconds)] }
}

fn table(what: &str, sizes: &[Size]) -> String {
    let Some(first) = sizes.first() else { return String::new() };
    let mut text = format!("| milliseconds at so many {what} |");
    sizes.iter().for_each(|size| _ = write!(text, " {} |", size.size));
    text += "\n| --- |";
    sizes.iter().for_each(|_| text += " --- |");
    for (place, (name, _)) in first.milliseconds.iter().enumerate() {
        _ = write!(text, "\n| {name} |");
        sizes.iter().for_each(|size| _ = write!(text, " {:.2} |", size.milliseconds[place].1));
    }
    text + "\n\n"
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
const COLOURS: [&str; 6] = ["#1b6ca8", "#c0392b", "#27ae60", "#8e44ad", "#d68910", "#555555"];

/// Both axes by powers of ten: sizes from 10³ to 10⁷, milliseconds from 10⁻² to 10³.
fn plot(events: &[Size], chunks: &[Size]) -> String {
    let x = |size: f64| 60.0 + (size.log10() - 3.0) / 4.0 * (WIDTH - 220.0);
    let y = |milliseconds: f64| HEIGHT - 40.0 - (milliseconds.max(0.01).log10() + 2.0) / 5.0 * (HEIGHT - 60.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"11\">\n<title>{}</title>\n",
        "Milliseconds an operation, by events or chunks"
    );
    for power in 3..=7 {
        let at = x(10f64.powi(power));
        _ = writeln!(
            svg,
            "<line x1=\"{at}\" y1=\"20\" x2=\"{at}\" y2=\"{}\" stroke=\"#ddd\"/><text x=\"{at}\" y=\"{}\" text-anchor=\"middle\">10^{power}</text>",
            HEIGHT - 40.0,
            HEIGHT - 22.0
        );
    }
    for power in -2..=3 {
        let at = y(10f64.powi(power));
        _ = writeln!(
            svg,
            "<line x1=\"60\" y1=\"{at}\" x2=\"{}\" y2=\"{at}\" stroke=\"#ddd\"/><text x=\"54\" y=\"{}\" text-anchor=\"end\">{} ms</text>",
            WIDTH - 160.0,
            at + 4.0,
            10f64.powi(power)
        );
    }
    let names = events
        .first()
        .into_iter()
        .chain(chunks.first())
        .flat_map(|size| size.milliseconds.iter().map(|(name, _)| name.as_str()))
        .filter(|name| !name.contains("memory"));
    for (place, name) in names.enumerate() {
        let colour = COLOURS[place % COLOURS.len()];
        let points = events.iter().chain(chunks).filter_map(|size| Some((size.size, size.milliseconds.iter().find(|(known, _)| known == name)?.1)));
        let points: Vec<String> = points.map(|(size, milliseconds)| format!("{:.1},{:.1}", x(size as f64), y(milliseconds))).collect();
        _ = writeln!(svg, "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>", points.join(" "));
        _ = writeln!(svg, "<text x=\"{}\" y=\"{}\" fill=\"{colour}\">{name}</text>", WIDTH - 150.0, 30 + 18 * place);
    }
    svg + "</svg>\n"
}
