//! Rung 1, `change-id`: both carry the same Change-Id.
//!
//! Measured: of the matches that no label backed, 2,346 true and none false. Confidence 1.00. Found in 98.4 % of the pairs of
//! nova, and in none of the repositories that don't use Gerrit. Holds within one ref too: what Gerrit calls one change is
//! one change.

use super::{
    evidence::{Answer, Pair},
    verdict::SignalKind,
};

pub(super) const CONFIDENCE: f64 = 1.0;
pub(super) const EVIDENCE: &[SignalKind] = &[SignalKind::ChangeId];

pub(super) fn holds(pair: &Pair<'_>) -> Answer {
    pair.change_id().is_some().into()
}

#[cfg(test)]
mod tests {
    use super::{super::evidence::sample, *};

    #[test]
    fn both_must_have_it_and_the_case_of_its_digits_is_nothing() {
        let id = "I1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d";
        for (a, b, expected) in [
            (Some(id), Some(id), Answer::Yes),
            (Some(id), Some("I1A2B3C4D5E6F708192A3B4C5D6E7F8091A2B3C4D"), Answer::Yes),
            (Some(id), Some("I2a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d"), Answer::No),
            (Some(id), None, Answer::No),
            (None, None, Answer::No),
        ] {
            let (mut x, mut y) = (sample(1), sample(2));
            (x.change_id, y.change_id) = (a.map(str::to_owned), b.map(str::to_owned));
            assert_eq!(holds(&Pair::new(&x, &y, false)), expected);
        }
    }
}
