//! Clone and fetch through git, over every transport that can be had on loopback, and every way in which they fail. git is the oracle:
//! a mirror has the branches and tags that `git for-each-ref` lists on the other side, and `git fsck` finds nothing wrong.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use git_bhfuil::clock::{Clock, ManualClock};
use git_bhfuil::error::{self, Kind};
use git_bhfuil::gitcli::credential::{self, Credential, Realm};
use git_bhfuil::gitcli::progress::Phase;
use git_bhfuil::gitcli::transfer::{self, Refs, Session};
use git_bhfuil::gitcli::{Bounds, Ended, Program};
use git_bhfuil::repos::mirror::{self, Cloned, News, Options};
use git_bhfuil::retry::{Chance, Strategy};
use git_bhfuil::shutdown::Token;
use smol::future::{block_on, or, zip};

use remotes::{Answer, Connection, GitServer, HttpServer, names_in};
use support::Repo;

#[path = "support/remotes.rs"]
mod remotes;
mod support;

/// A repository to be mirrored, the folder `mirrors` for that, and what bounds it.
struct Case {
    repo: Repo,
    place: PathBuf,
    hands: ManualClock,
    options: Options,
}

impl Case {
    fn new(repo: Repo) -> Self {
        let hands = ManualClock::new();
        let options = Options {
            git: repo.program(),
            timeout: None,
            retry: Strategy { attempts: 3, first_wait: Duration::from_secs(1), longest_wait: Duration::from_secs(9) },
            chance: Chance::seeded(1),
            clock: Clock::from(&hands),
            ..Options::for_clone()
        };
        let place = repo.home().join("mirrors/x.git");
        std::fs::create_dir(repo.home().join("mirrors")).expect("a folder");
        Self { repo, place, hands, options }
    }

    /// One whose git is `script` for clone and fetch.
    fn with_git(script: &str) -> Self {
        let mut case = Self::new(Repo::new());
        case.options.git = case.repo.program_with(script).with_grace(Duration::from_millis(50));
        case
    }

    fn root(&self) -> &Path {
        self.repo.path().parent().expect("a folder")
    }

    fn file_url(&self) -> String {
        format!("file://{}", self.repo.path().display())
    }

    /// Clones, the clock going from one wait to the next; the result, and how the attempts went: `None` for well.
    fn clone(&self, url: &str) -> (anyhow::Result<Cloned>, Vec<Option<Kind>>) {
        let mut seen = Vec::new();
        let work = mirror::clone(url, &self.place, &self.options, |news| note(&mut seen, &news));
        let result = block_on(or(work, self.time()));
        (result, seen)
    }

    fn fetch(&self) -> (anyhow::Result<()>, Vec<Option<Kind>>) {
        let mut seen = Vec::new();
        let work = mirror::fetch(&self.place, &self.options, |news| note(&mut seen, &news));
        let result = block_on(or(work, self.time()));
        (result, seen)
    }

    /// Wakes whoever sleeps, for ever.
    async fn time<T>(&self) -> T {
        loop {
            self.hands.until_asleep(1).await;
            let _ = self.hands.advance_to_next();
            smol::future::yield_now().await;
        }
    }

    /// A clone that ought to fail at the first attempt, with nothing left.
    fn refused(&self, url: &str) -> anyhow::Error {
        let (result, seen) = self.clone(url);
        let error = result.expect_err(url);
        assert_eq!(seen, [Some(error::kind_of(&error))], "{url}: {error:#}");
        self.nothing_is_left();
        error
    }

    fn nothing_is_left(&self) {
        assert_eq!(self.repo.left_running(), [""; 0]);
        assert_eq!(names_in(&self.repo.home().join("mirrors")), [""; 0]);
    }

    /// The mirror is as the other side is now, whole, and alone in its folder.
    fn is_mirrored(&self) {
        let refs = ["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags"];
        let mirror = |args: &[&str]| {
            let place = &self.place;
            let output = self.repo.git_command().arg("--git-dir").arg(place).args(args).output().expect("git runs");
            assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned()
        };
        assert_eq!(mirror(&refs), self.repo.git(&refs));
        assert_eq!(mirror(&["symbolic-ref", "HEAD"]), self.repo.git(&["symbolic-ref", "HEAD"]));
        mirror(&["fsck", "--full", "--strict"]);
        assert_eq!(mirror(&["rev-parse", "--is-bare-repository"]), "true");
        assert_eq!(names_in(&self.repo.home().join("mirrors")), ["x.git"]);
        assert_eq!(self.repo.left_running(), [""; 0]);
    }
}

