//! Where a stream begins and what bounds it: refs, revisions, a cursor, or what standard input names.

use std::cell::LazyCell;
use std::ffi::OsString;
use std::sync::Arc;

use super::Scan;
use crate::announce;
use crate::cache::Cache;
use crate::cache::cursors::{Consumer, Cursor};
use crate::error::{self, Kind};
use crate::facts::Oid;
use crate::git::ObjectKind;
use crate::git::history::History as _;
use crate::git::refs::RefList;
use crate::git::walk::Limits;
use crate::gitcli;
use crate::graph::Graph;
use crate::graph::Mark;
use crate::index::{Index, Trouble};
use crate::pipeline::{Handles, Pool};
use crate::report::FailedPart;

/// What to do where a cursor can't be used.
const FULL_SCAN: &str = "run without --after for a full scan; its `end` event has the next cursor";

/// Where the stream begins and what bounds it, with everything resolved.
pub(super) struct Plan {
    /// Commits to begin at, and commits to leave out with all that they reach. None where nothing is to be walked, and the graph has all that
    /// the refs lead to.
    pub(super) tips: Vec<(Oid, bool)>,
    /// Times.
    pub(super) limits: Limits,
    /// At most so many commits.
    pub(super) count: Option<usize>,
    /// Whether all that the refs reach is wanted, so that the cache is brought up to date and the answer can have a cursor.
    pub(super) whole: bool,
    /// The mark of the graph that had all of the tips when the refs were looked up.
    pub(super) known: Option<Mark>,
    /// The ids themselves, where they were not left to a walk.
    pub(super) listed: Option<Vec<Oid>>,
}

/// From where on commits are new.
enum Since {
    /// From the refs as they stand: none are.
    Now,
    /// From a state with these tips.
    Tips(Vec<Oid>),
}

