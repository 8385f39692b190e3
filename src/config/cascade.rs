//! Which of several values counts. Every value keeps where it comes from.
//!
//! Later levels win over earlier ones: the default, our own file, git's system, global, local and work tree files and its command line,
//! the environment. Within one level what is set for a repository alone (`bhfuil.repo.<name>.…`) stands in the place of what is set for
//! all; a level that comes later wins over both. Of a list every level's values count, in this order, and an empty value takes back
//! those before it, as in git.
//!
//! Refuses reading anything (`load`), and options of a command line, which come last and are the command's business.

use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Duration;

use super::keys::{KEYS, Key, Name};
use super::problem::{Problem, Unknown};
use super::values::{self, Color};
use crate::error::Kind;
pub use crate::git::config::Scope;

/// Where a value was found, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// It is built in.
    Default,
    /// Our own file.
    Own,
    /// git's configuration.
    Git(Scope),
    /// A variable of the environment.
    Environment,
}

impl Level {
    /// Its name on the wire; git's own have git's names.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Own => "own",
            Self::Git(Scope::System) => "system",
            Self::Git(Scope::Global) => "global",
            Self::Git(Scope::Local) => "local",
            Self::Git(Scope::Worktree) => "worktree",
            Self::Git(Scope::Command) => "command",
            Self::Environment => "environment",
        }
    }
}

/// Where exactly a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// At which level.
    pub level: Level,
    /// The file, or the variable; `None` for a default and the command line.
    pub place: Option<PathBuf>,
    /// The line of the file, the first being 1, where it is known.
    pub line: Option<usize>,
}

impl Origin {
    pub(super) const DEFAULT: Self = Self { level: Level::Default, place: None, line: None };

    /// As text, byte for byte: `<file>:<line>`, the variable, `command line` or `default`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = match (&self.place, self.level) {
            (Some(place), _) => place.as_os_str().as_bytes().to_vec(),
            (None, Level::Default) => b"default".to_vec(),
            (None, _) => b"command line".to_vec(),
        };
        if let Some(line) = self.line {
            text.extend_from_slice(format!(":{line}").as_bytes());
        }
        text
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}

/// A value as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// What it is a value of, as it was set.
    pub name: Name,
    /// Its bytes; `None` where there is no `=`, which means true.
    pub bytes: Option<Vec<u8>>,
    /// Where it comes from.
    pub origin: Origin,
    /// The key of git's that it is a value of in truth, where ours isn't set.
    pub via: Option<&'static str>,
}

/// Whether it is one of the words that git takes for true.
fn is_yes(bytes: &[u8]) -> bool {
    ["true", "yes", "on", "1"].iter().any(|word| bytes.eq_ignore_ascii_case(word.as_bytes()))
}

impl Value {
    /// Its bytes as text, what isn't UTF-8 replaced.
    #[must_use]
    pub fn text(&self) -> String {
        self.bytes.as_ref().map_or_else(|| "true".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// Whether it is a secret that was put where none belongs, and so must not be shown.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.name.key.kind.fault(self.bytes.as_deref()).is_some_and(|fault| fault.is_secret)
    }

    /// Where a file has it: the stem, and the key in lower case.
    pub(super) fn place(&self) -> (String, String) {
        match self.via.and_then(|via| via.rsplit_once('.')) {
            Some((stem, key)) => (stem.to_owned(), key.to_ascii_lowercase()),
            None => (self.name.stem(), self.name.last().to_ascii_lowercase()),
        }
    }

    /// Whether it only takes back those before it.
    fn is_reset(&self) -> bool {
        self.name.key.repeatable && self.bytes.as_ref().is_some_and(Vec::is_empty)
    }

    /// What is wrong with it.
    #[must_use]
    pub fn fault(&self) -> Option<Problem> {
        let fault = self.name.key.kind.fault(self.bytes.as_deref()).filter(|_| !self.is_reset())?;
        let said = match (fault.is_secret, &self.bytes) {
            (true, _) => "a secret, or what may be one, stands".to_owned(),
            (_, None) => "no value".to_owned(),
            (_, Some(_)) => format!("bad value '{}'", self.text()),
        };
        let why = fault.why.map_or_else(String::new, |why| format!(": {why}"));
        let name = self.via.map_or_else(|| self.name.to_string(), str::to_owned);
        let hint = format!("{name} {}", self.name.key.kind.takes());
        let message = match self.origin.level {
            Level::Environment => format!("{said} for {}{why}", self.origin),
            _ if fault.is_secret => format!("{said} as the value of {name}"),
            _ => format!("{said} for {name}{why}"),
        };
        Some(Problem { origin: self.origin.clone(), message, guess: String::new(), hint: Some(hint) })
    }
}

/// All values that were found: what counts for whom is asked of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// In the order of the levels.
    pub(super) values: Vec<Value>,
    /// Values of git's keys that some of ours fall back on: the key, its value, where it is from.
    pub(super) fallbacks: Vec<(&'static str, Option<Vec<u8>>, Origin)>,
    /// What was found and means nothing.
    pub(super) unknown: Vec<Unknown>,
    /// The name under which the repository goes that it was read for.
    pub(super) repo: Option<String>,
}

impl View {
    /// The values of the setting `name` that count for `repo`, or for all: one at most, but of a list; the default if none is set.
    ///
    /// # Errors
    /// [`Kind::BadValue`] if there is no setting of that name.
    pub fn get(&self, name: &str, repo: Option<&str>) -> anyhow::Result<Vec<Value>> {
        let mut name = Name::parse(name)?;
        let own = name.repo.take();
        Ok(self.of(&name, own.as_deref().or(repo)))
    }

