//! A program that does with the library what the commands do, on an executor of its own: two threads that run what may move between them,
//! and the first thread, which waits for the rest. It goes through the table "The concurrent core" of the crate from top to bottom.

#[path = "library/asking.rs"]
mod asking;
mod support;
#[path = "support/web.rs"]
mod web;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use git_bhfuil::cache::database::{Database, Schema};
use git_bhfuil::clock::{Clock, Deadline, ManualClock};
use git_bhfuil::config::{Config, OwnFile, Sources};
use git_bhfuil::error::{self, Kind};
use git_bhfuil::files::{self, Lock};
use git_bhfuil::git::{GIT_LIMIT, Repository};
use git_bhfuil::health::{self, Scene};
use git_bhfuil::index::{Ahead, Index};
use git_bhfuil::monitor::{Monitor, history};
use git_bhfuil::pipeline::Pool;
use git_bhfuil::progress::{self, State as Going};
use git_bhfuil::report::Strand;
use git_bhfuil::repos::mirror::{self, Cloned};
use git_bhfuil::repos::{Entry, Limit, Registry, Selection};
use git_bhfuil::retry::{Chance, Operation, Strategy, Tries, retry};
use git_bhfuil::scan::{self, Sought};
use git_bhfuil::shutdown::Token;
use git_bhfuil::tasks::{Ledger, Outcome, Priority, Rules, Said, State, Tasks, Turn};
use git_bhfuil::{locate, upkeep};
use smol::Executor;
use smol::future::{block_on, zip};

use support::{Repo, run_anew, usual};

/// Where the program works; the repositories are beside it.
const PLACE: &str = "GIT_BHFUIL_TEST_PLACE";
const REPOSITORIES: &str = "GIT_BHFUIL_TEST_REPOSITORIES";

#[test]
fn another_program_does_what_the_commands_do() {
    if let Some(place) = std::env::var_os(PLACE) {
        let given = std::env::var(REPOSITORIES).expect("the first process gives it");
        let repositories = given.lines().map(|line| line.split_once(' ').expect("number and path"));
        let given: Vec<_> = repositories.map(|(count, path)| (path.into(), count.parse().expect("a number"))).collect();
        on_two_threads(|executor| block_on(program(place.as_ref(), &given, executor))).expect("it does");
        return;
    }
    let (one, two) = (Repo::synthetic(300), Repo::fixture("backports"));
    let counted = |repo: &Repo| {
        let count = repo.git(&[&["rev-list", "--count"], usual(repo)].concat());
        format!("{count} {}", repo.path().display())
    };
    run_anew(&one, "another_program_does_what_the_commands_do", |command| {
        command.env(PLACE, one.home()).env(REPOSITORIES, [&one, &two].map(counted).join("\n")).current_dir(one.home());
    });
}

/// Calls `work` while two threads of an executor run.
fn on_two_threads<T>(work: impl FnOnce(&Executor<'static>) -> T) -> T {
    let (executor, (stop, stopped)) = (Executor::new(), async_channel::bounded::<()>(1));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| block_on(executor.run(stopped.recv())));
        }
        // Also if it panics.
        let _stop = stop;
        work(&executor)
    })
}

/// `repositories` with the number of commits that git counts in each.
async fn program(place: &Path, repositories: &[(PathBuf, u64)], executor: &Executor<'static>) -> anyhow::Result<()> {
    let (monitor, pool) = (Monitor::default(), Pool::new(2)?);
    let registry = register(place, repositories).await?;
    let entries = registry.select(&Selection { all: true, ..Selection::default() }).await?;
    scan_together(&entries, repositories, &pool, &monitor).await?;
    open_a_cache(&repositories[0], &pool).await?;
    follow_elsewhere(place, &repositories[1].0).await?;
    settings_and_files(place).await?;
    keep_in_a_database(place, executor).await?;
    count_on_a_thread(executor).await;
    try_again(executor).await;
    tasks_and_prefetch(place, &repositories[0].0).await?;
    Box::pin(asking::ask_servers(place, &repositories[1].0)).await?;
    Box::pin(stop_a_scan(&repositories[0].0, &pool, &monitor)).await;
    look_back(place, &monitor, &entries).await
}

