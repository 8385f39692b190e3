//! One thread's view of a repository's objects: read by way of `gix`, trees and blobs by a reader of packs of our own where that knows them. Never
//! writes, never fetches a missing object.

use std::cell::{Cell, OnceCell, RefCell, RefMut};
use std::collections::HashSet;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use gix::objs::{Exists as _, Find as _};

use super::object::{ObjectError, ObjectKind, is_refusal};
use super::packs::files::Packs;
use super::packs::{Bytes, Object, PackReader};
use super::repository::store_at;
use super::trees::Trees;
use crate::facts::Oid;
use crate::facts::oid::SHA1_LEN;

/// Bytes of ends of chains of deltas that `gix` keeps, for each thread: of commits, which seldom are deltas, and of what is left to it.
const PACK_CACHE_BYTES: usize = 2 << 20;

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
    pub(super) fn new(mut repo: gix::Repository, trees: Arc<Trees>, packs: Arc<Packs>) -> Self {
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
