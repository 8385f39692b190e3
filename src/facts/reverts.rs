//! Taking a commit back, and landing it again.
//!
//! Owns which sentences name a commit that is reverted or re-landed, and how deep a subject's `Revert` goes. Refuses:
//! whether the revert still holds on some branch.
//!
//! - *reverts*: "This reverts commit X" (git's own), "Reverts: X", "This effectively reverts most of X", "a revert of X". `Y`
//!   in "reverting commit X, reversing changes made to Y" is the parent kept, and isn't reverted.
//! - *a part*: "This partially reverts X", "reverts a chunk of X", "a partial revert of X". X is still there, so that it is
//!   none of `reverts`; it was mended, and is among `fixes`.
//! - *relands*: "Reland X", "re-lands commit X", "reapplies X".
//! - A revert of a revert keeps git's sentence: below `Revert "Revert "s""` or, since git 2.43, `Reapply "s"`, "This reverts
//!   commit X" names the *revert*. X is therefore in `reverts`, and nothing in `relands`: following X gives the commit that
//!   lands again. Only a message that names that commit itself fills `relands`.
//! - *depth*: each `Revert "` adds 1; `Reapply "` and `Reland` add 2, as they stand for the revert of a revert; `Revert^2 "` (Gerrit)
//!   adds 2. A subject without any has depth 1 if a line of its message begins with git's own "This reverts commit",
//!   unless that is about one of the commits that a squash merge lists.
//!   `Partially revert "` counts as one as well: its commit is no copy of what it takes back in part.
//!
//! Counted beside `revert.*<id>`: systemd-stable 656 / 787, ansible 582 / 614, git 242 / 297, nova 207 / 220, haproxy 170 /
//! 186, redis 51 / 54. Of the 259 that we leave some 170 take back a part, the others tell of another commit's revert or
//! weigh one ("was reverted in X", "fixed if we revert X", "by reverting X"). Beside `re-?(land|appl).*<id>`: 5 / 5, 2 / 2,
//! 0 / 1, 0 / 0, 2 / 3, 0 / 0.

use std::sync::LazyLock;

use memchr::memmem;

use super::references::{Mention, Word};

/// Words between "reverts" and the id that don't change what is meant.
const FILLERS: [&str; 17] = [
    "most", "gist", "effect", "of", "out", "a", "all", "my", "the", "changes", "made", "in", "to", "from", "for",
    "previous", "said",
];
/// Words between "reverts" and the id that leave a part in place.
const PARTS: [&str; 18] = [
    "part", "parts", "chunk", "chunks", "hunk", "hunks", "piece", "pieces", "bit", "bits", "half", "portion",
    "portions", "some", "section", "one", "two", "line",
];
/// Words that stand with those.
const OF_PARTS: [&str; 8] = ["small", "large", "major", "minor", "first", "second", "last", "other"];
/// Words before "revert" that leave a part in place.
const PARTLY: [&str; 4] = ["partially", "partly", "partial", "semi"];

/// Whether the sentence says that this commit takes the mentioned one back.
pub(super) fn reverts(mention: &Mention<'_>) -> bool {
    let lead = &mention.lead[..];
    let Some(at) = lead.iter().take(6).position(|word| !word.is(&FILLERS)) else { return false };
    says_revert(&lead[at..])
}

/// Whether the sentence says that this commit takes a part of the mentioned one back, and leaves the rest.
pub(super) fn reverts_in_part(mention: &Mention<'_>) -> bool {
    let lead = &mention.lead[..];
    let ignored = |word: &Word<'_>| word.is(&FILLERS) || word.is(&PARTS) || word.is(&OF_PARTS);
    // "reverts the mmap parts of X": one word may say which.
    let mut others = 1;
    let mut part = false;
    for (at, word) in lead.iter().enumerate().take(7) {
        part |= word.is(&PARTS);
        if word.text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("semi-")) {
            return word.is(&["semi-reverts", "semi-revert"]);
        }
        if word.is(&["partial-revert"]) {
            return true;
        }
        if word.is(&["reverts", "revert", "reverting"]) {
            let partly = lead.get(at + 1..).is_some_and(|rest| rest.iter().take(2).any(|word| word.is(&PARTLY)));
            return (part && says_revert(&lead[at..])) || partly;
        }
        if !ignored(word) {
            if !part || others == 0 {
                return false;
            }
            others -= 1;
        }
    }
    false
}

