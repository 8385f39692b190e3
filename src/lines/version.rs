//! Versions as tags write them, and their order.
//!
//! Owns what a number, a pre-release and the rest of a version are, and which version is later. Refuses lines and refs.
//!
//! The order is that of `git tag --sort=version:refname` where that has one (`versionsort.suffix`, git-config(1)), and of
//! PEP 440 and Semantic Versioning where they agree: component by component as numbers, a pre-release before its release.
//! `OpenStack`'s `12.0.0.0rc1` comes before `12.0.0`, so zeros at the end weigh nothing until all else is equal.

use std::cmp::Ordering;

use super::pieces::{Piece, pieces};

/// A version, for instance that of the tag `v2.9-dev4`. Ordered from older to newer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version {
    numbers: Vec<u64>,
    stage: Stage,
    rest: Vec<Rest>,
}

/// How far a version was from its release.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Stage {
    Before(PreRelease),
    Release,
}

/// What a pre-release says of itself. Ordered from older to newer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PreRelease {
    /// Its kind.
    pub kind: PreReleaseKind,
    /// Its numbers: 1 of `rc1`; none of a bare `rc`.
    pub numbers: Vec<u64>,
}

/// The kinds of pre-release, in the order in which projects go through them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PreReleaseKind {
    /// `dev`, `snapshot`, `nightly` and their like.
    Development,
    /// `alpha`, `a1`.
    Alpha,
    /// `beta`, `b1`.
    Beta,
    /// `gamma`, `.g1`.
    Gamma,
    /// `milestone`, `m1`.
    Milestone,
    /// `pre`, `preview`, `test`.
    Preview,
    /// `rc`, `cr`, `c1`.
    Candidate,
}

/// What follows the numbers and is no pre-release: `-1` of `2.6.10-1`, `a` of `1.0.0a`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Rest {
    Word(Vec<u8>),
    Number(u64),
}

/// Where a pre-release without numbers stands: `essex-rc1` comes after `essex-4` and before 2012.1, `nightly-20240101` after
/// what has a version.
const BEFORE_YEARS: u64 = 1899;

/// Words at the end of a version that add nothing to it.
const RELEASED: &[&str] = &["final", "ga", "release", "stable", "lts"];

