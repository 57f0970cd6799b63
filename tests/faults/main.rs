//! What goes wrong: kills at random moments, kills in each stage of a run, broken documents, damaged and full data folders.
#![expect(clippy::unwrap_used, reason = "tests")]

mod doctor;
mod documents;
mod kills;
mod loops;
mod stages;

use twig_tests::{Api, Server};

fn start(arguments: &[&str]) -> (tempfile::TempDir, Server, Api) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), arguments);
    let api = server.organization("faults");
    (folder, server, api)
}
