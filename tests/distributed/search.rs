//! Indexes in PostgreSQL: one node makes one, every node searches it, and finds what an index in memory would find.

use serde_json::{Value, json};
use twig_tests::{Api, Server};

use crate::{cluster::Stores, node::Node};

/// More passages than each kind of search contributes (200).
const SECTIONS: usize = 700;
const SEARCH_TOP: usize = 8;
/// Of the queries, so many have the same results.
const SAME_SEARCHES: f64 = 0.95;

const THINGS: [&str; 12] =
    ["lighthouse", "penguin", "railway", "orchard", "harbour", "library", "glacier", "bakery", "observatory", "windmill", "vineyard", "museum"];
const DEEDS: [&str; 10] = ["repaired", "measured", "painted", "visited", "insured", "photographed", "inherited", "abandoned", "flooded", "rebuilt"];
const PLACES: [&str; 14] =
    ["Norway", "Lisbon", "Kyoto", "Tasmania", "Quebec", "Naples", "Iceland", "Bergen", "Dublin", "Cairo", "Lima", "Oslo", "Ghent", "Turin"];

#[test]
fn an_index_is_made_once_and_every_node_searches_it() {
    let Some(stores) = Stores::shared() else { return };
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("events_url = {0:?}\nviews_url = {0:?}\nembeddings = \"static\"\n", stores.postgres);
    std::fs::write(folder.path().join("twig.toml"), settings).unwrap();
    let (one, other) = (Server::start(folder.path(), &[]), Server::start(folder.path(), &[]));
    let in_memory = Server::start(folder.path(), &["--search-index", "local", "--role", "api"]);
    let api = one.organization("searched");
    let document: String = (0..SECTIONS).map(section).collect();
    let spec = json!({"name": "Places", "type": "text", "config": {"title": "Places", "content": document}});
    let spec = api.ok(&one, "POST", "/api/data-specs", Some(&spec), 201)["id"].as_str().unwrap().to_owned();
    assert_eq!(api.ended(&one, &spec, &api.process(&one, &spec))["status"], "succeeded");
    let node = Node::beside(folder, &stores, "not.used");
    let made = format!("SELECT count(*) FROM search_indexes WHERE data_spec = '{spec}'");
    assert_eq!(node.number(&made), 1);
    let passages = node.number(&format!("SELECT passages FROM search_indexes WHERE data_spec = '{spec}'"));
    let rows = |table: &str| node.number(&format!("SELECT count(*) FROM {table} JOIN search_indexes ON id = index_id WHERE data_spec = '{spec}'"));
    assert!(passages >= SECTIONS as i64 / 2 && rows("search_passages") == passages && rows("search_vectors") >= passages && rows("search_terms") > 40);
    assert!(node.number("SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '%hnsw%static%'") == 1, "vectors have an index");

    let queries = queries();
    let same = queries.iter().filter(|query| found(&api, &one, query) == found(&api, &in_memory, query)).count();
    println!("{same} of {} searches find the same in PostgreSQL as in memory", queries.len());
    assert!(same as f64 >= SAME_SEARCHES * queries.len() as f64, "{same} of {}", queries.len());
    assert!(queries.iter().all(|query| found(&api, &one, query) == found(&api, &other, query)));
    assert_eq!(node.number(&made), 1, "an index is made once");

    let others = one.organization("others");
    assert!(found(&others, &one, &queries[0]).is_empty(), "another organization's passages are not found");

    let before = found(&api, &other, &queries[0]);
    node.sql("DELETE FROM search_indexes");
    assert_eq!(found(&api, &other, &queries[0]), before, "an index that is lost is made again");
    assert_eq!(node.number(&made), 1);
}

/// A paragraph of its own, long enough to be a passage.
fn section(n: usize) -> String {
    let (thing, deed, place) = (THINGS[n % 12], DEEDS[(n / 12) % 10], PLACES[(n / 5) % 14]);
    let more = "The record was kept by hand in a bound ledger, and whoever wrote it down had walked there on foot in the rain. ".repeat(6);
    format!("## Record {n}\n\nThe {thing} near {place} was {deed} in the year {}, as entry {n} of the register says. {more}\n\n", 1600 + n % 400)
}

fn queries() -> Vec<String> {
    let question = |n: usize| match n % 4 {
        0 => format!("When was the {} near {} {}?", THINGS[n % 12], PLACES[n % 14], DEEDS[n % 10]),
        1 => format!("{} {}", PLACES[(n * 3) % 14], DEEDS[(n * 7) % 10]),
        2 => format!("entry {} of the register", n * 6),
        // Misspelt.
        _ => format!("the {}x in {}", THINGS[n % 12], PLACES[n % 14]),
    };
    (0..100).map(question).collect()
}

fn found(api: &Api, server: &Server, query: &str) -> Vec<String> {
    let found = api.ok(server, "POST", "/api/semantic-search", Some(&json!({"query": query, "topK": SEARCH_TOP})), 200);
    let chunk = |hit: &Value| hit["chunkId"].as_str().unwrap().to_owned();
    found["results"].as_array().unwrap().iter().map(chunk).collect()
}
