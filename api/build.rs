//! Builds the web console (`console/`) with npm and lists its files for `src/console.rs` to embed.
//!
//! Invariant: nothing here fails a build. Where npm, the network or a recent Node is missing, the list is empty, `/console` says how to build it, and a warning
//! says why. npm runs only when a source has changed: what was built last stays in `console/dist` with the hash of its sources, for every target folder and profile.

use std::{
    env, fs,
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// All that the built files are made from, beside this folder.
const SOURCES: [&str; 8] = [
    "console/src",
    "console/public",
    "console/index.html",
    "console/package.json",
    "console/package-lock.json",
    "console/vite.config.ts",
    "console/compress.mjs",
    "../sdks/typescript/src",
];
/// What was built, and what it was built from.
const STAMP: &str = ".sources";
/// npm gives up on the network soon: a build goes on without the console.
const INSTALL: [&str; 8] =
    ["ci", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error", "--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=20000"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=TWIG_CONSOLE");
    for source in SOURCES {
        println!("cargo:rerun-if-changed={source}");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let files = built().and_then(|dist| embed(&dist, &out.join("console"))).unwrap_or_else(|reason| {
        println!("cargo:warning=the web console is left out: {reason}");
        String::new()
    });
    fs::write(out.join("console.rs"), format!("&[\n{files}]\n")).expect("OUT_DIR can be written");
}

/// The folder of the built files, which fit the sources.
fn built() -> Result<PathBuf, String> {
    if env::var("TWIG_CONSOLE").is_ok_and(|wish| wish == "skip") {
        return Err("TWIG_CONSOLE=skip".to_owned());
    }
    let console = Path::new("console");
    let dist = console.join("dist");
    // Two builds of one checkout (check and clippy, two target folders) take turns.
    let lock = File::create(console.join(".build-lock")).map_err(told)?;
    lock.lock().map_err(told)?;
    let wanted = format!("{:016x}", hash_of(&SOURCES.map(PathBuf::from)).map_err(told)?);
    if fs::read_to_string(dist.join(STAMP)).is_ok_and(|stamp| stamp == wanted) {
        return Ok(dist);
    }
    match build(console) {
        Ok(()) => fs::write(dist.join(STAMP), wanted).map_err(told)?,
        // A stage of a container's build may have made it where npm is, and this one runs where it is not.
        Err(reason) if dist.join("index.html").exists() => println!("cargo:warning=console/dist is taken as it is: {reason}"),
        Err(reason) => return Err(reason),
    }
    Ok(dist)
}

fn build(console: &Path) -> Result<(), String> {
    let installed = console.join("node_modules/.twig-lock");
    let locked = format!("{:016x}", hash_of(&[console.join("package-lock.json")]).map_err(told)?);
    if !fs::read_to_string(&installed).is_ok_and(|stamp| stamp == locked) {
        npm(console, &INSTALL)?;
        fs::write(&installed, locked).map_err(told)?;
    }
    npm(console, &["run", "--silent", "build"])
}

fn npm(folder: &Path, arguments: &[&str]) -> Result<(), String> {
    let program = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let done = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env_remove("TWIG_CONSOLE_OUT")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("npm can't be run ({error})"))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(format!("npm {} failed: {}", arguments[0], said.lines().filter(|line| !line.trim().is_empty()).take(3).collect::<Vec<_>>().join(" | ")))
}

/// Copies the built files and writes an entry for each: a later change in `console/dist` breaks no compilation.
fn embed(dist: &Path, to: &Path) -> Result<String, String> {
    let mut entries = String::new();
    let mut files = Vec::new();
    walk(dist, &mut files).map_err(told)?;
    for file in files {
        let name = file.strip_prefix(dist).map_err(told)?.to_string_lossy().replace('\\', "/");
        let packed = dist.join(format!("{name}.gz"));
        if name == STAMP || !packed.exists() {
            continue;
        }
        let copy = |from: &Path| -> Result<PathBuf, String> {
            let target = to.join(from.strip_prefix(dist).map_err(told)?);
            fs::create_dir_all(target.parent().unwrap_or(to)).map_err(told)?;
            fs::copy(from, &target).map_err(told)?;
            Ok(target)
        };
        let (plain, gzip) = (copy(&file)?, copy(&packed)?);
        let tag = format!("{:016x}", hash_of(&[file]).map_err(told)?);
        entries.push_str(&format!("File {{ path: {name:?}, tag: {tag:?}, plain: include_bytes!({plain:?}), gzip: include_bytes!({gzip:?}) }},\n"));
    }
    Ok(entries)
}

fn hash_of(places: &[PathBuf]) -> io::Result<u64> {
    let mut hasher = DefaultHasher::new();
    for place in places {
        let mut files = Vec::new();
        walk(place, &mut files)?;
        for file in files {
            file.to_string_lossy().hash(&mut hasher);
            fs::read(&file)?.hash(&mut hasher);
        }
    }
    Ok(hasher.finish())
}

/// The files at or below a place, in order.
fn walk(place: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if place.is_file() {
        files.push(place.to_owned());
        return Ok(());
    }
    let mut entries = fs::read_dir(place)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    entries.iter().try_for_each(|entry| walk(entry, files))
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}
