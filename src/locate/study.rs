//! What other rooms may ask about many commits at once: what their messages say, what became of their changes on some tips, and which
//! of them have the same patch. What is done with the answers is theirs.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::Options;
use super::answer::changes;
use super::closure::close;
use super::desk::{Desk, sorted_paths, with_sketch};
use super::histories::Histories;
use super::presence::State;
use super::reverts::turns;
use super::scope::Scope;
use super::search::Search;
use super::seeds::Seeds;
use crate::announce::{self, Indexed};
use crate::cache::blocks::Blocks;
use crate::cache::patches::KeptPatch;
use crate::config::Settings;
use crate::describe;
use crate::events::Event;
use crate::facts::Oid;
use crate::facts::commit::RawCommit;
use crate::facts::issues::IssueRef;
use crate::facts::requests::RequestKind;
use crate::facts::text::CommitText;
use crate::git::patch::Patches;
use crate::git::refs::RefList;
use crate::git::{ObjectError, Repository};
use crate::graph::{Graph, Position};
use crate::matching::{Named, Strength};
use crate::pipeline::Pool;
use crate::report::Strand;
use crate::shutdown::Token;

/// Commits whose messages one job reads.
const MESSAGES: usize = 256;
/// So many commits are worth finding out of all commits which refs hold them.
const MANY: usize = 64;
/// Commits whose changes one job finds: each may take diffs.
const CHANGES: usize = 8;

/// A repository whose history can be studied, brought up to date.
pub(crate) struct Study<'a> {
    pub(super) search: Search<'a>,
    pub(super) scope: Arc<Scope>,
    texts: Option<Arc<Blocks>>,
    /// Objects that could not be read, and were told.
    told: HashSet<Oid>,
}

/// What the message of one commit says, as far as lists of work ask.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    pub(crate) position: Position,
    pub(crate) subject: String,
    /// Its exact bytes in base64, where they are no text.
    pub(crate) subject_b64: Option<String>,
    /// The commits that it takes back or lands again.
    pub(crate) turns: Vec<Mentioned>,
    /// Those of them that it takes back.
    pub(crate) reverts: Vec<Mentioned>,
    /// The commits that it mends.
    pub(crate) fixes: Vec<Mentioned>,
    /// The wishes that it be ported, and where to.
    pub(crate) requests: Vec<(RequestKind, String)>,
    pub(crate) issues: Vec<IssueRef>,
    pub(crate) change_id: Option<String>,
    /// The origins that it names.
    pub(crate) origins: Vec<Mentioned>,
    /// Whether a configured pattern marks it as being about security.
    pub(crate) is_security: bool,
}

/// A commit as a message names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mentioned {
    pub(crate) text: String,
    /// Where it is, if it is here.
    pub(crate) position: Option<Position>,
}

/// What a tip has of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Has {
    /// Nothing.
    Nothing,
    /// It, by this commit.
    It(Position),
    /// It, brought again by this commit after it was taken away.
    ItAgain(Position),
    /// It was taken away by this commit.
    Reverted(Position),
}

impl Has {
    /// Whether the change is there.
    pub(crate) fn is_there(self) -> bool {
        matches!(self, Self::It(_) | Self::ItAgain(_))
    }
}

/// One change, and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    /// Its oldest commit.
    pub(crate) oldest: Position,
    /// The commits that are it or land it again.
    pub(crate) brings: Vec<Position>,
    /// Commits that are it together, none of them alone.
    pub(crate) parts: Vec<Position>,
    /// Commits that hold it among others: what becomes of these is not to be seen here.
    pub(crate) wholes: Vec<Position>,
    /// The commits that take it back.
    pub(crate) takes: Vec<Position>,
    /// What each of the tips that were asked about has of it.
    pub(crate) has: Vec<Has>,
}

/// Writes the events of commits, on a worker.
pub(crate) struct Scribe(Arc<Scope>);

