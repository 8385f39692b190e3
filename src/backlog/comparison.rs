//! Two branches side by side: every commit that one has and the other hasn't, and what the other has of its change all the same.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::ends::End;
use super::order;
use crate::error::Kind;
use crate::graph::{Graph, Position, Reachable};
use crate::locate::study::{Account, Has, Mentioned, Notice, Study};

/// What the target has of the change that a commit of the source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing.
    Missing,
    /// Nothing, but a commit with the same patch and nothing else in common.
    SamePatch(Position),
    /// A part of it.
    InPart(Position),
    /// It was there, and this commit took it away.
    Reverted(Position),
    /// It need not be told: another commit of the same change is, or what it undoes isn't there.
    Settled,
    /// The source itself has it no longer.
    Gone,
    /// It has it.
    Present,
}

impl Standing {
    /// What is known of a commit from several sides: the one that settles more.
    fn weight(self) -> u8 {
        match self {
            Self::Missing => 0,
            Self::SamePatch(_) => 1,
            Self::InPart(_) => 2,
            Self::Reverted(_) => 3,
            Self::Settled => 4,
            Self::Gone => 5,
            Self::Present => 6,
        }
    }
}

/// A source and a target, compared.
#[derive(Debug)]
pub(super) struct Comparison {
    /// What the source has and the target hasn't, merges left out, in an order in which it can be picked.
    pub(super) commits: Vec<Notice>,
    standings: HashMap<Position, Standing>,
    /// The oldest commit of each one's change, and all the others, where there is more to it than the commit.
    changes: HashMap<Position, Arc<Account>>,
    /// Commits of either that take something back.
    reverts: HashSet<Position>,
    /// Commits of the target that it has taken back.
    undone: HashSet<Position>,
    on_target: Reachable,
    /// Commits of neither that some message names, each with what the target has of its change.
    elsewhere: HashMap<Position, Has>,
    /// Whether history is cut off or breaks off within what only one of them has.
    pub(super) is_unsure: bool,
}

impl Comparison {
    /// Compares what `source` has with what `target` has.
    ///
    /// # Errors
    /// [`Kind::BadRevision`] if they have no common history, or [`Kind::MissingObject`] if that is cut off.
    pub(super) async fn of(study: &mut Study<'_>, source: &End, target: &End) -> anyhow::Result<Self> {
        let sides = sides(study, source, target).await?;
        let ours = study.notices(&sides.source).await?;
        let theirs = study.notices(&sides.target).await?;
        let tips = [source.tip, target.tip];
        let own: HashSet<Position> = sides.source.iter().copied().collect();
        let is_elsewhere = |commit: &Position| !own.contains(commit) && !sides.on_target.contains(*commit);
        let mut seeds = seeds(&ours, &theirs, is_elsewhere);
        if theirs.len() < ours.len() {
            // A pick that was merged back both have, and it isn't among theirs.
            let (on_target, known) = (sides.on_target.clone(), theirs.iter().map(|notice| notice.position));
            let theirs: HashSet<Position> = known.collect();
            seeds.extend(study.joined(&ours, move |at| on_target.contains(at) && !theirs.contains(&at)).await?);
            seeds.sort_unstable();
            seeds.dedup();
        }
        let mut accounts = study.accounts(&seeds, &tips).await?;
        // What holds several changes is on the target if all that it holds is.
        let known: HashSet<Position> = seeds.into_iter().collect();
        let wholes: BTreeSet<Position> = accounts
            .iter()
            .flat_map(|account| &account.wholes)
            .copied()
            .filter(|whole| own.contains(whole) && !known.contains(whole))
            .collect();
        accounts.extend(study.accounts(&wholes.into_iter().collect::<Vec<_>>(), &tips).await?);
        let graph = Arc::clone(study.graph());
        let mut comparison = Self {
            commits: ours,
            standings: HashMap::new(),
            changes: HashMap::new(),
            reverts: HashSet::new(),
            undone: HashSet::new(),
            on_target: sides.on_target,
            elsewhere: HashMap::new(),
            is_unsure: sides.is_unsure,
        };
        let is_revert = |notice: &&Notice| notice.reverts.iter().any(|named| named.position.is_some());
        let reverts = comparison.commits.iter().chain(&theirs).filter(is_revert);
        comparison.reverts = reverts.map(|notice| notice.position).collect();
        let mut reverted = BTreeSet::new();
        for account in accounts {
            // What takes back a revert lands what that took back, and that one's account says more of it.
            let takes = if comparison.reverts.contains(&account.oldest) { Vec::new() } else { account.takes.clone() };
            comparison.take_in(&graph, &own, Account { takes, ..account }, &mut reverted);
        }
        // What both have had from before, and the target has taken back.
        let listed: Vec<Position> = reverted.into_iter().filter(|commit| !own.contains(commit)).collect();
        comparison.commits.extend(study.notices(&listed).await?);
        comparison.find_same_patches(study, &theirs).await?;
        comparison.sort(&graph);
        Ok(comparison)
    }

