//! The cache of one repository: its graph, and the refs as the last complete pass saw them.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::database::{Database, is_damaged};
use super::schema::REPOSITORY;
use super::state::State;
use super::texts::{self, TextBlock};
use crate::error::Kind;
use crate::facts::Oid;
use crate::graph::{Graph, Segment};

/// More segments than this are joined into one when the next is stored.
const SEGMENTS: i64 = 16;

/// An open cache. Clones share it.
#[derive(Debug, Clone)]
pub struct Cache {
    database: std::sync::Arc<Database>,
    hash_len: usize,
}

/// One ref in a snapshot: name, id, commit behind it.
pub type SnapshotRef = (Vec<u8>, Oid, Option<Oid>);

/// What a complete pass found, to be stored at once.
#[derive(Debug, Clone)]
pub struct Pass {
    /// The state of shallow, replaced and grafted commits that the graph was made under.
    pub overlay: i64,
    /// How many commits the graph had before.
    pub base: usize,
    /// What was appended, if anything.
    pub segment: Option<Segment>,
    /// The bytes of the commits that were appended.
    pub texts: Vec<TextBlock>,
    /// The usual refs.
    pub refs: Vec<SnapshotRef>,
}

/// What the cache knows of a repository.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The commits indexed so far.
    pub graph: Graph,
    /// The digest of the refs at the last complete pass; `None` if there was none.
    pub digest: Option<i64>,
}

impl Cache {
    /// Opens the cache at `path` for the repository at `common_dir`. A file that is damaged, or about another repository, is set
    /// aside (renamed, kept) and a new one begun; the second value then says where the old one is.
    ///
    /// # Errors
    /// If a newer version wrote it, or it can't be opened.
    pub fn open(path: &Path, common_dir: &Path, hash_len: usize) -> anyhow::Result<(Self, Option<PathBuf>)> {
        match Self::open_sound(path, common_dir, hash_len) {
            Err(cause) if is_damaged(&cause) => {
                let aside = Self::set_aside(path)?;
                Ok((Self::open_sound(path, common_dir, hash_len)?, aside))
            }
            other => Ok((other?, None)),
        }
    }

    fn open_sound(path: &Path, common_dir: &Path, hash_len: usize) -> anyhow::Result<Self> {
        use std::os::unix::ffi::OsStrExt as _;
        let database = Database::open(path, REPOSITORY)?;
        let cache = Self { database: std::sync::Arc::new(database), hash_len };
        let format = if hash_len == crate::facts::oid::SHA1_LEN { "sha1" } else { "sha256" };
        let known: Option<String> = cache.database.read(|reader| {
            Ok(reader.query_row("SELECT object_format FROM repository", [], |row| row.get(0)).optional()?)
        })?;
        if known.as_deref() != Some(format) {
            // Without the note nothing is wrong: it only helps to clean up one day.
            let state = path.parent().map(State::open);
            if let Some(Ok(state)) = state {
                let _ = smol::block_on(state.note_cache(path, common_dir));
            }
            // First use, or the repository was made anew in another format at the same place: nothing of it can be used.
            let common_dir = common_dir.as_os_str().as_bytes().to_vec();
            smol::block_on(cache.database.write(move |transaction| {
                forget(transaction)?;
                transaction.execute("DELETE FROM repository", [])?;
                transaction.execute("INSERT INTO repository VALUES (1, ?1, ?2, 0)", params![common_dir, format])?;
                Ok(())
            }))?;
        }
        Ok(cache)
    }