impl Scribe {
    /// Hands each of `commits` to `tell`, with its event if it can be read.
    pub(crate) fn each(&self, commits: &[Position], mut tell: impl FnMut(Position, Option<&Event<'_>>)) {
        let Self(scope) = self;
        let handle = scope.handles.take();
        let (mut describing, mut buffer) = (describe::Desk::new(&handle), Vec::new());
        for &commit in commits.iter().take_while(|_| !scope.stop.is_cancelled()) {
            let id = scope.graph.id(commit);
            let mut is_told = false;
            if let Ok(raw) = handle.commit(&id, &mut buffer) {
                let told = scope.wishes.describe(&handle, &id, raw, None, &mut describing, |event| {
                    is_told = true;
                    tell(commit, Some(&Event::Commit(event)));
                });
                // What is no commit was told when its message was read.
                let _ = told;
            }
            if !is_told {
                tell(commit, None);
            }
        }
        scope.handles.give(handle);
    }
}

impl<'a> Study<'a> {
    /// Opens the repository that `options` seek, tells of it, and brings its index up to date; `None` if the run is to end.
    ///
    /// # Errors
    /// If there is none, or nobody reads any more.
    pub(crate) async fn open(
        options: Options,
        report: &'a mut Strand,
        token: &'a Token,
    ) -> anyhow::Result<Option<Self>> {
        let mut search = super::open(Arc::new(options), report, token, true).await?;
        search.catch_up().await?;
        let Some(scope) = search.scope().await? else { return Ok(None) };
        let texts = search.index.texts(&search.pool).await;
        Ok(Some(Self { search, scope, texts, told: HashSet::new() }))
    }

    /// Where what is found is told.
    pub(crate) fn report(&mut self) -> &mut Strand {
        self.search.report
    }

    /// The name of the repository.
    pub(crate) fn name(&self) -> &str {
        &self.search.name
    }

    pub(crate) fn repository(&self) -> &Arc<Repository> {
        self.search.index.repository()
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.search.settings
    }

    pub(crate) fn graph(&self) -> &Arc<Graph> {
        &self.scope.graph
    }

    /// HEAD, branches, remote branches and tags.
    pub(crate) fn refs(&self) -> &Arc<RefList> {
        &self.search.index.usual
    }

    /// The lines of the repository, and which ref is of which.
    pub(crate) fn line_of(&self, refname: &[u8]) -> Option<&crate::lines::Line> {
        let places = &self.scope.places;
        let place = places.list.iter().find(|place| places.name(place) == refname)?;
        place.line.map(|line| &places.lines[line as usize])
    }

    /// Whether history is cut off somewhere, or can't be read to its end.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.scope.overlay.shallow || !self.scope.gaps.is_empty()
    }

    /// The commits at which it is cut off or breaks off.
    pub(crate) fn cuts(&self) -> Vec<Position> {
        let Scope { overlay, gaps, graph, .. } = &*self.scope;
        let shallow = overlay.parents.iter().filter(|(_, parents)| overlay.shallow && parents.is_empty());
        shallow.filter_map(|(id, _)| graph.position(id)).chain(gaps.commits()).collect()
    }

    /// What writes commits.
    pub(crate) fn scribe(&self) -> Scribe {
        Scribe(Arc::clone(&self.scope))
    }

    pub(crate) fn token(&self) -> &Token {
        self.search.token
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.search.pool
    }

    /// Tells `trouble` as a warning.
    ///
    /// # Errors
    /// If nobody reads any more.
    pub(crate) async fn warn(&mut self, trouble: &crate::index::Trouble) -> anyhow::Result<()> {
        announce::warn(self.search.report, &self.search.name, trouble).await
    }

