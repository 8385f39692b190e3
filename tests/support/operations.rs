//! Operations of every kind that can be cancelled, through the public API, on a stage that a test has set. Each panics if it fails for
//! another reason than that it was cancelled.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use git_bhfuil::cache::database::{Database, Schema};
use git_bhfuil::cache::state::State;
use git_bhfuil::clock::{Clock, Deadline};
use git_bhfuil::config::{Config, OwnFile, Sources};
use git_bhfuil::error::Kind;
use git_bhfuil::files::{self, Lock};
use git_bhfuil::gitcli::credential::{self, Realm};
use git_bhfuil::gitcli::transfer::{self, Refs, Session};
use git_bhfuil::gitcli::{Bounds, Program};
use git_bhfuil::locate::across::{self, Member};
use git_bhfuil::monitor::Monitor;
use git_bhfuil::pipeline::Pool;
use git_bhfuil::report::{Format, Loudness, Report, Strand};
use git_bhfuil::repos::{Entry, Limit, Registry, Selection, mirror};
use git_bhfuil::retry::{self, Chance, Strategy, Tries};
use git_bhfuil::shutdown::Token;
use git_bhfuil::tasks::{Ledger, Outcome, Priority, Progress, Rules, Said, Tasks};
use git_bhfuil::upkeep::{self, audit::Audit, sweep};
use git_bhfuil::{backlog, enrich, http, locate, progress, scan, watch};
use smol::future::zip;

/// Where a clone is made that may be left there in part.
pub(crate) const RAW: &str = "/raw.git";

/// For anything that is waited for in vain.
const LONG: Duration = Duration::from_hours(1);

type Work<'s> = Pin<Box<dyn Future<Output = ()> + 's>>;

/// One kind of operation.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// Whether it ends by itself.
    pub(crate) ends: bool,
    pub(crate) begin: for<'s> fn(&'s Stage, &'s Token) -> Work<'s>,
}

const fn ending(name: &'static str, begin: for<'s> fn(&'s Stage, &'s Token) -> Work<'s>) -> Operation {
    Operation { name, ends: true, begin }
}

const fn endless(name: &'static str, begin: for<'s> fn(&'s Stage, &'s Token) -> Work<'s>) -> Operation {
    Operation { name, ends: false, begin }
}

/// Every kind.
pub(crate) static OPERATIONS: [Operation; 36] = [
    ending("scan", |stage, token| Box::pin(stage.scan(cache(), token))),
    ending("scan, the first", |stage, token| Box::pin(stage.scan(stage.made().join("cache"), token))),
    ending("where", |stage, token| Box::pin(stage.locate(cache(), &["main~3"], token))),
    ending("where, the first", |stage, token| Box::pin(stage.locate(stage.made().join("cache"), &["main~3"], token))),
    ending("where, words", |stage, token| Box::pin(stage.locate(cache(), &["change number 12", "prose"], token))),
    ending("where, words, the first", |stage, token| {
        Box::pin(stage.locate(stage.made().join("cache"), &["change number 12"], token))
    }),
    ending("across", |stage, token| Box::pin(stage.across(token))),
    ending("missing, with a trial", |stage, token| Box::pin(stage.missing(token))),
    ending("warm", |stage, token| Box::pin(stage.warm(token))),
    endless("transfer::clone, silent", |stage, token| Box::pin(stage.transfer_clone(&stage.silent, token))),
    ending("transfer::clone, file", |stage, token| Box::pin(stage.transfer_clone(&stage.file, token))),
    endless("transfer::fetch, silent", |stage, token| Box::pin(stage.transfer_fetch("silent.git", token))),
    ending("transfer::fetch, file", |stage, token| Box::pin(stage.transfer_fetch("file.git", token))),
    endless("mirror::clone, silent", |stage, token| Box::pin(stage.mirror_clone(&stage.silent, token))),
    ending("mirror::clone, file", |stage, token| Box::pin(stage.mirror_clone(&stage.file, token))),
    endless("mirror::fetch, silent", |stage, token| Box::pin(stage.mirror_fetch("silent.git", token))),
    ending("mirror::fetch, file", |stage, token| Box::pin(stage.mirror_fetch("file.git", token))),
    endless("credential", |stage, token| Box::pin(stage.password(token))),
    endless("retry", |stage, token| Box::pin(stage.retry(token))),
    endless("database", |stage, token| Box::pin(stage.write(token))),
    endless("lock, waiting", |stage, token| Box::pin(stage.wait_for_a_lock(token))),
    endless("lock, holding", |stage, token| Box::pin(stage.hold_a_lock(token))),
    ending("replace", |stage, token| Box::pin(stage.replace(token))),
    ending("registry", |stage, token| Box::pin(stage.register(token))),
    endless("config", |stage, token| Box::pin(stage.subscribe(token))),
    endless("tasks", |stage, token| Box::pin(stage.tasks(token))),
    ending("ledger", |stage, token| Box::pin(stage.ledger(token))),
    endless("watch", |stage, token| Box::pin(stage.watch(token))),
    endless("progress", |stage, token| Box::pin(stage.progress(token))),
    endless("monitor", |stage, token| Box::pin(stage.time(token))),
    ending("sweep", |stage, token| Box::pin(stage.sweep(token))),
    ending("audit", |stage, token| Box::pin(stage.audit(token))),
    endless("http, silent", |stage, token| Box::pin(stage.ask(token))),
    endless("enrich, silent", |stage, token| Box::pin(stage.enrich(token))),
    endless("prefetch, silent", |stage, token| Box::pin(stage.prefetch(token))),
    endless("pool and limit", |stage, token| Box::pin(stage.work(token))),
];

