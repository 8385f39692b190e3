//! What trackers know of issues, a file for each software: which address answers for an issue, and what its answer says. All pure.
//!
//! Beside issues: releases, and what a forge says of a project itself.
//!
//! Owns addresses, shapes of answers, and which tracker a reference means (`which`). Refuses sockets, passwords and events. Answers are
//! read with no more trust than they deserve: unknown fields are passed over, `null` may stand anywhere, states are in the server's own words;
//! what is missing is unknown, and only what is no JSON, or not of the kind that was asked for, is an error.

mod bugzilla;
mod gerrit;
mod gitea;
pub mod github;
mod gitlab;
mod jira;
mod launchpad;
mod osv;
mod reading;
pub mod which;

use crate::error::Kind;

/// A software that trackers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Software {
    /// GitHub, or GitHub Enterprise Server: issues, pull requests, advisories, releases.
    Github,
    /// GitLab: issues, merge requests, releases.
    Gitlab,
    /// Launchpad: bugs.
    Launchpad,
    /// Bugzilla: bugs.
    Bugzilla,
    /// Jira: issues.
    Jira,
    /// OSV, the database of vulnerabilities: records by CVE id.
    Osv,
    /// Gitea or Forgejo: issues, pull requests, releases.
    Gitea,
    /// Gerrit: changes by Change-Id.
    Gerrit,
}

impl Software {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Github, Self::Gitlab, Self::Launchpad, Self::Bugzilla, Self::Jira, Self::Osv, Self::Gitea, Self::Gerrit];

    /// Its name on the wire and in the configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Launchpad => "launchpad",
            Self::Bugzilla => "bugzilla",
            Self::Jira => "jira",
            Self::Osv => "osv",
            Self::Gitea => "gitea",
            Self::Gerrit => "gerrit",
        }
    }

    /// The one of that name; Forgejo goes by its own too.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        if word == "forgejo" {
            return Some(Self::Gitea);
        }
        Self::ALL.into_iter().find(|software| software.word() == word)
    }

    /// Where it is unless somebody says otherwise.
    #[must_use]
    pub fn usual_base(self) -> Option<&'static str> {
        match self {
            Self::Github => Some("https://github.com"),
            Self::Gitlab => Some("https://gitlab.com"),
            Self::Launchpad => Some("https://bugs.launchpad.net"),
            Self::Osv => Some("https://api.osv.dev"),
            Self::Bugzilla | Self::Jira | Self::Gitea | Self::Gerrit => None,
        }
    }
}

/// A tracker: what runs it, and where people see it, an address without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tracker {
    /// What runs it.
    pub software: Software,
    /// `https://github.com`, say.
    pub base: String,
}

/// An issue of a tracker.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// The tracker.
    pub tracker: Tracker,
    /// Its name there: `owner/repo#12`, `12`, `PROJ-12`, `CVE-2024-1234`.
    pub local: String,
}

/// What to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The address.
    pub url: String,
    /// What kind of answer is wanted, the value of `Accept`.
    pub accept: &'static str,
}

impl Ask {
    fn json(url: String) -> Self {
        Self { url, accept: "application/json" }
    }
}

/// What a tracker knows of an issue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Its state in the tracker's own words.
    pub state: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// Its address.
    pub url: Option<String>,
    /// Its labels; `None` of a software that has none, or where they aren't told.
    pub labels: Option<Vec<String>>,
}

/// A release as its publisher has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The tag.
    pub tag: String,
    /// When it was published, in RFC 3339; `None` where that isn't known.
    pub published_at: Option<String>,
    /// Its address.
    pub url: Option<String>,
}

/// A project as its forge has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Project {
    /// What it is, in a few words.
    pub description: Option<String>,
    /// The branch that it is about.
    pub default_branch: Option<String>,
    /// Its address.
    pub url: Option<String>,
    /// Whether nobody works on it any more.
    pub archived: Option<bool>,
    /// When something was last pushed, in RFC 3339.
    pub pushed_at: Option<String>,
}

impl Target {
    /// What to ask; `None` if `local` is no name of an issue there. Who has `logged_in` is known by another address in places.
    #[must_use]
    pub fn ask(&self, logged_in: bool) -> Option<Ask> {
        let Tracker { software, base } = &self.tracker;
        match software {
            Software::Github => github::ask(base, &self.local),
            Software::Gitlab => gitlab::ask(base, &self.local),
            Software::Launchpad => launchpad::ask(base, &self.local),
            Software::Bugzilla => bugzilla::ask(base, &self.local),
            Software::Jira => jira::ask(base, &self.local),
            Software::Osv => osv::ask(base, &self.local),
            Software::Gitea => gitea::ask(base, &self.local),
            Software::Gerrit => gerrit::ask(base, &self.local, logged_in),
        }
    }

