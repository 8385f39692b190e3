//! Looking for a patch: the commits of some list that have a given patch-id, computed where it isn't kept, a chunk a job.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::sync::Arc;

use super::desk::Desk;
use super::resolve::Target;
use super::scope::Scope;
use super::search::Search;
use crate::cache::patches::KeptPatch;
use crate::error::Kind;
use crate::facts::Oid;
use crate::facts::diff_prefix::{Prefixes, with_usual_prefixes};
use crate::git::{self, Handle, ObjectError};
use crate::gitcli;
use crate::matching::Need;
use crate::pipeline::Pool;
use crate::shutdown::Token;

/// Paths that git is asked for at once.
const MOST_PATHS: usize = 250;
/// Commits that are compared in one job.
const CHUNK: usize = 64;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The commits with one of the patch-ids.
    pub(super) commits: Vec<Oid>,
    /// What was found out on the way.
    pub(super) worked_out: Vec<KeptPatch>,
    /// Objects that could not be read.
    pub(super) broken: Vec<ObjectError>,
    /// Comparisons that lacked an object which a partial clone doesn't have.
    pub(super) absent: usize,
}

/// Which of `ids` have one of `patch_ids`, and change exactly `paths` if those are known. `None` if `stop` was cancelled.
///
/// # Errors
/// If a worker panicked or the cache can't be read.
pub(super) async fn with_patch_id(
    scope: &Arc<Scope>,
    ids: &[Oid],
    patch_ids: &[Oid],
    paths: Option<&[Vec<u8>]>,
    pool: &Pool,
    stop: &Token,
    mut progress: impl FnMut(usize, usize),
) -> anyhow::Result<Option<Found>> {
    let wanted = Arc::new((patch_ids.to_vec(), paths.map(<[Vec<u8>]>::to_vec)));
    let mut chunks = ids.chunks(CHUNK);
    let mut pending = VecDeque::new();
    let mut found = Found::default();
    let mut done = 0;
    loop {
        if stop.is_cancelled() {
            return Ok(None);
        }
        if pending.len() < 2 * pool.threads()
            && let Some(chunk) = chunks.next()
        {
            let (scope, chunk, wanted) = (Arc::clone(scope), chunk.to_vec(), Arc::clone(&wanted));
            let handles = scope.handles.clone();
            let job = move || handles.with(|handle| compare(&scope, handle, &chunk, &wanted.0, wanted.1.as_deref()));
            pending.push_back(pool.submit(job).await?);
            continue;
        }
        let Some(job) = pending.pop_front() else { return Ok(Some(found)) };
        let chunk = job.result().await??;
        found.commits.extend(chunk.commits);
        found.worked_out.extend(chunk.worked_out);
        found.broken.extend(chunk.broken);
        found.absent += chunk.absent;
        done += CHUNK;
        progress(done.min(ids.len()), ids.len());
    }
}

