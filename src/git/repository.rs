//! A repository on disk: where its parts lie, and reading objects from it. Never writes, never fetches a missing object.

use std::cell::{Cell, OnceCell, RefCell, RefMut};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use gix::objs::{Exists as _, Find as _};

use gix::sec::Trust;
use gix::sec::trust::DefaultForLevel as _;
use tempfile::TempDir;

use super::config::ConfigValue;
use super::packs::files::Packs;
use super::packs::{Bytes, Object, PackReader};
use super::surroundings;
use super::trees::Trees;
use crate::error::{Kind, kind_of};
use crate::facts::Oid;
use crate::facts::oid::SHA1_LEN;

/// Bytes of ends of chains of deltas that `gix` keeps, for each thread: of commits, which seldom are deltas, and of what is left to it.
const PACK_CACHE_BYTES: usize = 2 << 20;

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
            readobjects_folder_in(place.path(), &mut shared)?;
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
fn readobjects_folder_in(place: &Path, shared: &mut gix::ThreadSafeRepository) -> anyhow::Result<()> {
    let other = store_at(place, &shared.objects)
        .map_err(|cause| Kind::RepoOpen.wrap(cause, "opening the folders of objects that the environment names"));
    shared.objects = other?.into();
    Ok(())
}

/// The objects in the folder `place`, read as `like` is.
fn store_at(place: &Path, like: &gix::odb::Store) -> std::io::Result<gix::odb::Store> {
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

/// A commit that a message names is often one of another repository. Looking for packs that may have appeared since, for each of
/// those, costs more than all other look-ups together.
fn for_names(repo: &gix::Repository) -> gix::OdbHandle {
    let mut names = repo.objects.clone();
    names.refresh_never();
    names
}

fn packs_changed(repo: &gix::Repository) -> Option<SystemTime> {
    let packs = repo.objects.store_ref().path().join("pack");
    std::fs::metadata(packs).and_then(|packs| packs.modified()).ok()
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

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A commit.
    Commit,
    /// A tree.
    Tree,
    /// A blob.
    Blob,
    /// An annotated tag.
    Tag,
}

impl From<gix::objs::Kind> for ObjectKind {
    fn from(kind: gix::objs::Kind) -> Self {
        match kind {
            gix::objs::Kind::Commit => Self::Commit,
            gix::objs::Kind::Tree => Self::Tree,
            gix::objs::Kind::Blob => Self::Blob,
            gix::objs::Kind::Tag => Self::Tag,
        }
    }
}

/// Why an object could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectError {
    /// It isn't there.
    Missing(Oid),
    /// It is there, but not what it should be; the reason follows.
    Corrupt(Oid, String),
    /// The system doesn't let it be read, or what it may lie in: what it is, or whether it is there at all, isn't known. The reason follows.
    Unreadable(Oid, String),
    /// It is such that this program fails at it, which is a fault of its own. What it failed with follows.
    Defeating(Oid, String),
}

impl ObjectError {
    /// The object that could not be read.
    #[must_use]
    pub fn id(&self) -> Oid {
        match self {
            Self::Missing(id) | Self::Corrupt(id, _) | Self::Unreadable(id, _) | Self::Defeating(id, _) => *id,
        }
    }

    /// The kind of failure, for the wire.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Missing(_) => Kind::MissingObject,
            Self::Corrupt(..) => Kind::CorruptObject,
            Self::Unreadable(..) => Kind::Io,
            Self::Defeating(..) => Kind::Internal,
        }
    }
}

impl ObjectError {
    /// What `cause`, which came of reading `id`, says of it.
    pub(super) fn of(id: Oid, cause: &gix::Error) -> Self {
        let refused =
            cause.iter_errors().filter_map(|one| one.downcast_ref::<std::io::Error>()).find(|one| is_refusal(one));
        match refused {
            Some(refused) => Self::Unreadable(id, format!("{cause}: {refused}")),
            None => Self::Corrupt(id, cause.to_string()),
        }
    }
}