/// Notes how an attempt went, if the news is of one.
fn note(seen: &mut Vec<Option<Kind>>, news: &News<'_>) {
    if let News::Tried(tried) = news {
        seen.push(tried.error.map(error::kind_of));
    }
}

fn backports() -> Case {
    Case::new(Repo::fixture("backports"))
}

/// What a stand-in does that is to succeed.
const MAKE: &str = "PATH=${PATH#*:} git init --quiet --bare \"$place\"";

/// A repository whose pack fills many packets.
fn large() -> Case {
    let case = backports();
    let mut state = 7_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    for number in 0..20 {
        let bytes: Vec<u8> = (0..40_000).map(|_| noise()).collect();
        std::fs::write(case.repo.path().join(format!("noise-{number}")), bytes).expect("a file");
    }
    case.repo.git(&["add", "."]);
    case.repo.git(&["commit", "--quiet", "-m", "noise"]);
    case
}

/// The other side goes on: new commits, branches and tags that move, go, and stand in each other's way.
fn go_on(repo: &Repo) {
    repo.shell(
        "set -e; export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a
        git checkout --quiet -b topic
        git commit --quiet --allow-empty -m more
        git branch dir/one
        git tag -f moving >/dev/null
        git checkout --quiet main",
    );
}

fn go_on_again(repo: &Repo) {
    repo.shell(
        "set -e; export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a
        git checkout --quiet topic
        git commit --quiet --allow-empty --amend -m other
        git branch --quiet -D dir/one
        git branch dir
        git tag -f moving >/dev/null
        git tag -d $(git tag --list | grep -v moving | head -n 1) >/dev/null
        git branch -m main trunk",
    );
}

/// Basic authentication with `me` and `secret`.
fn authorized(request: &remotes::Request) -> bool {
    request.header("authorization") == "Basic bWU6c2VjcmV0"
}

/// A credential helper that knows `password`, and keeps a diary.
fn helper(repo: &Repo, password: &str) -> PathBuf {
    let diary = repo.home().join("diary");
    let answer = format!("test $1 = get && printf 'username=me\\npassword={password}\\n'");
    let helper = format!("!f() {{ echo $1 >> '{}'; {answer}; }}; f", diary.display());
    let file = repo.home().join(".gitconfig");
    let status = repo.git_command().args(["config", "--file"]).arg(file).args(["credential.helper", &helper]).status();
    assert!(status.expect("git runs").success());
    diary
}

#[test]
fn a_mirror_follows_branches_tags_and_head_over_a_file_url() {
    let case = backports();
    let (cloned, seen) = case.clone(&case.file_url());
    assert_eq!((cloned.expect("it is cloned"), seen.as_slice()), (Cloned::New, &[None][..]));
    case.is_mirrored();
    // HEAD of the mirror names a branch that the second step takes away.
    for step in [go_on, go_on_again] {
        step(&case.repo);
        let (fetched, seen) = case.fetch();
        fetched.expect("it is fetched");
        assert_eq!(seen, [None]);
        case.is_mirrored();
    }
}

#[test]
fn a_mirror_is_tidied_by_git_when_it_is_time_and_a_fetch_alone_tidies_nothing() {
    let case = backports();
    case.clone(&case.file_url()).0.expect("it is cloned");
    let packs = || {
        let names = names_in(&case.place.join("objects/pack"));
        names.iter().filter(|name| Path::new(name).extension().is_some_and(|end| end == "pack")).count()
    };
    for (key, value) in [("gc.autoPackLimit", "1"), ("fetch.unpackLimit", "1"), ("transfer.unpackLimit", "1")] {
        let file = case.repo.home().join(".gitconfig");
        let status = case.repo.git_command().args(["config", "--file"]).arg(file).args([key, value]).status();
        assert!(status.expect("git runs").success());
    }
    go_on(&case.repo);
    let (clock, token) = (Clock::Real, Token::new());
    let session = Session {
        program: &case.options.git,
        bounds: Bounds { clock: &clock, token: &token, deadline: None },
        prompts: false,
    };
    block_on(transfer::fetch(&session, &case.place, Refs::Mirror, &mut |_| ())).expect("it is fetched");
    assert_eq!(packs(), 2);
    case.fetch().0.expect("it is fetched");
    assert_eq!(packs(), 1);
    case.is_mirrored();
}