    /// As [`Self::get`], for a name that is understood already and names no repository.
    #[must_use]
    pub fn of(&self, name: &Name, repo: Option<&str>) -> Vec<Value> {
        let is_meant = |value: &&Value| {
            let found = &value.name;
            std::ptr::eq(found.key, name.key)
                && found.tracker == name.tracker
                && (found.repo.is_none() || found.repo.as_deref() == repo)
        };
        let found: Vec<&Value> = self.values.iter().filter(is_meant).collect();
        let mut counting: Vec<&Value> = Vec::new();
        for level in found.chunk_by(|one, next| one.origin.level == next.origin.level) {
            let own = level.iter().any(|value| value.name.repo.is_some());
            for value in level.iter().filter(|value| value.name.repo.is_some() == own) {
                if value.is_reset() || !name.key.repeatable {
                    counting.clear();
                }
                if !value.is_reset() {
                    counting.push(value);
                }
            }
        }
        if !counting.is_empty() {
            return counting.into_iter().cloned().collect();
        }
        self.otherwise(name).into_iter().collect()
    }

    /// What holds where nothing is set.
    fn otherwise(&self, name: &Name) -> Option<Value> {
        let last = |wanted: &&str| self.fallbacks.iter().rev().find(|(key, ..)| key == wanted);
        // git's pager.<command> may say that there is one without saying which.
        let says_which = |(key, bytes, _): &&(&str, Option<Vec<u8>>, Origin)| {
            !key.starts_with("pager.") || bytes.as_ref().is_some_and(|bytes| !is_yes(bytes))
        };
        let git = name.key.fallbacks.iter().filter_map(last).find(says_which);
        let (bytes, origin) = match git {
            Some((_, bytes, origin)) => (bytes.clone(), origin.clone()),
            None => (Some(name.key.default_value().into_owned().into_bytes()), Origin::DEFAULT),
        };
        let is_something = git.is_some() || bytes.as_ref().is_some_and(|bytes| !bytes.is_empty());
        is_something.then(|| Value { name: name.clone(), bytes, origin, via: git.map(|(key, ..)| *key) })
    }

    /// What holds for `repo`, or for all: every setting that has a value, in the order of the table.
    #[must_use]
    pub fn holding(&self, repo: Option<&str>) -> Vec<Value> {
        let mut holding = Vec::new();
        for key in KEYS.iter().filter(|key| repo.is_some() || !key.is_of_repository) {
            for tracker in self.trackers(key, repo) {
                let name = Name { tracker, ..Name::of(key) };
                // What is asked for is the same for every repository, whoever it was set for.
                let asked =
                    |value: Value| if key.is_of_repository { value } else { Value { name: name.clone(), ..value } };
                holding.extend(self.of(&name, repo).into_iter().map(asked));
            }
        }
        holding
    }

    /// What is set for single repositories, in the order of the levels.
    pub fn of_repositories(&self) -> impl Iterator<Item = &Value> {
        self.values.iter().filter(|value| value.name.repo.is_some())
    }

    /// The values of `name` in our own file.
    pub fn set_in_own_file(&self, name: &Name) -> impl Iterator<Item = &Value> {
        self.values.iter().filter(move |value| value.origin.level == Level::Own && value.name == *name)
    }