    /// Notes what `account` says of the commits that only the source has, `own`, and in `reverted` what is to be listed besides.
    fn take_in(&mut self, graph: &Graph, own: &HashSet<Position>, account: Account, reverted: &mut BTreeSet<Position>) {
        let [on_source, on_target] = account.has[..] else { return };
        if let Has::Reverted(_) = on_target {
            self.undone.extend(&account.brings);
        }
        let elsewhere = account.brings.iter().filter(|commit| !own.contains(commit) && !self.has_itself(**commit));
        self.elsewhere.extend(elsewhere.map(|&commit| (commit, on_target)).collect::<Vec<_>>());
        let account = Arc::new(account);
        for &revert in account.takes.iter().filter(|revert| own.contains(revert)) {
            self.changes.entry(revert).or_insert_with(|| Arc::clone(&account));
        }
        // What a commit is says more of it than what it takes back.
        for &commit in account.brings.iter().chain(&account.parts).filter(|commit| own.contains(commit)) {
            let known = self.changes.entry(commit).or_insert_with(|| Arc::clone(&account));
            if known.takes.contains(&commit) {
                *known = Arc::clone(&account);
            }
        }
        let is_there = on_target.is_there();
        let take = pick(graph, own, &account, on_source);
        for &commit in &account.brings {
            let standing = match (is_there, on_target) {
                (true, _) => Standing::Present,
                _ if !on_source.is_there() => Standing::Gone,
                _ if Some(commit) != take => Standing::Settled,
                (_, Has::Reverted(by)) => Standing::Reverted(by),
                _ => Standing::Missing,
            };
            if own.contains(&commit) {
                self.note(commit, standing);
            } else if let Standing::Reverted(_) = standing {
                self.changes.entry(commit).or_insert_with(|| Arc::clone(&account));
                self.note(commit, standing);
                reverted.insert(commit);
            }
        }
        if is_there {
            for &part in account.parts.iter().filter(|part| own.contains(part)) {
                self.note(part, Standing::Present);
            }
            for &whole in account.wholes.iter().filter(|whole| own.contains(whole)) {
                let by = match on_target {
                    Has::It(by) | Has::ItAgain(by) => by,
                    Has::Nothing | Has::Reverted(_) => account.oldest,
                };
                self.note(whole, Standing::InPart(by));
            }
        }
        // To take back what isn't there is no work; nor is it where the source has landed it again.
        for &revert in account.takes.iter().filter(|revert| own.contains(revert)) {
            if !is_there || on_source != Has::Reverted(revert) {
                self.note(revert, Standing::Settled);
            }
        }
    }

    fn note(&mut self, commit: Position, standing: Standing) {
        let known = self.standings.entry(commit).or_insert(Standing::Missing);
        // Two that weigh the same differ in the commit that they name; the order of the accounts decides, and that is the commits'.
        if standing.weight() > known.weight() {
            *known = standing;
        }
    }

    /// Notes which commits that are missing so far have the patch of one of `theirs` that was not taken back.
    async fn find_same_patches(&mut self, study: &mut Study<'_>, theirs: &[Notice]) -> anyhow::Result<()> {
        let is_there = |notice: &&Notice| !self.undone.contains(&notice.position);
        let theirs: Vec<Position> = theirs.iter().filter(is_there).map(|notice| notice.position).collect();
        let is_missing = |notice: &&Notice| self.standing(notice.position) == Standing::Missing;
        let ours: Vec<Position> = self.commits.iter().filter(is_missing).map(|notice| notice.position).collect();
        for (their, own) in study.same_patches(&theirs, &ours).await? {
            self.note(own, Standing::SamePatch(their));
        }
        Ok(())
    }

    fn sort(&mut self, graph: &Graph) {
        let commits: Vec<Position> = self.commits.iter().map(|notice| notice.position).collect();
        let order = order::oldest_first(graph, &commits);
        let ranks: HashMap<Position, usize> = order.into_iter().zip(0..).collect();
        self.commits.sort_by_key(|notice| ranks.get(&notice.position).copied());
    }

    /// What the target has of the change that `commit` is, one that only the source has.
    pub(super) fn standing(&self, commit: Position) -> Standing {
        self.standings.get(&commit).copied().unwrap_or(Standing::Missing)
    }

    /// The oldest commit of the change that `commit` is.
    pub(super) fn oldest(&self, commit: Position) -> Position {
        self.changes.get(&commit).map_or(commit, |account| account.oldest)
    }

    /// Whether the target has the very commit.
    pub(super) fn has_itself(&self, commit: Position) -> bool {
        self.on_target.contains(commit)
    }

    /// What the target has of the change that `commit` is, if more is known of it than the commit.
    pub(super) fn brought_by(&self, commit: Position) -> Option<Has> {
        self.changes.get(&commit).and_then(|account| account.has.get(1)).copied()
    }

    /// Every commit that is known to be the change that `commit` is.
    pub(super) fn of_change(&self, commit: Position) -> Vec<Position> {
        let others = self.changes.get(&commit).map(|account| account.brings.clone()).unwrap_or_default();
        std::iter::once(commit).chain(others.into_iter().filter(|&other| other != commit)).collect()
    }

