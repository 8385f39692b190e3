//! Which commits are filed under a key: an inverted index that is looked up in a few rows and extended by a few more. Keys are
//! hashes that the caller makes; what is found is a proposal to be looked at, so a collision does no harm.
//!
//! An entry is four bytes of the key and four of the position, little-endian. The key's highest twelve bits choose the bucket,
//! a row of some kilobytes, so that a look-up reads one row a batch and no index of keys has to be kept: 450,000 entries of
//! 88,000 commits take 4 MB. Each batch says in which buckets it has a row, so that one that is gone is missed.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::repository::Cache;
use super::segments::begins_with;
use crate::graph::{Damaged, Graph, Position};

/// Bits of a key that choose its bucket.
const BUCKET_BITS: u32 = 12;
const BUCKETS: usize = 1 << BUCKET_BITS;
/// More batches than this are joined.
const BATCHES: i64 = 24;

/// What commits are filed under: any number that the caller makes.
pub type Key = u64;

/// Commits and their keys, in memory.
#[derive(Debug, Clone)]
pub struct Postings {
    buckets: Vec<Vec<u8>>,
}

impl Default for Postings {
    fn default() -> Self {
        Self { buckets: vec![Vec::new(); BUCKETS] }
    }
}

impl Postings {
    /// Files the commit at `position` under `key`.
    pub fn add(&mut self, key: u64, position: Position) {
        let bucket = &mut self.buckets[bucket_of(key)];
        bucket.extend_from_slice(&short(key).to_le_bytes());
        bucket.extend_from_slice(&position.to_le_bytes());
    }

    /// Adds everything that `other` has.
    pub fn append(&mut self, other: &Self) {
        for (own, more) in self.buckets.iter_mut().zip(&other.buckets) {
            own.extend_from_slice(more);
        }
    }

    /// The commits filed under `key`, ascending.
    #[must_use]
    pub fn under(&self, key: u64) -> Vec<Position> {
        let mut found = Vec::new();
        collect(&self.buckets[bucket_of(key)], key, &mut found);
        finish(found)
    }
}

fn bucket_of(key: u64) -> usize {
    usize::try_from(key >> (64 - BUCKET_BITS)).unwrap_or(0)
}

/// The part of a key that an entry keeps; the bucket says more of it.
#[expect(clippy::cast_possible_truncation, reason = "these bits are wanted, the others left out")]
fn short(key: u64) -> u32 {
    key as u32
}

/// Bucket and entry of `key`: all that the table keeps of it.
pub(super) fn entry_of(key: Key) -> (u32, u32) {
    (u32::try_from(bucket_of(key)).unwrap_or(0), short(key))
}

/// How many commits, from the first of `graph` on, are filed by `rules`.
pub(super) fn filed_of(reader: &Connection, rules: i64, graph: &Graph) -> anyhow::Result<usize> {
    Ok(filed(reader, rules)?.filter(|filed| filed.are_of(graph)).map_or(0, |filed| filed.count))
}

fn collect(entries: &[u8], key: u64, into: &mut Vec<Position>) {
    let wanted = short(key).to_le_bytes();
    let (pairs, _) = entries.as_chunks::<8>();
    for &[a, b, c, d, e, f, g, h] in pairs {
        if [a, b, c, d] == wanted {
            into.push(Position::from_le_bytes([e, f, g, h]));
        }
    }
}

fn finish(mut found: Vec<Position>) -> Vec<Position> {
    found.sort_unstable();
    found.dedup();
    found
}

impl Cache {
    /// How many commits, from the first of `graph` on, are filed by `rules`: any number that names how keys are made. None if
    /// another graph's are: another process may have made it anew since. Blocks.
    ///
    /// # Errors
    /// If the cache can't be read.
    pub fn filed(&self, rules: i64, graph: &Graph) -> anyhow::Result<usize> {
        self.database().read(|reader| filed_of(reader, rules, graph))
    }

    /// Files the commits of `graph` from `base` on by `rules`, under which `base` commits were filed before. `false` if another
    /// process has done so meanwhile, or the stored graph is another: nothing is stored then.
    ///
    /// # Errors
    /// If the cache can't be written.
    pub async fn file(&self, base: usize, graph: Arc<Graph>, rules: i64, postings: Postings) -> anyhow::Result<bool> {
        self.database().write(move |transaction| file(transaction, base, &graph, rules, &postings)).await
    }

    /// Forgets what is filed, so that it is filed anew.
    ///
    /// # Errors
    /// If the cache can't be written.
    pub async fn unfile(&self) -> anyhow::Result<()> {
        self.database()
            .write(|change| Ok(change.execute_batch("DELETE FROM filed; DELETE FROM posting; DELETE FROM batch;")?))
            .await
    }