/// Whether it is the system that says no: too few descriptors, no permission, a broken disk. Not that there is nothing.
fn is_refusal(cause: &std::io::Error) -> bool {
    cause.raw_os_error().is_some() && !matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Why the system doesn't let `path` be used as `attempt` does, if it doesn't.
fn refusal(path: &Path, attempt: impl Fn(&Path) -> std::io::Result<()>) -> Option<String> {
    let cause = attempt(path).err().filter(is_refusal)?;
    Some(format!("{}: {cause}", path.display()))
}

/// The first pack below the folder `objects`, or index of packs, or their folder, that can't be opened, and why.
fn closed_pack(objects: &Path) -> Option<String> {
    let folder = objects.join("pack");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        return refusal(&folder, |folder| std::fs::read_dir(folder).map(drop));
    };
    let of_packs = |path: &PathBuf| path.extension().is_none_or(|end| end == "idx" || end == "pack");
    let files = entries.filter_map(Result::ok).map(|entry| entry.path()).filter(of_packs);
    files.into_iter().find_map(|file| refusal(&file, |file| std::fs::File::open(file).map(drop)))
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(id) => write!(f, "object {id} is missing"),
            Self::Corrupt(id, reason) | Self::Unreadable(id, reason) => {
                write!(f, "object {id} can't be read: {reason}")
            }
            Self::Defeating(id, reason) => write!(f, "object {id} is left out: {reason}; please report it"),
        }
    }
}

impl std::error::Error for ObjectError {}

/// One thread's access to a repository's objects.
pub struct Handle {
    pub(super) repo: gix::Repository,
    /// What all handles on the repository know of its trees.
    pub(super) trees: Arc<Trees>,
    /// What all handles read packs from.
    packs: Arc<Packs>,
    /// What this one reads them with, once it does.
    reader: RefCell<Option<PackReader>>,
    /// For looking up what a text may name, once one is: doesn't search for new packs when nothing is found.
    names: RefCell<Option<gix::OdbHandle>>,
    /// When the folder of packs was last changed, as far as `names` knows.
    packs_changed: Cell<Option<SystemTime>>,
    /// What of the packs can't be opened, once that was looked for.
    closed: OnceCell<Option<String>>,
    /// The objects once more, once something was not found.
    anew: OnceCell<Option<gix::odb::Handle>>,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}

impl Handle {
    fn new(mut repo: gix::Repository, trees: Arc<Trees>, packs: Arc<Packs>) -> Self {
        // Cache settings don't survive the sharing; each thread sets its own.
        repo.objects
            .set_pack_cache(|| Box::new(gix::odb::pack::cache::lru::MemoryCappedHashmap::new(PACK_CACHE_BYTES)));
        let packs_changed = Cell::new(packs_changed(&repo));
        let names = RefCell::default();
        Self {
            repo,
            trees,
            packs,
            reader: RefCell::default(),
            names,
            packs_changed,
            closed: OnceCell::new(),
            anew: OnceCell::new(),
        }
    }

    /// Another, with a view of the object database as it is now.
    #[must_use]
    pub fn renewed(&self) -> Self {
        Self::new(self.repo.clone(), Arc::clone(&self.trees), Arc::clone(&self.packs))
    }

