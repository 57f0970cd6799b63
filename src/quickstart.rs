//! `twig quickstart`: from a folder of documents to a first cited answer, then on to serving.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use twig_api::App;
use twig_domain::organization::{Plan, Scope};

use crate::{commands, serve::serve, settings::Settings};

const MAX_FILES: usize = 2000;
const MAX_FILE_BYTES: u64 = 50 << 20;
const UPLOAD_AT_ONCE: usize = 20;
/// Titles that a first question is tried with.
const MAX_FIRST_TITLES: usize = 5;
const FIRST_QUESTION: &str = "What happens between a request and its answer?";

pub async fn run(settings: Settings, folder: Option<PathBuf>, question: Option<String>) -> Result<(), String> {
    let own_docs = folder.is_none();
    let folder = folder.unwrap_or_else(|| "docs".into());
    let files = files(&folder)?;
    let node = commands::open(&settings).await?;
    let org = commands::register(&node, "quickstart", Plan::Enterprise, Plan::Enterprise.limits()).await?;
    let (_, key) = commands::issue(&node, org, "quickstart", vec![Scope::Admin], None, false).await?;
    drop(node);
    println!("{} files from {}", files.len(), folder.display());
    let question = question.or_else(|| own_docs.then(|| FIRST_QUESTION.into()));
    serve(settings, move |url, _: Arc<App>| async move {
        if let Err(error) = first_answer(&url, &key, files, question).await {
            eprintln!("twig: the quickstart could not be finished: {error}");
        }
    })
    .await
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        let entries = std::fs::read_dir(&next).map_err(|error| format!("{} can't be read: {error}", next.display()))?;
        for entry in entries.filter_map(Result::ok) {
            let (path, kind) = (entry.path(), entry.file_type().map_err(|error| error.to_string())?);
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(format!("{} holds no files", folder.display()));
    }
    found.truncate(MAX_FILES);
    Ok(found)
}

struct Client {
    http: reqwest::Client,
    url: String,
    key: String,
}

impl Client {
    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Value, String> {
        let answer = request.bearer_auth(&self.key).send().await.map_err(|error| error.to_string())?;
        let body: Value = answer.json().await.map_err(|error| error.to_string())?;
        body.get("data").cloned().ok_or_else(|| body["error"]["message"].as_str().unwrap_or("an unexpected answer").to_owned())
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        self.send(self.http.post(format!("{}{path}", self.url)).json(body)).await
    }

    async fn get(&self, path: &str) -> Result<Value, String> {
        self.send(self.http.get(format!("{}{path}", self.url))).await
    }
}

/// Everything over the REST API, as any client would.
async fn first_answer(url: &str, key: &str, files: Vec<PathBuf>, question: Option<String>) -> Result<(), String> {
    #[expect(clippy::disallowed_methods, reason = "a client of our own server on this machine")]
    let http = reqwest::Client::builder().danger_accept_invalid_certs(true).build().map_err(|error| error.to_string())?;
    let client = Client { http, url: url.to_owned(), key: key.to_owned() };
    let spec = client.post("/api/data-specs", &json!({"name": "quickstart documents", "type": "file"})).await?;
    let spec = spec["id"].as_str().unwrap_or_default().to_owned();
    let mut left_out = Vec::new();
    for batch in files.chunks(UPLOAD_AT_ONCE) {
        let mut form = reqwest::multipart::Form::new();
        for file in batch {
            if std::fs::metadata(file).map_err(|error| error.to_string())?.len() > MAX_FILE_BYTES {
                left_out.push(format!("{} is over 50 MiB", file.display()));
                continue;
            }
            let bytes = std::fs::read(file).map_err(|error| error.to_string())?;
            let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            form = form.part("file", reqwest::multipart::Part::bytes(bytes).file_name(name));
        }
        client.send(client.http.post(format!("{}/api/data-specs/{spec}/files", client.url)).multipart(form)).await?;
    }
    let run = client.post(&format!("/api/data-specs/{spec}/process"), &json!({})).await?;
    let run = wait(&client, &format!("/api/data-specs/{spec}/runs/{}", run["id"].as_str().unwrap_or_default()), files.len() as u64).await?;
    for line in left_out.into_iter().chain(
        run["errors"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|error| format!("{}: {}", error["documentUrl"].as_str().unwrap_or_default(), error["message"].as_str().unwrap_or_default())),
    ) {
        println!("  left out: {line}");
    }
    let agent = client.post("/api/agents", &json!({"name": "quickstart", "dataSpecIds": [spec]})).await?;
    let agent = agent["id"].as_str().unwrap_or_default().to_owned();
    let (question, answer) = match question {
        Some(question) => (question.clone(), client.post("/api/chat", &json!({"prompt": question, "agentId": agent})).await?),
        None => ask_of_a_title(&client, &spec, &agent).await?,
    };
    println!("\n{question}\n\n{}\n", answer["response"].as_str().unwrap_or_default());
    for source in answer["sources"].as_array().into_iter().flatten() {
        println!("  [{}] {} ({})", source["index"], source["documentTitle"].as_str().unwrap_or_default(), source["documentUrl"].as_str().unwrap_or_default());
    }
    println!(
        "\nAsk more:\n\n  curl -s {url}/api/chat -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\\n    -d '{{\"agentId\": \"{agent}\", \"prompt\": \"…\"}}'\n\nServing at {url}; end with Ctrl-C."
    );
    Ok(())
}

/// Of an unknown folder the one thing to ask for is what its documents call themselves; the first answer that has sources is shown.
async fn ask_of_a_title(client: &Client, spec: &str, agent: &str) -> Result<(String, Value), String> {
    let documents = client.get(&format!("/api/data-specs/{spec}/documents")).await?;
    let titles = documents.as_array().into_iter().flatten().filter(|document| document["title"] != document["name"]);
    let mut questions: Vec<String> =
        titles.take(MAX_FIRST_TITLES).filter_map(|document| Some(format!("What is there to know about {}?", document["title"].as_str()?))).collect();
    let last = "What is this about?".to_owned();
    questions.push(last.clone());
    let mut answer = Value::Null;
    for question in questions {
        answer = client.post("/api/chat", &json!({"prompt": question, "agentId": agent})).await?;
        if answer["answered"] == true {
            return Ok((question, answer));
        }
    }
    Ok((last, answer))
}

/// Shows a run's progress until its end.
async fn wait(client: &Client, path: &str, total: u64) -> Result<Value, String> {
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} documents, {msg}") {
        bar.set_style(style);
    }
    loop {
        let run = client.get(path).await?;
        let progress = &run["progress"];
        bar.set_position(progress["documentsDone"].as_u64().unwrap_or(0) + progress["documentsFailed"].as_u64().unwrap_or(0));
        bar.set_message(format!("{} passages", progress["chunks"]));
        match run["status"].as_str() {
            Some("succeeded") => {
                bar.finish();
                return Ok(run);
            }
            Some("failed" | "canceled") => return Err(run["reason"].as_str().unwrap_or("the run failed").to_owned()),
            _ => tokio::time::sleep(Duration::from_millis(150)).await,
        }
    }
}
