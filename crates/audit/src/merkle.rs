//! Merkle trees over records (RFC 6962, section 2.1): what a tree needs to grow, and proofs that a record is in it.

use steeple_crypto::digest::{sha256, sha256_of};

/// A node of the tree.
pub type Hash = [u8; 32];

/// The hash of a leaf.
pub fn leaf(data: &[u8]) -> Hash {
    sha256_of(&[&[0], data])
}

fn inner(left: &Hash, right: &Hash) -> Hash {
    sha256_of(&[&[1], left, right])
}

/// The right edge of a tree: the roots of its complete subtrees, the largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    roots: Vec<Hash>,
}

impl Frontier {
    /// The edge of a tree of `size` leaves.
    ///
    /// Returns nothing when a tree of that size has another number of complete subtrees.
    pub fn new(size: u64, roots: Vec<Hash>) -> Option<Self> {
        (usize::try_from(size.count_ones()).ok() == Some(roots.len())).then_some(Self { size, roots })
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the complete subtrees, the largest first.
    pub fn roots(&self) -> &[Hash] {
        &self.roots
    }

    /// Adds a leaf at the right.
    pub fn push(&mut self, leaf: Hash) {
        let mut root = leaf;
        // Each subtree that is as large as what was just completed is joined with it.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.roots.pop() {
                root = inner(&left, &root);
            }
        }
        self.roots.push(root);
        self.size += 1;
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        let mut roots = self.roots.iter().rev();
        let Some(last) = roots.next() else { return sha256(&[]) };
        roots.fold(*last, |right, left| inner(left, &right))
    }
}

/// The root of a tree with these leaves.
pub fn root(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    for leaf in leaves {
        frontier.push(*leaf);
    }
    frontier.root()
}

/// The hashes that lead from leaf `index` to the root of the tree of `before` and the leaves after it (section 2.1.1).
///
/// Empty when there is no such leaf, or it is one of those before.
pub fn path(index: u64, before: &Frontier, leaves: &[Hash]) -> Vec<Hash> {
    let count = u64::try_from(leaves.len()).unwrap_or(u64::MAX);
    let (size, tree) = (before.size.saturating_add(count), Known { before, leaves });
    if index < before.size || index >= size { Vec::new() } else { tree.path(index, 0, size).unwrap_or_default() }
}

/// A tree of which only the right edge is known up to some leaf, and all leaves after it.
struct Known<'a> {
    before: &'a Frontier,
    leaves: &'a [Hash],
}

impl Known<'_> {
    /// The way from leaf `index` to the root over the `length` leaves from `start` on.
    fn path(&self, index: u64, start: u64, length: u64) -> Option<Vec<Hash>> {
        if length < 2 {
            return Some(Vec::new());
        }
        let half = split(length);
        let (mut hashes, other) = if index < start + half {
            (self.path(index, start, half)?, self.node(start + half, length - half)?)
        } else {
            (self.path(index, start + half, length - half)?, self.node(start, half)?)
        };
        hashes.push(other);
        Some(hashes)
    }

    /// The root over the `length` leaves from `start` on.
    fn node(&self, start: u64, length: u64) -> Option<Hash> {
        let known = self.before.size;
        if start >= known {
            let (from, count) = (usize::try_from(start - known).ok()?, usize::try_from(length).ok()?);
            return Some(root(self.leaves.get(from..from.checked_add(count)?)?));
        }
        if start + length <= known {
            // A complete subtree beside the way from a later leaf is one of the edge.
            let mut at = 0;
            let sizes = (0..u64::BITS).rev().map(|bit| known & (1 << bit)).filter(|size| *size > 0);
            return sizes.zip(&self.before.roots).find_map(|(size, root)| {
                let begin = at;
                at += size;
                (begin == start && size == length).then_some(*root)
            });
        }
        let half = split(length);
        Some(inner(&self.node(start, half)?, &self.node(start + half, length - half)?))
    }
}

/// The largest power of two below `size`, which is at least two.
fn split(size: u64) -> u64 {
    size.next_power_of_two() / 2
}

/// The root to which `path` leads from leaf `index` of a tree of `size` leaves (RFC 9162, section 2.1.3.2).
///
/// Returns nothing when the path has not the length that it must have.
pub fn root_of_path(index: u64, size: u64, leaf: Hash, path: &[Hash]) -> Option<Hash> {
    let (mut node, mut last) = (index, size.checked_sub(1)?);
    if node > last {
        return None;
    }
    let mut hash = leaf;
    for other in path {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            hash = inner(other, &hash);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            hash = inner(&hash, other);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    (last == 0).then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: u8) -> Vec<Hash> {
        (0..count).map(|number| leaf(&[number])).collect()
    }

    /// The definition of section 2.1, word for word.
    fn by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => sha256(&[]),
            [one] => *one,
            _ => {
                let half = split(u64::try_from(leaves.len()).unwrap());
                let (left, right) = leaves.split_at(usize::try_from(half).unwrap());
                inner(&by_definition(left), &by_definition(right))
            }
        }
    }

    #[test]
    fn root_is_that_of_the_definition() {
        for count in 0..70 {
            assert_eq!(root(&leaves(count)), by_definition(&leaves(count)), "{count} leaves");
        }
    }

    #[test]
    fn known_root_of_certificate_transparency() {
        // From the test vectors of the reference implementation: the leaves "", 00, 10, 2021, 3031, 40414243, …
        let known: [&[u8]; 4] = [b"", &[0], &[0x10], &[0x20, 0x21]];
        let leaves: Vec<Hash> = known.iter().map(|data| leaf(data)).collect();
        assert_eq!(hex::encode(root(&leaves)), "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7");
    }

    #[test]
    fn each_leaf_has_a_path_to_the_root_and_no_other() {
        for count in 1..40_u8 {
            let leaves = leaves(count);
            let root = root(&leaves);
            for (index, leaf) in (0_u64..).zip(&leaves) {
                let whole = path(index, &Frontier::default(), &leaves);
                // The same, when only the edge of what is before is known.
                for known in 0..=usize::try_from(index).unwrap() {
                    let mut before = Frontier::default();
                    leaves[..known].iter().for_each(|leaf| before.push(*leaf));
                    assert_eq!(path(index, &before, &leaves[known..]), whole, "{index} of {count}, {known} known");
                }
                let path = whole;
                let size = u64::from(count);
                assert_eq!(root_of_path(index, size, *leaf, &path), Some(root), "{index} of {count}");
                assert_ne!(root_of_path((index + 1) % size, size, *leaf, &path), Some(root).filter(|_| count > 1));
                let longer = [path.clone(), vec![*leaf]].concat();
                assert_eq!(root_of_path(index, size, *leaf, &longer), None, "{index} of {count}, too long");
                if let Some((_, shorter)) = path.split_last() {
                    assert_eq!(root_of_path(index, size, *leaf, shorter), None, "{index} of {count}, too short");
                }
            }
        }
        assert_eq!(root_of_path(3, 3, leaf(b""), &[]), None);
        assert_eq!(root_of_path(0, 0, leaf(b""), &[]), None);
    }

    #[test]
    fn edge_is_kept_and_grows_on() {
        let leaves = leaves(53);
        let mut frontier = Frontier::default();
        for (count, leaf) in (0_u64..).zip(&leaves) {
            frontier = Frontier::new(count, frontier.roots().to_vec()).unwrap();
            frontier.push(*leaf);
        }
        assert_eq!(frontier.root(), root(&leaves));
        assert_eq!(Frontier::new(53, Vec::new()), None);
    }
}
