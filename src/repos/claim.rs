//! Who works on a mirror: one process at a time, by a lock beside it (`nova.git.lock` for `nova.git`).
//!
//! The system holds the lock for as long as the file is open (flock(2)), so it never outlives its owner. The file itself does, after
//! a `kill -9` or a power cut: it then tells the next owner that something was broken off, and when. Whoever ends in order
//! removes it.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::debug;
use crate::error::Kind;
use crate::gitcli::Bounds;

/// How often it is looked whether another process is done.
const LOOK: Duration = Duration::from_millis(100);

/// File systems and clocks round times differently.
const SLACK: Duration = Duration::from_secs(2);

/// A mirror that nobody else works on.
#[derive(Debug)]
pub(super) struct Claim {
    path: PathBuf,
    /// Locked for as long as it is open.
    _lock: File,
    since: SystemTime,
    of_the_dead: bool,
}

/// What a lock's file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Written {
    owner: u32,
    since: SystemTime,
}

enum Attempt {
    Taken(Claim),
    Busy(Option<u32>),
}

impl Claim {
    /// Takes `place` for `operation`, waiting for whoever has it; `waiting` hears once who that is.
    ///
    /// # Errors
    /// [`Kind::Io`] if the lock can't be made, [`Kind::Timeout`] and [`Kind::Cancelled`] by `bounds`.
    pub(super) async fn take(
        place: &Path,
        bounds: &Bounds<'_>,
        operation: &str,
        waiting: &mut (dyn FnMut(Option<u32>) + Send),
    ) -> anyhow::Result<Self> {
        let path = beside(place, ".lock");
        let mut told = false;
        loop {
            let attempt = smol::unblock({
                let path = path.clone();
                move || Self::attempt(&path)
            });
            let failed = |cause| Kind::Io.wrap(cause, format!("locking {}", path.display()));
            match attempt.await.map_err(failed)? {
                Attempt::Taken(claim) => return Ok(claim),
                Attempt::Busy(owner) if !told => {
                    told = true;
                    debug::note("repos", || format!("waiting for {}, held by {owner:?}", path.display()));
                    waiting(owner);
                }
                Attempt::Busy(_) => {}
            }
            bounds.keep(operation, bounds.clock.sleep(LOOK)).await?;
        }
    }

