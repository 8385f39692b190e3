//! Whether all is well with what the program stands on: disks, git, `SQLite`, locks, caches, the clock, the repositories that are registered.
//! Owns the checks, and what to do about what they find. Refuses to do it, and to change anything by looking.
//!
//! Each check gathers a few facts and leaves the verdict to a pure function, so that what can't be brought about on a machine under test, a
//! full disk or an old `SQLite`, is tested all the same.

mod caches;
mod disks;
mod locks;
mod programs;

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use crate::repos::Entry;
use crate::upkeep::Kept;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its name on the wire.
    pub name: &'static str,
    /// What was found, for people.
    pub message: String,
    /// What to do about it; `None` if all is well.
    pub remedy: Option<String>,
}

impl Check {
    /// All is well.
    #[must_use]
    pub fn well(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, message: message.into(), remedy: None }
    }

    /// Something is to be done.
    #[must_use]
    pub fn ill(name: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, message: message.into(), remedy: Some(remedy.into()) }
    }

    /// Whether all is well.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.remedy.is_none()
    }
}

/// What is looked at.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The folder of the caches, if the environment names one.
    pub caches: Option<PathBuf>,
    /// What lies there.
    pub kept: Vec<Kept>,
    /// The folder of the mirrors, if the environment names one.
    pub mirrors: Option<PathBuf>,
    /// Our own configuration file, if the environment names one.
    pub config: Option<PathBuf>,
    /// The repositories that are registered.
    pub entries: Vec<Entry>,
    /// What time it is.
    pub now: SystemTime,
    /// How long git may take to say its version.
    pub git_limit: Duration,
    /// How long caches may be looked through.
    pub patience: Duration,
}

/// Looks at all of it.
pub async fn checks(scene: Scene) -> Vec<Check> {
    let git = programs::git(scene.git_limit).await;
    let rest = smol::unblock(move || {
        let until = Instant::now() + scene.patience;
        let mut found = vec![programs::sqlite()];
        found.extend(disks::checks(&scene));
        found.push(caches::schema(&scene));
        found.push(caches::integrity(&scene, &mut || Instant::now() < until));
        found.push(caches::clock(&scene));
        found.push(locks::check(&scene));
        found.push(locks::repositories(&scene));
        found
    });
    std::iter::once(git).chain(rest.await).collect()
}

/// `things` in a sentence: the first few by name, the others by number.
fn named(things: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = things.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match things.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_told_by_its_beginning() {
        let things: Vec<String> = (1..=5).map(|number| number.to_string()).collect();
        assert_eq!([named(&things[..1]), named(&things[..3]), named(&things)], ["1", "1, 2, 3", "1, 2, 3 and 2 more"]);
    }
}
