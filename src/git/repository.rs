//! A repository on disk: finding and opening it, and where its parts lie.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gix::objs::Exists as _;
use gix::sec::Trust;
use gix::sec::trust::DefaultForLevel as _;
use tempfile::TempDir;

use super::config::ConfigValue;
use super::handle::{Handle, to_gix};
use super::packs::files::Packs;
use super::surroundings;
use super::trees::Trees;
use crate::error::{Kind, kind_of};
use crate::facts::Oid;
use crate::facts::oid::SHA1_LEN;

/// How long the `git` program may take for one question unless something else is set (`bhfuil.timeout.git`).
pub const GIT_LIMIT: Duration = Duration::from_mins(10);

/// A repository that was found, shared by all threads.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Repository {
    shared: gix::ThreadSafeRepository,
    /// One thread's view that nobody uses yet: to make another takes as long as a hundred look-ups.
    spare: Mutex<Option<gix::Repository>>,
    /// Trees that were read lately.
    trees: Arc<Trees>,
    /// Packs that all threads read from.
    packs: Arc<Packs>,
    /// What is configured, all of it.
    pub(super) config: Vec<ConfigValue>,
    /// The folder that it was found from.
    pub dir: PathBuf,
    /// Whether it is the user's own, or one that the configuration calls safe; one that `GIT_DIR` names is taken as it is.
    pub trusted: bool,
    /// Whether git may refuse it for a bare repository that it has only come across (`safe.bareRepository`, git-config(1)): some
    /// configuration says so, perhaps one that doesn't count.
    pub doubtful: bool,
    /// Whether it is meant by its folder, whatever the environment names.
    pub alone: bool,
    /// The name on the wire: the last part of its path, without `.git`.
    pub name: String,
    /// The folder of this work tree's own state (`HEAD`, the index).
    pub git_dir: PathBuf,
    /// The folder of what all work trees share (objects, refs, config).
    pub common_dir: PathBuf,
    /// The top folder of the files that are checked out, if there are any.
    pub work_tree: Option<PathBuf>,
    /// The length of an object id in bytes, 20 or 32.
    pub hash_len: usize,
    /// Whether a remote promises objects that are not here (a partial clone).
    pub partial: bool,
    /// How long git may take for one question about it, in milliseconds.
    git_limit: AtomicU64,
    /// The folder that stands for those that the environment names, for as long as it is needed.
    objects_folder: Option<TempDir>,
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository").field("git_dir", &self.git_dir).finish_non_exhaustive()
    }
}

/// Where a repository is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sought {
    /// The folder that it is, or lies around.
    pub dir: PathBuf,
    /// What it is called on the wire. One that is named lies at `dir` itself, whatever lies around it: `GIT_DIR` is about the one that the
    /// user is in.
    pub name: Option<String>,
}

impl Sought {
    /// The one that `dir` lies in, or that the environment names.
    pub fn here(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), name: None }
    }
}

impl Repository {
    /// Finds what is sought.
    ///
    /// # Errors
    /// Those of [`Self::discover`], and of [`Self::at`] where it is named.
    pub fn find(sought: &Sought) -> anyhow::Result<Self> {
        let Some(name) = &sought.name else { return Self::discover(&sought.dir) };
        let mut found = Self::at(&sought.dir)?;
        found.name.clone_from(name);
        // Whoever names a bare repository hasn't just come across it.
        found.doubtful = false;
        Ok(found)
    }

