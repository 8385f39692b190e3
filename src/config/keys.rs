//! The settings there are: one table, from which parsing, validation, `config list`, the file that `config init` writes and the names
//! of the environment's variables follow.
//!
//! Owns names, types, defaults and what each is for. Refuses where values come from (`cascade`).

use std::borrow::Cow;

use super::values::Type;
use crate::error::Kind;
use crate::spelling::{did_you_mean, nearest};

/// The section of all settings.
pub const SECTION: &str = "bhfuil";

/// What begins the subsection of a repository's settings.
const REPOSITORY: &str = "repo.";
/// What begins the subsection of a tracker.
const TRACKER: &str = "tracker.";
/// What stands for a name in [`Key::name`].
const PLACEHOLDER: &str = "<name>";

/// A setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its name without the section, as it is written: `http.timeout`; `<name>` stands for what the user names.
    pub name: &'static str,
    /// What values it takes.
    pub kind: Type,
    /// Its value where none is set; empty where that means none.
    pub default: &'static str,
    /// Keys of git's whose value it has where it isn't set itself; the first that is set counts.
    pub fallbacks: &'static [&'static str],
    /// Whether it is a list: every value counts, and an empty one takes back those before it.
    pub repeatable: bool,
    /// Whether it says of a repository what it is, and so is set for one alone.
    pub is_of_repository: bool,
    /// What it is for, to follow the name; no full stop.
    pub doc: &'static str,
}

impl Key {
    const fn new(name: &'static str, kind: Type, default: &'static str, doc: &'static str) -> Self {
        Self { name, kind, default, fallbacks: &[], repeatable: false, is_of_repository: false, doc }
    }

    const fn list(name: &'static str, kind: Type, doc: &'static str) -> Self {
        Self { repeatable: true, ..Self::new(name, kind, "", doc) }
    }

    const fn of_repository(self) -> Self {
        Self { is_of_repository: true, ..self }
    }

    /// The variable of the environment that sets it: `GIT_BHFUIL_CACHE_SIZE` for `cacheSize`. `None` where the user names a part.
    #[must_use]
    pub fn variable(&self) -> Option<String> {
        if self.is_of_repository || self.name.contains('<') {
            return None;
        }
        let mut name = String::from("GIT_BHFUIL_");
        for letter in self.name.chars() {
            match letter {
                '.' => name.push('_'),
                letter if letter.is_ascii_uppercase() => name.extend(['_', letter]),
                letter => name.push(letter.to_ascii_uppercase()),
            }
        }
        Some(name)
    }

    /// Its value where none is set.
    #[must_use]
    pub fn default_value(&self) -> Cow<'static, str> {
        match self.kind {
            Type::Threads => super::default_threads().to_string().into(),
            _ => self.default.into(),
        }
    }

    /// The part of the name before the last dot, and that after it.
    fn parts(&self) -> (Option<&'static str>, &'static str) {
        match self.name.rsplit_once('.') {
            Some((group, last)) => (Some(group), last),
            None => (None, self.name),
        }
    }
}

/// Waits and attempts are those of an operation that is tried again.
macro_rules! retry {
    ($operation:literal, $attempts:literal, $first:literal, $longest:literal) => {
        [
            Key::new(
                concat!("retry.", $operation, ".attempts"),
                Type::Number { least: 1, most: 100 },
                $attempts,
                concat!("how often ", $operation, " is tried at most"),
            ),
            Key::new(
                concat!("retry.", $operation, ".firstWait"),
                Type::Time,
                $first,
                concat!("longest wait before the second attempt of ", $operation, "; doubled each time"),
            ),
            Key::new(
                concat!("retry.", $operation, ".longestWait"),
                Type::Time,
                $longest,
                concat!("longest wait between any attempts of ", $operation),
            ),
        ]
    };
}

const CLONE: [Key; 3] = retry!("clone", "3", "2s", "60s");
const FETCH: [Key; 3] = retry!("fetch", "4", "1s", "30s");
const HTTP: [Key; 3] = retry!("http", "4", "250ms", "10s");

const MANY: Type = Type::Number { least: 1, most: 1_000_000 };

