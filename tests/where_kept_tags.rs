//! Which release lines a tag counts for is kept from one question to the next, of a history that is long enough for that to pay. Whatever
//! moves, is set, or is looked at from elsewhere in between, the answer is the one that a run without a cache gives.

mod support;

use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;
use support::dag::{self, Commit};
use support::{Repo, bhfuil, events, of_type};

const MAIN: usize = 4100;
const STABLE: usize = 50;

/// A mainline, and two stable branches off it with a tag on each of their first commits.
fn history() -> Repo {
    let after = |parent: Option<usize>, number: usize| {
        Commit::new(parent.as_slice(), 1_700_000_000 + i64::try_from(number).expect("few"))
    };
    let mut commits: Vec<Commit> = (0..MAIN).map(|number| after(number.checked_sub(1), number)).collect();
    let mut refs = vec![("refs/tags/aaa-nameless".to_owned(), 5), ("refs/tags/zzz".to_owned(), MAIN - 1)];
    for (line, base) in [(1, 2100), (2, 3300)] {
        let first = commits.len();
        for step in 0..STABLE {
            commits.push(after(Some(if step == 0 { base } else { first + step - 1 }), first + step));
        }
        refs.push((format!("refs/heads/stable/{line}.0"), first + STABLE - 1));
        refs.extend((0..20).map(|number| (format!("refs/tags/v{line}.0.{number}"), first + number)));
    }
    refs.extend([("refs/heads/main".into(), MAIN - 1), ("refs/heads/same".into(), MAIN + STABLE - 1)]);
    let refs: Vec<(&str, usize)> = refs.iter().map(|(name, at)| (name.as_str(), *at)).collect();
    dag::repository(&commits, &refs).0
}

fn answer(repo: &Repo, dir: &Path, query: &str, is_cached: bool) -> Vec<Value> {
    let mut command = bhfuil(repo);
    if !is_cached {
        command.env("GIT_BHFUIL_CACHE", "/dev/null/none");
    }
    let output = command.current_dir(dir).args(["where", query]).output().expect("runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    of_type(&events(&output), "presence").into_iter().cloned().collect()
}

fn kept(repo: &Repo) -> i64 {
    let databases = std::fs::read_dir(repo.home().join("bhfuil")).expect("a folder").filter_map(|entry| {
        let path = entry.expect("an entry").path();
        let is_cache = path.file_name()?.to_str()?.starts_with("repo-");
        (is_cache && path.extension()? == "db").then_some(path)
    });
    let counts = databases.map(|path| {
        let cache = Connection::open(path).expect("opens");
        cache.query_row("SELECT count(*) FROM tagged", [], |row| row.get::<_, i64>(0)).expect("a number")
    });
    counts.sum()
}

#[test]
fn what_is_kept_of_tags_is_what_would_be_found_out() {
    let repo = history();
    let other = repo.home().join("other");
    let ids: Vec<String> = ["v1.0.5", "v2.0.3", "main~2100"].map(|name| repo.git(&["rev-parse", name])).into();
    let check = |step: &str, dir: &Path| {
        // They come in; what is found out is kept; the answer comes from that.
        for round in ["first", "second", "third"] {
            for id in &ids {
                let expected = answer(&repo, dir, id, false);
                assert!(!expected.is_empty());
                assert_eq!(answer(&repo, dir, id, true), expected, "{step}, {round}, {id}");
            }
        }
        assert_eq!(kept(&repo), 1, "{step}");
    };
    let here = repo.path();
    check("as it is", here);
    repo.git(&["checkout", "--quiet", "--detach"]);
    check("HEAD is no branch", here);
    repo.git(&["checkout", "--quiet", "same"]);
    check("HEAD is a branch of no line", here);
    repo.git(&["worktree", "add", "--quiet", "--detach", other.to_str().expect("UTF-8"), "stable/2.0"]);
    check("another worktree", &other);
    check("the first again", here);
    repo.git(&["config", "bhfuil.releaseTag", "v1.*"]);
    check("tags that may be releases", here);
    repo.git(&["config", "bhfuil.stable", "same"]);
    check("a branch is a line", here);
    repo.git(&["config", "--unset", "bhfuil.stable"]);
    repo.git(&["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
    check("a symbolic branch", here);
    repo.git(&["update-ref", "--no-deref", "refs/heads/alias", "main"]);
    check("that branch is none any more", here);
    repo.git(&["tag", "-f", "v2.0.5", "v1.0.0"]);
    check("a tag has moved", here);
    repo.git(&["replace", &ids[0], &repo.git(&["rev-parse", &format!("{}^", ids[0])])]);
    check("a commit is replaced", here);
}

#[test]
fn a_tag_that_could_not_be_read_for_a_while_is_told_again() {
    let repo = history();
    let id = repo.git(&["rev-parse", "v1.0.5"]);
    repo.git(&["-c", "user.name=A", "-c", "user.email=a@example.com", "tag", "-a", "-m", "it", "v0.9", &id]);
    let object = repo.git(&["rev-parse", "v0.9"]);
    let file = repo.path().join(format!(".git/objects/{}/{}", &object[..2], &object[2..]));
    let aside = repo.home().join("aside");
    std::fs::rename(&file, &aside).expect("moves");
    for _ in 0..3 {
        assert_eq!(answer(&repo, repo.path(), &id, true), answer(&repo, repo.path(), &id, false), "without it");
    }
    std::fs::rename(&aside, &file).expect("moves");
    for _ in 0..3 {
        assert_eq!(answer(&repo, repo.path(), &id, true), answer(&repo, repo.path(), &id, false), "with it");
    }
}
