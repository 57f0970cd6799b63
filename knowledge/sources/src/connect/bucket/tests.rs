//! Folders of this machine, and a small server that speaks as much of S3 as a listing and a download need.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    os::unix::fs::symlink,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

use super::super::{Found, Source};
use crate::{FetchError, Filters, NetworkPolicy, SourceKind, SourceSettings};

async fn read(config: Value, settings: &SourceSettings) -> (Vec<(String, String)>, Result<(), FetchError>) {
    crate::validate_config(SourceKind::Bucket, &config, settings).unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let source = Source { kind: SourceKind::Bucket, config, uploads: Vec::new(), filters: Filters::default() };
    let (out, mut found) = mpsc::channel(1);
    let collect = async {
        let mut all = Vec::new();
        while let Some(one) = found.recv().await {
            match one {
                Found::Document(document) => all.push((document.key, String::from_utf8(document.bytes.to_vec()).unwrap())),
                Found::Failed { url, message } => all.push((url, message)),
                Found::Seen(_) => {}
            }
        }
        all
    };
    let policy = Arc::new(NetworkPolicy::new(settings.allow_networks.clone()));
    let (done, all) = tokio::join!(crate::fetch(&source, settings, policy, CancellationToken::new(), out), collect);
    (all, done)
}

fn pair(key: &str, text: &str) -> (String, String) {
    (key.to_owned(), text.to_owned())
}

#[tokio::test]
async fn a_folder_is_read_in_order_and_never_left() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let at = |path: &str| root.path().join(path);
    std::fs::create_dir_all(at("sub/.git")).unwrap();
    std::fs::write(at("b.txt"), "two").unwrap();
    std::fs::write(at("sub/a.txt"), "three").unwrap();
    std::fs::write(at("a.md"), "one").unwrap();
    std::fs::write(at("big.txt"), "x".repeat(2000)).unwrap();
    std::fs::write(at("sub/.git/config"), "hidden").unwrap();
    std::fs::write(at("picture.png"), "x").unwrap();
    std::fs::write(outside.path().join("secret.txt"), "secret").unwrap();
    symlink(outside.path().join("secret.txt"), at("leak.txt")).unwrap();
    symlink(outside.path(), at("leaks")).unwrap();
    symlink(at("b.txt"), at("z-inside.txt")).unwrap();
    let settings = SourceSettings { bucket_roots: vec![root.path().to_owned()], max_document_bytes: 1024, ..SourceSettings::default() };
    let base = format!("file://{}", root.path().display());
    let (found, done) = read(json!({"url": base}), &settings).await;
    done.unwrap();
    assert_eq!(
        found,
        [
            pair("a.md", "one"),
            pair("b.txt", "two"),
            pair(&format!("{base}/big.txt"), "larger than 1024 bytes"),
            pair(&format!("{base}/leak.txt"), "is a link that leads out of the folder"),
            pair(&format!("{base}/picture.png"), "files of this kind hold no text that can be read"),
            pair("sub/a.txt", "three"),
            pair("z-inside.txt", "two"),
        ]
    );
    let (found, _) = read(json!({"url": base, "prefix": "sub/"}), &settings).await;
    assert_eq!(found, [pair("sub/a.txt", "three")]);
    let (found, _) = read(json!({"url": base, "include": ["*.md"]}), &settings).await;
    assert_eq!(found, [pair("a.md", "one")]);
}

/// Lists three objects and serves them; answers 403 to a request that is not signed. Returns its endpoint and the requests it saw.
async fn s3() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap_or(b'\n'));
                }
                let head = String::from_utf8(head).unwrap();
                let target = head.split(' ').nth(1).unwrap().to_owned();
                log.lock().unwrap().push(target.clone());
                let object = |key: &str, size: usize| {
                    format!("<Contents><Key>{key}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified><ETag>\"e\"</ETag><Size>{size}</Size></Contents>")
                };
                let (status, body) = if !head.to_lowercase().contains("authorization: aws4-hmac-sha256") {
                    (403, String::new())
                } else if target.contains("list-type=2") {
                    let objects = [object("docs/a.txt", 3), object("docs/big.txt", 5000), object("docs/gone.txt", 4), object("docs-old/x.txt", 1)].concat();
                    (200, format!("<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated>{objects}</ListBucketResult>"))
                } else if target == "/b/docs/a.txt" {
                    (200, "one".to_owned())
                } else {
                    (404, "<Error><Code>NoSuchKey</Code></Error>".to_owned())
                };
                let answer = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nlast-modified: Mon, 01 Jan 2024 00:00:00 GMT\r\netag: \"e\"\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    (endpoint, seen)
}

fn local_settings() -> SourceSettings {
    SourceSettings { allow_networks: vec!["127.0.0.0/8".parse().unwrap()], max_document_bytes: 1024, ..SourceSettings::default() }
}

#[tokio::test]
async fn a_bucket_is_read_with_its_keys() {
    let (endpoint, _) = s3().await;
    let config = json!({"url": "s3://b/", "prefix": "docs/", "endpoint": endpoint, "accessKeyId": "AKIA", "secretAccessKey": "secret"});
    let (found, done) = read(config, &local_settings()).await;
    done.unwrap();
    assert_eq!(
        found,
        [
            pair("docs/a.txt", "one"),
            pair("s3://b/docs/big.txt", "larger than 1024 bytes"),
            pair("s3://b/docs/gone.txt", "could not be loaded: there is none of this name")
        ]
    );
}

#[tokio::test]
async fn a_bucket_that_cannot_be_listed_fails_the_source_in_plain_words() {
    let (endpoint, _) = s3().await;
    let (found, done) = read(json!({"url": "s3://b/", "endpoint": endpoint}), &local_settings()).await;
    assert!(found.is_empty());
    assert_eq!(done.unwrap_err().to_string(), "the bucket cannot be listed: access is denied; check the keys and what they may read");
}

#[tokio::test]
async fn an_endpoint_whose_name_is_private_is_refused_where_it_is_dialled() {
    let (_, done) =
        read(json!({"url": "s3://b/", "endpoint": "http://localhost:9", "accessKeyId": "A", "secretAccessKey": "s"}), &SourceSettings::default()).await;
    let message = done.unwrap_err().to_string();
    assert!(message.starts_with("the bucket cannot be listed") && !message.contains("localhost"), "{message}");
}
