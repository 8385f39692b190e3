//! Where the parts of the program go that other programs look for: manual pages, completions, the program itself.
//!
//! Owns where each shell and man(1) look, and whose a file is. Refuses what is in the parts, and who is told.
//!
//! What this program puts somewhere has [`MARK`] in it, so that a later version, or one that is to take it away again, knows it from a file
//! that somebody else has put there. A list of what was put beside it remembers what a later version no longer has, and whether the program
//! itself was put or lay there already.

mod places;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

pub use places::{Kind, Places, Surroundings};

use crate::files;

/// What is in every file that is put somewhere, be it text or the program.
pub const MARK: &str = "Part of git-bhfuil; git bhfuil install puts it in place.";

/// The mode of a file that is read, and that of the program; the umask takes from both.
const READ: u32 = 0o666;
const RUN: u32 = 0o777;

/// A file that is to be put somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is, which says where it goes.
    pub kind: Kind,
    /// The name of its file.
    pub file: String,
    /// What is in it; [`MARK`] must be.
    pub bytes: Vec<u8>,
}

/// What has become of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is new, or has changed.
    Written,
    /// It was there already, just so.
    Unchanged,
    /// It is gone.
    Removed,
}

/// Why a file isn't as it should be.
#[derive(Debug)]
pub enum Trouble {
    /// There is one that this program has not put there.
    Foreign,
    /// It can't be written, or removed.
    Io(io::Error),
}

/// A file, and what has become of it.
#[derive(Debug)]
pub struct Outcome {
    /// Where it is.
    pub path: PathBuf,
    /// What has become of it.
    pub result: Result<State, Trouble>,
}

/// Puts `parts` where they belong, and removes what an earlier version has put there that this one doesn't have. Blocks.
#[must_use]
pub fn put(parts: &[Part], places: &Places) -> Vec<Outcome> {
    let before = listed(places);
    let mut outcomes = Vec::new();
    let mut own = BTreeSet::new();
    for part in parts {
        let Some(path) = places.path(part.kind, &part.file) else { continue };
        let mode = if part.kind == Kind::Program { RUN } else { READ };
        let result = put_one(&path, &part.bytes, mode);
        if result.is_ok() || before.contains(&path) {
            own.insert(path.clone());
        }
        outcomes.push(Outcome { path, result });
    }
    // The program stays where it was put.
    let kept = places.path(Kind::Program, "git-bhfuil").or_else(|| places.own_program.clone());
    own.extend(kept.filter(|path| before.contains(path)));
    for path in before.difference(&own) {
        match remove_one(path) {
            // What has become somebody else's is no business of this program any more.
            Ok(None) | Err(Trouble::Foreign) => {}
            Ok(Some(state)) => outcomes.push(Outcome { path: path.clone(), result: Ok(state) }),
            Err(trouble) => outcomes.push(Outcome { path: path.clone(), result: Err(trouble) }),
        }
    }
    if let Some(list) = places.list() {
        let text = list_of(&own);
        // Who packages it keeps a list of their own.
        if let Err(trouble) = put_one(&list, text.as_bytes(), READ) {
            outcomes.push(Outcome { path: list, result: Err(trouble) });
        }
    }
    outcomes
}

/// Removes what was put where `parts` belong, and what is listed there. Blocks.
#[must_use]
pub fn take_away(parts: &[Part], places: &Places) -> Vec<Outcome> {
    let mut paths = listed(places);
    // The program may have come there in another way: it goes if the list has it.
    let texts = parts.iter().filter(|part| part.kind != Kind::Program);
    paths.extend(texts.filter_map(|part| places.path(part.kind, &part.file)));
    let mut outcomes = Vec::new();
    for path in paths {
        match remove_one(&path) {
            Ok(None) => {}
            Ok(Some(state)) => outcomes.push(Outcome { path, result: Ok(state) }),
            Err(trouble) => outcomes.push(Outcome { path, result: Err(trouble) }),
        }
    }
    let is_done = outcomes.iter().all(|outcome| outcome.result.is_ok());
    if let Some(list) = places.list().filter(|_| is_done) {
        match remove_one(&list) {
            Ok(_) | Err(Trouble::Foreign) => {}
            Err(trouble) => outcomes.push(Outcome { path: list.clone(), result: Err(trouble) }),
        }
        // Clones may lie there too: then it isn't empty, and stays.
        let _ = list.parent().map(std::fs::remove_dir);
    }
    outcomes
}

fn put_one(path: &Path, bytes: &[u8], mode: u32) -> Result<State, Trouble> {
    match look(path)? {
        There::Own(old) if old == bytes => return Ok(State::Unchanged),
        There::Nothing | There::Own(_) => {}
        There::Foreign(old) if old.as_deref() == Some(bytes) => return Ok(State::Unchanged),
        There::Foreign(_) => return Err(Trouble::Foreign),
    }
    files::put_blocking(path, bytes, mode).map_err(Trouble::Io)?;
    Ok(State::Written)
}

/// `None` if there is nothing to remove.
fn remove_one(path: &Path) -> Result<Option<State>, Trouble> {
    match look(path)? {
        There::Nothing => Ok(None),
        There::Foreign(_) => Err(Trouble::Foreign),
        There::Own(_) => {
            std::fs::remove_file(path).map_err(Trouble::Io)?;
            Ok(Some(State::Removed))
        }
    }
}

/// What lies at a path.
enum There {
    Nothing,
    /// A file that this program has put there, with what is in it.
    Own(Vec<u8>),
    /// Something else, with what is in it if that can be told.
    Foreign(Option<Vec<u8>>),
}

fn look(path: &Path) -> Result<There, Trouble> {
    let found = match path.symlink_metadata() {
        Ok(found) => found,
        Err(cause) if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(There::Nothing);
        }
        Err(cause) => return Err(Trouble::Io(cause)),
    };
    // A link is somebody's own way to have it there, whatever it leads to.
    if found.is_symlink() {
        return Ok(There::Foreign(std::fs::read(path).ok()));
    }
    if !found.is_file() {
        return Ok(There::Foreign(None));
    }
    let bytes = std::fs::read(path).map_err(Trouble::Io)?;
    let is_own = memchr::memmem::find(&bytes, MARK.as_bytes()).is_some();
    Ok(if is_own { There::Own(bytes) } else { There::Foreign(Some(bytes)) })
}

/// What is listed as put there before.
fn listed(places: &Places) -> BTreeSet<PathBuf> {
    let text = places.list().and_then(|list| std::fs::read(list).ok()).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().filter(|line| line.starts_with('/')).map(PathBuf::from).collect()
}

fn list_of(paths: &BTreeSet<PathBuf>) -> String {
    let mut text = format!("# {MARK}\n");
    for path in paths.iter().filter_map(|path| path.to_str()).filter(|path| !path.contains('\n')) {
        text.push_str(path);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
