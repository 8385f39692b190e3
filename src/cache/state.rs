//! `state.db`: what belongs to no single repository. Which file is the cache of which repository, so that caches whose repository is gone
//! can be told from the others; when was swept; background tasks (`tasks`); the [`history`] of operations; and what servers have said
//! ([`answers`]).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use rusqlite::{OptionalExtension as _, params};

use super::answers;
use super::aside::set_aside;
use super::database::{Database, Schema, is_damaged, quick_check};
use super::history;
use super::repository::now;

/// Marks the file: "bhst" in the header's `application_id`.
pub(super) const SCHEMA: Schema = Schema {
    application_id: 0x6268_7374,
    migrations: &[V1, V2, super::tasks::TABLE, history::TABLES, answers::TABLES],
};

const V1: &str = "
-- The caches in this folder: a file beside this one, and the common directory of the repository that it is about.
CREATE TABLE cache (
  file BLOB PRIMARY KEY,
  common_dir BLOB NOT NULL,
  made_at INTEGER NOT NULL
) WITHOUT ROWID;
";

const V2: &str = "
-- When what is kept was last looked through by itself, in seconds since 1970.
CREATE TABLE sweep (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  begun_at INTEGER NOT NULL
);
";

/// When a sweep is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// There was none yet.
    First,
    Now,
    Later,
}

/// The open database.
#[derive(Debug)]
pub struct State {
    database: Database,
}

impl State {
    /// Opens `state.db` in `folder`, making it if need be. One that is damaged is set aside and begun anew; the second value then says
    /// where the old one is.
    ///
    /// # Errors
    /// If a newer version wrote it, or it can't be opened.
    pub fn open(folder: &Path) -> anyhow::Result<(Self, Option<PathBuf>)> {
        let path = folder.join("state.db");
        let open = || -> anyhow::Result<Self> { Ok(Self { database: Database::open(&path, SCHEMA)? }) };
        let checked = open().and_then(|state| state.database.read(quick_check).map(|()| state));
        match checked {
            Err(cause) if is_damaged(&cause) => {
                let aside = set_aside(&path, SCHEMA, quick_check)?;
                Ok((open()?, aside))
            }
            other => Ok((other?, None)),
        }
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    /// Notes that `file` is the cache of the repository at `common_dir`.
    ///
    /// # Errors
    /// If it can't be written.
    pub async fn note_cache(&self, file: &Path, common_dir: &Path) -> anyhow::Result<()> {
        let file = file.file_name().unwrap_or_default().as_bytes().to_vec();
        let common_dir = common_dir.as_os_str().as_bytes().to_vec();
        let note = move |transaction: &rusqlite::Transaction<'_>| {
            transaction
                .execute("INSERT OR REPLACE INTO cache VALUES (?1, ?2, ?3)", params![file, common_dir, now()])?;
            Ok(())
        };
        self.database.write(note).await
    }

