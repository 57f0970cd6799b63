//! The order of the crates (DESIGN §2): one may use those on its left, never those on its right.

use std::process::Command;

use serde_json::Value;

/// From left to right. `knowledge`'s parts stand before it and know of nothing but `domain`.
const ORDER: [&str; 10] = [
    "twig-domain",
    "twig-commands",
    "twig-projections",
    "twig-sources",
    "twig-retrieval",
    "twig-generation",
    "twig-knowledge",
    "twig-workers",
    "twig-api",
    "twig",
];
const NO_IO: [&str; 9] = ["tokio", "actix-web", "rusqlite", "sqlx", "reqwest", "rand", "moka", "hyper", "object_store"];

fn crates() -> Vec<(String, Vec<String>)> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let out = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(std::env::var("CARGO_MANIFEST_DIR").unwrap())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let metadata: Value = serde_json::from_slice(&out.stdout).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let used = |package: &Value| package["dependencies"].as_array().unwrap().iter().filter(|used| used["kind"].is_null()).map(name).collect();
    metadata["packages"].as_array().unwrap().iter().map(|package| (name(package), used(package))).collect()
}

#[test]
fn no_crate_uses_one_on_its_right() {
    let place = |name: &str| ORDER.iter().position(|known| *known == name);
    let crates = crates();
    for (name, used) in crates.iter().filter(|(name, _)| !name.starts_with("twig-test") && name != "twig-bench") {
        let own = place(name).unwrap_or_else(|| panic!("{name} has no place in the order: give it one"));
        for used in used.iter().filter(|used| used.starts_with("twig")) {
            assert!(place(used).is_some_and(|of| of < own), "{name} uses {used}, which is not on its left");
        }
    }
    for known in ORDER {
        assert!(crates.iter().any(|(name, _)| name == known), "{known} is gone: take it out of the order");
    }
}

#[test]
fn the_domain_does_no_io() {
    let crates = crates();
    let (_, used) = crates.iter().find(|(name, _)| name == "twig-domain").unwrap();
    let doing: Vec<_> = used.iter().filter(|used| NO_IO.contains(&used.as_str())).collect();
    assert!(doing.is_empty(), "{doing:?}");
}
