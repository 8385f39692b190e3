//! Rung 0, `trailer`: a trailer of one names the other, in full or abbreviated.
//!
//! The maintainer's word, confidence 1.00, `equal` even where nothing else agrees (`fidelity` is `claimed` then). It is what
//! the 24,714 pairs of the measurement were labelled by, and so has no figures of its own. One trailer among several may name
//! a part of a squash; `groups` keeps such parts apart.

use super::{
    evidence::{Answer, Pair},
    verdict::SignalKind,
};

pub(super) const CONFIDENCE: f64 = 1.0;
pub(super) const EVIDENCE: &[SignalKind] = &[SignalKind::Trailer];

pub(super) fn holds(pair: &Pair<'_>) -> Answer {
    pair.trailer().is_some().into()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{evidence::sample, signals::Signals, sketch::Named},
        *,
    };

    #[test]
    fn either_side_may_name_the_other_in_full_or_in_part() {
        let a = sample(1);
        let full = a.id.to_hex();
        for (text, id, expected) in [
            (full.as_str(), Some(a.id), Answer::Yes),
            (&full[..9], None, Answer::Yes),
            ("abcdef0", None, Answer::No),
            (&full[..9], Some(sample(3).id), Answer::No),
        ] {
            let mut b = sample(2);
            b.origins = vec![Named { text: text.to_owned(), id }];
            assert_eq!(holds(&Pair::new(&a, &b, false)), expected, "{text}");
            assert_eq!(holds(&Pair::new(&b, &a, true)), expected, "{text}");
            let hidden = Signals::ALL.without(SignalKind::Trailer);
            assert_eq!(holds(&Pair::new(&a, &b, false).with(hidden)), Answer::No);
        }
    }
}
