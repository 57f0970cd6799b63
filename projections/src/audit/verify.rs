//! The offline check of an exported audit log: it needs the file and a public key, and no store.
//!
//! The file has a JSON document a line: a header, then events in position order, each with the leaf hash that was recorded for it when it happened, and
//! signed checkpoints where they were made, the last of which is of the whole. An event that does not match its hash was changed and is named; hashes that
//! do not come to a checkpoint's root were tampered with too, and the checkpoints around them say between which positions.

use std::{io::BufRead, thread};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    leaf,
    merkle::{Frontier, Hash, includes},
    note::{self, Checkpoint, NoteError, VerifierKey},
};

/// The form of the file; another is not read.
pub const FORM: u32 = 1;
const HAND_OVER: &str = "twig audit key hand-over";
const BATCH_LINES: usize = 4096;
const MAX_THREADS: usize = 4;
const MAX_FINDINGS: usize = 100;

/// The file's first line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    pub twig_audit: u32,
    pub organization: String,
    /// The first line of each checkpoint.
    pub origin: String,
    pub verifier_key: String,
    /// Notes by which one key handed over to the next, oldest first.
    pub hand_overs: Vec<String>,
}

/// Any other line of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    Checkpoint {
        checkpoint: String,
    },
    /// An event that was recorded and is no longer in the log.
    Missing {
        missing: Recorded,
    },
    /// An event of the log that was never recorded.
    Unrecorded {
        unrecorded: Value,
    },
    Event(Value),
}

/// What is kept of an event beside the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    pub position: u64,
    /// The leaf hash in base64.
    pub hash: String,
}

/// Something that is not as it was signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The event's position, or the last one before it.
    pub position: u64,
    pub reason: String,
}

/// What a check came to.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub organization: String,
    pub events: u64,
    pub checkpoints: u64,
    /// The root of the last checkpoint, in base64.
    pub root: String,
    pub findings: Vec<Finding>,
}

/// Why a file cannot be checked at all.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("the file could not be read")]
    Read(#[from] std::io::Error),
    #[error("the file is no audit export")]
    NoExport,
    #[error("{0}")]
    Note(#[from] NoteError),
    #[error("the proof's document needs the members event and proof")]
    NoProof,
}

/// Checks an exported log with a key that is trusted, and those that it handed over to or took over from.
pub fn verify(mut file: impl BufRead, key: &VerifierKey) -> Result<Report, VerifyError> {
    let mut first = String::new();
    file.read_line(&mut first)?;
    let header: Header = serde_json::from_str(&first).map_err(|_| VerifyError::NoExport)?;
    if header.twig_audit != FORM {
        return Err(VerifyError::NoExport);
    }
    let mut check = Check { trusted: trusted(key, &header.hand_overs), origin: header.origin, ..Check::default() };
    check.report.organization.clone_from(&header.organization);
    if !check.origin.ends_with(&format!("/{}", header.organization)) {
        check.find("the header names another log than its organization's".into());
    }
    loop {
        let lines = batch(&mut file)?;
        if lines.is_empty() || check.report.findings.len() >= MAX_FINDINGS {
            break;
        }
        read_all(&lines).into_iter().for_each(|line| check.take(line));
    }
    check.end();
    Ok(check.report)
}

fn batch(file: &mut impl BufRead) -> Result<Vec<String>, std::io::Error> {
    file.lines().take(BATCH_LINES).collect()
}

/// The keys that may have signed: one is trusted, and each hand-over that both its keys have signed carries that trust along.
#[must_use]
pub fn trusted(key: &VerifierKey, hand_overs: &[String]) -> Vec<VerifierKey> {
    let mut trusted = vec![key.clone()];
    let pairs: Vec<[VerifierKey; 2]> = hand_overs.iter().filter_map(|note| hand_over(note)).collect();
    // As many rounds as there are notes carry trust from one end to the other.
    for _ in 0..pairs.len() {
        for pair in &pairs {
            if pair.iter().any(|one| trusted.contains(one)) {
                pair.iter().for_each(|one| {
                    if !trusted.contains(one) {
                        trusted.push(one.clone());
                    }
                });
            }
        }
    }
    trusted
}

/// The two keys of a hand-over that both have signed.
fn hand_over(note: &str) -> Option<[VerifierKey; 2]> {
    let mut lines = note.lines();
    let keys = (lines.next()? == HAND_OVER).then(|| Some([lines.next()?.parse().ok()?, lines.next()?.parse().ok()?]))??;
    let (_, signed_by) = note::open(note, &keys).ok()?;
    keys.iter().all(|key| signed_by.contains(&key)).then_some(keys)
}

/// The note by which one key hands over to the next.
#[must_use]
pub fn hand_over_note(old: &note::NoteSigner, new: &note::NoteSigner) -> String {
    note::sign(&format!("{HAND_OVER}\n{}\n{}\n", old.verifier, new.verifier), &[old, new])
}

/// A line with what can be said of it alone.
enum Read {
    Event { position: u64, recorded: Hash, matches: bool },
    Missing { position: u64, recorded: Hash },
    Unrecorded { position: u64 },
    Checkpoint(String),
    Unreadable,
}

/// Lines are hashed on all cores; what follows from their order is cheap.
fn read_all(lines: &[String]) -> Vec<Read> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    let share = lines.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let parts: Vec<_> = lines.chunks(share).map(|part| scope.spawn(move || part.iter().map(|line| read(line)).collect::<Vec<_>>())).collect();
        parts
            .into_iter()
            .zip(lines.chunks(share))
            .flat_map(|(part, lines)| part.join().unwrap_or_else(|_| lines.iter().map(|_| Read::Unreadable).collect()))
            .collect()
    })
}

