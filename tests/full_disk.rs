//! Disks that are full in truth: a file system in memory with too little room, which only the program under test sees.

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use support::{Repo, bhfuil, events, of_type};

/// Runs the shell script `work`, in which `$bhfuil` is the program, where `folder` has room for so many bytes.
fn with_room(repo: &Repo, folder: &Path, bytes: usize, work: &str) -> Output {
    std::fs::create_dir_all(folder).expect("a folder");
    let mut command = Command::new("unshare");
    // In namespaces of its own whoever runs the tests may mount, and nobody else sees it.
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
    command.arg(format!("mount -t tmpfs -o size={bytes} none '{}' && {{ {work}\n}}", folder.display()));
    repo.seal(&mut command).env("bhfuil", env!("CARGO_BIN_EXE_git-bhfuil")).current_dir(repo.path());
    command.output().expect("unshare(1) starts")
}

fn codes(events: &[Value], kind: &str) -> Vec<String> {
    of_type(events, kind).iter().map(|event| event["code"].as_str().expect("a code").to_owned()).collect()
}

#[test]
#[ignore = "needs user namespaces: .ci/run runs it too"]
fn where_the_cache_has_no_room_the_answer_is_whole_and_one_warning_says_so() {
    let repo = Repo::synthetic(3000);
    let undisturbed = |args: &str| events(&bhfuil(&repo).args(args.split(' ')).output().expect("runs"));
    let answer = |events: &[Value]| -> Vec<Value> {
        ["commit", "match", "presence"].iter().flat_map(|kind| of_type(events, kind)).cloned().collect()
    };
    let cache = repo.home().join("small");
    for (bytes, args) in [
        // Not even for an empty cache; for that, but not for the texts; for these, but not for the graph.
        (8 << 10, "scan"),
        (96 << 10, "scan"),
        (400 << 10, "scan"),
        (96 << 10, "where main~3"),
        (400 << 10, "where main~3"),
    ] {
        let work = format!("GIT_BHFUIL_CACHE='{}' exec \"$bhfuil\" {args}", cache.display());
        let output = with_room(&repo, &cache, bytes, &work);
        assert_eq!(output.status.code(), Some(0), "{args}, {bytes}: {output:?}");
        let told = events(&output);
        let warned = codes(&told, "warning");
        assert_eq!(warned.len(), 1, "{args}, {bytes}: {warned:?}");
        assert!(["cache-unavailable", "cache-unwritten"].contains(&warned[0].as_str()), "{warned:?}");
        assert!(of_type(&told, "warning")[0]["message"].as_str().expect("text").contains("full"), "{told:?}");
        assert!(answer(&told) == answer(&undisturbed(args)) && told.len() > 3, "{args}, {bytes}");
    }
}

#[test]
#[ignore = "needs user namespaces: .ci/run runs it too"]
fn one_that_has_no_room_among_eight_is_one_error_and_the_others_are_right() {
    let (place, source) = (Repo::new(), Repo::fixture("backports"));
    let big = Repo::new();
    // Nothing in it can be compressed: the generator of Knuth's MMIX.
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    std::fs::write(big.path().join("noise"), noise.take(12 << 20).collect::<Vec<u8>>()).expect("written");
    big.git(&["add", "noise"]);
    big.git(&["commit", "--quiet", "-m", "noise"]);
    let names = ["a", "b", "c", "full", "d", "e", "f", "g"];
    for name in names {
        let from = if name == "full" { big.path() } else { source.path() };
        let (key, url) = (format!("bhfuil.repo.{name}.url"), format!("file://{}", from.display()));
        assert!(bhfuil(&place).args(["config", "set", &key, &url]).output().expect("runs").status.success());
    }
    let data = place.home().join("data");
    // One after the other, lest the others come while the disk is full.
    let work = format!(
        "\"$bhfuil\" repo sync --all --jobs=1; echo \"{{\\\"exit\\\":$?}}\" >../exit
         \"$bhfuil\" where --repo=a --repo=g --no-update {} >../asked; ls \"$XDG_DATA_HOME/git-bhfuil/repos\" >../left",
        source.id("plain")
    );
    let output = with_room(&place, &data, 8 << 20, &work);
    let told = events(&output);
    let beside = |name: &str| std::fs::read_to_string(place.path().join("..").join(name)).expect("written");
    assert_eq!(beside("exit").trim(), "{\"exit\":3}", "{output:?}");
    let status = |end: &Value| (end["repo"].as_str().expect("a name").to_owned(), end["status"].clone());
    let ends: BTreeMap<String, Value> = of_type(&told, "repo-end").into_iter().map(status).collect();
    let expected = names.map(|name| (name.to_owned(), Value::from(if name == "full" { "failed" } else { "ok" })));
    assert_eq!(ends, BTreeMap::from(expected));
    assert_eq!(codes(&told, "error"), ["disk-full"]);
    let left: Vec<String> = beside("left").lines().map(str::to_owned).collect();
    assert_eq!(left, ["a.git", "b.git", "c.git", "d.git", "e.git", "f.git", "g.git"], "what failed left nothing");
    let asked: Vec<Value> = beside("asked").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let repos: Vec<&str> = of_type(&asked, "match").into_iter().filter_map(|found| found["repo"].as_str()).collect();
    assert!(repos.contains(&"a") && repos.contains(&"g"), "{repos:?}");
}
