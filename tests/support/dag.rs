//! Histories made to order, written by one `git fast-import`: a thousand commits cost a few hundredths of a second.

use std::fmt::Write as _;

use super::Repo;

/// One commit to be. Its place in the list is its number.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    /// The numbers of its parents, each less than its own; with none it is a root.
    pub(crate) parents: Vec<usize>,
    /// Of author and committer, in seconds since 1970.
    pub(crate) time: i64,
    /// As it is to stand, without a last newline added.
    pub(crate) message: String,
    /// Files that it writes, over those of its first parent.
    pub(crate) files: Vec<(String, String)>,
}

impl Commit {
    /// A commit that writes nothing; the message is `commit <time>` until told otherwise.
    pub(crate) fn new(parents: &[usize], time: i64) -> Self {
        Self { parents: parents.to_vec(), time, message: format!("commit {time}\n"), files: Vec::new() }
    }

    pub(crate) fn message(mut self, message: &str) -> Self {
        message.clone_into(&mut self.message);
        self
    }

    pub(crate) fn file(mut self, path: &str, content: &str) -> Self {
        self.files.push((path.to_owned(), content.to_owned()));
        self
    }
}

/// A repository of `commits` with the refs `(full name, number)`, and the id of each commit by its number. Commits that no
/// ref reaches are written all the same.
pub(crate) fn repository(commits: &[Commit], refs: &[(&str, usize)]) -> (Repo, Vec<String>) {
    let repo = Repo::new();
    let marks = repo.path().join(".git").join("marks");
    let export = format!("--export-marks={}", marks.display());
    let stream = stream(commits, refs);
    repo.git_with(&["fast-import", "--quiet", "--force", "--done", &export], stream.as_bytes());
    let mut ids = vec![String::new(); commits.len()];
    let told = std::fs::read_to_string(marks).expect("the marks");
    for (mark, id) in told.lines().filter_map(|line| line.split_once(' ')) {
        let number: usize = mark[1..].parse().expect("a number");
        id.clone_into(&mut ids[number - 1]);
    }
    (repo, ids)
}

/// `count` commits of up to `width` parents each, chosen among the last `reach`, and their times: mostly one to ten seconds
/// after the newest parent, now and then the same second or one earlier, so that order by time and by parents differ. The same for
/// the same seed. One in fifty is a root.
pub(crate) fn random(seed: u64, count: usize, width: usize, reach: usize) -> Vec<Commit> {
    let mut dice = Dice(seed);
    let mut commits: Vec<Commit> = Vec::with_capacity(count);
    for number in 0..count {
        let mut parents = Vec::new();
        if number > 0 && dice.below(50) > 0 {
            for _ in 0..=dice.below(width.max(1)) {
                let parent = number - 1 - dice.below(reach.clamp(1, number));
                if !parents.contains(&parent) {
                    parents.push(parent);
                }
            }
        }
        let newest = parents.iter().map(|&parent| commits[parent].time).max();
        let step = i64::try_from(dice.below(12)).expect("a small number") - 1;
        let time = newest.unwrap_or(1_700_000_000) + step;
        commits.push(Commit::new(&parents, time).message(&format!("commit {number}\n")));
    }
    commits
}

/// A small generator (`SplitMix64`), for a dependency would change its sequence with its version.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `bound` - 1; `bound` is at least 1.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("64 bits");
        usize::try_from(self.next() % bound).expect("less than a usize")
    }
}

fn stream(commits: &[Commit], refs: &[(&str, usize)]) -> String {
    let mut text = String::new();
    for (number, commit) in commits.iter().enumerate() {
        let mark = number + 1;
        // Reset first, or a commit without parents gets the one before it.
        let _ = writeln!(text, "reset refs/building\ncommit refs/building\nmark :{mark}");
        for role in ["author", "committer"] {
            let _ = writeln!(text, "{role} A U Thor <author@example.com> {} +0000", commit.time);
        }
        let _ = writeln!(text, "data {}\n{}", commit.message.len(), commit.message);
        for (place, parent) in commit.parents.iter().enumerate() {
            let word = if place == 0 { "from" } else { "merge" };
            let _ = writeln!(text, "{word} :{}", parent + 1);
        }
        for (path, content) in &commit.files {
            let _ = writeln!(text, "M 100644 inline {path}\ndata {}\n{content}", content.len());
        }
        text.push('\n');
    }
    for (name, number) in refs {
        let _ = writeln!(text, "reset {name}\nfrom :{}\n", number + 1);
    }
    // A ref of no commit is not written.
    text.push_str("reset refs/building\n\ndone\n");
    text
}