impl Version {
    /// Reads `text` as a version from its start to its end, with or without a `v`.
    ///
    /// `None` if it starts with anything else.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let pieces = pieces(text);
        let numbered = match pieces.first()? {
            first if first.start > 0 => return None,
            first if first.is("v") => &pieces[1..],
            _ => &pieces[..],
        };
        numbered.first().filter(|first| first.is_number() && first.is_attached())?;
        Some(Self::read(numbered))
    }

    /// Finds the first version in `name`, and where it starts (a `v` before it not counted). A pre-release without a number
    /// of its own (`rc1` of `essex-rc1`) is a version too.
    pub(super) fn find(name: &[u8]) -> Option<(usize, Self)> {
        let pieces = pieces(name);
        let at = (0..pieces.len()).find(|at| starts_version(&pieces[*at..]))?;
        let from = match at.checked_sub(1) {
            Some(before) if pre_release_word(&pieces[before]).is_some() => before,
            _ => at,
        };
        Some((pieces[from].start, Self::read(&pieces[from..])))
    }

    /// The pieces of a version, which starts with the first of them.
    fn read(pieces: &[Piece<'_>]) -> Self {
        let is_component = |at: usize, piece: &Piece<'_>| {
            piece.is_number() && (at == 0 || matches!(piece.separator, Some(b'.' | b'_')))
        };
        let count = pieces.iter().enumerate().take_while(|(at, piece)| is_component(*at, piece)).count();
        let (numbers, mut tail) = pieces.split_at(count);
        let mut version =
            Self { numbers: numbers.iter().map(Piece::number).collect(), stage: Stage::Release, rest: Vec::new() };
        while let Some((piece, after)) = tail.split_first() {
            tail = after;
            let before_release = match version.stage {
                Stage::Release => pre_release(piece, after),
                Stage::Before(_) => None,
            };
            if let Some(kind) = before_release {
                let count = after.iter().take_while(|piece| piece.is_number()).count();
                tail = &after[count..];
                let numbers = after[..count].iter().map(Piece::number).collect();
                version.stage = Stage::Before(PreRelease { kind, numbers });
            } else if piece.is_number() {
                version.rest.push(Rest::Number(piece.number()));
            } else if !piece.is_any(RELEASED) {
                version.rest.push(Rest::Word(piece.text.to_ascii_lowercase()));
            }
        }
        version
    }

    /// The numeric components: 2, 9, 6 of `v2.9.6`. Empty for a pre-release that has none (`essex-rc1`).
    #[must_use]
    pub fn numbers(&self) -> &[u64] {
        &self.numbers
    }

    /// What it says of itself as a pre-release; `None` for a release.
    #[must_use]
    pub fn pre_release(&self) -> Option<&PreRelease> {
        match &self.stage {
            Stage::Before(pre_release) => Some(pre_release),
            Stage::Release => None,
        }
    }

    /// Whether it came before its release: alpha, beta, rc, pre, dev and their like.
    #[must_use]
    pub fn is_pre_release(&self) -> bool {
        self.pre_release().is_some()
    }

    /// The numbers that the order goes by.
    fn significant(&self) -> &[u64] {
        if self.numbers.is_empty() {
            return &[BEFORE_YEARS];
        }
        let zeros = self.numbers.iter().rev().take_while(|number| **number == 0).count();
        &self.numbers[..self.numbers.len() - zeros]
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.significant()
            .cmp(other.significant())
            .then_with(|| self.stage.cmp(&other.stage))
            .then_with(|| self.rest.cmp(&other.rest))
            .then_with(|| self.numbers.len().cmp(&other.numbers.len()))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Whether a version can start with the first of `pieces`: a number that is no part of a word (`log4j`).
fn starts_version(pieces: &[Piece<'_>]) -> bool {
    let [first, after @ ..] = pieces else { return false };
    let goes_on = |next: &Piece<'_>| !next.is_attached() || pre_release(next, &after[1..]).is_some();
    first.is_number() && after.first().is_none_or(goes_on)
}

/// What `piece`, with `after` behind it, says of a version to which it belongs.
fn pre_release(piece: &Piece<'_>, after: &[Piece<'_>]) -> Option<PreReleaseKind> {
    if let Some(kind) = pre_release_word(piece) {
        return Some(kind);
    }
    // A letter is a pre-release only with a number at once behind it: `0a1`, but `1.0.0a` is the release after `1.0.0`.
    after.first().filter(|next| next.is_number() && next.is_attached())?;
    let joined = matches!(piece.separator, None | Some(b'.' | b'_'));
    match piece.text {
        b"m" | b"M" => Some(PreReleaseKind::Milestone),
        b"a" | b"A" if joined => Some(PreReleaseKind::Alpha),
        b"b" | b"B" if joined => Some(PreReleaseKind::Beta),
        b"c" | b"C" if joined => Some(PreReleaseKind::Candidate),
        b"g" if joined => Some(PreReleaseKind::Gamma),
        _ => None,
    }
}

fn pre_release_word(piece: &Piece<'_>) -> Option<PreReleaseKind> {
    const WORDS: &[(PreReleaseKind, &[&str])] = &[
        (
            PreReleaseKind::Development,
            &["dev", "devel", "snapshot", "nightly", "daily", "weekly", "canary", "experimental", "next", "unstable"],
        ),
        (PreReleaseKind::Alpha, &["alpha"]),
        (PreReleaseKind::Beta, &["beta"]),
        (PreReleaseKind::Gamma, &["gamma"]),
        (PreReleaseKind::Milestone, &["milestone"]),
        (PreReleaseKind::Preview, &["pre", "prerelease", "preview", "test", "ea"]),
        (PreReleaseKind::Candidate, &["rc", "cr", "candidate"]),
    ];
    if piece.text.len() < 2 {
        return None;
    }
    WORDS.iter().find(|(_, words)| piece.is_any(words)).map(|(kind, _)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is a version"))
    }

    #[test]
    fn older_versions_come_before_newer_ones() {
        for ascending in [
            &["2.8", "2.8.0", "2.8.1", "2.8.10", "2.9-dev4", "2.9.0", "2.9.6", "2.10"][..],
            &["12.0.0a0", "12.0.0.0b1", "12.0.0.0b3", "12.0.0.0rc1", "12.0.0.0rc2", "12.0.0", "12.0.1", "31.0.0.0rc1"],
            &["5.10-rc1", "5.10-rc7", "v5.10", "v5.10.1", "v5.10.12", "v5.10.100", "v5.11-rc1"],
            &["2.6.0-test11", "2.6.0", "2.6.1-rc1", "2.6.1"],
            &["2.6.10", "2.6.10-1", "2.6.10-2", "2.6.11"],
            &["v239", "v239-8", "v239-13", "v239-13.1", "v239-13.7", "v239-14", "v239.1"],
            &[
                "v0.99.7", "v0.99.7a", "v0.99.7d", "v0.99.8", "v1.0rc1", "v1.0rc6", "v1.0.0", "v1.0.0a", "v1.0.0b",
                "v1.0.1",
            ],
            &["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0"],
            &["3.2-rc1", "3.2.0-rc2", "3.2.0-rc3", "3.2.0"],
            &["2013.1.g3", "2013.1.rc1", "2013.1", "2013.2.b1"],
            &["v2.0.0-rc1", "v2.0.0-rc1b", "v2.0.0-rc2", "v2.0.0-stable", "v2.0.1-stable"],
            &["45.alpha", "45.beta", "45.rc", "45.0", "45.1"],
        ] {
            for pair in ascending.windows(2) {
                assert!(version(pair[0]) < version(pair[1]), "{} is older than {}", pair[0], pair[1]);
            }
        }
    }

    #[test]
    fn pre_releases_are_told_from_releases() {
        for pre_release in [
            "1.0alpha",
            "1.0-beta",
            "2.9-dev4",
            "31.0.0.0rc1",
            "12.0.0a0",
            "2013.2.b2",
            "2013.1.g3",
            "2011.2gamma1",
            "v6.0-rc3",
            "1.0.0-beta.2",
            "1.0-rc.1",
            "16_BETA1",
            "16_RC1",
            "8.0-m01",
            "5.0.0.M1",
            "4.1.0.CR2",
            "2.6.0-test11",
            "1.2-SNAPSHOT",
            "1.2.3.dev45",
            "2.6.12-pre2",
            "v2.0.0-rc1b",
            "v2.4.0.0-0.1.rc1",
            "3.12.0a1",
            "5.0.0-next.0",
            "0rc1",
        ] {
            assert!(version(pre_release).is_pre_release(), "{pre_release} is a pre-release");
        }
        for release in [
            "1.0",
            "v255.4",
            "31.0.1",
            "1.0.0a",
            "v0.99.9n",
            "2.6.10-1",
            "v239-13.1",
            "v2.0.0-stable",
            "2.2.105-scripting",
            "1.1.1w",
            "4.1.0.Final",
            "1.2.3-4-g5123456",
            "16.7.0-ee",
            "1.0-incubating",
        ] {
            assert!(!version(release).is_pre_release(), "{release} is a release");
        }
    }

    #[test]
    fn a_version_is_found_behind_the_name_of_a_product() {
        for (name, start, numbers) in [
            ("REL_16_3", 4, &[16, 3][..]),
            ("REL9_6_2", 3, &[9, 6, 2]),
            ("gitgui-0.10.0", 7, &[0, 10, 0]),
            ("systemd-v183", 9, &[183]),
            ("log4j-2.17.1", 6, &[2, 17, 1]),
            ("php-8.2.13RC1", 4, &[8, 2, 13]),
            ("go1.22rc1", 2, &[1, 22]),
            ("OpenSSL_1_1_1w", 8, &[1, 1, 1]),
            ("essex-rc1", 6, &[]),
            ("essex-1", 6, &[1]),
        ] {
            let (found, version) = Version::find(name.as_bytes()).unwrap_or_else(|| panic!("{name} has a version"));
            assert_eq!((found, version.numbers()), (start, numbers), "{name}");
        }
        for nothing in ["vm-playpen", "junio-gpg-pub", "", "k8s"] {
            assert_eq!(Version::find(nothing.as_bytes()), None, "{nothing}");
        }
    }

    #[test]
    fn a_pre_release_without_numbers_stands_between_plain_numbers_and_years() {
        let found = |name: &str| Version::find(name.as_bytes()).map(|(_, version)| version);
        let ascending = ["essex-1", "essex-4", "essex-rc1", "essex-rc4", "2012.1", "2012.1.1"].map(found);
        assert!(ascending.is_sorted(), "{ascending:?}");
        assert!(found("v1.2") < found("nightly-20240101"));
    }

    #[test]
    fn what_starts_with_something_else_is_no_version() {
        for text in ["", "v", "-1", "x1", "rc1", "v-1", "version1"] {
            assert_eq!(Version::parse(text.as_bytes()), None, "{text}");
        }
    }
}
