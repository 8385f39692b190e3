//! What workers share to answer: made when a query first needs it, and again when the index has grown.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::Options;
use super::filing::{Filed, Filing};
use super::gaps::Gaps;
use super::places::{Firsts, Place, Places};
use super::search::Search;
use crate::announce::{self, Indexed};
use crate::cache::postings::Postings;
use crate::cache::{Cache, LIGHT};
use crate::config::Settings;
use crate::describe::{Known, Wishes};
use crate::events::repository::IndexState;
use crate::facts::Oid;
use crate::facts::patterns::Patterns;
use crate::git;
use crate::git::state::Overlay;
use crate::git::{Handle, ObjectError};
use crate::graph::{Containment, Graph, Holders, Position};
use crate::index::Update;
use crate::lines::{LineSettings, Lines};
use crate::matching::{Signals, Strength};
use crate::pipeline::Handles;
use crate::shutdown::Token;

/// Commits that are read from the cache before packs are opened: that takes as long as a dozen of them.
const FEW_TEXTS: usize = 8;

/// Everything that answering takes, shared by the workers.
pub(super) struct Scope {
    pub(super) repo: String,
    pub(super) partial: bool,
    pub(super) graph: Arc<Graph>,
    pub(super) overlay: Arc<Overlay>,
    pub(super) gaps: Arc<Gaps>,
    /// For each of the places' tips whether history breaks off below it; empty where it is whole.
    pub(super) leads_to_gap: Vec<bool>,
    pub(super) handles: Handles,
    pub(super) cache: Option<Cache>,
    pub(super) filed: Filed,
    pub(super) patterns: Arc<Patterns>,
    pub(super) places: Arc<Places>,
    pub(super) wishes: Wishes,
    pub(super) signals: Signals,
    pub(super) least: Strength,
    pub(super) min_confidence: f64,
    pub(super) options: Arc<Options>,
    pub(super) stop: Token,
    /// Which of the places' tips hold which commits, where that is kept or much is going to be asked; `None` in it if it can't be.
    holders: OnceLock<Option<Arc<Holders>>>,
    /// Commits whose changes could not be found, and why.
    lost: Mutex<HashMap<Position, ObjectError>>,
    /// How many commits were read from the cache.
    texts_read: AtomicUsize,
}

impl Scope {
    /// Finds out once which tips hold which commits: much is going to be asked.
    pub(super) fn hold(&self) {
        self.holders.get_or_init(|| Holders::of(&self.graph, &self.places.tips).map(Arc::new));
    }

    /// Which tips hold which commits, if that is known.
    pub(super) fn holders(&self) -> Option<&Holders> {
        self.holders.get()?.as_deref()
    }

    /// Which of `commits` each of `tips`, which are some of the places', contains.
    pub(super) fn contained(&self, commits: &[Position], tips: &[Position]) -> Containment {
        let known = |holders: &Holders| tips.iter().map(|&tip| holders.number(tip)).collect::<Option<Vec<_>>>();
        match self.holders().and_then(|holders| Some((holders, known(holders)?))) {
            Some((holders, numbers)) => {
                Containment::told(commits.len(), tips.len(), |commit, tip| holders.has(numbers[tip], commits[commit]))
            }
            None => Containment::sweep(&self.graph, commits, tips),
        }
    }

    /// For each line the first tag and the first release among the tags that `has` holds for.
    pub(super) fn firsts(&self, has: impl Fn(&Place) -> bool) -> Vec<Firsts> {
        self.places.firsts((&self.graph, self.holders()), has, |place| self.is_cut_off(place))
    }