#[test]
fn an_empty_repository_and_another_object_format_are_mirrored() {
    for repo in [Repo::new(), Repo::fixture_in("backports", &[("GIT_DEFAULT_HASH", "sha256")])] {
        let case = Case::new(repo);
        case.clone(&case.file_url()).0.expect("it is cloned");
        case.is_mirrored();
        case.fetch().0.expect("it is fetched");
        case.is_mirrored();
    }
}

#[test]
fn what_is_there_already_is_left_alone() {
    let case = backports();
    let url = case.file_url();
    case.clone(&url).0.expect("it is cloned");
    assert_eq!(case.clone(&url).0.expect("it is there"), Cloned::Already);
    case.is_mirrored();
    let other = case.clone("file:///other").0.expect_err("another one is there");
    assert_eq!(error::kind_of(&other), Kind::BadValue);
    assert!(other.to_string().contains(&url), "{other}");
    case.is_mirrored();
    // A repository of the user's, whose branches a fetch would overwrite.
    let own = Repo::fixture("tags");
    let refused = block_on(mirror::fetch(&own.path().join(".git"), &case.options, |_| ()));
    assert_eq!(error::kind_of(&refused.expect_err("it is no mirror")), Kind::BadValue);
    let missing = block_on(mirror::fetch(&own.home().join("nowhere"), &case.options, |_| ()));
    assert_eq!(error::kind_of(&missing.expect_err("there is none")), Kind::NoRepository);
}

#[test]
fn a_repository_of_the_users_is_fetched_as_it_is_configured() {
    let case = backports();
    let (repo, own) = (&case.repo, case.repo.home().join("own"));
    let git = |args: &[&str]| {
        let output = repo.git_command().arg("-C").arg(&own).args(args).output().expect("git runs");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    };
    repo.git(&["clone", "--quiet", &case.file_url(), own.to_str().expect("UTF-8")]);
    let before = git(&["for-each-ref", "refs/heads"]);
    go_on(repo);
    let (clock, token) = (Clock::Real, Token::new());
    let bounds = Bounds { clock: &clock, token: &token, deadline: None };
    let session = Session { program: &case.options.git, bounds, prompts: false };
    let git_dir = own.join(".git");
    block_on(transfer::fetch(&session, &git_dir, Refs::AsConfigured, &mut |_| ())).expect("it is fetched");
    assert_eq!(git(&["for-each-ref", "refs/heads"]), before, "its own branches stay");
    assert_eq!(git(&["rev-parse", "refs/remotes/origin/topic"]), repo.git(&["rev-parse", "topic"]));
}

#[test]
fn gits_own_store_learns_and_forgets_a_password() {
    let repo = Repo::new();
    std::fs::write(repo.home().join(".gitconfig"), "[credential]\n\thelper = store\n").expect("a file");
    let (program, clock, token) = (repo.program(), Clock::Real, Token::new());
    let bounds = Bounds { clock: &clock, token: &token, deadline: None };
    let session = Session { program: &program, bounds, prompts: false };
    let realm = Realm { protocol: "https".into(), host: "example.com:8443".into(), ..Realm::default() };
    let unknown = block_on(credential::fill(&session, &realm)).expect_err("nobody knows it, nobody is asked");
    assert_eq!(error::kind_of(&unknown), Kind::Authentication);
    assert!(error::hint_of(&unknown).is_some_and(|hint| hint.contains("credential.helper")));
    let known = Credential { realm: realm.clone(), username: "me".into(), password: "se cret=".into() };
    block_on(credential::approve(&session, &known)).expect("it is kept");
    assert_eq!(block_on(credential::fill(&session, &realm)).expect("it is known"), known);
    block_on(credential::reject(&session, &known)).expect("it is forgotten");
    assert!(block_on(credential::fill(&session, &realm)).is_err());
    assert_eq!(std::fs::read(repo.home().join(".git-credentials")).expect("the store"), b"");
}

