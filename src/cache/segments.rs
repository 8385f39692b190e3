//! The graph as it is stored: a row for each batch, and its arrays in pieces, read whole, or only as far as a question needs them.

use rusqlite::blob::Blob;
use rusqlite::{Connection, MAIN_DB, OptionalExtension as _, Transaction, params};

use super::blocks::Content;
use super::database::Held;
use crate::facts::Oid;
use crate::graph::{Array, Damaged, Graph, Position, Segment, Source};

/// Entries of a piece of an array. To read some in the middle of a long one `SQLite` follows the chain of its pages from the first; a piece has
/// one to eight.
const PIECE: usize = 1024;
/// Where parents end.
const EDGES: Column = Column { number: 2, width: size_of::<u32>() };
/// Where the numbers of texts are, beside the arrays, and those of changes, of which there are only the pieces with some.
const TEXTS: Column = Column { number: 5, width: NUMBER };
const CHANGES: Column = Column { number: 6, width: NUMBER };
/// Bytes of a number.
const NUMBER: usize = size_of::<u32>();
/// What every byte of the number is that says that nothing is kept.
const UNNUMBERED: u8 = 0xff;

/// How many commits the stored graph has.
pub(super) fn end(reader: &Connection) -> rusqlite::Result<i64> {
    reader.query_row("SELECT coalesce(max(first + count), 0) FROM segment", [], |row| row.get(0))
}

