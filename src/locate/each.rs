//! Queries that are about many commits: a range, a hot issue, a word. Each commit's change is found and told by itself, in the order of
//! the commits, so that the first comes at once, that twenty thousand cost no more memory than three, and that what is one change
//! doesn't depend on how much was asked.

use std::collections::{HashSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;

use super::resolve::Target;
use super::scope::Scope;
use super::search::{AHEAD, Made, Search, make};
use super::words::Hits;
use crate::announce;
use crate::graph::Position;
use crate::index::Trouble;
use crate::pipeline::JobError;

/// What a worker makes.
pub(super) type Job<T> = Pin<Box<dyn Future<Output = Result<T, JobError>> + Send>>;

/// What a query is about, as far as it concerns the answer to one of its commits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// All commits; none where they are still being found.
    pub(super) commits: HashSet<Position>,
    /// Whether the query named them, so that "the change itself" is them; otherwise it is the oldest of each change.
    pub(super) is_commit: bool,
    /// What was looked for, for people.
    pub(super) sought: String,
}

/// Many commits that a query is about, in the order in which they are to be told.
#[derive(Debug)]
pub(super) struct Many {
    pub(super) commits: Vec<Position>,
    pub(super) asked: Asked,
}

/// Where the commits come from.
pub(super) enum Source<'h> {
    /// They are known.
    List(std::vec::IntoIter<Position>),
    /// They are found by words.
    Hits(&'h mut Hits),
}

/// What was told of one query.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The commits of the changes.
    pub(super) commits: HashSet<Position>,
    /// How many changes.
    pub(super) changes: usize,
    /// Whether more is known to be there.
    pub(super) is_cut: bool,
}

impl Search<'_> {
    /// Tells the changes of `many` commits: all, or as many as `--max-count` allows.
    pub(super) async fn tell_many(&mut self, query: &str, many: Many) -> anyhow::Result<()> {
        let Many { commits, asked } = many;
        let most = self.options.max_count.unwrap_or(usize::MAX);
        let told = self.tell_each(query, &mut Source::List(commits.into_iter()), Arc::new(asked), most).await?;
        if told.is_cut && !self.token.is_cancelled() {
            let trouble = Trouble {
                code: "more-found",
                message: format!("'{query}' is about more than the {most} changes told"),
                hint: Some("--max-count=<n> tells more".into()),
            };
            announce::warn_about(self.report, &self.name, query, &trouble).await?;
        }
        Ok(())
    }

    /// Tells the change of each commit of `source`, as soon as it is known and each once, until `most` are told.
    pub(super) async fn tell_each(
        &mut self,
        query: &str,
        source: &mut Source<'_>,
        asked: Arc<Asked>,
        most: usize,
    ) -> anyhow::Result<Told> {
        let mut told = Told::default();
        let Some(scope) = self.scope().await? else { return Ok(told) };
        let mut answers: VecDeque<(Position, Job<anyhow::Result<Made>>)> = VecDeque::new();
        while told.changes < most {
            if answers.len() < AHEAD * self.pool.threads()
                && let Some(commit) = self.next_of(source, &told.commits).await?
            {
                let target = Target::OneOf { commit, asked: Arc::clone(&asked) };
                answers.push_back((commit, self.make(&scope, query, target).await?));
                continue;
            }
            let Some((commit, answer)) = answers.pop_front() else { break };
            let mut made = answer.await??;
            if told.commits.contains(&commit) {
                // A pick of it was told, and this commit with it.
                self.kept.append(&mut made.outcome.found_out);
                continue;
            }
            told.changes += made.outcome.changes;
            told.commits.insert(commit);
            told.commits.extend(made.outcome.members.iter().copied());
            self.tell_made(query, made).await?;
        }
        told.is_cut = answers.iter().any(|(commit, _)| !told.commits.contains(commit));
        if let (Source::List(rest), false) = (source, told.is_cut) {
            told.is_cut = rest.any(|commit| !told.commits.contains(&commit));
        }
        Ok(told)
    }

    /// The next commit that isn't told yet.
    async fn next_of(&self, source: &mut Source<'_>, told: &HashSet<Position>) -> anyhow::Result<Option<Position>> {
        match source {
            Source::List(_) if self.token.is_cancelled() => Ok(None),
            Source::List(rest) => Ok(rest.find(|commit| !told.contains(commit))),
            Source::Hits(hits) => self.next_hit(hits, told).await,
        }
    }

    /// Answers `target` and waits for it.
    pub(super) async fn tell_target(&mut self, query: &str, target: Target) -> anyhow::Result<()> {
        let Some(scope) = self.scope().await? else { return Ok(()) };
        let answer = self.make(&scope, query, target).await?;
        self.tell_made(query, answer.await??).await
    }

    /// Sets a worker to answer `target`.
    async fn make(
        &mut self,
        scope: &Arc<Scope>,
        query: &str,
        target: Target,
    ) -> anyhow::Result<Job<anyhow::Result<Made>>> {
        let alike = self.alike(query, &target).await?;
        let (scope, query, format) = (Arc::clone(scope), query.to_owned(), self.report.format());
        let job = move || scope.handles.with(|handle| make(&scope, handle, &query, (&target, &alike), format));
        Ok(Box::pin(self.pool.submit(job).await?.result()))
    }
}