    /// Keeps what was found out, tells what could not be read, and ends the repository's part of the stream.
    ///
    /// # Errors
    /// If nobody reads any more.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        self.search.wind_up().await?;
        let Search { report, indexed, name, token, .. } = self.search;
        let indexed: Indexed = indexed;
        announce::end(report, &name, token.is_cancelled(), indexed).await
    }

    /// What the messages of `commits` say, in their order; those that can't be read are told and left out.
    ///
    /// # Errors
    /// If nobody reads any more.
    pub(crate) async fn notices(&mut self, commits: &[Position]) -> anyhow::Result<Vec<Notice>> {
        let (scope, texts) = (Arc::clone(&self.scope), self.texts.clone());
        let read = move |chunk: &[Position]| {
            scope.handles.with(|handle| {
                let mut kept = texts.as_ref().map(Blocks::reader);
                let mut buffer = Vec::new();
                let mut found = Vec::new();
                for &position in chunk {
                    let id = scope.graph.id(position);
                    let known = kept.as_mut().and_then(|reader| reader.get(position, &id));
                    let raw = known.map_or_else(|| handle.commit(&id, &mut buffer), Ok);
                    found.push(raw.and_then(|raw| notice(&scope, position, &id, raw)));
                }
                found
            })
        };
        let mut notices = Vec::with_capacity(commits.len());
        let mut broken = Vec::new();
        for found in self.in_chunks("reading messages", commits, MESSAGES, read).await? {
            for notice in found {
                match notice {
                    Ok(notice) => notices.push(notice),
                    Err(cause) => broken.push(cause),
                }
            }
        }
        self.tell_broken(broken).await?;
        Ok(notices)
    }

    /// The changes that `commits` are, each with what `tips` have of it. One change may be told more than once.
    ///
    /// # Errors
    /// If the cache can't be read, or nobody reads any more.
    pub(crate) async fn accounts(&mut self, commits: &[Position], tips: &[Position]) -> anyhow::Result<Vec<Account>> {
        let (scope, tips) = (Arc::clone(&self.scope), tips.to_vec());
        if commits.len() >= MANY {
            let scope = Arc::clone(&scope);
            self.search.pool.run(move || scope.hold()).await?;
        }
        let find = move |chunk: &[Position]| {
            scope.handles.with(|handle| {
                let mut desk = Desk::new(&scope, handle);
                let accounts = chunk.iter().flat_map(|&commit| accounts_of(&mut desk, commit, &tips)).collect();
                Found::new(&mut desk, accounts)
            })
        };
        self.found("comparing commits", commits, find).await
    }

    /// The pairs, one of `ours` and one of `theirs`, that have the same patch-id.
    ///
    /// # Errors
    /// If nobody reads any more.
    pub(crate) async fn same_patches(
        &mut self,
        ours: &[Position],
        theirs: &[Position],
    ) -> anyhow::Result<Vec<(Position, Position)>> {
        if ours.is_empty() || theirs.is_empty() {
            return Ok(Vec::new());
        }
        // Of the fewer all patches are made, of the others those that may be equal to one of them.
        if ours.len() > theirs.len() {
            let turned = Box::pin(self.same_patches(theirs, ours)).await?;
            return Ok(turned.into_iter().map(|(one, other)| (other, one)).collect());
        }
        let own = self.patches(ours).await?;
        let paths: HashSet<Vec<Vec<u8>>> = own.iter().map(|one| one.paths.clone()).collect();
        let like = self.changing(theirs, paths).await?;
        let others = self.patches(&like).await?;
        // A revert is not the same as what lands something for having its patch.
        let mut by_patch: HashMap<(Oid, bool), Vec<Position>> = HashMap::new();
        for patch in own {
            by_patch.entry((patch.id, patch.is_revert)).or_default().push(patch.position);
        }
        let pairs = others.iter().flat_map(|other| {
            let own = by_patch.get(&(other.id, other.is_revert)).into_iter().flatten();
            own.map(|&own| (own, other.position))
        });
        Ok(pairs.collect())
    }

    /// The patch-ids of those of `commits` that have one.
    async fn patches(&mut self, commits: &[Position]) -> anyhow::Result<Vec<Patched>> {
        let scope = Arc::clone(&self.scope);
        let find = move |chunk: &[Position]| {
            scope.handles.with(|handle| {
                let mut desk = Desk::new(&scope, handle);
                let found = chunk.iter().filter_map(|&commit| patch_of(&mut desk, commit)).collect();
                Found::new(&mut desk, found)
            })
        };
        self.found("comparing patches", commits, find).await
    }

    /// Those of `commits` that change one of these sets of `paths`. What can't be read changes none: it is told where its patch is asked for.
    async fn changing(&mut self, commits: &[Position], paths: HashSet<Vec<Vec<u8>>>) -> anyhow::Result<Vec<Position>> {
        let scope = Arc::clone(&self.scope);
        let within: Arc<BTreeSet<Vec<u8>>> = Arc::new(paths.iter().flatten().cloned().collect());
        let paths = Arc::new(paths);
        let find = move |chunk: &[Position]| {
            scope.handles.with(|handle| {
                let (mut patches, mut buffer) = (Patches::new(handle), Vec::new());
                let mut is_among = |commit: Position| {
                    let id = scope.graph.id(commit);
                    let raw = handle.commit(&id, &mut buffer).ok()?;
                    let tree = RawCommit::parse(raw, id.as_bytes().len()).ok()?.tree;
                    let parent = scope.graph.parents(commit).first().map(|&parent| scope.graph.id(parent));
                    let changes = patches.changes_within(handle, &tree, parent.as_ref(), &within).ok()??;
                    paths.contains(&sorted_paths(changes)).then_some(commit)
                };
                chunk.iter().filter_map(|&commit| is_among(commit)).collect::<Vec<_>>()
            })
        };
        Ok(self.in_chunks("comparing paths", commits, MESSAGES, find).await?.concat())
    }

    /// What `find` finds in chunks of `commits`, in their order, with what was found out on the way kept and told.
    pub(super) async fn found<T: Send + 'static>(
        &mut self,
        phase: &'static str,
        commits: &[Position],
        find: impl Fn(&[Position]) -> Found<T> + Send + Sync + 'static,
    ) -> anyhow::Result<Vec<T>> {
        let mut all = Vec::new();
        let mut broken = Vec::new();
        for found in self.in_chunks(phase, commits, CHANGES, find).await? {
            if let Some(cause) = found.failure {
                return Err(cause);
            }
            all.extend(found.answers);
            broken.extend(found.broken);
            self.search.absent += found.absent;
            self.search.kept.extend(found.patches);
        }
        self.tell_broken(broken).await?;
        self.search.keep().await?;
        Ok(all)
    }

    /// Tells each object that can't be read once.
    async fn tell_broken(&mut self, mut broken: Vec<ObjectError>) -> anyhow::Result<()> {
        broken.retain(|cause| self.told.insert(cause.id()));
        announce::broken(self.search.report, &self.search.name, None, broken).await
    }

    /// Runs `job` on the workers for each `size` of `commits`, and gives what comes of it in their order. Of a run that is stopped only a
    /// part.
    async fn in_chunks<T: Send + 'static>(
        &mut self,
        phase: &'static str,
        commits: &[Position],
        size: usize,
        job: impl Fn(&[Position]) -> T + Send + Sync + 'static,
    ) -> anyhow::Result<Vec<T>> {
        let (pool, job) = (self.search.pool.clone(), Arc::new(job));
        let bar = self.search.report.bar();
        let mut chunks = commits.chunks(size);
        let mut pending = VecDeque::new();
        let mut found = Vec::with_capacity(commits.len().div_ceil(size));
        loop {
            if self.search.token.is_cancelled() {
                return Ok(found);
            }
            if pending.len() < 4 * pool.threads()
                && let Some(chunk) = chunks.next()
            {
                let (job, chunk) = (Arc::clone(&job), chunk.to_vec());
                pending.push_back(pool.submit(move || job(&chunk)).await?);
                continue;
            }
            let Some(done) = pending.pop_front() else { return Ok(found) };
            found.push(done.result().await?);
            let done = (found.len() * size).min(commits.len());
            bar.show(phase, done as u64, Some(commits.len() as u64));
        }
    }
}

