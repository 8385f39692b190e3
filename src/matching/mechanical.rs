//! Changes that are made again and again: the version bumped, a submodule moved on, a generated file or a to-do list updated.
//!
//! Owns their signs. Two of them can be alike to the last line and yet be two events, one for each branch, so that neither an
//! equal patch-id nor an equal subject says that one was picked from the other ("update todo" is the subject of 1,349
//! commits of systemd). Refuses to keep them apart where author and date, a Change-Id or a trailer agree.

use crate::facts::patch_id::ChangedLines;

/// A change of more lines than this isn't a bump, whatever its subject says.
const MOST_LINES: usize = 400;
/// More paths than this aren't a bump either.
const MOST_PATHS: usize = 20;

/// Subjects that say nothing of what was changed: the whole of it.
const WHOLE: [&str; 16] = [
    "update todo",
    "todo",
    "update news",
    "news",
    "update changelog",
    "changelog",
    "update authors",
    "update readme",
    "update copyright",
    "update version",
    "update translations",
    "update po files",
    "update submodules",
    "update docs",
    "wip",
    "fix typo",
];

/// What such subjects begin with; a word of [`OBJECTS`] follows.
const VERBS: [&str; 14] = [
    "bump",
    "bumps",
    "update",
    "updates",
    "updated",
    "increase",
    "set",
    "prepare",
    "release",
    "tag",
    "sync",
    "refresh",
    "import",
    "regenerate",
];

/// What they speak of.
const OBJECTS: [&str; 22] = [
    "version",
    "versions",
    "release",
    "submodule",
    "submodules",
    "requirements",
    "todo",
    "changelog",
    "news",
    "translations",
    "translation",
    "hwdb",
    "copyright",
    "authors",
    "contributors",
    "dependencies",
    "snapshot",
    "requirements.txt",
    "milestone",
    "soname",
    "abi",
    "mailmap",
];

/// Whether a change looks like one that is made again and again: by its subject (a key: lower-case, single spaces), unless its
/// size belies that.
#[must_use]
pub fn is_mechanical(paths: &[Vec<u8>], lines: &ChangedLines, subject: &str) -> bool {
    sounds_mechanical(subject) && paths.len() <= MOST_PATHS && lines.added.len() + lines.removed.len() <= MOST_LINES
}

/// Whether the subject alone (a key) is that of a change made again and again. Only then is its size worth a diff.
#[must_use]
pub fn sounds_mechanical(subject: &str) -> bool {
    // "meson: bump version", "(chore) update todo"
    let text = subject.rsplit_once(": ").map_or(subject, |(_, text)| text).trim_end_matches(['.', '!']);
    if WHOLE.contains(&text) || is_version(text) {
        return true;
    }
    let mut words = text.split([' ', '\'', '"', ',']).filter(|word| !word.is_empty());
    let Some(first) = words.next() else { return false };
    // "imported translations from zanata", "release 1.2.3", "bump foo from 1.2 to 1.3", "update hwdb"
    if first == "imported" {
        return words.next() == Some("translations");
    }
    VERBS.contains(&first) && words.take(6).any(|word| OBJECTS.contains(&word) || is_version(word))
}

/// `1.2`, `v1.2.3-rc1`, `redis-6.0`, but not a bare number.
fn is_version(word: &str) -> bool {
    let digits = word.trim_start_matches(|c: char| c.is_ascii_alphabetic() || c == '-' || c == '_');
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.contains('.')
        && digits.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+' | b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_of_changes_made_again_and_again() {
        for (subject, mechanical) in [
            ("update todo", true),
            ("todo", true),
            ("bump version to 1.2.3", true),
            ("meson: bump version numbers for v256", true),
            ("bump foo from 1.2 to 1.3", true),
            ("release 1.2.3", true),
            ("1.2.3", true),
            ("redis 6.0.9.", false),
            ("updated from global requirements", true),
            ("imported translations from zanata", true),
            ("hwdb: update", false),
            ("update submodules", true),
            ("update submodule libfoo", true),
            ("update the handling of timeouts", false),
            ("set the clock before the network is up", false),
            ("fix crash in release of a lock", false),
            ("", false),
        ] {
            assert_eq!(sounds_mechanical(subject), mechanical, "{subject}");
        }
    }

    #[test]
    fn a_large_change_is_none_whatever_it_is_called() {
        let lines = ChangedLines { added: vec![0; 1000], removed: vec![] };
        let few = ChangedLines::default();
        assert!(!is_mechanical(&[], &lines, "update todo"));
        assert!(!is_mechanical(&vec![Vec::new(); 30], &few, "update todo"));
        assert!(is_mechanical(&[], &few, "update todo"));
    }
}
