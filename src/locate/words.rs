//! Queries of words: which commits have them, newest first. The index proposes, the messages decide: whatever is told was read again by
//! the one rule of `facts::words`.

use std::collections::{HashSet, VecDeque};
use std::ffi::OsString;
use std::sync::Arc;

use super::each::{Asked, Job, Source, Told};
use super::query::Words;
use super::resolve::Target;
use super::search::Search;
use super::wording::Messages;
use crate::announce;
use crate::error::Kind;
use crate::facts::commit::RawCommit;
use crate::facts::identity::Identity;
use crate::facts::text::CommitText;
use crate::facts::words::{Term, fold};
use crate::git::patch::Patches;
use crate::git::refs::glob_matches;
use crate::git::{Handle, ObjectError};
use crate::gitcli;
use crate::graph::Position;
use crate::index::Trouble;
use crate::pipeline::Pool;
use crate::shutdown::Token;

/// Commits whose messages are read in one job on the pool.
const CHUNK: usize = 256;
/// Changes that are told of one query unless `--max-count` says otherwise.
const MOST_CHANGES: usize = 100;
/// What is looked for, for people.
const WORDS: &str = "these words";
/// Near misses that are told.
const MOST_NEAR: usize = 5;

/// What a commit must have, all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Wanted {
    anywhere: Vec<Term>,
    subject: Vec<Term>,
    author: Vec<Term>,
    paths: Vec<Vec<u8>>,
}

impl Wanted {
    fn new(words: &Words) -> anyhow::Result<Self> {
        let terms = |list: &[String]| list.iter().filter_map(|text| Term::new(text)).collect();
        let path = |text: &String| text.trim_matches('/').as_bytes().to_vec();
        let wanted = Self {
            anywhere: terms(&words.anywhere),
            subject: terms(&words.subject),
            author: terms(&words.author),
            paths: words.paths.iter().map(path).filter(|path| !path.is_empty()).collect(),
        };
        if wanted == Self::default() {
            return Err(Kind::BadValue
                .hinted("a query has no word to look for", "ask for a revision, a Change-Id, an issue or words"));
        }
        Ok(wanted)
    }

    /// Whether only paths are wanted.
    fn is_paths_alone(&self) -> bool {
        self.anywhere.is_empty() && self.subject.is_empty() && self.author.is_empty()
    }

