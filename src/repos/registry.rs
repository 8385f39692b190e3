//! The repositories that are registered: a section of our own configuration file each, `[bhfuil "repo.<name>"]`.
//!
//! Owns names, told apart, and what is selected by them. [`Listing`] is pure: it reads a text and makes another; [`Registry`] does the
//! same to the file, so that of concurrent writers none loses anything. Refuses to open a repository, and to clone one.

use std::borrow::Cow;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use super::Shard;
use crate::config::keys::{Name, repository_stem};
use crate::config::syntax::Document;
use crate::config::values::{Type, name_fault};
use crate::config::{Level, Origin, OwnFile, Problem};
use crate::error::Kind;
use crate::git::Repository;
use crate::spelling::{did_you_mean, nearest};

/// A repository that is registered, or to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its name, unique. Of one that is to be registered it may be empty: the last part of its path or address is then taken, with as
    /// much of what stands before it as tells it from the others.
    pub name: String,
    /// Where it lies: the top of its work tree, or the folder of a bare one, absolute. `None` as long as it isn't cloned.
    pub path: Option<PathBuf>,
    /// Where it comes from, if it was cloned or is to be.
    pub url: Option<String>,
    /// Globs of the refs that are asked about; without any the usual ones.
    pub refs: Vec<String>,
    /// The groups that it belongs to.
    pub groups: Vec<String>,
}

/// Which repositories are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Those of these names.
    pub names: Vec<String>,
    /// Those of these groups.
    pub groups: Vec<String>,
    /// All of them.
    pub all: bool,
    /// Of all these only the ones in this part.
    pub shard: Option<Shard>,
}

/// The registry as a text has it.
#[derive(Debug, Clone)]
pub struct Listing {
    document: Document,
    entries: Vec<Entry>,
}

impl Listing {
    /// Reads the registry in `document`. What has neither a path nor an address isn't registered: its settings only wait for it.
    #[must_use]
    pub fn of(document: Document) -> Self {
        let mut entries: Vec<Entry> = Vec::new();
        let mut places = std::collections::HashMap::new();
        for found in document.entries() {
            let Some((name, Some(repo))) =
                Name::find_in(found.stem, found.key).map(|mut name| (name.key, name.repo.take()))
            else {
                continue;
            };
            if !name.is_of_repository {
                continue;
            }
            let place = *places.entry(repo.clone()).or_insert(entries.len());
            if place == entries.len() {
                entries.push(Entry { name: repo, ..Entry::default() });
            }
            entries[place].take(name.name, &found.value().unwrap_or_default());
        }
        entries.retain(|entry| entry.path.is_some() || entry.url.is_some());
        Self { document, entries }
    }

    /// The entries in the order of the file.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of that name.
    ///
    /// # Errors
    /// [`Kind::NoRepository`] with the name that may have been meant.
    pub fn get(&self, name: &str) -> anyhow::Result<&Entry> {
        self.entries.iter().find(|entry| entry.name == name).ok_or_else(|| {
            let hint = did_you_mean(nearest(name, self.entries.iter().map(|entry| entry.name.as_str())));
            Kind::NoRepository.hinted(
                format!("no repository is registered as '{name}'{hint}"),
                "git bhfuil repo list shows those that are",
            )
        })
    }

    /// The entries that `selection` means, each once, in the order of the file.
    ///
    /// # Errors
    /// [`Kind::NoRepository`] naming the first name or group that there isn't.
    pub fn select(&self, selection: &Selection) -> anyhow::Result<Vec<&Entry>> {
        for name in &selection.names {
            self.get(name)?;
        }
        for group in &selection.groups {
            let groups = || self.entries.iter().flat_map(|entry| &entry.groups).map(String::as_str);
            if !groups().any(|known| known == group) {
                let hint = did_you_mean(nearest(group, groups()));
                let way_out = "git bhfuil repo list shows which repository is in which group";
                return Err(Kind::NoRepository.hinted(format!("no repository is in a group '{group}'{hint}"), way_out));
            }
        }
        let is_meant = |entry: &&Entry| {
            selection.all
                || selection.names.contains(&entry.name)
                || entry.groups.iter().any(|group| selection.groups.contains(group))
        };
        let is_ours = |entry: &&Entry| selection.shard.is_none_or(|shard| shard.holds(&entry.name));
        Ok(self.entries.iter().filter(is_meant).filter(is_ours).collect())
    }

