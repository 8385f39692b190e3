//! A scan after the repository has changed: what the cache keeps from before never shows. The stream that goes on from an
//! older cache equals the one that begins from nothing, and that one is `git rev-list`'s.

mod support;

use serde_json::Value;
use support::{Repo, bhfuil, events, of_type};

/// The commit and ref lines of a scan with the cache in `cache` of the home, and the index's state.
fn scan(repo: &Repo, cache: &str) -> (Vec<String>, String) {
    let mut command = bhfuil(repo);
    command.env("GIT_BHFUIL_CACHE", repo.home().join(cache)).args(["scan", "--show-refs", "--paths"]);
    let output = command.output().expect("it runs");
    let events = events(&output);
    assert_eq!(output.status.code(), Some(0), "{:?}", events.last());
    let stream = String::from_utf8(output.stdout).expect("UTF-8");
    let told = |line: &&str| line.starts_with("{\"type\":\"commit\"") || line.starts_with("{\"type\":\"ref\"");
    let index = of_type(&events, "repo-end")[0]["index"].as_str().expect("a state").to_owned();
    (stream.lines().filter(told).map(str::to_owned).collect(), index)
}

fn ids(lines: &[String]) -> Vec<String> {
    let events = lines.iter().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let commits = events.filter(|event| event["type"] == "commit");
    commits.map(|event| event["id"].as_str().expect("an id").to_owned()).collect()
}

/// Changes a repository step by step and compares after each.
struct Story {
    repo: Repo,
    steps: usize,
}

impl Story {
    fn of(repo: Repo) -> Self {
        scan(&repo, "kept");
        Self { repo, steps: 0 }
    }

    /// After `what`: the kept cache answers as a new one does, and as git.
    fn then(&mut self, what: &str, change: impl FnOnce(&Repo)) {
        change(&self.repo);
        self.steps += 1;
        let (cold, _) = scan(&self.repo, &format!("new-{}", self.steps));
        let (kept, _) = scan(&self.repo, "kept");
        assert!(kept == cold, "after {what}: the stream from the kept cache differs from a new one");
        let git = self.repo.git(&["rev-list", "HEAD", "--branches", "--remotes", "--tags"]);
        assert_eq!(ids(&cold).join("\n"), git, "after {what}");
        let (again, index) = scan(&self.repo, "kept");
        assert_eq!((again == cold, index.as_str()), (true, "fresh"), "after {what}, once more");
    }
}

#[test]
fn notices_what_happens_to_branches_and_objects() {
    let mut story = Story::of(Repo::fixture("backports"));
    story.then("new commits", |repo| {
        for message in ["one", "two", "three"] {
            repo.git(&["commit", "--quiet", "--allow-empty", "-m", message]);
        }
    });
    story.then("a merge of two lines", |repo| {
        repo.git(&["merge", "--quiet", "--no-edit", "-s", "ours", "stable/2.0"]);
    });
    story.then("a forced push", |repo| {
        repo.git(&["branch", "--force", "stable/1.0", "stable/1.0~3"]);
        repo.git(&["update-ref", "refs/heads/stable/2.0", repo.id("base")]);
    });
    story.then("a deleted branch", |repo| {
        repo.git(&["branch", "-D", "stable/1.0"]);
    });
    story.then("deleted tags", |repo| {
        repo.git(&["tag", "-d", "1.0.2", "2.0.0", "1.0.1"]);
    });
    story.then("git gc --prune=now", |repo| {
        repo.git(&["reflog", "expire", "--expire=now", "--all"]);
        repo.git(&["gc", "--quiet", "--prune=now"]);
        let gone = repo.git_with(&["cat-file", "--batch-check"], format!("{}\n", repo.id("foreign")).as_bytes());
        assert!(gone.ends_with(b" missing\n"), "what nothing reaches is gone");
    });
    story.then("a history rewritten from its root", |repo| {
        let tree = repo.git(&["rev-parse", "HEAD^{tree}"]);
        let root = repo.git(&["commit-tree", "-m", "another root", &tree]);
        repo.git(&["checkout", "--quiet", "-B", "main", &root]);
    });
    story.then("git gc once more", |repo| {
        repo.git(&["reflog", "expire", "--expire=now", "--all"]);
        repo.git(&["gc", "--quiet", "--prune=now"]);
    });
    story.then("what was gone comes back", |repo| {
        let again = Repo::fixture("backports");
        let from = again.path().to_str().expect("a UTF-8 path").to_owned();
        repo.git(&["fetch", "--quiet", &from, "+refs/heads/*:refs/remotes/again/*", "+refs/tags/*:refs/tags/*"]);
    });
    story.then("a detached HEAD beside all branches", |repo| {
        repo.git(&["checkout", "--quiet", "--detach"]);
        repo.git(&["commit", "--quiet", "--allow-empty", "-m", "on no branch"]);
    });
    story.then("HEAD back on main", |repo| {
        repo.git(&["checkout", "--quiet", "main"]);
    });
    story.then("git pack-refs, and a loose ref beside it", |repo| {
        repo.git(&["pack-refs", "--all"]);
        repo.git(&["branch", "--force", "after-packing", "HEAD"]);
    });
}

