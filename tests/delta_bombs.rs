//! Packs of a few hundred bytes that stand for any number of them, for themselves, or for a chain without end in sight: memory and time are
//! bounded, what can't be had is told, and the rest goes on.

mod support;

use std::process::{Command, Output};

use serde_json::Value;
use support::packs::{self, Entry};
use support::{Repo, commit_ids, events, of_type};

/// Kilobytes of memory that a run may ask for: a few times what the largest object takes that is read.
const ROOM: u64 = 3 << 20;

/// Three commits, and one whose only file is the blob `id`.
fn with_blob(id: &[u8; 20]) -> Repo {
    let repo = Repo::new();
    repo.shell(&format!(
        r#"
        git config user.name A && git config user.email a@example.com && git config core.bigFileThreshold 3g
        export GIT_AUTHOR_DATE='@1700000000 +0000' GIT_COMMITTER_DATE='@1700000000 +0000'
        git checkout --quiet -b main
        for i in 1 2 3; do echo $i > file; git add file; git commit --quiet -m "change $i"; done
        tree=$(printf '100644 blob {}\tfile\n' | git mktree --missing)
        git update-ref refs/heads/bomb $(git commit-tree -p main -m bomb $tree)
        "#,
        packs::hex(id)
    ));
    repo
}

fn pack(repo: &Repo, entries: &[([u8; 20], Entry)]) {
    packs::write(&repo.path().join(".git/objects"), entries);
}

fn run(repo: &Repo, args: &[&str]) -> (Output, Vec<Value>) {
    let mut command = Command::new("timeout");
    repo.seal(&mut command).current_dir(repo.path());
    let script = format!("ulimit -v {ROOM}; exec \"$0\" \"$@\"");
    let program = env!("CARGO_BIN_EXE_git-bhfuil");
    let output = command.args(["60", "bash", "-c", &script, program]).args(args).output().expect("it runs");
    let told = events(&output);
    (output, told)
}

/// `bomb` and its history, as git lists them: no object but commits is read for that.
fn history(repo: &Repo) -> Vec<String> {
    repo.git(&["rev-list", "HEAD", "--branches", "--tags"]).lines().map(str::to_owned).collect()
}

/// Each so many times as large as the one before: 64 KiB, 1 MiB, 1 GB, 16 TB.
const GROWTH: [u32; 3] = [16, 1000, 1 << 14];

/// A blob of 64 KiB of newlines, and so many that grow from it.
fn growing(times: usize) -> Vec<([u8; 20], Entry)> {
    let mut entries = vec![(packs::name("base"), Entry::Blob(vec![b'\n'; 1 << 16]))];
    let mut size = 1_u64 << 16;
    for (time, copies) in GROWTH.into_iter().enumerate().take(times) {
        let each = u32::try_from(size.min(0xff_ffff)).expect("below 16 MiB");
        let made = u64::from(copies) * u64::from(each);
        let delta = packs::delta(size, made, &packs::copy(0, each).repeat(copies as usize));
        entries.push((packs::name(&format!("bomb {time}")), Entry::Of(time, delta)));
        size = made;
    }
    entries
}

#[test]
fn a_blob_that_unpacks_to_gigabytes_has_no_patch_id_and_takes_no_memory() {
    for (times, is_too_large) in [(1, false), (2, true), (3, true)] {
        let id = packs::name(&format!("bomb {}", times - 1));
        let repo = with_blob(&id);
        pack(&repo, &growing(times));
        let (output, told) = run(&repo, &["scan", "--patch-id", "--paths"]);
        assert_eq!(commit_ids(&told), history(&repo), "{output:?}");
        let bomb = repo.git(&["rev-parse", "bomb"]);
        let commits = of_type(&told, "commit");
        let of_bomb = commits.iter().find(|commit| commit["id"] == bomb.as_str()).expect("it is there");
        assert_eq!(of_bomb["patch_id"].is_null(), is_too_large, "{times}: {of_bomb}");
        assert_eq!(of_bomb["paths"][0]["path"], "file");
        assert!(matches!(output.status.code(), Some(0 | 3)), "{times}: {output:?}");
        if is_too_large {
            assert!(!of_type(&told, "warning").is_empty() || !of_type(&told, "error").is_empty(), "{told:#?}");
        }
        let (output, told) = run(&repo, &["where", &bomb]);
        assert_eq!(output.status.code(), Some(0), "{told:#?}");
    }
}