/// All of them, in the order in which they are shown.
pub static KEYS: &[Key] = &[
    Key::new("jobs", Type::Number { least: 1, most: 64 }, "3", "repositories worked on at a time"),
    Key::new("threads", Type::Threads, "3", "threads for git work; by default never more than there are cores"),
    Key::new("cacheSize", Type::Size, "2g", "bytes that the caches may take in all"),
    Key::new(
        "cacheTtl",
        Type::Time,
        "",
        "how long a cache that nobody uses is kept; without it as long as there is room",
    ),
    Key::list("stable", Type::Glob, "branches of release lines, where their names don't tell; ! excludes"),
    Key::list("mainline", Type::Glob, "branches of the mainline, where their names don't tell; ! excludes"),
    Key::list("releaseTag", Type::Glob, "tags that may be releases; ! excludes"),
    Key::list("securityPattern", Type::Regex, "marks a message as being about security"),
    Key::list("requestPattern", Type::Regex, "marks a request for a backport"),
    Key::list("jiraProject", Type::Word, "a project whose PROJ-12 is an issue"),
    Key::new("dismissedFile", Type::Path, "", "the file of what need not be ported"),
    Key::new("taskExpiry", Type::Time, "7d", "how long the result of a task is kept"),
    Key::new("stallAfter", Type::Time, "60s", "time without progress after which a task counts as stalled"),
    Key::new("taskLimit", Type::Number { least: 1, most: 64 }, "4", "tasks that run at a time"),
    Key {
        fallbacks: &["color.ui"],
        ..Key::new("color", Type::Color, "auto", "colour for people: always, auto or never")
    },
    Key {
        fallbacks: &["pager.bhfuil", "core.pager"],
        ..Key::new("pager", Type::Text, "", "the program that pages what people read, or false for none")
    },
    CLONE[0],
    CLONE[1],
    CLONE[2],
    FETCH[0],
    FETCH[1],
    FETCH[2],
    HTTP[0],
    HTTP[1],
    HTTP[2],
    Key::new("timeout.clone", Type::Time, "2h", "how long a clone may take, all attempts together"),
    Key::new("timeout.fetch", Type::Time, "30m", "how long a fetch may take, all attempts together"),
    Key::new("timeout.git", Type::Time, "10m", "how long git may take for one question, or one trial of a pick"),
    Key::new("timeout.scan", Type::Time, "", "how long a scan may take; without it as long as it needs"),
    Key::new("timeout.where", Type::Time, "", "how long where may take; without it as long as it needs"),
    Key::new("timeout.missing", Type::Time, "", "how long missing may take; without it as long as it needs"),
    Key::new(
        "timeout.verify",
        Type::Time,
        "",
        "how long comparing one cache with git may take; without it as long as it needs",
    ),
    Key::new("timeout.gc", Type::Time, "", "how long cache gc may take; without it as long as it needs"),
    Key::new("timeout.task", Type::Time, "", "how long a task may run; without it as long as it needs"),
    Key::new(
        "timeout.watch",
        Type::Time,
        "",
        "how long one look of watch at one repository may take; without it as long as it needs",
    ),
    Key::new("timeout.look", Type::Time, "60s", "how long repo may look at one repository that lies here"),
    Key::new("http.connectTimeout", Type::Time, "10s", "how long connecting to a server may take"),
    Key::new("http.firstByteTimeout", Type::Time, "20s", "how long a server may think before it answers"),
    Key::new("http.timeout", Type::Time, "60s", "how long a request may take in all"),
    Key::new("http.perHost", Type::Number { least: 1, most: 64 }, "6", "requests to one host at a time"),
    Key::new("http.rate", MANY, "10", "requests to one host in a second"),
    Key::new("http.ttl", Type::Time, "1h", "how long an answer counts as fresh"),
    Key::new("http.breakerThreshold", MANY, "5", "failures in a row after which a host is left alone"),
    Key::new("http.breakerCooldown", Type::Time, "30s", "how long it is left alone"),
    Key::new(
        "tracker.<name>.type",
        Type::Choice(&["github", "gitlab", "jira", "launchpad", "bugzilla", "osv", "gitea", "forgejo", "gerrit"]),
        "",
        "what kind of tracker it is",
    ),
    Key::new("tracker.<name>.url", Type::Url, "", "where it is"),
    Key::list("tracker.<name>.pattern", Type::Regex, "what in a message is an issue of it"),
    Key::new(
        "tracker.<name>.credential",
        Type::Credential,
        "",
        "how to log in: env:<variable>, or git for git's credential helpers; never the secret itself",
    ),
    Key::new("path", Type::Place, "", "where the repository lies").of_repository(),
    Key::new("url", Type::Url, "", "where the repository comes from").of_repository(),
    Key::list("refs", Type::Glob, "the refs of the repository that are asked about").of_repository(),
    Key::list("group", Type::Name, "a group that the repository belongs to").of_repository(),
];

/// A setting as it is named: which one, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Which.
    pub key: &'static Key,
    /// The repository that it is for, if for one alone.
    pub repo: Option<String>,
    /// The tracker that it is of, where it is one's.
    pub tracker: Option<String>,
}

impl Name {
    /// The setting `key` for everybody.
    #[must_use]
    pub fn of(key: &'static Key) -> Self {
        Self { key, repo: None, tracker: None }
    }

    /// The same setting, for the repository `repo` alone.
    #[must_use]
    pub fn for_repository(self, repo: &str) -> Self {
        Self { repo: Some(repo.to_owned()), ..self }
    }

