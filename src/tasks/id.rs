//! What a task is called: when it was made and a piece of chance, in letters and digits that nobody mistakes when typing them.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Kind;

/// Crockford's base 32: no i, l, o, u.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Bits of a digit.
const BITS: u32 = 5;
/// Digits of the time: milliseconds, 44 bits of them, until the year 2527.
const TIME: u32 = 9;
/// Digits of chance: of a thousand tasks made within the same millisecond two agree every other time, of two one time in a million.
/// Whoever keeps them refuses an id that is taken.
const CHANCE: u32 = 4;
/// Candidates that are named where an abbreviation fits several.
const SHOWN: usize = 5;

/// The name of a task: 13 letters and digits. Ids sort by the time at which they were made, and within a process by their order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(String);

impl Id {
    /// A new one at `now`, in milliseconds since 1970. No two of a process are the same.
    #[must_use]
    pub fn new(now: u64) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        // The seeds of hash maps are as good as any chance, and each process has its own.
        let chance = RandomState::new().hash_one(std::process::id()) & ((1 << (BITS * CHANCE)) - 1);
        let wanted = now << (BITS * CHANCE) | chance;
        let step = |last: u64| Some(if wanted > last { wanted } else { last + 1 });
        let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).unwrap_or_else(|last| last);
        Self::of(step(last).unwrap_or(wanted))
    }

    fn of(number: u64) -> Self {
        let digit = |place: u32| char::from(DIGITS[(number >> (BITS * place) & 31) as usize]);
        Self((0..TIME + CHANCE).rev().map(digit).collect())
    }

    /// The id as it was kept.
    #[must_use]
    pub fn kept(text: String) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The one of `known` that is meant by `typed`: the whole id, or a beginning or an end of it that no other has. (Those made at about the
/// same time begin alike, and end differently.)
///
/// # Errors
/// [`Kind::BadValue`] if it is none, or several; these are then named.
pub fn find<'a>(known: impl Iterator<Item = &'a Id> + Clone, typed: &str) -> anyhow::Result<Id> {
    let plain = typed.trim().to_ascii_lowercase();
    if let Some(whole) = known.clone().find(|id| id.0 == plain) {
        return Ok(whole.clone());
    }
    let fits = |id: &&Id| !plain.is_empty() && (id.0.starts_with(&plain) || id.0.ends_with(&plain));
    let found: Vec<&Id> = known.clone().filter(fits).collect();
    match found[..] {
        [only] => Ok(only.clone()),
        [] => {
            let hint = match last(known) {
                named if named.is_empty() => "there are no tasks".to_owned(),
                named => format!("git bhfuil task list shows them; the last are {named}"),
            };
            Err(Kind::BadValue.hinted(format!("there is no task '{typed}'"), hint))
        }
        _ => {
            let named = last(found.iter().copied());
            let message = format!("'{typed}' may mean any of {} tasks", found.len());
            Err(Kind::BadValue.hinted(message, format!("those are {named}; more of the id tells them apart")))
        }
    }
}

/// The newest of `ids`, as a list.
fn last<'a>(ids: impl Iterator<Item = &'a Id>) -> String {
    let mut all: Vec<&str> = ids.map(Id::as_str).collect();
    all.sort_unstable();
    let more = if all.len() > SHOWN { "…, " } else { "" };
    format!("{more}{}", all[all.len().saturating_sub(SHOWN)..].join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_are_typable_sort_by_time_and_never_repeat() {
        let times = (0..20_000).map(|number| 1_700_000_000_000 + number / 100);
        let ids: Vec<Id> = times.map(Id::new).collect();
        assert!(ids.is_sorted(), "in the order in which they were made");
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
        assert!(ids.iter().all(|id| id.0.len() == 13 && id.0.bytes().all(|byte| DIGITS.contains(&byte))));
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(|| (0..500).map(|_| Id::new(7)).collect())).collect();
        let made: Vec<Vec<Id>> = threads.into_iter().map(|thread| thread.join().expect("no panic")).collect();
        assert_eq!(made.iter().flatten().collect::<BTreeSet<_>>().len(), 2000);
        let earlier = Id::new(1_800_000_000_000);
        assert!(Id::new(1_900_000_000_000) > earlier);
    }

    #[test]
    fn a_part_that_only_one_has_is_enough() {
        let ids = ["01hf7yatk0abc", "01hf7yatk1xyz", "01hf8000k1abz"].map(|id| Id(id.to_owned()));
        let found = |typed: &str| find(ids.iter(), typed).map(|id| id.0).map_err(|cause| cause.to_string());
        for (typed, place) in [("01hf7yatk0abc", 0), ("01hf8", 2), ("xyz", 1), (" XYZ ", 1), ("01hf7yatk0", 0)] {
            assert_eq!(found(typed), Ok(ids[place].0.clone()), "{typed}");
        }
        assert_eq!(found("01hf7"), Err("'01hf7' may mean any of 2 tasks".into()));
        for typed in ["", "q", "atk"] {
            assert_eq!(found(typed), Err(format!("there is no task '{typed}'")));
        }
        let hint = |ids: &[Id]| {
            let refused = find(ids.iter(), "q").expect_err("there is none");
            crate::error::hint_of(&refused).expect("a hint").to_owned()
        };
        assert!(hint(&ids).ends_with("the last are 01hf7yatk0abc, 01hf7yatk1xyz, 01hf8000k1abz"), "{}", hint(&ids));
        assert_eq!(hint(&[]), "there are no tasks");
    }
}
