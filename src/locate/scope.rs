//! What workers share to answer: made when a query first needs it, and again when the index has grown.

use std::sync::Arc;

use super::Options;
use super::filing::{self, Filed};
use super::places::Places;
use super::search::Search;
use crate::announce::{self, Indexed};
use crate::cache::Cache;
use crate::cache::postings::Postings;
use crate::config::Settings;
use crate::describe::Wishes;
use crate::events::repository::IndexState;
use crate::facts::Oid;
use crate::facts::patterns::Patterns;
use crate::git;
use crate::git::state::Overlay;
use crate::graph::Graph;
use crate::index::Update;
use crate::lines::{LineSettings, Lines};
use crate::matching::{Signals, Strength};
use crate::pipeline::Handles;
use crate::shutdown::Token;

/// Everything that answering takes, shared by the workers.
pub(super) struct Scope {
    pub(super) repo: String,
    pub(super) partial: bool,
    pub(super) graph: Arc<Graph>,
    pub(super) overlay: Arc<Overlay>,
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
}

impl Scope {
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
            Update::Broken(broken) => {
                self.is_broken = true;
                announce::broken(self.report, &self.name, None, broken).await?;
                (IndexState::Skipped, 0)
            }
        };
        if new > 0 || self.indexed.new == 0 {
            self.indexed = Indexed { state, new: self.indexed.new + new };
        }
        self.places = None;
        self.filed = None;
        self.messages = None;
        Ok(())
    }

    /// What workers share; `None` if the run is to end.
    pub(super) async fn scope(&mut self) -> anyhow::Result<Option<Arc<Scope>>> {
        let graph = self.index.graph(&self.pool).await?;
        let places = if let Some(places) = &self.places {
            Arc::clone(places)
        } else {
            let (graph, usual, chosen) = (Arc::clone(&graph), Arc::clone(&self.index.usual), Arc::clone(&self.refs));
            let remotes = git::config::remotes(self.index.repository())?;
            let rules = Lines::new(&line_settings(&self.settings, remotes));
            let places = self.pool.run(move || Places::new(&graph, &usual, &chosen, rules)).await?;
            Arc::clone(self.places.insert(Arc::new(places)))
        };
        let filed = match &self.filed {
            Some(filed) => filed.clone(),
            None if self.options.signals.is_plain_containment() => Filed::Held(Arc::new(Postings::default())),
            None => {
                let bar = self.report.bar();
                let show = |done: usize, total: usize| bar.show("reading messages", done as u64, Some(total as u64));
                let jira = &self.settings.jira_projects;
                let filed =
                    filing::bring_up_to_date(&self.index, &graph, &self.patterns, jira, &self.pool, self.token, show)
                        .await?;
                let Some(filed) = filed else { return Ok(None) };
                self.filed.insert(filed).clone()
            }
        };
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
        };
        Ok(Some(Arc::new(Scope {
            repo: self.name.clone(),
            partial: repository.partial,
            graph,
            overlay: Arc::clone(&self.index.overlay),
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
        })))
    }
}

fn line_settings(settings: &Settings, remotes: Vec<String>) -> LineSettings {
    LineSettings {
        stable: settings.stable.clone(),
        mainline: settings.mainline.clone(),
        release_tag: settings.release_tag.clone(),
        remotes,
    }
}
