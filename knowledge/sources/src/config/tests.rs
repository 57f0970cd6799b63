#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::*;

fn pointers(kind: SourceKind, config: &Value) -> Vec<String> {
    let settings = SourceSettings::default();
    validate_config(kind, config, &settings).err().unwrap_or_default().into_iter().map(|error| error.pointer).collect()
}

#[test]
fn a_kind_reads_back_as_it_is_written() {
    for kind in SourceKind::ALL {
        assert_eq!(kind.to_string().parse::<SourceKind>().unwrap(), kind);
        assert_eq!(serde_json::to_value(kind).unwrap(), json!(kind.as_str()));
    }
    assert!("carrier-pigeon".parse::<SourceKind>().is_err());
}

#[test]
fn every_offending_field_is_named_at_once() {
    assert_eq!(pointers(SourceKind::Text, &json!({"title": "t", "contnet": "c"})), ["/content", "/contnet"]);
    assert_eq!(pointers(SourceKind::Text, &json!({"title": "", "content": 7})), ["/content", "/title"]);
    assert_eq!(pointers(SourceKind::Text, &json!({"title": "x".repeat(301), "content": " "})), ["/content", "/title"]);
    assert_eq!(
        pointers(
            SourceKind::Website,
            &json!({"url": "ftp://a.example/", "maxDepth": -1, "maxPages": 0, "requestsPerSecond": 0, "include": "x", "exclude": [1]})
        ),
        ["/exclude/0", "/include", "/maxDepth", "/maxPages", "/requestsPerSecond", "/url"]
    );
    assert_eq!(pointers(SourceKind::Text, &json!("x")), [""]);
    assert_eq!(pointers(SourceKind::File, &json!({"a/b": 1})), ["/a~1b"]);
}

#[test]
fn what_is_right_passes() {
    let right = [
        (SourceKind::Text, json!({"title": "T", "content": "C"})),
        (SourceKind::File, json!({})),
        (SourceKind::File, Value::Null),
        (
            SourceKind::Website,
            json!({"url": "https://docs.example.com/", "maxDepth": 0, "maxPages": 1, "include": ["/docs/*"], "exclude": [], "requestsPerSecond": 0.5}),
        ),
        (SourceKind::Sitemap, json!({"url": "https://docs.example.com/sitemap.xml"})),
        (SourceKind::QnaCsv, json!({})),
        (SourceKind::Csv, json!({"url": "https://docs.example.com/a.csv"})),
        (SourceKind::Bucket, json!({"url": "s3://b/", "prefix": "docs/", "accessKeyId": "AKIA", "secretAccessKey": "s"})),
        (SourceKind::Bucket, json!({"url": "gs://b/some/path"})),
    ];
    for (kind, config) in right {
        assert_eq!(pointers(kind, &config), Vec::<String>::new(), "{kind} {config}");
    }
}

#[test]
fn an_address_that_is_not_public_is_refused_in_whatever_form() {
    for url in [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://169.254.169.254/latest/",
        "http://[fd00:ec2::254]/",
        "https://10.1.2.3:8443/",
        "http://0/",
        "http://user:pass@example.com/",
        "file:///etc/passwd",
        "not a url",
        "http://",
    ] {
        assert_eq!(pointers(SourceKind::Website, &json!({"url": url})), ["/url"], "{url}");
        assert_eq!(pointers(SourceKind::Bucket, &json!({"url": "s3://b/", "endpoint": url})), ["/endpoint"], "{url}");
    }
}

#[test]
fn an_allowed_network_may_be_named() {
    let settings = SourceSettings { allow_networks: vec!["127.0.0.0/8".parse().unwrap()], ..SourceSettings::default() };
    validate_config(SourceKind::Website, &json!({"url": "http://127.0.0.1:8080/"}), &settings).unwrap();
    validate_config(SourceKind::Website, &json!({"url": "http://10.0.0.1/"}), &settings).unwrap_err();
}

#[test]
fn a_file_bucket_is_taken_only_under_a_root() {
    let outside = tempfile::tempdir().unwrap();
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("in/deep")).unwrap();
    std::os::unix::fs::symlink(outside.path(), root.path().join("link")).unwrap();
    let settings = SourceSettings { bucket_roots: vec![root.path().to_owned()], ..SourceSettings::default() };
    let try_path = |path: String| validate_config(SourceKind::Bucket, &json!({"url": format!("file://{path}")}), &settings);
    let base = root.path().display();
    try_path(format!("{base}/")).unwrap();
    try_path(format!("{base}/in/deep")).unwrap();
    for bad in [
        format!("{base}/.."),
        format!("{base}/in/../../"),
        format!("{base}/%2e%2e/"),
        format!("{base}/link"),
        format!("{base}/missing"),
        "/etc".to_owned(),
        "host/etc".to_owned(),
    ] {
        assert_eq!(try_path(bad.clone()).unwrap_err()[0].pointer, "/url", "{bad}");
    }
    assert_eq!(pointers(SourceKind::Bucket, &json!({"url": format!("file://{base}/")})), ["/url"]);
}

#[test]
fn secrets_of_a_bucket_are_write_only() {
    assert!(secret_fields(SourceKind::Bucket).contains(&"secretAccessKey"));
    assert!(secret_fields(SourceKind::Website).is_empty());
}
