//! Reading settings from where they are: our own file, git's configuration, the environment.
//!
//! The way that every command goes reads git's configuration through gix and starts no `git`; the one that tells people where a value is
//! from asks `git` itself. Refuses to decide what counts (`cascade`).

use std::borrow::Cow;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use super::cascade::{Level, Origin, Value, View};
use super::exact::Lines;
use super::keys::{KEYS, Name, SECTION};
use super::problem::{Problem, Unknown};
use super::registered::Registered;
use super::syntax::{Document, Entry, SyntaxError};
use crate::error::Kind;
use crate::files::{self, Stamp};
use crate::git::Repository;
use crate::git::config::{self as git_config, ConfigValue};

/// What the environment says of a variable.
pub type Variables = Arc<dyn Fn(&str) -> Option<OsString> + Send + Sync>;

/// The sections of git's configuration in which there is something for us.
const SECTIONS: [&str; 4] = [SECTION, "color", "core", "pager"];

/// The variables of this process.
#[must_use]
pub fn process_variables() -> Variables {
    Arc::new(|name: &str| std::env::var_os(name))
}

/// Where our own file lies: `GIT_BHFUIL_CONFIG`, else `$XDG_CONFIG_HOME/git-bhfuil/config`, else `~/.config/git-bhfuil/config` (XDG Base
/// Directory Specification: a relative `XDG_CONFIG_HOME` is ignored). `None` if none of the variables is set.
#[must_use]
pub fn own_path(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("GIT_BHFUIL_CONFIG")
        .or_else(|| set("XDG_CONFIG_HOME").filter(|path| path.is_absolute()).map(|path| path.join("git-bhfuil/config")))
        .or_else(|| set("HOME").map(|home| home.join(".config/git-bhfuil/config")))
}

/// What our own file says; nothing where there is none. A run about a thousand repositories asks for it a thousand times, and a file with
/// as many of them takes a millisecond to understand: while the file stands as it stood, the last answer serves. Blocks.
///
/// # Errors
/// [`Kind::Io`] if it can't be read, [`Kind::BadValue`] naming file and line if it can't be understood.
pub(super) fn own_document(path: Option<&Path>) -> anyhow::Result<Arc<Registered>> {
    static LAST: Mutex<Option<(PathBuf, Stamp, Arc<Registered>)>> = Mutex::new(None);
    let Some(path) = path else { return Ok(Arc::default()) };
    // Before it is read: what changes it meanwhile shows the next time.
    let stamp = Stamp::of(path);
    let last = LAST.lock().ok().and_then(|last| last.clone());
    if let Some((_, _, known)) = last.filter(|(of, then, _)| of == path && *then == stamp) {
        return Ok(known);
    }
    let text =
        files::read_blocking(path).map_err(|cause| Kind::Io.wrap(cause, format!("reading {}", path.display())))?;
    let parsed = Document::parse(&text.unwrap_or_default());
    let document = Arc::new(Registered::new(parsed.map_err(|cause| syntax_problem(path, cause).into_error())?));
    if stamp.is_settled(SystemTime::now())
        && let Ok(mut last) = LAST.lock()
    {
        *last = Some((path.to_owned(), stamp, Arc::clone(&document)));
    }
    Ok(document)
}

pub(super) fn syntax_problem(path: &Path, cause: SyntaxError) -> Problem {
    Problem {
        origin: Origin { level: Level::Own, place: Some(path.to_owned()), line: Some(cause.line) },
        message: "bad config line".to_owned(),
        guess: String::new(),
        hint: Some(
            "git-config(1) has the syntax; git config --file <file> --list says whether git understands it".into(),
        ),
    }
}

/// For whom settings are gathered.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reach<'a> {
    /// For whoever asks.
    Everybody,
    /// For all and for this repository, if any: of thousands that are registered the rest need not be looked at.
    Only(Option<&'a str>),
}

/// What was read, not yet understood.
pub(super) struct Parts<'a> {
    pub(super) own_path: Option<&'a Path>,
    pub(super) own: &'a Registered,
    pub(super) git: &'a [ConfigValue],
    pub(super) variable: &'a dyn Fn(&str) -> Option<OsString>,
}