#[test]
fn a_password_comes_from_gits_own_helper() {
    let case = backports();
    let server = HttpServer::start(
        case.root(),
        |request, _| {
            if authorized(request) { Answer::Git } else { Answer::Status(401) }
        },
    );
    let diary = helper(&case.repo, "secret");
    case.clone(&server.url("repo/.git")).0.expect("it is cloned");
    case.is_mirrored();
    go_on(&case.repo);
    case.fetch().0.expect("it is fetched");
    case.is_mirrored();
    let told = std::fs::read_to_string(diary).expect("the helper was asked");
    assert_eq!(told.lines().collect::<Vec<_>>(), ["get", "store", "get", "store"]);
    let config = std::fs::read_to_string(case.place.join("config")).expect("a file");
    assert!(!config.contains("secret"), "{config}");
}

#[test]
fn a_wrong_password_or_none_is_told_at_once_and_not_tried_again() {
    let server = |case: &Case| {
        HttpServer::start(case.root(), |request, _| if authorized(request) { Answer::Git } else { Answer::Status(401) })
    };
    let wrong = Case::new(Repo::new());
    let diary = helper(&wrong.repo, "mistaken");
    let asked = server(&wrong);
    let error = wrong.refused(&asked.url("repo/.git"));
    assert_eq!(error::kind_of(&error), Kind::Authentication);
    assert!(error.to_string().contains("Authentication failed"), "{error:#}");
    assert!(error::hint_of(&error).is_some_and(|hint| hint.contains("credential.helper")));
    let told = std::fs::read_to_string(diary).expect("the helper was asked");
    assert_eq!(told.lines().collect::<Vec<_>>(), ["get", "erase"]);

    let none = Case::new(Repo::new());
    let asked = server(&none);
    let error = none.refused(&asked.url("repo/.git"));
    assert_eq!((error::kind_of(&error), asked.requests()), (Kind::Authentication, 1));

    // git puts it into the URL of the clone, and so do we, but no message has it.
    let within = Case::new(Repo::new());
    let asked = server(&within);
    let url = asked.url("repo/.git").replace("http://", "http://me:mistaken@");
    let error = within.refused(&url);
    assert_eq!(error::kind_of(&error), Kind::Authentication);
    let all = format!("{error:#} {:?} {error:?}", error::hint_of(&error));
    assert!(!all.contains("mistaken"), "{all}");
}

#[test]
fn only_what_may_pass_is_tried_again() {
    let table = [
        (403, Kind::Remote, 1),
        (404, Kind::RemoteNotFound, 1),
        (410, Kind::RemoteNotFound, 1),
        (429, Kind::Network, 3),
        (500, Kind::Network, 3),
        (503, Kind::Network, 3),
    ];
    for (status, kind, attempts) in table {
        let case = Case::new(Repo::new());
        let server = HttpServer::start(case.root(), move |_, _| Answer::Status(status));
        let (result, seen) = case.clone(&server.url("repo/.git"));
        let error = result.expect_err("it is refused");
        assert_eq!((seen.len(), server.requests()), (attempts, attempts), "{status}: {error:#}");
        assert!(seen.iter().all(|seen| *seen == Some(kind)), "{status}: {seen:?}");
        assert_eq!(error::kind_of(&error), kind, "{status}");
        assert!(error::hint_of(&error).is_some(), "{status}");
        case.nothing_is_left();
    }
}

#[test]
fn a_remote_that_drops_in_the_middle_is_asked_once_more() {
    let case = large();
    // The first that is posted asks for the refs, the second for the pack.
    let server = HttpServer::start(case.root(), |request, before| {
        if request.method == "POST" && before == 1 { Answer::Cut(300_000) } else { Answer::Git }
    });
    let (cloned, seen) = case.clone(&server.url("repo/.git"));
    cloned.expect("the second attempt succeeds");
    assert_eq!((seen, server.packs_asked_for()), (vec![Some(Kind::Network), None], 4));
    case.is_mirrored();
}

