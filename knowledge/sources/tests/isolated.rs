//! Extraction in a process of its own. This test is its own worker: started with `extract-worker` it is the child.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use bytes::Bytes;
use twig_sources::{ExtractError, ExtractLimits, extract, extract_isolated, extract_worker_main};

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("extract-worker") => std::process::exit(extract_worker_main()),
        // What `cargo test -- --list` wants to know.
        Some("--list") => return,
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let exe = std::env::current_exe().unwrap();
    runtime.block_on(async {
        a_child_answers_as_the_thread_does(&exe).await;
        a_child_that_wants_too_much_memory_is_an_error(&exe).await;
        a_child_that_takes_too_long_is_ended().await;
        a_child_that_cannot_be_started_is_an_error().await;
    });
    println!("isolated: 4 passed");
}

const PDF: &[u8] = include_bytes!("samples/one-page.pdf");

async fn a_child_answers_as_the_thread_does(exe: &Path) {
    let limits = ExtractLimits::default();
    let there = extract_isolated(Some(exe), "report.pdf", None, Bytes::from_static(PDF), &limits).await.unwrap();
    assert_eq!(there, extract("report.pdf", None, PDF, &limits).unwrap());
    assert_eq!(there, extract_isolated(None, "report.pdf", None, Bytes::from_static(PDF), &limits).await.unwrap());
    let broken = extract_isolated(Some(exe), "broken.docx", None, Bytes::from_static(b"PK\x03\x04 no archive"), &limits).await.unwrap_err();
    assert_eq!(broken.to_string(), "the file could not be read: it is damaged or no Word document");
}

async fn a_child_that_wants_too_much_memory_is_an_error(exe: &Path) {
    let limits = ExtractLimits { memory_bytes: 100 * 1024 * 1024, ..ExtractLimits::default() };
    let mut large = PDF.to_vec();
    large.resize(120 * 1024 * 1024, b' ');
    let error = extract_isolated(Some(exe), "large.pdf", None, large.into(), &limits).await.unwrap_err();
    assert!(matches!(error, ExtractError::Failed(_)), "{error}");
}

async fn a_child_that_takes_too_long_is_ended() {
    let limits = ExtractLimits { wall_s: 1, ..ExtractLimits::default() };
    // A program that takes the word "extract-worker" and never answers: `tail -f` of itself would do; `sleep` refuses the word and ends at once, which is the other way to give no answer.
    let error = extract_isolated(Some(Path::new("/bin/sleep")), "report.pdf", None, Bytes::from_static(PDF), &limits).await.unwrap_err();
    assert!(matches!(error, ExtractError::Failed(_)), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let stuck: PathBuf = folder.path().join("stuck");
    std::fs::write(&stuck, "#!/bin/sh\nexec /bin/sleep 600\n").unwrap();
    std::fs::set_permissions(&stuck, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let error = extract_isolated(Some(&stuck), "report.pdf", None, Bytes::from_static(PDF), &limits).await.unwrap_err();
    assert_eq!(error.to_string(), "the file could not be read: reading it takes longer than 1 seconds");
}

async fn a_child_that_cannot_be_started_is_an_error() {
    let error =
        extract_isolated(Some(Path::new("/nonexistent/twig")), "report.pdf", None, Bytes::from_static(PDF), &ExtractLimits::default()).await.unwrap_err();
    assert!(matches!(error, ExtractError::Failed(_)), "{error}");
}