    /// The commits filed under each of `keys`, ascending. Blocks.
    ///
    /// # Errors
    /// If the cache can't be read, or is damaged there.
    pub fn under(&self, keys: &[u64]) -> anyhow::Result<Vec<Vec<Position>>> {
        self.database().read(|reader| {
            // Batches and rows as of one moment.
            let _moment = if reader.is_autocommit() { Some(reader.unchecked_transaction()?) } else { None };
            let batches = batches(reader)?;
            let rows = "SELECT first, sum, entries FROM posting WHERE bucket = ?1 ORDER BY first";
            let mut statement = reader.prepare_cached(rows)?;
            let mut found = Vec::with_capacity(keys.len());
            for &key in keys {
                let bucket = bucket_of(key);
                let mut positions = Vec::new();
                let mut filling = batches.iter().filter(|batch| batch.fills(bucket));
                let mut rows = statement.query([i64::try_from(bucket)?])?;
                while let Some(row) = rows.next()? {
                    let (first, entries) = (row.get(0)?, row.get_ref(2)?.as_blob()?);
                    let is_expected = filling.next().is_some_and(|batch| batch.first == first);
                    anyhow::ensure!(
                        is_expected && sum([i64::try_from(bucket)?, first], entries) == row.get::<_, u32>(1)?,
                        Damaged
                    );
                    collect(entries, key, &mut positions);
                }
                anyhow::ensure!(filling.next().is_none(), Damaged);
                found.push(finish(positions));
            }
            Ok(found)
        })
    }
}

/// Commits that were filed together.
struct Filing {
    /// The first of them.
    first: i64,
    /// A bit for each bucket that they have a row in.
    filled: Vec<u8>,
}

impl Filing {
    fn fills(&self, bucket: usize) -> bool {
        self.filled[bucket / 8] >> (bucket % 8) & 1 == 1
    }

    /// How many rows they have.
    fn rows(&self) -> u32 {
        self.filled.iter().map(|byte| byte.count_ones()).sum()
    }
}

/// The batches that are filed, in their order, none of them missing.
fn batches(reader: &Connection) -> anyhow::Result<Vec<Filing>> {
    let count: i64 = reader.query_row("SELECT count FROM filed", [], |row| row.get(0)).optional()?.ok_or(Damaged)?;
    let mut statement = reader.prepare_cached("SELECT first, \"end\", filled, sum FROM batch ORDER BY first")?;
    let mut rows = statement.query([])?;
    let (mut batches, mut next) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let (first, end): (i64, i64) = (row.get(0)?, row.get(1)?);
        let filled: Vec<u8> = row.get(2)?;
        let is_sound = filled.len() == BUCKETS / 8 && sum([first, end], &filled) == row.get::<_, u32>(3)?;
        anyhow::ensure!(is_sound && first == next, Damaged);
        next = end;
        batches.push(Filing { first, filled });
    }
    anyhow::ensure!(next == count, Damaged);
    Ok(batches)
}

fn sum(numbers: [i64; 2], bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for number in numbers {
        hasher.update(&number.to_le_bytes());
    }
    hasher.update(bytes);
    hasher.finalize()
}

/// Stores the rows of the batch of commits from `first` to before `end`.
fn insert(transaction: &Transaction<'_>, [first, end]: [i64; 2], postings: &Postings) -> anyhow::Result<()> {
    let mut row = transaction.prepare("INSERT INTO posting (bucket, first, sum, entries) VALUES (?1, ?2, ?3, ?4)")?;
    let mut filled = vec![0_u8; BUCKETS / 8];
    for (bucket, entries) in postings.buckets.iter().enumerate().filter(|(_, entries)| !entries.is_empty()) {
        filled[bucket / 8] |= 1 << (bucket % 8);
        let bucket = i64::try_from(bucket)?;
        row.execute(params![bucket, first, sum([bucket, first], entries), entries])?;
    }
    let batch = "INSERT INTO batch (first, \"end\", filled, sum) VALUES (?1, ?2, ?3, ?4)";
    transaction.execute(batch, params![first, end, filled, sum([first, end], &filled)])?;
    Ok(())
}

/// What the table says of how far commits are filed.
struct Filed {
    count: usize,
    last: Vec<u8>,
}

impl Filed {
    /// Whether these are commits of `graph`: of its first so many, the last is the same.
    fn are_of(&self, graph: &Graph) -> bool {
        let last = self.count.checked_sub(1).filter(|&last| last < graph.len());
        let id = last.and_then(|last| Position::try_from(last).ok()).map(|last| graph.id(last));
        id.is_some_and(|id| id.as_bytes() == self.last)
    }
}