    /// The text with `new` registered, and the entry as it then is.
    ///
    /// # Errors
    /// [`Kind::Exists`] if it is registered already, or another by its name; [`Kind::BadValue`] if a part of it is no good value.
    pub fn with(&self, new: Entry) -> anyhow::Result<(Vec<u8>, Entry)> {
        if let Some(same) = self.entries.iter().find(|entry| entry.is_same(&new)) {
            return Err(same.is_there());
        }
        let entry = Entry { name: self.name_for(&new)?, ..new };
        entry.check()?;
        let stem = repository_stem(&entry.name).into_bytes();
        let mut document = self.document.clone();
        for (key, values) in entry.pairs() {
            if !values.is_empty() {
                let text = document.with(&stem, key, &values);
                document = Document::parse(&text)?;
            }
        }
        Ok((document.text().to_vec(), entry))
    }

    /// The text without the entries of these names and what is set for them, and the entries.
    ///
    /// # Errors
    /// [`Kind::NoRepository`] if one isn't registered: then none is taken out.
    pub fn without(&self, names: &[String]) -> anyhow::Result<(Vec<u8>, Vec<Entry>)> {
        let gone = names.iter().map(|name| self.get(name).cloned()).collect::<anyhow::Result<Vec<Entry>>>()?;
        // `repo.a.b` may be the settings of `a` in `b`, or those of `a.b`.
        let is_theirs = |stem: &[u8], key: &str| {
            Name::find_in(stem, key).and_then(|name| name.repo).is_some_and(|repo| names.contains(&repo))
        };
        let is_meant = |stem: &[u8]| {
            let mut own = self.document.entries().filter(|entry| entry.stem == stem).peekable();
            let is_named = names.iter().any(|name| repository_stem(name).as_bytes() == stem);
            if own.peek().is_some() { own.all(|entry| is_theirs(stem, entry.key)) } else { is_named }
        };
        Ok((self.document.without_sections(is_meant), gone))
    }

    /// What is wrong with it beyond its values, which `config` checks: names and paths; `file` is where it was read from.
    #[must_use]
    pub fn problems(&self, file: &Path) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut seen: Vec<(Cow<'_, [u8]>, String)> = Vec::new();
        for found in self.document.entries() {
            let Some(Name { key, repo: Some(repo), .. }) = Name::find_in(found.stem, found.key) else { continue };
            let mut tell = |message: String, hint: &str| {
                let origin = Origin { level: Level::Own, place: Some(file.to_owned()), line: Some(found.line) };
                problems.push(Problem { origin, message, guess: String::new(), hint: Some(hint.to_owned()) });
            };
            if let Some(why) = name_fault(&repo) {
                tell(format!("'{repo}' can be no name of a repository: {why}"), "give it another one");
            }
            let path = found.value().filter(|_| key.name == "path");
            let Some(path) = path.filter(|path| !path.is_empty()) else { continue };
            if let Some((_, other)) = seen.iter().find(|(known, other)| *known == path && *other != repo) {
                tell(
                    format!("'{repo}' and '{other}' lie at the same path"),
                    "git bhfuil repo remove forgets one of them",
                );
            }
            seen.push((path, repo));
        }
        problems
    }

    /// The name that `new` asks for, or one that is free.
    fn name_for(&self, new: &Entry) -> anyhow::Result<String> {
        let taken = |name: &str| self.entries.iter().find(|entry| entry.name == name);
        if !new.name.is_empty() {
            return match taken(&new.name) {
                Some(other) => Err(Kind::Exists.hinted(
                    format!("'{}' is registered already, for {}", new.name, other.whereabouts()),
                    format!("choose another --name, or forget that one: git bhfuil repo remove {}", new.name),
                )),
                None => Ok(new.name.clone()),
            };
        }
        let parts = new.parts();
        let last = parts.last().cloned().unwrap_or_default();
        let longer = (1..=parts.len()).map(|count| parts[parts.len() - count..].join("/"));
        let numbered = (2..).map(|number| format!("{last}-{number}"));
        let free = |name: &String| name_fault(name).is_none() && taken(name).is_none();
        let candidates = longer.chain(numbered.take(1 + self.entries.len()));
        candidates.into_iter().find(free).ok_or_else(|| {
            Kind::BadValue.hinted(format!("{} gives no name to go by", new.whereabouts()), "name it with --name")
        })
    }
}

