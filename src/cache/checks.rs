//! What is in a cache, read out whole for whoever compares it with git. Checksums say whether it is what was written, not whether that
//! was right. Nothing is held in memory but what a pass needs: a few numbers for each commit, and one block of texts.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher as _;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::blocks::{BLOCK, BLOCK_BITS, Content, NONE, Unpacked};
use super::database::Database;
use super::holders::{self, Kept};
use super::patches;
use super::postings::{self, Key};
use super::repository::{Cache, SnapshotRef, digest, peeled};
use super::schema::REPOSITORY;
use super::segments::read_graph;
use super::words::{self, Rule};
use crate::facts::Oid;
use crate::graph::{Damaged, Graph, Holders, Position};

/// Complaints of `SQLite` that are told.
const MOST_COMPLAINTS: u32 = 20;

/// Bytes of a word that the index keeps (`SQLite`, `FTS5_MAX_TOKEN_SIZE`).
const LONGEST_WORD: usize = 32_768;

/// The graph and the refs of a cache, as of one moment.
#[derive(Debug)]
pub struct Whole {
    /// The graph.
    pub graph: Graph,
    /// What bent history when it was made.
    pub overlay: i64,
    /// The digest of the refs at the last complete pass, if there was one.
    pub digest: Option<i64>,
    /// The refs as they stood then, by name.
    pub refs: Vec<SnapshotRef>,
    /// Whether digest, peeled commits, what is kept of which of them hold what, and the refs themselves say the same.
    pub agrees: bool,
}

/// Commits of an index, each with a sum over everything that it is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sums {
    /// By position.
    pub of: Vec<u64>,
    /// Entries of commits that aren't in it.
    pub strays: usize,
}

impl Sums {
    fn new(count: usize) -> Self {
        Self { of: vec![0; count], strays: 0 }
    }

    fn add(&mut self, position: usize, mark: u64) {
        match self.of.get_mut(position) {
            Some(sum) => *sum = sum.wrapping_add(mark),
            None => self.strays += 1,
        }
    }
}

/// A text of the cache, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text<'a> {
    /// The bytes kept for the commit of this id.
    Kept(&'a [u8]),
    /// There should be some, and there are none that could be used.
    Unusable,
}

/// The sum of a commit that is filed under `keys`.
#[must_use]
pub fn sum_of_keys(keys: &[Key]) -> u64 {
    keys.iter().fold(0, |sum, &key| sum.wrapping_add(mark(&postings::entry_of(key))))
}

/// The sum of a commit that has the words of `text`, which stand between spaces.
#[must_use]
pub fn sum_of_words(text: &str) -> u64 {
    // The index sees ASCII letters without case.
    let mut words: Vec<String> = text.split(' ').filter(|it| !it.is_empty()).map(str::to_ascii_lowercase).collect();
    words.sort_unstable();
    words.dedup();
    words.iter().fold(0, |sum, word| sum.wrapping_add(mark(&word.as_bytes()[..word.len().min(LONGEST_WORD)])))
}

