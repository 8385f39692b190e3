//! Which release line a branch carries, by its name alone.
//!
//! Owns the conventions: `stable/2025.1`, `v255-stable`, `REL_16_STABLE`, `linux-5.10.y`, `7.2`. Refuses configuration,
//! refname prefixes and remotes.
//!
//! A branch is of a line if its name is a version and words that speak of releases, and nothing else: a directory of
//! [`DIRECTORIES`], marks such as `stable` before or behind the version, and at most one more word in front, the product's
//! (`foo-1.2-stable`). Without any mark it must be a version on its face: `7.2`, `v3`, `1.x`. A word more, and it is
//! somebody's topic branch (`backport-1.2-stable`, `o1-bpop-5.0`, `hotfix/1.2`).

use super::line::{Line, is_open};
use super::pieces::{Piece, pieces};

const MAINLINE: &[&str] = &["main", "master", "trunk", "devel", "develop", "development", "unstable", "default"];

/// Branches that follow the latest release, whichever that is.
const UNNUMBERED: &[&str] = &["maint", "maintenance", "stable", "oldstable", "lts"];

/// Directories whose branches are lines.
const DIRECTORIES: &[&str] = &[
    "stable",
    "oldstable",
    "unmaintained",
    "release",
    "releases",
    "rel",
    "releng",
    "maint",
    "maintenance",
    "support",
    "lts",
    "branch",
    "branches",
    "version",
    "versions",
];

/// Directories whose branches may be series without a number.
const SERIES_DIRECTORIES: &[&str] = &["stable", "oldstable", "unmaintained"];

/// Words that mark a line even where the product is named.
const STRONG: &[&str] = &["stable", "oldstable", "release", "releases", "releng", "maint", "maintenance", "lts", "esr"];

/// Words that mark a line where nothing else stands beside them; behind the version they are as good as the strong ones.
const WEAK: &[&str] = &["rel", "branch", "branches", "version", "support", "series", "unmaintained"];

/// Editions, which may stand behind all else.
const EDITIONS: &[&str] = &["ee", "ce", "foss"];

/// Words of topic branches, which are no product's name.
const TOPICS: &[&str] = &[
    "add",
    "after",
    "backport",
    "backports",
    "before",
    "bp",
    "bug",
    "bugfix",
    "bump",
    "changelog",
    "cherry",
    "ci",
    "doc",
    "docs",
    "feat",
    "feature",
    "fix",
    "fixes",
    "fixup",
    "for",
    "from",
    "hotfix",
    "into",
    "issue",
    "merge",
    "my",
    "new",
    "old",
    "patch",
    "port",
    "post",
    "pr",
    "pre",
    "prep",
    "prepare",
    "remove",
    "revert",
    "sync",
    "temp",
    "test",
    "testing",
    "tests",
    "tmp",
    "to",
    "update",
    "wip",
];

/// Whether `name` is that of a line which follows the latest release.
pub(super) fn is_unnumbered(name: &[u8]) -> bool {
    is_one_of(name, UNNUMBERED)
}

/// The line of the branch `name` (without `refs/heads/` or a remote), if it has one by the conventions.
pub(super) fn recognise(name: &[u8]) -> Option<Line> {
    if is_one_of(name, MAINLINE) {
        return Some(Line::mainline());
    }
    if is_unnumbered(name) {
        return Some(Line::unnumbered(&lowercase(name)));
    }
    let Some(slash) = name.iter().position(|byte| *byte == b'/') else { return numbered(name, false) };
    let (directory, base) = (&name[..slash], &name[slash + 1..]);
    if !is_one_of(directory, DIRECTORIES) {
        return None;
    }
    // glibc keeps each line in a directory of its own: `release/2.38/master`.
    let base = base.strip_suffix(b"/master").or_else(|| base.strip_suffix(b"/main")).unwrap_or(base);
    if is_one_of(directory, SERIES_DIRECTORIES) && is_series(base) {
        return Some(Line::series(&lowercase(base)));
    }
    if base.contains(&b'/') { None } else { numbered(base, true) }
}

