//! One repository that is followed: what its refs were when it was last looked at, and the next look.

use std::sync::Arc;

use super::notice::Place;
use super::pace::Pace;
use super::{Member, Options};
use crate::announce;
use crate::error::{self, Kind};
use crate::git::refs::{RefList, RefStore};
use crate::git::{Repository, Sought};
use crate::gitcli;
use crate::index::Trouble;
use crate::locate;
use crate::report::{Gone, Strand};
use crate::scan::{self, Scanned};
use crate::shutdown::Token;

/// A repository that is followed.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) member: Member,
    pub(super) pace: Pace,
    /// Its folders, as they were when it was last there.
    pub(super) place: Option<Place>,
    /// Why the last look failed.
    pub(super) failure: Option<anyhow::Error>,
    /// What it called itself when it was last there.
    called: Option<String>,
    /// Its refs as they were last told; `None` before the first look that succeeded.
    known: Option<Arc<RefList>>,
    /// The refs as they were before the commits that are still to be located.
    unlocated: Option<Arc<RefList>>,
}

impl Follower {
    pub(super) fn new(member: Member, pace: Pace) -> Self {
        Self { member, pace, place: None, failure: None, called: None, known: None, unlocated: None }
    }

    /// What it is called on the wire.
    pub(super) fn name(&self) -> String {
        let Sought { dir, name } = &self.member.sought;
        name.clone().or_else(|| self.called.clone()).unwrap_or_else(|| dir.display().to_string())
    }

    /// Tells what has moved since the last look, and the commits that came. The first look tells the repository, and brings its index up
    /// to date. What fails is told once, and tried again the next time.
    ///
    /// # Errors
    /// If nobody reads any more.
    pub(super) async fn look(&mut self, options: &Options, strand: &mut Strand, token: &Token) -> anyhow::Result<()> {
        let was_there = self.failure.is_none();
        let known = self.known.is_some();
        match self.look_once(options, strand, token).await {
            Ok(()) => {
                if self.failure.take().is_some() && known {
                    let message = format!("{} can be read again", self.name());
                    let trouble = Trouble { code: "returned", message, hint: None };
                    announce::warn(strand, &self.name(), &trouble).await?;
                }
                Ok(())
            }
            Err(cause) if cause.downcast_ref::<Gone>().is_some() => Err(cause),
            Err(_) if token.is_cancelled() => Ok(()),
            Err(cause) => {
                let is_news = was_there
                    || self.failure.as_ref().is_some_and(|old| error::message_of(old) != error::message_of(&cause));
                // Whether the first look ends the run is for others to say.
                let told = if !is_news || !known {
                    Ok(())
                } else if error::kind_of(&cause) == Kind::NoRepository {
                    let message = format!("{} is gone: {}", self.name(), error::message_of(&cause));
                    let hint = Some("it is followed again when it is back".to_owned());
                    announce::warn(strand, &self.name(), &Trouble { code: "gone", message, hint }).await
                } else {
                    announce::failed(strand, &self.name(), &cause).await
                };
                self.failure = Some(cause);
                told
            }
        }
    }

    async fn look_once(&mut self, options: &Options, strand: &mut Strand, token: &Token) -> anyhow::Result<()> {
        let sought = self.member.sought.clone();
        // The folder that the process stands in may have been removed, and be another by now. Without any nothing can be opened.
        if std::env::current_dir().is_err() && std::env::set_current_dir(&sought.dir).is_err() {
            return Err(Kind::NoRepository.error(format!("{} was removed", sought.dir.display())));
        }
        let repository = Arc::new(options.pool.run(move || Repository::find(&sought)).await??);
        let place = Place { git_dir: repository.git_dir.clone(), common_dir: repository.common_dir.clone() };
        if self.place.as_ref().is_some_and(|old| *old != place) {
            // Around the folder of one that has gone there may be another.
            let dir = self.member.sought.dir.display();
            return Err(Kind::NoRepository.error(format!("{dir} belongs to {} now", place.git_dir.display())));
        }
        self.called = Some(repository.name.clone());
        self.place = Some(place);
        if let Some(known) = &self.known {
            let now = self.refs(&repository, options).await?;
            if same(known, &now) {
                return self.locate_new(&repository, options, strand, token).await;
            }
        }
        let asked = scan::Options {
            sought: self.member.sought.clone(),
            refs: self.member.refs.clone(),
            pool: Some(options.pool.clone()),
            known: self.known.clone(),
            // What was there before anybody looked is nothing new.
            no_commits: self.known.is_none(),
            ..options.scan.clone()
        };
        let Scanned { refs, .. } = scan::run(&asked, strand, token).await?;
        if token.is_cancelled() {
            return Ok(());
        }
        let before = self.known.replace(refs);
        self.unlocated = self.unlocated.take().or(before);
        self.locate_new(&repository, options, strand, token).await
    }

    /// Where each commit is that came since it was last told where commits are. What fails is tried again by the next look.
    async fn locate_new(
        &mut self,
        repository: &Repository,
        options: &Options,
        strand: &mut Strand,
        token: &Token,
    ) -> anyhow::Result<()> {
        if let (Some(before), Some(now), Some(locate)) = (&self.unlocated, &self.known, &options.locate) {
            self.locate(repository, before, now, locate, strand, token).await?;
        }
        self.unlocated = None;
        Ok(())
    }

    /// Where each commit is that the refs didn't reach `before`.
    async fn locate(
        &self,
        repository: &Repository,
        before: &RefList,
        now: &RefList,
        locate: &locate::Options,
        strand: &mut Strand,
        token: &Token,
    ) -> anyhow::Result<()> {
        let tips = now.tips().into_iter().map(|tip| (tip, false));
        let old = before.tips().into_iter().map(|tip| (tip, true));
        let revisions: Vec<_> = tips.chain(old).collect();
        // A commit that refs led to before may be gone by now.
        let new = gitcli::rev_list(repository, &revisions, &["--ignore-missing".into()], None).await?;
        if new.is_empty() {
            return Ok(());
        }
        let asked = locate::Options {
            sought: self.member.sought.clone(),
            queries: new.iter().map(|id| id.to_hex().into()).collect(),
            ..locate.clone()
        };
        locate::run(asked, strand, token).await.map(drop)
    }

    /// The refs as they are now.
    async fn refs(&self, repository: &Arc<Repository>, options: &Options) -> anyhow::Result<RefList> {
        let listed = if repository.uses_reftable() { Some(gitcli::list_refs(repository).await?) } else { None };
        let (repository, selection) = (Arc::clone(repository), self.member.refs.clone());
        let read = move || -> anyhow::Result<RefList> {
            let store = match listed {
                Some((listed, head)) => RefStore::from_listing(&listed, head.as_deref()),
                None => RefStore::read(&repository)?,
            };
            Ok(store.select(&selection, &repository.handle(), |ids| vec![None; ids.len()]))
        };
        options.pool.run(read).await?
    }
}

/// Whether both lists have the same refs, which lead to the same objects.
fn same(one: &RefList, other: &RefList) -> bool {
    let ids = |list: &RefList| list.refs.iter().map(|entry| (entry.name.clone(), entry.id)).collect::<Vec<_>>();
    ids(one) == ids(other) && one.broken == other.broken
}
