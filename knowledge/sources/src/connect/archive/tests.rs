#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;
use crate::{BlobReader, Filters, NetworkPolicy, Source, SourceKind, SourceSettings, Upload, extract::samples::zipped};

struct Blobs(Mutex<Vec<(String, Bytes)>>);

#[async_trait]
impl BlobReader for Blobs {
    async fn read(&self, content_sha256: &str) -> std::io::Result<Option<Bytes>> {
        Ok(self.0.lock().unwrap().iter().find(|(sha, _)| sha == content_sha256).map(|(_, bytes)| bytes.clone()))
    }
}

async fn upload(kind: SourceKind, settings: &SourceSettings, files: Vec<(&str, Vec<u8>)>) -> Vec<Found> {
    let reader = Arc::new(Blobs(Mutex::new(files.iter().map(|(name, bytes)| (format!("sha-{name}"), Bytes::from(bytes.clone()))).collect())));
    let uploads = files.iter().map(|(name, _)| Upload {
        id: format!("doc-{name}"),
        name: (*name).to_owned(),
        media_type: None,
        content_sha256: format!("sha-{name}"),
        reader: reader.clone(),
    });
    let source = Source { kind, config: json!({}), uploads: uploads.collect(), filters: Filters::default() };
    let (out, mut found) = mpsc::channel(1);
    let collect = async {
        let mut all = Vec::new();
        while let Some(one) = found.recv().await {
            if !matches!(one, Found::Seen(_)) {
                all.push(one);
            }
        }
        all
    };
    let (done, all) = tokio::join!(crate::fetch(&source, settings, Arc::new(NetworkPolicy::default()), CancellationToken::new(), out), collect);
    done.unwrap();
    all
}

async fn zip(bytes: Vec<u8>) -> Vec<Found> {
    upload(SourceKind::File, &SourceSettings::default(), vec![("files.zip", bytes)]).await
}

fn failure(found: &Found) -> (&str, &str) {
    match found {
        Found::Failed { url, message } => (url, message),
        other => panic!("no failure: {other:?}"),
    }
}

fn zeros(mebibytes: usize) -> Vec<u8> {
    let mut out = ZipWriter::new(Cursor::new(Vec::new()));
    out.start_file("bomb.txt", SimpleFileOptions::default()).unwrap();
    for _ in 0..mebibytes {
        out.write_all(&[0; 1 << 20]).unwrap();
    }
    out.finish().unwrap().into_inner()
}

#[tokio::test]
async fn each_member_is_a_document_of_its_own() {
    let found = zip(zipped(&[("a.txt", b"one".as_slice()), ("sub/b.md", b"# two"), ("__MACOSX/a.txt", b"x"), ("sub/.DS_Store", b"x")])).await;
    let documents: Vec<_> = found
        .iter()
        .map(|one| if let Found::Document(document) = one { (document.key.as_str(), document.name.as_str(), document.url.as_str()) } else { panic!("{one:?}") })
        .collect();
    assert_eq!(documents, [("doc-files.zip!/a.txt", "a.txt", "files.zip/a.txt"), ("doc-files.zip!/sub/b.md", "b.md", "files.zip/sub/b.md")]);
}

#[tokio::test]
async fn a_path_that_leads_outside_refuses_the_archive() {
    for name in ["../../../../twig-escaped.txt", "/twig-absolute.txt", "a/../../b.txt", "..\\..\\b.txt", "C:\\b.txt"] {
        let found = zip(zipped(&[("good.txt", b"fine".as_slice()), (name, b"secret")])).await;
        assert_eq!(found.len(), 1, "{name}");
        let (url, message) = failure(&found[0]);
        assert!(url == "files.zip" && message.contains("unsafe path"), "{url}: {message}");
    }
}

#[tokio::test]
async fn a_bomb_is_named_and_not_unpacked() {
    let found = zip(zeros(60)).await;
    assert_eq!(failure(&found[0]), ("files.zip/bomb.txt", "expands to more than 50 MiB"));
    let found = zip(zeros(40)).await;
    assert_eq!(failure(&found[0]), ("files.zip/bomb.txt", "expands to more than 200 times its size"));
}

