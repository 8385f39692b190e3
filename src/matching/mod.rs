//! The ladder: whether two commits are one change, and why we say so. Pure: nothing here reads git.
//!
//! Gates first (`gates`), then one rung a file, in the order of [`Rung::ALL`]; the first that holds sets the confidence, and
//! every signal that agrees is listed. Measured on 24,714 real pairs of commit and pick from five public repositories with the
//! trailers hidden: recall .95 to .999, precision .987 to .999; what `git cherry` does, the patch-id alone, finds .53 of the
//! hard ones. Each rung's own figures are in its file.
//!
//! Facts that cost a diff (paths, patch-id, lines) may be unasked. [`judge`] then answers [`Judgement::Needs`] with the one
//! that decides, the caller fills it in on both sides and asks again; so a diff is made only for a pair that something cheap
//! has raised, and the answer never depends on what happened to be known before:
//!
//! ```
//! use git_bhfuil::matching::{Judgement, Pair, Signals, Strength, judge};
//! # use git_bhfuil::{facts::Oid, matching::{Fact, Sketch}};
//! # let id = |byte: u8| Oid::from_bytes(&[byte; 20]).expect("20 bytes");
//! # let diff = |sketch: &mut Sketch| sketch.patch_id = Fact::Known(Some(id(9)));
//! let (mut a, mut b) = (Sketch::new(id(1)), Sketch::new(id(2)));
//! # for s in [&mut a, &mut b] { (s.subject_key, s.paths) = ("fix it".into(), Fact::Known(vec![b"a".to_vec()])); }
//! let verdict = loop {
//!     match judge(&Pair::new(&a, &b, false), Signals::ALL, Strength::Equal) {
//!         Judgement::Needs(_need) => (diff(&mut a), diff(&mut b)),
//!         Judgement::Matched(verdict) => break Some(verdict),
//!         Judgement::NoMatch(_) => break None,
//!     };
//! };
//! assert_eq!(verdict.and_then(|verdict| verdict.rung).map(|rung| rung.as_str()), Some("patch-id-subject"));
//! ```
//!
//! `groups` joins verdicts to changes, `squash` says where one commit may be several. Refuses: which pairs to look at (the
//! caller's indexes raise them), and containment (`graph`).

mod author_date;
mod change_id;
mod evidence;
mod fuzzy;
mod gates;
pub mod groups;
pub mod keys;
mod mechanical;
mod patch_id;
mod patch_id_author_date;
mod patch_id_subject;
mod pull_request;
mod signals;
mod sketch;
pub mod squash;
mod subject;
mod trailer;
mod verdict;

pub use evidence::{Answer, CONTAINMENT, Need, Pair};
pub use gates::Gate;
pub use mechanical::{is_mechanical, sounds_mechanical};
pub use signals::{Signals, UnknownSignal};
pub use sketch::{Fact, Named, Sketch};
pub use verdict::{Fidelity, Rung, Signal, SignalKind, Strength, Verdict};

/// What [`judge`] says of a pair.
#[derive(Debug, Clone, PartialEq)]
pub enum Judgement {
    /// They match.
    Matched(Verdict),
    /// They don't, the gate being why where no rung was tried.
    NoMatch(Option<Gate>),
    /// That depends on this fact; fill it in on both sides, as known or as unknowable, and ask again.
    Needs(Need),
}

/// What one rung says of a pair; see [`explain`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The rung.
    pub rung: Rung,
    /// Whether it holds; `None` where that can't be known, or isn't yet.
    pub holds: Option<bool>,
    /// What that rests on, as phrases for people with semicolons between them.
    pub evidence: String,
}

/// Judges a pair: the first rung that holds, as weak as `least` at the least. `Needs` as long as a rung above the first that
/// is known to hold may hold too, or what backs a trailer isn't known, so that what is one change is the same whatever was known
/// before.
#[must_use]
pub fn judge(pair: &Pair<'_>, signals: Signals, least: Strength) -> Judgement {
    let admitted = match gates::admit(pair, signals) {
        Ok(admitted) => pair.with(admitted),
        Err(gate) => return Judgement::NoMatch(Some(gate)),
    };
    for rung in Rung::ALL.into_iter().filter(|rung| rung.strength() >= least) {
        match rung.holds(&admitted) {
            Answer::Yes => match (rung, pair.with(signals).backing()) {
                (Rung::Trailer, Answer::Needs(need)) => return Judgement::Needs(need),
                _ => return Judgement::Matched(verdict(pair, signals, Some(rung), rung.strength(), rung.confidence())),
            },
            Answer::Needs(need) => return Judgement::Needs(need),
            Answer::No | Answer::Unknowable => {}
        }
    }
    if least > Strength::Hint || pair.shared_ref {
        return Judgement::NoMatch(None);
    }
    match fuzzy::hint(&admitted) {
        Err(need) => Judgement::Needs(need),
        Ok(None) => Judgement::NoMatch(None),
        Ok(Some((kind, confidence))) => {
            let mut hint = verdict(pair, signals, None, Strength::Hint, confidence);
            if kind == SignalKind::Fuzzy {
                hint.signals.push(admitted.signal(kind));
            }
            Judgement::Matched(hint)
        }
    }
}