fn read(line: &str) -> Read {
    let hash = |text: &str| STANDARD.decode(text).ok().and_then(|bytes| Hash::try_from(bytes).ok());
    match serde_json::from_str(line) {
        Ok(Line::Checkpoint { checkpoint }) => Read::Checkpoint(checkpoint),
        Ok(Line::Missing { missing }) => hash(&missing.hash).map_or(Read::Unreadable, |recorded| Read::Missing { position: missing.position, recorded }),
        Ok(Line::Unrecorded { unrecorded }) => Read::Unrecorded { position: unrecorded["position"].as_u64().unwrap_or_default() },
        Ok(Line::Event(mut event)) => {
            let (position, recorded) = (event["position"].as_u64(), event["hash"].as_str().and_then(hash));
            let (Some(position), Some(recorded)) = (position, recorded) else { return Read::Unreadable };
            if let Some(members) = event.as_object_mut() {
                members.remove("hash");
            }
            Read::Event { position, recorded, matches: leaf(&event) == recorded }
        }
        Err(_) => Read::Unreadable,
    }
}

#[derive(Default)]
struct Check {
    trusted: Vec<VerifierKey>,
    origin: String,
    tree: Frontier,
    /// The position of the event before.
    position: u64,
    /// The last position that a checkpoint has confirmed, and whether one of the whole stands last.
    confirmed: u64,
    ended: bool,
    report: Report,
}

impl Check {
    fn find(&mut self, reason: String) {
        self.report.findings.push(Finding { position: self.position, reason });
    }

    fn take(&mut self, line: Read) {
        self.ended = false;
        match line {
            Read::Event { position, recorded, matches } => {
                self.place(position);
                if !matches {
                    self.find("the event is not what was recorded: it was changed".into());
                }
                self.report.events += 1;
                self.tree.push(recorded);
            }
            Read::Missing { position, recorded } => {
                self.place(position);
                self.find("the event was recorded, and is gone from the log".into());
                self.tree.push(recorded);
            }
            Read::Unrecorded { position } => {
                self.place(position);
                self.find("the event is in the log, and was not recorded when it should have happened: it was added".into());
            }
            Read::Checkpoint(note) => self.checkpoint(&note),
            Read::Unreadable => self.find("the line after this event can't be read".into()),
        }
    }

    fn place(&mut self, position: u64) {
        if position <= self.position {
            let reason = format!("the event at position {position} stands after this one: events were reordered or repeated");
            self.find(reason);
        }
        self.position = position;
    }

    fn checkpoint(&mut self, note: &str) {
        self.report.checkpoints += 1;
        let between = format!("between positions {} and {}", self.confirmed, self.position);
        match Checkpoint::open(note, &self.trusted) {
            Err(error) => self.find(format!("the checkpoint after this event is not to be trusted: {error}")),
            Ok(read) if read.origin != self.origin => self.find(format!("the checkpoint after this event is of another log ({})", read.origin)),
            Ok(read) if read.size != self.tree.size() => {
                self.find(format!("{} events stand before the checkpoint of {}: events {between} were dropped or added", self.tree.size(), read.size));
            }
            Ok(read) if read.root != self.tree.root() => {
                self.find(format!("the events do not come to the checkpoint's root: one {between} was changed, dropped, added or moved"));
            }
            Ok(read) => {
                (self.confirmed, self.ended) = (self.position, true);
                self.report.root = STANDARD.encode(read.root);
            }
        }
    }

    fn end(&mut self) {
        if !self.ended && self.report.findings.is_empty() {
            self.find("no checkpoint of the whole stands at the end: the file was cut off".into());
        }
    }
}

/// A proof that an event is in the log, as the API gives it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    pub leaf_index: u64,
    pub tree_size: u64,
    pub leaf_hash: String,
    pub hashes: Vec<String>,
    pub checkpoint: String,
}

/// Checks `{event, proof}`: the event's own leaf, the path, and the signed root. What is wrong, where something is.
pub fn verify_proof(document: &Value, key: &VerifierKey) -> Result<Option<String>, VerifyError> {
    let mut event = document["event"].clone();
    event.as_object_mut().ok_or(VerifyError::NoProof)?.remove("hash");
    let proof = Proof::deserialize(&document["proof"]).map_err(|_| VerifyError::NoProof)?;
    let checkpoint = match Checkpoint::open(&proof.checkpoint, std::slice::from_ref(key)) {
        Ok(checkpoint) => checkpoint,
        Err(error) => return Ok(Some(error.to_string())),
    };
    let own = leaf(&event);
    let path: Option<Vec<Hash>> = proof.hashes.iter().map(|hash| STANDARD.decode(hash).ok()?.try_into().ok()).collect();
    let path = path.ok_or(VerifyError::NoProof)?;
    Ok(if STANDARD.encode(own) != proof.leaf_hash {
        Some("the proof is of another event".into())
    } else if checkpoint.size != proof.tree_size {
        Some("the checkpoint is of another tree".into())
    } else if !includes(&checkpoint.root, checkpoint.size, proof.leaf_index, &own, &path) {
        Some("the proof does not lead to the checkpoint's root".into())
    } else {
        None
    })
}

#[cfg(test)]
mod tests;
