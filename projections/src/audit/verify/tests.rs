//! What the verifier takes, and each way of tampering that it refuses.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::*;
use crate::audit::{
    merkle::{inclusion, node_hash, root},
    note::NoteSigner,
};

const ORGANIZATION: &str = "org_00000000000000000000000001";
const CHECKPOINT_EVERY: u64 = 4;

fn signer() -> NoteSigner {
    NoteSigner::new("twig.test", &[1; 32])
}

fn origin() -> String {
    format!("twig.test/{ORGANIZATION}")
}

fn event(position: u64) -> Value {
    let mut event =
        json!({"id": format!("evt_{position}"), "position": position, "action": "agent.created", "changes": [{"path": "/t", "from": null, "to": 0.7}]});
    event["hash"] = STANDARD.encode(leaf(&event)).into();
    event
}

fn positions() -> Vec<u64> {
    (0..10).map(|n| 1 + n * 3).collect()
}

fn checkpoint(tree: &Frontier, signer: &NoteSigner) -> Value {
    json!({"checkpoint": Checkpoint { origin: origin(), size: tree.size(), root: tree.root() }.sign(signer)})
}

fn header(hand_overs: &[String]) -> Value {
    json!(Header {
        twig_audit: FORM,
        organization: ORGANIZATION.into(),
        origin: origin(),
        verifier_key: signer().verifier.to_string(),
        hand_overs: hand_overs.to_vec()
    })
}

/// Ten events with a checkpoint after every fourth and at the end.
fn export() -> Vec<Value> {
    let (mut lines, mut tree) = (vec![header(&[])], Frontier::default());
    for position in positions() {
        let event = event(position);
        tree.push(STANDARD.decode(event["hash"].as_str().unwrap()).unwrap().try_into().unwrap());
        lines.push(event);
        if tree.size().is_multiple_of(CHECKPOINT_EVERY) {
            lines.push(checkpoint(&tree, &signer()));
        }
    }
    lines.push(checkpoint(&tree, &signer()));
    lines
}

fn checked(lines: &[Value]) -> Report {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    verify(text.as_bytes(), &signer().verifier).unwrap()
}

fn refused(lines: &[Value], reason: &str) -> Finding {
    let report = checked(lines);
    let found = report.findings.iter().find(|finding| finding.reason.contains(reason));
    found.cloned().unwrap_or_else(|| panic!("{reason} is not in {:?}", report.findings))
}

/// The line of the event at a position.
fn line_of(lines: &[Value], position: u64) -> usize {
    lines.iter().position(|line| line["position"] == position).unwrap()
}

#[test]
fn a_whole_export_is_accepted() {
    let report = checked(&export());
    assert_eq!((report.findings.len(), report.events, report.checkpoints), (0, 10, 3), "{:?}", report.findings);
}

#[test]
fn a_changed_event_is_named_by_its_position() {
    let mut lines = export();
    let at = line_of(&lines, 13);
    lines[at]["action"] = "agent.created ".into();
    assert_eq!(refused(&lines, "was changed").position, 13);
}

#[test]
fn a_changed_event_whose_hash_was_made_to_fit_is_refused_and_narrowed_down() {
    let mut lines = export();
    let at = line_of(&lines, 16);
    lines[at]["action"] = "agent.deleted".into();
    lines[at].as_object_mut().unwrap().remove("hash");
    lines[at]["hash"] = STANDARD.encode(leaf(&lines[at])).into();
    assert!(refused(&lines, "do not come to the checkpoint's root").reason.contains("between positions 10 and 22"));
}

#[test]
fn a_dropped_event_is_refused() {
    let mut lines = export();
    let at = line_of(&lines, 16);
    lines.remove(at);
    refused(&lines, "7 events stand before the checkpoint of 8");
}

#[test]
fn an_added_event_is_refused() {
    let mut lines = export();
    let at = line_of(&lines, 16);
    lines.insert(at, event(15));
    refused(&lines, "9 events stand before the checkpoint of 8");
}

#[test]
fn events_out_of_order_are_refused() {
    let mut lines = export();
    let at = line_of(&lines, 16);
    lines.swap(at, at + 1);
    assert_eq!(refused(&lines, "reordered").position, 19);
    refused(&lines, "do not come to the checkpoint's root");
}

#[test]
fn a_file_that_was_cut_off_is_refused() {
    let lines = export();
    for cut in [lines.len() - 1, lines.len() - 2, 3, 1] {
        refused(&lines[..cut], "cut off");
    }
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let report = verify(&text.as_bytes()[..text.len() - 30], &signer().verifier).unwrap();
    assert!(!report.findings.is_empty(), "cut within a line");
}

