//! Rung 5, `pull-request`: the same pull request, a path in common, and line containment of ½ or more.
//!
//! Measured: of the matches that no label backed, 240 true and none false. Confidence .99. A pick that came by a pull request
//! of its own names the original's in its message; looking for the number there lifts the recall on ansible from .951 to .996.
//! Lines are asked for since a pull request may bring several commits. A fix that came by its own pull request names what it
//! mends just so, and its few lines are all in there: such a pair must have the same subject, or be alike as a whole
//! (likeness ½).

use super::{
    evidence::{Answer, Pair},
    verdict::SignalKind,
};

pub(super) const CONFIDENCE: f64 = 0.99;
pub(super) const EVIDENCE: &[SignalKind] = &[SignalKind::PullRequest, SignalKind::Paths, SignalKind::Lines];

pub(super) fn holds(pair: &Pair<'_>) -> Answer {
    let lines = || {
        let is_thin = pair.only_mentions_pull_request() && !pair.subject();
        if is_thin { pair.place_and_alike() } else { pair.place_and_lines() }
    };
    Answer::from(pair.pull_request().is_some()).and(lines)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{evidence::sample, sketch::Fact},
        *,
    };
    use crate::facts::patch_id::ChangedLines;

    #[test]
    fn a_pull_request_of_several_commits_is_told_apart_by_path_and_lines() {
        for (mentioned, path, lines, expected) in [
            (true, true, true, Answer::Yes),
            (true, true, false, Answer::No),
            (true, false, true, Answer::No),
            (false, true, true, Answer::No),
        ] {
            let (mut a, mut b) = (sample(1), sample(2));
            (a.pull_request, b.pull_request) = (Some(7), Some(12));
            if mentioned {
                b.mentions = vec![7, 12];
            }
            if path {
                b.paths.clone_from(&a.paths);
            }
            if lines {
                b.lines.clone_from(&a.lines);
            }
            assert_eq!(holds(&Pair::new(&a, &b, false)), expected, "{mentioned} {path} {lines}");
        }
    }

    #[test]
    fn a_fix_that_mentions_what_it_mends_is_another_change() {
        let lines = |range: std::ops::Range<u64>| Fact::Known(ChangedLines { added: range.collect(), removed: vec![] });
        for (own, subject, end, expected) in [
            (Some(12), "fix 2", 3, Answer::No),
            (Some(12), "fix 2", 30, Answer::Yes),
            (Some(12), "fix 1", 3, Answer::Yes),
            // A pick without a pull request of its own says "from #7".
            (None, "fix 2", 3, Answer::Yes),
        ] {
            let (mut a, mut b) = (sample(1), sample(2));
            (a.pull_request, a.lines) = (Some(7), lines(0..40));
            (b.pull_request, b.mentions, b.lines) = (own, vec![7], lines(0..end));
            (b.paths, b.subject_key) = (a.paths.clone(), subject.to_owned());
            assert_eq!(holds(&Pair::new(&a, &b, false)), expected, "{own:?} {subject} {end}");
        }
    }
}
