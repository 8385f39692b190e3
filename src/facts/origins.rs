//! Where a commit was taken from: the lines that `git cherry-pick -x` and people write.
//!
//! Owns which sentences name a source. Refuses: finding the id (`references`) and whether it exists.
//!
//! Read are "(cherry picked from commit X)" in its many spellings, "backport of X", "backported from X", "backport: X",
//! "Cherry-picked: X", "commit X upstream." (Linux stable), "[ Upstream commit X ]" and "Upstream-commit: X". Prose such as
//! "must be backported to 2.x", "we also cherry pick X" and "we won't backport X" names no source.

use serde::{Deserialize, Serialize};

use super::references::{Mention, Word};

/// How the message says that the commit was taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OriginKind {
    /// "cherry picked from", "picked from".
    CherryPick,
    /// "backported from", "backport of".
    Backport,
    /// "commit … upstream", "Upstream commit …".
    Upstream,
}

impl OriginKind {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CherryPick => "cherry-pick",
            Self::Backport => "backport",
            Self::Upstream => "upstream",
        }
    }
}

/// A commit that this one was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Origin<'a> {
    /// How it says so.
    pub kind: OriginKind,
    /// The hexadecimal id as written: 7 digits or more, either case.
    pub text: &'a str,
}

/// What kind of source the mentioned commit is, if it is one.
pub(super) fn origin(mention: &Mention<'_>) -> Option<OriginKind> {
    let lead = &mention.lead[..];
    if let Some(kind) = lead.first().and_then(|word| keyed(word)) {
        return Some(kind);
    }
    if let Some(kind) = picked_from(lead).or_else(|| picked(lead)) {
        return Some(kind);
    }
    let says_upstream =
        mention.tail.trim_start_matches([' ', ',', '\n']).get(..8).is_some_and(|w| w.eq_ignore_ascii_case("upstream"));
    let upstream = mention.named && mention.opens && (mention.upstream || says_upstream);
    upstream.then_some(OriginKind::Upstream)
}

/// `Upstream-commit: X`, `Cherry-picked-from: X`, `backport: X`.
fn keyed(word: &Word<'_>) -> Option<OriginKind> {
    if !word.colon && !word.opens {
        return None;
    }
    if word.is(&["upstream-commit", "upstream-sha1", "commit-upstream"]) || (word.colon && word.is(&["upstream"])) {
        return Some(OriginKind::Upstream);
    }
    if word.is(&["cherry-picked-from", "cherry-pick-from", "picked-from", "cherrypicked-from"]) {
        return Some(OriginKind::CherryPick);
    }
    word.is(&["backported-from", "backport-of", "backport-from", "backport-commit"]).then_some(OriginKind::Backport)
}