    /// Renames a damaged file and its journals so that a new one can be begun. `None` if another process has just done so.
    ///
    /// # Errors
    /// If it can't be renamed.
    pub fn set_aside(path: &Path) -> anyhow::Result<Option<PathBuf>> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let with = |path: &Path, suffix: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        let lock_path = with(path, ".lock");
        let describe = || format!("setting the damaged cache {} aside", path.display());
        let lock = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(&lock_path);
        let lock = lock.map_err(|cause| Kind::Cache.wrap(cause, describe()))?;
        lock.lock().map_err(|cause| Kind::Cache.wrap(cause, describe()))?;
        // Whoever held the lock before may have replaced the file already.
        match Database::open(path, REPOSITORY).and_then(|database| database.read(integrity)) {
            Ok(()) => return Ok(None),
            Err(cause) if is_damaged(&cause) => {}
            Err(cause) => return Err(cause),
        }
        let aside =
            (1..=u32::MAX).map(|number| with(path, &format!(".damaged-{number}"))).find(|aside| !aside.exists());
        let aside = aside.ok_or_else(|| Kind::Cache.error(describe()))?;
        for suffix in ["", "-wal", "-shm"] {
            match std::fs::rename(with(path, suffix), with(&aside, suffix)) {
                Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Kind::Cache.wrap(cause, describe()));
                }
                _ => {}
            }
        }
        Ok(Some(aside))
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.database.path()
    }

    /// The length of an id in bytes.
    pub(super) fn hash_len(&self) -> usize {
        self.hash_len
    }

    /// The database, for queries by other table families.
    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    /// Reads the graph and the digest of the refs in one transaction. Blocks. A graph that was made under another `overlay` is
    /// not returned: its parents no longer hold.
    ///
    /// # Errors
    /// If the cache can't be read; [`is_damaged`] tells whether it should be set aside.
    pub fn snapshot(&self, overlay: i64) -> anyhow::Result<Snapshot> {
        self.database.read(|reader| {
            let known: i64 = reader.query_row("SELECT overlay FROM repository", [], |row| row.get(0))?;
            if known != overlay {
                return Ok(Snapshot::default());
            }
            let graph = read_graph(reader, self.hash_len)?;
            let digest = reader.query_row("SELECT digest FROM snapshot", [], |row| row.get(0)).optional()?;
            Ok(Snapshot { graph, digest })
        })
    }

    /// Stores a complete pass in one transaction. If another process has extended the graph meanwhile, nothing is stored and
    /// `false` returned: what it stored serves as well, and the next run adds what is left.
    ///
    /// # Errors
    /// If the cache can't be written.
    pub async fn store(&self, pass: Pass) -> anyhow::Result<bool> {
        let hash_len = self.hash_len;
        self.database.write(move |transaction| store(transaction, pass, hash_len)).await
    }
}

/// A number that changes when a ref is added, moved or deleted.
#[must_use]
pub fn digest<'a>(refs: impl IntoIterator<Item = (&'a [u8], &'a Oid)>) -> i64 {
    let mut hasher = DefaultHasher::new();
    for (name, id) in refs {
        (name, id.as_bytes()).hash(&mut hasher);
    }
    hasher.finish().cast_signed()
}

fn integrity(reader: &Connection) -> anyhow::Result<()> {
    let answer: String = reader.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    anyhow::ensure!(answer == "ok", crate::graph::Damaged);
    let format: Option<String> =
        reader.query_row("SELECT object_format FROM repository", [], |row| row.get(0)).optional()?;
    if let Some(format) = format {
        read_graph(reader, if format == "sha1" { 20 } else { 32 })?;
    }
    Ok(())
}

fn forget(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(
        "DELETE FROM segment; DELETE FROM text; DELETE FROM snapshot; DELETE FROM ref;
         DELETE FROM filed; DELETE FROM posting; DELETE FROM patch;",
    )?;
    super::words::forget(transaction)
}

fn read_graph(reader: &Connection, hash_len: usize) -> anyhow::Result<Graph> {
    let mut graph = Graph::default();
    let mut statement =
        reader.prepare("SELECT first, ids, times, edges, parents, by_id, texts, sum FROM segment ORDER BY first")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let first: i64 = row.get(0)?;
        anyhow::ensure!(usize::try_from(first) == Ok(graph.len()), crate::graph::Damaged);
        let segment = Segment {
            ids: row.get_ref(1)?.as_blob()?,
            times: row.get_ref(2)?.as_blob()?,
            edges: row.get_ref(3)?.as_blob()?,
            parents: row.get_ref(4)?.as_blob()?,
            by_id: row.get_ref(5)?.as_blob()?,
        };
        anyhow::ensure!(sum_of(&segment, row.get_ref(6)?.as_blob()?) == row.get::<_, u32>(7)?, crate::graph::Damaged);
        graph.extend(&segment, hash_len)?;
    }
    Ok(graph)
}

