//! Rung 4, `patch-id-subject`: the same patch-id, and the subject or the pull request agrees.
//!
//! Measured: of the matches that no label backed, 478 true and none false. Confidence .99. The subject of a mechanical change
//! ("bump version") is as common as its patch-id, and doesn't count here.

use super::{
    evidence::{Answer, Pair},
    verdict::SignalKind,
};

pub(super) const CONFIDENCE: f64 = 0.99;
pub(super) const EVIDENCE: &[SignalKind] = &[SignalKind::Subject, SignalKind::PullRequest, SignalKind::PatchId];

pub(super) fn holds(pair: &Pair<'_>) -> Answer {
    let named = Answer::from(pair.pull_request().is_some());
    named.or(|| Answer::from(pair.subject()).and(|| pair.telling())).and(|| pair.patch_id())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            evidence::{Need, sample},
            sketch::Fact,
        },
        *,
    };

    #[test]
    fn a_telling_subject_or_the_pull_request_confirms_the_patch_id() {
        for (subject, pull_request, patch_id, expected) in [
            ("fix 1", None, true, Answer::Yes),
            ("fix 2", Some(7), true, Answer::Yes),
            ("fix 1", None, false, Answer::No),
            ("fix 2", None, true, Answer::No),
            ("update todo", None, true, Answer::No),
            ("update todo", Some(7), true, Answer::Yes),
        ] {
            let (mut a, mut b) = (sample(1), sample(2));
            if subject == "update todo" {
                a.subject_key = subject.to_owned();
            }
            b.subject_key = subject.to_owned();
            (a.pull_request, b.pull_request) = (pull_request, pull_request);
            if patch_id {
                b.patch_id.clone_from(&a.patch_id);
            }
            assert_eq!(holds(&Pair::new(&a, &b, false)), expected, "{subject} {pull_request:?} {patch_id}");
            if expected == Answer::Yes {
                b.patch_id = Fact::Unasked;
                assert_eq!(holds(&Pair::new(&a, &b, false)), Answer::Needs(Need::PatchId));
            }
        }
    }
}
