//! Which caches may go. Those of repositories that are gone, and what was set aside and is too old; of the others what no run will use
//! any more; those that nobody has used for longer than is wanted; and while all together are too large, those that were not used for
//! longest. One that somebody has open stays, and so does
//! the one that was used last.
//!
//! By itself it is done once a day at most, after an answer, and a little at a time: what is left is there the next day.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Kept, forget_missing};
use crate::cache::folder;
use crate::cache::trim::Stopped;
use crate::debug;
use crate::shutdown::Token;

/// Seconds between sweeps that are done by themselves.
const DAY: i64 = 86_400;
/// How long a repository may be away before its cache goes by itself: a disk that isn't there may be back next week.
const AWAY: Duration = Duration::from_hours(30 * 24);
/// What was set aside is kept so often for each cache.
const ASIDE: usize = 3;

/// How much is done at a time.
#[derive(Debug, Clone, Copy)]
struct Measure {
    /// Files that are removed.
    files: usize,
    /// Caches that are looked into for what may go.
    caches: usize,
    /// Bytes of the largest file that is written anew to make it smaller.
    rewritten: u64,
    /// How long a repository whose cache is removed must not have been asked about.
    away: Duration,
}

/// Everything.
const ALL: Measure = Measure { files: usize::MAX, caches: usize::MAX, rewritten: u64::MAX, away: Duration::ZERO };
/// What nobody notices.
const LITTLE: Measure = Measure { files: 8, caches: 2, rewritten: 64 << 20, away: AWAY };

/// What may be kept.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of all caches together.
    pub bytes: u64,
    /// How long one that nobody uses is kept; `None` for as long as there is room.
    pub unused: Option<Duration>,
}

/// Why a cache was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// Its repository is gone.
    RepositoryGone,
    /// It was set aside, and there are newer ones.
    SetAside,
    /// All together took too much room.
    TooLarge,
    /// Nobody has used it for too long.
    Unused,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Swept {
    /// Caches that were removed.
    pub removed: Vec<(Kept, Because)>,
    /// Caches that became smaller, by so many bytes, or at least emptier.
    pub trimmed: Vec<(Kept, u64)>,
    /// Bytes that are left.
    pub bytes: u64,
    /// Caches that would have gone, but are in use.
    pub busy: Vec<Kept>,
    /// What could not be removed or trimmed.
    pub failed: Vec<(Kept, anyhow::Error)>,
}

/// Sweeps `folder` as a whole until it is within `limits`, if that can be. Works on a thread for blocking calls, which stops
/// at its next step when this is dropped: what was being made smaller then is as it was.
///
/// # Errors
/// If the folder can't be read.
pub async fn sweep(folder: PathBuf, limits: Limits) -> anyhow::Result<Swept> {
    on_a_thread(move |stop| {
        let swept = swept(&folder, limits, SystemTime::now(), None, (ALL, stop))?;
        forget(&folder, stop);
        Ok(swept)
    })
    .await
}

/// Has a thread for blocking calls do `work`, which looks at the token between its steps: it is cancelled when this is dropped.
async fn on_a_thread<T: Send + 'static>(work: impl FnOnce(&Token) -> T + Send + 'static) -> T {
    let part = Token::new().part();
    let token = part.token().clone();
    smol::unblock(move || work(&token)).await
}

fn forget(folder: &Path, stop: &Token) {
    if !stop.is_cancelled() {
        smol::block_on(forget_missing(&folder.join("state.db")));
    }
}

/// Whether [`sweep_a_little`] may find something to do `now`; where it wouldn't, this is known for the price of two looks at files. Doesn't
/// block for longer than that.
#[must_use]
pub fn may_be_due(folder: &Path, now: SystemTime) -> bool {
    folder::may_begin_sweep(folder, seconds(now), DAY)
}

