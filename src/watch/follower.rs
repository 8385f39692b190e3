//! One repository that is followed: what its refs were when it was last looked at, and the next look.

use std::sync::Arc;

use super::notice::Place;
use super::{Member, Options};
use crate::announce::{self, Indexed};
use crate::clock::Deadline;
use crate::config::Settings;
use crate::error::{self, Kind};
use crate::facts::Oid;
use crate::git::refs::{Ref, RefList, RefStore, Selection};
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
    /// Its folders, as they were when it was last there.
    pub(super) place: Option<Place>,
    /// Why the last look failed.
    pub(super) failure: Option<anyhow::Error>,
    /// Whether that was told.
    is_told: bool,
    /// What it called itself when it was last there.
    called: Option<String>,
    /// What was told of its refs; `None` before the first look that succeeded.
    known: Option<Known>,
    /// The commits that were reached before those that are still to be located, with all that they reach.
    located: Option<Vec<Oid>>,
    /// The settings that could be used last.
    settings: Option<Settings>,
    /// Why those of now can't be, as it was told.
    unusable: Option<String>,
}

/// The refs as they were told.
#[derive(Debug)]
struct Known {
    refs: Arc<RefList>,
    /// What was followed then.
    selection: Selection,
}

/// What one look shares.
struct Look<'a> {
    options: &'a Options,
    strand: &'a mut Strand,
    token: &'a Token,
}

impl Follower {
    pub(super) fn new(member: Member) -> Self {
        Self {
            member,
            place: None,
            failure: None,
            is_told: false,
            called: None,
            known: None,
            located: None,
            settings: None,
            unusable: None,
        }
    }

    /// What it is called on the wire.
    pub(super) fn name(&self) -> String {
        let Sought { dir, name } = &self.member.sought;
        name.clone().or_else(|| self.called.clone()).unwrap_or_else(|| dir.display().to_string())
    }

    /// Tells what has moved since the last look, and the commits that came. The first look tells the repository, and brings its index up
    /// to date. What fails is tried again the next time, and told once while nothing else is; before any look has succeeded, [`Self::tell_failure`] tells it.
    ///
    /// # Errors
    /// If nobody reads any more.
    pub(super) async fn look(&mut self, options: &Options, strand: &mut Strand, token: &Token) -> anyhow::Result<()> {
        let mut look = Look { options, strand, token };
        match self.look_in_time(&mut look).await {
            Ok(()) => self.tell_return(&mut look).await,
            Err(cause) if cause.downcast_ref::<Gone>().is_some() => Err(cause),
            Err(_) if token.is_cancelled() => Ok(()),
            Err(cause) => {
                // Where something has been told, the reader has to know each time that it isn't all.
                let is_old = strand.counts().is_empty()
                    && self.failure.as_ref().is_some_and(|old| error::message_of(old) == error::message_of(&cause));
                self.is_told &= is_old;
                self.failure = Some(cause);
                match self.known {
                    Some(_) => self.tell_failure(strand).await,
                    None => Ok(()),
                }
            }
        }
    }

    /// Tells why the last look failed, unless it was told before.
    ///
    /// # Errors
    /// If nobody reads any more.
    pub(super) async fn tell_failure(&mut self, strand: &mut Strand) -> anyhow::Result<()> {
        let name = self.name();
        let Some(cause) = self.failure.as_ref().filter(|_| !self.is_told) else { return Ok(()) };
        self.is_told = true;
        if self.known.is_some() && error::kind_of(cause) == Kind::NoRepository {
            let message = format!("{name} is gone: {}", error::message_of(cause));
            let hint = Some("it is followed again when it is back".to_owned());
            announce::warn(strand, &name, &Trouble { code: "gone", message, hint }).await
        } else {
            announce::failed(strand, &name, cause).await
        }
    }

    /// Tells that what failed before works again, if that was told.
    async fn tell_return(&mut self, look: &mut Look<'_>) -> anyhow::Result<()> {
        if self.failure.take().is_none() || !std::mem::take(&mut self.is_told) {
            return Ok(());
        }
        let name = self.name();
        let message = format!("{name} can be read again");
        announce::warn(look.strand, &name, &Trouble { code: "returned", message, hint: None }).await
    }

    async fn look_in_time(&mut self, look: &mut Look<'_>) -> anyhow::Result<()> {
        let name = self.name();
        let (clock, current) = (&look.options.clock, look.options.config.current());
        let limit = current.await?.view.time("timeout.watch", Some(&name))?;
        let deadline =
            Deadline::within(clock, limit).set_by("bhfuil.timeout.watch").bounding(format!("looking at {name}"));
        // Threads of the pool, which others share, leave a look alone that was given up.
        let part = look.token.part();
        let look = &mut Look { options: look.options, strand: &mut *look.strand, token: part.token() };
        deadline.bound(clock, Box::pin(self.look_once(look))).await
    }

    async fn look_once(&mut self, look: &mut Look<'_>) -> anyhow::Result<()> {
        let token = look.token;
        let begun = token.unless_cancelled(Box::pin(self.begin(look))).await;
        let (repository, settings, moved) = begun.unwrap_or_else(stopped)?;
        let has_moved = moved.is_some();
        let mut indexed = Indexed::default();
        if let Some(asked) = moved {
            let asked = scan::Options { settings: Some(settings.clone()), ..asked };
            indexed = self.scan(&asked, look).await?;
        }
        let has_located = self.locate_new(&repository, settings, look).await?;
        if has_moved || has_located {
            announce::end(look.strand, &repository.name, look.token.is_cancelled(), indexed).await?;
        }
        Ok(())
    }

