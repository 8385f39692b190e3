//! The refs of a repository as places where a change may be: which were asked for, which release line each belongs to, and
//! which tags are of which line.

use std::sync::{Arc, OnceLock};

use foldhash::HashSet;
use sha1::{Digest as _, Sha1};

use crate::cache::Cache;
use crate::git::refs::{At, Ref, RefList, RefStore};
use crate::graph::{Graph, Holders, Numbered, Position, Reach, Reachable};
use crate::lines::{Line, Lines, TagName, counts_for, line_of_tag};

/// What kind of ref a place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlaceKind {
    Branch,
    Remote,
    Tag,
    Other,
}

/// One ref. There may be 60,000, so it is small.
#[derive(Debug)]
pub(super) struct Place {
    at: At,
    /// Whether it leads to a commit.
    pub(super) has_commit: bool,
    pub(super) kind: PlaceKind,
    /// Whether it was asked for.
    pub(super) chosen: bool,
    /// The index of its commit in [`Places::tips`]; `None` if it leads to none that is indexed.
    pub(super) tip: Option<u32>,
    /// The index of its line in [`Places::lines`].
    pub(super) line: Option<u32>,
}

/// A tag with a version, or that ends a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tagged {
    /// The index in [`Places::list`].
    pub(super) place: usize,
    /// The lines that it counts for, and whether it is a release there.
    pub(super) lines: Vec<(usize, bool)>,
}

/// All refs that matter.
#[derive(Debug)]
pub(super) struct Places {
    /// Has their names.
    store: Arc<RefStore>,
    pub(super) list: Vec<Place>,
    /// The commits behind them, each once.
    pub(super) tips: Vec<Position>,
    pub(super) lines: Vec<Line>,
    rules: Lines,
    tagged: OnceLock<Vec<Tagged>>,
    /// Whether the cache has had them.
    has_recalled: bool,
    /// How many commits, from the graph's first on, the usual refs are known to reach, all of them.
    whole: usize,
    reached: OnceLock<Reachable>,
}

impl Places {
    /// `usual` are the repository's refs, of which lines and tags are made up, `chosen` those that were asked for, of the same store. Symbolic
    /// refs are left out: they are names of others. The first `whole` commits are known to be reached, each, by the usual ones.
    pub(super) fn new(
        graph: &Graph,
        (usual, whole): (&Arc<RefList>, usize),
        chosen: &Arc<RefList>,
        rules: Lines,
    ) -> Self {
        let head = usual.iter().find(|entry| entry.name() == b"HEAD").and_then(Ref::symbolic);
        let rules = match head {
            Some(head) => rules.with_head(head, usual.iter().map(Ref::name)),
            None => rules,
        };
        let mut list: Vec<Place> = Vec::with_capacity(chosen.len());
        let mut of_line: Vec<(usize, Line)> = Vec::new();
        let (told_usual, told_chosen) = (graph.grew_from(usual.mark), graph.grew_from(chosen.mark));
        for (entry, chosen) in each_once(usual, chosen) {
            if entry.symbolic().is_some() {
                continue;
            }
            let is_told = if chosen { told_chosen } else { told_usual };
            let position = entry.position().filter(|_| is_told);
            // Its position first; below the number that this has among all.
            let tip = position.or_else(|| graph.position(&entry.commit()?));
            let name = entry.name();
            of_line.extend(rules.line_of(name).map(|line| (list.len(), line)));
            let (kind, has_commit) = (kind_of(name), entry.has_commit());
            list.push(Place { at: entry.at(), has_commit, kind, chosen, tip, line: None });
        }
        let known = Numbered::of(graph.len(), list.iter().filter_map(|place| place.tip));
        for place in &mut list {
            place.tip = place.tip.map(|position| known.number(position));
        }
        let tips = known.commits();
        let mut lines: Vec<Line> = of_line.iter().map(|(_, line)| line.clone()).collect();
        lines.sort_unstable();
        lines.dedup();
        for (place, line) in of_line {
            list[place].line = lines.binary_search(&line).ok().and_then(|line| u32::try_from(line).ok());
        }
        Self {
            store: Arc::clone(usual.store()),
            list,
            tips,
            lines,
            rules,
            tagged: OnceLock::new(),
            has_recalled: false,
            whole,
            reached: OnceLock::new(),
        }
    }