    /// Whether the last sweep of the folder was begun `interval` seconds ago or more; then one is noted as begun now, so that of several
    /// processes one alone is told so. Where none was begun yet the interval begins now. A time that is still to come is one of a clock
    /// that was wrong.
    ///
    /// # Errors
    /// If it can't be read or written.
    pub async fn begins_sweep(&self, now: i64, interval: i64) -> anyhow::Result<bool> {
        let is_due = move |reader: &rusqlite::Connection| -> anyhow::Result<Due> {
            let begun = reader.query_row("SELECT begun_at FROM sweep", [], |row| row.get::<_, i64>(0)).optional()?;
            Ok(begun
                .map_or(Due::First, |begun| if begun > now || begun <= now - interval { Due::Now } else { Due::Later }))
        };
        if self.database.read(is_due)? == Due::Later {
            return Ok(false);
        }
        let begin = move |transaction: &rusqlite::Transaction<'_>| {
            let due = is_due(transaction)?;
            if due != Due::Later {
                transaction.execute("INSERT OR REPLACE INTO sweep VALUES (1, ?1)", [now])?;
            }
            Ok(due == Due::Now)
        };
        self.database.write(begin).await
    }

    /// Forgets the caches whose files are not in the folder.
    ///
    /// # Errors
    /// If it can't be read or written.
    pub async fn forget_missing(&self) -> anyhow::Result<()> {
        let folder = self.database.path().parent().unwrap_or(Path::new(".")).to_owned();
        let missing: Vec<Vec<u8>> = self.database.read(|reader| {
            let mut statement = reader.prepare("SELECT file FROM cache")?;
            let files = statement.query_map([], |row| row.get::<_, Vec<u8>>(0))?.collect::<Result<Vec<_>, _>>()?;
            Ok(files.into_iter().filter(|file| !folder.join(OsStr::from_bytes(file)).exists()).collect())
        })?;
        if missing.is_empty() {
            return Ok(());
        }
        let forget = move |transaction: &rusqlite::Transaction<'_>| {
            let mut delete = transaction.prepare("DELETE FROM cache WHERE file = ?1")?;
            for file in missing {
                delete.execute([file])?;
            }
            Ok(())
        };
        self.database.write(forget).await
    }

    /// The common directory of the repository whose cache `file` was, as it was noted.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn common_dir(&self, file: &Path) -> anyhow::Result<Option<PathBuf>> {
        let file = file.file_name().unwrap_or_default().as_bytes();
        self.database.read(|reader| {
            let noted = "SELECT common_dir FROM cache WHERE file = ?1";
            let bytes: Option<Vec<u8>> = reader.query_row(noted, [file], |row| row.get(0)).optional()?;
            Ok(bytes.map(|bytes| PathBuf::from(OsString::from_vec(bytes))))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sweep_is_begun_in_each_interval() {
        let folder = tempfile::tempdir().expect("a folder");
        let (state, _) = State::open(folder.path()).expect("opens");
        let begins = |now| smol::block_on(state.begins_sweep(now, 100)).expect("answers");
        assert_eq!([1000, 1000, 1099, 1100, 1101].map(begins), [false, false, false, true, false]);
        assert!(begins(50), "the clock was wrong before");
        drop(state);
        let (state, _) = State::open(folder.path()).expect("opens");
        assert!(!smol::block_on(state.begins_sweep(149, 100)).expect("answers"), "others know");
    }

    #[test]
    fn caches_that_are_gone_are_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let (state, _) = State::open(folder.path()).expect("opens");
        let (here, gone) = (folder.path().join("here-1.db"), folder.path().join("gone-1.db"));
        std::fs::write(&here, "").expect("writes");
        smol::block_on(async {
            for file in [&here, &gone] {
                state.note_cache(file, Path::new("/srv/nova")).await.expect("notes");
            }
            state.forget_missing().await.expect("forgets");
        });
        let noted = |file: &Path| state.common_dir(file).expect("reads");
        assert_eq!((noted(&here), noted(&gone)), (Some(PathBuf::from("/srv/nova")), None));
    }

    #[test]
    fn a_list_of_every_older_version_is_brought_up_to_date() {
        for version in 1..SCHEMA.migrations.len() {
            let folder = tempfile::tempdir().expect("a folder");
            let old = Schema { migrations: &SCHEMA.migrations[..version], ..SCHEMA };
            let old = Database::open(&folder.path().join("state.db"), old).expect("opens");
            let row = "INSERT INTO cache VALUES (x'41', x'2f', 0)";
            smol::block_on(old.write(move |change| Ok(change.execute(row, [])?))).expect("writes");
            drop(old);
            let (state, aside) = State::open(folder.path()).expect("opens");
            assert_eq!(aside, None);
            assert_eq!(state.common_dir(Path::new("A")).expect("reads"), Some(PathBuf::from("/")));
            assert!(!smol::block_on(state.begins_sweep(7, 1)).expect("answers"));
            assert!(smol::block_on(state.begins_sweep(8, 1)).expect("answers"));
            assert_eq!(state.tasks(crate::cache::tasks::Which::All).expect("reads"), []);
        }
    }

    #[test]
    fn a_cache_is_noted_once_with_its_repository() {
        let folder = tempfile::tempdir().expect("a folder");
        let (state, aside) = State::open(folder.path()).expect("opens");
        assert_eq!(aside, None);
        smol::block_on(async {
            for _ in 0..2 {
                state.note_cache(&folder.path().join("nova-1.db"), Path::new("/srv/nova")).await.expect("notes");
            }
        });
        let noted = |state: &State| -> Vec<(Vec<u8>, Vec<u8>)> {
            let read = state.database.read(|reader| {
                let mut statement = reader.prepare("SELECT file, common_dir FROM cache")?;
                let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
                Ok(rows.collect::<Result<_, _>>()?)
            });
            read.expect("reads")
        };
        assert_eq!(noted(&state), [(b"nova-1.db".to_vec(), b"/srv/nova".to_vec())]);
        drop(state);
        std::fs::write(folder.path().join("state.db"), [b'x'; 9000]).expect("writes");
        let (state, aside) = State::open(folder.path()).expect("opens");
        assert_eq!(aside, Some(folder.path().join("state.db.damaged-1")));
        assert_eq!(noted(&state), []);
    }
}
