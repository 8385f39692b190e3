//! What resembles a commit and shares no key with it: the same patch under another author, date and subject, or nearly the same
//! lines. Sought only for `--similar`, among the commits that change one of its paths and that no ref has together with it, since
//! within one ref likeness says nothing. Each of them is compared, a chunk a job; none counts for anything.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::sync::Arc;

use super::closure::verdict;
use super::desk::Desk;
use super::resolve::Target;
use super::scope::Scope;
use super::search::Search;
use super::seeds;
use crate::cache::patches::KeptPatch;
use crate::error::{self, Kind};
use crate::facts::Oid;
use crate::git::ObjectError;
use crate::gitcli;
use crate::graph::Position;
use crate::matching::{Need, Strength, Verdict};

/// Paths that git is asked for at once: the longest of a commit's, if it has more.
const MOST_PATHS: usize = 250;
/// Commits that are compared in one job.
const CHUNK: usize = 32;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Alike {
    /// The commit that was asked about, one that resembles it, and why; the likeliest first.
    pub(super) pairs: Vec<(Position, Position, Verdict)>,
    /// What was found out on the way.
    pub(super) found_out: Vec<KeptPatch>,
    /// Objects that could not be read.
    pub(super) broken: Vec<ObjectError>,
    /// Comparisons that lacked an object which a partial clone doesn't have.
    pub(super) absent: usize,
    /// Why it could not be sought.
    pub(super) failure: Option<Failure>,
}

/// Why a part of an answer is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    pub(super) message: String,
}

/// A commit and where its like may be.
struct Sought {
    position: Position,
    paths: Vec<Vec<u8>>,
    /// The refs that lack it, and those that have it.
    tips: Vec<(Oid, bool)>,
}

impl Search<'_> {
    /// What resembles the commit that `target` means, if that is wanted and it means one.
    pub(super) async fn alike(&mut self, query: &str, target: &Target) -> anyhow::Result<Alike> {
        if !self.options.similar || self.options.signals.is_plain_containment() {
            return Ok(Alike::default());
        }
        let Some(scope) = self.scope().await? else { return Ok(Alike::default()) };
        let (look, target) = (Arc::clone(&scope), target.clone());
        let sought = self.pool.run(move || look.handles.with(|handle| sought(&mut Desk::new(&look, handle), &target)));
        let Some(Sought { position, mut paths, tips }) = sought.await? else { return Ok(Alike::default()) };
        paths.sort_unstable_by_key(|path| std::cmp::Reverse(path.len()));
        paths.truncate(MOST_PATHS);
        let spec = paths.iter().map(|path| gitcli::argument(&[b":(top,literal)".as_slice(), path].concat()));
        let spec: Vec<OsString> = spec.collect();
        match self.listed(&tips, Some(&spec)).await {
            Ok(ids) => {
                let mut alike = self.compare(&scope, position, &ids).await?;
                self.kept.append(&mut alike.found_out);
                Ok(alike)
            }
            Err(cause) => {
                let message = format!("what resembles '{query}' can't be told: {}", error::message_of(&cause));
                let failure = Failure { kind: error::kind_of(&cause), message };
                Ok(Alike { failure: Some(failure), ..Alike::default() })
            }
        }
    }

    /// Which of `ids` resemble the commit at `position`.
    async fn compare(&mut self, scope: &Arc<Scope>, position: Position, ids: &[Oid]) -> anyhow::Result<Alike> {
        let bar = self.report.bar();
        let mut chunks = ids.chunks(CHUNK);
        let mut pending = VecDeque::new();
        let mut found = Alike::default();
        let mut done = 0;
        while !self.token.is_cancelled() {
            if pending.len() < 2 * self.pool.threads()
                && let Some(chunk) = chunks.next()
            {
                let (scope, chunk) = (Arc::clone(scope), chunk.to_vec());
                let job = move || scope.handles.with(|handle| resembling(&scope, handle, position, &chunk));
                pending.push_back(self.pool.submit(job).await?);
                continue;
            }
            let Some(job) = pending.pop_front() else { break };
            let mut chunk = job.result().await?;
            found.pairs.append(&mut chunk.pairs);
            found.found_out.append(&mut chunk.found_out);
            found.broken.append(&mut chunk.broken);
            found.absent += chunk.absent;
            done += CHUNK;
            bar.show("comparing patches", done.min(ids.len()) as u64, Some(ids.len() as u64));
        }
        Ok(found)
    }
}

/// The one commit that `target` means, and where its like may be. None for a merge, and for one that changes nothing.
fn sought(desk: &mut Desk<'_>, target: &Target) -> Option<Sought> {
    let &[position] = seeds::seeds(desk, target).commits.as_slice() else { return None };
    if !desk.read(position) || desk.sketch(position)?.is_merge {
        return None;
    }
    desk.fill(position, Need::Paths);
    let paths = desk.sketch(position)?.paths.known().filter(|paths| !paths.is_empty())?.clone();
    let scope = desk.scope;
    let tips = &scope.places.tips;
    let contained = scope.contained(&[position], tips);
    let tips: Vec<(Oid, bool)> =
        tips.iter().enumerate().map(|(at, &tip)| (scope.graph.id(tip), contained.has(at, 0))).collect();
    // A ref that lacks it has to be there.
    tips.iter().any(|(_, has)| !has).then_some(Sought { position, paths, tips })
}

/// Which of `ids`, none of which shares a ref with the commit at `position`, resemble it.
fn resembling(scope: &Scope, handle: &crate::git::Handle, position: Position, ids: &[Oid]) -> Alike {
    let mut desk = Desk::new(scope, handle);
    let mut found = Alike::default();
    for other in ids.iter().filter_map(|id| scope.graph.position(id)) {
        if scope.stop.is_cancelled() {
            break;
        }
        if other == position || !desk.read(position) || !desk.read(other) {
            continue;
        }
        let Some(verdict) = verdict(&mut desk, position, other, false, Strength::Hint) else { continue };
        if verdict.confidence >= scope.min_confidence {
            found.pairs.push((position, other, uncounted(verdict)));
        }
    }
    found.found_out = std::mem::take(&mut desk.found_out);
    found.broken = std::mem::take(&mut desk.broken);
    found.absent = desk.absent;
    found
}

/// What only `--similar` has found counts for nothing, however much speaks for it: there are keys under which so many commits are
/// filed that they raise none.
fn uncounted(verdict: Verdict) -> Verdict {
    Verdict { strength: verdict.strength.min(Strength::Weak), ..verdict }
}
