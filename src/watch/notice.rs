//! The only door to `notify`: which of the places that are watched something has happened in. However much happens, no more is kept
//! than the names of these places; where the system has lost count, it is all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_channel::{Receiver, Sender};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

/// The folders of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// What this work tree alone has.
    pub(super) git_dir: PathBuf,
    /// What all work trees share.
    pub(super) common_dir: PathBuf,
}

/// Where something has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dirty {
    /// Nobody knows.
    All,
    /// In the repositories that were named so.
    Some(BTreeSet<PathBuf>),
}

impl Dirty {
    /// Whether `name` is one of them.
    pub(super) fn includes(&self, name: &Path) -> bool {
        match self {
            Self::All => true,
            Self::Some(names) => names.contains(name),
        }
    }

    fn add(&mut self, name: Option<&PathBuf>) {
        match (&mut *self, name) {
            (Self::Some(names), Some(name)) => drop(names.insert(name.clone())),
            (Self::Some(_), None) => *self = Self::All,
            (Self::All, _) => {}
        }
    }
}

/// What is shared with the thread of `notify`.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    wake: Sender<()>,
}

#[derive(Debug)]
struct State {
    dirty: Dirty,
    /// The names of the repositories that each folder belongs to: work trees share most of theirs.
    folders: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
}

/// What has the system say what happens; on the threads for blocking calls, for a file system may take its time.
type Ears = Arc<Mutex<notify::Result<RecommendedWatcher>>>;

/// Hears of what happens.
pub(super) struct Notices {
    ears: Option<Ears>,
    shared: Arc<Shared>,
    woken: Receiver<()>,
    watched: BTreeMap<PathBuf, Watched>,
}

/// A repository that is watched, or that could not be.
#[derive(Debug, PartialEq, Eq)]
struct Watched {
    /// Its folders, each with what tells it from another that is made in its place. None if it can't be watched.
    folders: Vec<(PathBuf, (u64, u64))>,
    place: Place,
}

impl Notices {
    /// Nothing is watched yet, and nothing will be unless `wanted`.
    pub(super) fn new(wanted: bool) -> Self {
        let (wake, woken) = async_channel::bounded(1);
        let state = State { dirty: Dirty::Some(BTreeSet::new()), folders: BTreeMap::new() };
        let shared = Arc::new(Shared { state: Mutex::new(state), wake });
        let ears = wanted.then(|| {
            let shared = Arc::clone(&shared);
            let hear = move |event: notify::Result<notify::Event>| shared.hear(event.as_ref().ok());
            Arc::new(Mutex::new(notify::recommended_watcher(hear)))
        });
        Self { ears, shared, woken, watched: BTreeMap::new() }
    }

    /// Whether it would be heard if something happened in `name`.
    pub(super) fn is_watching(&self, name: &Path) -> bool {
        self.watched.get(name).is_some_and(|watched| !watched.folders.is_empty())
    }

    /// Watches the repository `name`, which is at `place`. One that is watched stays so, unless it was made anew.
    ///
    /// # Errors
    /// Why it can't be watched, once.
    pub(super) async fn watch(&mut self, name: &Path, place: &Place) -> Result<(), notify::Error> {
        let Some(ears) = self.ears.clone() else { return Ok(()) };
        let at = place.clone();
        let (wanted, found) = smol::unblock(move || {
            let wanted = folders(&at);
            let found = wanted.iter().filter_map(|(path, _)| Some((path.clone(), identity(path)?))).collect();
            (wanted, found)
        })
        .await;
        let watched = Watched { folders: found, place: place.clone() };
        let old = self.watched.get(name);
        if old == Some(&watched) || old.is_some_and(|old| old.folders.is_empty() && old.place == *place) {
            return Ok(());
        }
        self.forget(name).await;
        for (path, _) in &wanted {
            self.shared.state().folders.entry(path.clone()).or_default().insert(name.to_owned());
        }
        let outcome = smol::unblock(move || add(&ears, &wanted)).await;
        if outcome.is_err() {
            self.forget(name).await;
            let common_dir = place.common_dir.clone();
            if smol::unblock(move || identity(&common_dir)).await.is_none() {
                // It has just gone, as the next look will find.
                return Ok(());
            }
        }
        let folders = if outcome.is_ok() { watched.folders } else { Vec::new() };
        self.watched.insert(name.to_owned(), Watched { folders, ..watched });
        // Between the look that named its folders and now something may have happened.
        self.shared.mark(outcome.is_ok().then(|| name.to_owned()).as_ref().into_iter());
        outcome
    }

