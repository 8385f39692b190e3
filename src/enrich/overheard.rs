//! What the commits of a local answer name, noted while it is made and asked about when it is there.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::round::Named;
use crate::describe::Ear;
use crate::facts::issues::IssueRef;

/// What was named, each once, in the order in which it was heard.
#[derive(Debug, Clone, Default)]
pub struct Overheard(Arc<Mutex<Heard>>);

#[derive(Debug, Default)]
struct Heard {
    seen: HashSet<(String, String)>,
    all: Vec<(String, Named)>,
}

impl Overheard {
    /// What has to be told of each commit.
    #[must_use]
    pub fn ear(&self) -> Ear {
        let heard = Arc::clone(&self.0);
        Ear::new(move |commit| {
            if commit.issues.is_empty() && commit.change_id.is_none() {
                return;
            }
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            let repo = commit.repo.as_ref();
            let mut is_new = |key: &str| heard.seen.insert((repo.to_owned(), key.to_owned()));
            let issues = commit.issues.iter().filter(|issue| is_new(&format!("{} {}", issue.kind, issue.key)));
            let issues: Vec<IssueRef> =
                issues.filter_map(|issue| super::stream::known(&issue.kind, &issue.key)).collect();
            let change_id = commit.change_id.as_deref().filter(|id| is_new(id)).map(str::to_owned);
            if !issues.is_empty() || change_id.is_some() {
                heard.all.push((repo.to_owned(), Named { issues, change_id, message: None }));
            }
        })
    }

    pub(super) fn take(&self) -> Vec<(String, Named)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).all)
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
