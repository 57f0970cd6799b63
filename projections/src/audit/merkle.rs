//! The Merkle tree of RFC 6962 §2.1: roots, inclusion proofs, consistency proofs, and their checks.
//!
//! A proof is made from hashes of complete subtrees, which whoever asks hands over by (level, index): level 0 are the leaves' hashes, and the node at
//! (l, i) stands over the leaves from i·2^l to (i+1)·2^l. So a proof costs O(log n) of them, wherever they are kept.

use sha2::{Digest, Sha256};

pub type Hash = [u8; 32];

const LEAF: [u8; 1] = [0];
const NODE: [u8; 1] = [1];

#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new().chain_update(LEAF).chain_update(entry).finalize().into()
}

#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update(NODE).chain_update(left).chain_update(right).finalize().into()
}

/// A tree as far as appending and its root need it: the roots of its complete subtrees, largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    roots: Vec<Hash>,
}

impl Frontier {
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        // A subtree is complete as often as the size's last bits are ones.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.roots.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.roots.push(hash);
        self.size += 1;
    }

    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    #[must_use]
    pub fn root(&self) -> Hash {
        let mut roots = self.roots.iter().rev();
        let Some(last) = roots.next() else { return Sha256::digest([]).into() };
        roots.fold(*last, |right, left| node_hash(left, &right))
    }
}

/// The root of the tree's first `size` leaves.
pub fn root<E>(size: u64, node: &mut impl FnMut(u32, u64) -> Result<Hash, E>) -> Result<Hash, E> {
    if size == 0 { Ok(Sha256::digest([]).into()) } else { range(0, size, node) }
}

/// RFC 6962 §2.1.1: the path of a leaf in the tree of this size; `index < size`.
pub fn inclusion<E>(index: u64, size: u64, node: &mut impl FnMut(u32, u64) -> Result<Hash, E>) -> Result<Vec<Hash>, E> {
    let (mut start, mut end, mut path) = (0, size, Vec::new());
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(range(middle, end, node)?);
            end = middle;
        } else {
            path.push(range(start, middle, node)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// RFC 6962 §2.1.2: that the tree of size `from` is the beginning of the one of size `to`; `0 < from ≤ to`.
pub fn consistency<E>(from: u64, to: u64, node: &mut impl FnMut(u32, u64) -> Result<Hash, E>) -> Result<Vec<Hash>, E> {
    let (mut start, mut end, mut proof) = (0, to, Vec::new());
    let mut whole = true;
    while from != end {
        let middle = start + split(end - start);
        if from <= middle {
            proof.push(range(middle, end, node)?);
            end = middle;
        } else {
            proof.push(range(start, middle, node)?);
            start = middle;
            whole = false;
        }
    }
    if !whole {
        proof.push(range(start, end, node)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The largest power of two below n; `n > 1`.
fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// The hash over leaves `start..end`, where `start` is a multiple of the power of two at or above their count.
fn range<E>(start: u64, end: u64, node: &mut impl FnMut(u32, u64) -> Result<Hash, E>) -> Result<Hash, E> {
    let count = end - start;
    if count.is_power_of_two() {
        let level = count.trailing_zeros();
        return node(level, start >> level);
    }
    let middle = start + split(count);
    let left = range(start, middle, node)?;
    Ok(node_hash(&left, &range(middle, end, node)?))
}

/// RFC 9162 §2.1.3.2.
#[must_use]
pub fn includes(root: &Hash, size: u64, index: u64, leaf: &Hash, path: &[Hash]) -> bool {
    if index >= size {
        return false;
    }
    let (mut place, mut last, mut hash) = (index, size - 1, *leaf);
    for step in path {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            hash = node_hash(step, &hash);
            while place & 1 == 0 && place != 0 {
                (place, last) = (place >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, step);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    last == 0 && hash == *root
}

/// RFC 9162 §2.1.4.2.
#[must_use]
pub fn continues(from: u64, from_root: &Hash, to: u64, to_root: &Hash, proof: &[Hash]) -> bool {
    if from == 0 || from > to {
        return false;
    }
    if from == to {
        return proof.is_empty() && from_root == to_root;
    }
    let mut steps = proof.iter();
    let (mut place, mut last) = (from - 1, to - 1);
    while place & 1 == 1 {
        (place, last) = (place >> 1, last >> 1);
    }
    // A complete tree is its own first step.
    let first = if from.is_power_of_two() { Some(from_root) } else { steps.next() };
    let Some(first) = first else { return false };
    let (mut old, mut new) = (*first, *first);
    for step in steps {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            (old, new) = (node_hash(step, &old), node_hash(step, &new));
            while place & 1 == 0 && place != 0 {
                (place, last) = (place >> 1, last >> 1);
            }
        } else {
            new = node_hash(&new, step);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    last == 0 && old == *from_root && new == *to_root
}

#[cfg(test)]
mod tests;
