//! Which earlier commits a commit mends or follows up.
//!
//! Owns the sentences: Linux's `Fixes: X ("subject")`, "follow-up for X", "fixup of X", and prose that blames a commit for a
//! fault ("introduced by X", "broken in X", "since commit X", "a bug in X"). Refuses issues: `Fixes: #12` is none of it.

use super::references::{Mention, Word};

/// Whether the sentence says that this commit mends or follows up the mentioned one.
pub(super) fn fixes(mention: &Mention<'_>) -> bool {
    let lead = &mention.lead[..];
    let Some(first) = lead.first() else { return false };
    says_fixes(first, lead.get(1)) || follows_up(lead) || blames(lead) || (mention.named && first.is(&["since"]))
}

/// "Fixes X"; "fix X" only where it opens a line or has a colon. "A, which fixes X" speaks of A.
fn says_fixes(word: &Word<'_>, before: Option<&Word<'_>>) -> bool {
    if word.is(&["fixes", "fixes-commit"]) {
        return !before.is_some_and(|word| word.is(&["that", "which"]));
    }
    (word.is(&["fix", "fixing"]) && (word.opens || word.colon)) || (word.is(&["fixed"]) && word.colon)
}

/// "Follow-up for X", "followup fix to X", "Fixup X", "Followup: X".
fn follows_up(lead: &[Word<'_>]) -> bool {
    let prepositions = usize::from(lead[0].is(&["for", "to", "of", "on", "after"]));
    let fillers = usize::from(
        prepositions > 0 && lead.get(1).is_some_and(|word| word.is(&["fix", "fixes", "commit", "change", "patch"])),
    );
    let Some(word) = lead.get(prepositions + fillers) else { return false };
    let before = lead.get(prepositions + fillers + 1);
    let one_word =
        word.is(&["follow-up", "followup", "follow-ups", "followups", "fixup", "fix-up", "fixups", "follows-up"]);
    let two_words = word.is(&["up"]) && before.is_some_and(|word| word.is(&["follow", "follows", "fix"]));
    let opens = word.colon || word.opens || (two_words && before.is_some_and(|word| word.opens));
    (one_word || two_words) && (prepositions > 0 || opens)
}

/// "introduced by X", "broken since X", "caused by X", "a regression from X", "a bug in X".
fn blames(lead: &[Word<'_>]) -> bool {
    const FAULTS: [&str; 21] = [
        "introduced",
        "broken",
        "broke",
        "breaks",
        "caused",
        "regressed",
        "regression",
        "regressions",
        "breakage",
        "bug",
        "bugs",
        "missed",
        "forgotten",
        "overlooked",
        "error",
        "typo",
        "mistake",
        "oversight",
        "fallout",
        "thinko",
        "causes",
    ];
    let preposition = lead[0].is(&["by", "in", "with", "from", "since", "after", "through", "of"]);
    preposition && lead.get(1).is_some_and(|word| word.is(&FAULTS))
}

#[cfg(test)]
mod tests {
    use super::super::{patterns::Patterns, references::References};

    #[test]
    fn sentences_that_blame_or_follow_up_name_a_commit() {
        for text in [
            "Fixes: aaaaaa1 (\"subject\")",
            "Fixes: commit aaaaaa1 (\"subject\")",
            "Fixes: 1234567 (\"subject\")",
            "Fixes aaaaaa1",
            "Follow-up for aaaaaa1.",
            "Follow-up for: aaaaaa1",
            "Followup to aaaaaa1",
            "follow up to commit aaaaaa1",
            "Followup: aaaaaa1",
            "This is a fixup of aaaaaa1.",
            "Fixup for aaaaaa1.",
            "this fixes a regression introduced by commit\naaaaaa1",
            "a regression introduced in aaaaaa1, where",
            "which was broken by aaaaaa1.",
            "It is so since commit aaaaaa1",
            "which regressed in aaaaaa1",
            "caused by commit https://github.com/o/r/commit/aaaaaa1.",
            "Fixes a bug in aaaaaa1.",
        ] {
            let id = if text.contains("1234567") { "1234567" } else { "aaaaaa1" };
            let message = format!("subject\n\n{text}\n");
            let read = References::of("subject", &message, &[], &Patterns::default());
            assert_eq!(read.fixes, [id], "{text}");
        }
    }

    #[test]
    fn other_mentions_of_a_commit_are_no_fixes() {
        for text in [
            "see aaaaaa1",
            "Fixes: #12",
            "Fixes bug 1234567",
            "a commit which fixes aaaaaa1",
            "as of aaaaaa1",
            "like in aaaaaa1",
        ] {
            let message = format!("subject\n\n{text}\n");
            let read = References::of("subject", &message, &[], &Patterns::default());
            assert!(read.fixes.is_empty(), "{text}");
        }
    }
}