    /// The trackers that `key` is set for; of a key that is no tracker's, none but one that is nobody's.
    fn trackers(&self, key: &'static Key, repo: Option<&str>) -> Vec<Option<String>> {
        if !key.name.contains('<') {
            return vec![None];
        }
        let is_meant = |value: &&Value| {
            std::ptr::eq(value.name.key, key) && (value.name.repo.is_none() || value.name.repo.as_deref() == repo)
        };
        let mut names: Vec<_> = self.values.iter().filter(is_meant).map(|value| value.name.tracker.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// The names that are set for one repository alone, sorted.
    #[must_use]
    pub fn repositories(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.values.iter().filter_map(|value| value.name.repo.as_deref()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The files that it was read from, each once.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let of_values = self.values.iter().map(|value| &value.origin);
        let others = self.fallbacks.iter().map(|(.., origin)| origin).chain(self.unknown.iter().map(|it| &it.origin));
        let in_files = of_values.chain(others).filter(|origin| origin.level != Level::Environment);
        let mut files: Vec<PathBuf> = in_files.filter_map(|origin| origin.place.clone()).collect();
        files.sort();
        files.dedup();
        files
    }

    /// The name under which the repository goes that it was read for: that of the registry, else the last part of its path, unless
    /// another is registered by that.
    #[must_use]
    pub fn repo(&self) -> Option<&str> {
        self.repo.as_deref()
    }

    /// The bad values, in the order of the levels.
    pub fn faults(&self) -> impl Iterator<Item = Problem> {
        self.values.iter().filter_map(Value::fault)
    }

    /// All that is wrong: bad values and unknown names, in the order of the levels.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems: Vec<Problem> = self.faults().chain(self.unknown.iter().map(Unknown::problem)).collect();
        problems.sort_by_key(|problem| (problem.origin.level, problem.origin.place.clone(), problem.origin.line));
        problems
    }

    /// The settings whose values differ in `next`, with what holds there; one that has none any more with no bytes and the default for
    /// its origin.
    #[must_use]
    pub fn changed(&self, next: &Self, repo: Option<&str>) -> Vec<Value> {
        let (before, after) = (self.holding(repo), next.holding(repo));
        let of = |values: &[Value], name: &Name| -> Vec<Value> {
            values.iter().filter(|value| value.name == *name).cloned().collect()
        };
        let bytes = |values: &[Value]| -> Vec<Option<Vec<u8>>> { values.iter().map(|it| it.bytes.clone()).collect() };
        let mut changed: Vec<Value> = Vec::new();
        let mut seen: Vec<&Name> = Vec::new();
        for name in before.iter().chain(&after).map(|value| &value.name) {
            if seen.contains(&name) {
                continue;
            }
            seen.push(name);
            let (old, new) = (of(&before, name), of(&after, name));
            if bytes(&old) == bytes(&new) {
                continue;
            }
            if new.is_empty() {
                changed.push(Value { name: name.clone(), bytes: Some(Vec::new()), origin: Origin::DEFAULT, via: None });
            }
            changed.extend(new);
        }
        changed
    }

    /// The one value that counts, if it is a good one.
    fn one(&self, name: &str, repo: Option<&str>) -> anyhow::Result<Option<Value>> {
        let Some(value) = self.get(name, repo)?.pop() else { return Ok(None) };
        match value.fault() {
            Some(problem) => Err(super::load::located(problem, &value).into_error()),
            None => Ok(Some(value)),
        }
    }

    /// The number that a setting has: also a size in bytes, or a count of threads.
    ///
    /// # Errors
    /// [`Kind::BadValue`] naming key, value and origin; also if it has none.
    pub fn number(&self, name: &str, repo: Option<&str>) -> anyhow::Result<u64> {
        let text = self.one(name, repo)?.map(|value| value.text()).unwrap_or_default();
        values::number(&text).ok_or_else(|| Kind::BadValue.error(format!("{name} is no number")))
    }

    /// The length of time that a setting has, if it has any.
    ///
    /// # Errors
    /// [`Kind::BadValue`] naming key, value and origin.
    pub fn time(&self, name: &str, repo: Option<&str>) -> anyhow::Result<Option<Duration>> {
        Ok(self.one(name, repo)?.and_then(|value| values::time(&value.text())))
    }

    /// The text that a setting has, if it has any.
    ///
    /// # Errors
    /// [`Kind::BadValue`] naming key, value and origin.
    pub fn text(&self, name: &str, repo: Option<&str>) -> anyhow::Result<Option<String>> {
        Ok(self.one(name, repo)?.map(|value| value.text()))
    }

    /// The texts that a list has.
    ///
    /// # Errors
    /// [`Kind::BadValue`] naming key, value and origin of the first bad one.
    pub fn texts(&self, name: &str, repo: Option<&str>) -> anyhow::Result<Vec<String>> {
        let checked = |value: Value| match value.fault() {
            Some(problem) => Err(super::load::located(problem, &value).into_error()),
            None => Ok(value.text()),
        };
        self.get(name, repo)?.into_iter().map(checked).collect()
    }

    /// When text for people is in colour; `None` where neither we nor git are told.
    ///
    /// # Errors
    /// [`Kind::BadValue`] naming key, value and origin.
    pub fn color(&self, repo: Option<&str>) -> anyhow::Result<Option<Color>> {
        let value = self.one("color", repo)?.filter(|value| value.origin.level != Level::Default);
        Ok(value.and_then(|value| values::color(&value.text())))
    }
}