fn filed(reader: &Connection, rules: i64) -> anyhow::Result<Option<Filed>> {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get(1)?));
    let found = reader.query_row("SELECT count, last FROM filed WHERE rules = ?1", [rules], read).optional()?;
    Ok(found.and_then(|(count, last)| Some(Filed { count: usize::try_from(count).ok()?, last })))
}

/// Whether the stored graph begins with all of `graph`, each commit at its place. That the last one is there says nothing of those before
/// it: two first passes over one history needn't put it in the same order.
pub(super) fn is_stored(reader: &Connection, graph: &Graph) -> anyhow::Result<bool> {
    Ok(!graph.is_empty() && begins_with(reader, graph.id_array(), graph.id_array().len() / graph.len())?)
}

fn file(
    transaction: &Transaction<'_>,
    base: usize,
    graph: &Graph,
    rules: i64,
    postings: &Postings,
) -> anyhow::Result<bool> {
    let known = filed_of(transaction, rules, graph)?;
    // Positions are those of this graph only as long as nobody has made it anew.
    if known != base || !is_stored(transaction, graph)? {
        return Ok(false);
    }
    let last = u32::try_from(graph.len() - 1).map(|last| graph.id(last))?;
    let end = graph.len();
    if base == 0 {
        transaction.execute_batch("DELETE FROM posting; DELETE FROM batch;")?;
    }
    insert(transaction, [i64::try_from(base)?, i64::try_from(end)?], postings)?;
    let put = "INSERT OR REPLACE INTO filed VALUES (1, ?1, ?2, ?3)";
    transaction.execute(put, params![i64::try_from(end)?, rules, last.as_bytes()])?;
    let batches: i64 = transaction.query_row("SELECT count(*) FROM batch", [], |row| row.get(0))?;
    if batches > BATCHES {
        join(transaction, i64::try_from(end)?)?;
    }
    Ok(true)
}

