//! The real binary on a folder of its own, and the other servers that contenders run. Each ends with its value.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::http;

/// Whether a run has ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The built binary, which `run` names.
pub fn binary() -> Option<PathBuf> {
    std::env::var_os("TWIG_BIN").map(PathBuf::from)
}

pub struct Server {
    pub url: String,
    child: Child,
}

impl Server {
    /// Starts a server that prints the line `listening on URL`.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let url = lines.find_map(|line| line.strip_prefix("listening on ").map(str::to_owned)).expect("the server says where it listens");
        std::thread::spawn(move || lines.for_each(drop));
        Self { url, child }
    }

    pub fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The product with one organization whose limits nobody reaches.
pub struct Twig {
    pub server: Server,
    pub folder: PathBuf,
    pub organization: String,
    pub key: String,
    variables: Vec<(String, String)>,
}

impl Twig {
    /// `variables` are settings, such as `TWIG_EVENTS_URL`.
    pub fn start(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Option<Self> {
        let variables: Vec<(String, String)> = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut command = Command::new(binary()?);
        command.args(["serve", "--listen", "127.0.0.1:0", "--log-level", "error", "--data-dir"]).arg(folder).args(arguments).envs(variables.clone());
        let server = Server::start(&mut command);
        let mut twig = Self { server, folder: folder.to_owned(), organization: String::new(), key: String::new(), variables };
        let made = twig.cli(&["orgs", "create", "bench", "--plan", "enterprise", "--per-minute", "1000000000", "--per-day", "1000000000"]);
        twig.organization = made["id"].as_str().unwrap().to_owned();
        let made = twig.cli(&["keys", "create", "--org", &twig.organization, "--name", "bench", "--scopes", "admin"]);
        twig.key = made["key"].as_str().unwrap().to_owned();
        Some(twig)
    }

    /// The same folder once more, with what was put into it.
    pub fn again(folder: &Path) -> Server {
        let mut command = Command::new(binary().expect("it was there before"));
        Server::start(command.args(["serve", "--listen", "127.0.0.1:0", "--log-level", "error", "--data-dir"]).arg(folder))
    }

    pub fn cli(&self, arguments: &[&str]) -> Value {
        let mut command = Command::new(binary().unwrap());
        let output = command.args(arguments).args(["--json", "--data-dir"]).arg(&self.folder).envs(self.variables.clone()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Makes a data spec and waits until what it has is indexed; its id.
    pub fn process(&self, spec: &Value) -> String {
        let spec = self.call("POST", "/api/data-specs", Some(spec))["id"].as_str().unwrap().to_owned();
        self.run(&spec);
        spec
    }

    /// Processes a data spec; the run, when it has succeeded.
    pub fn run(&self, spec: &str) -> Value {
        let run = self.call("POST", &format!("/api/data-specs/{spec}/process"), Some(&json!({})));
        let path = format!("/api/data-specs/{spec}/runs/{}", run["id"].as_str().unwrap());
        loop {
            let run = self.call("GET", &path, None);
            match run["status"].as_str().unwrap() {
                "succeeded" => return run,
                "failed" | "canceled" => panic!("{run}"),
                _ => std::thread::sleep(LOOK_EVERY),
            }
        }
    }

    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let request = http::request(method, &self.server.url, path, &self.key, &body.map(Value::to_string).unwrap_or_default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (status, body) = runtime.block_on(async {
            let mut connection = http::Connection::open(&self.server.url).await;
            let answer = connection.send(&request).await;
            (answer.status, serde_json::from_slice::<Value>(answer.body).unwrap())
        });
        assert!((200..300).contains(&status), "{method} {path}: {status} {body}");
        body["data"].clone()
    }
}

/// The Python of the peers, which `run` has made.
pub fn python() -> Option<PathBuf> {
    std::env::var_os("TWIG_BENCH_PYTHON").map(PathBuf::from)
}

/// A script that stands beside this file.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name)
}