    /// Understands a name as it is typed: `bhfuil.http.timeout`, `bhfuil.repo.nova.threads`; the section may be left out.
    ///
    /// # Errors
    /// [`Kind::BadValue`] naming it and the one that may have been meant.
    pub fn parse(typed: &str) -> anyhow::Result<Self> {
        let own = typed.split_once('.').filter(|(section, _)| section.eq_ignore_ascii_case(SECTION));
        let name = own.map_or(typed, |(_, name)| name);
        let found = match name.rsplit_once('.') {
            Some((subsection, key)) => Self::find(Some(subsection), key),
            None => Self::find(None, name),
        };
        found.ok_or_else(|| {
            Kind::BadValue.hinted(
                format!("'{typed}' is not a setting{}", meant(name)),
                "git bhfuil config list shows those that there are",
            )
        })
    }

    /// What `key` means under the stem `bhfuil` or `bhfuil.<subsection>`, as files have it; `None` if nothing.
    #[must_use]
    pub fn find_in(stem: &[u8], key: &str) -> Option<Self> {
        let stem = std::str::from_utf8(stem).ok()?;
        let rest = stem.strip_prefix(SECTION)?;
        if rest.is_empty() { Self::find(None, key) } else { Self::find(Some(rest.strip_prefix('.')?), key) }
    }

    fn find(subsection: Option<&str>, key: &str) -> Option<Self> {
        match subsection.and_then(|subsection| subsection.strip_prefix(REPOSITORY)) {
            Some(rest) => Self::find_of_repository(rest, key),
            None => Self::find_of_all(subsection, key).filter(|name| !name.key.is_of_repository),
        }
    }

    /// What begins with a repository's name, which may have dots in it: the longest name that leaves a setting.
    fn find_of_repository(rest: &str, key: &str) -> Option<Self> {
        let dots = rest.match_indices('.').map(|(at, _)| at);
        let groups = dots.clone().map(|at| (&rest[..at], Some(&rest[at + 1..])));
        // That of a tracker first: its name may have dots too.
        let of_tracker = groups.clone().filter(|(_, group)| group.is_some_and(|group| group.starts_with(TRACKER)));
        let all = of_tracker.chain(std::iter::once((rest, None))).chain(groups.rev());
        all.filter(|(repo, _)| !repo.is_empty())
            .find_map(|(repo, group)| Some(Self::find_of_all(group, key)?.for_repository(repo)))
    }

    fn find_of_all(group: Option<&str>, key: &str) -> Option<Self> {
        let tracker = group.and_then(|group| group.strip_prefix(TRACKER)).filter(|name| !name.is_empty());
        let found = KEYS.iter().find(|known| {
            let (own, last) = known.parts();
            let is_group = match tracker {
                Some(_) => own.is_some_and(|own| own.ends_with(PLACEHOLDER)),
                None => own == group,
            };
            is_group && last.eq_ignore_ascii_case(key)
        })?;
        Some(Self { key: found, repo: None, tracker: tracker.map(str::to_owned) })
    }

    /// Where a file has it: `bhfuil` or `bhfuil.<subsection>`.
    #[must_use]
    pub fn stem(&self) -> String {
        let group = self.key.parts().0.map(|group| match &self.tracker {
            Some(tracker) => group.replace(PLACEHOLDER, tracker),
            None => group.to_owned(),
        });
        let repo = self.repo.as_ref().map(|repo| format!("{REPOSITORY}{repo}"));
        [Some(SECTION.to_owned()), repo, group].into_iter().flatten().collect::<Vec<_>>().join(".")
    }

    /// Its last part.
    #[must_use]
    pub fn last(&self) -> &'static str {
        self.key.parts().1
    }
}

impl std::str::FromStr for Name {
    type Err = anyhow::Error;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        Self::parse(typed)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.stem(), self.last())
    }
}

/// The stem of what is set for the repository `repo` alone, without that of its groups.
#[must_use]
pub fn repository_stem(repo: &str) -> String {
    format!("{SECTION}.{REPOSITORY}{repo}")
}

