//! What the ladder says of two commits that somebody has named: every rung of it, and whether what a trailer claims is so.

use std::sync::Arc;

use super::desk::Desk;
use super::study::{Found, Notice, Study};
use crate::graph::Position;
use crate::matching::keys::{self, Key};
use crate::matching::{self, Judgement, Pair, SignalKind, Signals, Step, Strength, squash};

/// Pairs that one job judges.
pub(crate) type Named = (Position, Position);

/// Whether a commit is what its trailer says that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    /// `None` where that can't be known: one of them can't be read or compared.
    pub(crate) is_true: Option<bool>,
    /// What agrees, or that nothing does, for people.
    pub(crate) evidence: String,
}

impl Study<'_> {
    /// What every rung says of two commits; `None` if one of them can't be read, which is then told.
    ///
    /// # Errors
    /// If nobody reads any more.
    pub(crate) async fn explain(&mut self, one: Position, other: Position) -> anyhow::Result<Option<Vec<Step>>> {
        let scope = Arc::clone(&self.scope);
        let find = move |_: &[Position]| {
            scope.handles.with(|handle| {
                let mut desk = Desk::new(&scope, handle);
                let shared = is_shared(&desk, one, other);
                let explained =
                    with_all_facts(&mut desk, one, other, shared, |pair| matching::explain(pair, Signals::ALL).1);
                Found::new(&mut desk, explained.into_iter().collect())
            })
        };
        Ok(self.found("comparing", &[one], find).await?.pop())
    }

    /// Those of the commits of `notices` that one which `is_among` fits names, or that name one, or that share its Change-Id: it may be the
    /// same change, and only the ladder can tell.
    ///
    /// # Errors
    /// If the cache can't be read.
    pub(crate) async fn joined(
        &self,
        notices: &[Notice],
        is_among: impl Fn(Position) -> bool + Send + 'static,
    ) -> anyhow::Result<Vec<Position>> {
        let graph = self.graph();
        let keys_of = |notice: &Notice| {
            let by_name = keys::naming_commit(&graph.id(notice.position));
            let by_change_id = notice.change_id.as_deref().and_then(keys::of_change_id);
            by_name.into_iter().chain(by_change_id)
        };
        let (commits, sought): (Vec<Position>, Vec<Key>) =
            notices.iter().flat_map(|one| keys_of(one).map(|key| (one.position, key))).unzip();
        let origin = |notice: &Notice| notice.origins.iter().filter_map(|origin| origin.position).collect::<Vec<_>>();
        let named: Vec<(Position, Vec<Position>)> = notices.iter().map(|one| (one.position, origin(one))).collect();
        let scope = Arc::clone(&self.scope);
        let find = move || {
            let filed = commits.into_iter().zip(scope.filed.under(&sought)?);
            let joined = filed.chain(named).filter(|(_, others)| others.iter().any(|&other| is_among(other)));
            Ok(joined.map(|(commit, _)| commit).collect())
        };
        self.pool().run(find).await?
    }

    /// Whether each of the `claims`, of a commit to be the other, is true.
    ///
    /// # Errors
    /// If nobody reads any more.
    pub(crate) async fn check(&mut self, claims: &[Named]) -> anyhow::Result<Vec<Claim>> {
        let (scope, claims) = (Arc::clone(&self.scope), Arc::new(claims.to_vec()));
        // The jobs are cut by number: a commit may make several claims.
        let numbers: Vec<Position> = (0..).take(claims.len()).collect();
        let find = move |chunk: &[Position]| {
            scope.handles.with(|handle| {
                let mut desk = Desk::new(&scope, handle);
                let pairs = chunk.iter().map(|&number| claims[number as usize]);
                let found = pairs.map(|(commit, origin)| claim(&mut desk, commit, origin)).collect();
                Found::new(&mut desk, found)
            })
        };
        self.found("comparing commits", &numbers, find).await
    }
}

/// Whether one ref contains both.
fn is_shared(desk: &Desk<'_>, one: Position, other: Position) -> bool {
    let contained = desk.scope.contained(&[one, other], &desk.scope.places.tips);
    (0..desk.scope.places.tips.len()).any(|tip| contained.has(tip, 0) && contained.has(tip, 1))
}

/// What `then` makes of a pair of which everything is known that there is to know.
fn with_all_facts<T>(
    desk: &mut Desk<'_>,
    one: Position,
    other: Position,
    shared: bool,
    then: impl FnOnce(&Pair<'_>) -> T,
) -> Option<T> {
    if !desk.read(one) || !desk.read(other) {
        return None;
    }
    while let Some(need) = Pair::new(desk.sketch(one)?, desk.sketch(other)?, shared).lacks() {
        desk.fill(one, need);
        desk.fill(other, need);
    }
    Some(then(&Pair::new(desk.sketch(one)?, desk.sketch(other)?, shared)))
}

fn claim(desk: &mut Desk<'_>, commit: Position, origin: Position) -> Claim {
    let told = with_all_facts(desk, commit, origin, false, |pair| {
        let telling = telling(pair);
        let agree = || format!("{} agree", telling.join(", "));
        let (is_true, evidence) = match pair.shares() {
            Some((own, theirs, both)) if most(both, own) && !most(own, theirs) => {
                (Some(true), format!("a part of it: {both} of its {theirs} changed lines"))
            }
            Some((own, theirs, both)) if most(both, theirs) && !most(theirs, own) => {
                (Some(true), format!("it and more: {both} of its {theirs} changed lines, and {} others", own - both))
            }
            _ if !telling.is_empty() => (Some(true), agree()),
            // The ladder says nothing of merges, and a pick of one is true all the same.
            Some((own, theirs, both)) if most(both, own) && most(both, theirs) => {
                (Some(true), format!("{both} of its {theirs} changed lines"))
            }
            Some((own, theirs, both)) => (
                Some(false),
                format!("nothing but the trailer says so: of {own} and {theirs} changed lines {both} are the same"),
            ),
            None => (None, "the diffs can't be compared".to_owned()),
        };
        Claim { is_true, evidence }
    });
    let squashed = |claim: Claim| {
        let kind = desk
            .sketch(commit)
            .zip(desk.sketch(origin))
            .map(|(whole, part)| squash::holds(whole, part, false, Signals::ALL));
        match kind {
            Some((answer, _)) if answer.is_yes() => {
                Claim { is_true: Some(true), evidence: "it is one of several that were squashed".into() }
            }
            _ => claim,
        }
    };
    told.map_or(Claim { is_true: None, evidence: "one of them can't be read".into() }, |claim| {
        if claim.is_true == Some(false) { squashed(claim) } else { claim }
    })
}

/// What agrees, but for the trailer, which is in question, and that the same files are touched, which says little.
fn telling(pair: &Pair<'_>) -> Vec<&'static str> {
    let Judgement::Matched(verdict) = matching::judge(pair, Signals::ALL, Strength::Weak) else { return Vec::new() };
    let agrees = verdict.signals.iter().map(|signal| signal.kind);
    agrees.filter(|kind| !matches!(kind, SignalKind::Trailer | SignalKind::Paths)).map(SignalKind::as_str).collect()
}

/// Whether `some` lines are nine tenths of `all` or more, and not none.
fn most(some: usize, all: usize) -> bool {
    some > 0 && some * 10 >= all * 9
}