    /// Words that the message has of each commit that is wanted.
    fn keys(&self) -> Vec<String> {
        let terms = self.anywhere.iter().chain(&self.subject);
        let mut keys: Vec<String> = terms.flat_map(Term::keys).map(std::borrow::Cow::into_owned).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Whether a message that has the keys is wanted whatever else it says.
    fn is_keys_alone(&self) -> bool {
        self.subject.is_empty()
            && self.author.is_empty()
            && self.paths.is_empty()
            && self.anywhere.iter().all(Term::is_key)
    }

    /// Whether `commit` has everything but the paths, which cost a diff.
    fn is_said_by(&self, commit: &RawCommit<'_>) -> bool {
        let stand = |terms: &[Term], text: &dyn Fn() -> String| {
            if terms.is_empty() {
                return true;
            }
            let folded = fold(&text());
            terms.iter().all(|term| term.stands_in(&folded))
        };
        let text = CommitText::decode(commit);
        stand(&self.subject, &|| text.message.subject_and_body().0.text.into_owned())
            && stand(&self.author, &|| {
                let author = Identity::parse(&text.author);
                format!("{} <{}>", author.name.text, author.email.text)
            })
            && stand(&self.anywhere, &|| text.message.text.clone().into_owned())
    }

    /// The same without one of its parts, for each part in turn.
    fn all_but_one(&self) -> Vec<Self> {
        let mut found = Vec::new();
        let lists: [fn(&mut Self) -> &mut Vec<Term>; 3] =
            [|own| &mut own.anywhere, |own| &mut own.subject, |own| &mut own.author];
        for list in lists {
            let count = list(&mut self.clone()).len();
            found.extend((0..count).map(|at| {
                let mut less = self.clone();
                list(&mut less).remove(at);
                less
            }));
        }
        found.extend((0..self.paths.len()).map(|at| {
            let mut less = self.clone();
            less.paths.remove(at);
            less
        }));
        found
    }
}

fn has_wildcard(pattern: &[u8]) -> bool {
    pattern.iter().any(|byte| b"*?[\\".contains(byte))
}

/// Whether `pattern` is `path`, a folder above it, or a glob that matches it, as in a pathspec (gitglossary(7)).
fn is_on_path(pattern: &[u8], path: &[u8]) -> bool {
    let rest = path.strip_prefix(pattern);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        || (has_wildcard(pattern) && glob_matches(pattern, path))
}

/// What came of looking at some commits.
#[derive(Debug, Default)]
struct Checked {
    hits: Vec<Position>,
    broken: Vec<ObjectError>,
    /// Commits whose paths can't be known in a partial clone.
    absent: usize,
}

/// Which of `chunk` are wanted, in its order.
fn check(
    messages: &Messages,
    wanted: &Wanted,
    is_partial: bool,
    handle: &Handle,
    chunk: &[Position],
    stop: &Token,
) -> Checked {
    let source = &messages.source;
    let mut checked = Checked::default();
    let mut patches = (!wanted.paths.is_empty()).then(|| Patches::new(handle));
    let mut hits = HashSet::new();
    let mut ascending = chunk.to_vec();
    ascending.sort_unstable();
    source.each(handle, &ascending, stop, |position, commit| {
        if !wanted.is_said_by(commit) {
            return;
        }
        let Some(patches) = &mut patches else {
            hits.insert(position);
            return;
        };
        // A merge changes no paths of its own, here as on the wire; what a commit changed whose parent can't be read isn't known.
        let parents = source.graph.parents(position);
        if parents.len() > 1 || source.gaps.has(position) {
            return;
        }
        let parent = parents.first().map(|&parent| source.graph.id(parent));
        match patches.changes(handle, &commit.tree, parent.as_ref()) {
            Ok(changes) => {
                let touches = |pattern: &Vec<u8>| changes.iter().any(|change| is_on_path(pattern, &change.path));
                if wanted.paths.iter().all(touches) {
                    hits.insert(position);
                }
            }
            Err(ObjectError::Missing(_)) if is_partial => checked.absent += 1,
            Err(cause) => checked.broken.push(cause),
        }
    });
    checked.hits = chunk.iter().copied().filter(|position| hits.contains(position)).collect();
    checked
}

/// The commits that are wanted, found as they are asked for.
pub(super) struct Hits {
    messages: Arc<Messages>,
    wanted: Arc<Wanted>,
    is_partial: bool,
    /// Those that may be, newest first.
    order: Vec<Position>,
    /// Whether all of them are.
    is_sure: bool,
    /// How many were given to a worker.
    begun: usize,
    pending: VecDeque<Job<Checked>>,
    ready: VecDeque<Position>,
    broken: Vec<ObjectError>,
    absent: usize,
}

impl Hits {
    /// The next hit; `None` at the end, and when `stop` was cancelled.
    async fn next(
        &mut self,
        pool: &Pool,
        stop: &Token,
        show: impl Fn(usize, usize),
    ) -> anyhow::Result<Option<Position>> {
        loop {
            if stop.is_cancelled() {
                return Ok(None);
            }
            if let Some(hit) = self.ready.pop_front() {
                return Ok(Some(hit));
            }
            while self.begun < self.order.len() && self.pending.len() < 2 * pool.threads() {
                let chunk: Vec<Position> = self.order[self.begun..].iter().copied().take(CHUNK).collect();
                self.begun += chunk.len();
                let (messages, wanted, is_partial) =
                    (Arc::clone(&self.messages), Arc::clone(&self.wanted), self.is_partial);
                let stop = stop.clone();
                let job = move || {
                    let handles = &messages.source.handles;
                    handles.with(|handle| check(&messages, &wanted, is_partial, handle, &chunk, &stop))
                };
                self.pending.push_back(Box::pin(pool.submit(job).await?.result()));
            }
            let Some(job) = self.pending.pop_front() else { return Ok(None) };
            let Checked { hits, broken, absent } = job.await?;
            show(self.begun, self.order.len());
            self.ready.extend(hits);
            self.broken.extend(broken);
            self.absent += absent;
        }
    }
}

impl Search<'_> {
    /// Answers a query of words: each hit's change by itself, as soon as it is known.
    pub(super) async fn ask_words(&mut self, query: &OsString, words: &Words) -> anyhow::Result<()> {
        let wanted = Arc::new(Wanted::new(words)?);
        // What was asked before is told before.
        while self.tell_next().await? {}
        let Some(mut hits) = self.hits(Arc::clone(&wanted)).await? else { return Ok(()) };
        let shown = query.to_string_lossy().into_owned();
        let most = self.options.max_count.unwrap_or(MOST_CHANGES);
        let asked = Arc::new(Asked { sought: WORDS.into(), ..Asked::default() });
        let told = self.tell_each(&shown, &mut Source::Hits(&mut hits), asked, most).await?;
        if self.token.is_cancelled() {
            return Ok(());
        }
        if told.changes == 0 {
            let near = self.near(&wanted).await?;
            self.tell_target(&shown, Target::Near { commits: near, sought: WORDS.into() }).await?;
        } else if told.changes >= most {
            self.tell_of_more(&shown, &mut hits, &told, most).await?;
        }
        self.tell_broken(&shown, std::mem::take(&mut hits.broken)).await?;
        if hits.absent > 0 {
            announce::warn_absent(self.report, &self.name, Some(&shown), hits.absent).await?;
        }
        Ok(())
    }

