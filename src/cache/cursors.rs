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
    /// The token of the state that many refs with this `digest` are in under that overlay, where it was kept not too long ago. Blocks.
    ///
    /// # Errors
    /// If the cache can't be read.
    pub fn token_of(&self, digest: i64, overlay: i64) -> anyhow::Result<Option<String>> {
        let kept = "SELECT token FROM state WHERE digest = ?1 AND overlay = ?2 AND used_at > ?3";
        let is_kept = params![digest, overlay, now() - DAY];
        self.database().read(|reader| Ok(reader.query_row(kept, is_kept, |row| row.get(0)).optional()?))
    }

    /// Remembers the state of refs under its token: these `tips` are behind them, under that overlay. With a `digest` of what many lead to
    /// they need not be gathered the next time.
    ///
    /// # Errors
    /// If the cache can't be written.
    pub async fn keep_cursor(
        &self,
        overlay: i64,
        digest: Option<i64>,
        tips: impl FnOnce() -> Vec<Oid>,
    ) -> anyhow::Result<String> {
        if let Some(digest) = digest
            && let Some(token) = self.token_of(digest, overlay)?
        {
            return Ok(token);
        }
        let cursor = Cursor { tips: tips(), overlay };
        // Most runs end where the one before ended: reading that is far cheaper than writing it again.
        let token = token(&cursor);
        let used: Option<i64> = self.database().read(|reader| {
            let used = "SELECT used_at FROM cursor WHERE token = ?1";
            Ok(reader.query_row(used, [&token], |row| row.get(0)).optional()?)
        })?;
        let keep = {
            let token = token.clone();
            move |transaction: &Transaction<'_>| keep_state(transaction, digest, overlay, &token)
        };
        if used.is_none_or(|used| used <= now() - DAY) {
            let all =
                move |transaction: &Transaction<'_>| keep_tips(transaction, &cursor).and_then(|()| keep(transaction));
            self.database().write(all).await?;
        } else if digest.is_some() {
            self.keep_for_later(keep).await;
        }
        Ok(token)
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

    /// What `token` stands for; `None` if it isn't known here, or what is kept under it was damaged: then it is kept anew with the next
    /// stream that ends there.
    ///
    /// # Errors
    /// If the cache can't be read.
    pub async fn cursor(&self, token: &str) -> anyhow::Result<Option<Cursor>> {
        let (cache, wanted) = (self.clone(), token.to_owned());
        let Some(cursor) = smol::unblock(move || cache.kept_cursor(&wanted)).await? else { return Ok(None) };
        // What comes after other commits than the name says is something else.
        if self::token(&cursor) == token {
            return Ok(Some(cursor));
        }
        let unused = token.to_owned();
        let doubt = move |transaction: &Transaction<'_>| {
            transaction.execute("UPDATE cursor SET used_at = 0 WHERE token = ?1", [&unused])?;
            Ok(transaction.execute("DELETE FROM state WHERE token = ?1", [unused])?)
        };
        self.keep_for_later(doubt).await;
        Ok(None)
    }

    fn kept_cursor(&self, token: &str) -> anyhow::Result<Option<Cursor>> {
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

fn keep_tips(transaction: &Transaction<'_>, cursor: &Cursor) -> anyhow::Result<()> {
    let token = token(cursor);
    let blob: Vec<u8> = cursor.tips.iter().flat_map(|tip| tip.as_bytes().iter().copied()).collect();
    transaction.execute(
        "INSERT INTO cursor (token, tips, overlay, used_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (token) DO UPDATE SET tips = excluded.tips, used_at = excluded.used_at",
        params![token, blob, cursor.overlay, now()],
    )?;
    transaction.execute(
        "DELETE FROM cursor WHERE token IN (SELECT token FROM cursor
         WHERE token NOT IN (SELECT token FROM consumer) AND token <> ?1
         ORDER BY used_at DESC LIMIT -1 OFFSET ?2)",
        params![token, KEPT],
    )?;
    Ok(())
}