fn store(transaction: &Transaction<'_>, pass: Pass, hash_len: usize) -> anyhow::Result<bool> {
    let known: i64 = transaction.query_row("SELECT overlay FROM repository", [], |row| row.get(0))?;
    if known != pass.overlay {
        forget(transaction)?;
        transaction.execute("UPDATE repository SET overlay = ?1", [pass.overlay])?;
    }
    let end: i64 =
        transaction.query_row("SELECT coalesce(max(first + count), 0) FROM segment", [], |row| row.get(0))?;
    if usize::try_from(end) != Ok(pass.base) {
        return Ok(false);
    }
    if let Some(segment) = pass.segment {
        let ids: Vec<&[u8]> = segment.ids.chunks_exact(hash_len).collect();
        let numbers = texts::store(transaction, &pass.texts, &ids)?;
        insert(transaction, pass.base, &segment, &numbers)?;
        let count: i64 = transaction.query_row("SELECT count(*) FROM segment", [], |row| row.get(0))?;
        if count > SEGMENTS {
            join(transaction, hash_len)?;
        }
    }
    store_refs(transaction, &pass.refs)?;
    Ok(true)
}

/// Makes one segment of all.
fn join(transaction: &Transaction<'_>, hash_len: usize) -> anyhow::Result<()> {
    let joined = read_graph(transaction, hash_len)?.joined();
    let mut numbers: Vec<u8> = Vec::new();
    {
        let mut statement = transaction.prepare("SELECT texts FROM segment ORDER BY first")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            numbers.extend_from_slice(row.get_ref(0)?.as_blob()?);
        }
    }
    transaction.execute("DELETE FROM segment", [])?;
    insert(transaction, 0, &joined, &numbers)
}

fn insert(transaction: &Transaction<'_>, first: usize, segment: &Segment, texts: &[u8]) -> anyhow::Result<()> {
    let count = i64::try_from(segment.times.len() / 8)?;
    let first = i64::try_from(first)?;
    transaction.execute(
        "INSERT INTO segment VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            first,
            count,
            segment.ids,
            segment.times,
            segment.edges,
            segment.parents,
            segment.by_id,
            texts,
            sum_of(segment, texts)
        ],
    )?;
    Ok(())
}

/// The checksum of a segment: `SQLite` notices damage to its own pages' structure, not to what stands in them.
fn sum_of<B: AsRef<[u8]>>(segment: &Segment<B>, texts: &[u8]) -> u32 {
    let Segment { ids, times, edges, parents, by_id } = segment;
    let mut hasher = crc32fast::Hasher::new();
    for array in [ids, times, edges, parents, by_id] {
        hasher.update(array.as_ref());
    }
    hasher.update(texts);
    hasher.finalize()
}

/// Brings the stored refs to `refs`, writing only what differs.
fn store_refs(transaction: &Transaction<'_>, refs: &[SnapshotRef]) -> anyhow::Result<()> {
    let mut old = HashMap::<Vec<u8>, (Vec<u8>, Option<Vec<u8>>)>::new();
    {
        let mut statement = transaction.prepare("SELECT name, id, commit_id FROM ref")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            old.insert(row.get(0)?, (row.get(1)?, row.get(2)?));
        }
    }
    let mut put = transaction.prepare("INSERT OR REPLACE INTO ref VALUES (?1, ?2, ?3)")?;
    for (name, id, commit) in refs {
        let same = old.remove(name).is_some_and(|(old_id, old_commit)| {
            old_id == id.as_bytes() && old_commit.as_deref() == commit.as_ref().map(Oid::as_bytes)
        });
        if !same {
            put.execute(params![name, id.as_bytes(), commit.as_ref().map(Oid::as_bytes)])?;
        }
    }
    let mut delete = transaction.prepare("DELETE FROM ref WHERE name = ?1")?;
    for name in old.keys() {
        delete.execute([name])?;
    }
    let digest = digest(refs.iter().map(|(name, id, _)| (name.as_slice(), id)));
    transaction.execute("INSERT OR REPLACE INTO snapshot VALUES (1, ?1, ?2)", params![digest, now()])?;
    Ok(())
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