    /// The commits whose messages have `words`, the newest first, as many as are told at most.
    pub(super) async fn hit_by(&mut self, words: &Words) -> anyhow::Result<Vec<Position>> {
        let mut found = Vec::new();
        let Some(mut hits) = self.hits(Arc::new(Wanted::new(words)?)).await? else { return Ok(found) };
        let most = self.options.max_count.unwrap_or(MOST_CHANGES);
        let told = HashSet::new();
        while found.len() < most
            && let Some(hit) = self.next_hit(&mut hits, &told).await?
        {
            found.push(hit);
        }
        announce::broken(self.report, &self.name, None, std::mem::take(&mut hits.broken)).await?;
        self.absent += hits.absent;
        Ok(found)
    }

    /// Says what was left out, if anything was.
    async fn tell_of_more(&mut self, query: &str, hits: &mut Hits, told: &Told, most: usize) -> anyhow::Result<()> {
        let message = if hits.is_sure {
            let count = hits.order.iter().filter(|position| !told.commits.contains(position)).count();
            if count == 0 {
                return Ok(());
            }
            format!("'{query}' stands in {count} more commits, older than the {most} changes told")
        } else {
            if !told.is_cut && self.next_hit(hits, &told.commits).await?.is_none() {
                return Ok(());
            }
            format!("'{query}' stands in more commits, older than the {most} changes told")
        };
        let hint = "--max-count=<n> tells more; another word, author:, subject: or path: narrows the search";
        let trouble = Trouble { code: "more-found", message, hint: Some(hint.into()) };
        announce::warn_about(self.report, &self.name, query, &trouble).await
    }

    /// The next hit that isn't told yet.
    pub(super) async fn next_hit(&self, hits: &mut Hits, told: &HashSet<Position>) -> anyhow::Result<Option<Position>> {
        let bar = self.report.bar();
        let show = |done: usize, total: usize| bar.show("reading messages", done as u64, Some(total as u64));
        while let Some(hit) = hits.next(&self.pool, self.token, show).await? {
            if !told.contains(&hit) {
                return Ok(Some(hit));
            }
        }
        Ok(None)
    }

    /// Up to a few commits that have all but one of what is wanted, newest first. Only those that the index can propose.
    async fn near(&mut self, wanted: &Wanted) -> anyhow::Result<Vec<Position>> {
        let mut near = HashSet::new();
        for less in wanted.all_but_one() {
            if less.keys().is_empty() {
                continue;
            }
            let Some(mut hits) = self.hits(Arc::new(less)).await? else { break };
            for _ in 0..MOST_NEAR {
                near.extend(self.next_hit(&mut hits, &HashSet::new()).await?);
            }
        }
        let Some(messages) = &self.messages else { return Ok(Vec::new()) };
        let mut near = messages.newest_first(near.into_iter());
        near.truncate(MOST_NEAR);
        Ok(near)
    }

