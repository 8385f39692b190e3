//! Cursors: names for the state of the refs at the end of a complete stream, and consumers that follow under a name.

use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use sha2::{Digest as _, Sha256};

use super::repository::{Cache, now};
use crate::facts::Oid;
use crate::facts::oid::leading;

/// Cursors that no consumer holds are forgotten, oldest use first, beyond this many.
const KEPT: i64 = 1000;

/// Seconds after which the use of a cursor is noted again.
const DAY: i64 = 86_400;

/// What a cursor names: the commits behind the refs, and what bent their history (0: nothing).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The commits.
    pub tips: Vec<Oid>,
    /// The fingerprint of shallow, replaced and grafted commits.
    pub overlay: i64,
}

/// A consumer, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// The filters that it began with.
    pub filters: String,
    /// Its cursor.
    pub token: String,
}

/// The token of `cursor`: the same set of tips under the same overlay has the same token.
#[must_use]
pub fn token(cursor: &Cursor) -> String {
    let mut sorted: Vec<(u64, &Oid)> = cursor.tips.iter().map(|tip| (leading(tip.as_bytes()), tip)).collect();
    // By their first bytes, which lie at hand and tell nearly all apart; then those that begin alike.
    sorted.sort_unstable_by_key(|(leading, _)| *leading);
    sorted.chunk_by_mut(|one, next| one.0 == next.0).filter(|alike| alike.len() > 1).for_each(<[_]>::sort_unstable);
    let mut digest = Sha256::new();
    for (_, tip) in sorted {
        digest.update(tip.as_bytes());
    }
    if cursor.overlay != 0 {
        digest.update(cursor.overlay.to_be_bytes());
    }
    let half = digest.finalize().iter().take(16).fold(0_u128, |half, &byte| half << 8 | u128::from(byte));
    format!("{half:032x}")
}

impl Cache {
    /// The token of the cursor that was kept for refs with this `digest`, under that overlay, not too long ago. Blocks.
    ///
    /// # Errors
    /// If the cache can't be read.
    pub fn kept_token(&self, digest: i64, overlay: i64) -> anyhow::Result<Option<String>> {
        let kept = "SELECT token FROM cursor WHERE digest = ?1 AND overlay = ?2 AND used_at > ?3";
        let is_kept = params![digest, overlay, now() - DAY];
        self.database().read(|reader| Ok(reader.query_row(kept, is_kept, |row| row.get(0)).optional()?))
    }

    /// Remembers `cursor` under its token; with the `digest` of the refs whose commits it names, [`Self::kept_token`] finds it.
    ///
    /// # Errors
    /// If the cache can't be written.
    pub async fn keep_cursor(&self, cursor: Cursor, digest: Option<i64>) -> anyhow::Result<String> {
        // Most runs end where the one before ended: reading that is far cheaper than writing it again.
        let token = token(&cursor);
        let kept: Option<(i64, Option<i64>)> = self.database().read(|reader| {
            let kept = "SELECT used_at, digest FROM cursor WHERE token = ?1";
            Ok(reader.query_row(kept, [&token], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
        })?;
        if kept.is_some_and(|(used, known)| used > now() - DAY && (digest.is_none() || digest == known)) {
            return Ok(token);
        }
        self.database().write(move |transaction| keep(transaction, &cursor, digest)).await
    }

    /// Moves the consumer `name`, who may be new, on.
    ///
    /// # Errors
    /// If the cache can't be written, or the cursor was forgotten meanwhile.
    pub async fn move_consumer(&self, name: String, to: Consumer) -> anyhow::Result<()> {
        if self.consumer(&name)?.as_ref() == Some(&to) {
            return Ok(());
        }
        let change = move |transaction: &Transaction<'_>| {
            let put = "INSERT OR REPLACE INTO consumer (name, filters, token) VALUES (?1, ?2, ?3)";
            transaction.execute(put, params![name, to.filters, to.token])?;
            Ok(())
        };
        self.database().write(change).await
    }

    /// What `token` stands for; `None` if it isn't known here. Blocks.
    ///
    /// # Errors
    /// If the cache can't be read.
    pub fn cursor(&self, token: &str) -> anyhow::Result<Option<Cursor>> {
        let length = self.hash_len();
        let read = |row: &Row<'_>| {
            let blob = row.get_ref(0)?.as_blob()?;
            let tips = blob.chunks_exact(length).filter_map(Oid::from_bytes).collect();
            Ok(Cursor { tips, overlay: row.get(1)? })
        };
        let wanted = "SELECT tips, overlay FROM cursor WHERE token = ?1";
        self.database().read(|reader| Ok(reader.query_row(wanted, [token], read).optional()?))
    }

    /// The consumer `name`; `None` if there is no such consumer yet. Blocks.
    ///
    /// # Errors
    /// If the cache can't be read.
    pub fn consumer(&self, name: &str) -> anyhow::Result<Option<Consumer>> {
        let read = |row: &Row<'_>| Ok(Consumer { filters: row.get(0)?, token: row.get(1)? });
        let wanted = "SELECT filters, token FROM consumer WHERE name = ?1";
        self.database().read(|reader| Ok(reader.query_row(wanted, [name], read).optional()?))
    }
}

