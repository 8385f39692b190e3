//! Mirrors whose makers are killed, meet, or sit at a terminal: processes of their own, since a test can't kill itself. They are this
//! test binary again, with [`driver`] as the only test.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use git_bhfuil::error::{self, Kind};
use git_bhfuil::gitcli;
use git_bhfuil::repos::mirror::{self, News, Options};
use smol::future::block_on;

use remotes::{Answer, Connection, GitServer, HttpServer, names_in};
use support::Repo;

#[path = "support/remotes.rs"]
mod remotes;
mod support;

/// What [`driver`] is to do: a verb, a URL and a place.
const ORDER: [&str; 3] = ["GIT_BHFUIL_TEST_VERB", "GIT_BHFUIL_TEST_URL", "GIT_BHFUIL_TEST_PLACE"];

#[test]
#[ignore = "run by the other tests, as a process of its own"]
#[expect(clippy::print_stdout, clippy::print_stderr, clippy::exit, reason = "it is a program of its own")]
fn driver() {
    let [verb, url, place] = ORDER.map(|name| std::env::var(name).expect("an order"));
    let place = Path::new(&place);
    let clone = |options: Options| {
        let tell = |news: News<'_>| {
            if let News::Waiting(owner) = news {
                eprintln!("waiting for {owner:?}");
            }
        };
        block_on(mirror::clone(&url, place, &options, tell)).map(|cloned| format!("{cloned:?}"))
    };
    let told = match verb.as_str() {
        "clone" => clone(Options::for_clone()),
        "clone-asking" => clone(Options { prompts: gitcli::can_prompt(), ..Options::for_clone() }),
        "fetch" => block_on(mirror::fetch(place, &Options::for_fetch(), |_| ())).map(|()| "Fetched".to_owned()),
        "leaks" => Ok(leaks(&url, place)),
        // As the second Ctrl-C does.
        "quit" => {
            std::thread::spawn(|| {
                let _ = std::io::stdin().read_line(&mut String::new());
                gitcli::end_all();
                std::process::exit(130);
            });
            clone(Options::for_clone())
        }
        other => panic!("{other}?"),
    };
    match told {
        Ok(told) => println!("told: {told}"),
        Err(error) => println!("failed: {} {error:#}", error::kind_of(&error).code()),
    }
}

/// Descriptors and children before and after some clones that were ended, and one that wasn't.
fn leaks(url: &str, place: &Path) -> String {
    let held = || {
        // A thread of async-process closes what it watched the dead by.
        std::thread::sleep(Duration::from_millis(5));
        let descriptors = names_in(Path::new("/proc/self/fd")).len();
        let tasks = names_in(Path::new("/proc/self/task")).into_iter();
        let children = tasks.map(|task| std::fs::read_to_string(format!("/proc/self/task/{task}/children")));
        (descriptors, children.map(|list| list.expect("proc(5)").split_whitespace().count()).sum::<usize>())
    };
    let clone = |dropped: bool| {
        let options = Options::for_clone();
        let begun = std::sync::atomic::AtomicBool::new(false);
        let work = mirror::clone(url, place, &options, |news| {
            // The server goes on being silent after this.
            if let News::Progress(_) = news {
                begun.store(true, std::sync::atomic::Ordering::SeqCst);
                if !dropped {
                    options.token.cancel();
                }
            }
        });
        let drop = async {
            while !(dropped && begun.load(std::sync::atomic::Ordering::SeqCst)) {
                smol::Timer::after(Duration::from_millis(1)).await;
            }
            Err(Kind::Cancelled.error("dropped"))
        };
        let error = block_on(smol::future::or(work, drop)).expect_err("it is ended");
        assert_eq!(error::kind_of(&error), Kind::Cancelled, "{error:#}");
    };
    // The threads and descriptors of the executor stay for the life of the process.
    clone(false);
    let least = || (0..20).map(|_| held()).min().expect("some");
    let before = least();
    (0..6).for_each(|round| clone(round % 2 == 0));
    format!("{before:?} {:?}", least())
}

/// A process that clones or fetches, its standard input a pipe.
fn drive(repo: &Repo, verb: &str, url: &str) -> Child {
    let mut command = driving(repo, verb, url);
    command.spawn().expect("the test binary starts")
}

