//! The reference tree of Certificate Transparency (RFC 6962): its eight entries, roots, paths and proofs; and every small tree against itself.

use std::convert::Infallible;

use super::*;

const ENTRIES: [&str; 8] = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
const A: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const B: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const C: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";
const D: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
const E: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
const F: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn hash(hex: &str) -> Hash {
    bytes(hex).try_into().expect("32 bytes")
}

fn leaves() -> Vec<Hash> {
    ENTRIES.iter().map(|entry| leaf_hash(&bytes(entry))).collect()
}

/// Nodes of a tree whose leaves are all at hand.
fn nodes(leaves: &[Hash]) -> impl FnMut(u32, u64) -> Result<Hash, Infallible> + '_ {
    |level, index| {
        let mut row = leaves[(index << level) as usize..((index + 1) << level) as usize].to_vec();
        while row.len() > 1 {
            row = row.chunks(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
        }
        Ok(row[0])
    }
}

fn root_of(leaves: &[Hash]) -> Hash {
    let Ok(root) = root(leaves.len() as u64, &mut nodes(leaves));
    root
}

#[test]
fn the_empty_tree_and_the_eight_roots_are_the_published_ones() {
    let mut tree = Frontier::default();
    assert_eq!(tree.root(), hash("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    for (leaf, root) in leaves().into_iter().zip(ROOTS) {
        tree.push(leaf);
        assert_eq!(tree.root(), hash(root));
        assert_eq!(root_of(&leaves()[..tree.size() as usize]), hash(root));
    }
}

#[test]
fn the_published_paths_are_made_and_accepted() {
    let leaves = leaves();
    for (index, size, path) in [(0, 1, vec![]), (0, 8, vec![A, B, C]), (5, 8, vec![D, E, ROOTS[3]]), (2, 3, vec![ROOTS[1]]), (1, 5, vec![ROOTS[0], B, D])] {
        let path: Vec<Hash> = path.into_iter().map(hash).collect();
        let Ok(made) = inclusion(index, size, &mut nodes(&leaves));
        assert_eq!(made, path, "leaf {index} of {size}");
        assert!(includes(&hash(ROOTS[size as usize - 1]), size, index, &leaves[index as usize], &path));
    }
}

#[test]
fn the_published_consistency_proofs_are_made_and_accepted() {
    let leaves = leaves();
    for (from, to, proof) in [(1, 1, vec![]), (1, 8, vec![A, B, C]), (6, 8, vec![F, E, ROOTS[3]]), (2, 5, vec![B, D])] {
        let proof: Vec<Hash> = proof.into_iter().map(hash).collect();
        let Ok(made) = consistency(from, to, &mut nodes(&leaves));
        assert_eq!(made, proof, "{from} to {to}");
        assert!(continues(from, &hash(ROOTS[from as usize - 1]), to, &hash(ROOTS[to as usize - 1]), &proof));
    }
}

#[test]
fn every_small_tree_proves_what_it_holds_and_nothing_else() {
    let leaves: Vec<Hash> = (0..65u8).map(|n| leaf_hash(&[n])).collect();
    for size in 1..=leaves.len() as u64 {
        let tree = &leaves[..size as usize];
        let root = root_of(tree);
        for index in 0..size {
            let Ok(path) = inclusion(index, size, &mut nodes(tree));
            assert!(includes(&root, size, index, &leaves[index as usize], &path));
            assert!(!includes(&root, size, index, &leaf_hash(b"another"), &path), "another leaf");
            assert!(!includes(&root, size, (index + 1) % size.max(2), &leaves[index as usize], &path), "another place");
            if let Some((_, short)) = path.split_last() {
                assert!(!includes(&root, size, index, &leaves[index as usize], short), "a path cut short");
            }
        }
        for from in 1..=size {
            let Ok(proof) = consistency(from, size, &mut nodes(tree));
            let old = root_of(&leaves[..from as usize]);
            assert!(continues(from, &old, size, &root, &proof));
            assert!(!continues(from, &leaf_hash(b"another"), size, &root, &proof), "another past");
            assert!(!continues(from, &old, size, &leaf_hash(b"another"), &proof), "another present");
        }
    }
}
