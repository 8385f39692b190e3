//! What two commits have in common: one question each, asked by more than one rung.
//!
//! Owns the measures (who counts as the same author, what line containment is) and the three-valued answers that let a diff
//! wait until it decides something. Refuses to say what follows from an agreement: the rungs do.

use std::{cmp::Ordering, fmt::Write as _};

use super::{
    mechanical::{is_mechanical, sounds_mechanical},
    signals::Signals,
    sketch::{Fact, Sketch},
    verdict::{Signal, SignalKind},
};
use crate::facts::Oid;
use crate::facts::patch_id::ChangedLines;

/// The least line containment that confirms a match where a path is shared.
pub const CONTAINMENT: f64 = 0.5;
/// The least line containment where the rest of the evidence is thin: only a file's name is shared, its directory having been
/// renamed, or nothing but author and date speak for the pair.
pub(super) const MOST: f64 = 0.8;

/// A fact that costs a diff, for both commits of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// [`Sketch::paths`]: two trees.
    Paths,
    /// [`Sketch::patch_id`]: a diff, which gives the lines with it.
    PatchId,
    /// [`Sketch::lines`]: likewise.
    Lines,
}

/// Whether something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It does.
    Yes,
    /// It doesn't.
    No,
    /// That depends on a fact not asked for yet.
    Needs(Need),
    /// That depends on a fact that can't be had.
    Unknowable,
}

impl Answer {
    /// Whether both hold; the second is looked at only if the first may hold.
    #[must_use]
    pub(super) fn and(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::No => Self::No,
            Self::Yes => other(),
            Self::Needs(_) | Self::Unknowable => match other() {
                Self::No => Self::No,
                Self::Needs(need) if self == Self::Unknowable => Self::Needs(need),
                _ => self,
            },
        }
    }

    /// Whether either holds.
    #[must_use]
    pub(super) fn or(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Yes => Self::Yes,
            Self::No => other(),
            Self::Needs(_) | Self::Unknowable => match other() {
                Self::Yes => Self::Yes,
                Self::Needs(need) if self == Self::Unknowable => Self::Needs(need),
                _ => self,
            },
        }
    }

    /// Whether it is known to hold.
    #[must_use]
    pub fn is_yes(self) -> bool {
        self == Self::Yes
    }
}

impl From<bool> for Answer {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// Two commits to be compared; the order doesn't matter.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'s> {
    /// One.
    pub a: &'s Sketch,
    /// The other.
    pub b: &'s Sketch,
    /// Whether one ref contains both (heads and tags alike), as the commit graph tells.
    pub shared_ref: bool,
    signals: Signals,
}

impl<'s> Pair<'s> {
    /// Two commits, and whether one ref contains both.
    #[must_use]
    pub fn new(a: &'s Sketch, b: &'s Sketch, shared_ref: bool) -> Self {
        Self { a, b, shared_ref, signals: Signals::ALL }
    }

    /// The same pair, with only these signals to be used.
    pub(super) fn with(self, signals: Signals) -> Self {
        Self { signals, ..self }
    }

    /// A fact that a full account of the pair (fidelity, every signal) lacks: fill it in on both and judge again.
    #[must_use]
    pub fn lacks(&self) -> Option<Need> {
        let either = |unasked: fn(&Sketch) -> bool| unasked(self.a) || unasked(self.b);
        if either(|s| s.paths.is_unasked()) {
            Some(Need::Paths)
        } else if either(|s| s.patch_id.is_unasked()) {
            Some(Need::PatchId)
        } else {
            either(|s| s.lines.is_unasked()).then_some(Need::Lines)
        }
    }

