//! The graph as it is stored: a row for each batch, read whole, or only as far as every question needs it.

use rusqlite::blob::Blob;
use rusqlite::{Connection, MAIN_DB, Transaction, params};

use super::database::Held;
use crate::graph::{Array, Damaged, Graph, Position, Segment, Source};

/// Bytes of what is only to be checked that are read at once: they stay in the processor's cache.
const CHECKED: usize = 1 << 16;

/// How many commits the stored graph has.
pub(super) fn end(reader: &Connection) -> rusqlite::Result<i64> {
    reader.query_row("SELECT coalesce(max(first + count), 0) FROM segment", [], |row| row.get(0))
}

pub(super) fn read_graph(reader: &Connection, hash_len: usize) -> anyhow::Result<Graph> {
    let mut graph = Graph::default();
    for segment in segments(reader)? {
        anyhow::ensure!(segment.first == graph.len(), Damaged);
        let mut hasher = crc32fast::Hasher::new();
        graph.extend((segment.count, segment.links, hash_len), segment.sum, |array, into| -> anyhow::Result<()> {
            segment.read(reader, array, into)?;
            hasher.update(into);
            Ok(())
        })?;
        anyhow::ensure!(hasher.finalize() == segment.sum, Damaged);
    }
    Ok(graph)
}

/// As [`read_graph`], but all of it is left where it is.
pub(super) fn look_at_graph(reader: &Connection, hash_len: usize) -> anyhow::Result<(Graph, Vec<StoredSegment>)> {
    let mut graph = Graph::stored(hash_len);
    let segments = segments(reader)?;
    for segment in &segments {
        anyhow::ensure!(segment.first == graph.len(), Damaged);
        graph.stands((segment.count, segment.links), segment.sum);
    }
    Ok((graph, segments))
}

/// Whether `segments` are as they were stored.
pub(super) fn check(reader: &Connection, segments: &[StoredSegment], hash_len: usize) -> anyhow::Result<()> {
    for segment in segments {
        let mut hasher = crc32fast::Hasher::new();
        let range = segment.first..segment.first + segment.count;
        for array in Array::ALL {
            segment.check(reader, (array, hash_len), |bytes| {
                hasher.update(bytes);
                let (positions, _) = bytes.as_chunks();
                let is_here = |&position: &[u8; 4]| range.contains(&(Position::from_le_bytes(position) as usize));
                array != Array::ById || positions.iter().all(is_here)
            })?;
        }
        anyhow::ensure!(hasher.finalize() == segment.sum, Damaged);
    }
    Ok(())
}

/// Reads from `segments`, in the transaction that they were found in.
pub(super) fn source(held: Held, segments: Vec<StoredSegment>, hash_len: usize) -> Source {
    Box::new(move |array, from, into| {
        let (mut start, mut at, mut left) = (0, from, into);
        for segment in &segments {
            let end = start + segment.length(array, hash_len);
            if at < end {
                let (some, rest) = left.split_at_mut(left.len().min(end - at));
                segment.blob(&*held.connection()?, array)?.read_at_exact(some, at - start)?;
                (at, left) = (end, rest);
            }
            if left.is_empty() {
                return Ok(());
            }
            start = end;
        }
        Err(Damaged.into())
    })
}

/// A row of the segments.
pub(super) struct StoredSegment {
    first: usize,
    count: usize,
    links: usize,
    sum: u32,
}

fn segments(reader: &Connection) -> anyhow::Result<Vec<StoredSegment>> {
    let mut statement =
        reader.prepare("SELECT first, length(times) / 8, length(parents) / 4, sum FROM segment ORDER BY first")?;
    let mut rows = statement.query([])?;
    let mut segments = Vec::new();
    while let Some(row) = rows.next()? {
        let number = |at| -> anyhow::Result<usize> { Ok(usize::try_from(row.get::<_, i64>(at)?)?) };
        segments.push(StoredSegment { first: number(0)?, count: number(1)?, links: number(2)?, sum: row.get(3)? });
    }
    Ok(segments)
}

impl StoredSegment {
    fn blob<'c>(&self, reader: &'c Connection, array: Array) -> anyhow::Result<Blob<'c>> {
        Ok(reader.blob_open(MAIN_DB, "segment", column(array), i64::try_from(self.first)?, true)?)
    }

    /// Reads an array whole.
    fn read(&self, reader: &Connection, array: Array, into: &mut [u8]) -> anyhow::Result<()> {
        let blob = self.blob(reader, array)?;
        anyhow::ensure!(blob.len() == into.len(), Damaged);
        Ok(blob.read_at_exact(into, 0)?)
    }

    /// How many bytes an array has.
    fn length(&self, array: Array, hash_len: usize) -> usize {
        match array {
            Array::Ids => self.count * hash_len,
            Array::Times => self.count * size_of::<u64>(),
            Array::Edges => self.count * size_of::<u32>(),
            Array::Parents => self.links * size_of::<Position>(),
            Array::ById => self.count * size_of::<Position>(),
        }
    }

    /// Hands an array, which may be of ids of `hash_len` bytes, to `is_sound`, part by part.
    fn check(
        &self,
        reader: &Connection,
        (array, hash_len): (Array, usize),
        mut is_sound: impl FnMut(&[u8]) -> bool,
    ) -> anyhow::Result<()> {
        let blob = self.blob(reader, array)?;
        anyhow::ensure!(blob.len() == self.length(array, hash_len), Damaged);
        let mut buffer = vec![0; CHECKED.min(blob.len())];
        let mut at = 0;
        while at < blob.len() {
            let part = &mut buffer[..CHECKED.min(blob.len() - at)];
            blob.read_at_exact(part, at)?;
            anyhow::ensure!(is_sound(part), Damaged);
            at += part.len();
        }
        Ok(())
    }
}

/// The column that an array is kept in.
fn column(array: Array) -> &'static str {
    match array {
        Array::Ids => "ids",
        Array::Times => "times",
        Array::Edges => "edges",
        Array::Parents => "parents",
        Array::ById => "by_id",
    }
}

/// Makes one segment of all.
pub(super) fn join(transaction: &Transaction<'_>, hash_len: usize) -> anyhow::Result<()> {
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

pub(super) fn insert(
    transaction: &Transaction<'_>,
    first: usize,
    segment: &Segment,
    texts: &[u8],
) -> anyhow::Result<()> {
    let count = i64::try_from(segment.times.len() / 8)?;
    let first = i64::try_from(first)?;
    transaction.execute(
        "INSERT INTO segment VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            first,
            count,
            segment.sum(),
            segment.ids,
            segment.times,
            segment.edges,
            segment.parents,
            segment.by_id,
            texts
        ],
    )?;
    Ok(())
}
