//! What a tag's name says, which line a tag belongs to, and the first tag of a line that has a change.
//!
//! Owns these three. Refuses to know which tags contain what: that is told (`graph`).

use std::cmp::Ordering;

use super::line::Line;
use super::pieces::pieces;
use super::version::Version;

/// What the name of a tag says. Ordered from the oldest to the newest tag of a line; marks that end a line come last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagName<'a> {
    /// The name without `refs/tags/`.
    pub name: &'a [u8],
    /// What stands before the version, without separators and `v`: `REL` of `REL_16_3`, `essex` of `essex-rc1`, mostly empty.
    pub prefix: &'a [u8],
    /// The version; `None` for the end of a line.
    pub version: Option<Version>,
    /// That it marks the end of a line and stands for the deleted branch: `train-eol`.
    pub end: Option<EndMark>,
    /// Whether the settings allow it to be a release (`bhfuil.releaseTag`); true without them.
    pub allowed: bool,
}

/// The ends of a line, as `OpenStack` marks them; each later than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndMark {
    /// `-em`: from here on without releases.
    ExtendedMaintenance,
    /// `-eom`: from here on unmaintained.
    EndOfMaintenance,
    /// `-eol`: the branch was deleted here.
    EndOfLife,
}

impl<'a> TagName<'a> {
    /// Reads the name of a tag (without `refs/tags/`). Directories don't matter: `rel/release-3.3.6`.
    ///
    /// `None` if there is neither a version nor the end of a line in it (`vm-playpen`): such a tag is of no line.
    #[must_use]
    pub fn parse(name: &'a [u8]) -> Option<Self> {
        if let Some((_, end)) = ended(name) {
            return Some(Self { name, prefix: b"", version: None, end: Some(end), allowed: true });
        }
        let base = base(name);
        let (start, version) = Version::find(base)?;
        let prefix = prefix(&name[..name.len() - base.len() + start]);
        Some(Self { name, prefix, version: Some(version), end: None, allowed: true })
    }

    /// The line whose end it marks: `train` for `train-eol`.
    #[must_use]
    pub fn ended_line(&self) -> Option<Line> {
        self.end.and_then(|_| ended_line(self.name))
    }

    /// Whether it came before its release: alpha, beta, rc, and whatever has no number but a pre-release's.
    #[must_use]
    pub fn is_pre_release(&self) -> bool {
        self.version.as_ref().is_some_and(Version::is_pre_release) || self.is_nightly()
    }

    /// Whether it is a release of `line`: neither a pre-release nor the end of a line, nor a milestone of a named series
    /// (`essex-1` on the way to 2012.1, of `essex`), and allowed by the settings.
    #[must_use]
    pub fn is_release(&self, line: &Line) -> bool {
        let milestone = || {
            let numbers = self.version.as_ref().map_or(0, |version| version.numbers().len());
            numbers == 1 && is_series_of(line, self.prefix)
        };
        self.allowed && self.version.is_some() && !self.is_pre_release() && !milestone()
    }

    fn is_nightly(&self) -> bool {
        let words = ["nightly", "weekly", "daily", "snapshot"];
        self.prefix.len() > 4 && pieces(self.prefix).iter().any(|piece| piece.is_any(&words))
    }
}

impl Ord for TagName<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let plain = |tag: &Self| (tag.prefix.len(), tag.name.len());
        self.end
            .cmp(&other.end)
            .then_with(|| self.version.cmp(&other.version))
            .then_with(|| plain(self).cmp(&plain(other)))
            .then_with(|| self.name.cmp(other.name))
            .then_with(|| self.allowed.cmp(&other.allowed))
    }
}