    fn attempt(path: &Path) -> std::io::Result<Attempt> {
        loop {
            let mut file = File::options().read(true).append(true).create(true).open(path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Ok(Attempt::Busy(parse(&text_of(&mut file)?).map(|written| written.owner)));
                }
                Err(TryLockError::Error(cause)) => return Err(cause),
            }
            // Its last owner may have removed it after it was opened here.
            let held = file.metadata()?;
            if !std::fs::metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (held.dev(), held.ino())) {
                continue;
            }
            let left = parse(&text_of(&mut file)?);
            let since = left.map_or_else(SystemTime::now, |left| left.since.min(SystemTime::now()));
            let seconds = since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
            file.set_len(0)?;
            writeln!(file, "owner {} since {seconds}", std::process::id())?;
            let of_the_dead = left.is_some();
            return Ok(Attempt::Taken(Self { path: path.to_owned(), _lock: file, since, of_the_dead }));
        }
    }

    /// Whether its last owner died.
    pub(super) fn is_of_the_dead(&self) -> bool {
        self.of_the_dead
    }

    /// Nothing older than this was left by this owner, or by one that died before it.
    pub(super) fn since(&self) -> SystemTime {
        self.since - SLACK
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // While it is still locked, or it could be another's by now.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Since when what was begun on the mirror at `place` lies there broken off, with the lock that says so: its owner has died. `None` if
/// nothing does. Blocks.
pub(super) fn broken_off(place: &Path) -> Option<(PathBuf, SystemTime)> {
    let path = beside(place, ".lock");
    let mut file = File::open(&path).ok()?;
    file.try_lock_shared().ok()?;
    parse(&text_of(&mut file).ok()?).map(|written| (path, written.since))
}

/// `nova.git.part` for `nova.git` and `.part`.
pub(super) fn beside(place: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = place.file_name().unwrap_or_default().into();
    name.push(suffix);
    place.with_file_name(name)
}

fn text_of(file: &mut File) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    // A lock is a few lines long.
    file.take(1 << 16).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn parse(text: &str) -> Option<Written> {
    let (owner, seconds) = text.trim_end().strip_prefix("owner ")?.split_once(" since ")?;
    let since = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds.parse().ok()?))?;
    Some(Written { owner: owner.parse().ok()?, since })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};
    use crate::shutdown::Token;
    use smol::future::{block_on, zip};

    fn take(place: &Path) -> Claim {
        let (clock, token) = (Clock::Real, Token::new());
        let bounds = Bounds { clock: &clock, token: &token, deadline: None };
        block_on(Claim::take(place, &bounds, "cloning x", &mut |_| panic!("nobody has it"))).expect("it is free")
    }

    #[test]
    fn one_at_a_time_and_nothing_is_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("x.git");
        let (hands, token) = (ManualClock::new(), Token::new());
        let clock = Clock::from(&hands);
        let bounds = Bounds { clock: &clock, token: &token, deadline: None };
        let first = take(&place);
        let mut told = Vec::new();
        let mut tell = |owner| told.push(owner);
        let second = Claim::take(&place, &bounds, "cloning x", &mut tell);
        let release = async {
            hands.until_asleep(1).await;
            let _ = hands.advance_to_next();
            hands.until_asleep(1).await;
            drop(first);
            let _ = hands.advance_to_next();
        };
        let second = block_on(zip(second, release)).0.expect("it is free now");
        assert_eq!(told, [Some(std::process::id())], "told once");
        assert!(!second.is_of_the_dead(), "the first ended in order");
        drop(second);
        assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0);
    }

    #[test]
    fn who_waits_can_be_cancelled() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("x.git");
        let _first = take(&place);
        let (clock, token) = (Clock::Real, Token::new());
        let bounds = Bounds { clock: &clock, token: &token, deadline: None };
        token.cancel();
        let error = block_on(Claim::take(&place, &bounds, "cloning x", &mut |_| ())).expect_err("it is cancelled");
        assert_eq!(crate::error::kind_of(&error), Kind::Cancelled);
    }

    #[test]
    fn many_threads_never_have_it_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("x.git");
        let inside = std::sync::atomic::AtomicUsize::new(0);
        let work = || {
            for _ in 0..200 {
                if let Attempt::Taken(claim) = Claim::attempt(&beside(&place, ".lock")).expect("a lock") {
                    assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                    inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    drop(claim);
                }
            }
        };
        std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(work))));
        assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0);
    }

    #[test]
    fn what_a_dead_owner_left_is_told_to_the_next_even_if_that_dies_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("x.git");
        let lock = beside(&place, ".lock");
        std::fs::write(&lock, "owner 5 since 1700000000\n").expect("a lock");
        let claim = take(&place);
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert!(claim.is_of_the_dead());
        assert_eq!(claim.since(), since - SLACK);
        let written = std::fs::read_to_string(&lock).expect("the lock");
        let next = Written { owner: std::process::id(), since };
        assert_eq!(parse(&written), Some(next), "the older beginning counts");
        for text in ["", "rubbish", "owner", "owner 1", "owner 1 since x", "owner x since 2"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_lock_that_can_not_be_made_is_an_error() {
        let (clock, token) = (Clock::Real, Token::new());
        let bounds = Bounds { clock: &clock, token: &token, deadline: None };
        let place = Path::new("/proc/self/nowhere/x.git");
        let refused = block_on(Claim::take(place, &bounds, "x", &mut |_| ()));
        let error = refused.expect_err("there is no such folder");
        assert_eq!(crate::error::kind_of(&error), Kind::Io);
    }
}