    /// Why the changes of a commit could not be found, if that was tried.
    pub(super) fn lost(&self, commit: Position) -> Option<ObjectError> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).get(&commit).cloned()
    }

    /// The changes of a commit can't be found.
    pub(super) fn lose(&self, commit: Position, cause: ObjectError) {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).insert(commit, cause);
    }

    /// The bytes of a commit: of the first few from the cache, if it has them, for git's pack takes as long to open; of more from git, which is
    /// quicker then. What git has lost the cache still tells, but for a commit that no ref reaches: that may be gone for good.
    pub(super) fn raw<'b>(&self, handle: &Handle, id: &Oid, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], ObjectError> {
        let kept = || {
            let commit = self.graph.position(id).filter(|&commit| self.places.reach(&self.graph, commit))?;
            self.cache.as_ref()?.text(self.overlay.fingerprint(), commit, id).ok().flatten()
        };
        if self.texts_read.fetch_add(1, Ordering::Relaxed) < FEW_TEXTS
            && let Some(text) = kept()
        {
            *buffer = text;
            return Ok(buffer);
        }
        match handle.commit(id, buffer) {
            Ok(raw) => {
                // Where in the buffer it is; the borrow would end with neither arm.
                let (start, length) = (raw.as_ptr().addr(), raw.len());
                let start = start - buffer.as_ptr().addr();
                Ok(&buffer[start..start + length])
            }
            Err(cause) => {
                *buffer = kept().ok_or(cause)?;
                Ok(buffer)
            }
        }
    }

    /// Whether a ref's history is cut off, or breaks off, so that it may hold what isn't found in it.
    pub(super) fn is_cut_off(&self, place: &Place) -> bool {
        let leads_to_gap = |tip: u32| self.leads_to_gap.get(tip as usize).copied().unwrap_or(false);
        self.overlay.shallow || place.tip.is_none_or(leads_to_gap)
    }

    /// The one commit that hexadecimal digits begin, of those that some ref reaches.
    pub(super) fn resolve(&self, text: &str) -> Option<Oid> {
        let mut found = self.graph.beginning_with(text).into_iter();
        let only = found.next().filter(|_| found.next().is_none())?;
        self.places.reach(&self.graph, only).then(|| self.graph.id(only))
    }
}

