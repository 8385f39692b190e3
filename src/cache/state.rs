//! `state.db`: what belongs to no single repository. For now which file is the cache of which repository, so that caches whose
//! repository is gone can be told from the others.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rusqlite::params;

use super::aside::set_aside;
use super::database::{Database, Schema, is_damaged, quick_check};
use super::repository::now;

/// Marks the file: "bhst" in the header's `application_id`.
const SCHEMA: Schema = Schema { application_id: 0x6268_7374, migrations: &[V1] };

const V1: &str = "
-- The caches in this folder: a file beside this one, and the common directory of the repository that it is about.
CREATE TABLE cache (
  file BLOB PRIMARY KEY,
  common_dir BLOB NOT NULL,
  made_at INTEGER NOT NULL
) WITHOUT ROWID;
";

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
}

#[cfg(test)]
mod tests {
    use super::*;

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
