//! Below the ladder: what is worth a look and no more, strength `hint`.
//!
//! - *author and date only*: a rebase or a script gives one second to a whole series;
//! - *subject only*: "update todo", 1,349 times;
//! - *similar lines*: a path in common, and four fifths of all the lines of both in both.
//!
//! Measured: "mostly false". The confidences are no counts, they only order hints below every rung.

use super::{
    evidence::{Answer, Pair},
    verdict::SignalKind,
};

/// The least likeness, common lines as a share of all lines, that is worth a look.
const LIKENESS: f64 = 0.8;

/// What hints, if anything does, with its confidence.
pub(super) fn hint(pair: &Pair<'_>) -> Result<Option<(SignalKind, f64)>, super::evidence::Need> {
    if pair.author_date() {
        return Ok(Some((SignalKind::AuthorDate, 0.3)));
    }
    let alike = || match (pair.lines(), pair.likeness()) {
        (Answer::Yes, Some(likeness)) => (likeness >= LIKENESS).into(),
        (answer, _) => answer,
    };
    match pair.shared_path().and(alike) {
        Answer::Needs(need) => Err(need),
        Answer::Yes => Ok(Some((SignalKind::Fuzzy, 0.25))),
        Answer::No | Answer::Unknowable => Ok(pair.subject().then_some((SignalKind::Subject, 0.1))),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::evidence::sample, *};

    #[test]
    fn what_is_worth_a_look() {
        for (what, expected) in [
            ("author", Some(SignalKind::AuthorDate)),
            ("subject", Some(SignalKind::Subject)),
            ("lines", None),
            ("lines and path", Some(SignalKind::Fuzzy)),
            ("nothing", None),
        ] {
            let (a, mut b) = (sample(1), sample(2));
            match what {
                "author" => (b.author_name, b.author_date) = (a.author_name.clone(), a.author_date),
                "subject" => b.subject_key.clone_from(&a.subject_key),
                "lines" => b.lines.clone_from(&a.lines),
                "lines and path" => (b.lines, b.paths) = (a.lines.clone(), a.paths.clone()),
                _ => {}
            }
            let hint = hint(&Pair::new(&a, &b, false)).expect("all facts are known");
            assert_eq!(hint.map(|(kind, _)| kind), expected, "{what}");
        }
    }
}
