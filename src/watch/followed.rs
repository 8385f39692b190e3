//! A repository among those that are followed: whether it is still wanted, when it is to be looked at, and the look that goes on.

use std::time::Instant;

use async_channel::Sender;

use super::follower::Follower;
use super::pace::Pace;
use super::{Member, Options, Times};
use crate::executor::{LocalExecutor, Task};
use crate::panics::Panic;
use crate::report::Strands;
use crate::shutdown::Token;

/// What looks are made with.
pub(super) struct Looks<'e, 'a> {
    /// Where they go on.
    pub(super) executor: &'e LocalExecutor<'a>,
    pub(super) options: &'a Options,
    pub(super) strands: &'a Strands,
    pub(super) token: &'a Token,
    /// Where each ends.
    pub(super) ended: Sender<Looked>,
}

/// A look that has ended.
pub(super) struct Looked {
    /// That of its [`Followed`].
    pub(super) number: u64,
    /// Who has looked, and whether anybody reads what was told.
    pub(super) outcome: Result<(Box<Follower>, anyhow::Result<()>), Panic>,
}

/// A repository that is followed.
pub(super) struct Followed {
    /// Which no other has that is followed, or was.
    pub(super) number: u64,
    /// What is wanted; a look that goes on is about what was wanted when it began.
    member: Member,
    /// Whether it is still to be followed when the look that goes on has ended.
    pub(super) is_wanted: bool,
    pace: Pace,
    /// Whether the last look that has ended has failed.
    pub(super) has_failed: bool,
    /// Who looks, while nobody does.
    idle: Option<Box<Follower>>,
    /// The look that goes on; dropped, it is broken off.
    look: Option<Task<()>>,
}

impl Followed {
    pub(super) fn new(number: u64, member: Member, now: Instant) -> Self {
        let idle = Some(Box::new(Follower::new(member.clone())));
        Self { number, member, is_wanted: true, pace: Pace::new(now), has_failed: false, idle, look: None }
    }

    pub(super) fn member(&self) -> &Member {
        &self.member
    }

    /// It is wanted as `member` now, which is the same repository.
    pub(super) fn want(&mut self, member: Member, now: Instant) {
        self.is_wanted = true;
        if self.member != member {
            self.member = member;
            self.pace.noticed(now);
        }
    }

    /// Something has happened there.
    pub(super) fn notice(&mut self, now: Instant) {
        self.pace.noticed(now);
    }

    /// Who looks, while nobody does.
    pub(super) fn idle(&mut self) -> Option<&mut Follower> {
        self.idle.as_deref_mut()
    }

    pub(super) fn is_looked_at(&self) -> bool {
        self.idle.is_none()
    }

    /// When the next look is due; `None` while one goes on. `is_noticed`: whether the file system says when something happens.
    pub(super) fn due(&self, times: &Times, is_noticed: bool) -> Option<Instant> {
        (!self.is_looked_at()).then(|| self.pace.due(times, is_noticed))
    }

    /// Begins a look, unless one goes on.
    pub(super) fn look(&mut self, looks: &Looks<'_, '_>, now: Instant) {
        let &Looks { executor, options, strands, token, .. } = looks;
        let Some(mut follower) = self.idle.take() else { return };
        follower.member.refs = self.member.refs.clone();
        self.pace.look_begins(now);
        let (number, ended) = (self.number, looks.ended.clone());
        let look = async move {
            let job = async move |_slot| {
                // It may have waited for its turn.
                if token.is_cancelled() {
                    return (follower, Ok(()));
                }
                let looked = strands.lend(async |strand| follower.look(options, strand, token).await).await;
                (follower, looked)
            };
            let outcome = options.limit.run_one(job).await;
            // Nobody waits for it any more where the other end is gone.
            let _ = ended.send(Looked { number, outcome }).await;
        };
        self.look = Some(executor.spawn(look));
    }

    /// Takes back who has looked.
    pub(super) fn take_back(&mut self, follower: Box<Follower>, now: Instant) {
        self.has_failed = follower.failure.is_some();
        self.pace.look_ends(now);
        (self.idle, self.look) = (Some(follower), None);
    }
}