impl Scan<'_> {
    pub(super) async fn plan(&mut self, index: &mut Index, refs: &RefList) -> anyhow::Result<Plan> {
        let options = self.options;
        let repository = &Arc::clone(index.repository());
        let date = async |text: &Option<String>| match text {
            Some(text) => gitcli::date(repository, text).await.map(Some),
            None => Ok(None),
        };
        let limits = Limits { since: date(&options.since).await?, until: date(&options.until).await? };
        let whole = options.revisions.is_empty()
            && options.stdin.is_none()
            && options.paths.is_empty()
            && options.count.is_none()
            && limits == Limits::default();
        let mut plan = Plan { tips: Vec::new(), limits, count: options.count, whole, known: None, listed: None };
        if let Some(end) = options.stdin {
            let ids = self.read_stdin(index, end).await?;
            let unlimited = limits == Limits::default();
            plan.listed = Some(if unlimited { ids } else { in_time(ids, limits, index, &self.pool).await? });
        } else if options.revisions.is_empty() {
            self.plan_refs(index, refs, &mut plan).await?;
        } else {
            let found = gitcli::rev_parse(repository, &options.revisions).await;
            let found = found.map_err(|cause| with_what_is_near(cause, &options.revisions, &index.usual))?;
            plan.tips = peeled(found.tips, &index.handles)?;
        }
        if !options.paths.is_empty() && plan.listed.is_none() {
            let ages = [("--max-age", limits.since), ("--min-age", limits.until)];
            let ages: Vec<OsString> =
                ages.iter().filter_map(|(name, time)| Some(format!("{name}={}", (*time)?).into())).collect();
            plan.listed = Some(gitcli::rev_list(repository, &plan.tips, &ages, Some(&options.paths)).await?);
        }
        Ok(plan)
    }

    /// Begins at the refs. Of those behind which nothing is new, and of which nothing but that is asked, the commits aren't gathered.
    async fn plan_refs(&mut self, index: &mut Index, refs: &RefList, plan: &mut Plan) -> anyhow::Result<()> {
        let options = self.options;
        plan.known = refs.is_known().then_some(refs.mark);
        let is_still = plan.known.is_some_and(|mark| index.has_all_of(mark));
        let tips = LazyCell::new(|| refs.tips());
        // Nothing lies between a state and itself.
        let is_now = |seen: &[Oid]| *seen == **tips;
        let since = match &options.known {
            Some(known) => {
                let seen = known.tips().into_iter().chain(options.seen.iter().copied()).collect();
                let seen = still_there(seen, index, &self.pool).await?;
                Some(if is_now(&seen) { Since::Now } else { Since::Tips(seen) })
            }
            None => self.since_cursor(index, refs.digest.filter(|_| is_still), is_now).await?,
        };
        if let Some(Since::Now) = since {
            plan.listed = Some(Vec::new());
        }
        if is_still && (plan.listed.is_some() || since.is_none() && options.no_commits) {
            return Ok(());
        }
        plan.tips = tips.iter().map(|tip| (*tip, false)).collect();
        if let Some(Since::Tips(seen)) = since {
            plan.tips.extend(seen.into_iter().map(|tip| (tip, true)));
            plan.known = None;
        }
        Ok(())
    }

    /// What the cursor of `--after` or `--new` stands for. The refs as they stand may be known by a `digest`; `is_now` tells whether tips are
    /// theirs. `None` without a cursor, for a consumer that is new, and for one that must begin anew.
    async fn since_cursor(
        &mut self,
        index: &mut Index,
        digest: Option<i64>,
        is_now: impl Fn(&[Oid]) -> bool,
    ) -> anyhow::Result<Option<Since>> {
        let options = self.options;
        let (full, token, named) = match (&options.after, &options.consumer) {
            (Some(after), _) => (FULL_SCAN, after.clone(), None),
            (_, Some(name)) => {
                let (cache, wanted) = (need_cache(index)?, name.clone());
                let known = smol::unblock(move || cache.consumer(&wanted)).await?;
                let Some(Consumer { filters, token }) = known else { return Ok(None) };
                same_filters(name, &filters, &options.filters())?;
                (OTHER_NAME, token, Some(name))
            }
            _ => return Ok(None),
        };
        if let Some(digest) = digest {
            let (cache, overlay) = (need_cache(index)?, index.overlay.fingerprint());
            // What can't be read of it is found out again.
            let current = self.pool.run(move || cache.token_of(digest, overlay)).await?.unwrap_or_default();
            if current.is_some_and(|current| current == token) {
                return Ok(Some(Since::Now));
            }
        }
        let Some(Cursor { tips, overlay }) = need_cache(index)?.cursor(&token).await? else {
            return Err(Kind::BadCursor.hinted(format!("the cursor '{token}' is not known here"), full));
        };
        if overlay != index.overlay.fingerprint() {
            // A deepened clone has commits below the old tips that were never streamed.
            let Some(name) = named else {
                let message = format!("the cursor '{token}' is no longer usable: {BENT}");
                return Err(Kind::BadCursor.hinted(message, full));
            };
            let trouble = Trouble {
                code: "history-changed",
                message: format!("'{name}' gets everything again: {BENT}"),
                hint: None,
            };
            announce::warn(self.report, &index.repository().name, &trouble).await?;
            return Ok(None);
        }
        if is_now(&tips) {
            return Ok(Some(Since::Now));
        }
        let (graph, handles) = (index.graph(&self.pool).await?, index.handles.clone());
        let lost = tips.iter().find(|tip| {
            graph.position(tip).is_none() && handles.with(|handle| handle.kind(tip) != Some(ObjectKind::Commit))
        });
        match lost {
            Some(lost) => Err(Kind::BadCursor.hinted(
                format!("the cursor '{token}' is no longer usable: its commit {lost} is gone from the repository"),
                full,
            )),
            None => Ok(Some(Since::Tips(tips))),
        }
    }

    /// The commits that standard input names, one a line (or NUL-ended with `-z`), in its order: ids, other revisions, ranges.
    async fn read_stdin(&mut self, index: &mut Index, end: u8) -> anyhow::Result<Vec<Oid>> {
        let read = smol::unblock(|| {
            let mut input = Vec::new();
            std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut input).map(|_| input)
        });
        let input = read.await.map_err(|cause| Kind::Io.wrap(cause, "reading standard input"))?;
        let graph = index.graph(&self.pool).await?;
        let mut ids = Vec::new();
        for line in input.split(|&byte| byte == end) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            if let Some(id) = id_on_a_line(index, &graph, line) {
                ids.push(id);
                continue;
            }
            match named_commits(index, line).await {
                Ok(named) => ids.extend(named),
                Err(cause) => {
                    let name = index.repository().name.clone();
                    let message = cause.to_string();
                    let hint = error::hint_of(&cause);
                    let part = FailedPart { id: None, query: None, kind: Kind::BadRevision, message: &message, hint };
                    self.report.fail_part(&name, part).await?;
                }
            }
        }
        Ok(ids)
    }
}

