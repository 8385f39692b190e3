//! The folder of all caches: what lies in it, what each file holds, and taking one out. Looking changes nothing, not even the time of
//! the last use, and makes no file newer. Whoever has a file open that is taken out goes on with it to the end: it has no name any
//! more, and what it is told after that nobody else will see.

use std::ffi::{OsStr, OsString};
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use super::aside::{self, parse_damaged};
use super::blocks::Content;
use super::database::{alone_with, is_damaged, is_forbidden, open_for_reading};
use super::schema::REPOSITORY;
use super::segments::numbers;
use super::state::{self, State};
use crate::error::Kind;

/// How long a look waits for a migration by another process.
const BUSY: Duration = Duration::from_secs(5);

/// Bytes of the numbers under which something is kept.
const NUMBER: usize = 4;

/// A file of the folder that is the cache of a repository, or was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheFile {
    /// The database.
    pub path: PathBuf,
    /// The number under which it was set aside; `None` for one in use.
    pub aside: Option<u32>,
    /// Bytes that it takes with its journals.
    pub bytes: u64,
    /// When a command last used it.
    pub used: SystemTime,
    /// The version of its schema.
    pub version: i32,
}

/// What a cache holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// The common directory of its repository; `None` of one that was just begun.
    pub common_dir: Option<PathBuf>,
    /// Commits in the graph.
    pub commits: u64,
    /// Commits whose bytes are kept.
    pub texts: u64,
    /// Commits whose patch-id is kept.
    pub patch_ids: u64,
    /// Commits whose changed paths are kept.
    pub changes: u64,
    /// Commits whose words are indexed.
    pub words: u64,
    /// Who follows the stream under a name.
    pub consumers: u64,
    /// When it was last brought in line with the refs, in seconds since 1970.
    pub indexed: Option<u64>,
}

/// Why a cache can't be looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// A newer version wrote it.
    Newer,
    /// It is no sound database.
    Damaged,
}