    /// Whether the repository that is `sought` has an object with one of `ids`. Where its objects lie in the usual place its
    /// configuration, which takes most of the time to open one, isn't read.
    ///
    /// # Errors
    /// As those of [`Self::find`].
    pub fn find_one_of(sought: &Sought, ids: &[Oid]) -> anyhow::Result<bool> {
        let places = [sought.dir.join("objects"), sought.dir.join(".git").join("objects")];
        if sought.name.is_some()
            && let Some(objects) = places.into_iter().find(|objects| objects.join("pack").is_dir())
        {
            let kinds = ids.iter().map(|id| to_gix(id).kind()).collect::<HashSet<_>>();
            for kind in kinds {
                // Of ids of the other length there are none here.
                let Ok(found) = gix::odb::at(objects.clone(), kind) else { continue };
                if ids.iter().map(to_gix).filter(|id| id.kind() == kind).any(|id| found.exists(&id)) {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        let repository = Self::find(sought)?;
        let handle = repository.handle();
        Ok(ids.iter().any(|id| handle.kind(id).is_some()))
    }

    /// Finds the repository that `dir` lies in, as git does: `GIT_DIR` first, then upwards.
    ///
    /// # Errors
    /// [`Kind::NoRepository`] if there is none, [`Kind::RepoOpen`] if it can't be opened.
    pub fn discover(dir: &Path) -> anyhow::Result<Self> {
        if !dir.is_dir() {
            return Err(Kind::NoRepository.hinted(
                format!("cannot change to '{}': no such directory", dir.display()),
                "name an existing directory with -C",
            ));
        }
        // From "." gix doesn't see that it is inside of a `.git`.
        let dir = &absolute(dir);
        let opened = gix::ThreadSafeRepository::discover_with_environment_overrides_opts(
            dir,
            surroundings::search(),
            trusted_alike(),
        );
        let found = opened.or_else(|cause| {
            // Hooks are run inside of `.git` with a GIT_DIR of ".", from which gix takes a wrong path.
            let named = std::env::var_os("GIT_DIR").map(|named| absolute(Path::new(&named)));
            let as_it_is = || options(Trust::Full).open_path_as_is(true);
            named.and_then(|named| gix::ThreadSafeRepository::open_opts(named, as_it_is()).ok()).ok_or(cause)
        });
        let explicit = std::env::var_os("GIT_DIR");
        let mut shared = found.map_err(|cause| open_error(dir, explicit.as_deref(), &cause))?;
        if explicit.is_none() && surroundings::is_at_a_ceiling(dir) {
            return Err(Kind::NoRepository.hinted(
                format!("not a git repository (or any of the parent directories): {}", dir.display()),
                "there is one at a folder of GIT_CEILING_DIRECTORIES, or above: name it with -C <dir>",
            ));
        }
        let objects = surroundings::other_objects(shared.objects.path())?;
        if let Some(place) = &objects {
            read_objects_in(place.path(), &mut shared)?;
        }
        Ok(Self { objects_folder: objects, ..Self::of(dir, shared, explicit.is_some()) })
    }

    /// As [`Self::discover`], but what the environment names doesn't count: for a repository that is named itself.
    ///
    /// # Errors
    /// As those of [`Self::discover`].
    pub fn discover_alone(dir: &Path) -> anyhow::Result<Self> {
        let dir = &absolute(dir);
        let found =
            gix::ThreadSafeRepository::discover_opts(dir, gix::discover::upwards::Options::default(), trusted_alike());
        let shared = found.map_err(|cause| open_error(dir, None, &cause))?;
        Ok(Self { alone: true, ..Self::of(dir, shared, false) })
    }

    /// The one that lies at `dir` itself, whatever lies around it: one that is gone may have lain in another. What the environment names
    /// doesn't count.
    ///
    /// # Errors
    /// [`Kind::NoRepository`] if there is none, or none any more, [`Kind::RepoOpen`] if it can't be opened.
    pub fn at(dir: &Path) -> anyhow::Result<Self> {
        let gone = || {
            Kind::NoRepository.hinted(
                format!("there is no repository at {}", dir.display()),
                "git bhfuil repo remove forgets one that is registered; repo add registers it where it lies now",
            )
        };
        if !dir.is_dir() {
            return Err(gone());
        }
        let found = Self::discover_alone(dir)
            .map_err(|cause| if kind_of(&cause) == Kind::NoRepository { gone() } else { cause })?;
        let places = [Some(&found.git_dir), Some(&found.common_dir), found.work_tree.as_ref()];
        if places.contains(&Some(&absolute(dir))) { Ok(found) } else { Err(gone()) }
    }

    fn of(dir: &Path, shared: gix::ThreadSafeRepository, is_named: bool) -> Self {
        let repo = shared.to_thread_local();
        let git_dir = absolute(repo.git_dir());
        let common_dir = absolute(repo.common_dir());
        let config = repo.config_snapshot();
        let values = super::config::gathered(config.plumbing());
        let partial = config.string("extensions.partialClone").is_some()
            || config.plumbing().sections_by_name("remote").is_some_and(|mut remotes| {
                remotes.any(|remote| remote.value("promisor").is_some_and(|value| value.as_slice() == b"true"))
            });
        // git's own tests have this to play somebody else.
        let played = std::env::var_os("GIT_TEST_ASSUME_DIFFERENT_OWNER").is_some_and(|value| value == "true");
        let owned = repo.git_dir_trust() == Trust::Full && !played;
        let is_bare_by_itself = !is_named && !git_dir.ends_with(".git");
        Self {
            dir: dir.to_owned(),
            trusted: owned || is_named,
            doubtful: is_bare_by_itself && super::config::refuses_bare(&values),
            config: values,
            alone: false,
            name: name_of(&common_dir),
            hash_len: repo.object_hash().len_in_bytes(),
            partial,
            work_tree: repo.workdir().map(absolute),
            git_dir,
            common_dir,
            git_limit: AtomicU64::new(milliseconds(GIT_LIMIT)),
            objects_folder: None,
            spare: Mutex::new(Some(repo)),
            trees: Arc::default(),
            packs: Arc::default(),
            shared,
        }
    }

    /// Whether a folder of its own goes with it, when it is dropped.
    #[must_use]
    pub fn ends_with_a_folder(&self) -> bool {
        self.objects_folder.is_some()
    }

    /// How long the `git` program may take for one question about it: [`GIT_LIMIT`] until something else is said. It goes with the
    /// repository, as it is set for one, to all who ask.
    #[must_use]
    pub fn git_limit(&self) -> Duration {
        Duration::from_millis(self.git_limit.load(Ordering::Relaxed))
    }

    /// Says how long the `git` program may take for one question about it.
    pub fn limit_git(&self, limit: Duration) {
        self.git_limit.store(milliseconds(limit), Ordering::Relaxed);
    }

    /// Whether refs are kept in a format that only git reads.
    #[must_use]
    pub fn uses_reftable(&self) -> bool {
        self.common_dir.join("reftable").is_dir()
    }

    /// `sha1` or `sha256`.
    #[must_use]
    pub fn object_format(&self) -> &'static str {
        if self.hash_len == SHA1_LEN { "sha1" } else { "sha256" }
    }

    /// A handle for one thread. It is cheap to make, but keeps caches: reuse it.
    #[must_use]
    pub fn handle(&self) -> Handle {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).take();
        Handle::new(
            spare.unwrap_or_else(|| self.shared.to_thread_local()),
            Arc::clone(&self.trees),
            Arc::clone(&self.packs),
        )
    }
}

/// Bytes of the largest object that is read: a few kilobytes of a pack may stand for any number of them. Git compares no blob that is
/// larger (`core.bigFileThreshold`), and whoever has other objects of that size can set `GIT_ALLOC_LIMIT`.
const LARGEST: u64 = (512 << 20) + 1;

/// How a repository is opened. Of one that somebody else owns gix would read no more than 32 packs and 16 MiB; whether it may be read at
/// all is asked of git, and then it is read as a whole.
fn options(trust: Trust) -> gix::open::Options {
    let options =
        gix::open::Options::default_for_level(trust).object_store_slots(gix::odb::store::init::Slots::default());
    if std::env::var_os("GIT_ALLOC_LIMIT").is_some() {
        return options;
    }
    options.config_overrides([format!("gitoxide.objects.allocLimit={LARGEST}")])
}

/// Lets `shared` read objects in the folder `place` instead of its own.
fn read_objects_in(place: &Path, shared: &mut gix::ThreadSafeRepository) -> anyhow::Result<()> {
    let other = store_at(place, &shared.objects)
        .map_err(|cause| Kind::RepoOpen.wrap(cause, "opening the folders of objects that the environment names"));
    shared.objects = other?.into();
    Ok(())
}

/// The objects in the folder `place`, read as `like` is.
pub(super) fn store_at(place: &Path, like: &gix::odb::Store) -> std::io::Result<gix::odb::Store> {
    let limit = usize::try_from(LARGEST).ok().filter(|_| std::env::var_os("GIT_ALLOC_LIMIT").is_none());
    let options = gix::odb::store::init::Options {
        use_multi_pack_index: like.use_multi_pack_index(),
        alloc_limit_bytes: limit,
        ..Default::default()
    };
    let mut replacements = like.replacements().collect::<Vec<_>>().into_iter();
    gix::odb::Store::at_opts(place.to_owned(), like.object_hash(), &mut replacements, options)
}

fn trusted_alike() -> gix::sec::trust::Mapping<gix::open::Options> {
    gix::sec::trust::Mapping { full: options(Trust::Full), reduced: options(Trust::Reduced) }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What is said of a repository that was looked for from `dir`, or that `explicit` names.
fn open_error(dir: &Path, explicit: Option<&OsStr>, cause: &dyn std::error::Error) -> anyhow::Error {
    let mut text = cause.to_string();
    let mut inner = cause.source();
    while let Some(next) = inner {
        text = format!("{text}: {next}");
        inner = next.source();
    }
    let nothing_there = explicit.is_none() && !dir.ancestors().any(|parent| parent.join(".git").exists());
    match explicit {
        Some(git_dir) => Kind::NoRepository.hinted(
            format!("not a git repository: '{}' ({text})", Path::new(git_dir).display()),
            "GIT_DIR names it: unset it, or let it name a repository",
        ),
        None if nothing_there && !dir.join("objects").exists() => Kind::NoRepository.hinted(
            format!("not a git repository (or any of the parent directories): {}", dir.display()),
            "run it inside a repository, or name one with -C <dir>",
        ),
        None => Kind::RepoOpen.error(format!("opening the repository at {}: {text}", dir.display())),
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// What a repository is called by its folder: the last part of the path, without `.git`.
#[must_use]
pub fn name_of(common_dir: &Path) -> String {
    let own = common_dir.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    if own == ".git" {
        return common_dir.parent().map_or(own, name_of);
    }
    own.strip_suffix(".git").map_or(own.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_named_by_the_last_part_of_its_path() {
        for (path, name) in [("/a/nova/.git", "nova"), ("/a/nova.git", "nova"), ("/a/nova", "nova")] {
            assert_eq!(name_of(Path::new(path)), name);
        }
    }
}
