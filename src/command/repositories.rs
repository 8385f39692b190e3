//! Which repositories a command is about: the one that the user stands in, or those that are registered or named by their paths.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::globs;
use crate::cli::argv::RawArg;
use crate::config::syntax::Document;
use crate::config::{OwnFile, View};
use crate::error::Kind;
use crate::pipeline::Pool;
use crate::repos::{Entry, Limit, Listing, Registry, Selection, Shard, place_of};
use crate::scan::{Selection as Refs, Sought};

/// What was typed about repositories.
pub(super) struct Wanted<'a> {
    pub(super) repo: &'a [RawArg],
    pub(super) group: &'a [RawArg],
    pub(super) all: bool,
    /// The part of them that is meant, of which there may be none.
    pub(super) shard: Option<Shard>,
    pub(super) jobs: Option<NonZeroUsize>,
    pub(super) threads: Option<NonZeroUsize>,
    /// The refs that were asked for; those of the registry count where none were.
    pub(super) refs: &'a Refs,
}

/// A repository that was chosen, by a name that no other has.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) sought: Sought,
    pub(super) refs: Refs,
}

/// What several repositories share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) limit: Limit,
    pub(super) pool: Pool,
}

impl Wanted<'_> {
    /// Whether nothing was typed: then it is the repository that the user stands in.
    pub(super) fn is_here(&self) -> bool {
        self.repo.is_empty() && self.group.is_empty() && !self.all
    }

    /// The repositories that are meant, each once.
    ///
    /// # Errors
    /// If one isn't registered, isn't there, or isn't cloned yet; if none is meant.
    pub(super) async fn chosen(&self) -> anyhow::Result<Vec<Chosen>> {
        let listing = match OwnFile::of(&|name| std::env::var_os(name)) {
            Ok(file) => Registry::new(file).read().await?,
            // Paths need no registry, and where there can be none nothing is registered.
            Err(_) => Listing::of(Document::default()),
        };
        let mut names = Vec::new();
        let mut paths: Vec<PathBuf> = Vec::new();
        for typed in self.repo {
            let text = typed.0.to_string_lossy().into_owned();
            let is_registered = listing.entries().iter().any(|entry| entry.name == text);
            if !is_registered && (text.contains('/') || Path::new(&typed.0).is_dir()) {
                let path = place(Path::new(&typed.0)).await?;
                match listing.entries().iter().find(|entry| entry.path.as_ref() == Some(&path)) {
                    Some(entry) => names.push(entry.name.clone()),
                    None if !paths.contains(&path) => paths.push(path),
                    None => {}
                }
            } else {
                names.push(text);
            }
        }
        let groups = self.group.iter().map(|group| group.0.to_string_lossy().into_owned()).collect();
        let entries = listing.select(&Selection { names, groups, all: self.all, shard: self.shard })?;
        let mut chosen = entries.into_iter().map(|entry| self.registered(entry)).collect::<anyhow::Result<Vec<_>>>()?;
        let taken: Vec<&str> = listing.entries().iter().map(|entry| entry.name.as_str()).collect();
        chosen.extend(
            told_apart(&paths, &taken)
                .into_iter()
                .zip(paths)
                .map(|(name, dir)| Chosen { sought: Sought { dir, name: Some(name) }, refs: self.refs.clone() }),
        );
        if chosen.is_empty() && (self.shard.is_none() || listing.entries().is_empty()) {
            let hint = "git bhfuil repo add <path> registers one";
            return Err(Kind::NoRepository.hinted("no repository is registered", hint));
        }
        Ok(chosen)
    }

    fn registered(&self, entry: &Entry) -> anyhow::Result<Chosen> {
        let Some(dir) = entry.path.clone() else {
            let hint = format!("git bhfuil repo sync {} clones it", entry.name);
            return Err(Kind::NoRepository.hinted(format!("'{}' is not cloned yet", entry.name), hint));
        };
        let own = entry.refs.iter().map(|glob| glob.clone().into_bytes()).collect::<Vec<_>>();
        let refs = match self.refs {
            Refs::Usual if !own.is_empty() => Refs::Globs(own),
            asked => asked.clone(),
        };
        Ok(Chosen { sought: Sought { dir, name: Some(entry.name.clone()) }, refs })
    }

    /// How many at a time, and the threads for all of them, as typed or configured.
    ///
    /// # Errors
    /// If the configuration can't be used.
    pub(super) async fn shared(&self) -> anyhow::Result<Shared> {
        Shared::of(self.jobs, self.threads).await
    }
}