/// "cherry picked from X", "picked from cinder X", "backports the same fix from X", "partial cherry-pick of X".
fn picked_from(lead: &[Word<'_>]) -> Option<OriginKind> {
    // One word between the preposition and "commit X" is the name of a repository.
    let preposition = lead.iter().take(2).position(|word| word.is(&["from", "of"]))?;
    let before = &lead[preposition + 1..];
    let (at, kind) =
        before.iter().take(4).enumerate().find_map(|(at, word)| Some((at, kind_of(word, before.get(at + 1))?)))?;
    let verb = before.get(at + 1);
    let denied =
        verb.is_some_and(|word| word.is(&["not", "won't", "cannot", "can't", "never", "only", "if", "the", "our"]));
    let of_far = lead[preposition].is(&["of"]) && at > 0;
    (!denied && !of_far).then_some(kind)
}

/// "Cherry-picked: X", "[cherry-picked] X", "Backport X": at the start of a line, or with a colon.
fn picked(lead: &[Word<'_>]) -> Option<OriginKind> {
    // "(cherry picked and squashed X)"
    let lead = if lead.first().is_some_and(|word| word.is(&["squashed", "adapted"])) { lead.get(2..)? } else { lead };
    let (first, second) = (lead.first()?, lead.get(1));
    let kind = kind_of(first, second)?;
    let two_words = second.filter(|word| word.is(&["cherry"]));
    (first.colon || two_words.unwrap_or(first).opens).then_some(kind)
}

fn kind_of(word: &Word<'_>, before: Option<&Word<'_>>) -> Option<OriginKind> {
    if word.is(&["cherry-picked", "cherry-pick", "cherry-picks", "cherrypicked", "cherrypick", "cherry-picking"])
        || (word.is(&["picked", "pick"]) && before.is_some_and(|word| word.is(&["cherry"])))
        || (word.is(&["picked"]) && word.opens)
    {
        return Some(OriginKind::CherryPick);
    }
    word.is(&["backport", "backported", "backports", "back-port", "back-ported", "backporting"])
        .then_some(OriginKind::Backport)
}

#[cfg(test)]
mod tests {
    use super::{super::references::References, OriginKind::*, *};
    use crate::facts::patterns::Patterns;

    const X: &str = "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d";

    fn read(message: &str) -> Vec<(OriginKind, String)> {
        let read = References::of("subject", message, &[], &Patterns::default());
        read.origins.iter().map(|origin| (origin.kind, origin.text.to_owned())).collect()
    }

    #[test]
    fn every_spelling_names_its_source() {
        for (text, kind) in [
            ("(cherry picked from commit X)", CherryPick),
            ("(cherry picked from commit X, with changes)", CherryPick),
            ("(cherry picked from commit\nX)", CherryPick),
            ("(cherry picked from X)", CherryPick),
            ("(picked from X)", CherryPick),
            ("  cherry picked from commit X", CherryPick),
            ("cherry-picked from commit X.", CherryPick),
            ("(cherry-pick from commit X)", CherryPick),
            ("(cherry picked from cinder commit X)", CherryPick),
            ("(cherry picked from commit https://github.com/o/r/commit/X)", CherryPick),
            ("(Cherry picked and squashed X)", CherryPick),
            ("Cherry-picked-from: X", CherryPick),
            ("Cherry-picked from: X", CherryPick),
            ("Cherry-picked: X", CherryPick),
            ("Cherry pick X", CherryPick),
            ("[#12,1/7] cherry-picked from X", CherryPick),
            ("[cherry-picked] X 2023-01-02 a subject", CherryPick),
            ("This is a cherry-pick of https://github.com/o/r/commit/X", CherryPick),
            ("fix this (cherry picked from commit X)", CherryPick),
            ("Fixes: #12(cherry picked from commit X)", CherryPick),
            ("partial cherry-pick of X to import a function", CherryPick),
            ("(backported from commit X)", Backport),
            ("backported from X", Backport),
            ("Backport of X to 6.0.", Backport),
            ("a value (backport of X)", Backport),
            ("This is a backport of o/r@X.", Backport),
            ("This backports the same fix from X", Backport),
            ("backport: X", Backport),
            ("Backport: commit X", Backport),
            ("commit X upstream.", Upstream),
            ("[ Upstream commit X ]", Upstream),
            ("Upstream commit X", Upstream),
            ("Upstream-commit: X", Upstream),
            ("upstream: https://example.com/r.git/commit/?id=X", Upstream),
        ] {
            for id in [X, "1a2b3c4"] {
                let message = format!("subject\n\n{}\n", text.replace('X', id));
                assert_eq!(read(&message), [(kind, id.to_owned())], "{message}");
            }
        }
    }

    #[test]
    fn prose_about_backports_names_no_source() {
        for text in [
            "This must be backported to 2.8 since commit 1a2b3c4d added it.",
            "can be backported, only if we also backport 1a2b3c4d.",
            "only if we also cherry pick 1a2b3c4d.",
            "we won't backport commit 1a2b3c4d to Grizzly",
            "Cannot backport 1a2b3c4d as it needs more",
            "Cherry pick a more complete fix to 1a2b3c4d that leaks less",
            "[skipped - already in upstream] 1a2b3c4d",
            "Merge from upstream 1a2b3c4d",
            "Backport of 20240101",
        ] {
            assert_eq!(read(&format!("subject\n\n{text}\n")), [], "{text}");
        }
    }

    #[test]
    fn chains_keep_their_order_and_the_last_is_the_immediate_source() {
        let chain = "s\n\n(cherry picked from commit aaaaaa1)\n[xx: context]\n(cherry picked from commit bbbbbb2)\n";
        assert_eq!(read(chain), [(CherryPick, "aaaaaa1".to_owned()), (CherryPick, "bbbbbb2".to_owned())]);
        let list = "s\n\n(cherry picked from commits aaaaaa1, bbbbbb2 and ccccc33)\n";
        assert_eq!(read(list).len(), 3);
        let repeated =
            "s\n\n(cherry picked from aaaaaa1)\n(cherry picked from bbbbbb2)\n(cherry picked from aaaaaa1)\n";
        assert_eq!(read(repeated), [(CherryPick, "bbbbbb2".to_owned()), (CherryPick, "aaaaaa1".to_owned())]);
    }

    #[test]
    fn kinds_are_kebab_case_on_the_wire() {
        let origin = Origin { kind: CherryPick, text: "aaaaaa1" };
        let json = serde_json::to_string(&origin).expect("plain data");
        assert_eq!(json, r#"{"kind":"cherry-pick","text":"aaaaaa1"}"#);
    }
}
