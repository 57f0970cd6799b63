//! The real binary on a data folder of its own, for the tests across crates. Only processes started here are ended.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use reqwest::blocking::{Client, Response, multipart};
use serde_json::{Value, json};

pub mod embeddings;
pub mod log;
pub mod model;
pub mod stores;
pub mod stream;

const LIMIT: Duration = Duration::from_secs(60);
const COMMAND_LIMIT: Duration = Duration::from_secs(300);

/// The binary under test: `TWIG_BIN`, which `tests/run` sets.
pub fn binary() -> PathBuf {
    std::env::var_os("TWIG_BIN").map(PathBuf::from).expect("TWIG_BIN names the built binary; run ./tests/run")
}

pub struct Server {
    pub folder: PathBuf,
    pub url: String,
    child: Child,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    printed: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::run(folder, &[&["serve"], arguments].concat())
    }

    /// Any command that ends in serving.
    pub fn run(folder: &Path, arguments: &[&str]) -> Self {
        Self::run_with(folder, arguments, &[])
    }

    /// With these variables in its environment.
    pub fn run_with(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let variables: Vec<(String, String)> = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (child, url, printed) = spawn(folder, &arguments, &variables);
        Self { folder: folder.to_owned(), url, child, arguments, variables, printed }
    }

    /// What stands on standard output so far.
    pub fn printed(&self) -> String {
        self.printed.lock().unwrap().join("\n")
    }

    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// kill -9.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    pub fn restart(&mut self) {
        self.kill();
        (self.child, self.url, self.printed) = spawn(&self.folder, &self.arguments, &self.variables);
    }

    /// Starts again with other arguments.
    pub fn restart_with(&mut self, arguments: &[&str]) {
        self.arguments = ["serve"].iter().chain(arguments).map(|argument| (*argument).to_owned()).collect();
        self.restart();
    }

    /// SIGTERM; the exit status.
    pub fn stop(&mut self) -> i32 {
        self.terminate();
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// SIGTERM alone.
    pub fn terminate(&self) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap()), nix::sys::signal::Signal::SIGTERM).unwrap();
    }

    pub fn cli(&self, arguments: &[&str]) -> Value {
        let out = twig(&self.folder, &[arguments, &["--json"]].concat());
        assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout).unwrap()
    }

    /// A new organization's client.
    pub fn organization(&self, name: &str) -> Api {
        // Several tests of one process get here; the first one installs.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let org = self.cli(&["orgs", "create", name, "--plan", "enterprise", "--per-minute", "1000000", "--per-day", "100000000"]);
        let org = org["id"].as_str().unwrap().to_owned();
        let api = Api { key: self.key(&org, "admin"), org, http: Client::new() };
        // A broker's new topic takes its first reader some seconds. (A certificate of its own is trusted later, by the test that made it.)
        if self.url.starts_with("http:") {
            eventually(|| (api.request(self, "GET", "/api/agents", None).status() == 200).then_some(()));
        }
        api
    }

    pub fn key(&self, org: &str, scopes: &str) -> String {
        self.cli(&["keys", "create", "--org", org, "--name", "test", "--scopes", scopes])["key"].as_str().unwrap().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One command on a data folder, to its end. One that never ends is ended here, so that a test fails and does not hang.
pub fn twig(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).arg("--data-dir").arg(folder).envs(stores::variables(folder));
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let process = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    let (ended, end) = mpsc::channel::<()>();
    let watch = thread::spawn(move || {
        if end.recv_timeout(COMMAND_LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
            let _ = nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGKILL);
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(ended);
    watch.join().unwrap();
    output
}

fn spawn(folder: &Path, arguments: &[String], variables: &[(String, String)]) -> (Child, String, Arc<Mutex<Vec<String>>>) {
    let mut child = Command::new(binary())
        .args(arguments)
        .args(["--listen", "127.0.0.1:0", "--log-level", "error", "--data-dir"])
        .arg(folder)
        .envs(stores::variables(folder))
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let printed = Arc::new(Mutex::new(Vec::new()));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).inspect({
        let printed = printed.clone();
        move |line| printed.lock().unwrap().push(line.clone())
    });
    let url = lines.find_map(|line| line.strip_prefix("listening on ").map(str::to_owned)).expect("the server prints where it listens");
    thread::spawn(move || lines.for_each(drop));
    (child, url, printed)
}

#[derive(Clone)]
pub struct Api {
    pub key: String,
    pub org: String,
    pub http: Client,
}

impl Api {
    pub fn with_key(&self, key: String) -> Self {
        Self { key, ..self.clone() }
    }

    pub fn request(&self, server: &Server, method: &str, path: &str, body: Option<&Value>) -> Response {
        let request = self.http.request(method.parse().unwrap(), format!("{}{path}", server.url)).bearer_auth(&self.key).timeout(LIMIT);
        body.map_or_else(|| request.try_clone().unwrap(), |body| request.try_clone().unwrap().json(body)).send().unwrap()
    }

    /// The `data` of an answer with this status.
    pub fn ok(&self, server: &Server, method: &str, path: &str, body: Option<&Value>, status: u16) -> Value {
        let response = self.request(server, method, path, body);
        let got = response.status().as_u16();
        let body: Value = response.json().unwrap();
        assert_eq!(got, status, "{method} {path}: {body}");
        body["data"].clone()
    }

    pub fn upload(&self, server: &Server, spec: &str, files: &[(&str, Vec<u8>)]) -> Response {
        let form = files
            .iter()
            .fold(multipart::Form::new(), |form, (name, bytes)| form.part("file", multipart::Part::bytes(bytes.clone()).file_name((*name).to_owned())));
        self.http.post(format!("{}/api/data-specs/{spec}/files", server.url)).bearer_auth(&self.key).multipart(form).timeout(LIMIT).send().unwrap()
    }

    pub fn process(&self, server: &Server, spec: &str) -> String {
        self.ok(server, "POST", &format!("/api/data-specs/{spec}/process"), Some(&json!({})), 202)["id"].as_str().unwrap().to_owned()
    }

    /// Waits for a run's end.
    pub fn ended(&self, server: &Server, spec: &str, run: &str) -> Value {
        eventually(|| {
            let run = self.ok(server, "GET", &format!("/api/data-specs/{spec}/runs/{run}"), None, 200);
            ["succeeded", "failed", "canceled"].contains(&run["status"].as_str().unwrap()).then_some(run)
        })
    }
}

/// Looks again until there is something; fails after a minute.
pub fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "not within {LIMIT:?}");
        thread::sleep(Duration::from_millis(50));
    }
}