fn mark(what: &(impl std::hash::Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

impl Cache {
    /// Opens the cache at `path` as it is: of an older version it is brought up to date, but one that is damaged isn't set aside. `None`
    /// if it was only just begun.
    ///
    /// # Errors
    /// If a newer version wrote it, or it can't be opened; [`super::database::is_damaged`] tells a broken file.
    pub fn open_as_it_is(path: &Path) -> anyhow::Result<Option<Self>> {
        let database = Database::open(path, REPOSITORY)?;
        let format: Option<String> = database.read(|reader| {
            Ok(reader.query_row("SELECT object_format FROM repository", [], |row| row.get(0)).optional()?)
        })?;
        Ok(format.map(|format| Self::of(database, if format == "sha1" { 20 } else { 32 })))
    }

    /// What `SQLite` itself has to say against the file, its indexes and references. Blocks.
    ///
    /// # Errors
    /// If it can't be read at all.
    pub fn complaints(&self) -> anyhow::Result<Vec<String>> {
        self.database().read(|reader| {
            let mut complaints = Vec::new();
            let mut statement = reader.prepare(&format!("PRAGMA integrity_check({MOST_COMPLAINTS})"))?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                complaints.push(row.get::<_, String>(0)?);
            }
            complaints.retain(|complaint| complaint != "ok");
            let mut statement = reader.prepare("SELECT DISTINCT \"table\", parent FROM pragma_foreign_key_check")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let (table, parent): (String, String) = (row.get(0)?, row.get(1)?);
                complaints.push(format!("a row of {table} has none in {parent}"));
            }
            Ok(complaints)
        })
    }

    /// The graph and the refs. Blocks.
    ///
    /// # Errors
    /// If they can't be read.
    pub fn whole(&self) -> anyhow::Result<Whole> {
        self.database().read(|reader| {
            let overlay = reader.query_row("SELECT overlay FROM repository", [], |row| row.get(0))?;
            let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
            let snapshot: Option<(i64, Vec<u8>, u32, bool)> =
                reader.query_row("SELECT digest, peeled, sum, whole FROM snapshot", [], row).optional()?;
            let refs = stored_refs(reader)?;
            let graph = read_graph(reader, self.hash_len())?;
            let behind = refs.iter().map(|(_, _, commit)| commit.as_ref());
            let position = |commit: Option<&Oid>| commit.and_then(|id| graph.position(id));
            let peeled = peeled(behind.map(|commit| (commit, position(commit))), self.hash_len());
            let tips = || refs.iter().filter_map(|(_, _, commit)| graph.position(commit.as_ref()?));
            let reached = || graph.reachable(tips()).count() == graph.len();
            let kept = holders::read(reader, graph.mark())?;
            let holds = match kept {
                Some(Kept::Holders(kept)) => Holders::of(&graph, kept.tips()).is_some_and(|made| made == kept),
                Some(Kept::TooMuch) | None => true,
            };
            let agrees = holds
                && snapshot.as_ref().is_none_or(|(known, kept, sum, whole)| {
                    *known == digest(refs.iter().map(|(name, id, _)| (name.as_slice(), *id)))
                        && *kept == peeled
                        && *sum == crc32fast::hash(kept)
                        && (!whole || reached())
                });
            Ok(Whole { graph, overlay, digest: snapshot.map(|(digest, ..)| digest), refs, agrees })
        })
    }

    /// Whether the cache still holds `whole`: it may have grown since, but was not made anew. Blocks.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn still_holds(&self, whole: &Whole) -> anyhow::Result<bool> {
        self.database().read(|reader| {
            let overlay: i64 = reader.query_row("SELECT overlay FROM repository", [], |row| row.get(0))?;
            Ok(overlay == whole.overlay && (whole.graph.is_empty() || postings::is_stored(reader, &whole.graph)?))
        })
    }

    /// Hands every text that is kept of the commits of `graph` to `each`, in the order of the blocks, until that says no. Blocks, but
    /// never with the cache for longer than it takes to read one block.
    ///
    /// # Errors
    /// If they can't be read.
    pub fn each_text(
        &self,
        graph: &Graph,
        mut each: impl FnMut(Position, &Oid, Text<'_>) -> bool,
    ) -> anyhow::Result<()> {
        let numbers = self.blocks(Content::Texts, 0)?.into_numbers();
        let mut wanted: Vec<(u32, Position)> =
            (0..).zip(numbers).map(|(position, number)| (number, position)).collect();
        wanted.retain(|(number, position)| *number != NONE && (*position as usize) < graph.len());
        wanted.sort_unstable();
        for block in wanted.chunk_by(|(a, _), (b, _)| a >> BLOCK_BITS == b >> BLOCK_BITS) {
            let number = block.first().map_or(0, |(number, _)| number >> BLOCK_BITS);
            let bytes: Option<Vec<u8>> = self.database().read(|reader| {
                let query = "SELECT bytes FROM block WHERE number = ?1";
                Ok(reader.query_row(query, [number], |row| row.get(0)).optional()?)
            })?;
            let unpacked = bytes.and_then(|bytes| Unpacked::new(number, Content::Texts, self.hash_len(), &bytes));
            for &(number, position) in block {
                let id = graph.id(position);
                let text = unpacked.as_ref().and_then(|unpacked| unpacked.get(number as usize % BLOCK, &id));
                if !each(position, &id, text.map_or(Text::Unusable, Text::Kept)) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// At most `count` patch-ids that are kept and hold for blobs of up to `threshold` bytes, of the commits from `from` on, by id; `None`
    /// in place of the patch-id of a commit that changes nothing. Those whose checksum is wrong are left out and counted. Blocks.
    ///
    /// # Errors
    /// If they can't be read.
    pub fn patch_ids_from(&self, from: &[u8], count: usize, threshold: u64) -> anyhow::Result<KeptPatchIds> {
        self.database().read(|reader| {
            let mut found = KeptPatchIds::default();
            let query =
                "SELECT id, patch_id, largest, sum FROM patch WHERE id > ?1 AND largest <= ?2 ORDER BY id LIMIT ?3";
            let mut statement = reader.prepare(query)?;
            let threshold = i64::try_from(threshold).unwrap_or(i64::MAX);
            let mut rows = statement.query(params![from, threshold, i64::try_from(count)?])?;
            while let Some(row) = rows.next()? {
                let id = row.get_ref(0)?.as_blob()?;
                found.last = id.to_vec();
                let id = Oid::from_bytes(id).ok_or(Damaged)?;
                let patch_id = row.get_ref(1)?.as_blob()?;
                if patches::checksum(&id, patch_id, row.get(2)?) == row.get::<_, u32>(3)? {
                    found.kept.push((id, Oid::from_bytes(patch_id)));
                } else {
                    found.broken += 1;
                }
            }
            Ok(found)
        })
    }

    /// The commits of `graph` that are filed by `rules`. `None` if none are. Blocks.
    ///
    /// # Errors
    /// If they can't be read.
    pub fn filed_sums(&self, rules: i64, graph: &Graph) -> anyhow::Result<Option<Sums>> {
        self.database().read(|reader| {
            let count = postings::filed_of(reader, rules, graph)?;
            if count == 0 {
                return Ok(None);
            }
            let mut sums = Sums::new(count);
            let mut statement = reader.prepare("SELECT bucket, entries FROM posting")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let bucket: u32 = row.get(0)?;
                let (entries, rest) = row.get_ref(1)?.as_blob()?.as_chunks::<8>();
                sums.strays += usize::from(!rest.is_empty());
                for &[a, b, c, d, e, f, g, h] in entries {
                    let key = u32::from_le_bytes([a, b, c, d]);
                    sums.add(u32::from_le_bytes([e, f, g, h]) as usize, mark(&(bucket, key)));
                }
            }
            Ok(Some(sums))
        })
    }

    /// The commits of `graph` whose words are indexed by `rule`. `None` if none are. Blocks.
    ///
    /// # Errors
    /// If they can't be read.
    pub fn worded_sums(&self, rule: Rule, graph: &Graph) -> anyhow::Result<Option<Sums>> {
        self.database().read(|reader| {
            let count = words::indexed(reader, rule, graph)?;
            if count == 0 {
                return Ok(None);
            }
            let mut sums = Sums::new(count);
            reader.execute_batch("CREATE VIRTUAL TABLE temp.checked USING fts5vocab(main, word, instance)")?;
            {
                let mut statement = reader.prepare("SELECT term, doc FROM temp.checked")?;
                let mut rows = statement.query([])?;
                while let Some(row) = rows.next()? {
                    let position = usize::try_from(row.get::<_, i64>(1)? - 1).unwrap_or(usize::MAX);
                    sums.add(position, mark(row.get_ref(0)?.as_bytes()?));
                }
            }
            // The transaction is rolled back, and the table with it.
            Ok(Some(sums))
        })
    }
}

/// Some of the patch-ids that are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptPatchIds {
    /// The commits with their patch-ids.
    pub kept: Vec<(Oid, Option<Oid>)>,
    /// Rows whose checksum is wrong.
    pub broken: usize,
    /// The id of the last row; empty if there was none.
    pub last: Vec<u8>,
}

fn stored_refs(reader: &Connection) -> anyhow::Result<Vec<SnapshotRef>> {
    let mut statement = reader.prepare("SELECT name, id, commit_id FROM ref ORDER BY name")?;
    let mut rows = statement.query([])?;
    let mut refs = Vec::new();
    while let Some(row) = rows.next()? {
        let id = Oid::from_bytes(row.get_ref(1)?.as_blob()?).ok_or(Damaged)?;
        let commit =
            row.get_ref(2)?.as_blob_or_null()?.map(|bytes| Oid::from_bytes(bytes).ok_or(Damaged)).transpose()?;
        refs.push((row.get(0)?, id, commit));
    }
    Ok(refs)
}
