//! `git bhfuil complete`: what may be typed next, with the live values that fit. It is asked while somebody types: it takes no lock, makes no
//! file, waits for no server, and of what can't be read it offers nothing.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::cli::completion::{self, Completion, Live, Word};
use crate::config::View;
use crate::scan;
use crate::upkeep;

/// The most words that are printed: who is offered more chooses none of them.
const MOST: usize = 5000;

/// Prints what fits, and returns the exit code: `<word>\t<what it means>` a line. A line of nothing but `:files` or `:folders` says that the
/// shell's own files or folders fit as well, behind the second word of that line.
pub(super) async fn run(words: &[OsString], dir: PathBuf) -> u8 {
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let asked = completion::complete(&words);
    let dir = asked.dir.as_ref().map_or(dir.clone(), |inner| dir.join(inner));
    let mut out = Vec::new();
    for word in &asked.words {
        write(word, &mut out);
    }
    if let Some(live) = asked.live {
        let found = look_up(live, &dir, &asked).await.unwrap_or_default();
        let fitting = found.into_iter().filter(|word| word.text.starts_with(&asked.typed)).take(MOST);
        for word in fitting {
            write(&Word { text: format!("{}{}", asked.stem, word.text), ..word }, &mut out);
        }
        let places = match live {
            Live::Files => Some(":files"),
            Live::Folders | Live::RepositoriesAndFolders => Some(":folders"),
            _ => None,
        };
        if let Some(places) = places {
            let _ = writeln!(out, "{places}\t{}", asked.stem);
        }
    }
    super::printed(out)
}

/// A word that could be taken for two, or for a command to the terminal, is left out.
fn write(word: &Word, out: &mut Vec<u8>) {
    if !word.text.is_empty() && !word.text.chars().any(|letter| letter.is_control() || letter == ' ') {
        let meaning: String =
            word.meaning.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        let _ = writeln!(out, "{}\t{meaning}", word.text);
    }
}

async fn look_up(live: Live, dir: &Path, asked: &Completion) -> anyhow::Result<Vec<Word>> {
    match live {
        Live::Refs => refs(dir, &asked.typed, |_| true).await,
        Live::Branches => {
            let is_branch = |name: &[u8]| name.starts_with(b"refs/heads/") || name.starts_with(b"refs/remotes/");
            refs(dir, &asked.typed, is_branch).await
        }
        Live::Repositories | Live::RepositoriesAndFolders => repositories().await,
        Live::Groups => groups().await,
        Live::Tasks => tasks().await,
        Live::Keys => keys(&asked.typed).await,
        Live::Files | Live::Folders => Ok(Vec::new()),
    }
}

/// Refs by their short names; by their full ones once that is how one begins.
async fn refs(dir: &Path, typed: &str, is_wanted: impl Fn(&[u8]) -> bool) -> anyhow::Result<Vec<Word>> {
    let names = scan::ref_names(dir).await?;
    let is_full = typed.starts_with("refs/");
    let shown = |name: &[u8]| {
        let kind = match name {
            [b'r', b'e', b'f', b's', b'/', b'h', ..] => "branch",
            name if name.starts_with(b"refs/remotes/") => "remote branch",
            name if name.starts_with(b"refs/tags/") => "tag",
            _ => "ref",
        };
        let text = if is_full { name } else { scan::short_name(name) };
        Some(Word { text: std::str::from_utf8(text).ok()?.to_owned(), meaning: kind.to_owned() })
    };
    let head = (!is_full && is_wanted(b"HEAD"))
        .then(|| Word { text: "HEAD".to_owned(), meaning: "what is checked out".to_owned() });
    let all = names.iter().filter(|name| is_wanted(name)).filter_map(|name| shown(name));
    Ok(head.into_iter().chain(all.filter(|word| word.text.starts_with(typed)).take(MOST)).collect())
}

async fn repositories() -> anyhow::Result<Vec<Word>> {
    let listing = super::repo::registry()?.read().await?;
    let word = |entry: &crate::repos::Entry| {
        let place = entry.path.as_ref().map(|path| path.display().to_string()).or_else(|| entry.url.clone());
        Word { text: entry.name.clone(), meaning: place.unwrap_or_default() }
    };
    Ok(listing.entries().iter().map(word).collect())
}

async fn groups() -> anyhow::Result<Vec<Word>> {
    let listing = super::repo::registry()?.read().await?;
    let names: BTreeSet<&String> = listing.entries().iter().flat_map(|entry| &entry.groups).collect();
    Ok(names.into_iter().map(|name| Word { text: name.clone(), meaning: String::new() }).collect())
}

/// Tasks, where there ever was one.
async fn tasks() -> anyhow::Result<Vec<Word>> {
    if !upkeep::folder()?.join("state.db").exists() {
        return Ok(Vec::new());
    }
    let all = super::task::ledger().await?.list().await?;
    let word = |record: &crate::tasks::Record| Word {
        text: record.id.to_string(),
        meaning: format!("{} {}", record.kind, record.about).trim_end().to_owned(),
    };
    Ok(all.iter().rev().map(word).collect())
}

/// Settings, with the section or without it, as one begins.
async fn keys(typed: &str) -> anyhow::Result<Vec<Word>> {
    let registered = repositories().await.unwrap_or_default();
    let view = smol::unblock(|| View::read_blocking(None, &|name| std::env::var_os(name))).await;
    let mut trackers = BTreeSet::new();
    if let Ok(view) = &view {
        trackers.extend(view.holding(None).into_iter().filter_map(|value| value.name.tracker));
    }
    let names: Vec<&str> = registered.iter().map(|word| word.text.as_str()).collect();
    let trackers: Vec<&str> = trackers.iter().map(String::as_str).collect();
    let words = completion::keys(&names, &trackers);
    if typed.is_empty() || typed.starts_with('b') {
        return Ok(words);
    }
    let bare = |word: Word| Word { text: word.text.trim_start_matches("bhfuil.").to_owned(), ..word };
    Ok(words.into_iter().map(bare).collect())
}