fn keep(transaction: &Transaction<'_>, cursor: &Cursor, digest: Option<i64>) -> anyhow::Result<String> {
    let token = token(cursor);
    let blob: Vec<u8> = cursor.tips.iter().flat_map(|tip| tip.as_bytes().iter().copied()).collect();
    transaction.execute(
        "INSERT INTO cursor (token, tips, overlay, used_at, digest) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (token) DO UPDATE SET used_at = excluded.used_at, digest = coalesce(excluded.digest, digest)",
        params![token, blob, cursor.overlay, now(), digest],
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
        assert!(aside.is_empty());
        let cursor = |tips: &[u8], overlay| Cursor { tips: tips.iter().map(|&tip| id(tip)).collect(), overlay };
        let consumer = |token: &str| Consumer { filters: "--grep=x".into(), token: token.into() };
        smol::block_on(async {
            let first = cache.keep_cursor(cursor(&[1, 2], 0), None).await.expect("kept");
            assert_eq!(cache.consumer("ci").expect("reads"), None, "nobody was moved yet");
            cache.move_consumer("ci".into(), consumer(&first)).await.expect("moved");
            assert_eq!(first, token(&cursor(&[2, 1], 0)), "the order of tips doesn't matter");
            assert_eq!(cache.cursor(&first).expect("reads"), Some(cursor(&[1, 2], 0)));
            assert_eq!(cache.consumer("ci").expect("reads"), Some(consumer(&first)));
            let bent = cache.keep_cursor(cursor(&[1, 2], 5), None).await.expect("kept");
            assert_ne!(first, bent, "the same tips reach something else");
            assert_eq!(cache.cursor(&bent).expect("reads"), Some(cursor(&[1, 2], 5)));
            let second = cache.keep_cursor(cursor(&[3], 0), None).await.expect("kept");
            cache.move_consumer("ci".into(), consumer(&second)).await.expect("moved");
            assert_eq!(cache.consumer("ci").expect("reads"), Some(consumer(&second)));
            assert_eq!(cache.consumer("other").expect("reads"), None);
            assert_eq!(cache.cursor("feed").expect("reads"), None);
        });
    }

    #[test]
    fn a_cursor_is_found_by_the_refs_that_it_was_kept_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.db");
        let cache = Cache::open(&path, folder.path(), 20).expect("opens").0;
        let (tips, kept) = (vec![id(1), id(2)], |digest, overlay| cache.kept_token(digest, overlay).expect("reads"));
        smol::block_on(async {
            let cursor = |overlay| Cursor { tips: tips.clone(), overlay };
            let token = cache.keep_cursor(cursor(0), None).await.expect("kept");
            assert_eq!(kept(7, 0), None);
            for digest in [Some(7), None] {
                assert_eq!(cache.keep_cursor(cursor(0), digest).await.expect("kept"), token);
                assert_eq!((kept(7, 0), kept(7, 5), kept(8, 0)), (Some(token.clone()), None, None));
            }
            let bent = cache.keep_cursor(cursor(5), Some(7)).await.expect("kept");
            assert_eq!((kept(7, 0), kept(7, 5)), (Some(token.clone()), Some(bent)));
            // Refs of other names in another order, behind which the same commits are.
            cache.keep_cursor(cursor(0), Some(8)).await.expect("kept");
            assert_eq!((kept(7, 0), kept(8, 0)), (None, Some(token.clone())));
            let age =
                move |transaction: &Transaction<'_>| Ok(transaction.execute("UPDATE cursor SET used_at = 7", [])?);
            cache.database().write(age).await.expect("written");
            assert_eq!(kept(8, 0), None, "its use is to be noted again");
            assert_eq!(cache.keep_cursor(cursor(0), Some(8)).await.expect("kept"), token);
            assert_eq!(kept(8, 0), Some(token));
        });
    }

    #[test]
    fn a_token_is_of_a_set_however_its_ids_begin() {
        let ids: Vec<Oid> = (0_u8..=255)
            .map(|number| {
                let mut bytes = [7; 20];
                // Eight begin alike in each of 32 ways.
                (bytes[0], bytes[19]) = (number % 32, number);
                Oid::from_bytes(&bytes).expect("20 bytes")
            })
            .collect();
        let token = |tips: &[Oid]| super::token(&Cursor { tips: tips.to_vec(), overlay: 0 });
        let (mut sorted, mut digest) = (ids.clone(), Sha256::new());
        sorted.sort_unstable();
        for id in &sorted {
            digest.update(id.as_bytes());
        }
        let half = digest.finalize().iter().take(16).fold(String::new(), |half, byte| format!("{half}{byte:02x}"));
        let turned: Vec<Oid> = ids.iter().rev().copied().collect();
        assert_eq!([token(&ids), token(&sorted), token(&turned)], [half.clone(), half.clone(), half]);
    }
}