    /// The repository, its settings, and the scan that tells what has moved there; `None` if nothing has.
    async fn begin(
        &mut self,
        look: &mut Look<'_>,
    ) -> anyhow::Result<(Arc<Repository>, Settings, Option<scan::Options>)> {
        let repository = self.open(look.options).await?;
        if self.failure.as_ref().is_some_and(|failure| error::kind_of(failure) == Kind::NoRepository) {
            // Before what has come meanwhile. Whether anything else that failed works again shows only at the end.
            self.tell_return(look).await?;
        }
        let settings = self.settings(&repository, look).await?;
        let moved = self.moved(&repository, look.options).await?;
        Ok((repository, settings, moved))
    }

    /// The repository, which has to be where it was.
    async fn open(&mut self, options: &Options) -> anyhow::Result<Arc<Repository>> {
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
        Ok(repository)
    }

    /// The settings for it; while they can't be used, those that could be last, which is told once.
    async fn settings(&mut self, repository: &Arc<Repository>, look: &mut Look<'_>) -> anyhow::Result<Settings> {
        let cause = match Settings::read(repository).await {
            Ok(settings) => {
                (self.settings, self.unusable) = (Some(settings.clone()), None);
                return Ok(settings);
            }
            Err(cause) => cause,
        };
        let Some(settings) = self.settings.clone() else { return Err(cause) };
        settings.bind(repository);
        let why = error::message_of(&cause);
        // Of what all repositories share it is told by whoever follows that.
        let is_shared = look.options.config.current().await?.trouble.is_some();
        if !is_shared && self.unusable.as_ref() != Some(&why) {
            let message = format!("{why}; what held before still does");
            let hint = Some("git bhfuil config validate tells all that is wrong".to_owned());
            let trouble = Trouble { code: "config-unusable", message, hint };
            announce::warn(look.strand, &repository.name, &trouble).await?;
            self.unusable = Some(why);
        }
        Ok(settings)
    }

    /// The scan that tells what has moved; `None` if nothing has.
    async fn moved(&self, repository: &Arc<Repository>, options: &Options) -> anyhow::Result<Option<scan::Options>> {
        let asked = scan::Options {
            sought: self.member.sought.clone(),
            refs: self.member.refs.clone(),
            pool: Some(options.pool.clone()),
            goes_on: true,
            ..options.scan.clone()
        };
        let Some(Known { refs, selection }) = &self.known else {
            // What was there before anybody looked is nothing new.
            return Ok(Some(scan::Options { no_commits: true, ..asked }));
        };
        let now = self.refs(repository, options).await?;
        if *selection == self.member.refs {
            let has_moved = !same(refs, &now);
            return Ok(has_moved.then(|| scan::Options { known: Some(Arc::clone(refs)), ..asked }));
        }
        // Neither is a ref gone that is followed no more, nor are the commits new of one that wasn't followed before.
        let is_other = |entry: &Ref<'_>| !selection.covers(entry.name());
        let seen = now.iter().filter(is_other).filter_map(Ref::commit).chain(refs.tips()).collect();
        let known = Some(Arc::new(refs.covered_by(&self.member.refs)));
        Ok(Some(scan::Options { known, seen, ..asked }))
    }

    /// Tells what has moved, as `asked`, and keeps in mind what there is to be located.
    async fn scan(&mut self, asked: &scan::Options, look: &mut Look<'_>) -> anyhow::Result<Indexed> {
        let Scanned { refs, indexed, .. } = scan::run(asked, look.strand, look.token).await?;
        if look.token.is_cancelled() {
            return Ok(indexed);
        }
        let selection = self.member.refs.clone();
        if let Some(known) = self.known.replace(Known { refs, selection })
            && look.options.locate.is_some()
        {
            self.located.get_or_insert_with(|| known.refs.tips()).extend(&asked.seen);
        }
        Ok(indexed)
    }

    /// Tells where each commit is that came since that was last told; `false` if there is none. What fails is tried again by the next
    /// look.
    async fn locate_new(
        &mut self,
        repository: &Repository,
        settings: Settings,
        look: &mut Look<'_>,
    ) -> anyhow::Result<bool> {
        let (Some(known), Some(located), Some(locate)) = (&self.known, &self.located, &look.options.locate) else {
            return Ok(false);
        };
        let tips = known.refs.tips().into_iter().map(|tip| (tip, false));
        let revisions: Vec<_> = tips.chain(located.iter().map(|tip| (*tip, true))).collect();
        // A commit that refs led to before may be gone by now.
        let options = ["--ignore-missing".into()];
        let new = look.token.unless_cancelled(gitcli::rev_list(repository, &revisions, &options, None)).await;
        let new = new.unwrap_or_else(stopped)?;
        let has_new = !new.is_empty();
        if has_new {
            let asked = locate::Options {
                sought: self.member.sought.clone(),
                queries: new.iter().map(|id| id.to_hex().into()).collect(),
                told: Some(Arc::new(new.into_iter().collect())),
                settings: Some(settings),
                ..locate.clone()
            };
            locate::run(asked, look.strand, look.token).await?;
        }
        self.located = None;
        Ok(has_new)
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
            Ok(Arc::new(store).look_up(&selection, &repository.handle()))
        };
        options.pool.run(read).await?
    }
}

fn stopped<T>() -> anyhow::Result<T> {
    Err(Kind::Cancelled.error("stopped"))
}

/// Whether both lists have the same refs, which lead to the same objects.
fn same(one: &RefList, other: &RefList) -> bool {
    let are_same = |(one, other): (Ref<'_>, Ref<'_>)| one.name() == other.name() && one.id() == other.id();
    one.len() == other.len() && one.iter().zip(other.iter()).all(are_same) && one.broken == other.broken
}