/// The line of a branch that the user declared to be one: by the conventions, else by the longest number in its last
/// component, else that component is the name of a series.
pub(super) fn declared(name: &[u8]) -> Line {
    if let Some(line) = recognise(name).filter(|line| !line.is_mainline()) {
        return line;
    }
    let last = name.rsplit(|byte| *byte == b'/').next().unwrap_or(name);
    let pieces = pieces(last);
    let numbers = pieces.chunk_by(|one, other| one.is_number() && other.is_number()).filter(|run| run[0].is_number());
    match numbers.max_by_key(|run| run.len()) {
        Some(numbers) => Line::numbered(numbers),
        None => Line::series(&lowercase(last)),
    }
}

fn is_series(base: &[u8]) -> bool {
    let no_series = [MAINLINE, UNNUMBERED, STRONG, WEAK, TOPICS];
    base.len() > 2 && base.iter().all(u8::is_ascii_alphabetic) && !no_series.iter().any(|words| is_one_of(base, words))
}

fn numbered(base: &[u8], in_directory: bool) -> Option<Line> {
    // Most branches have no number at all.
    if !base.iter().any(u8::is_ascii_digit) {
        return None;
    }
    let pieces = pieces(base);
    let first = pieces.iter().position(Piece::is_number)?;
    let count = pieces[first..].iter().take_while(|piece| piece.is_number()).count();
    let (before, rest) = pieces.split_at(first);
    let (numbers, rest) = rest.split_at(count);
    let open = rest.iter().take_while(|piece| is_open(piece)).count();
    let behind = &rest[open..];

    let mark = front(before, numbers[0].is_attached())?;
    let marks_behind = behind.iter().all(|piece| !piece.is_attached() && is_behind(piece));
    let marked_behind = behind.iter().any(|piece| !piece.is_any(EDITIONS));
    let dotted = numbers[1..].iter().all(|number| number.separator == Some(b'.'));
    let strong = in_directory || open > 0 || marked_behind;
    let enough = match mark {
        Front::Strong | Front::Weak => true,
        Front::Product => strong,
        Front::Letter => strong || dotted,
        Front::Nothing => strong || (dotted && count > 1),
    };
    (marks_behind && enough).then(|| Line::numbered(numbers))
}

fn is_behind(piece: &Piece<'_>) -> bool {
    [STRONG, WEAK, EDITIONS].iter().any(|words| piece.is_any(words))
}

/// What stands in front of the version.
enum Front {
    Nothing,
    /// A `v` alone.
    Letter,
    /// A product's name, without any mark that would be strong enough for it.
    Product,
    /// A mark alone that is weak.
    Weak,
    /// A strong mark, maybe with a product.
    Strong,
}