    /// The commits that are `wanted`; `None` if the run is to end.
    async fn hits(&mut self, wanted: Arc<Wanted>) -> anyhow::Result<Option<Hits>> {
        let Some(messages) = self.messages().await? else { return Ok(None) };
        let (order, is_sure) = if wanted.is_paths_alone() {
            (messages.newest_first(self.touching(&wanted).await?.into_iter()), false)
        } else {
            let (asked, keys) = (Arc::clone(&messages), wanted.keys());
            match self.pool.run(move || asked.with_keys(&keys)).await? {
                Ok((order, is_sure)) => (order, is_sure && wanted.is_keys_alone()),
                Err(cause) => {
                    announce::warn(self.report, &self.name, &self.index.unwritten(&cause)).await?;
                    let without = Arc::new(messages.without_index());
                    self.messages = Some(Arc::clone(&without));
                    (self.pool.run(move || without.with_keys(&[])).await??.0, false)
                }
            }
        };
        Ok(Some(Hits {
            messages,
            wanted,
            is_partial: self.index.repository().partial,
            order,
            is_sure,
            begun: 0,
            pending: VecDeque::new(),
            ready: VecDeque::new(),
            broken: Vec::new(),
            absent: 0,
        }))
    }

    /// The commits that change the first path that is wanted, as git finds them.
    async fn touching(&mut self, wanted: &Wanted) -> anyhow::Result<Vec<Position>> {
        let tips: Vec<_> = self.refs.tips().into_iter().map(|tip| (tip, false)).collect();
        let Some(path) = wanted.paths.first().filter(|_| !tips.is_empty()) else { return Ok(Vec::new()) };
        let magic: &[u8] = if has_wildcard(path) { b":(top)" } else { b":(top,literal)" };
        let paths = [gitcli::argument(&[magic, path].concat())];
        let found = self.listed(&tips, Some(&paths)).await?;
        let graph = self.graph().await?;
        Ok(found.iter().filter_map(|id| graph.position(id)).collect())
    }

    /// The messages of the commits that are asked about; `None` if the run is to end.
    async fn messages(&mut self) -> anyhow::Result<Option<Arc<Messages>>> {
        if let Some(messages) = &self.messages {
            return Ok(Some(Arc::clone(messages)));
        }
        let (graph, tips) = (self.graph().await?, self.refs.tips());
        let gaps = self.torn.as_ref().map(|torn| Arc::clone(&torn.gaps)).unwrap_or_default();
        let (cache, source) = (self.lasting().cloned(), Arc::clone(&graph));
        let reach = move || {
            // All ids will be asked for, and perhaps much written.
            graph.settle();
            graph.reachable(tips.iter().filter_map(|tip| graph.position(tip)))
        };
        let reachable = self.pool.run(reach).await?;
        let bar = self.report.bar();
        let show = |done: usize, total: usize| bar.show("indexing words", done as u64, Some(total as u64));
        let opened =
            Messages::open(&self.index, cache, (source, gaps), reachable, &self.pool, self.token, show).await?;
        let Some((messages, trouble)) = opened else { return Ok(None) };
        if let Some(trouble) = trouble {
            announce::warn(self.report, &self.name, &trouble).await?;
        }
        Ok(Some(Arc::clone(self.messages.insert(Arc::new(messages)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_itself_a_folder_above_or_a_glob() {
        for (pattern, path, expected) in [
            ("src", "src/a.c", true),
            ("src", "src", true),
            ("src", "srcs/a.c", false),
            ("src/a.c", "src/a.c", true),
            ("a.c", "src/a.c", false),
            ("*.c", "src/a.c", true),
            ("src/*", "src/deep/a.c", true),
            ("src/?.c", "src/a.c", true),
            ("SRC", "src/a.c", false),
            ("[x]", "[x]/a", true),
        ] {
            assert_eq!(is_on_path(pattern.as_bytes(), path.as_bytes()), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn a_query_without_a_word_is_refused() {
        let wanted = |text: &str| Wanted::new(&Words::parse(text));
        assert!(wanted("\"  \" path:/").is_err());
        assert!(wanted("++").expect("a term").keys().is_empty());
        assert!(wanted("path:src/").expect("a path").is_paths_alone());
        assert_eq!(wanted("a b subject:c author:d path:e").expect("a query").all_but_one().len(), 5);
    }
}