    /// The id, as written, by which a trailer of one names the other.
    pub(super) fn trailer(&self) -> Option<&'s str> {
        let names = |from: &'s Sketch, to: &Sketch| from.origins.iter().rev().find(|origin| origin.names(&to.id));
        let found = names(self.b, self.a).or_else(|| names(self.a, self.b));
        found.filter(|_| self.signals.has(SignalKind::Trailer)).map(|origin| origin.text.as_str())
    }

    /// The Change-Id of both.
    pub(super) fn change_id(&self) -> Option<&'s str> {
        let (a, b) = (self.a.change_id.as_deref()?, self.b.change_id.as_deref()?);
        (self.signals.has(SignalKind::ChangeId) && a.eq_ignore_ascii_case(b)).then_some(a)
    }

    /// The same second, and the same author: by name or by address, since people change either between a commit and its pick.
    pub(super) fn author_date(&self) -> bool {
        let (a, b) = (self.a, self.b);
        let same = |a: &str, b: &str| !a.is_empty() && (a == b || a.to_lowercase() == b.to_lowercase());
        self.signals.has(SignalKind::AuthorDate)
            && a.author_date.is_some()
            && a.author_date.map(|date| date.seconds) == b.author_date.map(|date| date.seconds)
            && (same(&a.author_name, &b.author_name) || same(&a.author_email, &b.author_email))
    }

    /// The same normalised subject.
    pub(super) fn subject(&self) -> bool {
        self.signals.has(SignalKind::Subject)
            && !self.a.subject_key.is_empty()
            && self.a.subject_key == self.b.subject_key
    }

    /// The pull request that one of them came by and the other came by or mentions. Two mentions alone may be of an issue.
    pub(super) fn pull_request(&self) -> Option<u64> {
        if !self.signals.has(SignalKind::PullRequest) {
            return None;
        }
        let told = |own: &Sketch, other: &Sketch| {
            own.pull_request.filter(|n| other.pull_request == Some(*n) || other.mentions.binary_search(n).is_ok())
        };
        told(self.a, self.b).or_else(|| told(self.b, self.a))
    }

    /// Whether the pull request of the one is only mentioned by the other, which came by a pull request of its own: a pick
    /// does so, and so does whatever mends, continues or resembles the original.
    pub(super) fn only_mentions_pull_request(&self) -> bool {
        let (a, b) = (self.a.pull_request, self.b.pull_request);
        a.is_some() && b.is_some() && a != b
    }

    /// The same patch-id; commits that change nothing have none.
    pub(super) fn patch_id(&self) -> Answer {
        if !self.signals.has(SignalKind::PatchId) {
            return Answer::No;
        }
        compare(&self.a.patch_id, &self.b.patch_id, Need::PatchId, |a, b| a.is_some() && a == b)
    }

    /// The same paths, at least one.
    pub(super) fn same_paths(&self) -> Answer {
        compare(&self.a.paths, &self.b.paths, Need::Paths, |a, b| !a.is_empty() && a == b)
    }

    /// A path that both change.
    pub(super) fn shared_path(&self) -> Answer {
        compare(&self.a.paths, &self.b.paths, Need::Paths, |a, b| common(a, b) > 0)
    }

    /// Two paths that end in the same file name.
    pub(super) fn shared_name(&self) -> Answer {
        compare(&self.a.paths, &self.b.paths, Need::Paths, |a, b| {
            let mut names: Vec<&[u8]> = a.iter().map(|path| file_name(path)).collect();
            names.sort_unstable();
            b.iter().any(|path| names.binary_search(&file_name(path)).is_ok())
        })
    }

    /// Line containment of one half or more.
    pub(super) fn lines(&self) -> Answer {
        self.contained(CONTAINMENT)
    }

    /// A path that both change and line containment of one half, or, since files move between two branches, a file name that
    /// both change and line containment of four fifths.
    pub(super) fn place_and_lines(&self) -> Answer {
        let moved = || self.shared_name().and(|| self.contained(MOST));
        self.shared_path().and(|| self.lines()).or(moved)
    }

    /// As [`Self::place_and_lines`], and more of the lines: four fifths of the smaller change, or half of both as a whole.
    pub(super) fn place_and_most_lines(&self) -> Answer {
        self.place_and_lines().and(|| self.contained(MOST).or(|| self.alike()))
    }

    /// As [`Self::place_and_lines`], and half of the lines of both as a whole.
    pub(super) fn place_and_alike(&self) -> Answer {
        self.place_and_lines().and(|| self.alike())
    }

    fn alike(&self) -> Answer {
        compare(&self.a.lines, &self.b.lines, Need::Lines, |_, _| {
            self.likeness().is_some_and(|share| share >= CONTAINMENT)
        })
    }

    pub(super) fn contained(&self, least: f64) -> Answer {
        compare(&self.a.lines, &self.b.lines, Need::Lines, |_, _| {
            self.containment().is_some_and(|share| share >= least)
        })
    }

    /// How much of the smaller of two changes is in the larger: the added lines that both add and the removed lines that both
    /// remove, as a share of the lines of the smaller. `None` where a side has no lines (binary, mode) or isn't known.
    pub(super) fn containment(&self) -> Option<f64> {
        let (a, b) = (self.a.lines.known()?, self.b.lines.known()?);
        let smaller = (a.added.len() + a.removed.len()).min(b.added.len() + b.removed.len());
        let both = common(&a.added, &b.added) + common(&a.removed, &b.removed);
        #[expect(clippy::cast_precision_loss, reason = "a share of fewer than 2⁵² lines")]
        (smaller > 0).then(|| both as f64 / smaller as f64)
    }

    /// How alike two changes are as wholes: common lines as a share of all (Jaccard, on multisets).
    pub(super) fn likeness(&self) -> Option<f64> {
        let (a, b) = (self.a.lines.known()?, self.b.lines.known()?);
        let both = common(&a.added, &b.added) + common(&a.removed, &b.removed);
        let all = a.added.len() + a.removed.len() + b.added.len() + b.removed.len() - both;
        #[expect(clippy::cast_precision_loss, reason = "a share of fewer than 2⁵² lines")]
        (all > 0).then(|| both as f64 / all as f64)
    }

    /// How many lines each changes, and how many of them are the same; `None` if that isn't known.
    #[must_use]
    pub fn shares(&self) -> Option<(usize, usize, usize)> {
        let (a, b) = (self.a.lines.known()?, self.b.lines.known()?);
        let size = |lines: &ChangedLines| lines.added.len() + lines.removed.len();
        Some((size(a), size(b), common(&a.added, &b.added) + common(&a.removed, &b.removed)))
    }

    /// Whether the one is the other and no more than it: the same Change-Id, the author, date and subject, or the same patch-id. The
    /// lines tell nothing of that: a squash has all of its parts'.
    pub(super) fn backing(&self) -> Answer {
        let stated = self.change_id().is_some() || (self.author_date() && self.subject());
        Answer::from(stated).or(|| self.patch_id())
    }

    /// Whether neither is a change that is made again and again (see `mechanical`).
    pub(super) fn telling(&self) -> Answer {
        self.a.telling().and(|| self.b.telling())
    }

    /// Whether the evidence of this kind is there, as far as is known now.
    pub(super) fn agrees(&self, kind: SignalKind) -> Answer {
        match kind {
            SignalKind::Same => (self.a.id == self.b.id).into(),
            SignalKind::Trailer => self.trailer().is_some().into(),
            SignalKind::ChangeId => self.change_id().is_some().into(),
            SignalKind::PatchId => self.patch_id(),
            SignalKind::AuthorDate => self.author_date().into(),
            SignalKind::PullRequest => self.pull_request().is_some().into(),
            SignalKind::Subject => self.subject().into(),
            SignalKind::Paths => self.same_paths(),
            SignalKind::Lines => self.lines(),
            SignalKind::Fuzzy => Answer::No,
        }
    }

    /// The evidence of this kind as it goes on the wire.
    pub(super) fn signal(&self, kind: SignalKind) -> Signal {
        let value = match kind {
            SignalKind::Trailer => self.trailer().map(str::to_owned),
            SignalKind::ChangeId => self.change_id().map(str::to_owned),
            SignalKind::PatchId => self.a.patch_id.known().copied().flatten().as_ref().map(Oid::to_hex),
            SignalKind::AuthorDate => Some(authorship(self.a)),
            SignalKind::PullRequest => self.pull_request().map(|number| format!("#{number}")),
            SignalKind::Subject => Some(self.a.subject_key.clone()),
            SignalKind::Paths => self.a.paths.known().map(|paths| paths.len().to_string()),
            SignalKind::Lines => self.containment().map(|share| format!("{share:.2}")),
            SignalKind::Fuzzy => self.likeness().map(|share| format!("{share:.2}")),
            SignalKind::Same => None,
        };
        Signal { kind, value, hops: (kind == SignalKind::Trailer).then_some(1) }
    }

    /// What the two have to say of this kind, for people.
    pub(super) fn account(&self, kind: SignalKind) -> String {
        if !self.signals.has(kind) {
            let why =
                if self.shared_ref { "doesn't count within one ref, or wasn't asked for" } else { "wasn't asked for" };
            return format!("{} {why}", kind.as_str());
        }
        let (a, b) = (self.a, self.b);
        match (kind, self.agrees(kind)) {
            (_, Answer::Needs(_)) => format!("{} not computed", kind.as_str()),
            (_, Answer::Unknowable) => format!("{} can't be known", kind.as_str()),
            (SignalKind::Same, _) => String::new(),
            (SignalKind::Trailer, _) => match self.trailer() {
                Some(text) => format!("a trailer names {text}"),
                None => "no trailer of either names the other".to_owned(),
            },
            (SignalKind::ChangeId, _) => both("Change-Id", a.change_id.as_deref(), b.change_id.as_deref()),
            (SignalKind::PatchId, _) => {
                let hex = |sketch: &Sketch| sketch.patch_id.known().copied().flatten().map(|id| id.to_hex());
                both("patch-id", hex(a).as_deref(), hex(b).as_deref())
            }
            (SignalKind::AuthorDate, _) => both("author", Some(&authorship(a)), Some(&authorship(b))),
            (SignalKind::PullRequest, _) => match self.pull_request() {
                Some(number) => format!("pull request #{number}"),
                None => "no common pull request".to_owned(),
            },
            (SignalKind::Subject, _) => both("subject", Some(&a.subject_key), Some(&b.subject_key)),
            (SignalKind::Paths, _) => self.account_of_paths(),
            (SignalKind::Lines | SignalKind::Fuzzy, _) => match self.containment() {
                Some(share) => format!("{share:.2} of the lines in common"),
                None => "no lines to compare".to_owned(),
            },
        }
    }

    fn account_of_paths(&self) -> String {
        let (Some(a), Some(b)) = (self.a.paths.known(), self.b.paths.known()) else { return String::new() };
        let count = common(a, b);
        let paths = if count == 1 { "path" } else { "paths" };
        let mut text = format!("{count} {paths} in common, of {} and {}", a.len(), b.len());
        if let Some(path) = a.iter().find(|path| b.binary_search(path).is_ok()) {
            let _ = write!(text, " ({})", String::from_utf8_lossy(path));
        }
        text
    }
}

