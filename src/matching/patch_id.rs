//! Rung 7, `patch-id`: the same patch-id and nothing else. Weak: shown, not counted.
//!
//! Measured: of the matches that no label backed, 5 true and 1 false. Confidence .83, by that count. The same set of paths
//! raises the pair; without it a patch-id can't be the same, and isn't computed. Not for a mechanical change.

use super::{
    evidence::{Answer, Pair},
    verdict::SignalKind,
};

pub(super) const CONFIDENCE: f64 = 0.83;
pub(super) const EVIDENCE: &[SignalKind] = &[SignalKind::Paths, SignalKind::PatchId];

pub(super) fn holds(pair: &Pair<'_>) -> Answer {
    pair.same_paths().and(|| pair.telling()).and(|| pair.patch_id())
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
    fn the_patch_id_is_asked_for_only_where_the_paths_are_the_same() {
        let a = sample(1);
        let paths = |same: bool| Fact::Known(if same { vec![b"src/1.c".to_vec()] } else { vec![b"src/2.c".to_vec()] });
        for (paths, patch_id, expected) in [
            (paths(true), a.patch_id.clone(), Answer::Yes),
            (paths(true), Fact::Unasked, Answer::Needs(Need::PatchId)),
            (paths(false), Fact::Unasked, Answer::No),
            (Fact::Unasked, Fact::Unasked, Answer::Needs(Need::Paths)),
            (paths(true), sample(2).patch_id, Answer::No),
        ] {
            let mut b = sample(2);
            (b.paths, b.patch_id) = (paths, patch_id);
            assert_eq!(holds(&Pair::new(&a, &b, false)), expected);
        }
        let (mut x, mut y) = (sample(1), sample(2));
        (x.subject_key, y.patch_id, y.paths) = ("bump version to 2.0".into(), x.patch_id.clone(), x.paths.clone());
        assert_eq!(holds(&Pair::new(&x, &y, false)), Answer::No);
        x.subject_key = "fix".into();
        assert_eq!(holds(&Pair::new(&x, &y, false)), Answer::Yes);
    }
}