/// What a worker found, and what it found out on the way.
pub(super) struct Found<T> {
    answers: Vec<T>,
    patches: Vec<KeptPatch>,
    broken: Vec<ObjectError>,
    absent: usize,
    failure: Option<anyhow::Error>,
}

impl<T> Found<T> {
    pub(super) fn new(desk: &mut Desk<'_>, answers: Vec<T>) -> Self {
        Self {
            answers,
            patches: std::mem::take(&mut desk.found_out),
            broken: std::mem::take(&mut desk.broken),
            absent: desk.absent,
            failure: desk.take_failure(),
        }
    }
}

/// A commit and its patch.
struct Patched {
    position: Position,
    id: Oid,
    paths: Vec<Vec<u8>>,
    is_revert: bool,
}

fn patch_of(desk: &mut Desk<'_>, commit: Position) -> Option<Patched> {
    if desk.scope.stop.is_cancelled() || !desk.read(commit) {
        return None;
    }
    let id = desk.patch_id(commit)?;
    let sketch = desk.sketch(commit)?;
    let (paths, is_revert) = (sketch.paths.known()?.clone(), sketch.revert_depth % 2 == 1);
    Some(Patched { position: commit, id, paths, is_revert })
}

fn notice(scope: &Scope, position: Position, id: &Oid, raw: &[u8]) -> Result<Notice, ObjectError> {
    let at = |text: &str, id: Option<Oid>| Mentioned {
        text: text.to_owned(),
        position: id.and_then(|id| scope.graph.position(&id)),
    };
    let named = |named: &Named| at(&named.text, named.id);
    with_sketch(scope, id, raw, |sketch, references, commit| {
        let mention = |text: &&str| at(text, scope.resolve(text));
        let reverts: Vec<Mentioned> = references.reverts.iter().map(mention).collect();
        let relands = references.relands.iter().map(mention);
        Notice {
            position,
            subject: sketch.subject.clone(),
            subject_b64: exact_subject(&sketch.subject, commit),
            turns: reverts.iter().cloned().chain(relands).collect(),
            reverts,
            fixes: references.fixes.iter().map(mention).collect(),
            requests: references.requests.iter().map(|one| (one.kind, one.text.clone().into_owned())).collect(),
            issues: references.issues.clone(),
            change_id: sketch.change_id.clone(),
            origins: sketch.origins.iter().map(named).collect(),
            is_security: scope.patterns.is_security(&String::from_utf8_lossy(commit.message)),
        }
    })
}