#[test]
fn a_daemon_serves_and_one_that_drops_is_asked_once_more() {
    let case = large();
    let server = GitServer::start(case.root(), |before| match before {
        0 => Connection::Cut(300_000),
        2 => Connection::Cut(100),
        _ => Connection::Daemon,
    });
    let (cloned, seen) = case.clone(&server.url("repo/.git"));
    cloned.expect("the second attempt succeeds");
    assert_eq!((seen, server.connections()), (vec![Some(Kind::Network), None], 2));
    case.is_mirrored();
    go_on(&case.repo);
    let (fetched, seen) = case.fetch();
    fetched.expect("the second attempt succeeds");
    assert_eq!((seen, server.connections()), (vec![Some(Kind::Network), None], 4));
    case.is_mirrored();
    let missing = Case::new(Repo::new());
    let error = missing.refused(&server.url("nowhere"));
    assert_eq!((error::kind_of(&error), server.connections()), (Kind::RemoteNotFound, 5));
}

#[test]
fn a_remote_that_never_answers_is_given_up_by_the_clock() {
    let mut case = backports();
    let server =
        GitServer::start(case.root(), |before| if before == 1 { Connection::Daemon } else { Connection::Silence });
    let url = server.url("repo/.git");
    case.options.timeout = Some(Duration::from_secs(30));
    let wait = |silent| {
        let (hands, server) = (&case.hands, &server);
        async move {
            // The only sleeper is the deadline: nothing else waits while git does.
            server.until_silent(silent).await;
            hands.until_asleep(1).await;
            hands.advance(Duration::from_secs(30));
        }
    };
    let place = &case.place;
    let tell = |news: News<'_>| assert!(!matches!(news, News::Progress(_)));
    let error = block_on(zip(mirror::clone(&url, place, &case.options, tell), wait(1))).0.expect_err("it is silent");
    assert_eq!(error::kind_of(&error), Kind::Timeout);
    assert_eq!(error::message_of(&error), format!("cloning {url} took longer than 30 s"));
    assert_eq!(error::hint_of(&error), Some("bhfuil.timeout.clone sets how long it may take"));
    case.nothing_is_left();

    let timeout = case.options.timeout.take();
    case.clone(&url).0.expect("this time it answers");
    case.options.timeout = timeout;
    let error = block_on(zip(mirror::fetch(place, &case.options, |_| ()), wait(2))).0.expect_err("it is silent");
    assert_eq!(error::kind_of(&error), Kind::Timeout);
    assert_eq!(error::hint_of(&error), Some("bhfuil.timeout.fetch sets how long it may take"));
    case.is_mirrored();
}

#[test]
fn progress_is_told_while_the_pack_still_comes() {
    let case = large();
    let server = HttpServer::start(case.root(), |request, before| {
        if request.method == "POST" && before == 1 { Answer::Hold(200_000) } else { Answer::Git }
    });
    let phases = Mutex::new(Vec::new());
    let url = server.url("repo/.git");
    let work = mirror::clone(&url, &case.place, &case.options, |news| {
        if let News::Progress(progress) = news {
            // Were it told only at the end, there would be none.
            if progress.phase == Phase::Receiving {
                server.release();
            }
            phases.lock().expect("no panic").push(progress);
        }
    });
    block_on(work).expect("it is cloned");
    let phases = phases.into_inner().expect("no panic");
    let last = phases.iter().rfind(|progress| progress.phase == Phase::Receiving).expect("objects were received");
    assert_eq!((Some(last.done), last.percent(), last.finished), (last.total, Some(100), true));
    assert!(last.bytes.is_some_and(|bytes| bytes > 0), "{last:?}");
    assert!(phases.iter().any(|progress| progress.phase == Phase::Counting), "the other side's too: {phases:?}");
    case.is_mirrored();
}

/// What ends a transfer in the middle.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Cancelled,
    Dropped,
}

/// Runs `work` until `held` is over, then ends it; its error, if it came to tell one.
fn ended<T: std::fmt::Debug>(
    end: End,
    token: &Token,
    work: impl Future<Output = anyhow::Result<T>>,
    held: impl Future<Output = ()>,
) -> Option<Kind> {
    let stop = async {
        held.await;
        if end == End::Cancelled {
            token.cancel();
            std::future::pending::<()>().await;
        }
        None
    };
    let result = block_on(or(async { Some(work.await) }, stop));
    result.map(|result| error::kind_of(&result.expect_err("it was ended")))
}

