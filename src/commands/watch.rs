//! `twig audit watch`: an auditor's eye. It keeps the newest checkpoint it has seen in a file of its own; whatever comes later must go on from there.
//!
//! With `--url` it asks a server and needs only an API key (`TWIG_API_KEY`); without it reads the stores, and checks every event against what was signed.

use std::{collections::BTreeMap, fs, io::BufReader, path::PathBuf, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use twig_domain::id::OrgId;
use twig_projections::audit::{Checkpoint, Hash, Notary, Report, VerifierKey, continues, trusted, verify};

use super::{audit::tell, find_org, open, org_id, say};
use crate::settings::Settings;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Args)]
pub struct Watch {
    /// The organization; all of them where none is given
    #[arg(long)]
    org: Option<String>,
    /// A server to ask, such as https://twig.example.com; the API key is taken from TWIG_API_KEY
    #[arg(long)]
    url: Option<String>,
    /// The verifier key to trust; the one that is met first where none is given
    #[arg(long)]
    key: Option<String>,
    /// Where the newest checkpoints are remembered
    #[arg(long, default_value = "twig-audit-watch.json")]
    state: PathBuf,
    /// Seconds between two looks
    #[arg(long, default_value_t = 60)]
    every: u64,
    /// Look once and end
    #[arg(long)]
    once: bool,
}

/// What is remembered.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Memory {
    verifier_key: Option<String>,
    /// The newest checkpoint's note, by the log's origin.
    checkpoints: BTreeMap<String, String>,
}

/// A look at one log: its newest checkpoint, and the server's keys.
struct Look {
    note: String,
    verifier_key: String,
    hand_overs: Vec<String>,
}

impl Watch {
    pub async fn run(self, settings: &Settings, as_json: bool) -> Result<(), String> {
        loop {
            let mut memory = self.remembered()?;
            match &self.url {
                Some(url) => self.ask(url, &mut memory, as_json).await?,
                None => self.read(settings, &mut memory, as_json).await?,
            }
            self.remember(&memory)?;
            if self.once {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_secs(self.every.max(1))).await;
        }
    }

    fn remembered(&self) -> Result<Memory, String> {
        let mut memory: Memory = match fs::read(&self.state) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| format!("{} is not what a watch remembers", self.state.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Memory::default(),
            Err(error) => return Err(format!("{} can't be read: {error}", self.state.display())),
        };
        if let Some(key) = &self.key {
            memory.verifier_key = Some(key.clone());
        }
        Ok(memory)
    }

    fn remember(&self, memory: &Memory) -> Result<(), String> {
        let half = self.state.with_extension("half");
        let text = serde_json::to_vec_pretty(memory).map_err(|error| error.to_string())?;
        fs::write(&half, text).and_then(|()| fs::rename(&half, &self.state)).map_err(|error| format!("{} can't be written: {error}", self.state.display()))
    }

    async fn ask(&self, url: &str, memory: &mut Memory, as_json: bool) -> Result<(), String> {
        let key = std::env::var("TWIG_API_KEY").map_err(|_| "TWIG_API_KEY is needed with --url".to_owned())?;
        #[expect(clippy::disallowed_methods, reason = "the address is the operator's own")]
        let client = reqwest::Client::builder().timeout(REQUEST_TIMEOUT).build().map_err(|error| error.to_string())?;
        let get = async |path: String| -> Result<Value, String> {
            let sent = client.get(format!("{}{path}", url.trim_end_matches('/'))).bearer_auth(&key).send().await;
            let reply = sent.and_then(reqwest::Response::error_for_status).map_err(|error| format!("{url} gives no answer: {error}"))?;
            Ok(reply.json::<Value>().await.map_err(|error| error.to_string())?["data"].take())
        };
        let newest = get("/api/audit/checkpoint".into()).await?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let hand_overs = newest["handOvers"].as_array().into_iter().flatten().map(text).collect();
        let look = Look { note: text(&newest["checkpoint"]), verifier_key: text(&newest["verifierKey"]), hand_overs };
        let said = memory
            .goes_on(&look, async |from, to| {
                let proof = get(format!("/api/audit/consistency?from={from}&to={to}")).await?;
                Ok(proof["hashes"].as_array().into_iter().flatten().map(text).collect())
            })
            .await?;
        say(as_json, &said, &format!("{} events; history is what it was", said["size"]));
        Ok(())
    }

