//! What somebody who died has left behind, and repositories that aren't where they are registered.

use std::path::PathBuf;
use std::time::Duration;

use super::{Check, Scene, named};
use crate::files;
use crate::repos::{Entry, mirror};

/// Nobody changes a configuration file for this long.
const LONGEST_CHANGE: Duration = Duration::from_mins(10);

pub(super) fn check(scene: &Scene) -> Check {
    const NAME: &str = "locks";
    let mut left = Vec::new();
    let mut remedies = Vec::new();
    if let Some((lock, found)) = scene.config.as_deref().and_then(files::find) {
        let place = lock.display();
        match found {
            files::Found::Held => {}
            files::Found::Stale => {
                left.push(format!("{place} (its owner has died)"));
                remedies.push(format!("the next change of a setting takes it over, or rm {place}"));
            }
            files::Found::Foreign(since) => {
                let age = since.and_then(|since| scene.now.duration_since(since).ok()).unwrap_or_default();
                if age > LONGEST_CHANGE {
                    left.push(format!("{place} (there for {} minutes)", age.as_secs() / 60));
                    remedies.push(format!("if no git is changing the file: rm {place}"));
                }
            }
        }
    }
    for entry in scene.entries.iter().filter(|entry| entry.url.is_some()) {
        if let Some((lock, _)) = place_of(entry, scene).and_then(|place| mirror::broken_off(&place)) {
            left.push(format!("{} (its owner has died)", lock.display()));
            remedies.push(format!("git bhfuil repo sync {} cleans up and goes on", entry.name));
        }
    }
    if left.is_empty() {
        return Check::well(NAME, "nobody who died has left one");
    }
    Check::ill(NAME, named(&left), named(&remedies))
}

/// Where the mirror of `entry` lies, or would.
fn place_of(entry: &Entry, scene: &Scene) -> Option<PathBuf> {
    let usual = || scene.mirrors.as_ref().map(|folder| folder.join(format!("{}.git", entry.name)));
    entry.path.clone().or_else(usual)
}

pub(super) fn repositories(scene: &Scene) -> Check {
    const NAME: &str = "repositories";
    let is_gone = |entry: &&Entry| entry.path.as_ref().is_some_and(|path| !path.is_dir());
    let gone: Vec<&Entry> = scene.entries.iter().filter(is_gone).collect();
    let names = |entries: &[&Entry]| named(&entries.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>());
    match gone.as_slice() {
        [] if scene.entries.is_empty() => Check::well(NAME, "none is registered"),
        [] => Check::well(NAME, "all that are registered are there"),
        gone => Check::ill(
            NAME,
            format!("{} of {} aren't where they are registered: {}", gone.len(), scene.entries.len(), names(gone)),
            "git bhfuil repo sync clones what was cloned; git bhfuil repo remove forgets one, repo add registers it elsewhere",
        ),
    }
}
