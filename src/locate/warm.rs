//! Working out ahead of any query what `where` would have to: keys of all messages, and the patches of commits that are likely to be
//! one change, the newest first. What is kept is what a query keeps; it only isn't asked for yet.
//!
//! Likely is what has the same author to the second: a pick keeps both. (Those that change the same paths as well are but 4 % fewer,
//! 21,156 of 21,980 on systemd. Telling them apart would read every tree twice, and of an adapted pick, whose paths differ, the
//! ladder asks for the patch too.) Merges are left out: they have no patch. Of 100 commits of systemd, all asked about, the queries made 66
//! diffs without this, and 4 after it.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};

use super::desk::Desk;
use super::scope::Scope;
use super::search::Search;
use super::{Options, open};
use crate::announce;
use crate::cache::blocks::Blocks;
use crate::cache::patches::KeptPatch;
use crate::facts::commit::RawCommit;
use crate::git::ObjectError;
use crate::graph::Position;
use crate::index::Trouble;
use crate::matching::Need;
use crate::report::{Gone, Strand};
use crate::shutdown::Token;
use crate::tasks::Hand;

/// Commits whose authors are read in one job.
const AUTHORS: usize = 4096;
/// Commits whose patches are worked out in one job: short, so that others who share the threads have their turn.
const PATCHES: usize = 64;
/// Patches that are kept in one transaction.
const KEPT_TOGETHER: usize = 1024;

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Warmed {
    /// Commits that are likely to be one change with another.
    pub likely: usize,
    /// Those of them whose patch was worked out now.
    pub worked_out: usize,
    /// Those whose patch can't be known, or is too large to be kept.
    pub left_out: usize,
}

/// Warms the cache of the repository that `options` seek; as a task it gives way, step by step, by its `hand`. Ends early when `token` is
/// cancelled; what was worked out is kept.
///
/// # Errors
/// If there is no repository, or it can't be read.
pub async fn warm(options: Options, hand: Option<&Hand>, report: &mut Strand, token: &Token) -> anyhow::Result<Warmed> {
    give_way(hand).await;
    let mut search = Box::pin(open(Arc::new(options), report, token, true)).await?;
    let warmed = Box::pin(search.warm(hand)).await?;
    let Search { report, indexed, name, .. } = search;
    announce::end(report, &name, token.is_cancelled(), indexed).await?;
    Ok(warmed)
}

/// As [`warm`], for one of several repositories: why it could not be warmed is told on its own strand, and the others go on.
///
/// # Errors
/// If nobody reads any more.
pub async fn warm_one_of_several(options: Options, report: &mut Strand, token: &Token) -> anyhow::Result<Warmed> {
    let name = options.sought.name.clone().unwrap_or_default();
    match warm(options, None, report, token).await {
        Err(cause) if cause.downcast_ref::<Gone>().is_some() => Err(cause),
        Err(_) if token.is_cancelled() => Ok(Warmed::default()),
        Err(cause) => announce::failed(report, &name, &cause).await.map(|()| Warmed::default()),
        warmed => warmed,
    }
}

