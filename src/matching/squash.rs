//! Where one commit may be several commits of a branch made one, or one of several that it was split into.
//!
//! Owns the pointers: what makes it worth comparing a commit with a range of consecutive commits (their combined diff, by
//! patch-id), and which ranges. Refuses the diff. A split is the same question with the roles exchanged.
//!
//! Measured: squashes of up to 54 sources; the limit is 60.

use std::ops::Range;

use super::{
    evidence::{Answer, Need, Pair, common},
    signals::Signals,
    sketch::{Fact, Named, Sketch},
    verdict::{Fidelity, Rung, Signal, SignalKind, Strength, Verdict},
};
use crate::facts::{Oid, references::normalised_subject};

/// The most commits that one is compared with.
pub const MOST_PARTS: usize = 60;
/// The share of a part's lines that the whole must have.
const NEARLY_ALL: f64 = 0.9;
/// The probability that a commit which a whole points to and whose lines it has is a part of it.
pub const CONFIDENCE: f64 = 0.97;
/// The most ranges that are proposed for one commit.
const MOST_RANGES: usize = 64;

/// What points from a commit to one that it may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pointer {
    /// Both change the same lines, as far as the part goes: every path of it is one of the whole, and half of its lines or more.
    Lines,
    /// The message lists its subject.
    Subject,
    /// A trailer names it.
    Trailer,
}

/// The commits of this repository that a squash would be made of, by its trailers: each that it names and that isn't one
/// change with another named (`is_same_change`, which knows the chains). Empty unless there are two to sixty.
#[must_use]
pub fn named_parts(whole: &Sketch, is_same_change: impl Fn(&Oid, &Oid) -> bool) -> Vec<Oid> {
    let mut parts: Vec<Oid> = Vec::new();
    for id in whole.origins.iter().filter_map(|Named { id, .. }| id.as_ref()) {
        if !parts.iter().any(|part| part == id || is_same_change(part, id)) {
            parts.push(*id);
        }
    }
    if (2..=MOST_PARTS).contains(&parts.len()) { parts } else { Vec::new() }
}

/// The subjects, as keys, that a message lists below its own: lines that begin with `* ` or `- `, as a squash merge writes
/// them, and those below "This is the 1st commit message:" of `git rebase`. At most sixty.
#[must_use]
pub fn listed_subjects(body: &str) -> Vec<String> {
    let mut subjects = Vec::new();
    let mut after_heading = false;
    for line in body.lines().map(str::trim) {
        if line.starts_with("This is the ") || line.starts_with("# This is the ") {
            after_heading = line.ends_with("commit message:");
            continue;
        }
        let bullet = line.strip_prefix("* ").or_else(|| line.strip_prefix("- "));
        if let Some(subject) = bullet.or_else(|| Some(line).filter(|line| after_heading && !line.is_empty())) {
            subjects.push(normalised_subject(subject));
            after_heading = false;
        }
    }
    subjects.retain(|subject| subject.split(' ').count() > 1);
    subjects.truncate(MOST_PARTS);
    subjects
}

/// Whether `whole` holds `part` among other things, and what points from the one to the other: its message lists the subject or
/// names the pull request of the part, changes each of its paths and more than them or than its lines, and nine tenths of the
/// part's lines are among its own. For pairs that no rung joins.
#[must_use]
pub fn holds(whole: &Sketch, part: &Sketch, shared_ref: bool, signals: Signals) -> (Answer, SignalKind) {
    let listed = signals.has(SignalKind::Subject) && whole.listed.contains(&part.subject_key);
    let named = signals.has(SignalKind::PullRequest)
        && part
            .pull_request
            .is_some_and(|number| whole.pull_request != Some(number) && whole.mentions.binary_search(&number).is_ok());
    let kind = if listed { SignalKind::Subject } else { SignalKind::PullRequest };
    let pair = Pair::new(whole, part, shared_ref);
    if shared_ref || !(listed || named) || super::gates::admit(&pair, signals).is_err() {
        return (Answer::No, kind);
    }
    let within = || match (&part.paths, &whole.paths) {
        (Fact::Unasked, _) | (_, Fact::Unasked) => Answer::Needs(Need::Paths),
        (Fact::Unknowable, _) | (_, Fact::Unknowable) => Answer::Unknowable,
        _ => lies_within(part, whole).into(),
    };
    let size = |sketch: &Sketch| sketch.lines.known().map_or(0, |lines| lines.added.len() + lines.removed.len());
    let larger = || Answer::from(size(whole) > size(part));
    (within().and(|| pair.contained(NEARLY_ALL)).and(larger), kind)
}