impl Sketch {
    /// Whether its subject and patch-id tell it from other changes. A diff is asked for only where the subject leaves a doubt.
    fn telling(&self) -> Answer {
        if !sounds_mechanical(&self.subject_key) {
            return Answer::Yes;
        }
        match (&self.paths, &self.lines) {
            (Fact::Known(paths), Fact::Known(lines)) => (!is_mechanical(paths, lines, &self.subject_key)).into(),
            (Fact::Unasked, _) => Answer::Needs(Need::Paths),
            (_, Fact::Unasked) => Answer::Needs(Need::Lines),
            // What can't be looked at gets no benefit of the doubt.
            _ => Answer::No,
        }
    }
}

fn both(what: &str, a: Option<&str>, b: Option<&str>) -> String {
    match (a, b) {
        (None, None) => format!("no {what}"),
        (Some(a), Some(b)) if a == b => format!("same {what} {a}"),
        (a, b) => format!("{what} {} and {}", a.unwrap_or("none"), b.unwrap_or("none")),
    }
}

/// `name <email> date`, the date in RFC 3339 or, where that can't say it, in seconds since 1970.
fn authorship(sketch: &Sketch) -> String {
    let date = sketch.author_date.map(|date| date.rfc3339().unwrap_or_else(|| date.seconds.to_string()));
    format!("{} <{}> {}", sketch.author_name, sketch.author_email, date.as_deref().unwrap_or("without a date"))
}