/// The caches in `folder` and what was set aside of them, by name. A file that isn't ours is left out. Blocks.
///
/// # Errors
/// If the folder can't be read; one that isn't there has nothing in it.
pub fn list(folder: &Path) -> anyhow::Result<Vec<CacheFile>> {
    let failed = |cause| Kind::Cache.wrap(cause, format!("reading the cache folder {}", folder.display()));
    let mut found = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        // One that is taken out meanwhile isn't there.
        found.extend(look_at(folder, &name));
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// The cache at `path`, if there is one, and what was set aside of it. Blocks.
///
/// # Errors
/// As those of [`list`].
pub fn of(path: &Path) -> anyhow::Result<Vec<CacheFile>> {
    let mut found = list(path.parent().unwrap_or(Path::new(".")))?;
    found.retain(|file| file.database() == path.file_name().unwrap_or_default());
    Ok(found)
}

fn look_at(folder: &Path, name: &OsStr) -> Option<CacheFile> {
    let (database, number) = match parse_damaged(name.as_bytes()) {
        Some((database, number)) => (database, Some(number)),
        None => (name.as_bytes(), None),
    };
    let is_ours = database.ends_with(b".db") && (number.is_some() || database != b"state.db");
    let path = folder.join(name);
    let file = is_ours.then(|| std::fs::metadata(&path).ok()).flatten().filter(std::fs::Metadata::is_file)?;
    // What was set aside may have lost its header; its name is ours alone.
    let version = match header(&path) {
        Some((application_id, version)) if application_id == REPOSITORY.application_id => version,
        _ if number.is_some() || is_named_by_us(database) => 0,
        _ => return None,
    };
    let sizes = aside::SUFFIXES.iter().filter_map(|suffix| std::fs::metadata(aside::with(&path, suffix)).ok());
    let used = file.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    Some(CacheFile { bytes: sizes.map(|file| file.len()).sum(), path, aside: number, used, version })
}

/// Whether it is a name as [`super::location::file`] makes them: `<name>-<16 digits>.db`.
fn is_named_by_us(name: &[u8]) -> bool {
    let stem = name.strip_suffix(b".db").unwrap_or_default();
    let hash = stem.iter().rposition(|&byte| byte == b'-').map_or(&[][..], |at| &stem[at + 1..]);
    hash.len() == 16 && hash.iter().all(u8::is_ascii_hexdigit)
}

/// `application_id` and `user_version` of a database (`SQLite` file format, offsets 68 and 60).
fn header(path: &Path) -> Option<(i32, i32)> {
    let mut header = [0; 72];
    std::fs::File::open(path).ok()?.read_exact(&mut header).ok()?;
    let number = |at: usize| header[at..].first_chunk().map_or(0, |bytes| i32::from_be_bytes(*bytes));
    header.starts_with(b"SQLite format 3\0").then(|| (number(68), number(60)))
}

impl CacheFile {
    /// The name of the database that it is, or was before it was set aside.
    #[must_use]
    pub fn database(&self) -> &OsStr {
        let name = self.path.file_name().unwrap_or_default().as_bytes();
        OsStr::from_bytes(parse_damaged(name).map_or(name, |(database, _)| database))
    }

    /// Whether it is still there.
    #[must_use]
    pub fn exists(&self) -> bool {
        std::fs::symlink_metadata(&self.path).is_ok()
    }

    /// What it holds, in whatever older version it is; or why that can't be said. Blocks.
    ///
    /// # Errors
    /// If it can't be read for another reason.
    pub fn contents(&self) -> anyhow::Result<Result<Contents, Closed>> {
        if usize::try_from(self.version).is_ok_and(|version| version > REPOSITORY.migrations.len()) {
            return Ok(Err(Closed::Newer));
        }
        let read = |reader: rusqlite::Result<Connection>| -> anyhow::Result<Contents> {
            let reader = reader?;
            reader.busy_timeout(BUSY)?;
            contents(&reader)
        };
        // Who may write sees what is in the log, too, however it got there.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let found = match read(Connection::open_with_flags(&self.path, flags)) {
            Err(cause) if is_forbidden(&cause) => read(open_for_reading(&self.path)),
            found => found,
        };
        match found {
            Ok(contents) => Ok(Ok(contents)),
            Err(cause) if is_damaged(&cause) => Ok(Err(Closed::Damaged)),
            Err(cause) => Err(Kind::Cache.wrap(cause, format!("reading the cache {}", self.path.display()))),
        }
    }

    /// Takes it out, with its journals, whoever uses it. Blocks.
    ///
    /// # Errors
    /// If it can't be removed.
    pub fn remove(&self) -> anyhow::Result<()> {
        let failed = |cause| Kind::Cache.wrap(cause, format!("removing the cache {}", self.path.display()));
        let _lock = aside::lock(&self.path).map_err(failed)?;
        take_out(&self.path).map_err(failed)
    }

    /// As [`Self::remove`], unless somebody has it open: then `false`. One that can't be opened nobody uses.
    ///
    /// # Errors
    /// As [`Self::remove`].
    pub fn remove_unused(&self) -> anyhow::Result<bool> {
        let failed = |cause| Kind::Cache.wrap(cause, format!("removing the cache {}", self.path.display()));
        let _lock = aside::lock(&self.path).map_err(failed)?;
        if !self.exists() {
            return Ok(true);
        }
        match alone_with(&self.path, |_| Ok(take_out(&self.path)?)) {
            Ok(done) => Ok(done.is_some()),
            Err(cause) if is_damaged(&cause) => take_out(&self.path).map(|()| true).map_err(failed),
            Err(cause) => Err(Kind::Cache.wrap(cause, format!("removing the cache {}", self.path.display()))),
        }
    }
}

/// Removes the file at `path` and its journals; the caller holds the lock of the folder. The database goes first: a log without one is
/// nothing, one without its log is damaged.
fn take_out(path: &Path) -> std::io::Result<()> {
    for suffix in aside::SUFFIXES {
        match std::fs::remove_file(aside::with(path, suffix)) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => return Err(cause),
            _ => {}
        }
    }
    Ok(())
}

