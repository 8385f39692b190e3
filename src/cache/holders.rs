//! Which refs hold which commits, kept as long as the refs stand.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::Cache;
use crate::graph::{Damaged, Holders, Mark, StoredHolders};

/// Bytes of all arrays beyond which reading them takes longer than a sweep.
pub const MOST: usize = 4 << 20;

/// What is kept of a graph.
#[derive(Debug)]
pub(super) enum Kept {
    /// Which refs hold which commits.
    Holders(Holders),
    /// That this is too much to be kept.
    TooMuch,
}

impl Cache {
    /// Keeps `holders` of the graph with that mark in the place of those that were kept before, if it can. Of those that are too many to
    /// help, or that couldn't be found, it is kept that they are.
    pub async fn keep_holders(&self, mark: Mark, holders: Option<StoredHolders>) {
        let few = holders.filter(|holders| holders.len() <= MOST).unwrap_or_default();
        let sum = sum(&few);
        let StoredHolders { tips, starts, numbers, sets } = few;
        let keep = "INSERT OR REPLACE INTO holders VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)";
        self.keep_for_later(move |transaction| {
            Ok(transaction.execute(keep, params![mark.number(), tips, starts, numbers, sets, sum])?)
        })
        .await;
    }
}

/// What is kept of the graph with that mark, if anything is.
pub(super) fn read(reader: &Connection, mark: Mark) -> anyhow::Result<Option<Kept>> {
    let query = "SELECT tips, starts, numbers, sets, sum FROM holders WHERE mark = ?1";
    let kept = reader.query_row(query, [mark.number()], |row| {
        let array = |at| -> rusqlite::Result<&[u8]> { Ok(row.get_ref(at)?.as_blob()?) };
        let stored = StoredHolders { tips: array(0)?, starts: array(1)?, numbers: array(2)?, sets: array(3)? };
        Ok(if sum(&stored) == row.get::<_, u32>(4)? { kept(&stored) } else { Err(Damaged) })
    });
    Ok(kept.optional()?.transpose()?)
}

fn kept(stored: &StoredHolders<&[u8]>) -> Result<Kept, Damaged> {
    Ok(if stored.len() == 0 { Kept::TooMuch } else { Kept::Holders(Holders::read(stored)?) })
}

fn sum<Bytes: AsRef<[u8]>>(stored: &StoredHolders<Bytes>) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for array in stored.arrays() {
        hasher.update(array);
    }
    hasher.finalize()
}