/// The account of a pair of which one holds the other, `kind` pointing from the one to the other.
#[must_use]
pub fn verdict(pair: &Pair<'_>, kind: SignalKind) -> Verdict {
    let rung = if kind == SignalKind::Subject { Rung::Subject } else { Rung::PullRequest };
    // What is listed is the part's own subject, and what is named its pull request.
    let value = match kind {
        SignalKind::Subject => Some(pair.b.subject_key.clone()),
        _ => pair.b.pull_request.map(|number| format!("#{number}")),
    };
    let pointer = Signal { kind, value, hops: None };
    Verdict {
        rung: Some(rung),
        strength: Strength::Equal,
        confidence: CONFIDENCE,
        fidelity: Some(Fidelity::Adapted),
        signals: vec![pointer, pair.signal(SignalKind::Lines)],
        is_backed: false,
    }
}

/// What points from `whole`, whose message lists `subjects`, to `part`. Paths and lines count where they are known.
#[must_use]
pub fn pointer(whole: &Sketch, subjects: &[String], part: &Sketch) -> Option<Pointer> {
    if part.is_merge || part.id == whole.id {
        return None;
    }
    if whole.origins.iter().any(|origin| origin.names(&part.id)) {
        return Some(Pointer::Trailer);
    }
    if subjects.contains(&part.subject_key) || (!part.subject_key.is_empty() && whole.subject_key == part.subject_key) {
        return Some(Pointer::Subject);
    }
    let pair = Pair::new(whole, part, false);
    (lies_within(part, whole) && pair.lines() == Answer::Yes).then_some(Pointer::Lines)
}

/// Whether every path of `part`, at least one, is one of `whole`.
fn lies_within(part: &Sketch, whole: &Sketch) -> bool {
    match (&part.paths, &whole.paths) {
        (Fact::Known(part), Fact::Known(whole)) => !part.is_empty() && common(part, whole) == part.len(),
        _ => false,
    }
}

/// The ranges of `branch` (consecutive commits of one branch, without merges, the oldest first) whose combined diff may be that
/// of `whole`: two to sixty commits, something pointing to the first and to the last, that together change exactly the paths of
/// `whole`. The longest first, at most 64.
///
/// A path that a part changes and a later one changes back is missed.
#[must_use]
pub fn ranges(whole: &Sketch, subjects: &[String], branch: &[&Sketch]) -> Vec<Range<usize>> {
    let Some(wanted) = whole.paths.known().filter(|paths| !paths.is_empty()) else { return Vec::new() };
    let pointed: Vec<bool> = branch.iter().map(|part| pointer(whole, subjects, part).is_some()).collect();
    let fits: Vec<bool> = branch.iter().map(|part| lies_within(part, whole)).collect();
    let mut found: Vec<Range<usize>> = Vec::new();
    for first in (0..branch.len()).filter(|&first| pointed[first]) {
        let mut covered = vec![false; wanted.len()];
        for last in (first..branch.len().min(first + MOST_PARTS)).take_while(|&last| fits[last]) {
            for path in branch[last].paths.known().into_iter().flatten() {
                if let Ok(at) = wanted.binary_search(path) {
                    covered[at] = true;
                }
            }
            if last > first && pointed[last] && covered.iter().all(|&covered| covered) {
                found.push(first..last + 1);
            }
        }
    }
    found.sort_by_key(|range| (usize::MAX - range.len(), range.start));
    found.truncate(MOST_RANGES);
    found
}

#[cfg(test)]
mod tests {
    use super::{super::evidence::sample, *};

    fn paths(list: &[&str]) -> Fact<Vec<Vec<u8>>> {
        Fact::Known(list.iter().map(|path| path.as_bytes().to_vec()).collect())
    }