pub(super) fn compare<T>(a: &Fact<T>, b: &Fact<T>, need: Need, equal: impl FnOnce(&T, &T) -> bool) -> Answer {
    match (a, b) {
        (Fact::Known(a), Fact::Known(b)) => equal(a, b).into(),
        (Fact::Unknowable, _) | (_, Fact::Unknowable) => Answer::Unknowable,
        _ => Answer::Needs(need),
    }
}

fn file_name(path: &[u8]) -> &[u8] {
    &path[memchr::memrchr(b'/', path).map_or(0, |slash| slash + 1)..]
}

/// How many elements two ascending lists have in common, counted as often as both have them.
pub(super) fn common<T: Ord>(a: &[T], b: &[T]) -> usize {
    let (mut i, mut j, mut count) = (0, 0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        match x.cmp(y) {
            Ordering::Less => i += 1,
            Ordering::Greater => j += 1,
            Ordering::Equal => {
                (i, j) = (i + 1, j + 1);
                count += 1;
            }
        }
    }
    count
}

/// Two unlike commits for the tests of the rungs.
#[cfg(test)]
pub(super) fn sample(number: u8) -> Sketch {
    use crate::facts::date::Moment;

    let id = |byte: u8| Oid::from_bytes(&[byte; 20]).expect("20 bytes");
    let lines = |seed: u64| ChangedLines { added: (seed..seed + 10).collect(), removed: vec![seed, seed + 7] };
    Sketch {
        author_name: format!("A U Thor {number}"),
        author_email: format!("author{number}@example.com"),
        author_date: Moment::parse(format!("17000000{number:02}").as_bytes(), b"+0000"),
        subject: format!("Fix {number}"),
        subject_key: format!("fix {number}"),
        patch_id: Fact::Known(Some(id(100 + number))),
        paths: Fact::Known(vec![format!("src/{number}.c").into_bytes()]),
        lines: Fact::Known(lines(100 * u64::from(number))),
        ..Sketch::new(id(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::patch_id::ChangedLines;

    #[test]
    fn answers_wait_only_for_what_decides() {
        use Answer::{No, Unknowable, Yes};
        let needs = Answer::Needs(Need::Lines);
        for (a, b, and, or) in [
            (Yes, No, No, Yes),
            (Yes, needs, needs, Yes),
            (No, needs, No, needs),
            (needs, No, No, needs),
            (needs, Yes, needs, Yes),
            (Unknowable, No, No, Unknowable),
            (Unknowable, Yes, Unknowable, Yes),
            (Unknowable, needs, needs, needs),
            (needs, Unknowable, needs, needs),
        ] {
            assert_eq!((a.and(|| b), a.or(|| b)), (and, or), "{a:?} {b:?}");
        }
    }

    #[test]
    fn containment_is_a_share_of_the_smaller_change() {
        let lines = |added: &[u64], removed: &[u64]| ChangedLines { added: added.into(), removed: removed.into() };
        for (a, b, share) in [
            (lines(&[1, 2, 3, 4], &[]), lines(&[1, 2], &[]), Some(1.0)),
            (lines(&[1, 1, 2], &[]), lines(&[1, 3, 4, 5], &[]), Some(1.0 / 3.0)),
            (lines(&[1, 2], &[]), lines(&[], &[1, 2]), Some(0.0)),
            (lines(&[1], &[2, 3]), lines(&[1], &[2, 9]), Some(2.0 / 3.0)),
            (lines(&[], &[]), lines(&[1], &[]), None),
        ] {
            let (mut x, mut y) = (sample(1), sample(2));
            (x.lines, y.lines) = (Fact::Known(a), Fact::Known(b));
            let (there, back) = (Pair::new(&x, &y, false).containment(), Pair::new(&y, &x, false).containment());
            assert_eq!((there, back), (share, share));
        }
    }

    #[test]
    fn a_file_that_moved_asks_for_more_of_the_lines() {
        for (path, common, expected) in [
            ("src/1.c", 5, true),
            ("src/1.c", 4, false),
            ("lib/1.c", 8, true),
            ("lib/1.c", 7, false),
            ("lib/2.c", 10, false),
        ] {
            let (mut x, mut y) = (sample(1), sample(2));
            x.lines = Fact::Known(ChangedLines { added: (0..10).collect(), removed: vec![] });
            y.lines = Fact::Known(ChangedLines { added: (10 - common..20 - common).collect(), removed: vec![] });
            y.paths = Fact::Known(vec![path.as_bytes().to_vec()]);
            assert_eq!(Pair::new(&x, &y, false).place_and_lines(), expected.into(), "{path} {common}");
        }
    }

    #[test]
    fn an_author_is_known_by_name_or_address_to_the_second() {
        let a = sample(1);
        for (name, email, same_second, same) in [
            ("A U Thor 1", "other@example.com", true, true),
            ("Other", "Author1@Example.com", true, true),
            ("Other", "other@example.com", true, false),
            ("A U Thor 1", "author1@example.com", false, false),
        ] {
            let mut b = sample(2);
            (b.author_name, b.author_email) = (name.to_owned(), email.to_owned());
            if same_second {
                b.author_date = a.author_date;
            }
            assert_eq!(Pair::new(&a, &b, false).author_date(), same, "{name} {email}");
        }
    }

    #[test]
    fn a_pull_request_is_shared_if_one_of_them_came_by_it() {
        for (a, b, shared) in [
            ((Some(7), vec![7]), (Some(7), vec![7]), Some(7)),
            ((Some(7), vec![7]), (Some(12), vec![7, 12]), Some(7)),
            ((Some(12), vec![7, 12]), (Some(7), vec![7]), Some(7)),
            ((Some(12), vec![3, 12]), (Some(7), vec![3, 7]), None),
            ((None, vec![3]), (None, vec![3]), None),
        ] {
            let (mut x, mut y) = (sample(1), sample(2));
            (x.pull_request, x.mentions) = a;
            (y.pull_request, y.mentions) = b;
            assert_eq!(Pair::new(&x, &y, false).pull_request(), shared);
        }
    }

    #[test]
    fn facts_are_wanted_from_cheap_to_dear() {
        let (mut a, b) = (sample(1), sample(2));
        assert_eq!(Pair::new(&a, &b, false).lacks(), None);
        a.lines = Fact::Unasked;
        assert_eq!(Pair::new(&a, &b, false).lacks(), Some(Need::Lines));
        (a.patch_id, a.paths) = (Fact::Unasked, Fact::Unknowable);
        assert_eq!(Pair::new(&a, &b, false).lacks(), Some(Need::PatchId));
        assert_eq!(Pair::new(&a, &b, false).shared_path(), Answer::Unknowable);
    }
}