impl Shared {
    /// As typed or configured.
    ///
    /// # Errors
    /// If the configuration can't be used.
    pub(super) async fn of(jobs: Option<NonZeroUsize>, threads: Option<NonZeroUsize>) -> anyhow::Result<Self> {
        let view = smol::unblock(|| View::read_blocking(None, &|name| std::env::var_os(name))).await?;
        let number = |typed: Option<NonZeroUsize>, name: &str| -> anyhow::Result<usize> {
            match typed {
                Some(typed) => Ok(typed.get()),
                None => Ok(usize::try_from(view.number(name, None)?)?),
            }
        };
        let limit = Limit::new(number(jobs, "jobs")?);
        let pool = Pool::new(number(threads, "threads")?).context("starting worker threads")?;
        Ok(Self { limit, pool })
    }
}

/// The repository that `typed` lies in. Where that can't be opened it is the folder itself: what is wrong with it is said when its turn
/// comes, and the others are answered for.
async fn place(typed: &Path) -> anyhow::Result<PathBuf> {
    match place_of(typed).await {
        Ok(place) => Ok(place.path),
        Err(cause) => std::fs::canonicalize(typed).map_err(|_| cause),
    }
}

/// Names for repositories that have none: the last part of the path, and as much of what stands before it as tells it from the
/// others and from those that are `taken`.
pub(super) fn told_apart(paths: &[PathBuf], taken: &[&str]) -> Vec<String> {
    let parts: Vec<Vec<String>> = paths.iter().map(|path| parts(path)).collect();
    let name = |own: &[String], depth: usize| own[own.len().saturating_sub(depth)..].join("/");
    let mut depths = vec![1; paths.len()];
    loop {
        let names: Vec<String> = parts.iter().zip(&depths).map(|(own, depth)| name(own, *depth)).collect();
        let mut count: BTreeMap<&str, usize> = BTreeMap::new();
        for name in names.iter().map(String::as_str).chain(taken.iter().copied()) {
            *count.entry(name).or_default() += 1;
        }
        let mut has_grown = false;
        for ((own, depth), name) in parts.iter().zip(&mut depths).zip(&names) {
            if count.get(name.as_str()).is_some_and(|count| *count > 1) && *depth < own.len() {
                *depth += 1;
                has_grown = true;
            }
        }
        if !has_grown {
            return names;
        }
    }
}

/// The parts of a path from the root on, without `.git` at the end.
fn parts(path: &Path) -> Vec<String> {
    let parts = path.components().filter_map(|part| match part {
        std::path::Component::Normal(part) => Some(part.to_string_lossy().into_owned()),
        _ => None,
    });
    let mut parts: Vec<String> = parts.collect();
    if parts.len() > 1 && parts.last().is_some_and(|last| last == ".git") {
        parts.pop();
    }
    if let Some(last) = parts.last_mut()
        && let Some(short) = last.strip_suffix(".git").filter(|short| !short.is_empty())
    {
        *last = short.to_owned();
    }
    parts
}

/// The part of the registry that was typed.
pub(super) fn shard(typed: Option<crate::cli::scan::Shard>) -> Option<Shard> {
    typed.and_then(|typed| Shard::new(typed.part, typed.of))
}

/// The refs that globs ask for; the usual ones without any.
pub(super) fn refs(typed: &[RawArg]) -> Refs {
    if typed.is_empty() { Refs::Usual } else { Refs::Globs(globs(typed)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_of_one_name_are_told_apart_by_what_stands_before_it() {
        let paths = ["/a/nova.git", "/b/nova/.git", "/b/git", "/c/d/glance", "/e/d/glance"].map(PathBuf::from);
        assert_eq!(told_apart(&paths, &["git"]), ["a/nova", "b/nova", "b/git", "c/d/glance", "e/d/glance"]);
        assert_eq!(told_apart(&paths[..1], &[]), ["nova"]);
    }
}