/// Registry, and of the errors that names are told apart.
async fn register(place: &Path, repositories: &[(PathBuf, u64)]) -> anyhow::Result<Registry> {
    let registry = Registry::new(OwnFile::at(place.join("own-config")));
    for (name, (path, _)) in ["large", "small"].into_iter().zip(repositories) {
        let entry = Entry { name: name.into(), path: Some(path.clone()), ..Entry::default() };
        assert_eq!(registry.add(entry).await?.name, name);
    }
    let misspelt = Selection { names: vec!["lagre".into()], ..Selection::default() };
    let refused = registry.select(&misspelt).await.expect_err("no such name");
    assert!(error::message_of(&refused).ends_with("did you mean 'large'?"), "{refused:#}");
    Ok(registry)
}

/// Repository manager, git workers, monitor: two at a time, on one pool, timed.
async fn scan_together(
    entries: &[Entry],
    repositories: &[(PathBuf, u64)],
    pool: &Pool,
    monitor: &Monitor,
) -> anyhow::Result<()> {
    let token = Token::new();
    let jobs = entries.iter().map(|entry| {
        let options = scan::Options {
            sought: Sought { dir: entry.path.clone().expect("it has one"), name: Some(entry.name.clone()) },
            cache_folder: scan::cache_folder(),
            pool: Some(pool.clone()),
            ..scan::Options::default()
        };
        let token = &token;
        async move |_slot| {
            let mut strand = Strand::mute();
            monitor.time("scan", Box::pin(scan::run(&options, &mut strand, token))).await?;
            anyhow::Ok(strand.counts()["commit"])
        }
    });
    let counts: Vec<_> = Limit::new(2).run(jobs).await.into_iter().collect::<Result<_, _>>().expect("no panic");
    for (count, (path, expected)) in counts.into_iter().zip(repositories) {
        assert_eq!(count.with_context(|| path.display().to_string())?, *expected, "{}", path.display());
    }
    let panicked = pool.run(|| -> u8 { panic!("a broken pack") }).await.expect_err("it does");
    assert_eq!(panicked.to_string(), "a worker panicked: a broken pack");
    assert_eq!(pool.run(|| 7).await?, 7, "the thread lives on");
    Ok(())
}

/// What the scan has left is what the next one begins with.
async fn open_a_cache((path, commits): &(PathBuf, u64), pool: &Pool) -> anyhow::Result<()> {
    let repository = Arc::new(Repository::find(&Sought { dir: path.clone(), name: Some("large".into()) })?);
    let mut index = Index::open(repository, scan::cache_folder().as_deref(), Ahead::Read, pool).await?;
    assert!(index.is_fresh() && index.len() as u64 == *commits);
    assert_eq!(index.graph(pool).await?.len() as u64, *commits);
    Ok(())
}

/// git program: a clone is whole or not there.
async fn follow_elsewhere(place: &Path, source: &Path) -> anyhow::Result<()> {
    let (url, mirror) = (format!("file://{}", source.display()), place.join("mirrors/small.git"));
    let mut objects = 0;
    let tell = |news: mirror::News<'_>| {
        if let mirror::News::Progress(progress) = news {
            objects = objects.max(progress.done);
        }
    };
    assert_eq!(mirror::clone(&url, &mirror, &mirror::Options::for_clone(), tell).await?, Cloned::New);
    assert!(objects > 0 && mirror.join("HEAD").exists());
    mirror::fetch(&mirror, &mirror::Options::for_fetch(), |_| ()).await?;
    let nowhere = format!("file://{}/nowhere", place.display());
    let failed = mirror::clone(&nowhere, &place.join("mirrors/none.git"), &mirror::Options::for_clone(), |_| ()).await;
    assert!(failed.is_err() && !place.join("mirrors/none.git").exists());
    Ok(())
}

/// Configuration and files.
async fn settings_and_files(place: &Path) -> anyhow::Result<()> {
    let own = place.join("own-config");
    let variables = move |name: &str| (name == "GIT_BHFUIL_CONFIG").then(|| own.clone().into_os_string());
    let sources = Sources { dir: place.to_owned(), alone: true, variables: Arc::new(variables), exact: false };
    let config = Config::new(sources).with_times(Duration::from_mins(1), Duration::from_millis(1));
    let before = config.current().await?;
    assert_eq!(before.view.number("jobs", None)?, 3);
    let mut changes = config.subscribe(before);
    OwnFile::at(place.join("own-config")).set(&"jobs".parse()?, b"5", false).await?;
    assert_eq!(changes.next(None).await.settings[0].text(), "5");

    let path = place.join("count");
    let lock = Lock::acquire(&path, Duration::ZERO).await?;
    let refused = Lock::acquire(&path, Duration::ZERO).await.expect_err("it is held");
    assert_eq!(error::kind_of(&refused), Kind::Locked);
    lock.replace(b"1".to_vec()).await?;
    assert_eq!(files::read(&path).await?.as_deref(), Some(&b"1"[..]));
    Ok(())
}