    async fn read(&self, settings: &Settings, memory: &mut Memory, as_json: bool) -> Result<(), String> {
        let node = open(settings).await?;
        let organizations = match &self.org {
            Some(org) => vec![find_org(&node, org).await?],
            None => node.views.organizations().await.map_err(|error| error.to_string())?,
        };
        let notary = node.notary()?;
        for organization in organizations {
            let id = org_id(&organization)?;
            let signed = notary.checkpoint(id).await.map_err(|error| error.to_string())?;
            let look = Look {
                note: signed.note,
                verifier_key: notary.verifier_key().map_err(|error| error.to_string())?.to_string(),
                hand_overs: notary.hand_overs().map_err(|error| error.to_string())?,
            };
            memory
                .goes_on(&look, async |from, to| {
                    notary.consistency(id, from, to).await.map_err(|error| error.to_string())?.ok_or_else(|| "the log has become shorter".to_owned())
                })
                .await?;
            tell(&whole(&notary, id, &look).await?, as_json)?;
        }
        Ok(())
    }
}

/// Every event of a log against what was signed, without a file.
async fn whole(notary: &Notary, organization: OrgId, look: &Look) -> Result<Report, String> {
    let (reader, mut writer) = std::io::pipe().map_err(|error| error.to_string())?;
    let key: VerifierKey = look.verifier_key.parse().map_err(|_| "the server's verifier key is damaged".to_owned())?;
    let checked = tokio::task::spawn_blocking(move || verify(BufReader::with_capacity(1 << 20, reader), &key));
    let written = notary.export(organization, |line| std::io::Write::write_all(&mut writer, format!("{line}\n").as_bytes())).await;
    drop(writer);
    let report = checked.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    written.map_err(|error| error.to_string())?;
    Ok(report)
}

impl Memory {
    /// Takes a newer checkpoint, if it goes on from the one that is remembered.
    async fn goes_on(&mut self, look: &Look, proof: impl AsyncFnOnce(u64, u64) -> Result<Vec<String>, String>) -> Result<Value, String> {
        let key = self.verifier_key.get_or_insert_with(|| look.verifier_key.clone());
        let key: VerifierKey = key.parse().map_err(|_| "the trusted verifier key is no name+hash+key".to_owned())?;
        let trusted = trusted(&key, &look.hand_overs);
        let newest = Checkpoint::open(&look.note, &trusted).map_err(|error| format!("HISTORY CAN'T BE TRUSTED: the newest checkpoint: {error}"))?;
        let before = self.checkpoints.get(&newest.origin).map(|note| Checkpoint::open(note, &trusted)).transpose();
        let before = before.map_err(|error| format!("HISTORY CAN'T BE TRUSTED: the remembered checkpoint: {error}"))?;
        if let Some(before) = before {
            if newest.size < before.size {
                return Err(format!("HISTORY WAS CHANGED: the log of {} had {} events, and now has {}", newest.origin, before.size, newest.size));
            }
            let hashes = if newest.size == before.size { Vec::new() } else { proof(before.size, newest.size).await? };
            let hashes: Option<Vec<Hash>> = hashes.iter().map(|hash| STANDARD.decode(hash).ok()?.try_into().ok()).collect();
            if !hashes.is_some_and(|hashes| continues(before.size, &before.root, newest.size, &newest.root, &hashes)) {
                return Err(format!("HISTORY WAS CHANGED: the log of {} does not go on from the {} events that were seen before", newest.origin, before.size));
            }
        }
        self.checkpoints.insert(newest.origin.clone(), look.note.clone());
        Ok(json!({"origin": newest.origin, "size": newest.size, "root": STANDARD.encode(newest.root)}))
    }
}
