//! Where one commit holds another among several: a squash.
//!
//! Owns what points from the one to the other, and how much of the part the whole must have. Refuses the diff, and what several
//! consecutive commits come to together, which only their combined diff tells.
//!
//! Measured: squashes of up to 54 sources; the limit is 60.

use super::{
    evidence::{Answer, Need, Pair, common, compare},
    signals::Signals,
    sketch::Sketch,
    verdict::{Fidelity, Rung, Signal, SignalKind, Strength, Verdict},
};
use crate::facts::{patch_id::ChangedLines, references::normalised_subject};

/// The most commits that one is compared with.
pub const MOST_PARTS: usize = 60;
/// The share of a part's lines that the whole must have.
const NEARLY_ALL: f64 = 0.9;
/// The probability that a commit which a whole points to and whose lines it has is a part of it.
pub const CONFIDENCE: f64 = 0.97;

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
/// part's lines are among its own. For pairs that no rung joins. `Needs` as in [`super::judge`].
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
    let within = || compare(&part.paths, &whole.paths, Need::Paths, |part, whole| lies_within(part, whole));
    let size = |lines: &ChangedLines| lines.added.len() + lines.removed.len();
    let larger = || compare(&whole.lines, &part.lines, Need::Lines, |whole, part| size(whole) > size(part));
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

/// Whether every path of a part, at least one, is one of the whole.
fn lies_within(part: &[Vec<u8>], whole: &[Vec<u8>]) -> bool {
    !part.is_empty() && common(part, whole) == part.len()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{evidence::sample, sketch::Fact},
        *,
    };

    fn paths(list: &[&str]) -> Fact<Vec<Vec<u8>>> {
        Fact::Known(list.iter().map(|path| path.as_bytes().to_vec()).collect())
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
        // What isn't known yet decides nothing.
        part.paths = paths(&["b"]);
        let unasked = |sketch: &Sketch, need: Need| match need {
            Need::Paths => Sketch { paths: Fact::Unasked, lines: Fact::Unasked, ..sketch.clone() },
            _ => Sketch { lines: Fact::Unasked, ..sketch.clone() },
        };
        for need in [Need::Paths, Need::Lines] {
            for (whole, part) in [
                (&whole, &unasked(&part, need)),
                (&unasked(&whole, need), &part),
                (&unasked(&whole, need), &unasked(&part, need)),
            ] {
                assert_eq!(answer(whole, part, false), Answer::Needs(need));
            }
        }
        whole.lines = Fact::Unknowable;
        assert_eq!(answer(&whole, &part, false), Answer::Unknowable);
    }
}