fn driving(repo: &Repo, verb: &str, url: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the test binary"));
    command.args(["driver", "--exact", "--ignored", "--nocapture"]);
    repo.mark(&mut command).env(ORDER[0], verb).env(ORDER[1], url).env(ORDER[2], place(repo));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What it said at its end.
fn told(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().find_map(|line| line.split_once("told: ").or_else(|| line.split_once("failed: ")));
    let (_, rest) = lines.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    rest.to_owned()
}

fn place(repo: &Repo) -> std::path::PathBuf {
    repo.home().join("mirrors/x.git")
}

fn root(repo: &Repo) -> &Path {
    repo.path().parent().expect("a folder")
}

fn options(repo: &Repo) -> Options {
    Options { git: repo.program(), timeout: Some(Duration::from_mins(5)), ..Options::for_fetch() }
}

/// The mirror has what `repo` has, is whole, alone, and nobody works on it.
fn is_mirrored(repo: &Repo) {
    let refs = ["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags"];
    let mirror = |args: &[&str]| {
        let output = repo.git_command().arg("--git-dir").arg(place(repo)).args(args).output().expect("git runs");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    };
    assert_eq!(mirror(&refs), repo.git(&refs));
    mirror(&["fsck", "--full", "--strict"]);
    assert_eq!(names_in(&repo.home().join("mirrors")), ["x.git"]);
    assert!(names_in(&place(repo).join("objects/pack")).iter().all(|name| name.starts_with("pack-")));
    assert_eq!(repo.left_running(), [""; 0]);
}

fn go_on(repo: &Repo) {
    repo.git(&["commit", "--quiet", "--allow-empty", "-m", "more"]);
    repo.git(&["branch", "new"]);
    repo.git(&["branch", "-D", "stable/1.0"]);
}

#[test]
fn a_clone_that_was_killed_is_never_taken_for_whole_and_the_next_one_is() {
    let repo = Repo::fixture("backports");
    let server = HttpServer::start(root(&repo), |request, before| {
        if request.method == "POST" && before == 1 { Answer::Hold(100) } else { Answer::Git }
    });
    let url = server.url("repo/.git");
    let mut killed = drive(&repo, "clone", &url);
    block_on(server.until_held(1));
    killed.kill().expect("SIGKILL");
    killed.wait().expect("it is dead");
    assert!(!place(&repo).exists());
    assert_eq!(names_in(&repo.home().join("mirrors")), ["x.git.lock", "x.git.part"], "what a dead process leaves");
    let next = drive(&repo, "clone", &url).wait_with_output().expect("it ends");
    assert_eq!(told(&next), "New");
    is_mirrored(&repo);
}

#[cfg(target_os = "linux")]
#[test]
fn a_git_that_outlives_its_owner_is_ended_by_the_next() {
    // The one that leads the group ends by itself, and leaves another behind.
    for (ends, left) in [("wait", 2), ("while kill -0 $PPID 2>/dev/null; do sleep 0.01; done; exit 1", 1)] {
        let repo = Repo::fixture("backports");
        let url = format!("file://{}", repo.path().display());
        let script = format!("mkdir \"$place\"; sleep 1000 >/dev/null 2>&1 & echo > \"$HOME/runs\"; {ends}");
        let mut command = driving(&repo, "clone", &url);
        let mut killed = command.env("PATH", repo.path_with(&script)).spawn().expect("the test binary starts");
        while !repo.home().join("runs").exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        killed.kill().expect("SIGKILL");
        killed.wait().expect("it is dead");
        while repo.left_running().len() != left {
            std::thread::sleep(Duration::from_millis(5));
        }
        let next = drive(&repo, "clone", &url).wait_with_output().expect("it ends");
        assert_eq!(told(&next), "New");
        is_mirrored(&repo);
    }
}

#[test]
fn a_fetch_that_was_killed_with_its_git_is_made_up_for() {
    let repo = Repo::fixture("backports");
    let server = HttpServer::start(root(&repo), |request, before| {
        if request.method == "POST" && before == 3 { Answer::Hold(30) } else { Answer::Git }
    });
    let url = server.url("repo/.git");
    assert_eq!(told(&drive(&repo, "clone", &url).wait_with_output().expect("it ends")), "New");
    go_on(&repo);
    let mut killed = drive(&repo, "fetch", &url);
    block_on(server.until_held(1));
    killed.kill().expect("SIGKILL");
    killed.wait().expect("it is dead");
    // What git itself would leave, had it been killed while it wrote.
    for debris in ["packed-refs.lock", "packed-refs.new", "refs/heads/new.lock", "objects/pack/tmp_pack_x"] {
        std::fs::write(place(&repo).join(debris), "").expect("a file");
    }
    let next = drive(&repo, "fetch", &url).wait_with_output().expect("it ends");
    assert_eq!(told(&next), "Fetched");
    is_mirrored(&repo);
}

#[test]
fn a_lock_of_somebody_who_lives_is_left_alone() {
    let repo = Repo::fixture("backports");
    let url = format!("file://{}", repo.path().display());
    let options = options(&repo);
    block_on(mirror::clone(&url, &place(&repo), &options, |_| ())).expect("it is cloned");
    go_on(&repo);
    let lock = place(&repo).join("packed-refs.lock");
    std::fs::write(&lock, "").expect("a file");
    let error = block_on(mirror::fetch(&place(&repo), &options, |_| ())).expect_err("a ref can't be deleted");
    assert_eq!(error::kind_of(&error), Kind::Git);
    assert!(error.to_string().contains("packed-refs.lock"), "{error:#}");
    assert!(error::hint_of(&error).is_some_and(|hint| hint.contains("another git")), "{error:#}");
    assert!(lock.exists());
    std::fs::remove_file(lock).expect("it is done");
    block_on(mirror::fetch(&place(&repo), &options, |_| ())).expect("it is fetched");
    is_mirrored(&repo);
}

#[test]
fn of_many_that_clone_to_one_place_one_does_and_the_others_find_it_done() {
    let repo = Repo::fixture("backports");
    let server = HttpServer::start(root(&repo), |request, before| {
        if request.method == "POST" && before == 1 { Answer::Hold(100) } else { Answer::Git }
    });
    let url = server.url("repo/.git");
    let mut all = vec![drive(&repo, "clone", &url)];
    block_on(server.until_held(1));
    all.extend((0..4).map(|_| drive(&repo, "clone", &url)));
    // All of them have come as far as they can.
    for process in &mut all[1..] {
        let stderr = process.stderr.as_mut().expect("a pipe");
        let mut line = String::new();
        while !line.contains("waiting for Some(") {
            line.clear();
            std::io::BufRead::read_line(&mut std::io::BufReader::with_capacity(1, &mut *stderr), &mut line)
                .expect("a line");
        }
    }
    server.release();
    let mut told: Vec<String> = all.into_iter().map(|one| told(&one.wait_with_output().expect("it ends"))).collect();
    told.sort();
    assert_eq!(told, ["Already", "Already", "Already", "Already", "New"]);
    assert_eq!(server.packs_asked_for(), 2, "one asked for refs and pack");
    is_mirrored(&repo);
}

#[test]
fn whoever_quits_in_a_hurry_leaves_no_git_behind() {
    let repo = Repo::fixture("backports");
    let server =
        GitServer::start(root(&repo), |before| if before == 0 { Connection::Silence } else { Connection::Daemon });
    let url = server.url("repo/.git");
    let mut quick = drive(&repo, "quit", &url);
    block_on(server.until_silent(1));
    quick.stdin.take().expect("a pipe").write_all(b"now\n").expect("it reads");
    assert_eq!(quick.wait().expect("it ends").code(), Some(130));
    // Killed, but it didn't stay to see it.
    while !repo.left_running().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(told(&drive(&repo, "clone", &url).wait_with_output().expect("it ends")), "New");
    is_mirrored(&repo);
}

#[cfg(target_os = "linux")]
#[test]
fn no_descriptor_and_no_child_is_left_by_transfers_that_were_ended() {
    let repo = Repo::fixture("backports");
    let server = HttpServer::start(root(&repo), |request, before| {
        if request.method == "POST" && before % 2 == 1 { Answer::Hold(100) } else { Answer::Git }
    });
    let driven = drive(&repo, "leaks", &server.url("repo/.git")).wait_with_output().expect("it ends");
    let told = told(&driven);
    let (before, after) = told.split_at(told.len() / 2);
    assert_eq!(before.trim(), after.trim());
    assert!(before.ends_with(", 0)"), "{told}");
    assert_eq!(names_in(&repo.home().join("mirrors")), [""; 0]);
}

#[test]
fn a_mirror_in_use_is_removed_when_that_is_over() {
    let repo = Repo::fixture("backports");
    let server = HttpServer::start(root(&repo), |request, before| {
        if request.method == "POST" && before == 1 { Answer::Hold(100) } else { Answer::Git }
    });
    let url = server.url("repo/.git");
    let cloning = drive(&repo, "clone", &url);
    block_on(server.until_held(1));
    let (place, options) = (place(&repo), options(&repo));
    let remove = mirror::remove(&place, &options);
    let release = async {
        smol::future::yield_now().await;
        server.release();
    };
    block_on(smol::future::zip(remove, release)).0.expect("it is removed");
    assert_eq!(told(&cloning.wait_with_output().expect("it ends")), "New");
    assert_eq!(names_in(&repo.home().join("mirrors")), [""; 0]);
    block_on(mirror::remove(&place, &options)).expect("there is nothing to remove");
    assert_eq!(names_in(&repo.home().join("mirrors")), [""; 0]);
}

/// Runs it at a terminal of its own, and gives what that showed. Each answer is typed when its question is there.
fn at_a_terminal(repo: &Repo, verb: &str, url: &str, dialogue: &[(&str, &str)]) -> String {
    let driven = driving(repo, verb, url);
    let words = std::iter::once(driven.get_program()).chain(driven.get_args());
    let words: Vec<String> = words.map(|word| format!("'{}'", word.to_string_lossy())).collect();
    // script(1) of util-linux makes the terminal.
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &words.join(" "), "/dev/null"]);
    repo.mark(&mut command).envs(driven.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("script(1) starts");
    let mut keyboard = child.stdin.take().expect("a pipe");
    let mut screen = child.stdout.take().expect("a pipe");
    let (mut shown, mut answers) = (Vec::new(), dialogue.iter());
    let mut next = answers.next();
    let mut byte = [0];
    while screen.read(&mut byte).expect("it is read") > 0 {
        shown.push(byte[0]);
        if let Some((question, answer)) = next
            && shown.ends_with(question.as_bytes())
        {
            keyboard.write_all(answer.as_bytes()).expect("it is typed");
            next = answers.next();
        }
    }
    child.wait().expect("it ends");
    String::from_utf8_lossy(&shown).into_owned()
}