#[test]
fn whoever_cancels_or_drops_a_transfer_finds_nothing_left() {
    for (end, told) in [(End::Cancelled, Some(Kind::Cancelled)), (End::Dropped, None)] {
        let mut case = backports();
        let server = HttpServer::start(case.root(), |request, before| {
            // The pack of the first clone; the second clone asks for the third and fourth thing, the fetch for more.
            if request.method == "POST" && [1, 5].contains(&before) { Answer::Hold(500) } else { Answer::Git }
        });
        let url = server.url("repo/.git");
        let work = mirror::clone(&url, &case.place, &case.options, |_| ());
        assert_eq!(ended(end, &case.options.token, work, server.until_held(1)), told);
        case.nothing_is_left();

        case.options.token = Token::new();
        case.clone(&url).0.expect("it is cloned");
        let before = names_in(&case.place);
        go_on(&case.repo);
        let work = mirror::fetch(&case.place, &case.options, |_| ());
        assert_eq!(ended(end, &case.options.token, work, server.until_held(2)), told);
        assert_eq!(names_in(&case.place), before, "no lock, no list of what was fetched");
        assert!(names_in(&case.place.join("objects/pack")).iter().all(|name| name.starts_with("pack-")));
        assert_eq!(case.repo.left_running(), [""; 0]);

        case.options.token = Token::new();
        server.release();
        case.fetch().0.expect("it is fetched");
        case.is_mirrored();
    }
}

#[test]
fn a_git_that_will_not_end_is_killed_with_all_that_it_started() {
    // It leads a group of its own if nobody can be asked, and shares ours if somebody can.
    for prompts in [false, true] {
        for end in [End::Cancelled, End::Dropped] {
            let script =
                "trap '' TERM; (trap '' TERM; sleep 1000 & wait) & sleep 1000 & echo x > \"$HOME/runs\"; wait; wait";
            let mut case = Case::with_git(script);
            case.options.prompts = prompts;
            let place = &case.place;
            let work = mirror::clone("file:///x", place, &case.options, |_| ());
            let runs = async {
                while !case.repo.home().join("runs").exists() || case.repo.left_running().len() < 4 {
                    smol::Timer::after(Duration::from_millis(5)).await;
                }
            };
            let told = ended(end, &case.options.token, work, runs);
            assert_eq!(told, (end == End::Cancelled).then_some(Kind::Cancelled));
            case.nothing_is_left();
        }
    }
}

#[test]
fn both_pipes_are_drained_however_much_comes() {
    let much = "i=0; while [ $i -lt 20000 ]; do echo 'a line of some length that fills the pipe'; i=$((i + 1)); done";
    let script = format!("{MAKE}; {{ {much}; }} & {{ {much}; }} >&2; wait");
    let mut case = Case::with_git(&script);
    // A deadline of the real clock, so that the test ends even if the child doesn't.
    (case.options.clock, case.options.timeout) = (Clock::Real, Some(Duration::from_mins(5)));
    let place = &case.place;
    block_on(mirror::clone("file:///x", place, &case.options, |_| ())).expect("the stand-in succeeds");
    assert_eq!(names_in(&case.repo.home().join("mirrors")), ["x.git"]);
}

#[test]
fn whoever_keeps_a_pipe_open_is_not_waited_for() {
    // As ssh does that later connections share.
    let case = Case::with_git(&format!("{MAKE}; sleep 1000 & echo $! > \"$HOME/kept\""));
    let (result, seen) = case.clone("file:///x");
    result.expect("the stand-in succeeds");
    assert_eq!((seen, case.repo.left_running().len()), (vec![None], 1), "it was left on purpose, and isn't ended");
    case.repo.shell("kill $(cat \"$HOME/kept\")");
}

