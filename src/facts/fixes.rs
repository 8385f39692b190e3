//! Which earlier commits a commit mends or follows up.
//!
//! Owns the sentences: Linux's `Fixes: X ("subject")`, "follow-up for X", "fixup of X", "a fix for X", and prose that blames a
//! commit for a fault ("broken in X", "since commit X", "a bug in X", "a leak introduced by X"). What was merely "introduced in X"
//! is background: there the sentence must speak of a fault. Refuses issues: `Fixes: #12` is none of it.
//!
//! Counted beside `(fix|follow|regress|br[eo]ke|introduced|caused|bug|since|missed).*<id>`, which finds background too:
//! systemd-stable 2,842 / 2,910, haproxy 709 / 1,009, git 540 / 1,843, ansible 117 / 302, nova 95 / 126, redis 25 / 69. We
//! leave "since X (subject)" without "commit", "was fixed in X" and "the option introduced in X". Nine of a sample of 120
//! of ours were background.

use super::references::{Mention, Word};

/// Whether the sentence says that this commit mends or follows up the mentioned one.
pub(super) fn fixes(mention: &Mention<'_>) -> bool {
    let lead = &mention.lead[..];
    let Some(first) = lead.first() else { return false };
    says_fixes(first, lead.get(1)) || follows_up(lead) || blames(lead) || (mention.named && is_so_since(lead))
}

/// "Fixes X"; "fix X" only where it opens a line or has a colon. "A, which fixes X" speaks of A.
fn says_fixes(word: &Word<'_>, before: Option<&Word<'_>>) -> bool {
    if word.is(&["fixes", "fixes-commit"]) {
        return !before.is_some_and(|word| word.is(&["that", "which"]));
    }
    if word.is(&["up"]) {
        return before.is_some_and(|word| word.is(&["fixes"]));
    }
    (word.is(&["fix", "fixing"]) && (word.opens || word.colon)) || (word.is(&["fixed"]) && word.colon)
}

/// "since commit X", but for "unused since commit X" and its like.
fn is_so_since(lead: &[Word<'_>]) -> bool {
    const NEUTRAL: [&str; 10] = [
        "used",
        "unused",
        "needed",
        "supported",
        "deprecated",
        "required",
        "available",
        "possible",
        "obsolete",
        "internal",
    ];
    lead[0].is(&["since"]) && !lead.iter().skip(1).take(3).any(|word| word.is(&NEUTRAL))
}

/// "Follow-up for X", "Follow-up-for: X", "follow-up for #12 and X", "followup fix to X", "a fix for X", "Fixup X", "Followup: X".
fn follows_up(lead: &[Word<'_>]) -> bool {
    // What else is followed up: the number of an issue.
    let numbers = lead.iter().take_while(|word| word.text.bytes().all(|byte| byte.is_ascii_digit())).count();
    let Some(lead) = lead.get(numbers..).filter(|lead| !lead.is_empty()) else { return false };
    if lead[0].is(&["follow-up-for", "follow-up-to", "followup-for", "followup-to", "fixup-for"]) {
        return true;
    }
    let fix_for = lead[0].is(&["for"]) && lead.get(1).is_some_and(|word| word.is(&["fix", "fixes"]));
    if fix_for && !lead.get(2).is_some_and(|word| word.is(&["the", "that", "another", "similar", "same"])) {
        return true;
    }
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

/// "broken since X", "caused by X", "a regression from X", "a bug in X", "a leak introduced in 2.7 by recent commit X".
fn blames(lead: &[Word<'_>]) -> bool {
    const FAULTS: [&str; 20] = [
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
    let is_preposition = |word: &Word<'_>| {
        word.is(&["by", "in", "with", "from", "since", "after", "through", "of", "at", "during", "around"])
    };
    let passed = lead.iter().take(6).take_while(|word| is_preposition(word) || describes(word)).count();
    let (between, Some((word, before))) = (&lead[..passed], lead[passed..].split_first()) else { return false };
    let joined = between.iter().any(is_preposition);
    joined && (word.is(&FAULTS) || (word.is(&["introduced", "introduce", "introduces"]) && speaks_of_fault(before)))
}

/// Words between "introduced" and the id that say when: "in 2.7-dev3 by the recent commit", "during the 3.0 cycle".
fn describes(word: &Word<'_>) -> bool {
    let version = || {
        let text = word.text.trim_start_matches('v');
        text.starts_with(|c: char| c.is_ascii_digit()) && (text.contains('.') || text.contains("-dev"))
    };
    word.is(&["recent", "latest", "last", "previous", "earlier", "changes", "cycle", "release", "version", "the"])
        || version()
}

/// Whether the words before "introduced", the nearest first, make that a reproach.
fn speaks_of_fault(before: &[Word<'_>]) -> bool {
    const FAULTS: [&str; 46] = [
        "bug",
        "bugs",
        "buglet",
        "regression",
        "regressions",
        "issue",
        "issues",
        "problem",
        "problems",
        "leak",
        "leaks",
        "breakage",
        "typo",
        "typos",
        "error",
        "errors",
        "mistake",
        "mistakes",
        "crash",
        "crashes",
        "warning",
        "warnings",
        "race",
        "fault",
        "defect",
        "flaw",
        "vulnerability",
        "inconsistency",
        "thinko",
        "oversight",
        "failure",
        "failures",
        "overflow",
        "deadlock",
        "duplication",
        "fix",
        "fixes",
        "fixing",
        "wrong",
        "incorrect",
        "wrongly",
        "incorrectly",
        "accidentally",
        "unintentionally",
        "inadvertently",
        "erroneously",
    ];
    // "Introduced by X.", "This was introduced by X."
    let told = match before {
        [] => true,
        [was, what, ..] => {
            was.is(&["was", "been", "were", "is"]) && before.len() <= 3 && what.is(&["this", "it", "that", "has"])
        }
        [_] => false,
    };
    told || before.iter().take(8).any(|word| word.is(&FAULTS))
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
            "Follow-up-for: aaaaaa1",
            "Follow-up-for: #12 aaaaaa1",
            "Follow-up for #12 and aaaaaa1.",
            "This is a follow-up for #12 (aaaaaa1).",
            "A fix for aaaaaa1.",
            "Fixes for aaaaaa1",
            "This patch fixes up commit aaaaaa1 which",
            "The bug was introduced in 2.7-dev2 by commit aaaaaa1",
            "This was introduced by recent commit aaaaaa1.",
            "Introduced in aaaaaa1.",
            "Fix a leak in the parser that was\nintroduced during the 3.0 cycle in aaaaaa1",
            "Fix the check introduce in commit aaaaaa1 (#12)",
            "It is broken at aaaaaa1",
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
            "The option was introduced in aaaaaa1",
            "as the helper (introduced in aaaaaa1) does",
            "The function is unused since commit aaaaaa1",
            "It is not used any more since commit aaaaaa1",
            "the same as the fix for the other in aaaaaa1",
            "like in aaaaaa1",
        ] {
            let message = format!("subject\n\n{text}\n");
            let read = References::of("subject", &message, &[], &Patterns::default());
            assert!(read.fixes.is_empty(), "{text}");
        }
    }
}