/// What may have been meant by `name`, which is not a setting.
pub(super) fn meant(name: &str) -> String {
    let all = || KEYS.iter().map(|key| key.name);
    if let Some(rest) = name.strip_prefix(REPOSITORY) {
        // Wherever the repository's name may end, the longest first.
        let splits = rest.rmatch_indices('.').map(|(at, _)| (&rest[..at], &rest[at + 1..]));
        let near =
            splits.filter_map(|(repo, typed)| Some(format!("{SECTION}.{REPOSITORY}{repo}.{}", nearest(typed, all())?)));
        return did_you_mean(near.into_iter().next().as_deref());
    }
    let tracker = name.strip_prefix(TRACKER).and_then(|rest| rest.rsplit_once('.')).map(|(tracker, _)| tracker);
    let general = || KEYS.iter().filter(|key| !key.is_of_repository);
    let names: Vec<String> =
        general().map(|key| key.name.replace(PLACEHOLDER, tracker.unwrap_or(PLACEHOLDER))).collect();
    // Of a name alone the group may have been forgotten.
    let in_group = || names.iter().find(|known| known.rsplit('.').next() == Some(name)).map(String::as_str);
    let near = nearest(name, names.iter().map(String::as_str)).or_else(in_group);
    did_you_mean(near.map(|near| format!("{SECTION}.{near}")).as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_good_value_and_every_name_is_found() {
        for key in KEYS {
            let default = key.default_value();
            assert!(default.is_empty() || key.kind.fault(Some(default.as_bytes())).is_none(), "{}", key.name);
            let typed = format!("bhfuil.{}", key.name);
            let typed = if key.is_of_repository { typed.replace("bhfuil.", "bhfuil.repo.nova.") } else { typed };
            let name = Name::parse(&typed).unwrap_or_else(|cause| panic!("{cause}"));
            assert_eq!((name.key.name, name.to_string()), (key.name, typed.clone()));
            assert_eq!(Name::find_in(name.stem().as_bytes(), &name.last().to_uppercase()), Some(name));
            assert!(!key.doc.is_empty() && !key.doc.ends_with('.'), "{}", key.name);
        }
        let names: std::collections::BTreeSet<_> = KEYS.iter().map(|key| key.name.to_ascii_lowercase()).collect();
        assert_eq!(names.len(), KEYS.len(), "no name twice");
    }

    #[test]
    fn variables_are_named_after_the_keys() {
        for (typed, variable) in [
            ("jobs", Some("GIT_BHFUIL_JOBS")),
            ("cacheSize", Some("GIT_BHFUIL_CACHE_SIZE")),
            ("http.firstByteTimeout", Some("GIT_BHFUIL_HTTP_FIRST_BYTE_TIMEOUT")),
            ("timeout.scan", Some("GIT_BHFUIL_TIMEOUT_SCAN")),
            ("tracker.x.url", None),
            ("repo.x.path", None),
        ] {
            let name = Name::parse(typed).unwrap_or_else(|cause| panic!("{cause}"));
            assert_eq!(name.key.variable().as_deref(), variable, "{typed}");
        }
    }

    #[test]
    fn names_with_dots_in_them_are_taken_apart() {
        for (typed, key, repo, tracker) in [
            ("THREADS", "threads", None, None),
            ("Bhfuil.Threads", "threads", None, None),
            ("bhfuil.tracker.bugs.example.com.url", "tracker.<name>.url", None, Some("bugs.example.com")),
            ("bhfuil.repo.nova.threads", "threads", Some("nova"), None),
            ("bhfuil.repo.my.nova.timeout.scan", "timeout.scan", Some("my.nova"), None),
            ("bhfuil.repo.my.timeout.path", "path", Some("my.timeout"), None),
            ("bhfuil.repo.a.retry.clone.attempts", "retry.clone.attempts", Some("a"), None),
            ("bhfuil.repo.a/b.tracker.c.d.url", "tracker.<name>.url", Some("a/b"), Some("c.d")),
        ] {
            let name = Name::parse(typed).unwrap_or_else(|cause| panic!("{cause}"));
            assert_eq!((name.key.name, name.repo.as_deref(), name.tracker.as_deref()), (key, repo, tracker), "{typed}");
        }
        for unknown in
            ["", "bhfuil", "bhfuil.", "path", "bhfuil.Timeout.scan", "repo.threads", "repo..threads", "tracker..url"]
        {
            assert!(Name::parse(unknown).is_err(), "{unknown}");
        }
    }

    #[test]
    fn what_was_meant_is_guessed() {
        for (typed, said) in [
            ("thread", "'thread' is not a setting; did you mean 'bhfuil.threads'?"),
            ("bhfuil.timeot.scan", "'bhfuil.timeot.scan' is not a setting; did you mean 'bhfuil.timeout.scan'?"),
            ("connectTimeout", "'connectTimeout' is not a setting; did you mean 'bhfuil.http.connectTimeout'?"),
            ("repo.nova.pth", "'repo.nova.pth' is not a setting; did you mean 'bhfuil.repo.nova.path'?"),
            (
                "repo.a.b.timeot.scan",
                "'repo.a.b.timeot.scan' is not a setting; did you mean 'bhfuil.repo.a.b.timeout.scan'?",
            ),
            ("tracker.x.ur", "'tracker.x.ur' is not a setting; did you mean 'bhfuil.tracker.x.url'?"),
            ("nonsense", "'nonsense' is not a setting"),
        ] {
            assert_eq!(Name::parse(typed).expect_err(typed).to_string(), said);
        }
    }
}