    /// The full name of a place.
    pub(super) fn name(&self, place: &Place) -> &[u8] {
        self.store.name(place.at)
    }

    /// A number that tells these places, where they lead, and the rules by which their names are read, from others.
    fn number(&self) -> i64 {
        let mut hasher = Sha1::new();
        hasher.update(self.rules.number().to_le_bytes());
        for place in &self.list {
            let tip = place.tip.map_or(Position::MAX, |tip| self.tips[tip as usize]);
            hasher.update(tip.to_le_bytes());
            // No name has a NUL in it.
            hasher.update(self.name(place));
            hasher.update([0]);
        }
        hasher.finalize().first_chunk().map_or(0, |&start| i64::from_be_bytes(start))
    }

    /// Takes the tags from `cache`, if it has them for these places and rules.
    pub(super) fn recall(&mut self, cache: &Cache, graph: &Graph) {
        // What can't be read is found out again.
        let kept = cache.tagged(graph.mark(), self.number()).ok().flatten();
        if let Some(tagged) = kept.and_then(|bytes| self.read_tagged(&bytes)) {
            self.tagged = OnceLock::from(tagged);
            self.has_recalled = true;
        }
    }

    /// Whether the cache had it which tags count for which lines.
    pub(super) fn has_recalled(&self) -> bool {
        self.has_recalled
    }

    /// What [`Self::recall`] is to read: the number of these places, and the tags as bytes; `None` as long as nobody has asked about them, and if
    /// they were read so.
    pub(super) fn to_recall(&self) -> Option<(i64, Vec<u8>)> {
        if self.has_recalled {
            return None;
        }
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
        let mut bytes = Vec::new();
        for Tagged { place, lines } in self.tagged.get()? {
            bytes.extend_from_slice(&number(*place));
            bytes.extend_from_slice(&number(lines.len()));
            for (line, is_release) in lines {
                bytes.extend_from_slice(&number(line << 1 | usize::from(*is_release)));
            }
        }
        Some((self.number(), bytes))
    }

    /// `None` if the bytes are of no tags of these places.
    fn read_tagged(&self, bytes: &[u8]) -> Option<Vec<Tagged>> {
        let (numbers, _) = bytes.as_chunks();
        let mut numbers = numbers.iter().map(|&four| u32::from_le_bytes(four) as usize);
        let mut tagged = Vec::new();
        while let Some(place) = numbers.next() {
            let count = numbers.next()?;
            let lines: Vec<(usize, bool)> =
                numbers.by_ref().take(count).map(|line| (line >> 1, line & 1 == 1)).collect();
            let fits = lines.len() == count && lines.iter().all(|(line, _)| *line < self.lines.len());
            if !fits || self.list.get(place).is_none_or(|place| place.kind != PlaceKind::Tag) {
                return None;
            }
            tagged.push(Tagged { place, lines });
        }
        Some(tagged)
    }

    /// Whether some ref reaches the commit at `position`. One that was pushed away stays in the graph, and is no answer.
    pub(super) fn reach(&self, graph: &Graph, position: Position) -> bool {
        (position as usize) < self.whole
            || self.reached.get_or_init(|| graph.reachable(self.tips.iter().copied())).contains(position)
    }

    /// The tags of lines, the oldest version first. `holders` tell which tips hold which commits, if that is known.
    pub(super) fn tagged(&self, graph: &Graph, holders: Option<&Holders>) -> &[Tagged] {
        self.tagged.get_or_init(|| self.tag(graph, holders))
    }

