//! The cache of one repository: its graph, and the refs as the last complete pass saw them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use sha1::{Digest as _, Sha1};

use super::aside::set_aside;
use super::blocks::{self, Numbers, StoredBlocks};
use super::database::{Database, is_damaged, quick_check};
use super::holders::{self, Kept};
use super::schema::REPOSITORY;
use super::segments::{self, StoredSegment, check, end, insert, join, look_at_graph, read_graph, source};
use super::state::State;
use crate::debug;
use crate::facts::Oid;
use crate::graph::{Damaged, Graph, Holders, Mark, Position, Segment};

/// A graph of fewer commits is read whole at once.
pub const LIGHT: usize = 4096;
/// The position of what has none.
const NOWHERE: Position = Position::MAX;

/// More segments than this are joined into one when the next is stored.
const SEGMENTS: i64 = 16;

/// An open cache. Clones share it.
#[derive(Debug, Clone)]
pub struct Cache {
    database: Arc<Database>,
    hash_len: usize,
}

/// One ref in a snapshot: name, id, commit behind it.
pub type SnapshotRef = (Vec<u8>, Oid, Option<Oid>);

/// What a complete pass found, to be stored at once.
#[derive(Debug)]
pub struct Pass {
    /// The state of shallow, replaced and grafted commits that the graph was made under.
    pub overlay: i64,
    /// How many commits the graph had before.
    pub base: usize,
    /// What was appended, if anything, and under which numbers its texts and changes are kept.
    pub segment: Option<(Segment, Numbers)>,
    /// Where those have been stored.
    pub stored: StoredBlocks,
    /// The usual refs.
    pub refs: Vec<SnapshotRef>,
    /// Where the commits behind them are in the graph, in their order, as far as that is known.
    pub positions: Vec<Option<Position>>,
    /// Whether they reach all of the graph.
    pub whole: bool,
}

/// The usual refs as the last complete pass saw them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Their digest.
    pub digest: i64,
    /// The commit behind each, in the order in which they were given; `None` where there is none.
    pub peeled: Vec<Option<Oid>>,
    /// Where the graph with this mark has those commits.
    pub positions: Vec<Option<Position>>,
    /// Tells that graph from others.
    pub mark: Mark,
    /// Whether the refs reach all of it.
    pub whole: bool,
    /// How many commits it has.
    pub commits: usize,
    /// Which of the refs hold which of them, if that is kept and the graph was read too.
    pub holders: Option<Arc<Holders>>,
    /// Whether that is kept, or that it is too much.
    pub is_held: bool,
}

/// A graph as the cache has it.
#[derive(Debug, Default)]
pub struct StoredGraph {
    graph: Graph,
    overlay: i64,
    snapshot: Option<Snapshot>,
    is_checked: bool,
}

impl StoredGraph {
    /// Whether it is sure to be as it was stored.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        self.is_checked
    }

    /// The graph, and the refs at the last complete pass. Of a graph that was made under another `overlay` the parents no longer hold:
    /// then there is none.
    #[must_use]
    pub fn under(self, overlay: i64) -> (Graph, Option<Snapshot>) {
        if self.overlay == overlay { (self.graph, self.snapshot) } else { (Graph::default(), None) }
    }
}

impl Cache {
    /// Opens the cache at `path` for the repository at `common_dir`. A file that is damaged, or about another repository, is set
    /// aside (renamed, kept) and a new one begun; the second value says where the old ones are, that of `state.db` among them.
    ///
    /// # Errors
    /// If a newer version wrote it, or it can't be opened.
    pub fn open(path: &Path, common_dir: &Path, hash_len: usize) -> anyhow::Result<(Self, Vec<PathBuf>)> {
        let mut aside = Vec::new();
        let cache = match Self::open_sound(path, common_dir, hash_len, &mut aside) {
            Err(cause) if is_damaged(&cause) => {
                aside.extend(Self::set_aside(path)?);
                Self::open_sound(path, common_dir, hash_len, &mut aside)
            }
            other => other,
        };
        Ok((cache?, aside))
    }