    /// What `body`, the answer, says of it; `None` if there is no such issue.
    ///
    /// # Errors
    /// [`Kind::BadAnswer`] if it says nothing of an issue.
    pub fn read(&self, body: &[u8]) -> anyhow::Result<Option<Found>> {
        let Tracker { software, base } = &self.tracker;
        let read = match software {
            Software::Github => github::read(body),
            Software::Gitlab => gitlab::read(body),
            Software::Launchpad => launchpad::read(body),
            Software::Bugzilla => bugzilla::read(body, base),
            Software::Jira => jira::read(body, base),
            Software::Osv => osv::read(body, base),
            Software::Gitea => gitea::read(body),
            Software::Gerrit => gerrit::read(body, base),
        };
        read.map_err(|why| Kind::BadAnswer.error(format!("{} has answered {why}", host(base))))
    }

    /// Its name on the wire, beside that of the software: with the name of the server where that isn't the usual one and there may be
    /// several.
    #[must_use]
    pub fn key(&self) -> String {
        let Tracker { software, base } = &self.tracker;
        let is_usual = software.usual_base() == Some(base.as_str());
        match software {
            Software::Bugzilla if host(base) == "bugzilla.redhat.com" => format!("rhbz#{}", self.local),
            Software::Bugzilla => format!("{}#{}", host(base), self.local),
            Software::Github | Software::Gitlab | Software::Gitea if !is_usual => {
                format!("{}/{}", host(base), self.local)
            }
            _ => self.local.clone(),
        }
    }
}

impl Tracker {
    /// The address of the page `page`, the first being 1, of the releases of `project`; `None` of a software that has none.
    #[must_use]
    pub fn releases(&self, project: &str, page: u32) -> Option<Ask> {
        match self.software {
            Software::Github => Some(github::releases(&self.base, project, page)),
            Software::Gitlab => Some(gitlab::releases(&self.base, project, page)),
            Software::Gitea => Some(gitea::releases(&self.base, project, page)),
            _ => None,
        }
    }

    /// The address of what is said of `project` itself; `None` of a software that has no projects, or if that is no name of one.
    #[must_use]
    pub fn project(&self, project: &str) -> Option<Ask> {
        match self.software {
            Software::Github => github::project(&self.base, project),
            Software::Gitlab => gitlab::project(&self.base, project),
            Software::Gitea => gitea::project(&self.base, project),
            Software::Launchpad => launchpad::project(&self.base, project),
            _ => None,
        }
    }

    /// What `body`, the answer, says of a project.
    ///
    /// # Errors
    /// [`Kind::BadAnswer`] if it says nothing of one.
    pub fn read_project(&self, body: &[u8]) -> anyhow::Result<Project> {
        let read = match self.software {
            Software::Launchpad => launchpad::read_project(body),
            _ => reading::project(body),
        };
        read.map_err(|why| Kind::BadAnswer.error(format!("{} has answered {why}", host(&self.base))))
    }

    /// The releases that `body`, the answer, names, and whether there may be a further page.
    ///
    /// # Errors
    /// [`Kind::BadAnswer`] if it is no list.
    pub fn read_releases(&self, body: &[u8]) -> anyhow::Result<(Vec<Release>, bool)> {
        reading::releases(body).map_err(|why| Kind::BadAnswer.error(format!("{} has answered {why}", host(&self.base))))
    }
}

/// The name of the server at `base`, and the port if one is named.
#[must_use]
pub fn host(base: &str) -> &str {
    let rest = base.split_once("://").map_or(base, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

/// `owner/repo#12` in two.
fn numbered<'k>(key: &'k str, marks: &[char]) -> Option<(&'k str, char, &'k str)> {
    let at = key.rfind(marks)?;
    let (project, rest) = key.split_at(at);
    let mark = rest.chars().next()?;
    let number = &rest[1..];
    (is_number(number) && project.contains('/')).then_some((project, mark, number))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// As a part of a path: all but letters, digits and `-._~` as `%xx` (RFC 3986, 2.3); `keep` stays as it is.
fn escaped(text: &str, keep: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || keep.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.extend([byte >> 4, byte & 15].map(|half| char::from(b"0123456789ABCDEF"[usize::from(half)])));
        }
    }
    out
}

/// A project's path, which no `..` leads out of.
fn project_path(project: &str) -> Option<String> {
    let is_safe = project.split('/').all(|part| !matches!(part, "" | "." | ".."));
    is_safe.then(|| escaped(project, b"/"))
}

#[cfg(test)]
mod tests;