fn seconds(now: SystemTime) -> i64 {
    now.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// Sweeps `folder` a little if that was not done today. `limits` says what may be left; it is asked only then. What was used
/// since `begun`, when this run began, stays. Works, and ends when it is dropped, as [`sweep`] does.
///
/// # Errors
/// If the folder can't be read, or `limits` aren't known.
pub async fn sweep_a_little(
    folder: PathBuf,
    begun: SystemTime,
    limits: impl FnOnce() -> anyhow::Result<Limits> + Send + 'static,
) -> anyhow::Result<Option<Swept>> {
    on_a_thread(move |stop| {
        let now = SystemTime::now();
        let seconds = seconds(now);
        if !smol::block_on(folder::begins_sweep(&folder, seconds, DAY))? {
            return Ok(None);
        }
        let swept = swept(&folder, limits()?, now, Some(begun), (LITTLE, stop))?;
        forget(&folder, stop);
        Ok(Some(swept))
    })
    .await
}

fn swept(
    folder: &Path,
    limits: Limits,
    now: SystemTime,
    begun: Option<SystemTime>,
    (measure, stop): (Measure, &Token),
) -> anyhow::Result<Swept> {
    debug::note("cache", || format!("sweeping {}, which may take {} bytes", folder.display(), limits.bytes));
    let mut sweep = Sweep { left: measure.files, stop: stop.clone(), swept: Swept::default() };
    let unused = |kept: &Kept| now.duration_since(kept.file.used).unwrap_or_default();
    let mut kept = Vec::new();
    let mut aside: Vec<(PathBuf, usize)> = Vec::new();
    let listed = folder::list(folder)?.into_iter().take_while(|_| !stop.is_cancelled());
    let mut found: Vec<Kept> =
        listed.filter_map(|file| super::look(file, folder).transpose()).collect::<anyhow::Result<_>>()?;
    // Of what was set aside the newest first.
    found.sort_by_key(|kept| std::cmp::Reverse(kept.file.aside));
    for one in found {
        let is_old = one.file.aside.is_some() && {
            let database = folder.join(one.file.database());
            let at = aside.iter().position(|(of, _)| *of == database).unwrap_or_else(|| {
                aside.push((database, 0));
                aside.len() - 1
            });
            aside[at].1 += 1;
            aside[at].1 > ASIDE
        };
        let is_gone = one.is_orphaned && unused(&one) >= measure.away;
        let is_unused = limits.unused.is_some_and(|most| unused(&one) > most);
        match (is_old, is_gone, is_unused) {
            (true, _, _) => sweep.remove(one, Because::SetAside, &mut kept),
            (_, true, _) => sweep.remove(one, Because::RepositoryGone, &mut kept),
            (_, _, true) => sweep.remove(one, Because::Unused, &mut kept),
            _ => kept.push(one),
        }
    }
    sweep.trim(&mut kept, measure);
    sweep.fit(kept, limits.bytes, begun);
    Ok(sweep.swept)
}

struct Sweep {
    /// Files that may still be removed.
    left: usize,
    /// Cancelled: nothing more is to be done.
    stop: Token,
    swept: Swept,
}

impl Sweep {
    /// Removes `one`; what stays goes to `kept`.
    fn remove(&mut self, one: Kept, because: Because, kept: &mut Vec<Kept>) {
        if self.left == 0 || self.stop.is_cancelled() {
            kept.push(one);
            return;
        }
        match one.file.remove_unused() {
            Ok(true) => {
                debug::note("cache", || format!("removed {}: {because:?}", one.file.path.display()));
                self.left -= 1;
                self.swept.removed.push((one, because));
            }
            Ok(false) => {
                self.swept.busy.push(one.clone());
                kept.push(one);
            }
            Err(cause) => {
                self.swept.failed.push((one.clone(), cause));
                kept.push(one);
            }
        }
    }

    /// Takes out of some what is of no use any more, the ones that were used last first: there is most to be found.
    fn trim(&mut self, kept: &mut [Kept], measure: Measure) {
        kept.sort_by_key(|kept| std::cmp::Reverse(kept.file.used));
        let stop = self.stop.clone();
        let is_stopped: Stopped = Arc::new(move || stop.is_cancelled());
        for one in kept.iter_mut().filter(|kept| kept.file.aside.is_none()).take(measure.caches) {
            if self.stop.is_cancelled() {
                return;
            }
            match one.file.trim(measure.rewritten, &is_stopped) {
                Ok(trimmed) if trimmed == crate::cache::trim::Trimmed::default() => {}
                Ok(trimmed) => {
                    one.file.bytes = one.file.bytes.saturating_sub(trimmed.freed);
                    self.swept.trimmed.push((one.clone(), trimmed.freed));
                }
                Err(cause) => self.swept.failed.push((one.clone(), cause)),
            }
        }
    }

    /// Removes what was set aside, then the caches that were not used for longest, until the rest fits.
    fn fit(&mut self, mut kept: Vec<Kept>, limit: u64, begun: Option<SystemTime>) {
        let mut total: u64 = kept.iter().map(|kept| kept.file.bytes).sum();
        let last = kept.iter().filter(|kept| kept.file.aside.is_none()).map(|kept| kept.file.used).max();
        kept.sort_by_key(|kept| (kept.file.aside.is_none(), kept.file.used));
        let mut stays = Vec::new();
        for one in kept {
            let used = one.file.used;
            let is_spared =
                one.file.aside.is_none() && (Some(used) == last || begun.is_some_and(|begun| used >= begun));
            if total <= limit || is_spared {
                continue;
            }
            let (bytes, before) = (one.file.bytes, self.swept.removed.len());
            self.remove(one, Because::TooLarge, &mut stays);
            if self.swept.removed.len() > before {
                total -= bytes;
            }
        }
        self.swept.bytes = total;
    }
}