/// Makes one batch of all, of the commits before `end`.
fn join(transaction: &Transaction<'_>, end: i64) -> anyhow::Result<()> {
    let mut all = Postings::default();
    let mut expected: u32 = batches(transaction)?.iter().map(Filing::rows).sum();
    {
        let mut statement =
            transaction.prepare("SELECT bucket, first, sum, entries FROM posting ORDER BY bucket, first")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (number, first, entries) = (row.get(0)?, row.get(1)?, row.get_ref(3)?.as_blob()?);
            let bucket = usize::try_from(number).ok().and_then(|number| all.buckets.get_mut(number)).ok_or(Damaged)?;
            anyhow::ensure!(expected > 0 && sum([number, first], entries) == row.get::<_, u32>(2)?, Damaged);
            expected -= 1;
            bucket.extend_from_slice(entries);
        }
    }
    anyhow::ensure!(expected == 0, Damaged);
    transaction.execute_batch("DELETE FROM posting; DELETE FROM batch;")?;
    insert(transaction, [0, end], &all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::blocks::StoredBlocks;
    use crate::facts::Oid;
    use crate::graph::{Batch, Graph};

    /// A cache with a graph of so many commits.
    fn cache(folder: &std::path::Path, count: u8) -> (Cache, Arc<Graph>) {
        let (cache, _) = Cache::open(&folder.join("cache"), folder, 20).expect("a new cache");
        let id = |number: u8| Oid::from_bytes(&[number; 20]).expect("20 bytes");
        let mut commits = Batch::default();
        for number in 1..=count {
            commits.push(id(number), 0, []);
        }
        let mut graph = Graph::default();
        let stored = StoredBlocks::default();
        let segment = (graph.append(&commits), stored.numbers(commits.ids()));
        let pass = super::super::Pass {
            overlay: 0,
            base: 0,
            segment: Some(segment),
            stored,
            refs: Vec::new(),
            positions: Vec::new(),
            whole: false,
        };
        assert!(smol::block_on(cache.store(pass)).expect("stored"));
        (cache, Arc::new(graph))
    }

    /// The first `count` commits of such a graph, the first with the number `first`.
    fn graph_of(first: u8, count: u8) -> Arc<Graph> {
        graph(first..first + count)
    }

    fn graph(numbers: impl IntoIterator<Item = u8>) -> Arc<Graph> {
        let id = |number: u8| Oid::from_bytes(&[number; 20]).expect("20 bytes");
        let mut commits = Batch::default();
        for number in numbers {
            commits.push(id(number), 0, []);
        }
        let mut graph = Graph::default();
        graph.append(&commits);
        Arc::new(graph)
    }

    const KEYS: [u64; 3] = [1, u64::MAX, 0x1230_0000_0000_0001];

    #[test]
    fn what_is_filed_is_found_batch_after_batch() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (cache, whole) = cache(folder.path(), 60);
        let mut held = Postings::default();
        for base in 0..60_u8 {
            let mut batch = Postings::default();
            for key in KEYS {
                batch.add(key, Position::from(base));
            }
            batch.add(1000 + u64::from(base), Position::from(base));
            held.append(&batch);
            let stored = cache.file(usize::from(base), graph_of(1, base + 1), 7, batch);
            assert!(smol::block_on(stored).expect("stored"), "{base}");
        }
        assert_eq!(cache.filed(7, &whole).expect("read"), 60);
        let all: Vec<Position> = (0..60).collect();
        let keys = [KEYS[0], KEYS[1], KEYS[2], 1042, 999];
        let expected = [all.clone(), all.clone(), all, vec![42], vec![]];
        assert_eq!(cache.under(&keys).expect("read"), expected);
        assert_eq!(keys.map(|key| held.under(key)), expected);
        let rows: i64 = cache
            .database()
            .read(|reader| {
                Ok(reader.query_row(
                    "SELECT max(n) FROM (SELECT count(*) n FROM posting GROUP BY bucket)",
                    [],
                    |row| row.get(0),
                )?)
            })
            .expect("read");
        assert!(rows <= BATCHES + 1, "small batches are joined: {rows}");
    }

    #[test]
    fn whatever_is_gone_or_another_is_noticed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (cache, _) = cache(folder.path(), 9);
        for base in 0..9_u8 {
            let mut batch = Postings::default();
            batch.add(KEYS[0], Position::from(base));
            batch.add(KEYS[usize::from(base % 3)], Position::from(base));
            assert!(smol::block_on(cache.file(base.into(), graph_of(1, base + 1), 7, batch)).expect("stored"));
        }
        let change = |script: String| {
            let change = move |transaction: &Transaction<'_>| Ok(transaction.execute_batch(&script)?);
            smol::block_on(cache.database().write(change)).expect("written");
        };
        let sound = cache.under(&KEYS).expect("read");
        change("CREATE TABLE row AS SELECT * FROM posting; CREATE TABLE filing AS SELECT * FROM batch".into());
        for damage in [
            "UPDATE posting SET entries = zeroblob(8) WHERE first = 4",
            "UPDATE posting SET entries = x'' WHERE first = 4",
            "UPDATE posting SET bucket = bucket + 1 WHERE first = 4 AND bucket > 0",
            "UPDATE posting SET first = 9 WHERE first = 4",
            "DELETE FROM posting WHERE first = 4",
            "DELETE FROM batch WHERE first = 8",
            "DELETE FROM batch WHERE first = 4",
            "DELETE FROM batch",
            "UPDATE batch SET filled = zeroblob(512)",
            "UPDATE batch SET filled = x''",
            "UPDATE batch SET \"end\" = 10 WHERE first = 8",
            "INSERT INTO posting SELECT bucket, 9, sum, entries FROM posting WHERE first = 4",
        ] {
            change(damage.into());
            let told = cache.under(&KEYS).expect_err(damage);
            assert!(crate::cache::database::is_damaged(&told), "{damage}: {told:#}");
            let mend = "DELETE FROM posting; INSERT INTO posting SELECT * FROM row;
                        DELETE FROM batch; INSERT INTO batch SELECT * FROM filing";
            change(mend.into());
            assert_eq!(cache.under(&KEYS).expect(damage), sound, "{damage}");
        }
    }

    #[test]
    fn other_rules_begin_anew_and_a_race_is_lost_quietly() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (cache, whole) = cache(folder.path(), 3);
        let batch = |key| {
            let mut batch = Postings::default();
            batch.add(key, 0);
            batch
        };
        let file =
            |base, graph, rules, key| smol::block_on(cache.file(base, graph, rules, batch(key))).expect("no error");
        let filed = |rules, graph: &Graph| cache.filed(rules, graph).expect("read");
        assert!(file(0, graph_of(1, 2), 1, 5));
        assert!(!file(0, graph_of(1, 2), 1, 6), "somebody else was first");
        assert!(!file(2, graph_of(1, 9), 1, 6), "the graph has no such commits");
        assert!(!file(0, graph_of(2, 2), 1, 6), "the stored graph is another");
        assert!(!file(0, graph([2, 1, 3]), 2, 6), "it has the same commits in another order");
        assert_eq!((filed(1, &whole), filed(2, &whole), filed(1, &graph_of(2, 3))), (2, 0, 0));
        assert!(file(0, Arc::clone(&whole), 2, 8));
        assert_eq!(cache.under(&[5, 8]).expect("read"), [vec![], vec![0]]);
    }
}