    /// Whether the target has, or had, what `mentioned` names; what isn't known here it may have.
    pub(super) fn target_had(&self, mentioned: &Mentioned) -> bool {
        mentioned.position.is_none_or(|commit| {
            self.on_target.contains(commit)
                || matches!(self.standing(commit), Standing::Present | Standing::Reverted(_))
                || self.elsewhere.get(&commit).is_some_and(|has| *has != Has::Nothing)
        })
    }

    /// Whether the target has what `mentioned` names, as itself or as a pick.
    pub(super) fn target_has(&self, mentioned: &Mentioned) -> bool {
        mentioned.position.is_some_and(|commit| match self.standings.get(&commit) {
            Some(standing) => *standing == Standing::Present,
            None => self.on_target.contains(commit) || self.elsewhere.get(&commit).is_some_and(|has| has.is_there()),
        })
    }

    /// The commit that a fix mends and that the target never had, if it mends nothing else: then it need not be there.
    pub(super) fn lacks_the_culprit_of<'n>(&self, fix: &'n Notice) -> Option<&'n Mentioned> {
        // What takes a revert back lands the change, whether the revert is there or not.
        let is_revert = |named: &&Mentioned| named.position.is_some_and(|commit| self.reverts.contains(&commit));
        let culprits = || fix.fixes.iter().chain(&fix.reverts).filter(|named| !is_revert(named));
        culprits().next().filter(|_| !culprits().any(|culprit| self.target_had(culprit)))
    }
}

/// What only one of two branches has, merges left out.
struct Sides {
    source: Vec<Position>,
    target: Vec<Position>,
    on_target: Reachable,
    is_unsure: bool,
}

async fn sides(study: &mut Study<'_>, source: &End, target: &End) -> anyhow::Result<Sides> {
    let (graph, tips, cuts) = (Arc::clone(study.graph()), (source.tip, target.tip), study.cuts());
    let is_cut_off = !cuts.is_empty();
    let found = study.pool().run(move || {
        let (on_source, on_target) = (graph.reachable([tips.0]), graph.reachable([tips.1]));
        let last = tips.0.max(tips.1);
        let only = |one: &Reachable, other: &Reachable| -> Vec<Position> {
            let alone = (0..=last).filter(|&at| one.contains(at) && !other.contains(at));
            alone.filter(|&at| graph.parents(at).len() < 2).collect()
        };
        let has_common = (0..=last).any(|at| on_source.contains(at) && on_target.contains(at));
        // What lies behind a cut that both have in their history, both have.
        let is_unsure = cuts.iter().any(|&at| on_source.contains(at) != on_target.contains(at));
        let (source, target) = (only(&on_source, &on_target), only(&on_target, &on_source));
        (Sides { source, target, on_target, is_unsure }, has_common)
    });
    let (sides, has_common) = found.await?;
    if !has_common {
        let (source, target) = (source.short(), target.short());
        return Err(if is_cut_off {
            Kind::MissingObject.hinted(
                format!(
                    "history is cut off before {source} and {target} meet: what one lacks of the other can't be known"
                ),
                "git fetch --unshallow brings the rest of it",
            )
        } else {
            Kind::BadRevision.hinted(
                format!("{source} and {target} have no history in common"),
                "--from=<branch> names the branch that changes are taken from",
            )
        });
    }
    Ok(sides)
}

/// The commits whose changes have to be looked into: those of the side that has fewer, whatever takes something back, with what it
/// takes back, and what ours mend that is of neither side, such as a pick on a third branch.
fn seeds(ours: &[Notice], theirs: &[Notice], is_elsewhere: impl Fn(&Position) -> bool) -> Vec<Position> {
    let fewer = if ours.len() <= theirs.len() { ours } else { theirs };
    let mut seeds: BTreeSet<Position> = fewer.iter().map(|notice| notice.position).collect();
    for notice in ours.iter().chain(theirs).filter(|notice| !notice.turns.is_empty()) {
        seeds.insert(notice.position);
        seeds.extend(notice.turns.iter().filter_map(|turn| turn.position));
    }
    seeds.extend(ours.iter().flat_map(|fix| &fix.fixes).filter_map(|culprit| culprit.position).filter(is_elsewhere));
    seeds.into_iter().collect()
}

/// The commit of a change to take from the source, if it has the change.
fn pick(graph: &Graph, own: &HashSet<Position>, account: &Account, on_source: Has) -> Option<Position> {
    match on_source {
        Has::ItAgain(by) => Some(by),
        // What only the source has is what it has done about it; else the oldest.
        Has::It(by) => {
            let oldest = |commits: &mut dyn Iterator<Item = Position>| {
                commits.min_by_key(|&commit| (graph.time(commit), graph.id(commit)))
            };
            let mut only = account.brings.iter().copied().filter(|commit| own.contains(commit));
            oldest(&mut only).or(Some(by))
        }
        Has::Nothing | Has::Reverted(_) => None,
    }
}
