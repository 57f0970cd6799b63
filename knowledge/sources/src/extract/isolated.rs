//! The parent's side: risky formats in a process of their own, the others in a thread. The invariants: no parser outlives its time or takes more memory than its limit; whatever becomes of
//! the child, the parent has an answer.

use std::{path::Path, process::Stdio, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};

use super::{
    ExtractError, ExtractLimits, Extraction,
    detect::detect,
    extract,
    worker::{Answer, Header, SUBCOMMAND},
};

/// From this size on even a format with a parser of our own is read in the child: what it is turned into may be many times as large.
const LARGE_BYTES: usize = 4 * 1024 * 1024;
/// JSON may spell a byte of text in six.
const ANSWER_BYTES_PER_TEXT_BYTE: u64 = 6;
const ANSWER_SPARE_BYTES: u64 = 1024 * 1024;

/// As [`extract`], off the async threads; pdf, docx, pptx, xlsx and whatever is large in a child of `exe` (the binary whose `main` calls [`super::extract_worker_main`]) where there is one.
///
/// # Errors
/// As [`extract`]; a parser that panics, hangs, dies or wants too much memory is [`ExtractError::Failed`].
pub async fn extract_isolated(
    exe: Option<&Path>,
    name: &str,
    media_type: Option<&str>,
    bytes: Bytes,
    limits: &ExtractLimits,
) -> Result<Extraction, ExtractError> {
    match exe {
        Some(exe) if !bytes.is_empty() && (bytes.len() > LARGE_BYTES || detect(name, media_type, &bytes).is_risky()) => {
            in_child(exe, name, media_type, &bytes, limits).await
        }
        _ => in_thread(name, media_type, bytes, limits).await,
    }
}

async fn in_thread(name: &str, media_type: Option<&str>, bytes: Bytes, limits: &ExtractLimits) -> Result<Extraction, ExtractError> {
    let (name, media_type, inner) = (name.to_owned(), media_type.map(str::to_owned), limits.clone());
    // A panic inside comes out as a JoinError.
    let work = tokio::task::spawn_blocking(move || extract(&name, media_type.as_deref(), &bytes, &inner));
    match tokio::time::timeout(limits.wall(), work).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(ExtractError::Failed("its content is not understood".to_owned())),
        Err(_) => Err(too_long(limits.wall())),
    }
}

async fn in_child(exe: &Path, name: &str, media_type: Option<&str>, bytes: &Bytes, limits: &ExtractLimits) -> Result<Extraction, ExtractError> {
    let mut child = spawn(exe)?;
    let header = Header { name: name.to_owned(), media_type: media_type.map(str::to_owned), limits: limits.clone(), bytes: bytes.len() as u64 };
    let answer = tokio::time::timeout(limits.wall(), converse(&mut child, &header, bytes)).await;
    if answer.is_err() {
        // By its handle, and waited for, so that nothing is left behind.
        let _ = child.kill().await;
        return Err(too_long(limits.wall()));
    }
    let status = tokio::time::timeout(Duration::from_secs(1), child.wait()).await;
    match answer {
        Ok(Some(answer)) => answer,
        _ => {
            tracing::debug!(?status, "a document's parser ended without an answer");
            let _ = child.kill().await;
            Err(ExtractError::Failed("reading it takes more memory or time than allowed, or it is damaged".to_owned()))
        }
    }
}

fn spawn(exe: &Path) -> Result<Child, ExtractError> {
    let mut command = Command::new(exe);
    // The environment holds keys; a parser fed by strangers gets none of it.
    command.arg(SUBCOMMAND).env_clear().current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    command.spawn().map_err(|error| {
        tracing::error!(%error, "the process that reads documents could not be started");
        ExtractError::Failed("the process that reads it could not be started".to_owned())
    })
}

/// Sends the file and reads the answer; `None` when the child gives none.
async fn converse(child: &mut Child, header: &Header, bytes: &Bytes) -> Option<Answer> {
    let (mut stdin, stdout) = (child.stdin.take()?, child.stdout.take()?);
    let head = serde_json::to_vec(header).ok()?;
    let length = u32::try_from(head.len()).ok()?.to_be_bytes();
    let send = async move {
        // A child that dies early breaks the pipe; that it gave no answer tells it.
        let _ = stdin.write_all(&length).await;
        let _ = stdin.write_all(&head).await;
        let _ = stdin.write_all(bytes).await;
        let _ = stdin.shutdown().await;
    };
    let limit_bytes = header.limits.max_text_bytes as u64 * ANSWER_BYTES_PER_TEXT_BYTE + ANSWER_SPARE_BYTES;
    let mut answer = Vec::new();
    let mut stdout = stdout.take(limit_bytes);
    let (_, read) = tokio::join!(send, stdout.read_to_end(&mut answer));
    read.ok()?;
    serde_json::from_slice(&answer).ok()
}

fn too_long(wall: Duration) -> ExtractError {
    ExtractError::Failed(format!("reading it takes longer than {} seconds", wall.as_secs()))
}