impl Entry {
    fn take(&mut self, key: &str, value: &[u8]) {
        let text = || String::from_utf8_lossy(value).into_owned();
        let list = |list: &mut Vec<String>| if value.is_empty() { list.clear() } else { list.push(text()) };
        match key {
            // Of several the last, as for every key that has one value.
            "path" => self.path = (!value.is_empty()).then(|| OsString::from_vec(value.to_vec()).into()),
            "url" => self.url = (!value.is_empty()).then(text),
            "refs" => list(&mut self.refs),
            _ => list(&mut self.groups),
        }
    }

    /// The keys and values that it is written as.
    fn pairs(&self) -> [(&'static str, Vec<&[u8]>); 4] {
        [
            ("path", self.path.iter().map(|path| path.as_os_str().as_bytes()).collect()),
            ("url", self.url.iter().map(String::as_bytes).collect()),
            ("refs", self.refs.iter().map(String::as_bytes).collect()),
            ("group", self.groups.iter().map(String::as_bytes).collect()),
        ]
    }

    fn check(&self) -> anyhow::Result<()> {
        if let Some(why) = name_fault(&self.name) {
            let message = format!("'{}' can be no name of a repository: {why}", self.name);
            return Err(Kind::BadValue.hinted(message, "choose another --name"));
        }
        let kinds = [("path", Type::Place), ("url", Type::Url), ("refs", Type::Glob), ("group", Type::Name)];
        for ((key, values), (_, kind)) in self.pairs().into_iter().zip(kinds) {
            for value in values {
                let Some(fault) = kind.fault(Some(value)) else { continue };
                let shown = String::from_utf8_lossy(value);
                let why = fault.why.map_or_else(String::new, |why| format!(": {why}"));
                let message = if fault.is_secret {
                    format!("the {key} of '{}' has a password in it", self.name)
                } else {
                    format!("bad value '{shown}' for the {key} of '{}'{why}", self.name)
                };
                return Err(Kind::BadValue.hinted(message, format!("{key} {}", kind.takes())));
            }
        }
        Ok(())
    }

    /// Whether both are the same repository, as far as paths and addresses tell.
    fn is_same(&self, other: &Self) -> bool {
        let address = |url: &'_ Option<String>| {
            url.as_deref().map(|url| url.trim_end_matches('/').trim_end_matches(".git").to_owned())
        };
        (self.path.is_some() && self.path == other.path)
            || (self.url.is_some() && address(&self.url) == address(&other.url))
    }

    fn is_there(&self) -> anyhow::Error {
        Kind::Exists.hinted(
            format!("{} is registered already, as '{}'", self.whereabouts(), self.name),
            format!("git bhfuil config set bhfuil.repo.{}.<key> changes what is set for it", self.name),
        )
    }

    fn whereabouts(&self) -> String {
        let path = self.path.as_ref().map(|path| path.display().to_string());
        path.or_else(|| self.url.clone()).unwrap_or_default()
    }

    /// The parts of its path or address, the last without `.git`, as they can be used in names.
    fn parts(&self) -> Vec<String> {
        let text = match (&self.path, &self.url) {
            (Some(path), _) => path.to_string_lossy().into_owned(),
            // Without the scheme and the user; what follows a host may be set apart by a colon.
            (None, Some(url)) => {
                let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
                let rest = rest.split_once('@').filter(|(user, _)| !user.contains('/')).map_or(rest, |(_, rest)| rest);
                rest.replace(':', "/")
            }
            (None, None) => String::new(),
        };
        let usable =
            |letter: char| if letter.is_control() || letter == char::REPLACEMENT_CHARACTER { '_' } else { letter };
        let part = |part: &str| {
            let part: String = part.chars().map(usable).collect();
            part.trim().trim_start_matches('-').replace(".tracker.", "-tracker-")
        };
        let text = text.trim_end_matches('/');
        let text = text.strip_suffix("/.git").or_else(|| text.strip_suffix(".git")).unwrap_or(text);
        text.split('/').map(part).filter(|part| !part.is_empty()).collect()
    }
}

