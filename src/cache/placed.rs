//! Where many refs lead, kept as long as they stand: to look up 60,000 takes longer than all else about them.

use rusqlite::{OptionalExtension as _, params};

use super::Cache;
use crate::graph::{Damaged, Mark, Position};

/// Fewer refs than this are looked up as quickly.
pub const MANY: usize = 4096;
/// So many lists of refs are kept, those that were kept last.
const KEPT: i64 = 4;
/// The position of what has none.
const NOWHERE: Position = Position::MAX;

impl Cache {
    /// Keeps where the graph with that mark has what the refs with that `digest` lead to, if it can.
    pub async fn keep_placed(&self, mark: Mark, digest: i64, placed: &[Option<Position>]) {
        let positions: Vec<u8> = placed.iter().flat_map(|position| position.unwrap_or(NOWHERE).to_le_bytes()).collect();
        self.keep_for_later(move |transaction| {
            let sum = crc32fast::hash(&positions);
            let keep = "INSERT OR REPLACE INTO placed (mark, digest, positions, sum) VALUES (?1, ?2, ?3, ?4)";
            transaction.execute(keep, params![mark.number(), digest, positions, sum])?;
            let forget = "DELETE FROM placed WHERE number <= (SELECT max(number) FROM placed) - ?1";
            Ok(transaction.execute(forget, [KEPT])?)
        })
        .await;
    }

    /// Where the graph with that mark has what so many refs with that `digest` lead to, if that is kept. Blocks.
    ///
    /// # Errors
    /// If the cache can't be read.
    pub fn placed(&self, mark: Mark, digest: i64, count: usize) -> anyhow::Result<Option<Vec<Option<Position>>>> {
        let query = "SELECT positions, sum FROM placed WHERE mark = ?1 AND digest = ?2";
        self.database().read(|reader| {
            let row = |row: &rusqlite::Row<'_>| {
                let bytes = row.get_ref(0)?.as_blob()?;
                let place = |&four: &[u8; 4]| Some(Position::from_le_bytes(four)).filter(|place| *place != NOWHERE);
                let places: Vec<Option<Position>> = bytes.as_chunks().0.iter().map(place).collect();
                Ok((places, crc32fast::hash(bytes) == row.get::<_, u32>(1)?))
            };
            let kept = reader.query_row(query, params![mark.number(), digest], row).optional()?;
            let Some((places, is_sound)) = kept else { return Ok(None) };
            anyhow::ensure!(is_sound && places.len() == count, Damaged);
            Ok(Some(places))
        })
    }
}