/// What the operations work with.
pub(crate) struct Stage {
    pub(crate) place: PathBuf,
    large: PathBuf,
    pub(crate) small: PathBuf,
    silent: String,
    file: String,
    program: Program,
    clock: Clock,
    monitor: Monitor,
    /// As the first scan found them, which was let run to its end.
    commits: OnceCell<u64>,
}

/// Where everything is cached that stays.
fn cache() -> PathBuf {
    scan::cache_folder().expect("it is set")
}

/// A failure is one of the test unless the operation was told to stop.
fn fine<T>(outcome: anyhow::Result<T>, token: &Token) {
    if let Err(cause) = outcome {
        assert!(token.is_cancelled(), "{cause:#}");
    }
}

/// Does `work`, unless it is told to stop.
async fn unless_told(token: &Token, work: impl Future<Output = anyhow::Result<()>>) {
    fine(token.unless_cancelled(Box::pin(work)).await.unwrap_or(Ok(())), token);
}

impl Stage {
    pub(crate) fn new(place: PathBuf, small: PathBuf, silent: String) -> Self {
        let large = place.join("repo");
        let file = format!("file://{}", small.display());
        let (program, clock, monitor) = (Program::default(), Clock::Real, Monitor::default());
        let stage = Self { place, large, small, silent, file, program, clock, monitor, commits: OnceCell::new() };
        std::fs::create_dir(stage.made()).expect("a folder");
        stage
    }

    /// Where an operation makes what wasn't there.
    pub(crate) fn made(&self) -> PathBuf {
        self.place.join("made")
    }

    /// What the operations that were cut short, so many of each, have left in what they were to change.
    pub(crate) fn check(&self, timed: usize) {
        let count = |row: &rusqlite::Row<'_>| row.get::<_, u32>(0);
        let rows = self.database().read(|reader| Ok(reader.query_row("SELECT count(*) FROM seen", [], count)?));
        assert_eq!(rows.expect("a number"), 0, "no transaction was kept");
        let told = self.monitor.statistics();
        let cancelled = usize::try_from(told[0].cancelled).expect("a number");
        // The one before the others, and of the others all but those that were never polled.
        assert!((2..=timed + 1).contains(&cancelled), "{told:?}");
    }

