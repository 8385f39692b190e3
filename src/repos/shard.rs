//! A part of the registry, so that several processes or machines share its repositories without having to agree on more than their
//! number.
//!
//! Owns which part a name belongs to. That depends on the name alone: whatever else is registered or forgotten, and on whichever machine,
//! a repository stays where it was, and so do its cache and what was written of it. With another number of parts everything moves.

use sha2::{Digest as _, Sha256};

/// One of several parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    part: u64,
    of: u64,
}

impl Shard {
    /// Part `part` of `of`, counted from 1; `None` if there is none.
    #[must_use]
    pub fn new(part: u32, of: u32) -> Option<Self> {
        (1..=of).contains(&part).then(|| Self { part: part.into(), of: of.into() })
    }

    /// Whether the repository `name` is in it: the first eight bytes of the name's SHA-256, as a big-endian number modulo the number of
    /// parts, are one less than that of the part. Other programs can work that out too.
    #[must_use]
    pub fn holds(self, name: &str) -> bool {
        let digest = Sha256::digest(name.as_bytes());
        let leading = digest.iter().take(8).fold(0, |number, &byte| number << 8 | u64::from(byte));
        leading % self.of == self.part - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(of: u32) -> Vec<Shard> {
        (1..=of).filter_map(|part| Shard::new(part, of)).collect()
    }

    #[test]
    fn parts_are_counted_from_one() {
        assert_eq!((1..=4).filter_map(|part| Shard::new(part, 4)).count(), 4);
        for (part, of) in [(0, 0), (0, 4), (5, 4), (1, 0)] {
            assert_eq!(Shard::new(part, of), None, "{part}/{of}");
        }
    }

    #[test]
    fn the_part_of_a_name_is_what_other_programs_work_out() {
        // printf %s nova | sha256sum | cut -c1-16, modulo 7.
        for (name, part) in [("nova", 7), ("openstack/nova", 1), ("", 2)] {
            let held: Vec<usize> = (1..).zip(parts(7)).filter(|(_, it)| it.holds(name)).map(|(at, _)| at).collect();
            assert_eq!(held, [part], "{name}");
        }
    }

    #[test]
    fn a_thousand_names_are_spread_evenly() {
        let names: Vec<String> = (0..1000).map(|number| format!("r{number}")).collect();
        for part in parts(8) {
            let count = names.iter().filter(|name| part.holds(name)).count();
            assert!((90..=160).contains(&count), "{count} of 125");
        }
    }

    proptest! {
        #[test]
        fn every_name_is_in_one_part(name: String, of in 1..200_u32) {
            prop_assert_eq!(parts(of).into_iter().filter(|part| part.holds(&name)).count(), 1);
        }
    }
}
