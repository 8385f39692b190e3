//! Lists in which everything stands once. A message may name a million issues: to compare each with all before it would take hours.

use std::collections::HashSet;
use std::hash::Hash;

/// Up to here comparing is faster than hashing, and no message but one made on purpose has more.
const FEW: usize = 32;

/// Values in the order in which each first came.
#[derive(Debug)]
pub(super) struct Once<T> {
    all: Vec<T>,
    /// All of them, once they are more than a few.
    seen: HashSet<T>,
}

impl<T: Clone + Eq + Hash> Once<T> {
    pub(super) fn new() -> Self {
        Self { all: Vec::new(), seen: HashSet::new() }
    }

    /// Appends `value` unless it is there already.
    pub(super) fn push(&mut self, value: T) {
        if self.all.len() < FEW {
            if !self.all.contains(&value) {
                self.all.push(value);
            }
            return;
        }
        if self.seen.is_empty() {
            self.seen.extend(self.all.iter().cloned());
        }
        if self.seen.insert(value.clone()) {
            self.all.push(value);
        }
    }

    pub(super) fn into_vec(self) -> Vec<T> {
        self.all
    }
}

/// The last `most` bytes of `text`, or a few less, on the bounds of a character: as far as is looked back from a place. Who looks back
/// over all of a message from each of a million places never ends.
pub(super) fn end_of(text: &str, most: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(most))..]
}

/// The first `most` bytes of `text`, or a few less: as far as is looked ahead.
pub(super) fn start_of(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_stands_once_in_the_order_of_its_first_time() {
        let mut once = Once::new();
        for number in (0..100).chain(0..200).chain([7]) {
            once.push(number);
        }
        assert_eq!(once.into_vec(), (0..200).collect::<Vec<_>>());
    }

    #[test]
    fn no_character_is_cut_in_two() {
        assert_eq!((end_of("aéb", 2), start_of("aéb", 2)), ("b", "a"));
        assert_eq!((end_of("aéb", 3), start_of("aéb", 3)), ("éb", "aé"));
        assert_eq!((end_of("a", 9), start_of("a", 9)), ("a", "a"));
    }
}