    async fn scan(&self, cache_folder: PathBuf, token: &Token) {
        let options = scan::Options {
            sought: scan::Sought::here(&self.large),
            cache_folder: Some(cache_folder),
            threads: Some(2),
            changed_paths: true,
            patch_id: true,
            ..scan::Options::default()
        };
        let mut strand = Strand::mute();
        let outcome = scan::run(&options, &mut strand, token).await;
        if let Ok(scanned) = &outcome
            && !scanned.ending.incomplete
        {
            let count = strand.counts().get("commit").copied().unwrap_or(0);
            assert_eq!(count, *self.commits.get_or_init(|| count), "what is cut short says so");
        }
        fine(outcome, token);
    }

    fn asking(&self, queries: &[&str]) -> locate::Options {
        locate::Options {
            sought: locate::Sought::here(&self.large),
            cache_folder: Some(cache()),
            threads: Some(2),
            queries: queries.iter().map(Into::into).collect(),
            missing: true,
            via: true,
            similar: true,
            ..locate::Options::default()
        }
    }

    async fn locate(&self, cache_folder: PathBuf, queries: &[&str], token: &Token) {
        let options = locate::Options { cache_folder: Some(cache_folder), ..self.asking(queries) };
        fine(locate::run(options, &mut Strand::mute(), token).await, token);
    }

    async fn across(&self, token: &Token) {
        let pool = Pool::new(2).expect("threads");
        let member = |(name, dir): (&str, &PathBuf)| Member {
            sought: locate::Sought { dir: dir.clone(), name: Some(name.into()) },
            refs: locate::Selection::Usual,
            strand: Strand::mute(),
        };
        let members = [("large", &self.large), ("small", &self.small)].map(member).into_iter().collect();
        let options = locate::Options { pool: Some(pool), ..self.asking(&["main", "prose"]) };
        fine(across::run(options, members, &Limit::new(2), token).await.1, token);
    }

    async fn missing(&self, token: &Token) {
        let options = backlog::Options {
            sought: locate::Sought::here(&self.small),
            cache_folder: Some(cache()),
            threads: Some(2),
            targets: vec!["stable/1.0".into()],
            source: Some("main".into()),
            check: true,
            ..backlog::Options::default()
        };
        fine(backlog::missing(options, &mut Strand::mute(), token).await, token);
    }

    async fn warm(&self, token: &Token) {
        let options = locate::Options { cache_folder: Some(self.made().join("cache")), ..self.asking(&[]) };
        fine(locate::warm(options, None, &mut Strand::mute(), token).await, token);
    }