/// What `SQLite` finds wrong with the file at `path` when it looks through it, whatever schema it has; `None` if nothing. Blocks for as long
/// as it takes to read it.
///
/// # Errors
/// If it can't be read for another reason.
pub fn complaint(path: &Path) -> anyhow::Result<Option<String>> {
    let read = |reader: rusqlite::Result<Connection>| -> anyhow::Result<Option<String>> {
        let reader = reader?;
        reader.busy_timeout(BUSY)?;
        let answer: String = reader.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        Ok(Some(answer).filter(|answer| answer != "ok"))
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let found = match read(Connection::open_with_flags(path, flags)) {
        Err(cause) if is_forbidden(&cause) => read(open_for_reading(path)),
        found => found,
    };
    match found {
        Err(cause) if is_damaged(&cause) => Ok(Some(crate::error::message_of(&cause))),
        other => other,
    }
}

/// Whether the list of caches in `folder` can be used: a newer version may have written it, or it is no database. `None` if there is none.
#[must_use]
pub fn list_state(folder: &Path) -> Option<Result<(), Closed>> {
    let path = folder.join("state.db");
    if std::fs::metadata(&path).ok()?.len() == 0 {
        return None;
    }
    Some(match header(&path) {
        Some((id, version)) if id == state::SCHEMA.application_id && version > state::SCHEMA.version() => {
            Err(Closed::Newer)
        }
        Some((id, _)) if id == state::SCHEMA.application_id => Ok(()),
        _ => Err(Closed::Damaged),
    })
}

/// The common directory of the repository whose cache `file` is, or was before it was set aside, by the list of the folder. Blocks.
#[must_use]
pub fn noted(folder: &Path, file: &CacheFile) -> Option<PathBuf> {
    let state = folder.join("state.db").exists().then(|| State::open(folder))?;
    state.ok()?.0.common_dir(Path::new(file.database())).ok()?
}

/// The file that says when the last sweep was begun, so that the list need not be opened to learn that none is due.
const SWEPT: &str = "swept";

/// How long ago the list must have been written for its stamp to tell every later change: no file system's clock takes longer for a tick.
const LONGEST_TICK: Duration = Duration::from_secs(2);

/// Whether [`begins_sweep`] may say yes. No only if one was begun less than `interval` seconds before `now`, as was read from the list
/// that still lies there unchanged: what it says counts, and not this note of it.
#[must_use]
pub fn may_begin_sweep(folder: &Path, now: i64, interval: i64) -> bool {
    let noted = std::fs::read_to_string(folder.join(SWEPT)).unwrap_or_default();
    let Some((begun, stamp)) = noted.split_once(' ') else { return true };
    let is_later = begun.parse().is_ok_and(|begun: i64| begun <= now && begun > now.saturating_sub(interval));
    !is_later || stamp_of(&folder.join("state.db")).is_none_or(|now| now != stamp)
}

/// What tells one state of the file at `list` from another; `None` if it isn't there.
fn stamp_of(list: &Path) -> Option<String> {
    let file = std::fs::metadata(list).ok()?;
    Some(format!("{} {} {}.{}", file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
}

/// Notes for [`may_begin_sweep`] that the `list` said at the time of `stamp` that a sweep was begun at `begun`. Without it nothing is wrong.
fn note_sweep(list: &Path, stamp: &str, begun: i64) {
    let is_settled = std::fs::metadata(list)
        .and_then(|file| file.modified())
        .is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age > LONGEST_TICK));
    if is_settled {
        let mut note = std::fs::OpenOptions::new();
        let note = note.write(true).create(true).truncate(true).mode(0o600).open(list.with_file_name(SWEPT));
        let _ = note.and_then(|mut file| {
            // One write: whoever reads half of it finds another stamp.
            file.write_all(format!("{begun} {stamp}").as_bytes())
        });
    }
}

/// Whether it is time to sweep `folder`: [`State::begins_sweep`], for next to nothing where it isn't. A folder without a list of caches has
/// nothing to be swept.
///
/// # Errors
/// If the list can't be read or written.
pub async fn begins_sweep(folder: &Path, now: i64, interval: i64) -> anyhow::Result<bool> {
    let list = folder.join("state.db");
    let begun = || -> rusqlite::Result<Option<i64>> {
        // Who may only read leaves a log behind that is none.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = Connection::open_with_flags(&list, flags)?;
        reader.query_row("SELECT begun_at FROM sweep", [], |row| row.get(0)).optional()
    };
    let Some(stamp) = stamp_of(&list) else { return Ok(false) };
    if let Some(begun) = begun().ok().flatten().filter(|begun| *begun <= now && *begun > now - interval) {
        note_sweep(&list, &stamp, begun);
        return Ok(false);
    }
    State::open(folder)?.0.begins_sweep(now, interval).await
}

/// Brings the list of caches in `folder` in line with what lies there.
///
/// # Errors
/// If it can't be written.
pub async fn forget_missing(folder: &Path) -> anyhow::Result<()> {
    if !folder.join("state.db").exists() {
        return Ok(());
    }
    State::open(folder)?.0.forget_missing().await
}

fn contents(reader: &Connection) -> anyhow::Result<Contents> {
    let tables = reader.unchecked_transaction()?;
    let has = |name: &str| -> rusqlite::Result<bool> {
        tables.query_row("SELECT count(*) > 0 FROM sqlite_schema WHERE name = ?1", [name], |row| row.get(0))
    };
    let number = |table: &str, query: &str| -> anyhow::Result<u64> {
        if !has(table)? {
            return Ok(0);
        }
        Ok(u64::try_from(tables.query_row(query, [], |row| row.get::<_, i64>(0))?)?)
    };
    if !has("repository")? {
        return Ok(Contents::default());
    }
    let common_dir: Option<Vec<u8>> =
        tables.query_row("SELECT common_dir FROM repository", [], |row| row.get(0)).optional()?;
    let [texts, changes] = if has("piece")? {
        [numbers(&tables, Content::Texts)?, numbers(&tables, Content::Changes)?]
    } else {
        // As versions before the eighth kept them.
        let mut statement = tables.prepare("SELECT texts FROM segment")?;
        let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
        [rows.collect::<Result<Vec<_>, _>>()?.concat(), Vec::new()]
    };
    let kept =
        |numbers: Vec<u8>| numbers.chunks_exact(NUMBER).filter(|number| *number != [0xff; NUMBER]).count() as u64;
    Ok(Contents {
        common_dir: common_dir.map(|bytes| PathBuf::from(OsString::from_vec(bytes))),
        commits: number("segment", "SELECT coalesce(sum(count), 0) FROM segment")?,
        texts: kept(texts),
        changes: kept(changes),
        patch_ids: number("patch", "SELECT count(*) FROM patch")?,
        words: number("worded", "SELECT coalesce(max(end), 0) FROM worded")?,
        consumers: number("consumer", "SELECT count(*) FROM consumer")?,
        indexed: Some(number("snapshot", "SELECT coalesce(max(taken_at), 0) FROM snapshot")?).filter(|at| *at > 0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{Cache, location};

    fn one(path: &Path) -> Option<CacheFile> {
        look_at(path.parent()?, path.file_name()?)
    }

    fn cache(folder: &Path, repository: &str) -> (Cache, PathBuf) {
        let path = location::file(folder, repository.trim_start_matches('/'), Path::new(repository));
        (Cache::open(&path, Path::new(repository), 20).expect("opens").0, path)
    }

    #[test]
    fn caches_are_told_from_whatever_else_lies_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let (open, path) = cache(folder.path(), "/nova");
        drop(open);
        for other in ["notes.txt", "mine.db", "nova-0123.db", "cafe-0123456789abcdeg.db"] {
            std::fs::write(folder.path().join(other), [b'x'; 100]).expect("writes");
        }
        Connection::open(folder.path().join("foreign.db"))
            .expect("opens")
            .execute_batch("CREATE TABLE t (x)")
            .expect("x");
        let broken = folder.path().join("cafe-0123456789abcdef.db");
        let damaged = aside::with(&path, ".damaged-4");
        for file in [&broken, &damaged] {
            std::fs::write(file, [b'x'; 100]).expect("writes");
        }
        let found = list(folder.path()).expect("lists");
        let listed: Vec<_> = found.iter().map(|file| (file.path.clone(), file.aside)).collect();
        assert_eq!(listed, [(broken, None), (path.clone(), None), (damaged, Some(4))]);
        assert_eq!(found[0].contents().expect("reads"), Err(Closed::Damaged));
        let contents = Contents { common_dir: Some("/nova".into()), ..Contents::default() };
        assert_eq!(one(&path).expect("is there").contents().expect("reads"), Ok(contents));
        assert_eq!(list(&folder.path().join("nowhere")).expect("lists"), []);
    }

    #[test]
    fn a_look_neither_uses_nor_migrates_a_cache() {
        use crate::cache::database::{Database, Schema};
        for version in 1..=REPOSITORY.migrations.len() {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("old-0123456789abcdef.db");
            let schema = Schema { migrations: &REPOSITORY.migrations[..version], ..REPOSITORY };
            let old = Database::open(&path, schema).expect("opens");
            let row = "INSERT INTO repository VALUES (1, x'2f', 'sha1', 0)";
            smol::block_on(old.write(move |change| Ok(change.execute(row, [])?))).expect("writes");
            drop(old);
            let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
            std::fs::File::options()
                .append(true)
                .open(&path)
                .and_then(|file| file.set_modified(long_ago))
                .expect("set");
            let before = std::fs::read(&path).expect("reads");
            let file = one(&path).expect("is there");
            assert_eq!(i32::try_from(version), Ok(file.version));
            assert_eq!(file.contents().expect("reads").expect("open").common_dir, Some("/".into()));
            assert_eq!(one(&path).map(|file| file.used), Some(long_ago));
            assert_eq!(std::fs::read(&path).expect("reads"), before);
        }
        let folder = tempfile::tempdir().expect("a folder");
        let (open, path) = cache(folder.path(), "/nova");
        drop(open);
        Connection::open(&path).expect("opens").pragma_update(None, "user_version", 99).expect("sets");
        assert_eq!(one(&path).expect("is there").contents().expect("reads"), Err(Closed::Newer));
    }

    #[test]
    fn one_that_is_open_is_not_taken_for_unused() {
        let folder = tempfile::tempdir().expect("a folder");
        let (open, path) = cache(folder.path(), "/nova");
        let file = one(&path).expect("is there");
        assert!(!file.remove_unused().expect("looks"));
        assert!(open.consumer("x").is_ok() && path.exists());
        drop(open);
        // Only looked at, it is as it was.
        assert_eq!(alone_with(&path, |_| Ok(7)).expect("looks"), Some(7));
        let (open, _) = cache(folder.path(), "/nova");
        assert!(!file.remove_unused().expect("looks"));
        drop(open);
        assert!(file.remove_unused().expect("removes"));
        assert_eq!(list(folder.path()).expect("lists"), []);
        let left: Vec<_> =
            std::fs::read_dir(folder.path()).expect("lists").map(|it| it.expect("it").file_name()).collect();
        assert!(left.iter().all(|name| !name.to_string_lossy().starts_with("nova")), "{left:?}");
    }

    #[test]
    fn while_no_sweep_is_due_the_list_is_not_opened() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, list) = (folder.path(), folder.path().join("state.db"));
        let begins =
            |now| may_begin_sweep(path, now, 100) && smol::block_on(begins_sweep(path, now, 100)).expect("asks");
        let settle = || {
            let file = std::fs::File::options().append(true).open(&list).expect("opens");
            file.set_modified(SystemTime::now() - 3 * LONGEST_TICK).expect("sets");
        };
        assert!(!begins(1000), "there is no list");
        drop(State::open(path).expect("opens"));
        assert!(!begins(1000), "the interval begins");
        // The file system's clock may not have ticked since: what is written to the list now would not show.
        assert!(!begins(1001) && may_begin_sweep(path, 1001, 100));
        settle();
        assert!(!begins(1002) && !may_begin_sweep(path, 1002, 100));
        // As long as that holds nobody looks into it.
        let (sound, seen) = (std::fs::read(&list).expect("reads"), list.metadata().expect("is there"));
        std::fs::write(&list, vec![b'x'; sound.len()]).expect("writes");
        let file = std::fs::File::options().append(true).open(&list).expect("opens");
        file.set_modified(seen.modified().expect("a time")).expect("sets");
        assert!(!begins(1099));
        std::fs::write(&list, &sound).expect("writes");
        assert!(may_begin_sweep(path, 1099, 100), "it has changed");
        settle();
        assert!(!begins(1099) && !may_begin_sweep(path, 1099, 100));
        assert!(may_begin_sweep(path, 999, 100), "the clock was wrong");
        assert!(begins(1100) && !begins(1101));
    }
}