/// `cause` with the ref that may be meant, where it is that one of `revisions` is unknown.
fn with_what_is_near(cause: anyhow::Error, revisions: &[OsString], refs: &RefList) -> anyhow::Error {
    if error::kind_of(&cause) != Kind::BadRevision {
        return cause;
    }
    let message = error::message_of(&cause);
    let unknown =
        revisions.iter().map(|revision| revision.to_string_lossy()).find(|it| message.contains(&format!("'{it}'")));
    let Some(near) = unknown.and_then(|unknown| refs.nearest(&unknown)) else { return cause };
    let hint = error::hint_of(&cause).unwrap_or_default();
    Kind::BadRevision.hinted(message, format!("did you mean '{near}'? {hint}"))
}

/// Those of `tips` that the repository still has. Without the others some of what they reached comes again.
async fn still_there(mut tips: Vec<Oid>, index: &mut Index, pool: &Pool) -> anyhow::Result<Vec<Oid>> {
    let (graph, handles) = (index.graph(pool).await?, index.handles.clone());
    let is_there = move |tip: &Oid| handles.with(|handle| handle.kind(tip) == Some(ObjectKind::Commit));
    let sift = move || {
        tips.retain(|tip| graph.position(tip).is_some() || is_there(tip));
        tips
    };
    Ok(pool.run(sift).await?)
}

const OTHER_NAME: &str = "another name with --new begins with a full scan";
const BENT: &str = "shallow, replaced or grafted commits are others than then";

fn need_cache(index: &Index) -> anyhow::Result<Cache> {
    index.cache().cloned().ok_or_else(|| {
        Kind::BadCursor.hinted(
            "cursors need a cache, and there is none",
            "let GIT_BHFUIL_CACHE name a folder that can be written; without --after and --new it is a full scan",
        )
    })
}

/// What a filter hides is passed over for good: a consumer that began without it, or with another, would lose commits.
fn same_filters(name: &str, began: &str, now: &str) -> anyhow::Result<()> {
    let shown = |filters: &str| if filters.is_empty() { "no filter".to_owned() } else { filters.to_owned() };
    if began == now {
        return Ok(());
    }
    Err(Kind::BadCursor.hinted(
        format!("'{name}' began with {}, and this is {}", shown(began), shown(now)),
        format!("what a filter hides is passed over for good, so filter as before; {OTHER_NAME}"),
    ))
}

/// Commits behind the objects that revisions name; what is no commit in the end reaches none, as in `git log`.
fn peeled(tips: Vec<(Oid, bool)>, handles: &Handles) -> anyhow::Result<Vec<(Oid, bool)>> {
    let mut commits = Vec::new();
    for (id, excluded) in tips {
        let (id, kind) = handles
            .with(|handle| handle.peel(&id))
            .map_err(|cause| Kind::MissingObject.wrap(cause, "reading a revision"))?;
        if kind == ObjectKind::Commit {
            commits.push((id, excluded));
        }
    }
    Ok(commits)
}

/// Those of `ids` that `limits` hold, as for `git log --no-walk`. One that can't be read is kept: the stream will say so.
async fn in_time(mut ids: Vec<Oid>, limits: Limits, index: &mut Index, pool: &Pool) -> anyhow::Result<Vec<Oid>> {
    let (graph, mut history) = (index.graph(pool).await?, index.objects(false));
    let keep = move || {
        ids.retain(|id| {
            let known = graph.position(id).map(|position| graph.time(position));
            let time = known.or_else(|| history.node(id).map(|node| history.time(node)));
            time.is_none_or(|time| limits.hold(time))
        });
        ids
    };
    Ok(pool.run(keep).await?)
}

/// The commits that one line of standard input names in another spelling than an id: one commit, or those of a range.
async fn named_commits(index: &Index, line: &[u8]) -> anyhow::Result<Vec<Oid>> {
    let tips = gitcli::rev_parse(index.repository(), &[gitcli::argument(line)]).await?.tips;
    let tips = peeled(tips, &index.handles)?;
    if tips.iter().any(|(_, excluded)| *excluded) {
        return gitcli::rev_list(index.repository(), &tips, &[], None).await;
    }
    Ok(tips.into_iter().map(|(id, _)| id).collect())
}

fn id_on_a_line(index: &Index, graph: &Graph, line: &[u8]) -> Option<Oid> {
    let text = std::str::from_utf8(line).ok()?;
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let whole = Oid::from_hex(line).filter(|id| id.as_bytes().len() == index.repository().hash_len);
    match whole {
        Some(id) if graph.position(&id).is_some() => Some(id),
        Some(id) => match index.handles.with(|handle| handle.peel(&id)) {
            Ok((commit, ObjectKind::Commit)) => Some(commit),
            // Reading it will say what is wrong with it.
            _ => Some(id),
        },
        None => index.handles.with(|handle| handle.commit_by_hex(text)),
    }
}