/// Whether the words, the nearest first, begin with a verb or noun by which this commit reverts.
fn says_revert(lead: &[Word<'_>]) -> bool {
    let [word, rest @ ..] = lead else { return false };
    let before = rest.first();
    if word.is(&["reverts"]) {
        return !before.is_some_and(|word| word.is(&["that", "which"]));
    }
    if word.is(&["revert", "reverting"]) {
        let qualified = [
            "effectively",
            "essentially",
            "a",
            "simply",
            "basically",
            "mostly",
            "full",
            "also",
            "this",
            "temporarily",
            "therefore",
            "hence",
        ];
        return word.opens || word.colon || before.is_some_and(|word| word.is(&qualified));
    }
    false
}

/// Whether the sentence says that this commit lands the mentioned one again.
pub(super) fn relands(mention: &Mention<'_>) -> bool {
    let Some(word) = mention.lead.iter().take(3).find(|word| !word.is(&["of"])) else { return false };
    word.is(&["relands", "re-lands", "reapplies", "re-applies"])
        || (word.is(&["reland", "re-land", "reapply", "re-apply", "relanding", "re-landing"])
            && (word.opens || word.colon || mention.lead.iter().take(4).any(|word| word.is(&["a", "this", "and"]))))
}

/// How many times the change of this commit is taken back: 0 for an ordinary commit, 1 for a revert, 2 for a re-land.
///
/// Subject first: quoted subjects nest. Words such as "Revert resize: wait" aren't quoted, and are an ordinary subject.
#[must_use]
pub fn revert_depth(subject: &str, message: &str) -> u8 {
    let depth = depth_of_subject(subject);
    if depth == 0 && says_it_reverts(message) { 1 } else { depth }
}

fn says_it_reverts(message: &str) -> bool {
    static SENTENCE: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new("This reverts commit "));
    let bytes = message.as_bytes();
    SENTENCE.find_iter(bytes).any(|at| (at == 0 || bytes[at - 1] == b'\n') && !is_of_a_list(&message[..at]))
}

/// Whether what follows `before` belongs to one of the commits that a squash merge lists: the line above is `* Revert "…"`.
fn is_of_a_list(before: &str) -> bool {
    let above = before.lines().rev().find(|line| !line.trim().is_empty());
    above.is_some_and(|line| line.starts_with("* ") || line.starts_with("- "))
}

fn depth_of_subject(subject: &str) -> u8 {
    let mut rest = subject.trim_start();
    while let Some((_, after)) =
        rest.strip_prefix('[').filter(|r| !starts_with(r, "re")).and_then(|r| r.split_once(']'))
    {
        rest = after.trim_start_matches([' ', ':']);
    }
    let mut depth: u8 = 0;
    loop {
        let Some((step, after)) = one_step(rest) else { return depth };
        depth = depth.saturating_add(step);
        rest = after;
    }
}