/// Reads the words in front of a version; `None` if there are words that don't belong there.
fn front(words: &[Piece<'_>], attached: bool) -> Option<Front> {
    let (words, letter) = match words.split_last() {
        Some((last, words)) if last.is("v") && attached => (words, true),
        _ => (words, false),
    };
    let (mut strong, mut weak, mut product) = (false, false, false);
    for (at, word) in words.iter().enumerate() {
        if word.is_any(STRONG) {
            strong = true;
        } else if word.is_any(WEAK) {
            weak = true;
        } else {
            // Go puts the product behind the mark, joined to the number: `release-branch.go1.21`.
            let joined = at + 1 == words.len() && attached && !letter && strong;
            if product || word.is_any(TOPICS) || !(at == 0 || joined) {
                return None;
            }
            product = true;
        }
    }
    Some(match (strong, product, weak, letter) {
        (true, ..) => Front::Strong,
        (false, true, ..) => Front::Product,
        (false, false, true, _) => Front::Weak,
        (false, false, false, true) => Front::Letter,
        (false, false, false, false) => Front::Nothing,
    })
}

fn is_one_of(name: &[u8], words: &[&str]) -> bool {
    words.iter().any(|word| name.eq_ignore_ascii_case(word.as_bytes()))
}

fn lowercase(name: &[u8]) -> String {
    String::from_utf8_lossy(name).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(branch: &str) -> Option<String> {
        recognise(branch.as_bytes()).map(|line| line.name().to_owned())
    }

    #[test]
    fn branches_of_well_known_projects_have_their_lines() {
        for (branch, line) in [
            // nova and others of OpenStack
            ("stable/2025.1", "2025.1"),
            ("stable/train", "train"),
            ("unmaintained/2023.1", "2023.1"),
            ("unmaintained/yoga", "yoga"),
            // systemd, Samba, Rails, GitLab
            ("v255-stable", "255"),
            ("v4-19-stable", "4.19"),
            ("7-1-stable", "7.1"),
            ("16-7-stable-ee", "16.7"),
            // redis, Symfony, node
            ("7.2", "7.2"),
            ("2.8", "2.8"),
            ("v20.x", "20"),
            // Linux, Django, Kubernetes
            ("v5.10.y", "5.10"),
            ("linux-5.10.y", "5.10"),
            ("stable/4.2.x", "4.2"),
            ("release-1.29", "1.29"),
            ("release-1.x", "1"),
            // PostgreSQL, OpenSSL, Go, GCC, LLVM, glibc
            ("REL_16_STABLE", "16"),
            ("REL9_6_STABLE", "9.6"),
            ("OpenSSL_1_1_1-stable", "1.1.1"),
            ("release-branch.go1.21", "1.21"),
            ("releases/gcc-13", "13"),
            ("release/18.x", "18"),
            ("release/2.38/master", "2.38"),
            // Hive, Hadoop, WordPress, FreeBSD, ansible, qemu, git
            ("branch-3", "3"),
            ("branch-1.2", "1.2"),
            ("branch_9_8", "9.8"),
            ("1.2-branch", "1.2"),
            ("6.4-branch", "6.4"),
            ("releng/14.0", "14.0"),
            ("stable-2.9", "2.9"),
            ("foo-1.2-stable", "1.2"),
            ("maint-2.8", "2.8"),
            ("maint/2.8", "2.8"),
            ("support/1.2", "1.2"),
            ("release/1.2", "1.2"),
            ("releases/v3", "3"),
            ("v3", "3"),
            ("maint", "maint"),
            ("stable", "stable"),
        ] {
            assert_eq!(name(branch).as_deref(), Some(line), "{branch}");
        }
        for branch in ["main", "master", "trunk", "devel", "develop", "development", "unstable"] {
            assert_eq!(recognise(branch.as_bytes()), Some(Line::mainline()), "{branch}");
        }
    }

    #[test]
    fn topic_branches_have_none() {
        for branch in [
            "",
            "/",
            "stable/",
            "next",
            "seen",
            "todo",
            "hotfix/1.2",
            "feature/1.2",
            "user/stable-1.2",
            "patchback/backports/stable-2.9/abcdef/pr-12",
            "mergify/bp/stable/2025.1/pr-12",
            "dependabot/github_actions/cross-platform-actions/action-0.24.0",
            "release/1.2/fix-build",
            "stable/main",
            "stable/fix",
            "backport-123-to-stable-2.9",
            "backport-stable-2.9",
            "revert-12-release-1.2",
            "pre-release-1.2",
            "test-branch-1",
            "stable-2.9-fix",
            "release-notes-2.0",
            "1.2rc1",
            "v1.2-rc1",
            "2024-01-15",
            "1234",
            // redis has these
            "LiorKogan-patch-1",
            "o1-bpop-5.0",
            "less-mstime-28",
            "precise-timeout-2",
            "fix-expires-6537",
            "issue_2175",
            "rdb9",
            "csc2",
            "psync2-test-improvement",
            "unstable_hmset_args",
        ] {
            assert_eq!(name(branch), None, "{branch}");
        }
        assert_eq!(recognise(b"stable/\xff"), None);
    }

    #[test]
    fn a_declared_branch_always_has_a_line() {
        for (branch, line) in [
            ("stable-2.9", "2.9"),
            ("openssl-3.2", "3.2"),
            ("o1-bpop-5.0", "5.0"),
            ("poky/kirkstone", "kirkstone"),
            ("main", "main"),
            ("refs/branch-heads/6099", "6099"),
        ] {
            assert_eq!(declared(branch.as_bytes()).name(), line, "{branch}");
        }
    }
}