impl PartialOrd for TagName<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Which of `lines` (from old to new, as sorted) the tag belongs to: at most one.
///
/// 1. The name decides where it can: the line that the tag ends, the series that its prefix names, or the line with the most
///    numbers that its version starts with (255.4 is of 255; 2.8.3 of 2.8, not of 2). No branch need contain it.
/// 2. Else (nova's 31.0.1) the lowest line whose refs contain it, the mainline last: a line is branched off the mainline,
///    so what it has of the time before, later lines have too, and what came after only it has. `contains` tells whether a
///    branch, or a tag that stands for a deleted one, reaches the tag; it is asked only here, and from the lowest line up.
/// 3. Else none.
pub fn line_of_tag<'l>(
    tag: &TagName<'_>,
    lines: &'l [Line],
    mut contains: impl FnMut(&Line) -> bool,
) -> Option<&'l Line> {
    if let Some(ended) = tag.ended_line() {
        return lines.iter().find(|line| **line == ended);
    }
    let (series, others) = lines.split_at(lines.partition_point(Line::is_series));
    let named = || series.iter().find(|line| is_series_of(line, tag.prefix));
    let covering = || {
        let version = tag.version.as_ref()?;
        // Those that begin with the same number stand together.
        let first = version.numbers().first().copied();
        let below = others.partition_point(|line| line.first_number().is_some_and(|number| Some(number) < first));
        let like = others[below..].iter().take_while(|line| line.first_number() == first);
        like.filter(|line| line.covers(version)).max_by_key(|line| line.depth())
    };
    named().or_else(covering).or_else(|| lines.iter().find(|line| contains(line)))
}

/// Whether a tag counts for `line`: it belongs to it (`own`, as [`line_of_tag`] says), or `line` has no versions of its own
/// (the mainline, `maint`) and contains it. So the mainline's first tag is the first that was made on it or merged into it.
#[must_use]
pub fn counts_for(line: &Line, own: Option<&Line>, contained: bool) -> bool {
    own == Some(line) || (contained && line.is_unversioned())
}

/// The first of the tags of a line that have a change, in version order.
pub fn first_tag<'t, 'a: 't>(tags: impl IntoIterator<Item = &'t TagName<'a>>) -> Option<&'t TagName<'a>> {
    tags.into_iter().min()
}

/// The first release among the tags of `line` that have a change, in version order.
pub fn first_release<'t, 'a: 't>(
    line: &Line,
    tags: impl IntoIterator<Item = &'t TagName<'a>>,
) -> Option<&'t TagName<'a>> {
    tags.into_iter().filter(|tag| tag.is_release(line)).min()
}

/// The line whose end the tag `name` (without `refs/tags/`) marks.
pub(super) fn ended_line(name: &[u8]) -> Option<Line> {
    Line::named(ended(name)?.0)
}

/// What is ended, and how, if `name` marks an end.
fn ended(name: &[u8]) -> Option<(&[u8], EndMark)> {
    let dash = name.iter().rposition(|byte| *byte == b'-')?;
    let end = match &name[dash + 1..] {
        mark if mark.eq_ignore_ascii_case(b"eol") => EndMark::EndOfLife,
        mark if mark.eq_ignore_ascii_case(b"eom") => EndMark::EndOfMaintenance,
        mark if mark.eq_ignore_ascii_case(b"em") => EndMark::ExtendedMaintenance,
        _ => return None,
    };
    let line = base(&name[..dash]);
    Line::named(line).map(|_| (line, end))
}

fn base(name: &[u8]) -> &[u8] {
    name.rsplit(|byte| *byte == b'/').next().unwrap_or(name)
}

fn prefix(before: &[u8]) -> &[u8] {
    let trimmed = |name: &'_ [u8]| name.iter().rposition(u8::is_ascii_alphanumeric).map_or(0, |last| last + 1);
    let before = &before[..trimmed(before)];
    match pieces(before).last() {
        Some(last) if last.is("v") => &before[..trimmed(&before[..last.start])],
        _ => before,
    }
}

fn is_series_of(line: &Line, prefix: &[u8]) -> bool {
    line.is_series() && line.name().as_bytes().eq_ignore_ascii_case(prefix)
}

#[cfg(test)]
mod tests;