impl Search<'_> {
    /// Brings the index up to date, with `tips` in it.
    pub(super) async fn update(&mut self, tips: &[Oid]) -> anyhow::Result<()> {
        let bar = self.report.bar();
        let show = |count: usize| bar.show("indexing", count as u64, None);
        let update = self.index.update(tips, &self.pool, self.token, show).await?;
        for trouble in self.index.take_troubles() {
            announce::warn(self.report, &self.name, &trouble).await?;
        }
        let (state, new) = match update {
            Update::Fresh | Update::Cancelled => (IndexState::Fresh, 0),
            Update::Updated(new) => (IndexState::Updated, new),
            Update::Built(new) => (IndexState::Built, new),
            Update::Broken(broken, commits) => {
                self.tear(commits, broken).await?;
                (IndexState::Skipped, 0)
            }
        };
        if new > 0 || self.indexed.new == 0 {
            self.indexed = Indexed { state, new: self.indexed.new + new };
        }
        self.forget();
        Ok(())
    }

    /// Where it is kept which tags count for which lines: that depends on all refs as they stand, and pays where there are many commits.
    pub(super) fn keeps_tags(&self) -> Option<&Cache> {
        let is_usual = Arc::ptr_eq(&self.refs, &self.index.usual);
        let stands = is_usual && self.torn.is_none() && self.index.is_fresh() && self.index.len() >= LIGHT;
        self.index.cache().filter(|_| stands)
    }

    /// Keeps it for the next question.
    pub(super) async fn keep_tags(&mut self) -> anyhow::Result<()> {
        let Some(places) = self.places.as_ref().filter(|_| self.keeps_tags().is_some()) else { return Ok(()) };
        match places.to_recall() {
            Some((places, tagged)) => self.index.keep_tagged(places, tagged, &self.pool).await,
            None => Ok(()),
        }
    }

    /// What was made of the commits known so far has to be made anew.
    pub(super) fn forget(&mut self) {
        self.places = None;
        self.filed = None;
        self.messages = None;
    }

    /// What workers share; `None` if the run is to end.
    pub(super) async fn scope(&mut self) -> anyhow::Result<Option<Arc<Scope>>> {
        let graph = self.graph().await?;
        // Made while it is looked up what is filed.
        let making = if self.places.is_none() {
            let (graph, usual) = (Arc::clone(&graph), Arc::clone(&self.index.usual));
            let (chosen, whole) = (Arc::clone(&self.refs), self.index.whole());
            let remotes = git::config::remotes(self.index.repository())?;
            let rules = Lines::new(&line_settings(&self.settings, remotes));
            let kept = self.keeps_tags().cloned();
            let make = move || {
                let mut places = Places::new(&graph, (&usual, whole), &chosen, rules);
                if let Some(cache) = kept {
                    places.recall(&cache, &graph);
                }
                places
            };
            Some(self.pool.submit(make).await?)
        } else {
            None
        };
        let filed = match &self.filed {
            Some(filed) => filed.clone(),
            None if self.options.signals.is_plain_containment() => Filed::Held(Arc::new(Postings::default())),
            None => {
                let bar = self.report.bar();
                let show = |done: usize, total: usize| bar.show("reading messages", done as u64, Some(total as u64));
                let jira = &self.settings.jira_projects;
                let (cache, patterns) = (self.lasting(), &self.patterns);
                let filing = Filing { index: &self.index, cache, patterns, pool: &self.pool };
                let filed = filing.bring_up_to_date(&graph, jira, self.token, show).await?;
                let Some(filed) = filed else { return Ok(None) };
                self.filed.insert(filed).clone()
            }
        };
        let is_new = making.is_some();
        if let Some(making) = making {
            self.places = Some(Arc::new(making.result().await?));
        }
        let Some(places) = self.places.clone() else { return Ok(None) };
        let kept = self.index.holders().filter(|holders| holders.are_of(&places.tips));
        let holders = kept.map_or_else(OnceLock::new, |holders| OnceLock::from(Some(Arc::clone(holders))));
        if is_new && !places.has_recalled() && self.options.pool.is_none() && self.pool.threads() > 1 {
            // It takes as long as to find the change: another worker does it meanwhile.
            let (graph, places, holders) = (Arc::clone(&graph), Arc::clone(&places), kept.cloned());
            drop(self.pool.submit(move || places.tagged(&graph, holders.as_deref()).len()).await?);
        }
        let gaps = self.torn.as_ref().map(|torn| Arc::clone(&torn.gaps)).unwrap_or_default();
        let leads_to_gap = gaps.below(&graph, &places.tips);
        let repository = self.index.repository();
        let wishes = Wishes {
            repo: self.name.clone(),
            hash_len: repository.hash_len,
            partial: repository.partial,
            overlay: Arc::clone(&self.index.overlay),
            patterns: Arc::clone(&self.patterns),
            mailmap: None,
            paths: false,
            patch_id: false,
            authors: Vec::new(),
            messages: Vec::new(),
            ear: self.options.ear.clone(),
            known: Some(known_of(&graph, &places)),
        };
        Ok(Some(Arc::new(Scope {
            repo: self.name.clone(),
            partial: repository.partial,
            graph,
            overlay: Arc::clone(&self.index.overlay),
            gaps,
            leads_to_gap,
            handles: self.index.handles.clone(),
            cache: self.index.cache().cloned(),
            filed,
            patterns: Arc::clone(&self.patterns),
            places,
            wishes,
            signals: self.options.signals,
            least: if self.options.similar { Strength::Hint } else { Strength::Equal },
            min_confidence: self.options.min_confidence,
            options: Arc::clone(&self.options),
            stop: self.token.clone(),
            holders,
            lost: Mutex::default(),
            texts_read: AtomicUsize::new(0),
        })))
    }
}

/// Knows the commits that some ref reaches.
fn known_of(graph: &Arc<Graph>, places: &Arc<Places>) -> Known {
    let (graph, places) = (Arc::clone(graph), Arc::clone(places));
    Known::new(move |id| graph.position(id).is_some_and(|commit| places.reach(&graph, commit)))
}

fn line_settings(settings: &Settings, remotes: Vec<String>) -> LineSettings {
    LineSettings {
        stable: settings.stable.clone(),
        mainline: settings.mainline.clone(),
        release_tag: settings.release_tag.clone(),
        remotes,
    }
}