/// Whether a pair is equal, and nothing more: no fact is asked for that only tells one rung from another. For callers that
/// look at many pairs and show few.
#[must_use]
pub fn is_equal(pair: &Pair<'_>, signals: Signals) -> Answer {
    let Ok(admitted) = gates::admit(pair, signals) else { return Answer::No };
    let admitted = pair.with(admitted);
    let equal = Rung::ALL.into_iter().filter(|rung| rung.strength() == Strength::Equal);
    equal.fold(Answer::No, |found, rung| found.or(|| rung.holds(&admitted)))
}

/// What the gate and every rung say of a pair. A gate's word goes before the rungs', which are told all the same.
#[must_use]
pub fn explain(pair: &Pair<'_>, signals: Signals) -> (Option<Gate>, Vec<Step>) {
    let (gate, admitted) = match gates::admit(pair, signals) {
        Ok(admitted) => (None, pair.with(admitted)),
        Err(gate) => (Some(gate), pair.with(signals)),
    };
    let steps = Rung::ALL.into_iter().map(|rung| {
        let holds = match rung.holds(&admitted) {
            Answer::Yes => Some(gate.is_none()),
            Answer::No => Some(false),
            Answer::Needs(_) | Answer::Unknowable => gate.map(|_| false),
        };
        let mut evidence: Vec<String> = rung.evidence().iter().map(|&kind| admitted.account(kind)).collect();
        if let Some(gate) = gate {
            evidence.insert(0, gate.as_str().to_owned());
        }
        Step { rung, holds, evidence: evidence.join("; ") }
    });
    (gate, steps.collect())
}

impl Rung {
    /// The probability that a match on this rung is one change, as measured.
    #[must_use]
    pub const fn confidence(self) -> f64 {
        match self {
            Self::Trailer => trailer::CONFIDENCE,
            Self::ChangeId => change_id::CONFIDENCE,
            Self::PatchIdAuthorDate => patch_id_author_date::CONFIDENCE,
            Self::AuthorDate => author_date::CONFIDENCE,
            Self::PatchIdSubject => patch_id_subject::CONFIDENCE,
            Self::PullRequest => pull_request::CONFIDENCE,
            Self::Subject => subject::CONFIDENCE,
            Self::PatchId => patch_id::CONFIDENCE,
        }
    }

    fn holds(self, pair: &Pair<'_>) -> Answer {
        match self {
            Self::Trailer => trailer::holds(pair),
            Self::ChangeId => change_id::holds(pair),
            Self::PatchIdAuthorDate => patch_id_author_date::holds(pair),
            Self::AuthorDate => author_date::holds(pair),
            Self::PatchIdSubject => patch_id_subject::holds(pair),
            Self::PullRequest => pull_request::holds(pair),
            Self::Subject => subject::holds(pair),
            Self::PatchId => patch_id::holds(pair),
        }
    }

    fn evidence(self) -> &'static [SignalKind] {
        match self {
            Self::Trailer => trailer::EVIDENCE,
            Self::ChangeId => change_id::EVIDENCE,
            Self::PatchIdAuthorDate => patch_id_author_date::EVIDENCE,
            Self::AuthorDate => author_date::EVIDENCE,
            Self::PatchIdSubject => patch_id_subject::EVIDENCE,
            Self::PullRequest => pull_request::EVIDENCE,
            Self::Subject => subject::EVIDENCE,
            Self::PatchId => patch_id::EVIDENCE,
        }
    }
}

/// The kinds that are listed where they agree.
const LISTED: [SignalKind; 8] = [
    SignalKind::Trailer,
    SignalKind::ChangeId,
    SignalKind::PatchId,
    SignalKind::AuthorDate,
    SignalKind::PullRequest,
    SignalKind::Subject,
    SignalKind::Paths,
    SignalKind::Lines,
];

fn verdict(pair: &Pair<'_>, signals: Signals, rung: Option<Rung>, strength: Strength, confidence: f64) -> Verdict {
    // Evidence counts as evidence within one ref too, once a rung has held.
    let chosen = pair.with(signals);
    let agreeing = LISTED.into_iter().filter(|&kind| chosen.agrees(kind).is_yes());
    let signals: Vec<Signal> = agreeing.map(|kind| chosen.signal(kind)).collect();
    let is_backed = chosen.backing().is_yes();
    Verdict { rung, strength, confidence, fidelity: fidelity(pair, rung, &signals), signals, is_backed }
}

/// What arrived of the change. The patch-id and the lines say so whether they were chosen as signals or not.
fn fidelity(pair: &Pair<'_>, rung: Option<Rung>, signals: &[Signal]) -> Option<Fidelity> {
    let pair = pair.with(Signals::ALL);
    let (a, b) = (pair.a.lines.known(), pair.b.lines.known());
    match pair.patch_id() {
        Answer::Yes => return Some(Fidelity::Exact),
        Answer::No => {}
        Answer::Needs(_) | Answer::Unknowable => return None,
    }
    if a? == b? && pair.containment().is_some() {
        return Some(Fidelity::Context);
    }
    let only_claimed = rung == Some(Rung::Trailer) && signals.iter().all(|signal| signal.kind == SignalKind::Trailer);
    Some(if only_claimed { Fidelity::Claimed } else { Fidelity::Adapted })
}

#[cfg(test)]
mod tests;
