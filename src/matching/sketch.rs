//! What the ladder looks at in one commit.
//!
//! Owns the split between facts that come with the message (cheap, always there) and facts that cost a diff (asked for only
//! when a pair deserves it). Refuses to compute any of them.

use crate::facts::{
    Oid,
    date::Moment,
    identity::Identity,
    issues::{IssueKind, pull_request_number},
    patch_id::ChangedLines,
    references::{References, normalised_subject},
};

use super::squash::listed_subjects;

/// A fact that may not have been computed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Fact<T> {
    /// Nobody has asked for it yet; the ladder may.
    #[default]
    Unasked,
    /// It was asked for and can't be had: an object is missing, or too large to compare.
    Unknowable,
    /// It is this.
    Known(T),
}

impl<T> Fact<T> {
    /// The fact, if it is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(fact) => Some(fact),
            Self::Unasked | Self::Unknowable => None,
        }
    }

    /// Whether it was never asked for.
    pub fn is_unasked(&self) -> bool {
        matches!(self, Self::Unasked)
    }
}

/// A commit that a message names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The hexadecimal id as written, 7 digits or more, either case.
    pub text: String,
    /// The commit of this repository that it names; `None` if there is none, or more than one.
    pub id: Option<Oid>,
}

impl Named {
    /// Whether it names `id`: the commit found, or, where none was, by being the start of its name.
    #[must_use]
    pub fn names(&self, id: &Oid) -> bool {
        if let Some(found) = self.id {
            return found == *id;
        }
        let hex = id.to_hex();
        self.text.len() >= 7 && hex.get(..self.text.len()).is_some_and(|start| start.eq_ignore_ascii_case(&self.text))
    }
}

/// One commit, as far as the ladder needs it. Facts of the message first, then those that cost a diff.
#[derive(Debug, Clone)]
pub struct Sketch {
    /// The commit.
    pub id: Oid,
    /// Whether it has more than one parent.
    pub is_merge: bool,
    /// The author's name; mapped by a mailmap or not, but alike for all commits compared.
    pub author_name: String,
    /// The author's address, likewise.
    pub author_email: String,
    /// When it was written; `None` where the date can't be read.
    pub author_date: Option<Moment>,
    /// The subject as it is.
    pub subject: String,
    /// The subject as a key ([`normalised_subject`]).
    pub subject_key: String,
    /// Gerrit's id of the change.
    pub change_id: Option<String>,
    /// The commits that it was taken from, in the order of the message.
    pub origins: Vec<Named>,
    /// The commits that it takes back.
    pub reverts: Vec<Named>,
    /// How often the change is taken back: odd for a revert, even (2, 4, …) for a re-land. See `gates`.
    pub revert_depth: u8,
    /// The number of the pull request that brought it ([`pull_request_number`]).
    pub pull_request: Option<u64>,
    /// Every number of an issue or pull request that the message mentions, ascending. A pick with a pull request of its own
    /// names the original's here.
    pub mentions: Vec<u64>,
    /// The subjects, as keys, that the message lists below its own (`squash::listed_subjects`).
    pub listed: Vec<String>,
    /// `git patch-id --stable`; `Known(None)` for a commit that changes nothing.
    pub patch_id: Fact<Option<Oid>>,
    /// The paths that it changes, ascending (renames off: both names).
    pub paths: Fact<Vec<Vec<u8>>>,
    /// The lines that it adds and removes.
    pub lines: Fact<ChangedLines>,
}

impl Sketch {
    /// A commit of which nothing but its id is known.
    #[must_use]
    pub fn new(id: Oid) -> Self {
        Self {
            id,
            is_merge: false,
            author_name: String::new(),
            author_email: String::new(),
            author_date: None,
            subject: String::new(),
            subject_key: String::new(),
            change_id: None,
            origins: Vec::new(),
            reverts: Vec::new(),
            revert_depth: 0,
            pull_request: None,
            mentions: Vec::new(),
            listed: Vec::new(),
            patch_id: Fact::Unasked,
            paths: Fact::Unasked,
            lines: Fact::Unasked,
        }
    }

    /// What a message says, `resolve` finding the commit that an id as written names. `is_merge` and the facts that cost a
    /// diff are left for the caller to fill in.
    #[must_use]
    pub fn read(
        id: Oid,
        author: &Identity<'_>,
        subject: &str,
        message: &str,
        references: &References<'_>,
        resolve: impl Fn(&str) -> Option<Oid>,
    ) -> Self {
        let named = |text: &str| Named { text: text.to_owned(), id: resolve(text) };
        let numbers = references.issues.iter().filter_map(|issue| match issue.kind {
            IssueKind::Number => issue.key.parse().ok(),
            IssueKind::Github => issue.key.rsplit_once('#')?.1.parse().ok(),
            _ => None,
        });
        let mut mentions: Vec<u64> = numbers.collect();
        mentions.sort_unstable();
        mentions.dedup();
        Self {
            author_name: author.name.text.clone().into_owned(),
            author_email: author.email.text.clone().into_owned(),
            author_date: author.date.moment,
            subject: subject.to_owned(),
            subject_key: normalised_subject(subject),
            change_id: references.change_id.map(str::to_owned),
            origins: references.origins.iter().map(|origin| named(origin.text)).collect(),
            reverts: references.reverts.iter().map(|text| named(text)).collect(),
            revert_depth: references.revert_depth,
            pull_request: pull_request_number(subject, message),
            mentions,
            listed: listed_subjects(message.split_once('\n').map_or("", |(_, body)| body)),
            ..Self::new(id)
        }
    }

    /// Whether it takes a change back on balance.
    #[must_use]
    pub fn is_revert(&self) -> bool {
        self.revert_depth % 2 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{patterns::Patterns, text::Text};

    #[test]
    fn an_abbreviation_names_what_it_begins() {
        let id: Oid = "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d".parse().expect("an id");
        let other: Oid = "2a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d".parse().expect("an id");
        for (text, found, names) in [
            ("1a2b3c4", None, true),
            ("1A2B3C4D", None, true),
            ("1a2b3", None, false),
            ("2a2b3c4", None, false),
            ("1a2b3c4", Some(id), true),
            ("1a2b3c4", Some(other), false),
        ] {
            assert_eq!(Named { text: text.to_owned(), id: found }.names(&id), names, "{text}");
        }
    }

    #[test]
    fn a_message_fills_what_it_says() {
        let message = "[stable/1.0] Fix  it (#12)\n\nBackport of https://github.com/o/r/pull/7, see #9.\n\n\
                       (cherry picked from commit 1a2b3c4)\n";
        let line = Text::from("A U Thor <author@example.com> 1700000000 +0100");
        let references = References::of("[stable/1.0] Fix  it (#12)", message, &[], &Patterns::default());
        let id: Oid = "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d".parse().expect("an id");
        let author = Identity::parse(&line);
        let sketch = Sketch::read(id, &author, "[stable/1.0] Fix  it (#12)", message, &references, |_| None);
        assert_eq!(sketch.subject_key, "fix it");
        assert_eq!((sketch.pull_request, &sketch.mentions[..]), (Some(12), &[7, 9, 12][..]));
        assert_eq!(sketch.origins, [Named { text: "1a2b3c4".to_owned(), id: None }]);
        assert_eq!(sketch.author_date.map(|date| date.seconds), Some(1_700_000_000));
    }
}