impl View {
    /// The settings as seen from `repository`, or where there is none, of `variable` and the files that it names: for everybody and every
    /// repository. Starts no `git`. Blocks.
    ///
    /// # Errors
    /// [`Kind::Io`] or [`Kind::BadValue`] if a file can't be read or understood.
    pub fn read_blocking(
        repository: Option<&Repository>,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> anyhow::Result<Self> {
        Self::read_reaching(repository, variable, true)
    }

    /// As [`Self::read_blocking`], for `repository` alone: what is set for others is left out.
    ///
    /// # Errors
    /// [`Kind::Io`] or [`Kind::BadValue`] if a file can't be read or understood.
    pub fn read_for(
        repository: Option<&Repository>,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> anyhow::Result<Self> {
        Self::read_reaching(repository, variable, false)
    }

    fn read_reaching(
        repository: Option<&Repository>,
        variable: &dyn Fn(&str) -> Option<OsString>,
        for_all: bool,
    ) -> anyhow::Result<Self> {
        let own_path = own_path(variable);
        let own = own_document(own_path.as_deref())?;
        let git = git_config::values(repository, &SECTIONS)?;
        let repo = repository.and_then(|repository| name_of(repository, &own));
        let parts = Parts { own_path: own_path.as_deref(), own: &own, git: &git, variable };
        let reach = if for_all { Reach::Everybody } else { Reach::Only(repo.as_deref()) };
        let view = Self::of_parts(&parts, reach);
        Ok(Self { repo, ..view })
    }

    /// Puts what was read in the order of the levels.
    pub(super) fn of_parts(parts: &Parts<'_>, reach: Reach<'_>) -> Self {
        let mut view = Self::default();
        let own = |line| Origin { level: Level::Own, place: parts.own_path.map(Path::to_owned), line: Some(line) };
        let mut add = |entry: Entry<'_>| {
            view.add(entry.stem, entry.key, entry.value().map(Cow::into_owned), own(entry.line));
        };
        match reach {
            Reach::Everybody => parts.own.entries().for_each(&mut add),
            Reach::Only(repo) => parts.own.entries_for(repo).for_each(&mut add),
        }
        for value in parts.git.iter().filter(|value| reach.takes(&value.stem)) {
            let origin = Origin { level: Level::Git(value.scope), place: value.file.clone(), line: None };
            let fallback = KEYS.iter().flat_map(|key| key.fallbacks.iter().copied()).find(|fallback| {
                fallback.rsplit_once('.').is_some_and(|(stem, key)| stem.as_bytes() == value.stem && key == value.key)
            });
            match fallback {
                Some(fallback) => view.fallbacks.push((fallback, value.value.clone(), origin)),
                None if value.stem.split(|byte| *byte == b'.').next() == Some(SECTION.as_bytes()) => {
                    view.add(&value.stem, &value.key, value.value.clone(), origin);
                }
                None => {}
            }
        }
        // A level after the other, whatever order they were found in.
        view.values.sort_by_key(|value| value.origin.level);
        for key in KEYS {
            let Some(name) = key.variable() else { continue };
            let Some(text) = (parts.variable)(&name).filter(|text| !text.is_empty()) else { continue };
            let origin = Origin { level: Level::Environment, place: Some(name.into()), line: None };
            let text = text.into_vec();
            // Of a list, a line each.
            let lines: Vec<&[u8]> =
                if key.repeatable { text.split(|byte| *byte == b'\n').collect() } else { vec![&text] };
            view.values.extend(lines.into_iter().map(|line| Value {
                name: Name::of(key),
                bytes: Some(line.to_vec()),
                origin: origin.clone(),
                via: None,
            }));
        }
        view
    }

    fn add(&mut self, stem: &[u8], key: &str, bytes: Option<Vec<u8>>, origin: Origin) {
        match Name::find_in(stem, key) {
            Some(name) => self.values.push(Value { name, bytes, origin, via: None }),
            None => self.unknown.push(Unknown { stem: stem.to_vec(), key: key.to_owned(), bytes, origin }),
        }
    }
}

impl Reach<'_> {
    fn takes(self, stem: &[u8]) -> bool {
        let Self::Only(repo) = self else { return true };
        let Some(rest) = stem.strip_prefix(b"bhfuil.repo.") else { return true };
        let rest = repo.and_then(|repo| rest.strip_prefix(repo.as_bytes()));
        rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'.')))
    }
}

/// The name under which settings for one repository count for `repository`: that by which it is registered, else the last part of its
/// path, unless another one is registered by that.
pub(super) fn name_of(repository: &Repository, own: &Registered) -> Option<String> {
    let common = repository.common_dir.as_path();
    let main = common.parent().filter(|_| common.ends_with(".git"));
    let places = [repository.work_tree.as_deref(), main, Some(common), Some(repository.git_dir.as_path())];
    let places = places.into_iter().flatten().map(|place| place.as_os_str().as_bytes());
    own.name_at(places).or_else(|| (!own.has(&repository.name)).then(|| repository.name.clone()))
}

/// `problem` with the line of `value`, for which the file is read again. Only for what goes wrong: it blocks.
pub(super) fn located(mut problem: Problem, value: &Value) -> Problem {
    if let Origin { level: Level::Git(_), place: Some(file), line: line @ None } = &mut problem.origin {
        let (stem, key) = value.place();
        *line = Lines::of(file).last(stem.as_bytes(), &key, value.bytes.as_deref());
    }
    problem
}
