//! Who is whose parent: the part of the graph that sweeps go over.

use zerocopy::IntoBytes as _;

use super::{Damaged, Position};

/// The parents of all commits, in the order of their positions. `Default` has none of any commit.
#[derive(Debug, Clone, Default)]
pub(super) struct Links {
    // The parents of `p` are `parents[edges[p-1]..edges[p]]`, with 0 before the first.
    edges: Vec<u32>,
    parents: Vec<Position>,
}

impl Links {
    /// The positions of the parents of the commit at `position`.
    pub(super) fn of(&self, position: Position) -> &[Position] {
        let index = position as usize;
        let start = if index == 0 { 0 } else { self.edges[index - 1] as usize };
        &self.parents[start..self.edges[index] as usize]
    }

    /// How many there are in all.
    pub(super) fn count(&self) -> usize {
        self.parents.len()
    }

    /// Appends a commit with those of `parents` that come before it.
    ///
    /// # Panics
    /// Beyond 2³² of them.
    pub(super) fn push(&mut self, parents: impl Iterator<Item = Position>) {
        let own = narrow(self.edges.len());
        self.parents.extend(parents.filter(|&position| position < own));
        self.edges.push(narrow(self.parents.len()));
    }

    /// Where the parents of each commit end, of those from `first` on, counted from `base`; and the parents of them all, from `base` on.
    pub(super) fn since(&self, first: usize, base: usize) -> (impl Iterator<Item = u32>, &[Position]) {
        let start = narrow(base);
        (self.edges[first..].iter().map(move |edge| edge - start), &self.parents[base..])
    }

    /// Appends a stored segment of `count` commits with `links` parents in all. `read` fills the one array, then the other: little-endian,
    /// ends counted from the segment's first.
    ///
    /// # Errors
    /// Those of `read`, and if a parent doesn't come before its commit. They are of no use any more then.
    pub(super) fn extend<E: From<Damaged>>(
        &mut self,
        (count, links): (usize, usize),
        read: impl FnOnce(&mut [u8], &mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let checked = |length: usize| u32::try_from(length).map_err(|_| Damaged);
        let (start, first) = (self.edges.len(), checked(self.edges.len())?);
        let base = checked(self.parents.len())?;
        checked(start + count)?;
        let (edges, parents) = (grown(&mut self.edges, count), grown(&mut self.parents, links));
        read(edges.as_mut_bytes(), parents.as_mut_bytes())?;
        for position in parents {
            *position = Position::from_le(*position);
        }
        for edge in &mut *edges {
            *edge = u32::from_le(*edge).wrapping_add(base);
        }
        let is_ordered = edges.is_sorted()
            && edges.first().is_none_or(|&edge| edge >= base)
            && self.edges.last().is_none_or(|&end| end as usize == self.parents.len())
            && is_in_order(&self.edges[start..], &self.parents[base as usize..], (first, base));
        if is_ordered { Ok(()) } else { Err(Damaged.into()) }
    }
}

/// # Panics
/// Beyond 2³².
fn narrow(index: usize) -> u32 {
    u32::try_from(index).expect("a repository has fewer than 2^32 commits")
}

/// Whether all parents come before their commits: those of the n-th end at `edges[n]`, counted as from `base`, in `parents`, and its
/// position is `first` and n.
fn is_in_order(edges: &[u32], parents: &[Position], (first, base): (Position, u32)) -> bool {
    let mut left = parents;
    let mut before = base;
    edges.iter().zip(first..).all(|(&edge, position)| {
        let Some((own, rest)) = left.split_at_checked((edge - before) as usize) else { return false };
        (left, before) = (rest, edge);
        own.iter().all(|&parent| parent < position)
    })
}

/// Lengthens `array` by `more` zeros and returns them.
pub(super) fn grown<T: Copy + Default>(array: &mut Vec<T>, more: usize) -> &mut [T] {
    let before = array.len();
    if before == 0 {
        // Fresh memory is zero already: it needn't be written twice.
        *array = vec![T::default(); more];
    } else {
        array.resize(before + more, T::default());
    }
    &mut array[before..]
}