    /// The bytes of the commit `id`, in `buffer`, replaced objects already replaced.
    ///
    /// # Errors
    /// If it is missing, unreadable or no commit.
    pub fn commit<'buffer>(&self, id: &Oid, buffer: &'buffer mut Vec<u8>) -> Result<&'buffer [u8], ObjectError> {
        self.object_of(id, ObjectKind::Commit, buffer)
    }

    /// The bytes of the object `id`, which has to be of this kind.
    pub(super) fn object_of<'buffer>(
        &self,
        id: &Oid,
        wanted: ObjectKind,
        buffer: &'buffer mut Vec<u8>,
    ) -> Result<&'buffer [u8], ObjectError> {
        // Commits are no deltas, as a rule: nothing is gained there.
        if wanted != ObjectKind::Commit
            && let Some(bytes) = self.packed(id, wanted)
        {
            buffer.clear();
            buffer.extend_from_slice(&bytes);
            return Ok(buffer);
        }
        self.by_gix(id, wanted, buffer)
    }

    /// The same, not looked for in packs of our own.
    pub(super) fn by_gix<'buffer>(
        &self,
        id: &Oid,
        wanted: ObjectKind,
        buffer: &'buffer mut Vec<u8>,
    ) -> Result<&'buffer [u8], ObjectError> {
        let (kind, data) = self.object(id, buffer)?;
        if kind != wanted {
            return Err(ObjectError::Corrupt(*id, format!("it is a {kind:?}, not a {wanted:?}").to_lowercase()));
        }
        Ok(data)
    }

    /// The kind and bytes of any object.
    ///
    /// # Errors
    /// If it is missing or unreadable.
    pub fn object<'buffer>(
        &self,
        id: &Oid,
        buffer: &'buffer mut Vec<u8>,
    ) -> Result<(ObjectKind, &'buffer [u8]), ObjectError> {
        // An object database that is asked for an id of the other length panics.
        if !self.has_format_of(id) {
            return Err(ObjectError::Missing(*id));
        }
        match self.repo.objects.try_find(&to_gix(id), buffer) {
            Ok(Some(data)) => Ok((data.kind.into(), data.data)),
            Ok(None) => Err(self.not_found(id)),
            Err(cause) => Err(ObjectError::of(*id, &cause)),
        }
    }

    /// The object `id`, if it is of this kind and easily had from a pack.
    pub(super) fn packed(&self, id: &Oid, wanted: ObjectKind) -> Option<Bytes> {
        let packs = self.packs.of(self.repo.objects.store_ref())?;
        let Object { kind, bytes } = self.reader.borrow_mut().get_or_insert_default().object(packs, id)?;
        (ObjectKind::from(kind) == wanted).then_some(bytes)
    }

    /// What is to be said of `id`, which the object database doesn't find: that it is missing, unless the system keeps us from a place
    /// where it may be. What can't be opened is to the database as if it were not there.
    fn not_found(&self, id: &Oid) -> ObjectError {
        let hex = id.to_hex();
        let store = self.repo.objects.store_ref();
        let mut folders = store.alternate_db_paths().unwrap_or_default();
        folders.insert(0, store.path().to_owned());
        let file = |objects: &PathBuf| objects.join(&hex[..2]).join(&hex[2..]);
        let loose =
            folders.iter().find_map(|objects| refusal(&file(objects), |path| std::fs::metadata(path).map(drop)));
        let closed = || self.closed.get_or_init(|| folders.iter().find_map(|objects| closed_pack(objects))).clone();
        let just_now =
            || self.is_there_after_all(id).then(|| "what it lies in could not be opened at first".to_owned());
        loose
            .or_else(closed)
            .or_else(just_now)
            .map_or(ObjectError::Missing(*id), |reason| ObjectError::Unreadable(*id, reason))
    }

    /// Whether an object database that is opened anew has `id`: the first may have met a moment in which there was no descriptor to be had,
    /// or no memory.
    fn is_there_after_all(&self, id: &Oid) -> bool {
        let anew = self.anew.get_or_init(|| {
            let own = self.repo.objects.store_ref();
            let mut anew = gix::odb::Store::to_cache(&store_at(own.path(), own).ok()?.into());
            // What has come since is found by the first. This one would look for it once for each object that is asked for.
            anew.refresh_never();
            Some(anew)
        });
        anew.as_ref().is_some_and(|anew| anew.exists(&to_gix(id)))
    }

    /// What `id` is, read from its header alone; `None` if it isn't there or can't be read.
    #[must_use]
    pub fn kind(&self, id: &Oid) -> Option<ObjectKind> {
        let header = self.has_format_of(id).then(|| self.repo.try_find_header(to_gix(id)).ok())???;
        Some(header.kind().into())
    }

    /// How many bytes `id` has, read from its header alone; `None` if it isn't there or can't be read.
    #[must_use]
    pub fn size(&self, id: &Oid) -> Option<u64> {
        let header = self.has_format_of(id).then(|| self.repo.try_find_header(to_gix(id)).ok())???;
        Some(header.size())
    }

    /// Whether `id` has the length of this repository's ids.
    fn has_format_of(&self, id: &Oid) -> bool {
        id.as_bytes().len() == self.repo.object_hash().len_in_bytes()
    }

    /// Follows tags from `id` to what they name in the end: that object and its kind.
    ///
    /// # Errors
    /// If an object on the way is missing or unreadable.
    pub fn peel(&self, id: &Oid) -> Result<(Oid, ObjectKind), ObjectError> {
        let mut current = *id;
        let mut buffer = Vec::new();
        loop {
            let kind = match self.kind(&current) {
                Some(kind) => kind,
                // Why it has none; or what a moment kept from us.
                None => self.object(&current, &mut buffer)?.0,
            };
            match kind {
                ObjectKind::Tag => {
                    let (_, data) = self.object(&current, &mut buffer)?;
                    let target = data.strip_prefix(b"object ").and_then(|rest| rest.get(..2 * id.as_bytes().len()));
                    current = target
                        .and_then(Oid::from_hex)
                        .ok_or_else(|| ObjectError::Corrupt(current, "a tag without an object line".into()))?;
                }
                kind => return Ok((current, kind)),
            }
        }
    }

    /// The one commit that the hexadecimal `text` names, whole or abbreviated: as `git rev-parse <text>^{commit}` finds it,
    /// `None` if there is none or more than one.
    #[must_use]
    pub fn commit_by_hex(&self, text: &str) -> Option<Oid> {
        self.known_commit(text).or_else(|| if self.sees_new_packs() { self.known_commit(text) } else { None })
    }

    /// Whether packs have come or gone since the last look-up that found nothing; if so, look-ups now know them. One `stat` is far
    /// cheaper than to search them.
    fn sees_new_packs(&self) -> bool {
        let changed = packs_changed(&self.repo);
        if self.packs_changed.replace(changed) == changed {
            return false;
        }
        // Asked for what is nowhere, the object database searches for new packs.
        let nowhere = gix::ObjectId::null(self.repo.object_hash());
        let _ = gix::objs::FindHeader::try_header(&self.repo.objects, &nowhere);
        self.names.take();
        true
    }

    fn names(&self) -> RefMut<'_, gix::OdbHandle> {
        RefMut::map(self.names.borrow_mut(), |names| names.get_or_insert_with(|| for_names(&self.repo)))
    }

    fn known_commit(&self, text: &str) -> Option<Oid> {
        let is_commit = |id: &Oid| {
            let header = gix::objs::FindHeader::try_header(&*self.names(), &to_gix(id));
            header.is_ok_and(|header| header.is_some_and(|header| header.kind == gix::objs::Kind::Commit))
        };
        // 40 digits are a whole id in one repository and an abbreviation in another.
        if let Some(id) = Oid::from_hex(text.as_bytes()).filter(|id| self.has_format_of(id)) {
            return is_commit(&id).then_some(id);
        }
        let mut commits = self.candidates(text).into_iter().filter(is_commit);
        let first = commits.next()?;
        commits.next().is_none().then_some(first)
    }

    /// Every object whose id begins with the hexadecimal digits `prefix` (four at least), in order.
    #[must_use]
    pub fn candidates(&self, prefix: &str) -> Vec<Oid> {
        // gix takes 40 digits for a whole SHA-1 id also where ids have 64.
        let looked_up = prefix.get(..2 * SHA1_LEN - 1).unwrap_or(prefix);
        let Ok(looked_up) = gix::hash::Prefix::from_hex(looked_up) else { return Vec::new() };
        let mut found = HashSet::new();
        if self.names().lookup_prefix(looked_up, Some(&mut found)).is_err() {
            return Vec::new();
        }
        let begins = |id: &Oid| id.to_hex().get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        let mut found: Vec<Oid> = found.iter().filter_map(|id| from_gix(id)).filter(begins).collect();
        found.sort_unstable();
        found
    }

    /// The length of an id in bytes.
    #[must_use]
    pub fn hash_len(&self) -> usize {
        self.repo.object_hash().len_in_bytes()
    }

    /// `core.bigFileThreshold`, if set.
    #[must_use]
    pub fn big_file_threshold(&self) -> Option<u64> {
        u64::try_from(self.repo.config_snapshot().integer("core.bigFileThreshold")?).ok()
    }

    /// Whether `refs/replace/` is to be passed over (`GIT_NO_REPLACE_OBJECTS`, `core.useReplaceRefs`).
    #[must_use]
    pub fn ignores_replacements(&self) -> bool {
        let config = self.repo.config_snapshot();
        std::env::var_os("GIT_NO_REPLACE_OBJECTS").is_some() || config.boolean("core.useReplaceRefs") == Some(false)
    }

    /// The prefix of the refs that replace objects (`GIT_REPLACE_REF_BASE`).
    #[must_use]
    pub fn replace_ref_base(&self) -> Vec<u8> {
        std::env::var_os("GIT_REPLACE_REF_BASE").map_or_else(|| b"refs/replace/".to_vec(), OsString::into_vec)
    }

    /// The commits whose parents a shallow clone cut off, sorted; empty if history is whole.
    ///
    /// # Errors
    /// If the `shallow` file can't be read.
    pub fn shallow_commits(&self) -> anyhow::Result<Vec<Oid>> {
        let commits =
            self.repo.shallow_commits().map_err(|cause| anyhow::anyhow!("reading the shallow file: {cause}"))?;
        let mut ids: Vec<Oid> = commits.iter().flat_map(|list| list.iter()).filter_map(|id| from_gix(id)).collect();
        ids.sort_unstable();
        Ok(ids)
    }
}

/// The id as gix has it.
#[must_use]
pub(super) fn to_gix(id: &Oid) -> gix::ObjectId {
    gix::ObjectId::from_bytes_or_panic(id.as_bytes())
}

/// The id as the rest of the crate has it.
#[must_use]
pub(super) fn from_gix(id: &gix::oid) -> Option<Oid> {
    Oid::from_bytes(id.as_bytes())
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
