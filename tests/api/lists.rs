//! Lists by cursor, whatever the page size and whatever is added meanwhile.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};
use twig_tests::{Api, Server};

use crate::start;

/// Each case is a walk through a list over HTTP.
const CASES: u32 = 16;

fn add(server: &Server, api: &Api) -> String {
    api.ok(server, "POST", "/api/agents", Some(&json!({"name": "a"})), 201)["id"].as_str().unwrap().to_owned()
}

fn page(server: &Server, api: &Api, query: &str) -> (Vec<String>, Value) {
    let page: Value = api.request(server, "GET", &format!("/api/agents?{query}"), None).json().unwrap();
    let rows = page["data"].as_array().unwrap_or_else(|| panic!("{query}: {page}"));
    (rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect(), page["pagination"].clone())
}

#[test]
fn a_walk_by_cursor_meets_what_was_there_exactly_once_and_in_order() {
    let (_folder, server, _) = start();
    let mut runner = TestRunner::new(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() });
    // Rows at the start, and for every page its size and the rows that are added after it.
    let walks = (0..12_usize, vec((1..6_u32, 0..3_usize), 1..8));
    let walk = |(rows, steps): (usize, Vec<(u32, usize)>)| {
        let api = server.organization("walk");
        let mut there: Vec<String> = (0..rows).map(|_| add(&server, &api)).collect();
        there.reverse();
        let (mut met, mut cursor, mut total) = (Vec::new(), String::new(), rows);
        for (limit, added) in steps.into_iter().cycle() {
            let (rows, pagination) = page(&server, &api, &format!("limit={limit}{cursor}"));
            prop_assert!(rows.len() <= limit as usize);
            prop_assert_eq!(&pagination["total"], &json!(total));
            prop_assert_eq!(&pagination["hasMore"], &json!(pagination["nextCursor"].is_string()));
            met.extend(rows);
            for _ in 0..added {
                add(&server, &api);
                total += 1;
            }
            match pagination["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        prop_assert_eq!(met, there);
        Ok(())
    };
    runner.run(&walks, walk).unwrap();
}

#[test]
fn a_cursor_that_was_tampered_with_never_breaks_a_list() {
    let (_folder, server, api) = start();
    let known: BTreeSet<String> = (0..5).map(|_| add(&server, &api)).collect();
    let (_, pagination) = page(&server, &api, "limit=2");
    let cursor = pagination["nextCursor"].as_str().unwrap().to_owned();
    let mut runner = TestRunner::new(ProptestConfig { cases: CASES * 4, failure_persistence: None, ..ProptestConfig::default() });
    runner
        .run(&(0..cursor.len(), "[A-Za-z0-9_%-]{0,3}", 0..3_usize), |(at, put, cut)| {
            let tampered = format!("{}{put}{}", &cursor[..at], &cursor[(at + cut).min(cursor.len())..]).replace('%', "%25");
            let answer = api.request(&server, "GET", &format!("/api/agents?limit=2&cursor={tampered}"), None);
            let status = answer.status().as_u16();
            let body: Value = answer.json().unwrap();
            prop_assert!(status == 400 || status == 200, "{}: {}", tampered, body);
            for row in body["data"].as_array().into_iter().flatten() {
                prop_assert!(known.contains(row["id"].as_str().unwrap()));
            }
            Ok(())
        })
        .unwrap();
    let stranger = server.organization("stranger");
    assert!(page(&server, &stranger, &format!("limit=2&cursor={cursor}")).0.is_empty(), "a cursor shows nothing of another organization");
}
