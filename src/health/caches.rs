//! What is kept: whether this version can read it, whether it is sound, and whether its times agree with the clock.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::{Check, Scene, named};
use crate::cache::folder::{complaint, list_state};
use crate::error::message_of;
use crate::upkeep::{Closed, Kept};

/// Clocks of machines that share a disk differ by so much at most.
const SKEW: Duration = Duration::from_mins(5);
/// A time before any version of this program, 2024-01-01 (seconds since 1970): the clock of a machine that has lost it says less.
const BEFORE_US: u64 = 1_704_067_200;

pub(super) fn schema(scene: &Scene) -> Check {
    const NAME: &str = "schema";
    let list = scene.caches.as_deref().and_then(list_state);
    let mut newer: Vec<String> = in_use(scene).filter(|kept| kept.contents == Err(Closed::Newer)).map(file).collect();
    newer.extend((list == Some(Err(Closed::Newer))).then(|| "state.db".to_owned()));
    if newer.is_empty() {
        return Check::well(NAME, "all that is kept is of this version or an older one");
    }
    let message = format!("a newer version wrote {}: this one leaves that alone", named(&newer));
    Check::ill(NAME, message, "update git-bhfuil, or let GIT_BHFUIL_CACHE name another folder")
}

/// Looks through the caches, the ones that were used last first, for as long as it `may`.
pub(super) fn integrity(scene: &Scene, may: &mut dyn FnMut() -> bool) -> Check {
    const NAME: &str = "cache-integrity";
    let mut damaged = Vec::new();
    let mut looked_through = 0;
    let list = scene.caches.as_ref().map(|folder| folder.join("state.db"));
    let list = list.filter(|list| list.exists());
    let mut caches: Vec<&Kept> = in_use(scene).filter(|kept| kept.contents != Err(Closed::Newer)).collect();
    caches.sort_by_key(|kept| std::cmp::Reverse(kept.file.used));
    let paths: Vec<PathBuf> = list.into_iter().chain(caches.iter().map(|kept| kept.file.path.clone())).collect();
    for path in &paths {
        if !may() {
            break;
        }
        looked_through += 1;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match complaint(path) {
            Ok(Some(said)) => damaged.push(format!("{name} ({said})")),
            Err(cause) if path.exists() => damaged.push(format!("{name} ({})", message_of(&cause))),
            // Sound, or removed meanwhile.
            Ok(None) | Err(_) => {}
        }
    }
    if damaged.is_empty() {
        return Check::well(NAME, format!("{looked_through} of {} databases were looked through", paths.len()));
    }
    let remedy =
        "the next run sets it aside and makes a new one; git bhfuil cache clear --all removes all that is kept";
    Check::ill(NAME, format!("damaged: {}", named(&damaged)), remedy)
}

pub(super) fn clock(scene: &Scene) -> Check {
    let newest = in_use(scene).map(|kept| (kept.file.used, file(kept))).max();
    judge_clock(scene.now, newest)
}

fn judge_clock(now: SystemTime, newest: Option<(SystemTime, String)>) -> Check {
    const NAME: &str = "clock";
    let remedy = "set the clock of this machine; timedatectl shows whether it follows a time server";
    if now < SystemTime::UNIX_EPOCH + Duration::from_secs(BEFORE_US) {
        return Check::ill(NAME, "the clock says that it is before 2024", remedy);
    }
    match newest {
        Some((used, file)) if used > now + SKEW => {
            let ahead = used.duration_since(now).unwrap_or_default().as_secs();
            let message = format!("the clock is behind: {file} was last used {} from now", spoken(ahead));
            Check::ill(NAME, message, remedy)
        }
        _ => Check::well(NAME, "no file comes from the future"),
    }
}

fn spoken(seconds: u64) -> String {
    match seconds {
        seconds if seconds < 2 * 3600 => format!("{} minutes", seconds / 60),
        seconds if seconds < 2 * 86_400 => format!("{} hours", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

fn in_use(scene: &Scene) -> impl Iterator<Item = &Kept> {
    scene.kept.iter().filter(|kept| kept.file.aside.is_none())
}

fn file(kept: &Kept) -> String {
    kept.file.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_wrong_if_files_are_newer_than_now() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(500_000);
        let judge = |ahead: u64| judge_clock(now, Some((now + Duration::from_secs(ahead), "nova.db".to_owned())));
        assert!(judge(0).is_ok() && judge(299).is_ok() && judge_clock(now, None).is_ok());
        let behind = judge(3 * 86_400);
        assert_eq!(behind.message, "the clock is behind: nova.db was last used 3 days from now");
        assert!(!judge(301).is_ok() && !judge_clock(SystemTime::UNIX_EPOCH, None).is_ok());
    }
}
