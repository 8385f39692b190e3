//! The repositories that a run is about: each is looked at beside the stream, and what its commits name meanwhile waits for that.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_channel::{Receiver, Sender};

use super::home::Place;
use super::named::Named;
use crate::executor::LocalExecutor;
use crate::trackers::which::Home;

/// What commits name of repositories that are being looked at, which is only a matter of files: beyond so much the stream waits.
const BEHIND: usize = 4096;

/// Repositories that have been looked at and not been taken in yet.
const UNTAKEN: usize = 16;

/// A repository of the stream.
#[derive(Debug)]
enum Known {
    /// It is being looked at; what its commits name meanwhile.
    Soon(Vec<Named>),
    Now(Arc<Place>),
}

/// A repository that was looked at.
pub(super) type Placed = (String, anyhow::Result<Arc<Place>>);

/// What is known of repositories by their names on the wire.
#[derive(Debug)]
pub(super) struct Places {
    here: Arc<Place>,
    known: HashMap<String, Known>,
    tell: Sender<Placed>,
}

impl Places {
    /// Those of a run, `here` being where one stands; what was looked at comes out of the channel, for [`Self::take_in`].
    pub(super) fn new(here: Arc<Place>) -> (Self, Receiver<Placed>) {
        let (tell, placed) = async_channel::bounded(UNTAKEN);
        (Self { here, known: HashMap::new(), tell }, placed)
    }

    /// Where one stands.
    pub(super) fn here(&self) -> &Arc<Place> {
        &self.here
    }

    /// What is known of `repo`, or of where one stands.
    pub(super) fn of(&self, repo: &str) -> &Arc<Place> {
        match self.known.get(repo) {
            Some(Known::Now(place)) => place,
            _ => &self.here,
        }
    }

    /// The trackers of `repo`, or of where one stands; `None` while they aren't known.
    pub(super) fn home(&self, repo: Option<&str>) -> Option<&Home> {
        match repo.and_then(|repo| self.known.get(repo)) {
            Some(Known::Soon(_)) => None,
            Some(Known::Now(place)) => Some(&place.home),
            None => Some(&self.here.home),
        }
    }

    /// Looks at the repository `repo`, at `dir`, at once.
    ///
    /// # Errors
    /// Those of [`Place::read`].
    pub(super) async fn know(&mut self, repo: String, dir: PathBuf) -> anyhow::Result<()> {
        let place = Place::read(dir, Some(repo.clone())).await?;
        self.known.insert(repo, Known::Now(place));
        Ok(())
    }

    /// Has `repo`, at `dir`, looked at unless it was.
    pub(super) fn meet(&mut self, repo: String, dir: PathBuf, executor: &LocalExecutor<'static>) {
        if self.known.contains_key(&repo) {
            return;
        }
        self.known.insert(repo.clone(), Known::Soon(Vec::new()));
        let tell = self.tell.clone();
        let look = async move {
            let read = Place::read(dir, Some(repo.clone())).await;
            // Whoever listens no more needs no news.
            let _ = tell.send((repo, read)).await;
        };
        // The executor owns it, and ends before the run does.
        executor.spawn(look).detach();
    }

    /// What a commit of `repo` names, with what is known of that; `None` keeps it until the repository is taken in.
    pub(super) fn ready(&mut self, repo: Option<&str>, named: Named) -> Option<(Arc<Place>, Named)> {
        match repo.and_then(|repo| self.known.get_mut(repo)) {
            Some(Known::Soon(waiting)) => {
                waiting.push(named);
                None
            }
            Some(Known::Now(place)) => Some((Arc::clone(place), named)),
            None => Some((Arc::clone(&self.here), named)),
        }
    }

    /// Takes in what was found out of `repo`: that is known of it now, and this has waited for it. Where nothing could be, what holds
    /// where one stands is better than nothing.
    pub(super) fn take_in(&mut self, repo: &str, read: Option<Arc<Place>>) -> (Arc<Place>, Vec<Named>) {
        let place = read.unwrap_or_else(|| Arc::clone(&self.here));
        let before = self.known.insert(repo.to_owned(), Known::Now(Arc::clone(&place)));
        match before {
            Some(Known::Soon(waiting)) => (place, waiting),
            _ => (place, Vec::new()),
        }
    }

    /// Whether one is still being looked at.
    pub(super) fn is_looking(&self) -> bool {
        self.known.values().any(|known| matches!(known, Known::Soon(_)))
    }

    /// Whether so much waits for one that no more should come.
    pub(super) fn is_behind(&self) -> bool {
        self.known.values().any(|known| matches!(known, Known::Soon(waiting) if waiting.len() >= BEHIND))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Named {
        Named::of(Vec::new(), Some(text.to_owned()), Some(&Home::default()), (None, None))
    }

    #[test]
    fn what_a_repository_names_waits_until_it_was_looked_at_and_the_stream_with_it() {
        let executor = LocalExecutor::new();
        let (mut places, looked_at) = Places::new(Arc::default());
        places.meet("nova".into(), "/nowhere/at/all".into(), &executor);
        assert!(places.home(Some("nova")).is_none() && places.home(Some("other")).is_some());
        assert!(places.ready(Some("other"), named("a")).is_some(), "what holds where one stands");
        for number in 0..BEHIND {
            assert!(places.is_looking() && !places.is_behind(), "{number}");
            assert!(places.ready(Some("nova"), named("b")).is_none());
        }
        assert!(places.is_behind());
        let (repo, read) = smol::block_on(executor.run(looked_at.recv())).expect("it is looked at");
        let (_, waiting) = places.take_in(&repo, read.ok());
        assert_eq!((waiting.len(), places.is_looking(), places.is_behind()), (BEHIND, false, false));
        assert!(places.ready(Some("nova"), named("c")).is_some());
    }
}