/// Database: a transaction that fails changes nothing. It is written from the executor's threads.
async fn keep_in_a_database(place: &Path, executor: &Executor<'static>) -> anyhow::Result<()> {
    let schema = Schema { application_id: 1, migrations: &["CREATE TABLE seen (id INTEGER)"] };
    let database = Arc::new(Database::open(&place.join("some.db"), schema)?);
    let write = |id: i64| {
        let database = Arc::clone(&database);
        let change = move |change: &rusqlite::Transaction<'_>| {
            change.execute("INSERT INTO seen VALUES (?1)", [id])?;
            anyhow::ensure!(id < 2, "one too many");
            Ok(())
        };
        executor.spawn(async move { database.write(change).await })
    };
    let (one, two) = zip(write(1), write(2)).await;
    assert!(one.is_ok() && two.is_err());
    let count = |row: &rusqlite::Row<'_>| row.get::<_, u32>(0);
    assert_eq!(database.read(|reader| Ok(reader.query_row("SELECT count(*) FROM seen", [], count)?))?, 1);
    Ok(())
}

/// Progress: from a thread that never waits to a task that reads when it likes.
async fn count_on_a_thread(executor: &Executor<'static>) {
    let (work, mut reader) = progress::begin(&Clock::Real, "counting");
    let thread = std::thread::spawn(move || {
        let part = work.child("some", "things");
        for done in 1..=10_000 {
            part.reach(done, Some(10_000));
        }
        part.complete();
        work.complete();
    });
    let read = executor.spawn(async move {
        let (mut seen, mut last) = (Vec::new(), None);
        while let Some(now) = reader.next().await {
            seen.extend(now.parts.first().map(|part| part.done));
            last = Some(now);
        }
        (seen, last)
    });
    let (seen, last) = read.await;
    thread.join().expect("it doesn't panic");
    assert!(seen.is_sorted() && seen.len() <= 10_001);
    let last = last.expect("it has begun");
    assert_eq!((last.state, last.parts[0].done), (Going::Completed, 10_000));
}

/// Retry and timeouts, on a clock that is moved by hand: what may pass is tried again after longer and longer waits, until time is up.
async fn try_again(executor: &Executor<'static>) {
    let hands = ManualClock::new();
    let retried = |fails: u32, allowed: Duration| {
        let hands = hands.clone();
        executor.spawn(async move {
            let (clock, token) = (Clock::from(&hands), Token::new());
            let deadline = Deadline::after(&clock, allowed).set_by("bhfuil.timeout.fetch");
            let mut waits = Vec::new();
            let tries = Tries::new(Operation::Fetch.into(), &clock, &token, Some(&deadline), Chance::seeded(1));
            let outcome = retry(
                tries,
                |tried| waits.extend(tried.wait),
                async |attempt| {
                    if attempt.number <= fails {
                        Err(Kind::Network.error("the line is dead"))
                    } else {
                        Ok(attempt.number)
                    }
                },
            );
            let outcome = outcome.await;
            (outcome, waits, deadline.missed("fetching nova"))
        })
    };
    let moved = |times: usize| {
        let hands = hands.clone();
        async move {
            for _ in 0..times {
                hands.until_asleep(1).await;
                hands.advance_to_next().expect("one sleeps");
            }
        }
    };
    let ((outcome, waits, _), ()) = zip(retried(2, Duration::from_mins(5)), moved(2)).await;
    assert_eq!(outcome.expect("the third succeeds"), 3);
    let strategy = Strategy::from(Operation::Fetch);
    assert!(waits.len() == 2 && waits.iter().all(|wait| *wait <= strategy.longest_wait), "{waits:?}");

    let (outcome, waits, missed) = retried(9, Duration::ZERO).await;
    assert_eq!((error::kind_of(&outcome.expect_err("no time")), waits.len()), (Kind::Network, 0));
    assert_eq!(error::hint_of(&missed), Some("bhfuil.timeout.fetch sets how long it may take"));
}