#[test]
fn a_killed_git_is_told_with_its_signal_and_its_last_lines() {
    let case = Case::with_git("echo one >&2; printf 'Receiving objects:  45%% (1/2)\\rtwo' >&2; kill -KILL $$");
    let error = case.refused("file:///x");
    assert_eq!(error::kind_of(&error), Kind::Git);
    assert_eq!(error::message_of(&error), "cloning file:///x failed: git clone was ended by signal 9 (SIGKILL)");
    let ended = error.chain().find_map(|cause| cause.downcast_ref::<Ended>()).expect("how it ended");
    assert_eq!((ended.code, ended.signal), (None, Some(9)));
    assert_eq!(ended.last_lines, ["one", "two"]);
    // An interrupt from the terminal reaches git as well as us.
    let case = Case::with_git("kill -INT $$");
    assert_eq!(error::kind_of(&case.refused("file:///x")), Kind::Cancelled);
}

#[test]
fn a_failure_has_its_exit_status_and_a_full_disk_is_freed_again() {
    let full = "fatal: write error: No space left on device";
    let case = Case::with_git(&format!("mkdir -p \"$place/objects/pack\"; echo '{full}' >&2; exit 128"));
    let error = case.refused("file:///x");
    assert_eq!(error::kind_of(&error), Kind::DiskFull);
    let message = "cloning file:///x: write error: No space left on device: git clone ended with exit status 128";
    assert_eq!(error::message_of(&error), message);

    let mut case = backports();
    case.clone(&case.file_url()).0.expect("it is cloned");
    let packs = names_in(&case.place.join("objects/pack"));
    let script = format!(
        "place=${{GIT_DIR:-{}}}; echo x > \"$place/objects/pack/tmp_pack_x\"; echo '{full}' >&2; exit 1",
        case.place.display()
    );
    case.options.git = case.repo.program_with(&script);
    let (result, seen) = case.fetch();
    assert_eq!((error::kind_of(&result.expect_err("it is full")), seen), (Kind::DiskFull, vec![Some(Kind::DiskFull)]));
    assert_eq!(names_in(&case.place.join("objects/pack")), packs);
}

#[test]
fn a_repository_that_is_broken_there_is_told_as_such() {
    let case = Case::new(Repo::fixture("merges"));
    let objects = case.repo.git(&["rev-list", "--all"]);
    let id = objects.lines().last().expect("a commit");
    let file = case.repo.path().join(".git/objects").join(&id[..2]).join(&id[2..]);
    let mut bytes = std::fs::read(&file).expect("a loose object");
    let half = bytes.len() / 2;
    bytes.truncate(half);
    std::fs::remove_file(&file).expect("it goes");
    std::fs::write(&file, bytes).expect("it comes back broken");
    let error = case.refused(&case.file_url());
    assert_eq!(error::kind_of(&error), Kind::Remote, "{error:#}");
}

#[test]
fn what_is_no_url_or_not_allowed_is_the_users_to_mend() {
    let case = Case::new(Repo::new());
    for url in ["--upload-pack=touch \"$HOME/run\"", "-x", ""] {
        let error = block_on(mirror::clone(url, &case.place, &case.options, |_| ())).expect_err("it is no URL");
        assert_eq!(error::kind_of(&error), Kind::BadUrl, "{url}");
    }
    let run = case.repo.home().join("run");
    let evil = format!("ext::sh -c touch% {}", run.display());
    let error = case.refused(&evil);
    assert_eq!((error::kind_of(&error), run.exists()), (Kind::BadUrl, false), "{error:#}");
    assert!(error::hint_of(&error).is_some_and(|hint| hint.contains("protocol.<name>.allow")));
    for url in ["http://exa mple/x", "http://127.0.0.1:99999/x"] {
        assert_eq!(error::kind_of(&case.refused(url)), Kind::BadUrl, "{url}");
    }
    assert_eq!(error::kind_of(&case.refused("foo://bar/x")), Kind::Remote);
    assert_eq!(error::kind_of(&case.refused("file:///nowhere/at/all")), Kind::RemoteNotFound);
    assert_eq!(error::kind_of(&case.refused("/nowhere/at/all")), Kind::RemoteNotFound);
    assert!(!run.exists());
}

#[test]
fn ext_is_for_those_who_have_allowed_it() {
    let case = backports();
    std::fs::write(case.repo.home().join(".gitconfig"), "[protocol \"ext\"]\n\tallow = always\n").expect("a file");
    let url = format!("ext::git %s {}", case.repo.path().display());
    case.clone(&url).0.expect("it is allowed");
    case.is_mirrored();
}