/// Takes one `Revert "`, `Reapply "` or `Reland` off; what it adds to the depth.
fn one_step(text: &str) -> Option<(u8, &str)> {
    let quote = |rest: &str| rest.starts_with(['"', '\'', '“', '`']);
    let inner = |rest: &'_ str| rest.chars().next().map_or(0, char::len_utf8);
    if let Some(rest) = strip_word(text, "revert") {
        if let Some(rest) = rest.strip_prefix('^') {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let power = rest[..digits].parse().ok()?;
            return Some((power, rest[digits..].trim_start_matches([' ', '"'])));
        }
        let rest = rest.trim_start_matches([':', ' ']);
        let rest = rest.strip_prefix("(partially)").unwrap_or(rest).trim_start();
        return quote(rest).then(|| (1, &rest[inner(rest)..]));
    }
    for partial in ["partially revert", "partial revert of", "partial revert"] {
        if let Some(rest) = strip_word(text, partial).map(|rest| rest.trim_start_matches([':', ' '])) {
            return quote(rest).then(|| (1, &rest[inner(rest)..]));
        }
    }
    for again in ["reapply", "re-apply"] {
        if let Some(rest) = strip_word(text, again).map(|rest| rest.trim_start_matches([':', ' '])) {
            return quote(rest).then(|| (2, &rest[inner(rest)..]));
        }
    }
    // "Reland foo", "Reland: foo", "[Reland] foo": the word has no other use.
    let text = text.strip_prefix('[').unwrap_or(text);
    ["reland", "re-land"]
        .iter()
        .find_map(|again| Some((2, strip_word(text, again)?.trim_start_matches([':', ' ', ']', '"']))))
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn strip_word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let rest = starts_with(text, word).then(|| &text[word.len()..])?;
    (!rest.starts_with(|c: char| c.is_alphanumeric() || c == '-' || c == '_')).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::{super::references::References, *};
    use crate::facts::patterns::Patterns;

    #[test]
    fn quoted_subjects_nest() {
        for (subject, depth) in [
            ("Fix", 0),
            ("Revert \"Fix\"", 1),
            ("[stable/1.0] Revert \"Fix\" (#12)", 1),
            ("revert: \"Fix\"", 1),
            ("Revert (partially) \"Fix\"", 1),
            ("Partially revert \"Fix\"", 1),
            ("Revert \"Revert \"Fix\"\"", 2),
            ("Revert^2 \"Fix\"", 2),
            ("Reapply \"Fix\"", 2),
            ("Reland \"Fix\"", 2),
            ("[Reland] Fix", 2),
            ("Re-land: Fix", 2),
            ("Revert \"Reapply \"Fix\"\"", 3),
            ("Revert \"Revert \"Revert \"Fix\"\"\"", 3),
            ("Revert resize: wait for events", 0),
            ("Reverting is slow", 0),
            ("", 0),
        ] {
            assert_eq!(revert_depth(subject, subject), depth, "{subject}");
        }
        assert_eq!(revert_depth("Drop it", "Drop it\n\nThis reverts commit aaaaaa1.\n"), 1);
        assert_eq!(revert_depth("Drop it", "Drop it\n\n> This reverts commit aaaaaa1.\n"), 0);
        let listed = "Tidy (#12)\n\n* Revert \"x\"\n\nThis reverts commit aaaaaa1.\n\n* y\n";
        assert_eq!(revert_depth("Tidy (#12)", listed), 0);
    }

    #[test]
    fn sentences_name_what_is_reverted_and_landed_again() {
        for (text, reverts, relands) in [
            ("This reverts commit aaaaaa1.", &["aaaaaa1"][..], &[][..]),
            ("This reverts aaaaaa1.", &["aaaaaa1"], &[]),
            ("This reverts commits aaaaaa1 and bbbbbb2.", &["aaaaaa1", "bbbbbb2"], &[]),
            ("This reverts commit aaaaaa1, reversing\nchanges made to bbbbbb2.", &["aaaaaa1"], &[]),
            ("This effectively revert aaaaaa1.", &["aaaaaa1"], &[]),
            ("This revert the commit aaaaaa1", &["aaaaaa1"], &[]),
            ("This reverts my commit aaaaaa1", &["aaaaaa1"], &[]),
            ("This reverts the previous commit (aaaaaa1)", &["aaaaaa1"], &[]),
            ("This reverts all changes made in aaaaaa1", &["aaaaaa1"], &[]),
            ("Therefore, revert aaaaaa1.", &["aaaaaa1"], &[]),
            ("Temporarily revert aaaaaa1", &["aaaaaa1"], &[]),
            ("This reverts commit https://github.com/o/r/commit/aaaaaa1,", &["aaaaaa1"], &[]),
            ("Reverts: aaaaaa1", &["aaaaaa1"], &[]),
            ("This commit reverts most of aaaaaa1, in", &["aaaaaa1"], &[]),
            ("Reland commit aaaaaa1", &[], &["aaaaaa1"]),
            ("This relands commit aaaaaa1.", &[], &["aaaaaa1"]),
            ("This is a re-land of aaaaaa1", &[], &["aaaaaa1"]),
            ("Drop the workaround and\nre-apply aaaaaa1.", &[], &["aaaaaa1"]),
            ("It would be an option to\nrevert aaaaaa1", &[], &[]),
            ("This was reverted in aaaaaa1", &[], &[]),
            ("since the previously reverted commit aaaaaa1", &[], &[]),
            ("the commit which reverts aaaaaa1", &[], &[]),
        ] {
            let message = format!("s\n\n{text}\n");
            let read = References::of("s", &message, &[], &Patterns::default());
            assert_eq!((&read.reverts[..], &read.relands[..]), (reverts, relands), "{text}");
        }
    }

    #[test]
    fn what_is_taken_back_in_part_is_mended_rather_than_reverted() {
        for text in [
            "This partially reverts commit aaaaaa1",
            "This partly reverts aaaaaa1",
            "This reverts part of commit aaaaaa1",
            "This reverts some changes from aaaaaa1",
            "This essentially reverts one part of aaaaaa1.",
            "This reverts a chunk out of commit aaaaaa1",
            "This reverts a major part of: aaaaaa1",
            "Reverts a small part of aaaaaa1",
            "This reverts the second half of aaaaaa1.",
            "This reverts the parser parts of aaaaaa1, since",
            "Revert parts of aaaaaa1",
            "This is a partial revert of commit aaaaaa1",
            "* Partial revert of aaaaaa1",
            "This is a semi-revert of aaaaaa1, but",
            "Solve it by a partial-revert of aaaaaa1.",
        ] {
            let message = format!("s\n\n{text}\n");
            let read = References::of("s", &message, &[], &Patterns::default());
            assert_eq!((&read.reverts[..], &read.fixes[..]), (&[][..], &["aaaaaa1"][..]), "{text}");
        }
    }
}