impl Search<'_> {
    /// Looks for the patches in a file.
    pub(super) async fn ask_for_patch(&mut self, file: &OsString) -> anyhow::Result<()> {
        let name = file.clone();
        let read = smol::unblock(move || {
            let mut text = Vec::new();
            if name == "-" {
                std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut text).map(|_| text)
            } else {
                std::fs::read(&name)
            }
        });
        let shown = if file == "-" { "standard input".into() } else { file.to_string_lossy() };
        let text = read.await.map_err(|cause| Kind::Io.wrap(cause, format!("reading the patch from {shown}")))?;
        let text = with_usual_prefixes(&text, &self.configured_prefixes());
        let (ids, paths) = gitcli::read_patch(self.index.repository(), &text).await?;
        // What changes the same paths as one patch changes each of them: one is enough to ask for. Which paths are whose isn't
        // known of several; more than a command line holds are looked for everywhere.
        let longest = paths.iter().max_by_key(|path| path.len());
        let asked = match longest {
            Some(longest) if ids.len() == 1 => std::slice::from_ref(longest),
            _ if paths.len() > MOST_PATHS => &[],
            _ => &paths,
        };
        let spec = asked.iter().map(|path| gitcli::argument(&[b":(top,literal)".as_slice(), path].concat()));
        let spec: Vec<OsString> = spec.collect();
        let tips: Vec<(Oid, bool)> = self.refs.tips().into_iter().map(|tip| (tip, false)).collect();
        let commits = self.listed(&tips, Some(&spec)).await?;
        let paths = (ids.len() == 1).then_some(paths);
        for id in ids {
            let found = self.with_patch_id(&id.to_hex(), &commits, &[id], paths.as_deref()).await?;
            self.answer(id.to_hex(), Target::Patch(found)).await?;
        }
        Ok(())
    }

    /// What `git diff` may put before paths here, if it is configured: with `-R` it is the other way round.
    fn configured_prefixes(&self) -> Vec<Prefixes> {
        let values = git::config::values(Some(self.index.repository()), &["diff"]).unwrap_or_default();
        let last = |key: &str| {
            let named = values.iter().rfind(|value| value.stem == b"diff" && value.key == key)?;
            Some(named.value.clone().unwrap_or_default())
        };
        match (last("srcprefix"), last("dstprefix")) {
            (None, None) => Vec::new(),
            (old, new) => {
                let (old, new) = (old.unwrap_or_else(|| b"a/".to_vec()), new.unwrap_or_else(|| b"b/".to_vec()));
                vec![(old.clone(), new.clone()), (new, old)]
            }
        }
    }

    /// Every commit that `tips` reach, but for what those left out reach, and that changes a path of `paths`, without any simplification
    /// of history. Where that can't be read to its end they are all that can be read, whatever they change.
    pub(super) async fn listed(
        &mut self,
        tips: &[(Oid, bool)],
        paths: Option<&[OsString]>,
    ) -> anyhow::Result<Vec<Oid>> {
        if self.torn.is_some() {
            return self.readable(tips).await;
        }
        let options = ["--full-history".into(), "--no-merges".into()];
        gitcli::rev_list(self.index.repository(), tips, &options, paths).await
    }

    /// Those of `commits` that have one of `patch_ids`, which `query` is about.
    pub(super) async fn with_patch_id(
        &mut self,
        query: &str,
        commits: &[Oid],
        patch_ids: &[Oid],
        paths: Option<&[Vec<u8>]>,
    ) -> anyhow::Result<Vec<Oid>> {
        let Some(scope) = self.scope().await? else { return Ok(Vec::new()) };
        let bar = self.report.bar();
        let show = |done: usize, total: usize| bar.show("comparing patches", done as u64, Some(total as u64));
        let found = with_patch_id(&scope, commits, patch_ids, paths, &self.pool, self.token, show).await?;
        let found = found.unwrap_or_default();
        self.kept.extend(found.worked_out);
        self.absent += found.absent;
        self.tell_broken(query, found.broken).await?;
        self.keep().await?;
        Ok(found.commits)
    }
}

fn compare(
    scope: &Scope,
    handle: &Handle,
    ids: &[Oid],
    patch_ids: &[Oid],
    paths: Option<&[Vec<u8>]>,
) -> anyhow::Result<Found> {
    let mut desk = Desk::new(scope, handle);
    let kept = match &scope.cache {
        Some(cache) => cache.patch_ids(ids, desk.terms())?,
        None => vec![None; ids.len()],
    };
    let mut found = Found::default();
    for (id, kept) in ids.iter().zip(kept) {
        if scope.stop.is_cancelled() {
            break;
        }
        let patch_id = match kept {
            Some(kept) => kept,
            None => computed(&mut desk, id, paths),
        };
        if patch_id.is_some_and(|patch_id| patch_ids.contains(&patch_id)) {
            found.commits.push(*id);
        }
    }
    found.worked_out = std::mem::take(&mut desk.found_out);
    found.broken = std::mem::take(&mut desk.broken);
    found.absent = desk.absent;
    Ok(found)
}

/// The patch-id of a commit; `None` for a merge, for one that changes nothing or other paths, and where it can't be known.
fn computed(desk: &mut Desk<'_>, id: &Oid, paths: Option<&[Vec<u8>]>) -> Option<Oid> {
    let position = desk.scope.graph.position(id)?;
    if !desk.read(position) || desk.sketch(position)?.is_merge {
        return None;
    }
    if let Some(paths) = paths {
        desk.fill(position, Need::Paths);
        if desk.sketch(position)?.paths.known().is_none_or(|own| own != paths) {
            return None;
        }
    }
    desk.patch_id(position)
}