/// What the stand-in found in its environment.
fn environment(prompts: bool, user: &[(&str, &str)], config: &str) -> String {
    let mut case = Case::with_git(&format!("{MAKE}; {{ env; cut -d ' ' -f 5 /proc/$$/stat; }} > \"$HOME/env\""));
    std::fs::write(case.repo.home().join(".gitconfig"), config).expect("a file");
    case.options.prompts = prompts;
    case.options.git = user.iter().fold(case.options.git.clone(), |git, (name, value)| git.with(*name, *value));
    block_on(mirror::clone("file:///x", &case.place, &case.options, |_| ())).expect("the stand-in succeeds");
    std::fs::read_to_string(case.repo.home().join("env")).expect("it was written")
}

#[test]
fn nobody_is_asked_unless_somebody_can_answer() {
    let has = |text: &str, line: &str| text.lines().any(|there| there == line);
    let alone = environment(false, &[("GIT_ASKPASS", "mine"), ("SSH_ASKPASS", "too"), ("GIT_DIR", "/elsewhere")], "");
    for line in ["GIT_TERMINAL_PROMPT=0", "GIT_SSH_COMMAND=ssh -o BatchMode=yes", "GIT_ASKPASS=mine", "SSH_ASKPASS=too"]
    {
        assert!(has(&alone, line), "{line}: {alone}");
    }
    assert!(has(&alone, "LC_ALL=C.UTF-8") && !alone.contains("GIT_DIR="), "{alone}");
    let config = "[core]\n\tsshCommand = /opt/bin/ssh -v\n";
    assert!(has(&environment(false, &[], config), "GIT_SSH_COMMAND=/opt/bin/ssh -v -o BatchMode=yes"));
    let own = environment(false, &[("GIT_SSH_COMMAND", "ssh -i key")], config);
    assert!(has(&own, "GIT_SSH_COMMAND=ssh -i key -o BatchMode=yes"), "{own}");
    let other = environment(false, &[("GIT_SSH", "/opt/bin/plink")], "");
    assert!(has(&other, "GIT_SSH=/opt/bin/plink") && !other.contains("GIT_SSH_COMMAND="), "{other}");
    // In a group of its own it could not read from the terminal.
    let asking = environment(true, &[], config);
    assert!(!asking.contains("GIT_TERMINAL_PROMPT=") && !asking.contains("GIT_SSH_COMMAND="), "{asking}");
    let group = |text: &str| text.lines().last().expect("a group").to_owned();
    assert_eq!(group(&asking), own_group(), "ours");
    assert_ne!(group(&alone), own_group(), "its own");
}

/// The process group of this process.
fn own_group() -> String {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("proc(5)");
    stat.rsplit(')').next().expect("fields").split_ascii_whitespace().nth(2).expect("a group").to_owned()
}

#[test]
fn a_question_to_git_ends_with_whoever_asked_it() {
    let case = Case::with_git("exit 1");
    let git = Program::at(case.repo.stand_in("echo $$ > \"$HOME/runs\"; sleep 1000 & wait").join("git"));
    let git = git.with("HOME", case.repo.home()).with("GIT_BHFUIL_TEST_MARK", case.repo.home());
    let (clock, token) = (Clock::Real, Token::new());
    let bounds = Bounds { clock: &clock, token: &token, deadline: None };
    let session = Session { program: &git, bounds, prompts: false };
    let work = async { transfer::ask(&session, None, &["rev-parse"]).await.map(drop) };
    let runs = async {
        while case.repo.left_running().len() < 2 {
            smol::Timer::after(Duration::from_millis(5)).await;
        }
    };
    assert_eq!(ended(End::Dropped, &token, work, runs), None);
    assert_eq!(case.repo.left_running(), [""; 0]);
}

#[test]
fn transfers_can_be_spawned_on_any_executor() {
    fn is_send<T: Send>(future: T) -> T {
        future
    }
    let case = backports();
    let (url, place) = (case.file_url(), &case.place);
    block_on(is_send(mirror::clone(&url, place, &case.options, |_| ()))).expect("it is cloned");
    block_on(is_send(mirror::fetch(place, &case.options, |_| ()))).expect("it is fetched");
    block_on(is_send(mirror::remove(place, &case.options))).expect("it is removed");
    case.nothing_is_left();
}