#[tokio::test]
async fn a_size_that_lies_is_found_out_while_unpacking() {
    let mut bytes = zeros(60);
    // The size stands in the directory, 24 bytes into the member's entry.
    let at = bytes.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap() + 24;
    bytes[at..at + 4].copy_from_slice(&1000u32.to_le_bytes());
    let found = zip(bytes).await;
    assert_eq!(found.len(), 1);
    assert_eq!(failure(&found[0]).0, "files.zip/bomb.txt");
}

#[tokio::test]
async fn all_members_together_are_bounded() {
    let settings = SourceSettings { max_archive_bytes: 1000, max_archive_members: 5, ..SourceSettings::default() };
    let members: Vec<(String, Vec<u8>)> = (0..5).map(|n| (format!("{n}.txt"), vec![b'a' + n; 400])).collect();
    let members: Vec<(&str, &[u8])> = members.iter().map(|(name, body)| (name.as_str(), body.as_slice())).collect();
    let found = upload(SourceKind::File, &settings, vec![("files.zip", zipped(&members))]).await;
    assert_eq!(found.iter().filter(|one| matches!(one, Found::Document(_))).count(), 2);
    assert!(failure(found.last().unwrap()).1.contains("expands to more than 1000 bytes"));
    let members: Vec<(String, &[u8])> = (0..6).map(|n| (format!("{n}.txt"), b"x".as_slice())).collect();
    let members: Vec<(&str, &[u8])> = members.iter().map(|(name, body)| (name.as_str(), *body)).collect();
    let found = upload(SourceKind::File, &settings, vec![("files.zip", zipped(&members))]).await;
    assert_eq!(failure(&found[0]), ("files.zip", "the archive has more than 5 members"));
}

#[tokio::test]
async fn what_is_no_archive_or_holds_one_is_named() {
    assert_eq!(failure(&zip(b"PK\x03\x04 this is no archive".to_vec()).await[0]), ("files.zip", UNREADABLE));
    assert_eq!(failure(&zip(Vec::new()).await[0]), ("files.zip", "the file is empty"));
    let inner = zipped(&[("x.txt", b"x")]);
    let found = zip(zipped(&[("inner.zip", &inner), ("hidden.dat", &inner), ("ok.txt", b"ok".as_slice())])).await;
    assert_eq!(failure(&found[0]).0, "files.zip/inner.zip");
    assert!(failure(&found[1]).1.contains("archive inside an archive"));
    assert!(matches!(&found[2], Found::Document(document) if document.name == "ok.txt"));
}

#[tokio::test]
async fn a_word_document_is_no_archive() {
    let found = upload(
        SourceKind::File,
        &SourceSettings::default(),
        vec![("policy.docx", crate::extract::samples::docx("H", "T")), ("nameless", crate::extract::samples::docx("H", "T"))],
    )
    .await;
    assert!(found.iter().all(|one| matches!(one, Found::Document(_))), "{found:?}");
}

#[tokio::test]
async fn a_question_list_comes_as_sections_and_a_wrong_one_is_named() {
    let found = upload(
        SourceKind::QnaCsv,
        &SourceSettings::default(),
        vec![("faq.csv", b"Question,Answer\nWhy?,Because.\n".to_vec()), ("bad.csv", b"a,b\n1,2\n".to_vec())],
    )
    .await;
    assert!(matches!(&found[0], Found::Document(document) if document.bytes == "### Why?\n\nBecause.\n" && document.url == "faq.csv"));
    assert_eq!(failure(&found[1]), ("bad.csv", "the columns Question and Answer are missing"));
}

#[tokio::test]
async fn nobody_reading_ends_the_fetch() {
    let source = Source { kind: SourceKind::Text, config: json!({"title": "T", "content": "C"}), uploads: Vec::new(), filters: Filters::default() };
    let (out, found) = mpsc::channel(1);
    drop(found);
    let done = crate::fetch(&source, &SourceSettings::default(), Arc::new(NetworkPolicy::default()), CancellationToken::new(), out).await;
    assert!(matches!(done, Err(FetchError::Canceled)));
}
