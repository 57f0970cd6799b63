//! README's first command on a folder of five formats, and what its agent then answers.

use std::path::Path;

use serde_json::{Value, json};
use twig_tests::{Api, Server, eventually};

/// Questions that one document each answers.
const QUESTIONS: [(&str, &str, &str, &str); 5] = [
    ("In what year was the lighthouse at Cape Orrin first lit?", "lighthouse.pdf#page=1", "The lighthouse at Cape Orrin", "1887"),
    ("How many weeks of parental leave may a new parent take?", "leave-policy.docx", "Parental leave", "twenty-six weeks"),
    ("At what temperature is the sourdough loaf baked?", "sourdough.html", "Baking sourdough bread", "245 degrees"),
    ("How long are nightly database backups kept?", "backups.md", "Database backups", "ninety days"),
    ("Who discovered the moon Triton?", "moons.csv", "moons.csv", "William Lassell"),
];

/// The word after the last place where a text is found.
fn after<'a>(text: &'a str, before: &str, end: char) -> &'a str {
    text.rsplit_once(before).unwrap().1.split(end).next().unwrap()
}

#[test]
fn a_folder_is_asked_within_one_command() {
    let folder = tempfile::tempdir().unwrap();
    let library = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("fixtures/library");
    let server = Server::run(&folder.path().join("data"), &["quickstart", library.to_str().unwrap(), "--question", "How far can the lighthouse be seen?"]);
    let printed = eventually(|| Some(server.printed()).filter(|text| text.contains("Serving at")));
    assert!(printed.contains("nineteen nautical miles") && printed.contains("(lighthouse.pdf#page=1)"), "{printed}");
    // What the printed curl line says is all that is needed.
    assert!(printed.contains(&format!("curl -s {}/api/chat", server.url)), "{printed}");
    let (key, agent) = (after(&printed, "Bearer ", '\''), after(&printed, "\"agentId\": \"", '"'));
    let api = Api { key: key.to_owned(), ..server.organization("another") };
    let ask = |question: &str| api.ok(&server, "POST", "/api/chat", Some(&json!({"agentId": agent, "prompt": question})), 200);

    for (question, url, title, fact) in QUESTIONS {
        let answer = ask(question);
        let first = &answer["sources"][0];
        assert_eq!((&answer["answered"], &first["documentUrl"], &first["documentTitle"]), (&json!(true), &json!(url), &json!(title)), "{question}: {answer}");
        assert!(answer["response"].as_str().unwrap().contains(fact), "{question}: {}", answer["response"]);
        let cites = |source: &Value| source["snippet"].as_str().is_some_and(|snippet| snippet.contains(fact));
        assert!(answer["sources"].as_array().unwrap().iter().any(cites), "{question}: {answer}");
    }
    for question in ["Who won the chess tournament in Reykjavik?", "Which tyre pressure does the delivery van need?"] {
        let answer = ask(question);
        assert_eq!((&answer["answered"], &answer["sources"]), (&json!(false), &json!([])), "{question}: {answer}");
    }
    // The answers are recorded: the first question's, and these.
    let recorded: Value = api.request(&server, "GET", "/api/interactions", None).json().unwrap();
    assert_eq!(recorded["pagination"]["total"], QUESTIONS.len() + 3);
}

#[test]
fn a_folder_without_a_question_is_asked_one_that_it_answers() {
    let folder = tempfile::tempdir().unwrap();
    let library = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("fixtures/library");
    let mut server = Server::run(&folder.path().join("data"), &["quickstart", library.to_str().unwrap()]);
    let printed = eventually(|| Some(server.printed()).filter(|text| text.contains("Serving at")));
    assert!(printed.contains("  [1] "), "it is shown with its sources: {printed}");
    assert_eq!(server.stop(), 0);
}
