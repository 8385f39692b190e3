//! Handles on a repository's objects, lent to whichever worker has a step to do: at most as many are made as work at once.

use std::sync::{Arc, Mutex};

use crate::git::{Handle, Repository};
use crate::panics;

/// A repository and its idle handles. Clones share them.
#[derive(Debug, Clone)]
pub struct Handles {
    repository: Arc<Repository>,
    idle: Arc<Mutex<Vec<Handle>>>,
}

impl Handles {
    /// Handles for `repository`; none is made before it is needed.
    #[must_use]
    pub fn new(repository: Arc<Repository>) -> Self {
        Self { repository, idle: Arc::default() }
    }

    /// The repository.
    #[must_use]
    pub fn repository(&self) -> &Arc<Repository> {
        &self.repository
    }

    /// Takes a handle out, for work that keeps it over several steps.
    #[must_use]
    pub fn take(&self) -> Handle {
        let idle = self.idle.lock().ok().and_then(|mut idle| idle.pop());
        idle.unwrap_or_else(|| self.repository.handle())
    }

    /// Gives a handle back for the next step.
    pub fn give(&self, handle: Handle) {
        if let Ok(mut idle) = self.idle.lock() {
            idle.push(handle);
        }
    }

    /// Runs `step` with a handle. Packs that a `git gc` moves under a reader can make the object database panic; then the step is
    /// tried once more with a fresh handle.
    pub fn with<T>(&self, step: impl Fn(&Handle) -> T) -> T {
        let mut handle = self.take();
        let answer = panics::twice(&mut handle, |handle| step(handle), |handle| *handle = self.repository.handle());
        self.give(handle);
        answer
    }
}