    fn open_sound(path: &Path, common_dir: &Path, hash_len: usize, aside: &mut Vec<PathBuf>) -> anyhow::Result<Self> {
        use std::os::unix::ffi::OsStrExt as _;
        let cache = Self::of(Database::open(path, REPOSITORY)?, hash_len);
        let format = if hash_len == crate::facts::oid::SHA1_LEN { "sha1" } else { "sha256" };
        let known: Option<String> = cache.database.read(|reader| {
            Ok(reader.query_row("SELECT object_format FROM repository", [], |row| row.get(0)).optional()?)
        })?;
        if known.as_deref() != Some(format) {
            // Without the note nothing is wrong: it only helps to clean up one day.
            let state = path.parent().map(State::open);
            if let Some(Ok((state, damaged))) = state {
                aside.extend(damaged);
                let _ = smol::block_on(state.note_cache(path, common_dir));
            }
            // First use, or the repository was made anew in another format at the same place: nothing of it can be used.
            let common_dir = common_dir.as_os_str().as_bytes().to_vec();
            smol::block_on(cache.database.write(move |transaction| {
                let known = "SELECT object_format FROM repository";
                let known: Option<String> = transaction.query_row(known, [], |row| row.get(0)).optional()?;
                if known.as_deref() == Some(format) {
                    // Another process was first; what it has stored since stays.
                    return Ok(());
                }
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
        set_aside(path, REPOSITORY, integrity)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.database.path()
    }

    pub(super) fn of(database: Database, hash_len: usize) -> Self {
        Self { database: Arc::new(database), hash_len }
    }

    /// The length of an id in bytes.
    pub(super) fn hash_len(&self) -> usize {
        self.hash_len
    }

    /// Whether anything was written from here.
    #[must_use]
    pub fn has_written(&self) -> bool {
        self.database.has_written()
    }

    /// The database, for queries by other table families.
    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    /// Keeps what only spares later runs some work, unless another process is writing. That it could not be kept is no trouble of this run.
    pub(super) async fn keep_for_later(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> anyhow::Result<usize> + Send + 'static,
    ) {
        if let Err(cause) = self.database.write_if_free(change).await {
            debug::warn("cache", || format!("what may be asked next was not kept: {cause:#}"));
        }
    }

    /// The last complete pass under `overlay`, if there was one and its refs had this digest. Blocks. Takes a look, however many
    /// commits there are.
    ///
    /// # Errors
    /// If the cache can't be read; [`is_damaged`] tells whether it should be set aside.
    pub fn snapshot(&self, overlay: i64, digest: i64) -> anyhow::Result<Option<Snapshot>> {
        self.database.read(|reader| {
            let made: i64 = reader.query_row("SELECT overlay FROM repository", [], |row| row.get(0))?;
            let snapshot = if made == overlay { snapshot(reader, self.hash_len)? } else { None };
            Ok(snapshot.filter(|snapshot| snapshot.digest == digest))
        })
    }

    /// Reads the graph and what it was made for, of one state, and checks it. Blocks. Of a large graph is read what is needed, when it is;
    /// until [`Graph::settle`] it holds a transaction of the cache.
    ///
    /// # Errors
    /// If the cache can't be read; [`is_damaged`] tells whether it should be set aside.
    pub fn graph(&self) -> anyhow::Result<StoredGraph> {
        self.read_graph(|_| false)
    }

    /// As [`Self::graph`], but a graph of which holders are kept was checked when they were made, and is taken as it is: to look at all of
    /// it takes longer than most questions. Whoever adds to it reads it by [`Self::graph`].
    ///
    /// # Errors
    /// As [`Self::graph`].
    pub fn graph_at_rest(&self) -> anyhow::Result<StoredGraph> {
        self.read_graph(|snapshot| snapshot.is_some_and(|snapshot| snapshot.is_held))
    }

    fn read_graph(&self, is_trusted: impl Fn(Option<&Snapshot>) -> bool) -> anyhow::Result<StoredGraph> {
        let whole = |reader: &Connection| {
            let (overlay, snapshot) = self.made_for(reader)?;
            Ok(StoredGraph { graph: read_graph(reader, self.hash_len)?, overlay, snapshot, is_checked: true })
        };
        let light = self.database.read(|reader| {
            let is_light = usize::try_from(end(reader)?)? < LIGHT;
            is_light.then(|| whole(reader)).transpose()
        })?;
        if let Some(light) = light {
            return Ok(light);
        }
        let held = self.database.hold()?;
        let (mut found, segments) = self.look(&*held.connection()?, is_trusted)?;
        let (mut read, database) = (source(held, segments, self.hash_len), Arc::clone(&self.database));
        found
            .graph
            .reads(Box::new(move |array, from, into| read(array, from, into).inspect_err(|_| distrust(&database))));
        Ok(found)
    }

    /// What is there of a graph whose arrays are left where they are.
    fn look(
        &self,
        reader: &Connection,
        is_trusted: impl Fn(Option<&Snapshot>) -> bool,
    ) -> anyhow::Result<(StoredGraph, Vec<StoredSegment>)> {
        let (overlay, mut snapshot) = self.made_for(reader)?;
        if let Some(snapshot) = &mut snapshot {
            let kept = holders::read(reader, snapshot.mark)?;
            snapshot.is_held = kept.is_some();
            if let Some(Kept::Holders(holders)) = kept {
                snapshot.holders = Some(Arc::new(holders));
            }
        }
        let (graph, segments) = look_at_graph(reader, self.hash_len)?;
        let is_checked = !is_trusted(snapshot.as_ref());
        if is_checked {
            check(reader, &segments, self.hash_len)?;
        }
        Ok((StoredGraph { graph, overlay, snapshot, is_checked }, segments))
    }

    /// What the graph was made for: the state of shallow, replaced and grafted commits, and the refs.
    fn made_for(&self, reader: &Connection) -> anyhow::Result<(i64, Option<Snapshot>)> {
        let overlay = reader.query_row("SELECT overlay FROM repository", [], |row| row.get(0))?;
        Ok((overlay, snapshot(reader, self.hash_len)?))
    }

    /// Stores a complete pass in one transaction. If another process has extended the graph meanwhile, nothing is stored and
    /// `false` returned: what it stored serves as well, and the next run adds what is left.
    ///
    /// # Errors
    /// If the cache can't be written.
    pub async fn store(&self, pass: Pass) -> anyhow::Result<bool> {
        let hash_len = self.hash_len;
        self.database.write(move |transaction| store(transaction, &pass, hash_len)).await
    }
}

/// Has the next run look at all of the graph before it believes it: one that is believed turned out to be damaged.
fn distrust(database: &Database) {
    let forget = || -> rusqlite::Result<usize> {
        let connection = Connection::open(database.path())?;
        connection.execute("DELETE FROM holders", [])
    };
    // If that fails too, the next run fares as this one did.
    let _ = forget();
}

/// A number that changes when a ref is added, moved or deleted: the start of the SHA-1 of their names (which hold no NUL), each
/// with its id.
#[must_use]
pub fn digest<'a>(refs: impl IntoIterator<Item = (&'a [u8], Oid)>) -> i64 {
    let mut hasher = Sha1::new();
    for (name, id) in refs {
        hasher.update(name);
        hasher.update([0]);
        hasher.update(id.as_bytes());
    }
    hasher.finalize().first_chunk().map_or(0, |&start| i64::from_be_bytes(start))
}

fn integrity(reader: &Connection) -> anyhow::Result<()> {
    quick_check(reader)?;
    let format: Option<String> =
        reader.query_row("SELECT object_format FROM repository", [], |row| row.get(0)).optional()?;
    if let Some(format) = format {
        let hash_len = if format == "sha1" { 20 } else { 32 };
        read_graph(reader, hash_len)?;
        if let Some(snapshot) = snapshot(reader, hash_len)? {
            holders::read(reader, snapshot.mark)?;
        }
    }
    Ok(())
}

fn forget(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    // Blocks that are nobody's yet may be those of the pass that is to be stored next.
    transaction.execute_batch(
        "DELETE FROM block WHERE number NOT IN (SELECT block FROM unclaimed);
         DELETE FROM snapshot; DELETE FROM ref; DELETE FROM holders; DELETE FROM placed; DELETE FROM tagged;
         DELETE FROM filed; DELETE FROM posting; DELETE FROM batch; DELETE FROM patch;",
    )?;
    segments::forget(transaction)?;
    super::words::forget(transaction)
}

/// The usual refs as the last complete pass saw them.
fn snapshot(reader: &Connection, hash_len: usize) -> anyhow::Result<Option<Snapshot>> {
    let row =
        |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?, row.get(2)?, row.get::<_, u32>(3)?));
    let query = "SELECT digest, peeled, whole, sum FROM snapshot";
    let Some((digest, peeled, whole, sum)) = reader.query_row(query, [], row).optional()? else { return Ok(None) };
    anyhow::ensure!(crc32fast::hash(&peeled) == sum, Damaged);
    let entries = peeled.chunks_exact(hash_len + size_of::<Position>());
    let (peeled, positions) = entries
        .map(|entry| {
            let (id, position) = entry.split_at(hash_len);
            let position = position.first_chunk().map_or(NOWHERE, |&bytes| Position::from_le_bytes(bytes));
            let commit = Oid::from_bytes(id).filter(|id| !id.is_null());
            (commit, (position != NOWHERE).then_some(position))
        })
        .unzip();
    let mut statement = reader.prepare("SELECT count, sum FROM segment ORDER BY first")?;
    let segments = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?;
    let (mut mark, mut commits) = (Mark::default(), 0);
    for segment in segments {
        let (count, sum) = segment?;
        let count = usize::try_from(count)?;
        (mark, commits) = (mark.with(count, sum), commits + count);
    }
    Ok(Some(Snapshot { digest, peeled, positions, mark, whole, commits, holders: None, is_held: false }))
}

