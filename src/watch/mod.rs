//! Repositories that are followed while the process lives: which refs have moved, and the commits that came with them, as they come.
//! `notice` hears from the file system where something has happened, `pace` says when to look, and `follower` looks: what it finds is
//! told by a [`scan`] of what the refs reach now and didn't reach before.
//!
//! Nothing is believed of what the file system says but that it is time to look; and it is looked now and then in any case, since
//! events get lost, on a network or while the machine sleeps. Refuses to know which repositories are registered, and to fetch.

mod follower;
mod notice;
mod pace;

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use async_channel::Receiver;

use self::follower::Follower;
use self::notice::Notices;
use self::pace::{Pace, Walls};
use crate::announce;
use crate::clock::Clock;
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
    /// So many repositories are looked at at a time.
    pub limit: Limit,
    /// Threads for all of them.
    pub pool: Pool,
    /// How long nothing must happen before it is looked, and the like.
    pub times: Times,
    /// Whether the file system is asked to say where something happens; else it is only looked now and then.
    pub notices: bool,
    /// The time.
    pub clock: Clock,
    /// The time of day, which goes on while the machine sleeps.
    pub wall: fn() -> SystemTime,
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
    let mut watch = Watch { options, strands, token, followers: Vec::new(), notices: Notices::new(options.notices) };
    watch.follow(members);
    watch.begin().await?;
    let mut walls = Walls::new(options.clock.now(), (options.wall)());
    while !token.is_cancelled() {
        let Some(woken) = token.unless_cancelled(watch.wait(changes)).await else { break };
        let now = options.clock.now();
        match woken {
            Woken::Noticed(dirty) => watch.notice(&dirty, now),
            Woken::Members(members) => watch.follow(members),
            Woken::Due => {}
            Woken::Unread => return Err(Gone.into()),
        }
        if walls.has_slept(now, (options.wall)()) {
            watch.notice(&notice::Dirty::All, now);
        }
        watch.look().await?;
    }
    Ok(())
}

/// What ended a wait.
enum Woken {
    Noticed(notice::Dirty),
    Members(Vec<Member>),
    Due,
    /// Nobody reads any more.
    Unread,
}

struct Watch<'a> {
    options: &'a Options,
    strands: &'a Strands,
    token: &'a Token,
    followers: Vec<Follower>,
    notices: Notices,
}

impl Watch<'_> {
    /// Follows these and no others. Those that are followed already go on where they are.
    fn follow(&mut self, members: Vec<Member>) {
        let now = self.options.clock.now();
        let mut old = std::mem::take(&mut self.followers);
        for member in members {
            let known = old.iter().position(|follower| follower.member == member);
            let follower = known.map(|place| old.swap_remove(place));
            self.followers.push(follower.unwrap_or_else(|| Follower::new(member, Pace::new(now))));
        }
        let places: BTreeSet<_> = self.followers.iter().map(|follower| follower.member.sought.dir.clone()).collect();
        self.notices.forget_all_but(&places);
    }

    /// Looks at all for the first time.
    async fn begin(&mut self) -> anyhow::Result<()> {
        self.look().await?;
        if self.followers.iter().all(|follower| follower.failure.is_some())
            && let Some(cause) = self.followers.first_mut().and_then(|first| first.failure.take())
        {
            return Err(cause);
        }
        for follower in &self.followers {
            let Some(cause) = &follower.failure else { continue };
            let mut strand = self.strands.strand();
            let told = announce::failed(&mut strand, &follower.name(), cause).await;
            self.strands.join(strand);
            told?;
        }
        Ok(())
    }

    async fn wait(&self, changes: &Receiver<Vec<Member>>) -> Woken {
        let now = self.options.clock.now();
        let next = self.followers.iter().map(|follower| self.due(follower)).min();
        let due = async {
            match next {
                Some(next) => self.options.clock.sleep(next.saturating_duration_since(now)).await,
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
        let unread = async {
            while self.strands.is_read() {
                self.options.clock.sleep(self.options.times.unnoticed).await;
            }
            Woken::Unread
        };
        smol::future::or(smol::future::or(others, unread), smol::future::or(noticed, due)).await
    }

    fn due(&self, follower: &Follower) -> Instant {
        follower.pace.due(&self.options.times, self.notices.is_watching(&follower.member.sought.dir))
    }

    fn notice(&mut self, dirty: &notice::Dirty, now: Instant) {
        for follower in &mut self.followers {
            if dirty.includes(&follower.member.sought.dir) {
                follower.pace.noticed(now);
            }
        }
    }

    /// Looks at those whose time has come.
    async fn look(&mut self) -> anyhow::Result<()> {
        let now = self.options.clock.now();
        let due: Vec<bool> = self.followers.iter().map(|follower| self.due(follower) <= now).collect();
        let (options, strands, token) = (self.options, self.strands, self.token);
        let jobs = self.followers.iter_mut().zip(&due).filter(|(_, due)| **due).map(|(follower, _)| {
            // What happens while it is looked is for the next time.
            follower.pace.looked(now);
            async move |_slot| {
                let mut strand = strands.strand();
                let looked = Box::pin(follower.look(options, &mut strand, token)).await;
                strands.join(strand);
                looked
            }
        });
        for outcome in options.limit.run(jobs).await {
            outcome.unwrap_or_else(|panic| panic.resume())?;
        }
        for (follower, _) in self.followers.iter().zip(due).filter(|(_, due)| *due) {
            let Some(place) = follower.place.as_ref().filter(|_| follower.failure.is_none()) else {
                // What is made in its place is another folder.
                self.notices.forget(&follower.member.sought.dir);
                continue;
            };
            let Err(cause) = self.notices.watch(&follower.member.sought.dir, place) else { continue };
            let every = options.times.unnoticed;
            let trouble = Trouble {
                code: "polling",
                message: format!("no word comes of what happens in {}: {cause}", follower.name()),
                hint: Some(format!("it is looked at every {every:?} instead")),
            };
            let mut strand = strands.strand();
            let told = announce::warn(&mut strand, &follower.name(), &trouble).await;
            strands.join(strand);
            told?;
        }
        Ok(())
    }
}
