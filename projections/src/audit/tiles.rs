//! A tree kept in tiles: up to 256 hashes each, of every eighth level, as C2SP's tlog-tiles has them.
//!
//! Invariant: a tile only grows; the root of a full one is a hash of the tile above. An append touches one tile of each level at most, so what an event
//! costs does not grow with the log, and a proof reads O(log n) tiles.

use std::collections::BTreeMap;

use super::merkle::{Hash, node_hash};

/// Hashes of a full tile; its height is 8.
pub const WIDTH: u64 = 256;
const HEIGHT: u32 = 8;
const HASH_BYTES: usize = 32;

/// A tile's level (0 holds the leaves) and its place among those of its level.
pub type TileId = (u32, u64);

/// Tiles on their way between a store and a tree.
#[derive(Default)]
pub struct Tiles(BTreeMap<TileId, Vec<u8>>);

impl Tiles {
    fn get<E>(&mut self, id: TileId, load: &mut impl FnMut(TileId) -> Result<Vec<u8>, E>) -> Result<&mut Vec<u8>, E> {
        match self.0.entry(id) {
            std::collections::btree_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::btree_map::Entry::Vacant(place) => Ok(place.insert(load(id)?)),
        }
    }

    /// Appends leaves to a tree of `size`; every tile that is then here has changed, and is to be stored.
    pub fn append<E>(&mut self, size: u64, leaves: &[Hash], load: &mut impl FnMut(TileId) -> Result<Vec<u8>, E>) -> Result<(), E> {
        for (place, leaf) in leaves.iter().enumerate() {
            let (mut level, mut index, mut hash) = (0, size + place as u64, *leaf);
            loop {
                let tile = self.get((level, index / WIDTH), load)?;
                // What stands there already was appended by a batch that did not end.
                tile.truncate((index % WIDTH) as usize * HASH_BYTES);
                tile.extend_from_slice(&hash);
                if !(index + 1).is_multiple_of(WIDTH) {
                    break;
                }
                (hash, level, index) = (root(tile), level + 1, index / WIDTH);
            }
        }
        Ok(())
    }

    /// The node over the leaves from index·2^level on.
    pub fn node<E>(&mut self, level: u32, index: u64, load: &mut impl FnMut(TileId) -> Result<Vec<u8>, E>) -> Result<Hash, E> {
        let (height, first) = (level % HEIGHT, index << (level % HEIGHT));
        let tile = self.get((level / HEIGHT, first / WIDTH), load)?;
        let (start, count) = ((first % WIDTH) as usize * HASH_BYTES, 1usize << height);
        // A tile that is too short is a damaged store; the proof made from it is refused by whoever checks it.
        Ok(tile.get(start..start + count * HASH_BYTES).map_or([0; HASH_BYTES], root))
    }

    pub fn into_changed(self) -> impl Iterator<Item = (TileId, Vec<u8>)> {
        self.0.into_iter()
    }
}

/// The root over a power of two of hashes.
fn root(hashes: &[u8]) -> Hash {
    let mut row: Vec<Hash> = hashes.chunks_exact(HASH_BYTES).filter_map(|hash| hash.try_into().ok()).collect();
    while row.len() > 1 {
        row = row.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
    }
    row.first().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, convert::Infallible};

    use super::*;
    use crate::audit::merkle::{self, Frontier, leaf_hash};

    #[test]
    fn a_tree_in_tiles_is_the_tree_whatever_the_batches() {
        let mut stored: HashMap<TileId, Vec<u8>> = HashMap::new();
        let (mut tree, mut size) = (Frontier::default(), 0u64);
        for batch in [1usize, 254, 1, 3, 600, 65_536, 2, 700] {
            let leaves: Vec<Hash> = (0..batch as u64).map(|n| leaf_hash(&(size + n).to_be_bytes())).collect();
            leaves.iter().for_each(|leaf| tree.push(*leaf));
            let mut tiles = Tiles::default();
            let Ok(()) = tiles.append(size, &leaves, &mut |id| Ok::<_, Infallible>(stored.get(&id).cloned().unwrap_or_default()));
            stored.extend(tiles.into_changed());
            size += batch as u64;
            let mut loaded = 0;
            let mut load = |id: TileId| {
                loaded += 1;
                Ok::<_, Infallible>(stored.get(&id).cloned().unwrap_or_default())
            };
            let mut tiles = Tiles::default();
            let Ok(root) = merkle::root(size, &mut |level, index| tiles.node(level, index, &mut load));
            assert_eq!(root, tree.root(), "{size}");
            let Ok(path) = merkle::inclusion(size / 2, size, &mut |level, index| tiles.node(level, index, &mut load));
            assert!(merkle::includes(&root, size, size / 2, &leaf_hash(&(size / 2).to_be_bytes()), &path));
            assert!(loaded <= 6, "{loaded} tiles were read for {size} leaves");
        }
    }
}
