//! Where a commit was taken from: the lines that `git cherry-pick -x` and people write.
//!
//! Owns which sentences name a source. Refuses: finding the id (`references`) and whether it exists.
//!
//! Read are "(cherry picked from commit X)" in its many spellings, "backport of X", "backported from X", "backport: X",
//! "Cherry-picked: X", "commit X upstream." (Linux stable), "[ Upstream commit X ]", "This is libfoo upstream commit X" and
//! "Upstream-commit: X", also where "backported from main" follows the id. Prose such as "must be backported to 2.x", "must be
//! backported with X", "we also cherry pick X" and "we won't backport X" names no source.
//!
//! Counted beside `(cherry[- ]?pick|picked|backport|upstream).*<id>`: systemd-stable 13,559 / 13,555, nova 4,277 / 4,275,
//! ansible 7,023 / 7,015, redis 708 / 711, git 68 / 79, haproxy 331 / 538. What we leave is prose: haproxy's 207 are "must
//! be backported with X" and "no backport needed unless X is", the other 30 speak of some other pick or of a branch called
//! upstream.

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
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
    let follows = |words: &str| {
        let tail = mention.tail.trim_start_matches([' ', ',', '\n']);
        tail.get(..words.len()).is_some_and(|start| start.eq_ignore_ascii_case(words))
    };
    if !mention.named || !(mention.opens || (mention.upstream && is_introduced(lead))) {
        return None;
    }
    match () {
        () if mention.upstream || follows("upstream") => Some(OriginKind::Upstream),
        () if follows("backported from") => Some(OriginKind::Backport),
        () if follows("cherry-picked from") || follows("cherry picked from") => Some(OriginKind::CherryPick),
        () => None,
    }
}

/// "This is upstream commit X", "That's libfoo upstream commit X", the nearest word first.
fn is_introduced(lead: &[Word<'_>]) -> bool {
    // One word may name the project.
    let lead =
        if lead.first().is_some_and(|word| word.is(&["is", "that's"])) { lead } else { lead.get(1..).unwrap_or(&[]) };
    match lead {
        [is, this, ..] if is.is(&["is"]) => this.is(&["this", "it", "that", "patch"]),
        [thats, ..] => thats.is(&["that's"]),
        [] => false,
    }
}

/// `Upstream-commit: X`, `Cherry-picked-from: X`, `backport: X`.
fn keyed(word: &Word<'_>) -> Option<OriginKind> {
    if !word.colon && !word.opens {
        return None;
    }
    if word.is(&["upstream-commit", "upstream-sha1", "commit-upstream"]) || (word.colon && word.is(&["upstream"])) {
        return Some(OriginKind::Upstream);
    }
    if word.is(&["cherry-picked-from", "cherry-pick-from", "picked-from", "cherrypicked-from", "cherry-pick-x"]) {
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
        before.iter().take(5).enumerate().find_map(|(at, word)| Some((at, kind_of(word, before.get(at + 1))?)))?;
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
    let before = if two_words.is_some() { lead.get(2) } else { second };
    // "where this is also backported: X"
    let told = first.colon && !before.is_some_and(|word| word.is(&["be", "is", "was", "are", "been", "also", "to"]));
    // "This cherry-picks X"
    let this = first.text.ends_with('s')
        && before
            .is_some_and(|word| word.is(&["this"]) || (word.is(&["commit", "patch", "change"]) && this_precedes(lead)));
    (told || this || two_words.unwrap_or(first).opens).then_some(kind)
}

fn this_precedes(lead: &[Word<'_>]) -> bool {
    lead.iter().take(4).any(|word| word.is(&["this"]))
}

fn kind_of(word: &Word<'_>, before: Option<&Word<'_>>) -> Option<OriginKind> {
    if word.is(&["cherry-picked", "cherry-pick", "cherry-picks", "cherrypicked", "cherrypick", "cherry-picking"])
        || (word.is(&["picked", "pick", "picks"]) && before.is_some_and(|word| word.is(&["cherry"])))
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
            ("(Cherry picks commit X from elsewhere and adds to it", CherryPick),
            ("Cherry-pick-x: X", CherryPick),
            ("This cherry-picks X that is on another branch", CherryPick),
            ("cherry-picked with conflicts resolved manually from X (#12)", CherryPick),
            ("commit X cherry-picked from main", CherryPick),
            ("commit X backported from main to 2.2", Backport),
            ("This commit backports X.", Backport),
            ("This is libfoo upstream commit X.", Upstream),
            ("[ab: that's upstream commit X (\"subject\")]", Upstream),
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
            "This must be backported with 1a2b3c4d.",
            "It should be backported wherever this is also backported: 1a2b3c4d",
            "The patch may not apply, and then it might be helpful to\nbackport 1a2b3c4d first",
            "The interface has gone in\nupstream commit 1a2b3c4d (library 2.6)",
            "No backport needed unless 1a2b3c4d is.",
            "commit 1a2b3c4d is backported too",
            "the bug was fixed upstream in 1a2b3c4d",
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