    /// Watches no repository but these.
    pub(super) async fn forget_all_but(&mut self, names: &BTreeSet<PathBuf>) {
        let gone: Vec<PathBuf> = self.watched.keys().filter(|name| !names.contains(*name)).cloned().collect();
        for name in gone {
            self.forget(&name).await;
        }
    }

    /// Watches this repository no more.
    pub(super) async fn forget(&mut self, name: &Path) {
        self.watched.remove(name);
        let own = self.shared.disown(name);
        let Some(ears) = self.ears.clone().filter(|_| !own.is_empty()) else { return };
        smol::unblock(move || {
            if let Ok(watcher) = &mut *ears.lock().unwrap_or_else(PoisonError::into_inner) {
                for path in own {
                    // It may be gone, and its watch with it.
                    let _ = watcher.unwatch(&path);
                }
            }
        })
        .await;
    }

    /// Waits until something has happened.
    pub(super) async fn next(&self) -> Dirty {
        loop {
            // The other end lives as long as this one.
            let _ = self.woken.recv().await;
            let dirty = std::mem::replace(&mut self.shared.state().dirty, Dirty::Some(BTreeSet::new()));
            if dirty != Dirty::Some(BTreeSet::new()) {
                return dirty;
            }
        }
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing that is done under it can leave it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the repository `name` from all folders; those that are nobody's any more.
    fn disown(&self, name: &Path) -> Vec<PathBuf> {
        let mut state = self.state();
        for owners in state.folders.values_mut() {
            owners.remove(name);
        }
        state.folders.extract_if(.., |_, owners| owners.is_empty()).map(|(path, _)| path).collect()
    }

    /// Takes an event; `None` is one that could not be read.
    fn hear(&self, event: Option<&notify::Event>) {
        let Some(event) = event.filter(|event| !event.need_rescan()) else {
            self.state().dirty.add(None);
            let _ = self.wake.try_send(());
            return;
        };
        // To look at refs is to open files.
        if matches!(event.kind, EventKind::Access(_)) {
            return;
        }
        let is_lock = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "lock");
        let state = self.state();
        let owners = event
            .paths
            .iter()
            .filter(|path| !is_lock(path))
            .filter_map(|path| path.ancestors().find_map(|folder| state.folders.get(folder).cloned()));
        let owners: Vec<PathBuf> = owners.flatten().collect();
        drop(state);
        self.mark(owners.iter());
    }

    fn mark<'a>(&self, names: impl Iterator<Item = &'a PathBuf>) {
        let mut any = false;
        for name in names {
            self.state().dirty.add(Some(name));
            any = true;
        }
        if any {
            // Full means that the other side will wake anyway.
            let _ = self.wake.try_send(());
        }
    }
}

/// Has the system say what happens in `wanted`. Blocks.
fn add(ears: &Ears, wanted: &[(PathBuf, RecursiveMode)]) -> Result<(), notify::Error> {
    match &mut *ears.lock().unwrap_or_else(PoisonError::into_inner) {
        Ok(watcher) => wanted.iter().try_for_each(|(path, mode)| watcher.watch(path, *mode)),
        Err(cause) => Err(notify::Error::generic(&cause.to_string())),
    }
}

