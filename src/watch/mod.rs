//! Repositories that are followed while the process lives: which refs have moved, and the commits that came with them, as they come.
//! `notice` hears from the file system where something has happened, `pace` says when to look, and `follower` looks: what it finds is
//! told by a [`scan`] of what the refs reach now and didn't reach before. Looks go on side by side (`followed`): one that takes long holds up
//! no other repository.
//!
//! Nothing is believed of what the file system says but that it is time to look; and it is looked now and then in any case, since
//! events get lost, on a network or while the machine sleeps. Refuses to know which repositories are registered, and to fetch.

mod followed;
mod follower;
mod notice;
mod pace;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use async_channel::Receiver;

use self::followed::{Followed, Looked, Looks};
use self::notice::Notices;
use self::pace::Walls;
use crate::announce;
use crate::clock::Clock;
use crate::config::Config;
use crate::executor::LocalExecutor;
use crate::git::Sought;
use crate::git::refs::Selection;
use crate::index::Trouble;
use crate::locate;
use crate::pipeline::Pool;
use crate::report::{Gone, Strands};
use crate::repos::Limit;
use crate::scan;
use crate::shutdown::Token;

/// A repository that is to be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Where it is.
    pub sought: Sought,
    /// Its refs that are followed.
    pub refs: Selection,
}

/// What is wanted of all of them, and what they share.
#[derive(Debug)]
pub struct Options {
    /// What is told of commits; where and since when is not looked at.
    pub scan: scan::Options,
    /// Where each new commit is told too, as these ask; where and what is not looked at.
    pub locate: Option<locate::Options>,
    /// The configuration that all share: how long a look may take (`bhfuil.timeout.watch`). What is wrong with it is told by whoever
    /// subscribes to it.
    pub config: Config,
    /// So many repositories are looked at at a time.
    pub limit: Limit,
    /// Threads for all of them.
    pub pool: Pool,
    /// How long nothing must happen before it is looked, and the like.
    pub times: Times,
    /// Whether the file system is asked to say where something happens; else it is only looked now and then.
    pub notices: bool,
    /// The time, and that of day, which goes on while the machine sleeps.
    pub clock: Clock,
}

/// When it is looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// After so long without anything happening: a push moves many refs, one after the other.
    pub quiet: Duration,
    /// After so long even while things happen.
    pub longest: Duration,
    /// Every so often where the file system says when something happens.
    pub noticed: Duration,
    /// Every so often where it doesn't.
    pub unnoticed: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            quiet: Duration::from_millis(200),
            longest: Duration::from_secs(2),
            noticed: Duration::from_mins(1),
            unnoticed: Duration::from_secs(2),
        }
    }
}

/// How often it is looked whether anybody reads, and whether the machine has slept.
const TICK: Duration = Duration::from_secs(2);

/// Follows `members`, and then those that `changes` names instead, until `token` is cancelled.
///
/// # Errors
/// If nobody reads any more, or if none of the first members can be opened: why the first can't be.
pub async fn run(
    members: Vec<Member>,
    changes: &Receiver<Vec<Member>>,
    options: &Options,
    strands: &Strands,
    token: &Token,
) -> anyhow::Result<()> {
    let executor = LocalExecutor::new();
    let (tell, ended) = async_channel::bounded(options.limit.at_once());
    let watch = Watch {
        looks: Looks { executor: &executor, options, strands, token, ended: tell },
        ended,
        followed: Vec::new(),
        last: 0,
        has_opened: false,
        notices: Notices::new(options.notices),
    };
    executor.run(Box::pin(watch.run(members, changes))).await
}

/// What ended a wait.
enum Woken {
    /// Something has happened in these.
    Noticed(notice::Dirty),
    /// Others are to be followed.
    Members(Vec<Member>),
    /// A look has ended.
    Looked(Looked),
    /// It is time for a look.
    Due,
    /// Time has passed.
    Tick,
}

struct Watch<'e, 'a> {
    looks: Looks<'e, 'a>,
    ended: Receiver<Looked>,
    followed: Vec<Followed>,
    /// The number that was given last.
    last: u64,
    /// Whether any repository could be looked at so far.
    has_opened: bool,
    notices: Notices,
}

impl Watch<'_, '_> {
    async fn run(mut self, members: Vec<Member>, changes: &Receiver<Vec<Member>>) -> anyhow::Result<()> {
        let (clock, token) = (&self.looks.options.clock, self.looks.token);
        let mut walls = Walls::new(clock.now(), clock.wall());
        self.follow(members).await;
        while !token.is_cancelled() {
            self.begin_looks();
            let Some(woken) = token.unless_cancelled(self.wait(changes)).await else { break };
            match woken {
                Woken::Noticed(dirty) => self.notice(&dirty),
                Woken::Members(members) => self.follow(members).await,
                Woken::Looked(looked) => self.take_back(looked).await?,
                Woken::Tick if !self.looks.strands.is_read() => return Err(Gone.into()),
                Woken::Tick | Woken::Due => {}
            }
            if walls.has_slept(clock.now(), clock.wall()) {
                self.notice(&notice::Dirty::All);
            }
        }
        self.finish().await
    }