fn store(transaction: &Transaction<'_>, pass: &Pass, hash_len: usize) -> anyhow::Result<bool> {
    let known: i64 = transaction.query_row("SELECT overlay FROM repository", [], |row| row.get(0))?;
    if known != pass.overlay {
        forget(transaction)?;
        transaction.execute("UPDATE repository SET overlay = ?1", [pass.overlay])?;
    }
    if usize::try_from(end(transaction)?) != Ok(pass.base) {
        blocks::discard(transaction, &pass.stored)?;
        return Ok(false);
    }
    if let Some((segment, numbers)) = &pass.segment {
        let bytes = |numbers: &[u32]| -> Vec<u8> { numbers.iter().flat_map(|number| number.to_le_bytes()).collect() };
        insert(transaction, (pass.base, hash_len), segment, (&bytes(&numbers.texts), &bytes(&numbers.changes)))?;
        blocks::claim(transaction, &pass.stored)?;
        let count: i64 = transaction.query_row("SELECT count(*) FROM segment", [], |row| row.get(0))?;
        if count > SEGMENTS {
            join(transaction, hash_len)?;
        }
    }
    store_refs(transaction, &pass.refs)?;
    store_snapshot(transaction, pass, hash_len)?;
    Ok(true)
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
    Ok(())
}