    fn tag(&self, graph: &Graph, holders: Option<&Holders>) -> Vec<Tagged> {
        let mut of_line = vec![Vec::new(); self.lines.len()];
        for place in &self.list {
            if let (Some(line), Some(tip)) = (place.line, place.tip) {
                of_line[line as usize].push(self.tips[tip as usize]);
            }
        }
        let reach = match holders {
            Some(holders) => Reach::told(holders, &of_line, &self.tips),
            None => Reach::sweep(graph, &of_line, &self.tips),
        };
        let tags = self.list.iter().enumerate().filter(|(_, place)| place.kind == PlaceKind::Tag);
        let mut named: Vec<(TagName<'_>, usize)> =
            tags.filter_map(|(index, place)| Some((self.rules.tag(self.name(place))?, index))).collect();
        named.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        // The last of all; of the others a tag counts for its own at most.
        let unversioned = self.lines.partition_point(|line| !line.is_unversioned());
        let index = |line: &Line| self.lines.binary_search(line).ok();
        let tagged = named.into_iter().map(|(name, place)| {
            let tip = self.list[place].tip;
            let within = |line: usize| tip.is_some_and(|tip| reach.has(tip as usize, line));
            let own = line_of_tag(&name, &self.lines, |line| index(line).is_some_and(within));
            let may_count = own.and_then(index).filter(|&at| at < unversioned).into_iter();
            let lines = may_count
                .chain(unversioned..self.lines.len())
                .filter(|&at| counts_for(&self.lines[at], own, within(at)))
                .map(|at| (at, name.is_release(&self.lines[at])))
                .collect();
            Tagged { place, lines }
        });
        tagged.collect()
    }

    /// For each line the first tag and the first release among the tags that `has` holds for; indices in `list`.
    /// `may_have` tells those where it can't be known.
    pub(super) fn firsts(
        &self,
        (graph, holders): (&Graph, Option<&Holders>),
        has: impl Fn(&Place) -> bool,
        may_have: impl Fn(&Place) -> bool,
    ) -> Vec<Firsts> {
        let mut firsts = vec![Firsts::default(); self.lines.len()];
        for tagged in self.tagged(graph, holders) {
            let place = &self.list[tagged.place];
            let (has, may_have) = (has(place), may_have(place));
            for &(line, is_release) in &tagged.lines {
                let first = &mut firsts[line];
                if !has {
                    first.tag_is_unsure |= may_have && first.tag.is_none();
                    first.release_is_unsure |= may_have && is_release && first.release.is_none();
                    continue;
                }
                first.tag.get_or_insert(tagged.place);
                if is_release {
                    first.release.get_or_insert(tagged.place);
                }
            }
        }
        firsts
    }
}

/// The first tags of one line, as indices in [`Places::list`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Firsts {
    pub(super) tag: Option<usize>,
    pub(super) release: Option<usize>,
    /// Whether an older tag of the line than `tag`, or any if there is none, may have the change all the same.
    pub(super) tag_is_unsure: bool,
    /// Whether an older release than `release` may.
    pub(super) release_is_unsure: bool,
}

/// Those of `chosen`, then those of `usual` that aren't among them, each with whether it was chosen.
fn each_once<'r>(usual: &'r Arc<RefList>, chosen: &'r Arc<RefList>) -> impl Iterator<Item = (Ref<'r>, bool)> {
    assert!(Arc::ptr_eq(usual.store(), chosen.store()), "a run reads refs once");
    let is_usual = Arc::ptr_eq(usual, chosen);
    let places = || chosen.iter().map(Ref::at);
    // One glob has the refs in the order of their names; two may match the same.
    let is_sorted = places().is_sorted_by(|one, next| one < next);
    let known: Vec<At> = if is_sorted && !is_usual { places().collect() } else { Vec::new() };
    let mut seen: HashSet<At> = HashSet::default();
    let mut is_new = move |at: At, is_chosen: bool| match (is_sorted, is_chosen) {
        (true, true) => true,
        (true, false) => known.binary_search(&at).is_err(),
        (false, _) => seen.insert(at),
    };
    let both = chosen.iter().map(|entry| (entry, true)).chain(usual.iter().map(|entry| (entry, false)));
    let wanted = if is_usual { usual.len() } else { usize::MAX };
    both.take(wanted).filter(move |(entry, is_chosen)| is_usual || is_new(entry.at(), *is_chosen))
}

fn kind_of(name: &[u8]) -> PlaceKind {
    if name.starts_with(b"refs/heads/") {
        PlaceKind::Branch
    } else if name.starts_with(b"refs/remotes/") {
        PlaceKind::Remote
    } else if name.starts_with(b"refs/tags/") {
        PlaceKind::Tag
    } else {
        PlaceKind::Other
    }
}