    async fn in_session<T>(&self, token: &Token, work: impl AsyncFnOnce(&Session<'_>) -> anyhow::Result<T>) {
        let deadline = Deadline::after(&self.clock, LONG);
        let bounds = Bounds { clock: &self.clock, token, deadline: Some(&deadline) };
        fine(work(&Session { program: &self.program, bounds, prompts: false }).await, token);
    }

    async fn transfer_clone(&self, url: &str, token: &Token) {
        let folder = format!("{}{RAW}", self.made().display());
        self.in_session(token, async |session| transfer::clone(session, url, folder.as_ref(), &mut |_| ()).await).await;
    }

    async fn transfer_fetch(&self, mirror: &str, token: &Token) {
        self.move_a_ref();
        let place = self.place.join("mirrors").join(mirror);
        self.in_session(token, async |session| transfer::fetch(session, &place, Refs::Mirror, &mut |_| ()).await).await;
    }

    async fn password(&self, token: &Token) {
        let realm = Realm { protocol: "https".into(), host: "git.example.com".into(), path: None, username: None };
        self.in_session(token, async |session| credential::fill(session, &realm).await).await;
    }

    async fn mirror_clone(&self, url: &str, token: &Token) {
        let options = mirror::Options { token: token.clone(), ..mirror::Options::for_clone() };
        fine(mirror::clone(url, &self.made().join("mirror.git"), &options, |_| ()).await, token);
    }

    async fn mirror_fetch(&self, mirror: &str, token: &Token) {
        self.move_a_ref();
        let options = mirror::Options { token: token.clone(), ..mirror::Options::for_fetch() };
        fine(mirror::fetch(&self.place.join("mirrors").join(mirror), &options, |_| ()).await, token);
    }

    /// The branch `moving` goes from one of two commits to the other.
    fn move_a_ref(&self) {
        let git_dir = self.small.join(".git");
        let id = |name: &str| std::fs::read_to_string(git_dir.join("refs/heads").join(name)).expect("a ref");
        let (main, stable) = (id("main"), id("stable/1.0"));
        let next = if id("moving") == main { stable } else { main };
        std::fs::write(git_dir.join("refs/heads/moving"), next).expect("writes");
    }

    async fn retry(&self, token: &Token) {
        let (first_wait, longest_wait) = (Duration::from_millis(1), Duration::from_millis(20));
        let strategy = Strategy { attempts: u32::MAX, first_wait, longest_wait };
        let tries = Tries::new(strategy, &self.clock, token, None, Chance::seeded(3));
        let work = async |_| Err::<(), _>(Kind::Network.error("the line is dead"));
        fine(retry::retry(tries, |_| (), work).await, token);
    }

    fn database(&self) -> Database {
        let schema = Schema { application_id: 1, migrations: &["CREATE TABLE seen (id INTEGER)"] };
        Database::open(&self.place.join("home/some.db"), schema).expect("a database")
    }

    async fn write(&self, token: &Token) {
        let database = self.database();
        let rows = "INSERT INTO seen WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
        let write = database.write(move |change| Ok(change.execute(rows, [])?));
        assert!(token.unless_cancelled(write).await.is_none(), "there is always one more");
    }

    async fn wait_for_a_lock(&self, token: &Token) {
        let path = self.made().join("locked");
        let both = async {
            let _held = Lock::acquire(&path, LONG).await?;
            Lock::acquire(&path, LONG).await
        };
        assert!(token.unless_cancelled(both).await.is_none(), "it is held");
    }

    async fn hold_a_lock(&self, token: &Token) {
        let hold = async {
            let lock = Lock::acquire(&self.made().join("locked"), LONG).await;
            std::future::pending::<()>().await;
            drop(lock);
        };
        assert!(token.unless_cancelled(hold).await.is_none(), "nobody gives it back");
    }

    async fn replace(&self, token: &Token) {
        let path = self.made().join("written");
        let work = async {
            for _ in 0..20 {
                let lock = Lock::acquire(&path, LONG).await?;
                lock.replace(vec![b'x'; 100_000]).await?;
                files::replace(&self.made().join("other"), vec![b'y'; 10_000]).await?;
            }
            Ok(())
        };
        unless_told(token, work).await;
        let length = std::fs::metadata(&path).map_or(100_000, |written| written.len());
        assert_eq!(length, 100_000, "all of it or nothing");
    }

    fn own_file(&self) -> OwnFile {
        OwnFile::at(self.made().join("config"))
    }

    async fn register(&self, token: &Token) {
        let registry = Registry::new(self.own_file());
        let work = async {
            for name in ["one", "two", "three"] {
                let entry = Entry { name: name.into(), path: Some(self.place.join(name)), ..Entry::default() };
                registry.add(entry).await?;
            }
            registry.select(&Selection { all: true, ..Selection::default() }).await?;
            registry.remove(&["two".into()]).await.map(drop)
        };
        unless_told(token, work).await;
    }

    async fn subscribe(&self, token: &Token) {
        let path = self.made().join("config");
        let variables = move |name: &str| (name == "GIT_BHFUIL_CONFIG").then(|| path.clone().into_os_string());
        let sources = Sources { dir: self.large.clone(), alone: true, variables: Arc::new(variables), exact: true };
        let config = Config::new(sources).with_times(Duration::from_millis(1), Duration::from_millis(1));
        let work = async {
            let mut changes = config.subscribe(config.current().await?);
            for jobs in 1.. {
                self.own_file().set(&"jobs".parse()?, format!("{}", jobs % 64 + 1).as_bytes(), false).await?;
                changes.next(None).await;
            }
            Ok(())
        };
        unless_told(token, work).await;
    }

    async fn tasks(&self, token: &Token) {
        let rules = Rules { at_once: 2, ..Rules::default() };
        let tasks = Tasks::new(rules, 10, self.clock.clone(), Some(self.made().join("results")));
        let work = tasks.drive(async {
            let long = tasks.spawn("long", Priority::Normal, |hand| async move {
                hand.give_way().await;
                smol::unblock(move || hand.progress("counting", 1, None)).await;
                Ok("x".repeat(1 << 20))
            });
            let never = |_| tasks.spawn("never", Priority::Low, |_hand| std::future::pending());
            let never: Vec<_> = (0..5).map(never).collect::<Result<_, _>>().expect("room");
            tasks.wait(&long.expect("room")).await;
            assert!(tasks.cancel(&never[0]));
            tasks.wait(&never[1]).await;
        });
        token.unless_cancelled(work).await;
        assert!(tasks.list().iter().all(|task| task.state().is_over()), "its owner drives it no more");
    }

    async fn ledger(&self, token: &Token) {
        let work = async {
            let rules = Rules { waiting: 2, ..Rules::default() };
            let ledger = Ledger::open(&self.made().join("cache"), rules, self.clock.clone())?;
            for number in 0..10 {
                let task = ledger.register("scan", "nova", Priority::Normal).await?;
                ledger.turn(&task.id).await?;
                ledger.beat(&task.id, Progress { phase: "walk".into(), done: number, total: None }).await?;
                ledger.end(&task.id, Outcome::Completed(Said::Text("done".into()))).await?;
            }
            ledger.clean().await.map(drop)
        };
        unless_told(token, work).await;
    }

    async fn watch(&self, token: &Token) {
        let loudness = Loudness { quiet: true, progress: Some(false) };
        let strands = Report::begin("watch", None, Format::Jsonl, loudness).expect("a thread").strands();
        let short = Duration::from_millis(2);
        let options = watch::Options {
            scan: scan::Options { cache_folder: Some(cache()), patch_id: true, ..scan::Options::default() },
            locate: Some(self.asking(&[])),
            limit: Limit::new(2),
            pool: Pool::new(2).expect("threads"),
            times: watch::Times { quiet: short, longest: short * 4, noticed: short * 8, unnoticed: short },
            notices: true,
            clock: self.clock.clone(),
            config: Config::new(Sources::of_process(&self.small)),
        };
        let member = |dir: &PathBuf| watch::Member { sought: scan::Sought::here(dir), refs: scan::Selection::Usual };
        let (registry, named) = async_channel::bounded(1);
        let moving = async {
            loop {
                smol::Timer::after(short * 5).await;
                self.move_a_ref();
            }
        };
        let members = [&self.small, &self.large].map(member).into_iter().collect();
        let run = watch::run(members, &named, &options, &strands, token);
        fine(smol::future::or(run, moving).await, token);
        drop(registry);
    }

    async fn progress(&self, token: &Token) {
        let (work, mut reader) = progress::begin(&self.clock, "counting");
        let stop = Token::new();
        let seen = stop.clone();
        let counts = smol::unblock(move || {
            let part = work.child("some", "things");
            let steps = (0..200_000).take_while(|_| !seen.is_cancelled());
            steps.for_each(|done| part.reach(done, None));
            part.complete();
        });
        let read = async { while reader.next().await.is_some() {} };
        // Even if nobody reads any more, the thread goes on to its end.
        token.unless_cancelled(async { zip(counts, read).await }).await;
        token.cancelled().await;
        stop.cancel();
    }

    async fn time(&self, token: &Token) {
        let work = self.monitor.time("wait", async {
            token.cancelled().await;
            Ok(())
        });
        let _ = token.unless_cancelled(work).await;
    }

    async fn sweep(&self, token: &Token) {
        let limits = |bytes| sweep::Limits { bytes, unused: None };
        let (kept, fresh) = (cache(), self.made().join("cache"));
        let work = async {
            self.scan_a_little(&fresh, token).await;
            sweep::sweep(kept, limits(u64::MAX)).await?;
            sweep::sweep(fresh, limits(0)).await.map(drop)
        };
        unless_told(token, work).await;
    }

    async fn scan_a_little(&self, folder: &std::path::Path, token: &Token) {
        let sought = scan::Sought::here(&self.small);
        let cache_folder = Some(folder.to_owned());
        let options = scan::Options { sought, cache_folder, threads: Some(1), ..scan::Options::default() };
        fine(scan::run(&options, &mut Strand::mute(), token).await, token);
    }

    async fn audit(&self, token: &Token) {
        let sought = upkeep::Sought::here(&self.large);
        let work = async {
            let place = upkeep::place(&sought, &cache())?;
            let audit = Audit { sought: sought.clone(), full: true, seed: 1, token };
            for kept in upkeep::of(&place.path)? {
                audit.run(&kept).await?;
            }
            Ok(())
        };
        unless_told(token, work).await;
    }

    async fn work(&self, token: &Token) {
        let (pool, limit) = (Pool::new(3).expect("threads"), Limit::new(2));
        let step = || std::thread::sleep(Duration::from_micros(200));
        let job = |_| {
            let pool = pool.clone();
            async move |_slot| {
                loop {
                    pool.run(step).await.expect("it is open");
                }
            }
        };
        let all = limit.run::<_, _, ()>((0..5).map(job));
        assert!(token.unless_cancelled(all).await.is_none(), "they never end");
    }

    /// Connections are open on which no answer comes.
    async fn ask(&self, token: &Token) {
        let state = Arc::new(State::open(&cache()).expect("a database").0);
        let client = http::Client::new(http::Settings::default(), Some(state), self.clock.clone(), token.clone());
        let ask = async |path: &str| {
            let request = http::Request::get(&format!("{}/{path}", self.silent)).expect("an address");
            let outcome = client.send(&request).await;
            assert!(token.is_cancelled() && outcome.is_err(), "{outcome:?}");
        };
        // The last joins the first.
        Box::pin(zip(zip(ask("one"), ask("two")), ask("one"))).await;
    }

    async fn enrich(&self, token: &Token) {
        let options =
            enrich::Options { dir: self.large.clone(), cache_folder: Some(cache()), ..enrich::Options::default() };
        let git_dir = self.large.join(".git");
        let repo = serde_json::json!({"type": "repo", "repo": "large", "git_dir": git_dir}).to_string() + "\n";
        let commits = (1..=9).map(|number| {
            let issue = format!("{{\"kind\":\"cve\",\"key\":\"CVE-2024-{number}000\"}}");
            format!("{{\"type\":\"commit\",\"repo\":\"large\",\"issues\":[{issue}]}}\n")
        });
        let lines: String = std::iter::once(repo).chain(commits).collect();
        // Whoever writes it goes on for ever.
        let input = smol::io::AsyncReadExt::chain(smol::io::Cursor::new(lines), Never);
        fine(enrich::stream(input, options, &mut Strand::mute(), token).await, token);
    }

    async fn prefetch(&self, token: &Token) {
        let options =
            enrich::Options { dir: self.large.clone(), cache_folder: Some(cache()), ..enrich::Options::default() };
        let subjects = [("large", &self.large), ("small", &self.small)].map(|(repo, dir)| enrich::Subject {
            repo: repo.into(),
            dir: dir.clone(),
            overheard: enrich::Overheard::default(),
            people: enrich::People::default(),
        });
        fine(enrich::prefetch(subjects.into(), options, &mut Strand::mute(), token).await, token);
    }
}

/// An input that is open, and on which nothing comes.
struct Never;

impl smol::io::AsyncRead for Never {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut [u8]) -> Poll<std::io::Result<usize>> {
        Poll::Pending
    }
}