fn store_snapshot(transaction: &Transaction<'_>, pass: &Pass, hash_len: usize) -> anyhow::Result<()> {
    let digest = digest(pass.refs.iter().map(|(name, id, _)| (name.as_slice(), *id)));
    let commits = pass.refs.iter().map(|(_, _, commit)| commit.as_ref());
    let peeled = peeled(commits.zip(pass.positions.iter().copied().chain(std::iter::repeat(None))), hash_len);
    let sum = crc32fast::hash(&peeled);
    let put = "INSERT OR REPLACE INTO snapshot VALUES (1, ?1, ?2, ?3, ?4, ?5)";
    transaction.execute(put, params![digest, peeled, pass.whole, sum, now()])?;
    Ok(())
}

/// What a snapshot keeps of the commits behind refs, and of where they are.
pub(super) fn peeled<'c>(
    commits: impl Iterator<Item = (Option<&'c Oid>, Option<Position>)>,
    hash_len: usize,
) -> Vec<u8> {
    let none = vec![0; hash_len];
    let mut bytes = Vec::new();
    for (commit, position) in commits {
        bytes.extend_from_slice(commit.map_or(none.as_slice(), Oid::as_bytes));
        bytes.extend_from_slice(&position.unwrap_or(NOWHERE).to_le_bytes());
    }
    bytes
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::super::blocks::{BlockStore, Content, Packer};
    use super::super::cursors::{self, Cursor};
    use super::super::database::Schema;
    use super::*;
    use crate::graph::Batch;

    fn id(number: u8) -> Oid {
        Oid::from_bytes(&[number; 20]).expect("20 bytes")
    }

    fn opened(folder: &Path) -> Cache {
        let (cache, aside) = Cache::open(&folder.join("t.db"), folder, 20).expect("opens");
        assert!(aside.is_empty());
        cache
    }

    /// Writes the bytes of the commit `number`, as a pass does on its way.
    fn written(cache: &Cache, number: u8) -> StoredBlocks {
        let mut packer = Packer::new(Content::Texts);
        packer.add(id(number), None, |raw| raw.extend_from_slice(&[number; 9]));
        let mut store = BlockStore::new(cache.clone(), 0);
        smol::block_on(async {
            store.add(packer.pack().expect("one commit")).await;
            store.finish().await.expect("writes")
        })
    }

    /// The pass that appends the commit `number` to `base` others.
    fn pass(number: u8, base: usize, stored: StoredBlocks) -> Pass {
        let mut batch = Batch::default();
        batch.push(id(number), 1, []);
        let numbers = stored.numbers(batch.ids());
        let refs = vec![(b"HEAD".to_vec(), id(number), Some(id(number))), (b"refs/tags/tree".to_vec(), id(99), None)];
        let mut graph = Graph::default();
        for other in 0..base {
            let mut batch = Batch::default();
            batch.push(id(100 + u8::try_from(other).expect("few")), 1, []);
            graph.append(&batch);
        }
        let segment = Some((graph.append(&batch), numbers));
        let positions = vec![Position::try_from(base).ok(), None];
        Pass { overlay: 0, base, segment, stored, refs, positions, whole: base == 0 }
    }

    fn count(cache: &Cache, table: &str) -> i64 {
        let query = format!("SELECT count(*) FROM {table}");
        cache.database.read(|reader| Ok(reader.query_row(&query, [], |row| row.get(0))?)).expect("reads")
    }

    fn text(cache: &Cache, position: u32, number: u8) -> Option<Vec<u8>> {
        let texts = Arc::new(cache.blocks(Content::Texts, 0).expect("reads"));
        texts.reader().get(position, &id(number)).map(<[u8]>::to_vec)
    }

    #[test]
    fn a_pass_that_comes_second_or_never_ends_leaves_no_texts_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = opened(folder.path());
        let (first, second, third) = (written(&cache, 1), written(&cache, 2), written(&cache, 3));
        drop(third);
        assert_eq!((count(&cache, "block"), count(&cache, "unclaimed")), (3, 3));
        smol::block_on(async {
            assert!(cache.store(pass(1, 0, first)).await.expect("stores"));
            assert!(!cache.store(pass(2, 0, second)).await.expect("another was first"));
            assert_eq!((count(&cache, "block"), count(&cache, "unclaimed")), (1, 0));
            let next = written(&cache, 4);
            assert!(cache.store(pass(4, 1, next)).await.expect("stores"));
        });
        assert_eq!(text(&cache, 0, 1), Some(vec![1; 9]));
        assert_eq!(text(&cache, 1, 4), Some(vec![4; 9]));
        assert_eq!(text(&cache, 1, 2), None, "what stands there is another commit's");
    }

    #[test]
    fn refs_that_stand_are_known_with_what_they_lead_to() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = opened(folder.path());
        let texts = written(&cache, 1);
        let stored = smol::block_on(cache.store(pass(1, 0, texts)));
        assert!(stored.expect("stores"));
        let refs: [(&[u8], Oid); 2] = [(b"HEAD", id(1)), (b"refs/tags/tree", id(99))];
        let seen = digest(refs.iter().copied());
        let found = cache.snapshot(0, seen).expect("reads").expect("there is one");
        assert_eq!((&found.peeled, &found.positions), (&vec![Some(id(1)), None], &vec![Some(0), None]));
        assert_eq!((found.digest, found.commits, found.whole), (seen, 1, true));
        assert_eq!(cache.snapshot(0, seen + 1).expect("reads"), None, "other refs");
        assert_eq!(cache.snapshot(1, seen).expect("reads"), None, "history is bent in another way");
        let (graph, snapshot) = cache.graph().expect("reads").under(0);
        assert_eq!(snapshot.as_ref(), Some(&found));
        assert!(graph.grew_from(found.mark));
        let damage = "UPDATE snapshot SET peeled = zeroblob(48)";
        smol::block_on(cache.database.write(|change| Ok(change.execute(damage, [])?))).expect("writes");
        assert!(is_damaged(&cache.snapshot(0, seen).expect_err("its sum differs")));
    }

    #[test]
    fn a_large_graph_can_be_read_on_when_the_file_is_gone_and_so_can_the_rest() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = opened(folder.path());
        let ids: Vec<Oid> = (0..u32::try_from(LIGHT + 9).expect("few"))
            .map(|number| {
                let mut bytes = [7; 20];
                bytes[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b9).to_be_bytes());
                Oid::from_bytes(&bytes).expect("20 bytes")
            })
            .collect();
        let mut batch = Batch::default();
        ids.iter().zip(0..).for_each(|(id, time)| batch.push(*id, time, []));
        let stored = StoredBlocks::default();
        let segment = Some((Graph::default().append(&batch), stored.numbers(&ids)));
        let refs = vec![(b"HEAD".to_vec(), ids[5], Some(ids[5]))];
        let pass =
            Pass { overlay: 0, base: 0, segment, stored, refs: refs.clone(), positions: vec![Some(5)], whole: false };
        assert!(smol::block_on(cache.store(pass)).expect("stored"));
        let (graph, snapshot) = cache.graph().expect("reads").under(0);
        assert!(snapshot.is_some_and(|snapshot| !snapshot.is_held));
        // That there is too much to be kept is kept.
        smol::block_on(cache.keep_holders(graph.mark(), None));
        let (_, snapshot) = cache.graph_at_rest().expect("reads").under(0);
        assert!(snapshot.is_some_and(|snapshot| snapshot.is_held && snapshot.holders.is_none()));
        std::fs::remove_file(cache.path()).expect("it was there");
        let seen = digest(refs.iter().map(|(name, id, _)| (name.as_slice(), *id)));
        let snapshot = cache.snapshot(0, seen).expect("another connection reads").expect("there is one");
        assert!(graph.grew_from(snapshot.mark));
        for (position, id) in (0..).zip(&ids).step_by(97) {
            assert_eq!((graph.position(id), graph.id(position)), (Some(position), *id));
            assert_eq!(graph.time(position), u64::from(position));
        }
        // Whoever comes now finds one connection to read with, and leaves it to all.
        drop(graph);
        let (again, _) = cache.graph().expect("reads").under(0);
        assert_eq!((again.len(), again.id(4100)), (ids.len(), ids[4100]));
        assert!(cache.snapshot(0, seen).expect("reads").is_some());
    }

    #[test]
    fn a_cache_of_any_older_version_is_brought_up_to_date() {
        let cursor = Cursor { tips: vec![id(0)], overlay: 0 };
        let token = cursors::token(&cursor);
        for version in 1..REPOSITORY.migrations.len() {
            let folder = tempfile::tempdir().expect("a folder");
            let schema = Schema { migrations: &REPOSITORY.migrations[..version], ..REPOSITORY };
            let old = Database::open(&folder.path().join("t.db"), schema).expect("opens");
            let rows = format!(
                "INSERT INTO repository VALUES (1, x'2f', 'sha1', 0);
                 INSERT INTO ref VALUES (x'41', x'42', NULL);
                 INSERT INTO cursor VALUES ('{token}', zeroblob(20), 0, 7)"
            );
            smol::block_on(old.write(move |change| Ok(change.execute_batch(&rows)?))).expect("writes");
            drop(old);
            let cache = opened(folder.path());
            let kept = smol::block_on(cache.cursor(&token)).expect("reads");
            assert_eq!(kept.as_ref(), Some(&cursor), "consumers stay where they are");
            let texts = written(&cache, 1);
            assert!(smol::block_on(cache.store(pass(1, 0, texts))).expect("stores"));
            assert_eq!(text(&cache, 0, 1), Some(vec![1; 9]), "version {version}");
        }
    }
}