#[test]
fn a_commit_that_unpacks_to_gigabytes_is_an_error_and_the_others_are_there() {
    let repo = with_blob(&packs::name("none"));
    repo.git(&["update-ref", "-d", "refs/heads/bomb"]);
    repo.git(&["branch", "old", "main~1"]);
    let raw = repo.git_bytes(&["cat-file", "commit", "main"]);
    let head = u32::try_from(raw.len()).expect("small");
    let mut entries = growing(1);
    entries[0].1 = Entry::Commit([raw.clone(), vec![b'x'; (1 << 16) - raw.len()]].concat());
    let size = u64::from(GROWTH[0]) << 16;
    let whole = packs::copy(0, u32::try_from(size).expect("below 16 MiB")).repeat(1000);
    let long = packs::delta(size, u64::from(head) + 1000 * size, &[packs::copy(0, head), whole].concat());
    let id = packs::name("a long commit");
    entries.push((id, Entry::Of(1, long)));
    pack(&repo, &entries);
    std::fs::write(repo.path().join(".git/refs/heads/long"), packs::hex(&id) + "\n").expect("a ref");
    let others: Vec<String> = repo.git(&["rev-list", "main"]).lines().map(str::to_owned).collect();
    for args in [&["scan"][..], &["where", "main"], &["missing", "old", "--from=main"]] {
        let (output, told) = run(&repo, args);
        assert!(matches!(output.status.code(), Some(0 | 3)), "{args:?}: {output:?}");
        let said = of_type(&told, "error").into_iter().chain(of_type(&told, "warning"));
        assert!(said.into_iter().any(|event| event.to_string().contains(&packs::hex(&id))), "{args:?}: {told:#?}");
        if args == ["scan"] {
            assert_eq!(commit_ids(&told), others);
        }
    }
}

#[test]
fn what_is_a_change_of_itself_is_told_and_not_followed_for_ever() {
    let (one, other) = (packs::name("one"), packs::name("other"));
    let same = || packs::delta(3, 3, &packs::copy(0, 3));
    for entries in [
        vec![(one, Entry::OfId(one, same()))],
        vec![(one, Entry::OfId(other, same())), (other, Entry::OfId(one, same()))],
    ] {
        let repo = with_blob(&one);
        pack(&repo, &entries);
        let (output, told) = run(&repo, &["scan", "--patch-id"]);
        assert_eq!((output.status.code(), commit_ids(&told)), (Some(3), history(&repo)), "{output:?}");
        let commits = of_type(&told, "commit");
        assert_eq!(commits.iter().filter(|commit| commit["patch_id"].is_null()).count(), 1);
        assert!(of_type(&told, "error").iter().any(|error| error.to_string().contains(&packs::hex(&one))), "{told:#?}");
    }
}

#[test]
fn a_chain_of_fifty_thousand_changes_is_followed_as_git_follows_it() {
    let last = 50_000;
    let mut entries = vec![(packs::name("0"), Entry::Blob(b"line\n".to_vec()))];
    for number in 1..=last {
        let delta = packs::delta(5, 5, &packs::copy(0, 5));
        entries.push((packs::name(&number.to_string()), Entry::Of(number - 1, delta)));
    }
    let repo = with_blob(&packs::name(&last.to_string()));
    pack(&repo, &entries);
    let (output, told) = run(&repo, &["scan", "--patch-id"]);
    assert_eq!((output.status.code(), commit_ids(&told)), (Some(0), history(&repo)), "{output:?}");
    let expected = repo.shell("git diff-tree -p --full-index --no-renames bomb~ bomb | git patch-id --stable");
    let expected = expected.split_whitespace().next().expect("a patch-id").to_owned();
    let commits = of_type(&told, "commit");
    let bomb = repo.git(&["rev-parse", "bomb"]);
    let own = commits.iter().find(|commit| commit["id"] == bomb.as_str()).expect("it is there");
    assert_eq!(own["patch_id"], expected.as_str());
}
