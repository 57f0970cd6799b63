//! The receiver's process, and what it tells.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

pub struct Receiver {
    child: Child,
    urls: BTreeMap<String, String>,
    http: reqwest::blocking::Client,
}

/// A message as it came.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: String,
    pub sequence: u64,
    /// Milliseconds from the event to its arrival.
    pub waited_ms: i64,
}

impl Receiver {
    /// With endpoints `NAME=MANNER`.
    pub fn start<S: AsRef<str>>(endpoints: &[S], variables: &[(&str, &str)]) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut command = Command::new(env!("CARGO_BIN_EXE_twig-receiver"));
        command.args(endpoints.iter().map(AsRef::as_ref)).envs(variables.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let urls = lines.take(endpoints.len() + 1).map(|line| line.split_once(' ').map(|(name, url)| (name.to_owned(), url.to_owned())).unwrap()).collect();
        Self { child, urls, http: reqwest::blocking::Client::new() }
    }

    pub fn url(&self, name: &str) -> &str {
        &self.urls[name]
    }

    fn control(&self, path: &str) -> Value {
        self.http.get(format!("{}{path}", self.urls["control"])).send().unwrap().json().unwrap()
    }

    /// How many different messages each endpoint has answered with success.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        serde_json::from_value(self.control("/counts")).unwrap()
    }

    /// Brings a down endpoint up.
    pub fn open(&self, name: &str) {
        self.control(&format!("/open/{name}"));
    }

    pub fn seen(&self) -> Value {
        self.control("/seen")
    }

    /// What an endpoint answered with success, in the order it came.
    pub fn messages(&self, name: &str) -> Vec<Message> {
        let seen = self.seen();
        seen[name]["messages"].as_array().unwrap().iter().map(message).collect()
    }
}

fn message(row: &Value) -> Message {
    let at = |text: &str| text.parse::<twig_domain::Timestamp>().unwrap().millis();
    Message { id: row[0].as_str().unwrap().to_owned(), sequence: row[1].as_u64().unwrap(), waited_ms: row[4].as_i64().unwrap() - at(row[3].as_str().unwrap()) }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