#[test]
fn a_forged_checkpoint_is_refused() {
    let mut lines = export();
    let last = lines.len() - 1;
    lines[last] = checkpoint(&Frontier::default(), &NoteSigner::new("twig.test", &[2; 32]));
    refused(&lines, "no key that is trusted here");
    let mut lines = export();
    let forged = lines[last]["checkpoint"].as_str().unwrap().replacen("\n10\n", "\n11\n", 1);
    lines[last]["checkpoint"] = forged.into();
    refused(&lines, "a signature of a trusted key is wrong");
}

#[test]
fn a_checkpoint_of_another_log_is_refused() {
    let (mut lines, mut tree) = (export(), Frontier::default());
    positions().into_iter().for_each(|position| tree.push(leaf_of(position)));
    let last = lines.len() - 1;
    let foreign = Checkpoint { origin: "twig.test/org_other".into(), size: tree.size(), root: tree.root() };
    lines[last]["checkpoint"] = foreign.sign(&signer()).into();
    refused(&lines, "of another log");
}

#[test]
fn what_differs_from_the_record_beside_the_log_is_named() {
    let mut lines = export();
    let (gone, added) = (line_of(&lines, 16), event(17));
    let hash = lines[gone]["hash"].clone();
    lines[gone] = json!({"missing": {"position": 16, "hash": hash}});
    lines.insert(gone + 1, json!({"unrecorded": added}));
    assert_eq!(refused(&lines, "gone from the log").position, 16);
    assert_eq!(refused(&lines, "it was added").position, 17);
    assert_eq!(checked(&lines).findings.len(), 2, "all else still fits");
}

fn leaf_of(position: u64) -> Hash {
    STANDARD.decode(event(position)["hash"].as_str().unwrap()).unwrap().try_into().unwrap()
}

fn proof_of(position: u64) -> Value {
    let leaves: Vec<Hash> = positions().into_iter().map(leaf_of).collect();
    let mut node = |level: u32, index: u64| {
        let mut row = leaves[(index << level) as usize..((index + 1) << level) as usize].to_vec();
        while row.len() > 1 {
            row = row.chunks(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
        }
        Ok::<_, std::convert::Infallible>(row[0])
    };
    let (size, index) = (leaves.len() as u64, positions().iter().position(|known| *known == position).unwrap() as u64);
    let Ok(root) = root(size, &mut node);
    let Ok(path) = inclusion(index, size, &mut node);
    json!({
        "leafIndex": index, "treeSize": size, "leafHash": event(position)["hash"], "hashes": path.iter().map(|hash| STANDARD.encode(hash)).collect::<Vec<_>>(),
        "checkpoint": Checkpoint { origin: origin(), size, root }.sign(&signer()),
    })
}

#[test]
fn a_proof_is_of_its_event_alone() {
    let key = signer().verifier;
    assert_eq!(verify_proof(&json!({"event": event(7), "proof": proof_of(7)}), &key).unwrap(), None);
    let said = |document: Value| verify_proof(&document, &key).unwrap().unwrap();
    assert!(said(json!({"event": event(10), "proof": proof_of(7)})).contains("another event"));
    let mut proof = proof_of(7);
    proof["leafHash"] = event(10)["hash"].clone();
    assert!(said(json!({"event": event(10), "proof": proof})).contains("does not lead"));
    let mut proof = proof_of(7);
    proof["leafIndex"] = 3.into();
    assert!(said(json!({"event": event(7), "proof": proof})).contains("does not lead"));
    assert!(verify_proof(&json!({"event": event(7), "proof": proof_of(7)}), &NoteSigner::new("twig.test", &[9; 32]).verifier).unwrap().is_some());
}

#[test]
fn a_key_that_was_handed_over_is_trusted_from_either_end_and_a_one_sided_hand_over_from_none() {
    let (old, middle, new) = (signer(), NoteSigner::new("twig.test", &[3; 32]), NoteSigner::new("twig.test", &[4; 32]));
    let notes = [hand_over_note(&old, &middle), hand_over_note(&middle, &new)];
    for one in [&old, &middle, &new] {
        assert_eq!(trusted(&one.verifier, &notes).len(), 3);
    }
    let one_sided = note::sign(&format!("{HAND_OVER}\n{}\n{}\n", old.verifier, new.verifier), &[&new]);
    assert_eq!(trusted(&old.verifier, &[one_sided]).len(), 1);

    let mut lines = export();
    let mut tree = Frontier::default();
    positions().into_iter().for_each(|position| tree.push(leaf_of(position)));
    let last = lines.len() - 1;
    lines[last] = checkpoint(&tree, &new);
    refused(&lines, "no key that is trusted here");
    lines[0] = header(&notes);
    assert_eq!(checked(&lines).findings, []);
}