fn keep_state(transaction: &Transaction<'_>, digest: Option<i64>, overlay: i64, token: &str) -> anyhow::Result<usize> {
    let Some(digest) = digest else { return Ok(0) };
    let keep = "INSERT OR REPLACE INTO state (digest, overlay, token, used_at) VALUES (?1, ?2, ?3, ?4)";
    transaction.execute(keep, params![digest, overlay, token, now()])?;
    Ok(transaction.execute("DELETE FROM state WHERE number <= (SELECT max(number) FROM state) - ?1", [KEPT])?)
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
        let keep = async |Cursor { tips, overlay }| cache.keep_cursor(overlay, None, || tips).await.expect("kept");
        let consumer = |token: &str| Consumer { filters: "--grep=x".into(), token: token.into() };
        smol::block_on(async {
            let first = keep(cursor(&[1, 2], 0)).await;
            assert_eq!(cache.consumer("ci").expect("reads"), None, "nobody was moved yet");
            cache.move_consumer("ci".into(), consumer(&first)).await.expect("moved");
            assert_eq!(first, token(&cursor(&[2, 1], 0)), "the order of tips doesn't matter");
            assert_eq!(cache.cursor(&first).await.expect("reads"), Some(cursor(&[1, 2], 0)));
            assert_eq!(cache.consumer("ci").expect("reads"), Some(consumer(&first)));
            let bent = keep(cursor(&[1, 2], 5)).await;
            assert_ne!(first, bent, "the same tips reach something else");
            assert_eq!(cache.cursor(&bent).await.expect("reads"), Some(cursor(&[1, 2], 5)));
            let second = keep(cursor(&[3], 0)).await;
            cache.move_consumer("ci".into(), consumer(&second)).await.expect("moved");
            assert_eq!(cache.consumer("ci").expect("reads"), Some(consumer(&second)));
            assert_eq!(cache.consumer("other").expect("reads"), None);
            assert_eq!(cache.cursor("feed").await.expect("reads"), None);
            let damage = "UPDATE cursor SET tips = zeroblob(length(tips)) WHERE token = ?1";
            let damaged = second.clone();
            let damage = move |transaction: &Transaction<'_>| Ok(transaction.execute(damage, [damaged])?);
            cache.database().write(damage).await.expect("written");
            assert_eq!(cache.cursor(&second).await.expect("reads"), None);
            assert_eq!(keep(cursor(&[3], 0)).await, second);
            assert_eq!(cache.cursor(&second).await.expect("reads"), Some(cursor(&[3], 0)));
        });
    }

    #[test]
    fn the_state_of_many_refs_is_known_by_what_they_lead_to() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.db");
        let cache = Cache::open(&path, folder.path(), 20).expect("opens").0;
        let tips = || vec![id(1), id(2)];
        let known = |digest, overlay| cache.token_of(digest, overlay).expect("reads");
        let change = async |script: &'static str| {
            let change = move |transaction: &Transaction<'_>| Ok(transaction.execute_batch(script)?);
            cache.database().write(change).await.expect("written");
        };
        smol::block_on(async {
            let token = cache.keep_cursor(0, None, tips).await.expect("kept");
            assert_eq!(known(7, 0), None);
            assert_eq!(cache.keep_cursor(0, Some(7), tips).await.expect("kept"), token);
            let never = || unreachable!("they need not be gathered");
            assert_eq!(cache.keep_cursor(0, Some(7), never).await.expect("kept"), token);
            let bent = cache.keep_cursor(5, Some(7), tips).await.expect("kept");
            // Refs of other names in another order, behind which the same commits are.
            assert_eq!(cache.keep_cursor(0, Some(8), tips).await.expect("kept"), token);
            assert_eq!([known(7, 0), known(8, 0), known(8, 5)], [Some(token.clone()), Some(token.clone()), None]);
            assert_eq!(known(7, 5), Some(bent.clone()));
            change("UPDATE cursor SET used_at = 7; UPDATE state SET used_at = 7").await;
            assert_eq!(known(8, 0), None, "its use is to be noted again");
            assert_eq!(cache.keep_cursor(0, Some(8), tips).await.expect("kept"), token);
            assert_eq!(known(8, 0), Some(token.clone()));
            change("UPDATE cursor SET tips = zeroblob(20) WHERE overlay = 0").await;
            assert_eq!(cache.cursor(&token).await.expect("reads"), None);
            assert_eq!([known(7, 0), known(8, 0)], [None, None], "it has to be kept anew");
            assert_eq!(cache.keep_cursor(0, Some(8), tips).await.expect("kept"), token);
            assert_eq!(cache.cursor(&token).await.expect("reads"), Some(Cursor { tips: tips(), overlay: 0 }));
            change("DELETE FROM cursor").await;
            assert_eq!(known(8, 0), None, "nobody gets a name that stands for nothing");
        });
    }

    #[test]
    fn what_only_spares_the_next_run_work_waits_for_nobody() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.db");
        let cache = Cache::open(&path, folder.path(), 20).expect("opens").0;
        let token = smol::block_on(cache.keep_cursor(0, None, || vec![id(1)])).expect("kept");
        let other = rusqlite::Connection::open(&path).expect("opens");
        other.execute_batch("BEGIN IMMEDIATE").expect("nobody writes");
        let kept = smol::block_on(cache.keep_cursor(0, Some(7), || vec![id(1)]));
        assert_eq!((kept.expect("it is known"), cache.token_of(7, 0).expect("reads")), (token, None));
        drop(other);
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
