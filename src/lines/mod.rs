//! Release lines: which refs and tags belong to which line, version order, first tag and first release.
//!
//! Owns the conventions of names and the settings that override them. Refuses git and everything that isn't a name: which
//! refs there are and what contains what is told.
//!
//! [`Lines::line_of`] gives the line of a branch, and of a tag that stands for a deleted one. Sorted and without doubles
//! ([`Lines::all`]) they are the lines of a repository, and [`line_of_tag`] finds each version tag's place among them.

mod branch;
mod glob;
mod line;
mod pieces;
mod tags;
mod version;

pub use line::Line;
pub use tags::{EndMark, TagName, counts_for, first_release, first_tag, line_of_tag};
pub use version::{PreRelease, PreReleaseKind, Version};

use glob::Globs;
use sha1::{Digest as _, Sha1};

/// Raised whenever a name is read otherwise than before: what was found out by other rules is nothing to go by.
const RULES: u32 = 1;

/// What the user says of release lines. Every list holds globs, matched against the short name (for a remote-tracking
/// branch with its remote and without) and the full refname; `*` matches `/` too. Of the globs that match the last decides,
/// and a `!` in front of it excludes. A list with anything but exclusions replaces the built-in conventions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineSettings {
    /// The branches of release lines (`bhfuil.stable`).
    pub stable: Vec<String>,
    /// The branches of the mainline (`bhfuil.mainline`).
    pub mainline: Vec<String>,
    /// The tags that may be releases (`bhfuil.releaseTag`); a pre-release is none even so.
    pub release_tag: Vec<String>,
    /// The names of the remotes; needed only where one has a `/` in it, otherwise the first component is the remote.
    pub remotes: Vec<String>,
}

/// Knows the line of a ref by its name.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    stable: Globs,
    mainline: Globs,
    release_tag: Globs,
    remotes: Vec<Vec<u8>>,
    /// The branch that stands in for a mainline where no name is one's, without `refs/heads/` or a remote.
    fallback: Option<Vec<u8>>,
}

impl Lines {
    /// Prepares the settings.
    #[must_use]
    pub fn new(settings: &LineSettings) -> Self {
        Self {
            stable: Globs::new(&settings.stable),
            mainline: Globs::new(&settings.mainline),
            release_tag: Globs::new(&settings.release_tag),
            remotes: settings.remotes.iter().map(|remote| remote.as_bytes().to_vec()).collect(),
            fallback: None,
        }
    }

    /// Takes HEAD's branch (`head`, a full refname) for the mainline if none of `refnames` is a mainline and `head` is of no
    /// line itself.
    #[must_use]
    pub fn with_head<'r>(mut self, head: &[u8], refnames: impl IntoIterator<Item = &'r [u8]>) -> Self {
        let known = |refname: &[u8]| self.line_of(refname).is_some_and(|line| line.is_mainline());
        if self.line_of(head).is_none() && !refnames.into_iter().any(known) {
            self.fallback = Names::of(head, &self.remotes).map(|names| names.branch.to_vec());
        }
        self
    }

    /// A number that tells these rules from others: other settings, or another way to read names.
    #[must_use]
    pub fn number(&self) -> i64 {
        let mut hasher = Sha1::new();
        hasher.update(RULES.to_le_bytes());
        let mut part = |text: &[u8]| {
            hasher.update((text.len() as u64).to_le_bytes());
            hasher.update(text);
        };
        for globs in [&self.stable, &self.mainline, &self.release_tag] {
            globs.each(&mut part);
            part(b"");
        }
        self.remotes.iter().for_each(|remote| part(remote));
        part(b"");
        self.fallback.iter().for_each(|branch| part(branch));
        hasher.finalize().first_chunk().map_or(0, |&start| i64::from_be_bytes(start))
    }

    /// The line of a ref, given by its full refname: of a branch, here or at a remote, and of a tag that stands for a deleted
    /// branch. `None` for everything else; for a version tag ask [`line_of_tag`].
    #[must_use]
    pub fn line_of(&self, refname: &[u8]) -> Option<Line> {
        if let Some(tag) = refname.strip_prefix(TAGS) {
            let line = tags::ended_line(tag)?;
            return (self.stable.choose(&[tag, refname]) != Some(false)).then_some(line);
        }
        let Some(Names { branch, short }) = Names::of(refname, &self.remotes) else {
            // Another namespace, which only a setting that names it in full can make a line.
            let chosen = |globs: &Globs| globs.choose(&[refname]) == Some(true);
            return match refname.starts_with(b"refs/") {
                true if chosen(&self.mainline) => Some(Line::mainline()),
                true if chosen(&self.stable) => Some(branch::declared(refname)),
                _ => None,
            };
        };
        let names = [branch, short, refname];
        let recognised = branch::recognise(branch);
        match (self.mainline.choose(&names), self.stable.choose(&names)) {
            (Some(true), _) => return Some(Line::mainline()),
            (_, Some(true)) => return Some(branch::declared(branch)),
            (Some(false), _) if recognised.as_ref().is_some_and(Line::is_mainline) => return None,
            (_, Some(false)) if recognised.as_ref().is_some_and(|line| !line.is_mainline()) => return None,
            _ => {}
        }
        recognised.or_else(|| (self.fallback.as_deref() == Some(branch)).then(Line::mainline))
    }

    /// What the name of a tag says, given by its full refname. `None` if it is no tag, or says nothing of a version.
    #[must_use]
    pub fn tag<'a>(&self, refname: &'a [u8]) -> Option<TagName<'a>> {
        let name = refname.strip_prefix(TAGS)?;
        let allowed = self.release_tag.choose(&[name, refname]) != Some(false);
        TagName::parse(name).map(|tag| TagName { allowed, ..tag })
    }

    /// The lines of `refnames`, from old to new, each once.
    #[must_use]
    pub fn all<'r>(&self, refnames: impl IntoIterator<Item = &'r [u8]>) -> Vec<Line> {
        let mut lines: Vec<_> = refnames.into_iter().filter_map(|refname| self.line_of(refname)).collect();
        lines.sort_unstable();
        lines.dedup();
        lines
    }
}

const TAGS: &[u8] = b"refs/tags/";

/// The names of a branch.
struct Names<'a> {
    /// Without the remote.
    branch: &'a [u8],
    /// With the remote.
    short: &'a [u8],
}

impl<'a> Names<'a> {
    /// `None` if it is no branch, neither here nor at a remote.
    fn of(refname: &'a [u8], remotes: &[Vec<u8>]) -> Option<Self> {
        if let Some(branch) = refname.strip_prefix(b"refs/heads/") {
            return Some(Self { branch, short: branch });
        }
        let short = refname.strip_prefix(b"refs/remotes/")?;
        let behind = |remote: &Vec<u8>| short.strip_prefix(remote.as_slice())?.strip_prefix(b"/");
        let branch = match remotes.iter().filter_map(behind).min_by_key(|branch| branch.len()) {
            Some(branch) => branch,
            None => &short[short.iter().position(|byte| *byte == b'/')? + 1..],
        };
        Some(Self { branch, short })
    }
}

#[cfg(test)]
mod tests;
