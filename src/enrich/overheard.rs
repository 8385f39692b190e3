//! What a local answer is about, noted while it is made and asked about when it is there: what its commits name, and what was looked for.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::home::Place;
use super::named::{Named, Text};
use crate::debug;
use crate::describe::{Ear, Told};
use crate::events::Commit;
use crate::facts::Oid;
use crate::facts::issues::IssueRef;

/// A query with more bytes is none that names an issue.
const LONGEST: usize = 1000;

/// What was named, each once, in the order in which it was heard.
#[derive(Debug, Clone, Default)]
pub struct Overheard(Arc<Mutex<Heard>>);

#[derive(Debug, Default)]
struct Heard {
    seen: HashSet<(String, String)>,
    all: Gathered,
    places: Places,
}

/// Where the repositories are, and what is known of their trackers.
#[derive(Debug, Default)]
struct Places {
    /// Where one stands; nothing is configured for `None`.
    here: Option<PathBuf>,
    /// Those that are named, by their names on the wire.
    dirs: HashMap<String, PathBuf>,
    /// Those that were looked at; one that could not be is known to have no trackers.
    known: HashMap<String, Arc<Place>>,
}

/// What is to be asked about, or looked up.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// What was looked for, as far as it may be an issue.
    pub(super) queries: Vec<String>,
    /// What commits name, with their repository.
    pub(super) named: Vec<(String, Named)>,
    /// Tags that are the first with a change, with their repository.
    pub(super) tags: BTreeSet<(String, String)>,
}

impl Overheard {
    /// Of the repositories that are named (on the wire) and those where one stands. What is configured for one is looked up when its
    /// first commit is heard of, by the thread that tells of it.
    #[must_use]
    pub fn of(here: PathBuf, named: impl IntoIterator<Item = (String, PathBuf)>) -> Self {
        let places = Places { here: Some(here), dirs: named.into_iter().collect(), known: HashMap::new() };
        Self(Arc::new(Mutex::new(Heard { places, ..Heard::default() })))
    }

    /// What has to be told of each commit, of what refs have, and of what is looked for.
    #[must_use]
    pub fn ear(&self) -> Ear {
        let own = self.clone();
        Ear::new(move |told| match told {
            Told::Commit(commit) => own.commit(commit),
            Told::Presence(presence) => {
                let tags = [&presence.first_tag, &presence.first_release].into_iter().flatten().flatten();
                let tags = tags.map(|tag| (presence.repo.to_string(), tag.to_string()));
                own.heard().all.tags.extend(tags);
            }
            Told::Query(query) => own.heard().query(query),
        })
    }

    pub(super) fn take(&self) -> Gathered {
        std::mem::take(&mut self.heard().all)
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commit(&self, commit: &Commit<'_>) {
        let place = self.heard().places.of(&commit.repo);
        let issues = commit.issues.iter().filter_map(|issue| super::stream::known(&issue.kind, &issue.key));
        let change_id = commit.change_id.as_deref().map(str::to_owned);
        // Patterns are looked for beside what others tell.
        let message = (Some(&*commit.subject), Some(&*commit.body));
        let named = Named::of(issues.collect(), change_id, Some(&place.home), message);
        self.heard().named(&commit.repo, named);
    }
}

impl Places {
    /// What is known of the repository `repo`. May read files.
    fn of(&mut self, repo: &str) -> Arc<Place> {
        if let Some(known) = self.known.get(repo) {
            return Arc::clone(known);
        }
        let named = self.dirs.get(repo).map(|dir| (dir.clone(), Some(repo.to_owned())));
        let read = match named.or_else(|| self.here.clone().map(|here| (here, None))) {
            Some((dir, name)) => Place::read_blocking(&dir, name),
            None => Ok(Place::default()),
        };
        // Whoever asks afterwards is told why it can't be read.
        let read = read.inspect_err(|cause| debug::warn("enrich", || format!("the settings of {repo}: {cause:#}")));
        let place = Arc::new(read.unwrap_or_default());
        self.known.insert(repo.to_owned(), Arc::clone(&place));
        place
    }
}

impl Heard {
    /// Notes what is new of what a commit names.
    fn named(&mut self, repo: &str, named: Named) {
        let mut is_new = |key: String| self.seen.insert((repo.to_owned(), key));
        let Named { mut issues, change_id, text } = named;
        issues.retain(|IssueRef { kind, key }| is_new(format!("{} {key}", kind.as_str())));
        let change_id = change_id.filter(|id| is_new(id.clone()));
        let text = match text {
            Text::Found(mut found) => {
                found.retain(|(target, _)| is_new(format!("{} {}", target.tracker.base, target.local)));
                Text::Found(found)
            }
            unread @ Text::Unread(_) => unread,
        };
        let named = Named { issues, change_id, text };
        if !named.is_empty() {
            self.all.named.push((repo.to_owned(), named));
        }
    }

    /// Notes what is looked for, unless it is the id of a commit, as whole streams of them are.
    fn query(&mut self, query: &str) {
        let is_id = Oid::from_hex(query.as_bytes()).is_some();
        if !is_id && query.len() <= LONGEST && self.seen.insert((String::new(), query.to_owned())) {
            self.all.queries.push(query.to_owned());
        }
    }
}

/// What to ask about after a local answer.
#[derive(Debug, Clone, Default)]
pub struct After {
    /// Where one stands.
    pub dir: PathBuf,
    /// The repositories that were asked, by their names on the wire; none for the one where one stands.
    pub places: Vec<(String, PathBuf)>,
    /// The folder of the caches; `None` keeps nothing.
    pub cache_folder: Option<PathBuf>,
}