/// The bytes of a subject that is shown as `subject`, in base64, if they are no text.
fn exact_subject(subject: &str, commit: &RawCommit<'_>) -> Option<String> {
    // Only what isn't text has to be read twice.
    let is_lossy = subject.contains(char::REPLACEMENT_CHARACTER);
    let exact = || describe::exact(&CommitText::decode(commit).message.subject_and_body().0).map(Cow::into_owned);
    is_lossy.then(exact).flatten()
}

/// The changes that `commit` is, as a rule one.
fn accounts_of(desk: &mut Desk<'_>, commit: Position, tips: &[Position]) -> Vec<Account> {
    if desk.scope.stop.is_cancelled() {
        return Vec::new();
    }
    let closure = close(desk, &[commit], Strength::Equal);
    let seeds = Seeds { commits: vec![commit], is_commit: true, ..Seeds::default() };
    let found = changes(&closure, &seeds);
    let accounts = found.into_iter().map(|change| {
        let (wholes, own): (Vec<Position>, Vec<Position>) =
            change.members.iter().partition(|member| **member != commit && closure.holds_others(**member));
        let turns = turns(desk, &own);
        let histories = Histories::new(desk, &turns, &change.parts, tips);
        let has = |state: State| match state {
            State::Missing => Has::Nothing,
            State::Present(turn) => Has::It(turns[turn].position),
            State::Reapplied(turn) => Has::ItAgain(turns[turn].position),
            State::Reverted(turn) => Has::Reverted(turns[turn].position),
            // Of several commits that bring it together the last completes it.
            State::Together => Has::It(change.parts.iter().max().copied().unwrap_or(commit)),
        };
        let side = |brings: bool| {
            turns.iter().filter(move |turn| turn.brings == brings).map(|turn| turn.position).collect::<Vec<_>>()
        };
        Account {
            oldest: change.oldest,
            brings: side(true),
            takes: side(false),
            parts: change.parts.clone(),
            wholes,
            has: (0..tips.len()).map(|tip| has(histories.at(tip))).collect(),
        }
    });
    accounts.collect()
}