impl Search<'_> {
    async fn warm(&mut self, hand: Option<&Hand>) -> anyhow::Result<Warmed> {
        self.catch_up().await?;
        let mut warmed = Warmed::default();
        // Without a cache there is nothing to be warmed.
        if self.lasting().is_none() {
            return Ok(warmed);
        }
        let Some(scope) = self.scope().await? else { return Ok(warmed) };
        let Some(likely) = self.likely(&scope, hand).await? else { return Ok(warmed) };
        warmed.likely = likely.len();
        let likely = Arc::new(likely);
        let mut chunks = ranges(0..likely.len(), PATCHES);
        let mut pending = VecDeque::new();
        let (mut done, mut unreadable) = (0, None);
        while !self.token.is_cancelled() {
            if pending.len() < self.pool.threads()
                && let Some(chunk) = chunks.next()
            {
                give_way(hand).await;
                let (scope, likely) = (Arc::clone(&scope), Arc::clone(&likely));
                let length = chunk.len();
                let job = move || scope.handles.clone().with(|handle| patches(&scope, handle, &likely[chunk.clone()]));
                pending.push_back((length, self.pool.submit(job).await?));
                continue;
            }
            let Some((length, job)) = pending.pop_front() else { break };
            let worked = job.result().await?;
            warmed.worked_out += worked.found_out.len();
            warmed.left_out += worked.left_out;
            self.absent += worked.absent;
            self.kept.extend(worked.found_out);
            unreadable = unreadable.or(worked.broken.into_iter().next());
            if self.kept.len() >= KEPT_TOGETHER {
                self.keep().await?;
            }
            done += length;
            let total = Some(likely.len() as u64);
            self.report.progress(&self.name, "working out patches", done as u64, total).await?;
        }
        self.wind_up().await?;
        if let Some(cause) = unreadable {
            // Nobody has asked for it: whoever does is told that the answer is partial.
            let left_out = warmed.left_out;
            let message = format!("{left_out} patches could not be worked out; the first since {cause}");
            let hint = Some("git fsck tells what is missing".into());
            announce::warn(self.report, &self.name, &Trouble { code: "left-out", message, hint }).await?;
        }
        Ok(warmed)
    }

    /// The commits that some ref reaches and whose author has written another at the same second, the newest first. `None` if the run is
    /// to end.
    async fn likely(&mut self, scope: &Arc<Scope>, hand: Option<&Hand>) -> anyhow::Result<Option<Vec<Position>>> {
        let texts = self.index.texts(&self.pool).await;
        let mut chunks = ranges(0..scope.graph.len(), AUTHORS);
        let mut pending = VecDeque::new();
        let mut by_author: HashMap<u64, (Position, bool)> = HashMap::new();
        let mut likely = Vec::new();
        let mut done = 0;
        loop {
            if self.token.is_cancelled() {
                return Ok(None);
            }
            if pending.len() < self.pool.threads()
                && let Some(chunk) = chunks.next()
            {
                give_way(hand).await;
                let (scope, texts) = (Arc::clone(scope), texts.clone());
                pending.push_back(self.pool.submit(move || authors(&scope, texts.as_ref(), chunk)).await?);
                continue;
            }
            let Some(job) = pending.pop_front() else { break };
            for (author, position) in job.result().await? {
                let (first, is_told) = by_author.entry(author).or_insert((position, false));
                if *first == position {
                    continue;
                }
                if !std::mem::replace(is_told, true) {
                    likely.push(*first);
                }
                likely.push(position);
            }
            done += AUTHORS;
            let total = scope.graph.len();
            self.report.progress(&self.name, "reading authors", done.min(total) as u64, Some(total as u64)).await?;
        }
        likely.sort_by_key(|&position| std::cmp::Reverse((scope.graph.time(position), position)));
        Ok(Some(likely))
    }
}

/// Waits while something goes before this.
async fn give_way(hand: Option<&Hand>) {
    if let Some(hand) = hand {
        hand.give_way().await;
    }
}

/// `range` in pieces of `size`.
fn ranges(range: Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(size).map(move |start| start..(start + size).min(end))
}

/// A number for the author, with the date, of each commit of `chunk` that is no merge. Two that agree by accident cost a diff.
fn authors(scope: &Scope, texts: Option<&Arc<Blocks>>, chunk: Range<usize>) -> Vec<(u64, Position)> {
    let positions: Vec<Position> = chunk.filter_map(|position| Position::try_from(position).ok()).collect();
    scope.handles.with(|handle| {
        let mut kept = texts.map(Blocks::reader);
        let mut buffer = Vec::new();
        let mut found = Vec::new();
        for &position in &positions {
            let graph = &scope.graph;
            if graph.parents(position).len() > 1 || !scope.places.reach(graph, position) {
                continue;
            }
            let id = graph.id(position);
            let known = kept.as_mut().and_then(|reader| reader.get(position, &id));
            let raw = match known {
                Some(raw) => Ok(raw),
                None => handle.commit(&id, &mut buffer),
            };
            // Whoever walks to one that can't be read is told.
            let author = raw.ok().and_then(|raw| {
                let commit = RawCommit::parse(raw, id.as_bytes().len()).ok()?;
                (!commit.author.is_empty()).then(|| hashed(commit.author))
            });
            found.extend(author.map(|author| (author, position)));
        }
        found
    })
}

fn hashed(bytes: &[u8]) -> u64 {
    use std::hash::BuildHasher as _;
    foldhash::quality::FixedState::default().hash_one(bytes)
}

/// What was worked out of some commits.
struct Worked {
    found_out: Vec<KeptPatch>,
    left_out: usize,
    broken: Vec<ObjectError>,
    absent: usize,
}

fn patches(scope: &Scope, handle: &crate::git::Handle, positions: &[Position]) -> Worked {
    let mut desk = Desk::new(scope, handle);
    let mut left_out = 0;
    for &position in positions {
        if scope.stop.is_cancelled() {
            break;
        }
        if desk.read(position) {
            // What is kept already is only read.
            desk.fill(position, Need::Lines);
        }
        let is_known = desk.sketch(position).is_some_and(|sketch| sketch.patch_id.known().is_some());
        left_out += usize::from(!is_known);
    }
    let (found_out, broken) = (std::mem::take(&mut desk.found_out), std::mem::take(&mut desk.broken));
    Worked { found_out, left_out, broken, absent: desk.absent }
}