/// The registry in our own file.
#[derive(Debug, Clone)]
pub struct Registry {
    file: OwnFile,
}

impl Registry {
    /// The one in `file`, there or not.
    #[must_use]
    pub fn new(file: OwnFile) -> Self {
        Self { file }
    }

    /// The registry as it is now.
    ///
    /// # Errors
    /// If the file can't be read or understood.
    pub async fn read(&self) -> anyhow::Result<Listing> {
        Ok(Listing::of(self.file.read().await?))
    }

    /// Registers `new`, which is where it says, and returns the entry with its name. Nothing is cloned.
    ///
    /// # Errors
    /// [`Kind::Exists`] if it is registered already, or another by its name; [`Kind::BadValue`] if a part of it is no good value; those
    /// of [`OwnFile::edit`].
    pub async fn add(&self, new: Entry) -> anyhow::Result<Entry> {
        if let Some(same) = self.elsewhere(&new).await? {
            return Err(same.is_there());
        }
        self.file
            .edit(|document| {
                let (text, entry) = Listing::of(document.clone()).with(new)?;
                Ok((Some(text), entry))
            })
            .await
    }

    /// The entry with the same address as `new` whose clone isn't there yet: a run was broken off.
    ///
    /// # Errors
    /// If the file can't be read or understood.
    pub async fn unfinished(&self, new: &Entry) -> anyhow::Result<Option<Entry>> {
        let listing = self.read().await?;
        Ok(listing.entries.into_iter().find(|entry| entry.path.is_none() && entry.is_same(new)))
    }

    /// Notes that the repository `name` lies at `path`.
    ///
    /// # Errors
    /// [`Kind::NoRepository`] if it isn't registered; those of [`OwnFile::edit`].
    pub async fn settle(&self, name: &str, path: &Path) -> anyhow::Result<()> {
        self.file
            .edit(|document| {
                Listing::of(document.clone()).get(name)?;
                let stem = repository_stem(name).into_bytes();
                Ok((Some(document.with(&stem, "path", &[path.as_os_str().as_bytes()])), ()))
            })
            .await
    }

    /// Forgets the repositories of these names and what is set for them, and returns their entries. They themselves, and what is cached
    /// of them, stay.
    ///
    /// # Errors
    /// [`Kind::NoRepository`] if one isn't registered: then none is forgotten. Those of [`OwnFile::edit`].
    pub async fn remove(&self, names: &[String]) -> anyhow::Result<Vec<Entry>> {
        self.file
            .edit(|document| {
                let (text, gone) = Listing::of(document.clone()).without(names)?;
                Ok((Some(text), gone))
            })
            .await
    }

    /// The entries that `selection` means, each once, in the order of the file.
    ///
    /// # Errors
    /// [`Kind::NoRepository`] naming the first name or group that there isn't; if the file can't be read.
    pub async fn select(&self, selection: &Selection) -> anyhow::Result<Vec<Entry>> {
        Ok(self.read().await?.select(selection)?.into_iter().cloned().collect())
    }

    /// The entry that is another work tree of the repository `new`.
    async fn elsewhere(&self, new: &Entry) -> anyhow::Result<Option<Entry>> {
        let Some(path) = new.path.clone() else { return Ok(None) };
        let listing = self.read().await?;
        let others = listing.entries.into_iter().filter(move |entry| entry.path.is_some() && !entry.is_same(new));
        let others: Vec<Entry> = others.collect();
        Ok(smol::unblock(move || same_common_dir(&path, others)).await)
    }
}

/// The first of `others` that has its objects and refs where the repository at `path` has them. Blocks.
fn same_common_dir(path: &Path, others: Vec<Entry>) -> Option<Entry> {
    let common_dir = Repository::discover_alone(path).ok()?.common_dir;
    others.into_iter().find(|entry| {
        let Some(other) = &entry.path else { return false };
        // Of those that have their own there no file needs to be read.
        other.join(".git") == common_dir
            || *other == common_dir
            || (other.join(".git").is_file()
                && Repository::discover_alone(other).is_ok_and(|other| other.common_dir == common_dir))
    })
}
