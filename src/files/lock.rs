//! Lock files as git has them: whoever makes `<file>.lock`, which must not exist yet, may replace `<file>`, and then removes it. So
//! neither we nor a `git config` lose what the other writes.
//!
//! A lock of ours can be told to be stale, that is, left behind by a process that was killed: while its owner lives, the kernel
//! keeps an advisory lock on it (flock(2)), and its first line says that it is one of ours. A stale one is taken over in place,
//! which only one process can do. git's own locks say nothing of their owner and are never removed, only waited for.

use std::collections::hash_map::RandomState;
use std::fs::{File, OpenOptions, TryLockError};
use std::hash::BuildHasher as _;
use std::io::{self, ErrorKind, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::{MODE, fill, folder, followed, open_new, sync};
use crate::error::Kind;

/// How a lock of ours begins; the number of the process follows, and a newline.
const MARK: &str = "git-bhfuil holds this lock, process ";
/// Waits between looking, doubled from the first to the longest, and varied so that those who wait don't step on each other.
const FIRST_WAIT: Duration = Duration::from_millis(2);
const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// How many may hold a lock one after the other, each as long as the patience of one who waits, before he gives up.
pub const MOST_HOLDERS: u32 = 6;

/// The right to replace a file, held against every process that asks for it in git's way. Dropping it gives it back.
#[derive(Debug)]
pub struct Lock {
    target: PathBuf,
    path: PathBuf,
    /// Carries the advisory lock for as long as it is open.
    file: File,
}

impl Lock {
    /// Takes the lock of the file at `path`, or of what the symbolic link there leads to; the folder is made if need be. Waits at most
    /// `patience` for one who holds it, and [`MOST_HOLDERS`] times that in all; a lock whose owner has died is taken over.
    ///
    /// # Errors
    /// [`Kind::Locked`] if it is still held then, naming who holds it; [`Kind::Io`] if there can be no lock.
    pub async fn acquire(path: &Path, patience: Duration) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let mut seen = (None, begun);
        let mut wait = FIRST_WAIT;
        loop {
            let asked = path.to_owned();
            let attempt = smol::unblock(move || attempt(&asked)).await;
            match attempt.map_err(|cause| Kind::Io.wrap(cause, format!("locking {}", path.display())))? {
                Attempt::Held(lock) => return Ok(lock),
                Attempt::Busy(holder, made) => {
                    // Where many take turns nobody need be stuck.
                    if seen.0 != made {
                        seen = (made, Instant::now());
                    }
                    if seen.1.elapsed() >= patience || begun.elapsed() >= patience * MOST_HOLDERS {
                        return Err(holder.refusal(path));
                    }
                    smol::Timer::after(wait / 2 + varied(wait)).await;
                    wait = LONGEST_WAIT.min(wait * 2);
                }
            }
        }
    }

    /// The file that it is for, symbolic links followed.
    #[must_use]
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Puts `bytes` in the place of the file, as [`super::replace`] does, and gives the lock back. A future that is dropped may
    /// have replaced the file, never half of it.
    ///
    /// # Errors
    /// If it can't be written, or is no regular file; it is then as it was.
    pub async fn replace(self, bytes: Vec<u8>) -> io::Result<()> {
        // The lock goes along: it must not be given back while this still writes.
        smol::unblock(move || {
            // Beside the lock, which must say whose it is until the end; only its holder writes there, so a killed one's is used again.
            let new = suffixed(&self.path, ".new");
            let written = open_new(&new).and_then(|file| fill(&file, &self.target, &bytes));
            let replaced = written.and_then(|()| std::fs::rename(&new, &self.target));
            match &replaced {
                Ok(()) => sync(folder(&self.target)),
                Err(_) => drop(std::fs::remove_file(&new)),
            }
            replaced
        })
        .await
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While the advisory lock is still held: nobody takes over what is about to go.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// What came of trying once.
enum Attempt {
    Held(Lock),
    /// Who holds it, and what tells this lock from one made later.
    Busy(Holder, Option<(u64, i64, i64)>),
}

/// Who holds a lock.
#[derive(Debug, PartialEq, Eq)]
enum Holder {
    /// A process of ours that lives.
    Ours { process: String },
    /// Somebody who says nothing of himself.
    Unknown { since: Option<SystemTime> },
    /// Nobody any more: it went while it was looked at.
    Gone,
}

impl Holder {
    fn refusal(self, path: &Path) -> anyhow::Error {
        let lock = suffixed(&followed(path), ".lock");
        let (path, lock) = (path.display(), lock.display());
        match self {
            Self::Ours { process } => Kind::Locked.hinted(
                format!("{path} is locked: git-bhfuil, process {process}, is changing it"),
                "try again when it is done",
            ),
            Self::Unknown { since } => {
                let age = since.and_then(|since| since.elapsed().ok());
                let age = age.map_or_else(String::new, |age| format!(" for {} s", age.as_secs()));
                Kind::Locked.hinted(
                    format!("{path} is locked: {lock} has been there{age}"),
                    format!("if no git is changing it, a killed one has left it: rm {lock}"),
                )
            }
            Self::Gone => {
                Kind::Locked.hinted(format!("{path} is locked"), "try again when others are done changing it")
            }
        }
    }
}

/// A lock that lies beside a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A process of ours holds it.
    Held,
    /// A process of ours held it and has died; who wants it next takes it over.
    Stale,
    /// Another program made it, at this time if that is known, and says nothing of itself.
    Foreign(Option<SystemTime>),
}

/// The lock of the file at `path`, and where it is; `None` if there is none. It stays as it is. Blocks.
#[must_use]
pub fn find(path: &Path) -> Option<(PathBuf, Found)> {
    let lock = suffixed(&followed(path), ".lock");
    let metadata = std::fs::symlink_metadata(&lock).ok()?;
    let found = match File::open(&lock) {
        Ok(file) => {
            let mut text = Vec::new();
            let _ = (&file).take(MARK.len() as u64).read_to_end(&mut text);
            // Whoever has marked it holds the advisory lock already: nobody is kept from it.
            match (text == MARK.as_bytes()).then(|| file.try_lock_shared()) {
                Some(Ok(())) => Found::Stale,
                Some(Err(_)) => Found::Held,
                None => Found::Foreign(metadata.modified().ok()),
            }
        }
        Err(_) => Found::Foreign(metadata.modified().ok()),
    };
    Some((lock, found))
}

/// Makes the lock file, or looks who has it.
fn attempt(path: &Path) -> io::Result<Attempt> {
    let target = followed(path);
    let path = suffixed(&target, ".lock");
    let create = || OpenOptions::new().read(true).write(true).create_new(true).mode(MODE).open(&path);
    let created = create().or_else(|cause| {
        if cause.kind() != ErrorKind::NotFound {
            return Err(cause);
        }
        std::fs::create_dir_all(folder(&path))?;
        create()
    });
    match created {
        Ok(file) => {
            // Nobody else wants the advisory lock before it is marked as ours. Where there are none, no lock is ever stale.
            let _ = file.try_lock();
            let lock = Lock { target, path, file };
            lock.mark()?;
            Ok(Attempt::Held(lock))
        }
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => look(target, path),
        Err(cause) => Err(cause),
    }
}

/// Looks at a lock that is there, and takes it over if its owner has died.
fn look(target: PathBuf, path: PathBuf) -> io::Result<Attempt> {
    let file = match OpenOptions::new().read(true).write(true).open(&path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(Attempt::Busy(Holder::Gone, None)),
        // Somebody else's, whom we can't ask.
        Err(_) => return Ok(Attempt::Busy(Holder::Unknown { since: None }, None)),
    };
    let found = file.metadata()?;
    let made = Some((found.ino(), found.mtime(), found.mtime_nsec()));
    let mut text = Vec::new();
    (&file).take(MARK.len() as u64 + 32).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let Some(process) = text.strip_prefix(MARK).and_then(|rest| rest.strip_suffix('\n')) else {
        return Ok(Attempt::Busy(Holder::Unknown { since: found.modified().ok() }, made));
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {
            return Ok(Attempt::Busy(Holder::Ours { process: process.to_owned() }, made));
        }
    }
    // It may have been given back after it was opened, and made anew by another. Whose it is now nobody removes but us.
    let now = std::fs::metadata(&path).ok();
    if now.is_none_or(|now| (now.dev(), now.ino()) != (found.dev(), found.ino())) {
        return Ok(Attempt::Busy(Holder::Gone, None));
    }
    let lock = Lock { target, path, file };
    lock.mark()?;
    Ok(Attempt::Held(lock))
}

impl Lock {
    /// Writes into it whose it is.
    fn mark(&self) -> io::Result<()> {
        let mut file = &self.file;
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(format!("{MARK}{}\n", std::process::id()).as_bytes())
    }
}

/// Any part of `wait`.
fn varied(wait: Duration) -> Duration {
    // The seeds of hash maps are as good as any chance.
    let chance = RandomState::new().hash_one(());
    wait / 256 * u32::from(chance.to_ne_bytes()[0])
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{kind_of, message_of};

    fn acquired(path: &Path) -> anyhow::Result<Lock> {
        smol::block_on(Lock::acquire(path, Duration::ZERO))
    }

    fn refusal(path: &Path) -> String {
        let refused = acquired(path).expect_err("it is held");
        assert_eq!(kind_of(&refused), Kind::Locked);
        message_of(&refused)
    }

    #[test]
    fn a_lock_is_found_and_left_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config");
        let lock = folder.path().join("config.lock");
        assert_eq!(find(&path), None);
        let held = smol::block_on(Lock::acquire(&path, Duration::ZERO)).expect("takes it");
        assert_eq!(find(&path), Some((lock.clone(), Found::Held)));
        let text = std::fs::read(&lock).expect("reads");
        drop(held);
        std::fs::write(&lock, &text).expect("as one leaves it that is killed");
        assert_eq!(find(&path), Some((lock.clone(), Found::Stale)));
        drop(smol::block_on(Lock::acquire(&path, Duration::ZERO)).expect("takes it over"));
        std::fs::write(&lock, "").expect("as git does");
        assert!(matches!(find(&path), Some((_, Found::Foreign(Some(_))))));
    }

    #[test]
    fn a_lock_is_held_once_and_given_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new/config");
        let lock = acquired(&path).expect("nobody has it");
        assert!(refusal(&path).contains(&format!("process {}", std::process::id())));
        smol::block_on(lock.replace(b"text".to_vec())).expect("written");
        assert_eq!(std::fs::read(&path).expect("there"), b"text");
        drop(acquired(&path).expect("given back"));
        let names: Vec<_> = std::fs::read_dir(folder.path().join("new")).expect("a folder").collect();
        assert_eq!(names.len(), 1, "only the file is left: {names:?}");
    }

    #[test]
    fn a_lock_of_a_dead_owner_is_taken_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config");
        // As a process leaves it that was killed while it wrote.
        std::fs::write(folder.path().join("config.lock"), format!("{MARK}1\n")).expect("written");
        std::fs::write(folder.path().join("config.lock.new"), "half a fi").expect("written");
        let lock = acquired(&path).expect("its owner is dead");
        assert!(refusal(&path).contains(&format!("process {}", std::process::id())), "it is as good as a new one");
        smol::block_on(lock.replace(b"text".to_vec())).expect("written");
        assert_eq!(std::fs::read(&path).expect("there"), b"text");
    }

    #[test]
    fn a_lock_of_git_is_never_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, lock) = (folder.path().join("config"), folder.path().join("config.lock"));
        for text in ["", "[a]\n\tb = c\n", MARK] {
            std::fs::write(&lock, text).expect("written");
            assert!(refusal(&path).contains("config.lock has been there"));
            assert_eq!(std::fs::read_to_string(&lock).expect("still there"), text);
        }
    }

    #[test]
    fn waiting_ends_when_the_lock_is_given_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config");
        let lock = acquired(&path).expect("nobody has it");
        smol::block_on(async {
            let waits = Lock::acquire(&path, Duration::from_mins(1));
            let gives_back = async {
                smol::future::yield_now().await;
                drop(lock);
            };
            smol::future::zip(waits, gives_back).await.0.expect("given back");
        });
    }

    #[test]
    fn many_threads_take_turns() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("count");
        let add = || async {
            let lock = Lock::acquire(&path, Duration::from_mins(1)).await.expect("its turn comes");
            let text = super::super::read(lock.target()).await.expect("readable").unwrap_or_default();
            lock.replace([text.as_slice(), b"x"].concat()).await.expect("written");
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..10).for_each(|_| smol::block_on(add())));
            }
        });
        assert_eq!(std::fs::read(&path).expect("there").len(), 80, "none is lost");
    }

    #[test]
    fn a_lock_of_a_link_is_that_of_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, link) = (folder.path().join("config"), folder.path().join("link"));
        std::os::unix::fs::symlink("config", &link).expect("a link");
        let lock = acquired(&link).expect("nobody has it");
        assert!(refusal(&path).contains("is locked"));
        smol::block_on(lock.replace(b"text".to_vec())).expect("written");
        assert_eq!(std::fs::read(&path).expect("there"), b"text");
    }
}