/// Tasks, in this process and among several, and prefetch: the cache is warmed by a task that gives way.
async fn tasks_and_prefetch(place: &Path, path: &Path) -> anyhow::Result<()> {
    let tasks = Tasks::new(Rules { at_once: 1, ..Rules::default() }, 10, Clock::Real, None);
    let options = locate::Options {
        sought: Sought::here(path),
        cache_folder: locate::cache_folder(),
        threads: Some(1),
        ..locate::Options::default()
    };
    tasks
        .drive(async {
            let first = tasks.foreground();
            let warm = tasks.spawn("patch-ids", Priority::Low, |hand| async move {
                let warmed = locate::warm(options, Some(&hand), &mut Strand::mute(), &hand.stop).await?;
                Ok(format!("{} of {}", warmed.worked_out, warmed.likely))
            })?;
            let never = tasks.spawn("hang", Priority::Low, |_hand| std::future::pending())?;
            drop(first);
            let warmed = tasks.wait(&warm).await.expect("it is known");
            let Some(Said::Text(said)) = &warmed.said else { panic!("{warmed:?}") };
            let (done, likely) = said.split_once(" of ").expect("two numbers");
            assert!(warmed.state() == State::Completed && done == likely && done != "0", "{said}");
            assert!(tasks.cancel(&never));
            assert_eq!(tasks.wait(&never).await.map(|task| task.state()), Some(State::Cancelled));
            anyhow::Ok(())
        })
        .await?;

    let ledger = Ledger::open(&place.join("state"), Rules { at_once: 1, ..Rules::default() }, Clock::Real)?;
    let (one, two) =
        (ledger.register("scan", "large", Priority::Normal).await?, ledger.register("gc", "", Priority::Normal).await?);
    assert_eq!((ledger.turn(&one.id).await?, ledger.turn(&two.id).await?), (Turn::Yours, Turn::NotYet));
    ledger.end(&one.id, Outcome::Completed(Said::Text("done".into()))).await?;
    assert_eq!(ledger.turn(&two.id).await?, Turn::Yours);
    Ok(())
}

/// Cancellation: what is told to stop says that it was, and the monitor knows.
async fn stop_a_scan(path: &Path, pool: &Pool, monitor: &Monitor) {
    let token = Token::new();
    let options = scan::Options { sought: Sought::here(path), pool: Some(pool.clone()), ..scan::Options::default() };
    token.cancel();
    let mut strand = Strand::mute();
    let stopped = monitor.time("stopped scan", Box::pin(scan::run(&options, &mut strand, &token))).await;
    match stopped {
        Ok(scanned) => assert!(scanned.ending.incomplete, "it had begun, and says that it wasn't done"),
        Err(cause) => assert_eq!(error::kind_of(&cause), Kind::Cancelled),
    }
    let token = Token::new();
    let work = monitor.time("dropped", async {
        token.cancelled().await;
        Ok(())
    });
    assert!(smol::future::poll_once(work).await.is_none(), "it waits, and is dropped");
}

/// Monitor and health: what this process did is there for others, and all is well.
async fn look_back(place: &Path, monitor: &Monitor, entries: &[Entry]) -> anyhow::Result<()> {
    let folder = place.join("state");
    monitor.fault(Kind::Network, Some("large"), "the line is dead", Some("is the network there?"), 2);
    monitor.write(&folder)?;
    let now = SystemTime::now();
    let told = history::read(&folder, now.duration_since(UNIX_EPOCH)?.as_secs().try_into()?)?;
    let of = |name: &str| told.operations.iter().find(|operation| operation.operation == name);
    let scans = of("scan").expect("it was timed");
    assert_eq!((scans.calls, scans.success()), (2, Some(1.0)));
    assert_eq!(of("dropped").map(|it| it.cancelled), Some(1));
    assert_eq!((told.faults[0].code.as_str(), told.faults[0].count), ("network", 2));

    let caches = upkeep::folder()?;
    let scene = Scene {
        kept: upkeep::all(&caches)?,
        caches: Some(caches),
        mirrors: Some(place.join("mirrors")),
        config: Some(place.join("own-config")),
        entries: entries.to_vec(),
        now,
        git_limit: GIT_LIMIT,
        patience: Duration::from_secs(10),
    };
    assert_eq!(scene.kept.len(), 2, "a cache for each repository");
    let checks = health::checks(scene).await;
    let ill: Vec<_> = checks.iter().filter(|check| !check.is_ok()).collect();
    assert!(checks.len() > 5 && ill.is_empty(), "{ill:?}");
    Ok(())
}