#[test]
fn notices_replaced_objects_and_grafts() {
    let mut story = Story::of(Repo::fixture("backports"));
    story.then("a commit replaced by one with other words", |repo| {
        let other = repo.git(&["commit-tree", "-m", "in other words", "-p", "HEAD~3", "HEAD~2^{tree}"]);
        repo.git(&["replace", "HEAD~2", &other]);
    });
    story.then("the replacement changed to one with another parent", |repo| {
        let other = repo.git(&["commit-tree", "-m", "from further back", "-p", "HEAD~9", "HEAD~2^{tree}"]);
        repo.git(&["replace", "--force", "HEAD~2", &other]);
    });
    story.then("a second one, of a merge base", |repo| {
        let base = repo.git(&["merge-base", "main", "stable/2.0"]);
        let root = repo.git(&["commit-tree", "-m", "a root instead", &format!("{base}^{{tree}}")]);
        repo.git(&["replace", &base, &root]);
    });
    story.then("the first one taken back", |repo| {
        let first = repo.git(&["--no-replace-objects", "rev-parse", "main~2"]);
        repo.git(&["replace", "-d", &first]);
    });
    story.then("all taken back", |repo| {
        let all = repo.git(&["replace", "--list"]);
        repo.git(&[&["replace", "-d"], all.lines().collect::<Vec<_>>().as_slice()].concat());
    });
    story.then("a graft that joins two lines", |repo| {
        let (child, parent) = (repo.git(&["rev-parse", "main~2"]), repo.git(&["rev-parse", "stable/1.0"]));
        let second = repo.git(&["rev-parse", "main~3"]);
        std::fs::create_dir_all(repo.path().join(".git/info")).expect("made");
        let graft = format!("# joined\n{child} {second} {parent}\n");
        std::fs::write(repo.path().join(".git/info/grafts"), graft).expect("written");
    });
    story.then("the graft removed", |repo| {
        std::fs::remove_file(repo.path().join(".git/info/grafts")).expect("removed");
    });
}

#[test]
fn notices_a_shallow_clone_that_is_deepened() {
    let source = Repo::fixture("backports");
    let mut story = Story::of(source.stored_as("shallow"));
    let shallow = |repo: &Repo| repo.git(&["rev-parse", "--is-shallow-repository"]) == "true";
    story.then("git fetch --deepen", |repo| {
        let before = repo.git(&["rev-list", "--count", "--all"]);
        repo.git(&["fetch", "--quiet", "--deepen=4"]);
        assert_ne!(repo.git(&["rev-list", "--count", "--all"]), before, "it brings something");
        assert!(shallow(repo));
    });
    story.then("git fetch --depth, less deep", |repo| {
        repo.git(&["fetch", "--quiet", "--depth=2"]);
        assert!(shallow(repo));
    });
    story.then("git fetch --unshallow", |repo| {
        repo.git(&["fetch", "--quiet", "--unshallow"]);
        assert!(!shallow(repo));
    });
    story.then("a whole one cut off again", |repo| {
        repo.git(&["fetch", "--quiet", "--depth=3"]);
        assert!(shallow(repo));
    });
}

#[test]
fn notices_a_commit_graph_that_is_written_or_stale() {
    let mut story = Story::of(Repo::fixture("merges"));
    story.then("git commit-graph write", |repo| {
        repo.git(&["commit-graph", "write", "--reachable", "--changed-paths"]);
    });
    story.then("commits above the graph", |repo| {
        repo.git(&["commit", "--quiet", "--allow-empty", "-m", "above"]);
    });
    story.then("a replaced commit that the graph knows otherwise", |repo| {
        let tree = repo.git(&["rev-parse", "main~1^{tree}"]);
        let other = repo.git(&["commit-tree", "-m", "a root instead", &tree]);
        repo.git(&["replace", "main~1", &other]);
    });
}

#[test]
fn limited_scans_leave_no_mark_on_the_next_whole_one() {
    let repo = Repo::fixture("backports");
    for args in [&["-n3"][..], &["main~5..main"], &["--refs=heads/stable/*"], &["--since=1700001000"], &["--", "a"]] {
        let output = bhfuil(&repo).env("GIT_BHFUIL_CACHE", repo.home().join("kept")).arg("scan").args(args).output();
        assert_eq!(output.expect("it runs").status.code(), Some(0), "{args:?}");
        let (kept, _) = scan(&repo, "kept");
        let (cold, _) = scan(&repo, "new");
        assert!(kept == cold, "after {args:?}");
        std::fs::remove_dir_all(repo.home().join("kept")).expect("the cache is there");
    }
}