    #[test]
    fn several_sources_that_are_not_one_change_are_parts() {
        let mut whole = sample(1);
        let name = |number: u8| Named { text: sample(number).id.to_hex(), id: Some(sample(number).id) };
        for (origins, chain, count) in [
            (vec![name(2), name(3)], false, 2),
            (vec![name(2), name(3)], true, 0),
            (vec![name(2), name(2)], false, 0),
            (vec![name(2), Named { text: "abcdef0".into(), id: None }], false, 0),
            ((2..70).map(name).collect(), false, 0),
        ] {
            whole.origins = origins;
            assert_eq!(named_parts(&whole, |_, _| chain).len(), count);
        }
    }

    #[test]
    fn a_squash_merge_lists_its_subjects() {
        let body = "Introduction.\n\n* Fix  this (#12)\n\n  more words\n* fixup\n- And that\n\n\
                    # This is the 2nd commit message:\n\nThe other\n\nIts body\n";
        assert_eq!(listed_subjects(body), ["fix this", "and that", "the other"]);
    }

    #[test]
    fn a_whole_holds_what_it_lists_and_has_the_lines_of() {
        let lines = |range: std::ops::Range<u64>| {
            Fact::Known(crate::facts::patch_id::ChangedLines { added: range.collect(), removed: vec![] })
        };
        let (mut whole, mut part) = (sample(1), sample(2));
        (whole.paths, part.paths) = (paths(&["a", "b"]), paths(&["b"]));
        (whole.lines, part.lines) = (lines(0..30), lines(0..10));
        part.pull_request = Some(7);
        let answer = |whole: &Sketch, part: &Sketch, shared| holds(whole, part, shared, Signals::ALL).0;
        assert_eq!(answer(&whole, &part, false), Answer::No, "nothing points to it");
        whole.listed = vec![part.subject_key.clone()];
        assert_eq!(answer(&whole, &part, false), Answer::Yes);
        assert_eq!(answer(&whole, &part, true), Answer::No, "of one branch");
        assert_eq!(answer(&part, &whole, false), Answer::No);
        whole.listed.clear();
        whole.mentions = vec![7];
        assert_eq!(holds(&whole, &part, false, Signals::ALL), (Answer::Yes, SignalKind::PullRequest));
        part.lines = lines(20..40);
        assert_eq!(answer(&whole, &part, false), Answer::No, "half of its lines");
        (part.lines, part.paths) = (lines(0..10), paths(&["b", "z"]));
        assert_eq!(answer(&whole, &part, false), Answer::No, "a path of its own");
        part.paths = Fact::Unasked;
        assert_eq!(answer(&whole, &part, false), Answer::Needs(Need::Paths));
    }

    #[test]
    fn ranges_cover_the_paths_of_the_whole_and_nothing_else() {
        let mut whole = sample(1);
        whole.paths = paths(&["a", "b", "c"]);
        let parts: Vec<Sketch> =
            [(2, vec!["a"]), (3, vec!["b"]), (4, vec!["c"]), (5, vec!["z"]), (6, vec!["a", "b", "c"])]
                .into_iter()
                .map(|(number, list)| Sketch { paths: paths(&list), ..sample(number) })
                .collect();
        let branch: Vec<&Sketch> = parts.iter().collect();
        let listed = |numbers: &[u8]| numbers.iter().map(|number| format!("fix {number}")).collect::<Vec<_>>();
        for (subjects, expected) in [
            (listed(&[2, 4]), Some(0..3)),
            (listed(&[2]), None),
            (listed(&[3, 4]), None),
            (listed(&[2, 3, 4, 5, 6]), Some(0..3)),
            (vec![], None),
        ] {
            assert_eq!(ranges(&whole, &subjects, &branch), Vec::from_iter(expected), "{subjects:?}");
        }
        assert_eq!(pointer(&whole, &[], &parts[0]), None);
        whole.lines.clone_from(&parts[0].lines);
        assert_eq!(pointer(&whole, &[], &parts[0]), Some(Pointer::Lines));
    }
}
