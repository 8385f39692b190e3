//! Reading settings with all that can be known of where they come from: git is asked for its own (`git config --show-origin
//! --show-scope`), and the lines are looked up in the files that it names. For people who ask; `load` has the quick way.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::cascade::{Level, Origin, View};
use super::load::{Parts, Reach, Variables, name_of, own_document, own_path};
use super::syntax::Document;
use crate::git::config::ConfigValue;
use crate::git::{GIT_LIMIT, Repository};
use crate::gitcli;

impl View {
    /// The settings for the folder `dir`, for everybody and for every repository, each with the line that sets it. If `alone`, for the
    /// repository that `dir` lies in, whatever the environment names.
    ///
    /// # Errors
    /// [`crate::error::Kind::Io`] or [`crate::error::Kind::BadValue`] if a file can't be read or understood, by us or by git.
    pub async fn ask(dir: &Path, alone: bool, variables: &Variables) -> anyhow::Result<Self> {
        let limit = git_limit(dir, alone, variables).await;
        let git = gitcli::config_list(dir, alone, limit).await?;
        Self::of_listed(dir, alone, variables, git).await
    }

    /// As [`Self::ask`], of what git has listed.
    pub(super) async fn of_listed(
        dir: &Path,
        alone: bool,
        variables: &Variables,
        git: Vec<ConfigValue>,
    ) -> anyhow::Result<Self> {
        let (dir, variables) = (dir.to_owned(), Variables::clone(variables));
        smol::unblock(move || {
            let found = if alone { Repository::discover_alone(&dir) } else { Repository::discover(&dir) };
            gather(&dir, found.ok().as_ref(), &*variables, git)
        })
        .await
    }
}

/// How long git may take to list its configuration (`bhfuil.timeout.git`): what is set of that is read without it. What can't be read or
/// understood is told by those who ask for it all.
pub(super) async fn git_limit(dir: &Path, alone: bool, variables: &Variables) -> Duration {
    let (dir, variables) = (dir.to_owned(), Variables::clone(variables));
    let read = smol::unblock(move || {
        let found = if alone { Repository::discover_alone(&dir) } else { Repository::discover(&dir) };
        let view = View::read_for(found.ok().as_ref(), &*variables)?;
        view.time("timeout.git", view.repo())
    });
    read.await.ok().flatten().unwrap_or(GIT_LIMIT)
}

fn gather(
    dir: &Path,
    repository: Option<&Repository>,
    variable: &dyn Fn(&str) -> Option<OsString>,
    mut git: Vec<ConfigValue>,
) -> anyhow::Result<View> {
    let own_path = own_path(variable);
    let own = own_document(own_path.as_deref())?;
    // git names a repository's files from the top of the work tree, or from where it runs.
    let top = repository.and_then(|repository| repository.work_tree.as_deref());
    for value in &mut git {
        if let Some(file) = value.file.as_mut().filter(|file| file.is_relative()) {
            let places = [top, Some(dir)].into_iter().flatten().map(|place| place.join(&*file));
            *file = places.into_iter().find(|path| path.exists()).unwrap_or_else(|| file.clone());
        }
    }
    let parts = Parts { own_path: own_path.as_deref(), own: &own, git: &git, variable };
    let mut view = View::of_parts(&parts, Reach::Everybody);
    view.repo = repository.and_then(|repository| name_of(repository, &own));
    view.find_lines();
    Ok(view)
}

impl View {
    /// Looks up the lines of git's values in their files.
    fn find_lines(&mut self) {
        let mut files: BTreeMap<PathBuf, Lines> = BTreeMap::new();
        let mut find = |stem: &[u8], key: &str, bytes: Option<&[u8]>, origin: &mut Origin| {
            if let Origin { level: Level::Git(_), place: Some(file), line: line @ None } = origin {
                *line = files.entry(file.clone()).or_insert_with_key(|file| Lines::of(file)).next(stem, key, bytes);
            }
        };
        for value in &mut self.values {
            let (stem, key) = value.place();
            find(stem.as_bytes(), &key, value.bytes.as_deref(), &mut value.origin);
        }
        for (name, bytes, origin) in &mut self.fallbacks {
            let (stem, key) = name.rsplit_once('.').unwrap_or_default();
            find(stem.as_bytes(), key, bytes.as_deref(), origin);
        }
        for stray in &mut self.unknown {
            find(&stray.stem, &stray.key, stray.bytes.as_deref(), &mut stray.origin);
        }
    }
}

/// What a file sets, for looking up on which line it does.
#[derive(Debug, Default)]
pub(super) struct Lines {
    document: Document,
    /// Whether the entry of that place was asked for.
    told: Vec<bool>,
}

impl Lines {
    /// Those of `file`; none if it can't be read. Blocks.
    pub(super) fn of(file: &Path) -> Self {
        let document = std::fs::read(file).ok().and_then(|text| Document::parse(&text).ok()).unwrap_or_default();
        Self { told: vec![false; document.parts.len()], document }
    }

    /// The line of the next entry that sets just that; of a file that is read twice again the first.
    fn next(&mut self, stem: &[u8], key: &str, bytes: Option<&[u8]>) -> Option<usize> {
        let next = self.places(stem, key, bytes).find(|at| !self.told[*at]);
        let at = next.or_else(|| self.places(stem, key, bytes).next())?;
        self.told[at] = true;
        Some(self.document.parts[at].line)
    }

    /// The line of the last entry that sets just that.
    pub(super) fn last(&self, stem: &[u8], key: &str, bytes: Option<&[u8]>) -> Option<usize> {
        self.places(stem, key, bytes).last().map(|at| self.document.parts[at].line)
    }

    fn places(&self, stem: &[u8], key: &str, bytes: Option<&[u8]>) -> impl Iterator<Item = usize> {
        let entries = self.document.entries().enumerate();
        entries.filter(move |(_, entry)| entry.is(stem, key) && entry.value().as_deref() == bytes).map(|(at, _)| at)
    }
}
