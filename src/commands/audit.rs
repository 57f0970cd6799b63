//! `twig audit`: the audit log with its proofs, taken out, checked without the server, and watched.

use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use clap::Subcommand;
use serde_json::{Value, json};
use twig_commands::{bus::CommandContext, ids::new_id};
use twig_domain::{
    access::{Access, AccessCommand, Export, Exported},
    id::{EventId, OrgId},
};
use twig_projections::audit::{Report, VerifierKey, verify, verify_proof};

use super::{context, find_org, open, org_id, say, watch::Watch};
use crate::{node::Node, settings::Settings};

#[derive(Subcommand)]
pub enum Audit {
    /// Write an organization's audit log with its proofs into a file
    Export {
        file: PathBuf,
        #[arg(long)]
        org: String,
    },
    /// Check an exported log, or an event with its proof, with nothing but a verifier key
    Verify {
        file: PathBuf,
        /// name+hash+key, as `twig audit key` prints it
        #[arg(long)]
        key: String,
    },
    /// Remember the newest checkpoint, and cry out when history was changed
    Watch(Watch),
    /// Print the verifier key
    Key {
        /// Make a new key, which the old one hands over to
        #[arg(long)]
        rotate: bool,
    },
}

pub async fn audit(settings: &Settings, command: Audit, as_json: bool) -> Result<(), String> {
    match command {
        Audit::Export { file, org } => export(settings, &file, &org, as_json).await,
        Audit::Verify { file, key } => check(&file, &key, as_json),
        Audit::Watch(watch) => watch.run(settings, as_json).await,
        Audit::Key { rotate } => key(settings, rotate, as_json).await,
    }
}

async fn export(settings: &Settings, file: &Path, org: &str, as_json: bool) -> Result<(), String> {
    let node = open(settings).await?;
    let organization = org_id(&find_org(&node, org).await?)?;
    record(&node, organization, Exported::AuditLog, "ndjson").await?;
    node.projector.catch_up().await.map_err(|error| error.to_string())?;
    let notary = node.notary()?;
    let failed = |error: &dyn std::fmt::Display| format!("{} can't be written: {error}", file.display());
    let half = file.with_extension("half");
    let mut out = BufWriter::new(File::create(&half).map_err(|error| failed(&error))?);
    let bar = indicatif::ProgressBar::new_spinner();
    let done = notary.export(organization, |line| {
        bar.inc(1);
        out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n"))
    });
    let done = done.await.map_err(|error| error.to_string())?;
    out.into_inner().map_err(|error| failed(&error)).and_then(|file| file.sync_all().map_err(|error| failed(&error)))?;
    std::fs::rename(&half, file).map_err(|error| failed(&error))?;
    bar.finish_and_clear();
    let key = notary.verifier_key().map_err(|error| error.to_string())?.to_string();
    say(
        as_json,
        &json!({"file": file, "organization": organization, "events": done.events, "checkpoints": done.checkpoints, "verifierKey": key}),
        &format!("{} events with {} checkpoints are in {}; check them with --key {key}", done.events, done.checkpoints, file.display()),
    );
    Ok(())
}

/// Records that an operator has taken data out.
async fn record(node: &Node, organization: OrgId, what: Exported, format: &str) -> Result<(), String> {
    let export = Export { what, format: format.to_owned(), filters: std::collections::BTreeMap::new() };
    let (id, context): (EventId, CommandContext) = (new_id(node.clock.now()), context(organization));
    node.bus.execute::<Access>(id, vec![AccessCommand::RecordExport { export }], context).await.map(drop).map_err(|error| error.to_string())
}

/// Records in every organization's log that an operator takes everything out.
pub async fn record_backup(settings: &Settings, file: &Path) -> Result<(), String> {
    // What will be refused anyway is not recorded.
    if file.exists() || !settings.file("events.db").exists() {
        return Ok(());
    }
    let node = open(settings).await?;
    for organization in node.views.organizations().await.map_err(|error| error.to_string())? {
        record(&node, org_id(&organization)?, Exported::Backup, "sqlite").await?;
    }
    Ok(())
}

fn check(file: &Path, key: &str, as_json: bool) -> Result<(), String> {
    let key: VerifierKey = key.parse().map_err(|_| "--key is no verifier key; name+hash+key is needed, as `twig audit key` prints it".to_owned())?;
    let failed = |error: &dyn std::fmt::Display| format!("{} can't be checked: {error}", file.display());
    let mut reader = BufReader::with_capacity(1 << 20, File::open(file).map_err(|error| failed(&error))?);
    let log = reader.fill_buf().map_err(|error| failed(&error))?.starts_with(b"{\"twigAudit\"");
    if log {
        let report = verify(reader, &key).map_err(|error| failed(&error))?;
        return tell(&report, as_json);
    }
    let mut text = String::new();
    reader.read_to_string(&mut text).map_err(|error| failed(&error))?;
    let document: Value = serde_json::from_str(&text).map_err(|_| failed(&"it is neither an export nor a proof"))?;
    let wrong = verify_proof(&document, &key).map_err(|error| failed(&error))?;
    say(as_json, &json!({"valid": wrong.is_none(), "reason": wrong}), "the event is in the log");
    wrong.map_or(Ok(()), |reason| Err(format!("the proof is not valid: {reason}")))
}

/// What a check of a log came to, for people or programs; an error where something was found.
pub(super) fn tell(report: &Report, as_json: bool) -> Result<(), String> {
    let valid = report.findings.is_empty();
    let mut told = json!(report);
    told["valid"] = valid.into();
    let lines: Vec<String> = report.findings.iter().map(|finding| format!("position {}: {}", finding.position, finding.reason)).collect();
    let text = if valid {
        format!("{} events of {} are what was signed, by {} checkpoints", report.events, report.organization, report.checkpoints)
    } else {
        lines.join("\n")
    };
    say(as_json, &told, &text);
    if valid { Ok(()) } else { Err(format!("the audit log of {} is not what was signed", report.organization)) }
}

async fn key(settings: &Settings, rotate: bool, as_json: bool) -> Result<(), String> {
    let node = open(settings).await?;
    let notary = node.notary()?;
    if rotate {
        let (key, note) = notary.rotate().map_err(|error| error.to_string())?;
        say(as_json, &json!({"verifierKey": key.to_string(), "handOver": note}), &format!("{key}\n\n{note}"));
        return Ok(());
    }
    let key = notary.verifier_key().map_err(|error| error.to_string())?;
    let hand_overs = notary.hand_overs().map_err(|error| error.to_string())?;
    say(as_json, &json!({"verifierKey": key.to_string(), "handOvers": hand_overs}), &key.to_string());
    Ok(())
}