/// What is watched of a repository: HEAD, packed refs, shallow commits and configuration lie at the top of it, loose refs below one
/// folder, reftables in another.
fn folders(place: &Place) -> Vec<(PathBuf, RecursiveMode)> {
    let mut folders = vec![(place.common_dir.clone(), RecursiveMode::NonRecursive)];
    if place.git_dir != place.common_dir {
        folders.push((place.git_dir.clone(), RecursiveMode::NonRecursive));
    }
    folders.push((place.common_dir.join("refs"), RecursiveMode::Recursive));
    let reftable = place.common_dir.join("reftable");
    if reftable.is_dir() {
        folders.push((reftable, RecursiveMode::NonRecursive));
    }
    folders
}

/// What tells a folder from another that is made in its place.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, Flag, ModifyKind};

    use super::*;

    fn notices() -> Notices {
        let notices = Notices::new(false);
        for (folder, name) in [("/a.git", "a"), ("/a.git/refs", "a"), ("/b.git", "b")] {
            notices.shared.state().folders.insert(folder.into(), BTreeSet::from([name.into()]));
        }
        notices
    }

    fn happens(notices: &Notices, kind: EventKind, path: &str) {
        notices.shared.hear(Some(&notify::Event::new(kind).add_path(path.into())));
    }

    fn some(names: &[&str]) -> Dirty {
        Dirty::Some(names.iter().map(PathBuf::from).collect())
    }

    #[test]
    fn however_much_happens_only_where_is_kept() {
        let notices = notices();
        let written = EventKind::Modify(ModifyKind::Any);
        for number in 0..100_000 {
            happens(&notices, written, &format!("/a.git/refs/heads/deep/{number}"));
        }
        happens(&notices, written, "/elsewhere/refs/heads/main");
        assert_eq!(smol::block_on(notices.next()), some(&["a"]));
        happens(&notices, written, "/b.git/HEAD");
        happens(&notices, written, "/a.git/packed-refs");
        assert_eq!(smol::block_on(notices.next()), some(&["a", "b"]));
    }

    #[test]
    fn a_file_system_that_takes_its_time_holds_up_nobody_else() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("refs")).expect("a folder");
        let place = Place { git_dir: folder.path().to_owned(), common_dir: folder.path().to_owned() };
        let mut notices = Notices::new(true);
        let ears = notices.ears.clone().expect("wanted");
        // As if a registration went on.
        let busy = ears.lock().expect("no panic");
        smol::block_on(async {
            let mut watch = Box::pin(notices.watch(Path::new("a"), &place));
            assert!(smol::future::poll_once(&mut watch).await.is_none(), "the executor goes on");
            drop(busy);
            watch.await.expect("it is watched");
        });
        std::fs::write(folder.path().join("HEAD"), "x").expect("writes");
        assert_eq!(smol::block_on(notices.next()), some(&["a"]));
        smol::block_on(notices.forget(Path::new("a")));
        assert!(!notices.is_watching(Path::new("a")));
    }

    #[test]
    fn looking_is_nothing_that_happens_and_a_lock_is_nothing_yet() {
        let notices = notices();
        happens(&notices, EventKind::Access(AccessKind::Any), "/a.git/HEAD");
        happens(&notices, EventKind::Create(notify::event::CreateKind::File), "/a.git/HEAD.lock");
        assert_eq!(notices.woken.try_recv().ok(), None);
        assert_eq!(notices.shared.state().dirty, some(&[]));
    }

    #[test]
    fn what_was_lost_may_have_been_anywhere() {
        for lost in [Some(notify::Event::new(EventKind::Other).set_flag(Flag::Rescan)), None] {
            let notices = notices();
            happens(&notices, EventKind::Modify(ModifyKind::Any), "/a.git/HEAD");
            notices.shared.hear(lost.as_ref());
            happens(&notices, EventKind::Modify(ModifyKind::Any), "/b.git/HEAD");
            let dirty = smol::block_on(notices.next());
            assert_eq!(dirty, Dirty::All);
            assert!(dirty.includes(Path::new("c")));
        }
    }
}