#[cfg(target_os = "linux")]
#[test]
fn at_a_terminal_git_asks_if_it_may_and_is_not_stopped() {
    let repo = Repo::fixture("backports");
    let server = HttpServer::start(root(&repo), |request, _| {
        if request.header("authorization") == "Basic bWU6c2VjcmV0" { Answer::Git } else { Answer::Status(401) }
    });
    let url = server.url("repo/.git");
    let host = url.trim_end_matches("/repo/.git");
    let username = format!("\nUsername for '{host}': ");
    let password = format!("Password for '{}': ", host.replace("://", "://me@"));
    let dialogue = [(username.as_str(), "me\n"), (password.as_str(), "secret\n")];
    // Nobody is asked: it can't be, without being stopped as one in the background.
    let shown = at_a_terminal(&repo, "clone", &url, &dialogue);
    assert!(shown.contains("failed: authentication"), "{shown}");
    assert!(!shown.contains(dialogue[0].0), "{shown}");
    let shown = at_a_terminal(&repo, "clone-asking", &url, &dialogue);
    assert!(dialogue.iter().all(|(question, _)| shown.contains(question)), "{shown}");
    assert!(shown.contains("told: New"), "{shown}");
    assert!(!shown.contains("secret"), "{shown}");
    is_mirrored(&repo);
}