    /// Follows these and no others. Those that are followed already go on where they are, also with other refs.
    async fn follow(&mut self, members: Vec<Member>) {
        let now = self.looks.options.clock.now();
        let mut old = std::mem::take(&mut self.followed);
        for member in members {
            let known = old.iter().position(|followed| followed.member().sought == member.sought);
            let new = || {
                self.last += 1;
                Followed::new(self.last, member.clone(), now)
            };
            let mut followed = known.map_or_else(new, |at| old.swap_remove(at));
            followed.want(member, now);
            self.followed.push(followed);
        }
        let places: BTreeSet<_> = self.followed.iter().map(|followed| followed.member().sought.dir.clone()).collect();
        self.notices.forget_all_but(&places).await;
        // What is being told is told to its end.
        for mut followed in old.into_iter().filter(Followed::is_looked_at) {
            followed.is_wanted = false;
            self.followed.push(followed);
        }
    }

    fn notice(&mut self, dirty: &notice::Dirty) {
        let now = self.looks.options.clock.now();
        for followed in &mut self.followed {
            if dirty.includes(&followed.member().sought.dir) {
                followed.notice(now);
            }
        }
    }

    /// When `followed` is to be looked at next; `None` while it is.
    fn due(&self, followed: &Followed) -> Option<Instant> {
        let is_noticed = self.notices.is_watching(&followed.member().sought.dir);
        followed.due(&self.looks.options.times, is_noticed)
    }

    /// Begins to look at those whose time has come.
    fn begin_looks(&mut self) {
        let now = self.looks.options.clock.now();
        let is_due = |followed: &Followed| self.due(followed).is_some_and(|due| due <= now);
        let due: Vec<bool> = self.followed.iter().map(is_due).collect();
        for (followed, _) in self.followed.iter_mut().zip(due).filter(|(_, due)| *due) {
            followed.look(&self.looks, now);
        }
    }

    async fn wait(&self, changes: &Receiver<Vec<Member>>) -> Woken {
        let clock = &self.looks.options.clock;
        let next = self.followed.iter().filter_map(|followed| self.due(followed)).min();
        let due = async {
            match next {
                Some(next) => clock.sleep(next.saturating_duration_since(clock.now())).await,
                None => std::future::pending().await,
            }
            Woken::Due
        };
        let noticed = async { Woken::Noticed(self.notices.next().await) };
        let others = async {
            match changes.recv().await {
                Ok(members) => Woken::Members(members),
                // Nobody changes them any more.
                Err(_) => std::future::pending().await,
            }
        };
        let looked = async {
            match self.ended.recv().await {
                Ok(looked) => Woken::Looked(looked),
                // There is always one who may look.
                Err(_) => std::future::pending().await,
            }
        };
        let tick = async {
            clock.sleep(TICK).await;
            Woken::Tick
        };
        let told = smol::future::or(smol::future::or(others, looked), noticed);
        smol::future::or(told, smol::future::or(due, tick)).await
    }

    /// Takes back who has looked, tells why that failed, and sees that it is heard what happens there.
    async fn take_back(&mut self, Looked { number, outcome }: Looked) -> anyhow::Result<()> {
        let (follower, looked) = outcome.unwrap_or_else(|panic| panic.resume());
        looked?;
        let Some(at) = self.followed.iter().position(|followed| followed.number == number) else { return Ok(()) };
        if !self.followed[at].is_wanted {
            self.followed.remove(at);
            return Ok(());
        }
        let had_opened = self.has_opened;
        self.has_opened |= follower.failure.is_none();
        self.followed[at].take_back(follower, self.looks.options.clock.now());
        if !self.has_opened {
            return self.give_up();
        }
        // Whether the run ends with what failed before is clear now: it doesn't.
        let untold = if had_opened { at..at + 1 } else { 0..self.followed.len() };
        for follower in self.followed[untold].iter_mut().filter_map(Followed::idle) {
            self.looks.strands.lend(async |strand| follower.tell_failure(strand).await).await?;
        }
        // A file system that takes its time holds up nobody who wants to end.
        let token = self.looks.token;
        token.unless_cancelled(self.listen(at)).await.unwrap_or(Ok(()))
    }

    /// Where none could be looked at: why the first can't be.
    ///
    /// # Errors
    /// That.
    fn give_up(&mut self) -> anyhow::Result<()> {
        if !self.followed.iter().all(|followed| followed.has_failed) {
            return Ok(());
        }
        let cause = self.followed.iter_mut().filter_map(Followed::idle).find_map(|follower| follower.failure.take());
        cause.map_or(Ok(()), Err)
    }

    /// Has the file system say what happens where the repository is that was just looked at.
    async fn listen(&mut self, at: usize) -> anyhow::Result<()> {
        let Some(follower) = self.followed[at].idle() else { return Ok(()) };
        let dir = &follower.member.sought.dir;
        let Some(place) = follower.place.as_ref().filter(|_| follower.failure.is_none()) else {
            // What is made in its place is another folder.
            self.notices.forget(dir).await;
            return Ok(());
        };
        let Err(cause) = self.notices.watch(dir, place).await else { return Ok(()) };
        let (name, every) = (follower.name(), self.looks.options.times.unnoticed);
        let trouble = Trouble {
            code: "polling",
            message: format!("no word comes of what happens in {name}: {cause}"),
            hint: Some(format!("it is looked at every {every:?} instead")),
        };
        self.looks.strands.lend(async |strand| announce::warn(strand, &name, &trouble).await).await
    }

    /// Waits for the looks that go on, which end soon once they are to.
    async fn finish(self) -> anyhow::Result<()> {
        for _ in self.followed.iter().filter(|followed| followed.is_looked_at()) {
            let Ok(Looked { outcome, .. }) = self.ended.recv().await else { break };
            outcome.unwrap_or_else(|panic| panic.resume()).1?;
        }
        Ok(())
    }
}
