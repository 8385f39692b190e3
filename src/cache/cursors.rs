//! Cursors: names for the state of the refs at the end of a complete stream, and consumers that follow under a name.

use rusqlite::{OptionalExtension as _, Transaction, params};
use sha2::{Digest as _, Sha256};

use super::repository::{Cache, now};
use crate::facts::Oid;

/// Cursors that no consumer holds are forgotten, oldest use first, beyond this many.
const KEPT: i64 = 1000;

/// Seconds after which the use of a cursor is noted again.
const DAY: i64 = 86_400;

/// The token for a set of tips: the same set has the same token.
#[must_use]
pub fn token(tips: &[Oid]) -> String {
    let mut sorted: Vec<&[u8]> = tips.iter().map(Oid::as_bytes).collect();
    sorted.sort_unstable();
    let mut digest = Sha256::new();
    for tip in sorted {
        digest.update(tip);
    }
    let half = digest.finalize().iter().take(16).fold(0_u128, |half, &byte| half << 8 | u128::from(byte));
    format!("{half:032x}")
}

impl Cache {
    /// Remembers `tips` under their token.
    ///
    /// # Errors
    /// If the cache can't be written.
    pub async fn keep_cursor(&self, tips: Vec<Oid>) -> anyhow::Result<String> {
        // Most runs end where the one before ended: reading that is far cheaper than writing it again.
        let token = token(&tips);
        let used: Option<i64> = self.database().read(|reader| {
            let used = "SELECT used_at FROM cursor WHERE token = ?1";
            Ok(reader.query_row(used, [&token], |row| row.get(0)).optional()?)
        })?;
        if used.is_some_and(|used| used > now() - DAY) {
            return Ok(token);
        }
        self.database().write(move |transaction| keep(transaction, &tips)).await
    }

    /// Moves the consumer `name`, who may be new, to the cursor `token`.
    ///
    /// # Errors
    /// If the cache can't be written, or the cursor was forgotten meanwhile.
    pub async fn move_consumer(&self, name: String, token: String) -> anyhow::Result<()> {
        if self.consumer(&name)?.as_ref() == Some(&token) {
            return Ok(());
        }
        let change = move |transaction: &Transaction<'_>| {
            transaction.execute("INSERT OR REPLACE INTO consumer VALUES (?1, ?2)", params![name, token])?;
            Ok(())
        };
        self.database().write(change).await
    }

    /// The tips that `token` stands for; `None` if it isn't known here. Blocks.
    ///
    /// # Errors
    /// If the cache can't be read.
    pub fn cursor(&self, token: &str) -> anyhow::Result<Option<Vec<Oid>>> {
        let blob: Option<Vec<u8>> = self.database().read(|reader| {
            Ok(reader.query_row("SELECT tips FROM cursor WHERE token = ?1", [token], |row| row.get(0)).optional()?)
        })?;
        let length = self.hash_len();
        Ok(blob.map(|blob| blob.chunks_exact(length).filter_map(Oid::from_bytes).collect()))
    }

    /// The token that the consumer `name` has come to; `None` if there is no such consumer yet. Blocks.
    ///
    /// # Errors
    /// If the cache can't be read.
    pub fn consumer(&self, name: &str) -> anyhow::Result<Option<String>> {
        self.database().read(|reader| {
            Ok(reader.query_row("SELECT token FROM consumer WHERE name = ?1", [name], |row| row.get(0)).optional()?)
        })
    }
}

fn keep(transaction: &Transaction<'_>, tips: &[Oid]) -> anyhow::Result<String> {
    let token = token(tips);
    let blob: Vec<u8> = tips.iter().flat_map(|tip| tip.as_bytes().iter().copied()).collect();
    transaction.execute(
        "INSERT INTO cursor VALUES (?1, ?2, ?3) ON CONFLICT (token) DO UPDATE SET used_at = excluded.used_at",
        params![token, blob, now()],
    )?;
    transaction.execute(
        "DELETE FROM cursor WHERE token IN (SELECT token FROM cursor
         WHERE token NOT IN (SELECT token FROM consumer) AND token <> ?1
         ORDER BY used_at DESC LIMIT -1 OFFSET ?2)",
        params![token, KEPT],
    )?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> Oid {
        Oid::from_bytes(&[number; 20]).expect("20 bytes")
    }

    #[test]
    fn a_cursor_names_a_set_of_tips_and_consumers_move_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.db");
        let (cache, aside) = Cache::open(&path, folder.path(), 20).expect("opens");
        assert_eq!(aside, None);
        smol::block_on(async {
            let first = cache.keep_cursor(vec![id(1), id(2)]).await.expect("kept");
            assert_eq!(cache.consumer("ci").expect("reads"), None, "nobody was moved yet");
            cache.move_consumer("ci".into(), first.clone()).await.expect("moved");
            assert_eq!(first, token(&[id(2), id(1)]), "the order of tips doesn't matter");
            assert_eq!(cache.cursor(&first).expect("reads"), Some(vec![id(1), id(2)]));
            assert_eq!(cache.consumer("ci").expect("reads").as_ref(), Some(&first));
            let second = cache.keep_cursor(vec![id(3)]).await.expect("kept");
            cache.move_consumer("ci".into(), second.clone()).await.expect("moved");
            assert_eq!(cache.consumer("ci").expect("reads"), Some(second));
            assert_eq!(cache.consumer("other").expect("reads"), None);
            assert_eq!(cache.cursor("feed").expect("reads"), None);
        });
    }
}
