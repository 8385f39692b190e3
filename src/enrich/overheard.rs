//! What the commits of a local answer name, noted while it is made and asked about when it is there.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::round::Named;
use crate::describe::{Ear, Told};
use crate::events::Commit;
use crate::facts::issues::IssueRef;

/// What was named, each once, in the order in which it was heard.
#[derive(Debug, Clone, Default)]
pub struct Overheard(Arc<Mutex<Heard>>);

#[derive(Debug, Default)]
struct Heard {
    seen: HashSet<(String, String)>,
    all: Gathered,
}

/// What is to be asked about, or looked up.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// What commits name, with their repository.
    pub(super) named: Vec<(String, Named)>,
    /// Tags that are the first with a change, with their repository.
    pub(super) tags: BTreeSet<(String, String)>,
}

impl Overheard {
    /// What has to be told of each commit, and of what refs have.
    #[must_use]
    pub fn ear(&self) -> Ear {
        let heard = Arc::clone(&self.0);
        Ear::new(move |told| {
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            match told {
                Told::Commit(commit) => heard.commit(commit),
                Told::Presence(presence) => {
                    let tags = [&presence.first_tag, &presence.first_release].into_iter().flatten().flatten();
                    let tags = tags.map(|tag| (presence.repo.to_string(), tag.to_string()));
                    heard.all.tags.extend(tags);
                }
            }
        })
    }

    pub(super) fn take(&self) -> Gathered {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).all)
    }
}

impl Heard {
    fn commit(&mut self, commit: &Commit<'_>) {
        let repo = commit.repo.as_ref();
        let mut is_new = |key: &str| self.seen.insert((repo.to_owned(), key.to_owned()));
        let issues = commit.issues.iter().filter(|issue| is_new(&format!("{} {}", issue.kind, issue.key)));
        let issues: Vec<IssueRef> = issues.filter_map(|issue| super::stream::known(&issue.kind, &issue.key)).collect();
        let change_id = commit.change_id.as_deref().filter(|id| is_new(id)).map(str::to_owned);
        if !issues.is_empty() || change_id.is_some() {
            self.all.named.push((repo.to_owned(), Named { issues, change_id, message: None }));
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
    /// What was looked for, which may be an issue.
    pub queries: Vec<String>,
    /// The folder of the caches; `None` keeps nothing.
    pub cache_folder: Option<PathBuf>,
}