pub(super) fn read_graph(reader: &Connection, hash_len: usize) -> anyhow::Result<Graph> {
    let mut graph = Graph::default();
    let segments = segments(reader)?;
    check_pieces(reader, &segments, hash_len)?;
    for segment in segments {
        anyhow::ensure!(segment.first == graph.len(), Damaged);
        let mut hasher = crc32fast::Hasher::new();
        graph.extend((segment.count, segment.links, hash_len), segment.sum, |array, into| -> anyhow::Result<()> {
            read(reader, (segment.first, column(array, hash_len)), 0, into)?;
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
    check_pieces(reader, segments, hash_len)?;
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
                read(&*held.connection()?, (segment.first, column(array, hash_len)), at - start, some)?;
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
    let mut statement = reader.prepare("SELECT first, count, links, sum FROM segment ORDER BY first")?;
    let mut rows = statement.query([])?;
    let mut segments = Vec::new();
    while let Some(row) = rows.next()? {
        let number = |at| -> anyhow::Result<usize> { Ok(usize::try_from(row.get::<_, i64>(at)?)?) };
        let segment = StoredSegment { first: number(0)?, count: number(1)?, links: number(2)?, sum: row.get(3)? };
        // More can't be numbered; and the parents of the last commit are the last.
        anyhow::ensure!(segment.count > 0 && Position::try_from(segment.count).is_ok(), Damaged);
        let mut links = [0; size_of::<u32>()];
        read(reader, (segment.first, EDGES), (segment.count - 1) * links.len(), &mut links)?;
        anyhow::ensure!(usize::try_from(u32::from_le_bytes(links))? == segment.links, Damaged);
        segments.push(segment);
    }
    Ok(segments)
}

/// Looks whether the last of so many bytes of an array is there.
fn check_last(reader: &Connection, (first, column): (usize, Column), length: usize) -> anyhow::Result<()> {
    let Some(last) = length.checked_sub(1) else { return Ok(()) };
    let row = column.row(first, last / column.piece())?;
    let blob = reader.blob_open(MAIN_DB, "piece", "bytes", row, true).map_err(or_damage)?;
    anyhow::ensure!(blob.len() > last % column.piece(), Damaged);
    Ok(())
}

/// Looks whether as many pieces are there as `segments` have. `hash_len` is the length of an id.
fn check_pieces(reader: &Connection, segments: &[StoredSegment], hash_len: usize) -> anyhow::Result<()> {
    let of = |segment: &StoredSegment| {
        let arrays = Array::ALL.map(|array| (column(array, hash_len), segment.length(array, hash_len)));
        let all = arrays.into_iter().chain([(TEXTS, segment.count * TEXTS.width)]);
        all.map(|(column, length)| length.div_ceil(column.piece())).sum::<usize>()
    };
    let whole = "SELECT count(*) FROM piece WHERE number >> 20 & 15 <> ?1";
    let there: i64 = reader.query_row(whole, [CHANGES.number], |row| row.get(0))?;
    anyhow::ensure!(usize::try_from(there) == Ok(segments.iter().map(of).sum()), Damaged);
    Ok(())
}

impl StoredSegment {
    /// How many bytes an array has.
    fn length(&self, array: Array, hash_len: usize) -> usize {
        let entries = if array == Array::Parents { self.links } else { self.count };
        entries * column(array, hash_len).width
    }

    /// Hands an array, which may be of ids of `hash_len` bytes, to `is_sound`, part by part.
    fn check(
        &self,
        reader: &Connection,
        (array, hash_len): (Array, usize),
        mut is_sound: impl FnMut(&[u8]) -> bool,
    ) -> anyhow::Result<()> {
        let (length, column) = (self.length(array, hash_len), column(array, hash_len));
        let mut buffer = vec![0; column.piece().min(length)];
        let mut at = 0;
        while at < length {
            let part = &mut buffer[..column.piece().min(length - at)];
            read(reader, (self.first, column), at, part)?;
            anyhow::ensure!(is_sound(part), Damaged);
            at += part.len();
        }
        Ok(())
    }
}

/// Where an array is kept.
#[derive(Clone, Copy)]
struct Column {
    number: i64,
    /// Bytes of an entry.
    width: usize,
}

impl Column {
    /// Bytes of a piece.
    fn piece(self) -> usize {
        PIECE * self.width
    }

    /// The row of a piece of the segment that begins with the commit `first`.
    fn row(self, first: usize, piece: usize) -> anyhow::Result<i64> {
        anyhow::ensure!(piece < 1 << 20, Damaged);
        Ok(i64::try_from(first)? << 24 | self.number << 20 | i64::try_from(piece)?)
    }
}

fn number_column(content: Content) -> Column {
    match content {
        Content::Texts => TEXTS,
        Content::Changes => CHANGES,
    }
}

/// Where `array` is, if ids have `hash_len` bytes.
fn column(array: Array, hash_len: usize) -> Column {
    let (number, width) = match array {
        Array::Ids => (0, hash_len),
        Array::Times => (1, size_of::<u64>()),
        Array::Edges => return EDGES,
        Array::Parents => (3, size_of::<Position>()),
        Array::ById => (4, size_of::<Position>()),
    };
    Column { number, width }
}

/// Reads an array of the segment that begins with the commit `first`, from the byte `at` on.
fn read(
    reader: &Connection,
    (first, column): (usize, Column),
    mut at: usize,
    mut into: &mut [u8],
) -> anyhow::Result<()> {
    let mut open: Option<Blob<'_>> = None;
    while !into.is_empty() {
        let (piece, within) = (at / column.piece(), at % column.piece());
        let row = column.row(first, piece)?;
        let blob = match open.take() {
            Some(mut blob) => blob.reopen(row).map(|()| blob),
            None => reader.blob_open(MAIN_DB, "piece", "bytes", row, true),
        };
        let blob = open.insert(blob.map_err(or_damage)?);
        let (part, rest) = into.split_at_mut(into.len().min(column.piece() - within));
        anyhow::ensure!(within + part.len() <= blob.len(), Damaged);
        blob.read_at_exact(part, within)?;
        (at, into) = (at + part.len(), rest);
    }
    Ok(())
}

/// What it means that a row can't be opened: it was stored with its segment, and that it isn't there (`SQLITE_ERROR`) is damage.
fn or_damage(cause: rusqlite::Error) -> anyhow::Error {
    let is_absence = cause.sqlite_error().is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_ERROR);
    if is_absence { Damaged.into() } else { cause.into() }
}

/// The number of the text of the commit at `position`, whose segment begins with the commit `first`.
pub(super) fn text_number(reader: &Connection, first: Position, position: Position) -> anyhow::Result<u32> {
    let mut number = [0; 4];
    read(reader, (first as usize, TEXTS), 4 * (position - first) as usize, &mut number)?;
    Ok(u32::from_le_bytes(number))
}

/// The numbers under which this `content` is kept of all commits, 4 bytes each, in the order of the commits.
pub(super) fn numbers(reader: &Connection, content: Content) -> anyhow::Result<Vec<u8>> {
    let mut numbers = Vec::new();
    for segment in segments(reader)? {
        let known = numbers.len();
        numbers.resize(known + NUMBER * segment.count, UNNUMBERED);
        let of_segment = &mut numbers[known..];
        match content {
            Content::Texts => {
                check_last(reader, (segment.first, TEXTS), of_segment.len())?;
                read(reader, (segment.first, TEXTS), 0, of_segment)?;
            }
            Content::Changes => {
                for (piece, part) in of_segment.chunks_mut(CHANGES.piece()).enumerate() {
                    let Some(bytes) = piece_at(reader, CHANGES.row(segment.first, piece)?)? else { continue };
                    // Numbers that are damaged lead to nothing, or to another commit's.
                    let length = bytes.len().min(part.len());
                    part[..length].copy_from_slice(&bytes[..length]);
                }
            }
        }
    }
    Ok(numbers)
}

fn piece_at(reader: &Connection, row: i64) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut statement = reader.prepare_cached("SELECT bytes FROM piece WHERE number = ?1")?;
    statement.query_row([row], |row| row.get(0)).optional()
}

/// Gives numbers to `commits`, which ascend, as far as the graph still has them there: each has its place in a block, and `first` stores that
/// and says its first commit's number. Not asked where all have numbers already.
pub(super) fn number(
    transaction: &Transaction<'_>,
    content: Content,
    commits: &[(Position, Oid, u32)],
    hash_len: usize,
    first: impl FnOnce() -> anyhow::Result<Option<u32>>,
) -> anyhow::Result<()> {
    let pieces = pieces_of(transaction, content, commits, hash_len)?;
    if !pieces.iter().any(NumbersOf::lacks_some) {
        return Ok(());
    }
    let Some(first) = first()? else { return Ok(()) };
    let mut put = transaction.prepare_cached("INSERT OR REPLACE INTO piece VALUES (?1, ?2)")?;
    for NumbersOf { row, mut numbers, commits } in pieces {
        for (at, place) in commits {
            numbers[NUMBER * at..][..NUMBER].copy_from_slice(&(first + place).to_le_bytes());
        }
        put.execute(params![row, numbers])?;
    }
    Ok(())
}

/// A piece with numbers.
struct NumbersOf {
    row: i64,
    numbers: Vec<u8>,
    /// Where it has those of some commits, and the place of each in its block.
    commits: Vec<(usize, u32)>,
}

impl NumbersOf {
    fn lacks_some(&self) -> bool {
        self.commits.iter().any(|(at, _)| self.numbers[NUMBER * at..][..NUMBER] == [UNNUMBERED; NUMBER])
    }
}

/// The pieces that `commits` are in, which ascend. Those that the graph doesn't have there are left out.
fn pieces_of(
    transaction: &Transaction<'_>,
    content: Content,
    commits: &[(Position, Oid, u32)],
    hash_len: usize,
) -> anyhow::Result<Vec<NumbersOf>> {
    let (ids, column) = (column(Array::Ids, hash_len), number_column(content));
    let (mut left, mut pieces) = (commits, Vec::new());
    for segment in segments(transaction)? {
        let (here, beyond) = left.split_at(left.partition_point(|it| (it.0 as usize) < segment.first + segment.count));
        left = beyond;
        let within = |position: Position| position as usize - segment.first;
        for of_piece in here.chunk_by(|one, next| within(one.0) / PIECE == within(next.0) / PIECE) {
            let piece = within(of_piece[0].0) / PIECE;
            let stored = piece_at(transaction, ids.row(segment.first, piece)?)?.unwrap_or_default();
            let row = column.row(segment.first, piece)?;
            let mut numbers = piece_at(transaction, row)?.unwrap_or_default();
            numbers.resize(NUMBER * PIECE.min(segment.count - piece * PIECE), UNNUMBERED);
            let is_there = |at: usize, id: &Oid| stored.chunks_exact(hash_len).nth(at) == Some(id.as_bytes());
            let placed = of_piece.iter().map(|(position, id, it)| (within(*position) % PIECE, id, *it));
            let commits = placed.filter(|(at, id, _)| is_there(*at, id)).map(|(at, _, it)| (at, it)).collect();
            pieces.push(NumbersOf { row, numbers, commits });
        }
    }
    Ok(pieces)
}

/// Whether the stored ids begin with `ids`.
pub(super) fn begins_with(reader: &Connection, ids: &[u8], hash_len: usize) -> anyhow::Result<bool> {
    let mut left = ids;
    for segment in segments(reader)? {
        if left.is_empty() {
            break;
        }
        let (shared, rest) = left.split_at(left.len().min(segment.count * hash_len));
        let mut stored = vec![0; shared.len()];
        read(reader, (segment.first, column(Array::Ids, hash_len)), 0, &mut stored)?;
        if stored != shared {
            return Ok(false);
        }
        left = rest;
    }
    Ok(left.is_empty())
}

/// Makes one segment of all.
pub(super) fn join(transaction: &Transaction<'_>, hash_len: usize) -> anyhow::Result<()> {
    let joined = read_graph(transaction, hash_len)?.joined();
    let (texts, changes) = (numbers(transaction, Content::Texts)?, numbers(transaction, Content::Changes)?);
    forget(transaction)?;
    insert(transaction, (0, hash_len), &joined, (&texts, &changes))
}

/// Deletes all.
pub(super) fn forget(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch("DELETE FROM segment; DELETE FROM piece;")
}

/// Stores `segment`, which begins with the commit `first`, and the numbers of its texts and changes, as [`numbers`] has them.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    (first, hash_len): (usize, usize),
    segment: &Segment,
    (texts, changes): (&[u8], &[u8]),
) -> anyhow::Result<()> {
    let count = i64::try_from(segment.times.len() / size_of::<u64>())?;
    let links = i64::try_from(segment.parents.len() / size_of::<Position>())?;
    let row = params![i64::try_from(first)?, count, links, segment.sum()];
    transaction.execute("INSERT INTO segment VALUES (?1, ?2, ?3, ?4)", row)?;
    let mut insert = transaction.prepare("INSERT INTO piece VALUES (?1, ?2)")?;
    let arrays = Array::ALL.map(|array| (column(array, hash_len), segment.array(array)));
    for (column, array) in arrays.into_iter().chain([(TEXTS, texts), (CHANGES, changes)]) {
        for (piece, bytes) in array.chunks(column.piece()).enumerate() {
            if column.number == CHANGES.number && bytes.iter().all(|byte| *byte == UNNUMBERED) {
                continue;
            }
            insert.execute(params![column.row(first, piece)?, bytes])?;
        }
    }
    Ok(())
}
