//! Where is this change? The library behind `git bhfuil`: it finds commits and what they say of each other, and streams that as
//! JSON Lines. The program is for people and pipelines; this page is for who asks from another program, and the map of the house for those who
//! work in it.
//!
//! - [Asking from another program](#asking-from-another-program)
//! - [What stays](#what-stays): what a new version may change
//! - [What flows where](#what-flows-where) and [the rooms](#the-rooms)
//! - [The concurrent core](#the-concurrent-core), part by part, each with an example
//!
//! # Asking from another program
//!
//! What a command answers is told on a strand of a [`Report`](report::Report), and one that is begun aside gives its lines to whoever reads them: the
//! same that the command writes. Any executor will do; where a call is dropped or its [`Token`](shutdown::Token) cancelled, the work ends.
//!
//! ```
//! use git_bhfuil::events::Event;
//! use git_bhfuil::locate::{self, Options, Sought};
//! use git_bhfuil::report::Report;
//! use git_bhfuil::shutdown::Token;
//!
//! # let home = tempfile::tempdir()?;
//! # let script = "git init -q -b main . && git commit -q --allow-empty -m base && git branch stable/1.0 && echo 1 >f && git add f \
//! #     && git commit -q -m 'f: fix' && git checkout -q stable/1.0 && git commit -q --allow-empty -m other && git cherry-pick main >out";
//! # let mut shell = std::process::Command::new("sh");
//! # shell.args(["-ec", script]).current_dir(home.path()).env("HOME", home.path()).env("GIT_CONFIG_NOSYSTEM", "1");
//! # for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_CONFIG_PARAMETERS"] { shell.env_remove(name); }
//! # for name in ["AUTHOR", "COMMITTER"] { shell.env(format!("GIT_{name}_NAME"), "a").env(format!("GIT_{name}_EMAIL"), "a"); }
//! # assert!(shell.status()?.success());
//! # let path = home.path().to_owned();
//! // Of a repository with a fix on `main` and its pick on `stable/1.0`:
//! let options = Options {
//!     sought: Sought { dir: path, name: Some("nova".into()) },
//!     cache_folder: Some(home.path().join("cache")),
//!     queries: vec!["main".into()],
//!     ..Options::default()
//! };
//! let (token, (mut report, lines)) = (Token::new(), Report::begin_within("where", None));
//! let ask = async {
//!     let mut strand = report.strand();
//!     let ending = locate::run(options, &mut strand, &token).await;
//!     report.join(strand);
//!     report.end(ending, None).await
//! };
//! let read = async {
//!     let mut stream = Vec::new();
//!     while let Ok(piece) = lines.recv().await {
//!         stream.extend(piece);
//!     }
//!     stream
//! };
//! let (ended, stream) = smol::block_on(smol::future::zip(ask, read));
//! assert!(ended.complete);
//! let events: Vec<Event<'_>> = serde_json::Deserializer::from_slice(&stream).into_iter().collect::<Result<_, _>>()?;
//! let on = |short: &str| events.iter().find_map(|event| match event {
//!     Event::Presence(presence) if presence.short == short => Some((presence.state, presence.how)),
//!     _ => None,
//! });
//! use git_bhfuil::events::matching::{PresenceHow, PresenceState};
//! assert_eq!(on("main"), Some((PresenceState::Present, Some(PresenceHow::Ancestor))));
//! assert_eq!(on("stable/1.0"), Some((PresenceState::Present, Some(PresenceHow::Backport))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`scan::run`] streams commits likewise; [`backlog::missing`], [`backlog::followups`], [`backlog::matrix`], [`backlog::verify`] and
//! [`backlog::explain`] compare branches and commits, [`locate::across`] asks several repositories at once.
//!
//! # What stays
//!
//! Versions are those of [Semantic Versioning](https://semver.org). Until 1.0 the middle number counts as the first: 0.2 may break what was
//! promised by 0.1, and 0.1.1 may not. What breaks something is told under *Changes* in the README, with what to do about it.
//!
//! - **The public API** is what this documentation shows. No break is: a further item; a further field of a struct that has a `Default` (end yours
//!   in `..Default::default()`); a further variant of an enum (end a `match` in `_`); a further room. Types of other crates that show in it
//!   (`serde_json::Value`, `anyhow::Error`, the receiver of `async-channel`) are part of it. The Rust that is needed may rise with the middle number.
//! - **The event schema** has a number of its own, [`events::SCHEMA`], which each stream begins with. Within it types, fields and values are only
//!   added, and a field has one type wherever it is met: who ignores what they don't know reads every later stream of that number. It holds
//!   of `git bhfuil schema`, and of what [`mcp`] answers. A new number comes with a new first number of the version.
//! - **The command line** and its exit codes stay as the events do: commands, options and codes are only added.
//!
//! Not promised: what is meant for people (texts of `message`, `hint`, `because` and `evidence`, tables, help, logs), the order of keys after
//! `type`, how often `progress` comes, how sure a rung is (`confidence` is measured anew), how long something takes. Files of the cache are
//! ours; an older version's are brought up to date, a newer one's are left alone.
//!
//! # What flows where
//!
//! ```text
//! main → cli → command ─┬→ watch · sync         │
//!                       ├→ backlog ─→ locate ───┤
//!                       ├→ osv ─────→ locate ───┤
//!                       ├→ export               │
//!                       ├→ upkeep · health      │
//!                       ├→ repos ────→ config ──┤
//!                       ├→ enrich → trackers · http
//!                       ├→ mcp ───→ report · progress
//!                       ├→ scan ───┬→ index ────┤
//!                       └→ locate ─┼→ pipeline ─┼→ git · gitcli · cache → graph → facts
//!                            │     ├→ describe ─┘
//!                            │     └→ announce → report → events · progress · monitor
//!                            └→ matching · lines · tasks
//! ```
//!
//! A command line is parsed once ([`cli`]) and handed to its verb ([`command`]). [`scan`] opens the repository's [`index`]: refs
//! and history from [`git`], and the [`graph`] of all commits from the [`cache`], brought up to date. Then the [`pipeline`] walks
//! in git's order and cuts the walk into steps; workers read each commit, find its [`facts`] and make the line that
//! [`describe`] gives it, an [`events`] type; [`report`] writes the lines in the order of the walk. Its channels are bounded: while the
//! reader is slow, nothing new is begun, and memory stays flat.
//!
//! [`locate`] answers where a change is. It files every commit under keys of what its message says, once, in the cache; a query is
//! then a few look-ups. From the commits that it names it goes to those filed under their keys, judges each pair by the ladder of
//! [`matching`], a diff being made only where that asks for one, and so on from whatever was found. Which refs contain what is one sweep over
//! the [`graph`]; [`lines`] says which refs are a release line.
//!
//! Help, manual pages and what a shell may complete are made by [`cli`] of the options themselves, of the schema of [`events`] and the table of
//! [`config`]; [`install`] puts them where they are looked for. A [`template`] makes lines of one's own of the same events.
//!
//! [`backlog`] compares two branches by what [`locate`] knows of the changes of each, and makes the lists of what is to be done.
//!
//! [`osv`] holds what records of advisories say of commits against what [`locate`] and the graph know of them.
//!
//! [`mcp`] serves what these answer to programs that give tools to a model: each call is the command of its name, whose events are gathered
//! and not written.
//!
//! [`config`] says what is set, by whom and where; each room is handed the few values that it needs. [`repos`] knows which repositories
//! are registered: they are sections of the file that [`config`] owns, changed under a lock of [`files`]. [`sync`] clones and fetches those
//! that lie elsewhere, [`watch`] tells what moves in any of them. Several are scanned or asked at once, so many at a time as
//! [`repos::Limit`] lets, and share one pool of threads. What nobody waits for is a task, a process of its own that does the same work as a
//! command; [`tasks`] knows how each stands.
//!
//! [`export`] makes tables of the lines of a scan and of answers, for engines that read many: [`report`] hands it the lines instead of writing
//! them.
//!
//! [`enrich`] tells what [`trackers`] know of the issues that commits name, asked through [`http`], which alone opens a connection; nothing
//! else waits for one.
//!
//! [`monitor`] sees how long each run and the operations in it take, and which errors are told; `status` shows it, with what [`health`] finds.
//!
//! Arrows never turn back, and no two rooms use each other. Every third-party library has one door. `tests/layers.rs` keeps both so.
//!
//! # The rooms
//!
//! | room | owns | refuses |
//! |---|---|---|
//! | [`cli`] | what can be typed, its help, manual and completion | behaviour |
//! | [`command`] | the verbs, a file each: options resolved, work started, the exit code | git, SQL, HTTP |
//! | [`scan`] | the main job: where a stream begins, what it holds, how it ends | the command line |
//! | [`locate`] | where a change is: queries, the commits that are one change, what each ref has of it | the command line |
//! | [`backlog`] | what a branch lacks of another, and what was decided against | which commits are one change |
//! | [`osv`] | records of advisories: whether what they say of commits is so, the fixes that they lack | which commits are one change |
//! | [`mcp`] | the Model Context Protocol: messages, versions, calls that run at once, and what is taken back of them | what a tool does |
//! | [`export`] | the stream as tables: their columns, their files, the SQL that goes with them | where lines come from |
//! | [`enrich`] | what trackers know of the issues that commits name, typed or in a stream that passes | how a server is asked |
//! | [`announce`] | what frames every answer: the repository, warnings, its end | the answer |
//! | [`config`] | defaults, our own file, git config `bhfuil.*`, environment → typed settings, each with its origin | being passed on whole |
//! | [`upkeep`] | the caches that there are: what they hold, whether that is what git says, which may go | what is in them |
//! | [`watch`] | repositories that are followed: when to look, what has moved | which are registered, fetching |
//! | [`health`] | whether all is well with disks, git, databases, locks, caches, the clock, and what to do about it | doing it |
//! | [`sync`] | mirrors: cloned or fetched, then indexed | how git does it |
//! | [`tasks`] | what a background task's life is: ids, states, turns, heartbeats, what is left of it | what a task does |
//! | [`repos`] | which repositories are registered, looking at one, mirrors that are whole or not there, at most so many at a time | output |
//! | [`index`] | one repository: its refs, what bends its history, its graph, kept up to date in the cache | output |
//! | [`describe`] | one commit as the wire has it | I/O but by the handle it is lent |
//! | [`pipeline`] | the worker pool; walk → work → pieces in order | what a commit means |
//! | [`git`] | the only door to gix: refs, objects, history, diffs | SQL, JSON |
//! | [`gitcli`] | the only door to the `git` program: what gix can't answer as git does, clone, fetch, passwords | parsing of anything else |
//! | [`http`] | the only door to surf and isahc: requests within limits, answers that are kept, servers that are left alone | what is asked |
//! | [`trackers`] | trackers, a file each: where an issue is asked for, what the answer says, which one is meant | sockets |
//! | [`cache`] | the only door to rusqlite: one database for each git common directory | git, events |
//! | [`graph`] | commits as flat arrays, parents before children | names of refs, SQL |
//! | [`matching`] | the ladder: whether two commits are one change, and why | I/O |
//! | [`lines`] | which branches and tags belong to which release line, in version order | git |
//! | [`facts`] | bytes → facts, and the vocabulary that all share (`Oid`, `RawCommit`) | I/O |
//! | [`events`] | the wire; its rustdoc is the specification | behaviour |
//! | [`report`] | the only writer to stdout: JSON Lines, text for people, bars on stderr | computing |
//! | [`template`] | a line of one's own for an event: its syntax, its fields | writing |
//! | [`progress`] | how far work is, from any thread to one reader | how it is shown |
//! | [`monitor`] | how long each operation took and how it ended, which errors were told; kept over time | what an operation does |
//! | [`debug`] | the only door to log: the debug log, `GIT_BHFUIL_LOG` | what is worth a note |
//! | [`files`] | lock files, replacing a file as a whole, seeing that one has changed | what is in them |
//! | [`install`] | where manual pages, completions and the program go, and whose a file there is | what is in them |
//! | [`retry`] | when to try again, and after what wait | what is tried |
//! | [`clock`] | what time it is, really or in a test; deadlines | what is waited for |
//! | [`error`] | kinds of failure, their codes, hints and exit codes | printing, exiting |
//! | [`panics`] | panics that are caught, and trying again | hiding what nobody catches |
//! | [`executor`] | futures that go on side by side on one thread, and end with their owner | several threads |
//! | [`shutdown`] | signals → a token | what is stopped |
//! | [`spelling`] | what somebody may have meant who mistyped a word | the words |
//!
//! # The concurrent core
//!
//! | part | type | promises |
//! |---|---|---|
//! | Repository manager | [`repos::Limit`] | so many at a time; results in order; one that fails leaves the others whole; dropped with its future |
//! | Git workers | [`pipeline::Pool`] | bounded threads and queue; first come, first served; a panic is that job's error |
//! | git program | [`gitcli::transfer`], [`repos::mirror`] | both pipes drained, the whole process group ended and reaped; a clone is whole or not there |
//! | Retry | [`retry::Tries`] | only transient errors, in bounded time; cancellable in the wait; every attempt is told |
//! | Timeouts | [`clock::Deadline`] | the message names what took too long and the setting that allows more; a manual clock for tests |
//! | Cancellation | [`shutdown::Token`] | clones share one state, async code awaits it, the second signal ends the process |
//! | Progress | [`progress`] | no queue, never backwards, always an end; who reads slowly or not at all costs the worker nothing |
//! | Database | [`cache::database`] | readers never wait for the one writer; error, panic and dropped future roll back |
//! | Configuration | [`config::Config`] | kept for a while, read anew when a file or a variable changes; a bad version doesn't replace a good one |
//! | Files | [`files::Lock`] | git's lock protocol; a reader sees all of one version; a dead owner's lock is taken over, a live one's waited for |
//! | Registry | [`repos::Registry`] | names told apart; of concurrent writers none loses anything |
//! | Tasks | [`tasks::Tasks`], [`tasks::Ledger`] | ids unique across processes; one way from pending to an end; so many at once; a panic or a dead owner is a failure; results expire |
//! | Prefetch | [`locate::warm`], [`tasks::Tasks::foreground`], [`enrich::prefetch`] | gives way to what goes before; what was found out is kept; one result with what failed; cancelled with its owner |
//! | HTTP | [`http::Client`], [`http::Site`], [`http::limit`] | connections kept; so many at a time and in a second; kept answers asked about with their `ETag`; identical requests joined; gone, it leaves no socket and no thread |
//! | Breaker | [`http::breaker`] | opens at the threshold, lets one probe through, closes on success; other servers don't notice; known to the next run |
//! | Monitor | [`monitor::Monitor`], [`monitor::history`], [`health`] | a call that is dropped was cancelled; concurrent processes lose nothing and count nothing twice; history bounded by number and age; a remedy for each check that fails |
//! | Errors | [`error`] | the kind is attached where the cause is known and survives any context put on top |
//! | CLI bridge | [`command::run`], [`cli::parse`] | one `block_on`; a command is a future; the first signal ends every phase of it, with its last line written; a panic is exit code 128 |
//!
//! **Git workers.** Blocking work, awaited. The thread outlives a panic:
//!
//! ```
//! use git_bhfuil::pipeline::Pool;
//!
//! let pool = Pool::new(2)?;
//! let failed = smol::block_on(pool.run(|| -> usize { panic!("a broken pack") }));
//! assert_eq!(failed.unwrap_err().to_string(), "a worker panicked: a broken pack");
//! let sum = smol::block_on(async {
//!     // Put into the queue one after the other, done side by side.
//!     let (one, two) = (pool.submit(|| 1).await?, pool.submit(|| 2).await?);
//!     Ok::<_, git_bhfuil::pipeline::JobError>(one.result().await? + two.result().await?)
//! })?;
//! assert_eq!(sum, 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Cancellation.** Threads look at the token between steps, async code races it:
//!
//! ```
//! use git_bhfuil::shutdown::Token;
//!
//! let token = Token::new();
//! let seen = token.clone();
//! let steps = std::thread::spawn(move || (0_u64..).take_while(|_| !seen.is_cancelled()).count());
//! token.cancel();
//! steps.join().expect("the thread stops by itself");
//! smol::block_on(token.cancelled());
//! assert_eq!(token.signal(), None, "it was no signal that cancelled it");
//! ```
//!
//! **git program, retry, timeouts.** [`repos::mirror`] has an example of a mirror's life, [`gitcli::transfer::clone`] of one clone,
//! [`gitcli::credential::fill`] of a password. Waits and deadlines are on a clock that a test moves:
//!
//! ```
//! use std::time::Duration;
//! use git_bhfuil::clock::{Clock, Deadline, ManualClock};
//! use git_bhfuil::error::{self, Kind};
//! use git_bhfuil::retry::{Chance, Operation, Tries, retry};
//! use git_bhfuil::shutdown::Token;
//!
//! let (hands, token) = (ManualClock::new(), Token::new());
//! let clock = Clock::from(&hands);
//! let deadline = Deadline::after(&clock, Duration::from_secs(30)).set_by("bhfuil.timeout.fetch");
//! let tries = Tries::new(Operation::Fetch.into(), &clock, &token, Some(&deadline), Chance::seeded(1));
//! // A server that never answers.
//! let work = retry(tries, |_| (), async |attempt| {
//!     let answer = std::future::pending::<anyhow::Result<()>>();
//!     clock.within(attempt.left.expect("it is limited"), answer).await.unwrap_or_else(|| Err(deadline.missed("fetching nova")))
//! });
//! let (result, _) = smol::block_on(smol::future::zip(work, async {
//!     hands.until_asleep(1).await;
//!     hands.advance(Duration::from_secs(30));
//! }));
//! let error = result.unwrap_err();
//! assert_eq!(error::message_of(&error), "fetching nova took longer than 30 s");
//! assert_eq!(error::hint_of(&error), Some("bhfuil.timeout.fetch sets how long it may take"));
//! ```
//!
//! **Database.** A transaction is kept only if it succeeds and somebody still waits for it:
//!
//! ```
//! use git_bhfuil::cache::database::{Database, Schema};
//!
//! let folder = tempfile::tempdir()?;
//! let schema = Schema { application_id: 1, migrations: &["CREATE TABLE seen (id INTEGER)"] };
//! let database = Database::open(&folder.path().join("some.db"), schema)?;
//! smol::block_on(database.write(|change| Ok(change.execute("INSERT INTO seen VALUES (1)", [])?)))?;
//! let failed = smol::block_on(database.write(|change| -> anyhow::Result<()> {
//!     change.execute("INSERT INTO seen VALUES (2)", [])?;
//!     anyhow::bail!("changed my mind")
//! }));
//! assert!(failed.is_err());
//! let count: u32 = database.read(|reader| Ok(reader.query_row("SELECT count(*) FROM seen", [], |row| row.get(0))?))?;
//! assert_eq!(count, 1);
//! # Ok::<(), anyhow::Error>(())
//! ```
//!
//! **Configuration.** Every value is typed and knows where it comes from. Nothing blocks the executor:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use git_bhfuil::config::{Config, OwnFile, Sources};
//!
//! let folder = tempfile::tempdir()?;
//! let file = OwnFile::at(folder.path().join("config"));
//! let path = file.path().to_owned();
//! let variables = move |name: &str| (name == "GIT_BHFUIL_CONFIG").then(|| path.clone().into_os_string());
//! let sources = Sources { dir: folder.path().to_owned(), alone: true, variables: Arc::new(variables), exact: false };
//! let config = Config::new(sources).with_times(Duration::from_secs(60), Duration::from_millis(1));
//! smol::block_on(async {
//!     // Every setting with its default, commented out. One that is there is not overwritten.
//!     file.init().await?;
//!     assert!(file.init().await.is_err());
//!     let before = config.current().await?;
//!     assert_eq!(before.view.number("jobs", None)?, 3);
//!     assert_eq!(before.view.time("http.timeout", None)?, Some(Duration::from_secs(60)));
//!
//!     // For one repository alone; a subscriber sees it.
//!     let mut changes = config.subscribe(before);
//!     file.set(&"bhfuil.repo.nova.jobs".parse()?, b"2", false).await?;
//!     let change = changes.next(Some("nova")).await;
//!     assert_eq!((change.settings[0].text().as_str(), change.settings[0].origin.level.word()), ("2", "own"));
//!     let now = config.current().await?;
//!     assert_eq!((now.view.number("jobs", Some("nova"))?, now.view.number("jobs", None)?), (2, 3));
//!
//!     // Bad values aren't written; one that somebody wrote by hand is told by file and line.
//!     assert!(file.set(&"threads".parse()?, b"many", false).await.is_err());
//!     std::fs::write(file.path(), "[bhfuil]\n\tthreads = many\n")?;
//!     let now = config.current().await?;
//!     assert_eq!(now.view.number("jobs", Some("nova"))?, 2, "the last good version");
//!     assert!(now.trouble.is_some_and(|trouble| trouble.ends_with("config:2")));
//!     Ok::<_, anyhow::Error>(())
//! })?;
//! # Ok::<(), anyhow::Error>(())
//! ```
//!
//! **Files.** Who reads first and then writes takes the lock, as git does:
//!
//! ```
//! use std::time::Duration;
//! use git_bhfuil::error::{self, Kind};
//! use git_bhfuil::files::{self, Lock, Stamp};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("count");
//! smol::block_on(async {
//!     files::replace(&path, b"1".to_vec()).await?;
//!     let stamp = Stamp::of(&path);
//!     let lock = Lock::acquire(&path, Duration::from_secs(10)).await?;
//!     let refused = Lock::acquire(&path, Duration::ZERO).await.unwrap_err();
//!     assert_eq!(error::kind_of(&refused), Kind::Locked);
//!     let text = files::read(&path).await?.unwrap_or_default();
//!     lock.replace([text.as_slice(), b"2"].concat()).await?;
//!     assert_eq!(files::read(&path).await?.as_deref(), Some(&b"12"[..]));
//!     assert_ne!(Stamp::of(&path), stamp);
//!     Ok::<_, anyhow::Error>(())
//! })?;
//! # Ok::<(), anyhow::Error>(())
//! ```
//!
//! **Registry.** A section of our own file for each repository:
//!
//! ```
//! use git_bhfuil::config::OwnFile;
//! use git_bhfuil::repos::{Entry, Registry, Selection};
//!
//! let folder = tempfile::tempdir()?;
//! let registry = Registry::new(OwnFile::at(folder.path().join("config")));
//! smol::block_on(async {
//!     let entry = Entry { path: Some("/srv/nova.git".into()), groups: vec!["openstack".into()], ..Entry::default() };
//!     assert_eq!(registry.add(entry.clone()).await?.name, "nova");
//!     let other = Entry { path: Some("/srv/fork/nova".into()), ..entry };
//!     assert_eq!(registry.add(other).await?.name, "fork/nova");
//!     let group = Selection { groups: vec!["openstack".into()], ..Selection::default() };
//!     assert_eq!(registry.select(&group).await?.len(), 2);
//!     registry.remove(&["nova".into()]).await?;
//!     let unknown = Selection { names: vec!["fork/nva".into()], ..Selection::default() };
//!     let refused = registry.select(&unknown).await.unwrap_err();
//!     assert_eq!(refused.to_string(), "no repository is registered as 'fork/nva'; did you mean 'fork/nova'?");
//!     Ok::<_, anyhow::Error>(())
//! })?;
//! # Ok::<(), anyhow::Error>(())
//! ```
//!
//! **Tasks.** Futures with a name, polled for as long as their owner drives them; and across processes a ledger of them:
//!
//! ```
//! use std::time::Duration;
//! use git_bhfuil::clock::{Clock, ManualClock};
//! use git_bhfuil::tasks::{Ledger, Outcome, Priority, Rules, Said, State, Tasks, Turn};
//!
//! let (hands, rules) = (ManualClock::new(), Rules { at_once: 1, ..Rules::default() });
//! let tasks = Tasks::new(rules, 100, Clock::from(&hands), None);
//! smol::block_on(tasks.drive(async {
//!     let clock = Clock::from(&hands);
//!     let count = tasks.spawn("count", Priority::Normal, move |hand| async move {
//!         hand.give_way().await;
//!         hand.progress("counting", 1, Some(2));
//!         clock.sleep(Duration::from_secs(90)).await;
//!         Ok("two".to_owned())
//!     })?;
//!     let never = tasks.spawn("hang", Priority::Low, |_hand| std::future::pending())?;
//!     hands.until_asleep(1).await;
//!     assert_eq!(tasks.status(&never).map(|it| it.state()), Some(State::Pending), "one at a time");
//!     hands.advance(Duration::from_secs(90));
//!     assert_eq!(tasks.wait(&count).await.and_then(|it| it.said), Some(Said::Text("two".into())));
//!     assert!(tasks.cancel(&never));
//!     assert_eq!(tasks.wait(&never).await.map(|it| it.state()), Some(State::Cancelled));
//!     hands.advance(rules.expiry);
//!     assert_eq!(tasks.list(), []);
//!     Ok::<_, anyhow::Error>(())
//! }))?;
//!
//! let folder = tempfile::tempdir()?;
//! let ledger = Ledger::open(folder.path(), rules, Clock::from(&hands))?;
//! smol::block_on(async {
//!     let first = ledger.register("scan", "nova", Priority::Normal).await?;
//!     let second = ledger.register("gc", "", Priority::Normal).await?;
//!     assert_eq!(ledger.turn(&second.id).await?, Turn::NotYet);
//!     assert_eq!(ledger.turn(&first.id).await?, Turn::Yours);
//!     ledger.end(&first.id, Outcome::Completed(Said::Text("up to date".into()))).await?;
//!     assert_eq!(ledger.turn(&second.id).await?, Turn::Yours);
//!     ledger.ask_to_stop(&second.id).await?;
//!     assert!(ledger.get(&second.id).await?.is_some_and(|it| it.stop), "its owner sees that");
//!     Ok::<_, anyhow::Error>(())
//! })?;
//! # Ok::<(), anyhow::Error>(())
//! ```
//!
//! **Prefetch.** A task that gives way to whatever goes before; what it has found out is kept for who asks later:
//!
//! ```
//! use git_bhfuil::clock::Clock;
//! use git_bhfuil::locate::{self, Options, Sought};
//! use git_bhfuil::report::Strand;
//! use git_bhfuil::tasks::{Priority, Rules, Said, State, Tasks};
//!
//! # let home = tempfile::tempdir()?;
//! # let script = "git init -q -b main . && git commit -q --allow-empty -m base && git branch stable/1.0 && echo 1 >f && git add f \
//! #     && git commit -q -m 'f: fix' && git checkout -q stable/1.0 && git commit -q --allow-empty -m other && git cherry-pick main >out";
//! # let mut shell = std::process::Command::new("sh");
//! # shell.args(["-ec", script]).current_dir(home.path()).env("HOME", home.path()).env("GIT_CONFIG_NOSYSTEM", "1");
//! # for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_CONFIG_PARAMETERS"] { shell.env_remove(name); }
//! # for name in ["AUTHOR", "COMMITTER"] { shell.env(format!("GIT_{name}_NAME"), "a").env(format!("GIT_{name}_EMAIL"), "a"); }
//! # assert!(shell.status()?.success());
//! # let path = home.path().to_owned();
//! let options = Options {
//!     sought: Sought { dir: path, name: Some("nova".into()) },
//!     cache_folder: Some(home.path().join("cache")),
//!     ..Options::default()
//! };
//! let tasks = Tasks::new(Rules::default(), 10, Clock::Real, None);
//! smol::block_on(tasks.drive(async {
//!     let before = tasks.foreground();
//!     let ahead = options.clone();
//!     let warm = tasks.spawn("patch-ids", Priority::Low, |hand| async move {
//!         let warmed = locate::warm(ahead, Some(&hand), &mut Strand::mute(), &hand.stop).await?;
//!         Ok(warmed.worked_out.to_string())
//!     })?;
//!     // Something is answered, and then there is time.
//!     assert_ne!(tasks.status(&warm).map(|it| it.state()), Some(State::Completed));
//!     drop(before);
//!     let Some(Said::Text(worked_out)) = tasks.wait(&warm).await.and_then(|it| it.said) else { panic!("it is done") };
//!     assert_ne!(worked_out, "0", "the fix and its pick at least");
//!     let again = locate::warm(options, None, &mut Strand::mute(), &Default::default()).await?;
//!     assert_eq!((again.worked_out, again.likely > 0), (0, true));
//!     Ok::<_, anyhow::Error>(())
//! }))?;
//! # Ok::<(), anyhow::Error>(())
//! ```
//!
//! **HTTP, breaker.** [`http`] has an example of a client and a server, [`http::limit`] and [`http::breaker::Breaker`] of the rules alone.
//!
//! **Repository manager, progress.** [`repos::Limit`] has an example, and [`progress::Progress`] has one.
//!
//! **Monitor.** Any operation can be timed, sync or async, on any executor; what was seen outlives the process:
//!
//! ```
//! use std::time::{Duration, SystemTime, UNIX_EPOCH};
//! use git_bhfuil::clock::{Clock, ManualClock};
//! use git_bhfuil::error::Kind;
//! use git_bhfuil::monitor::{Monitor, history};
//!
//! let folder = tempfile::tempdir()?;
//! let hands = ManualClock::new();
//! let monitor = Monitor::new(Clock::from(&hands));
//! for seconds in [1, 2, 3, 10] {
//!     let fetched = monitor.time("fetch", async {
//!         hands.advance(Duration::from_secs(seconds));
//!         if seconds == 10 { Err(Kind::Network.error("connection reset")) } else { Ok(seconds) }
//!     });
//!     let _ = smol::block_on(fetched);
//! }
//! monitor.fault(Kind::Network, Some("nova"), "connection reset", Some("is the network there?"), 1);
//! monitor.write(folder.path())?;
//!
//! // By any process, later on.
//! let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
//! let told = history::read(folder.path(), now.try_into()?)?;
//! let fetch = &told.operations[0];
//! assert_eq!((fetch.calls, fetch.failed, fetch.success()), (4, 1, Some(0.75)));
//! assert_eq!((fetch.p50, fetch.longest), (Some(Duration::from_secs(2)), Some(Duration::from_secs(10))));
//! assert_eq!((told.faults[0].code.as_str(), told.faults[0].count), ("network", 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Errors.** The kind says what the wire, the hint and the exit code will be:
//!
//! ```
//! use anyhow::Context as _;
//! use git_bhfuil::error::{self, Kind};
//!
//! let refused: anyhow::Result<()> = Err(Kind::CacheNewer.hinted("the cache has version 9", "update git-bhfuil"));
//! let refused = refused.context("opening nova").unwrap_err();
//! assert_eq!(error::kind_of(&refused).code(), "cache-newer");
//! assert_eq!(error::kind_of(&refused).exit_code(), error::exit::FATAL);
//! assert_eq!(error::hint_of(&refused), Some("update git-bhfuil"));
//! assert_eq!(error::message_of(&refused), "opening nova: the cache has version 9");
//! ```
//!
//! **CLI bridge.** A command line is a future whose outcome is an exit code:
//!
//! ```
//! use git_bhfuil::error::exit;
//! use git_bhfuil::shutdown::Token;
//! use git_bhfuil::{cli, command};
//!
//! let token = Token::new();
//! let run = |words: &[&str]| smol::block_on(command::run(cli::parse(words.iter().map(Into::into)), &token));
//! assert_eq!(run(&["--version"]), exit::ANSWERED);
//! // With what is wrong, and the usage, on stderr.
//! assert_eq!(run(&["missing", "--gaps", "--from=main"]), exit::USAGE);
//! ```

pub mod announce;
pub mod backlog;
pub mod cache;
pub mod cli;
pub mod clock;
pub mod command;
pub mod config;
pub mod debug;
pub mod describe;
pub mod enrich;
pub mod error;
pub mod events;
pub mod executor;
pub mod export;
pub mod facts;
pub mod files;
pub mod git;
pub mod gitcli;
pub mod graph;
pub mod health;
pub mod http;
pub mod index;
pub mod install;
pub mod lines;
pub mod locate;
pub mod matching;
pub mod mcp;
pub mod monitor;
pub mod osv;
pub mod panics;
pub mod pipeline;
pub mod progress;
pub mod report;
pub mod repos;
pub mod retry;
pub mod scan;
pub mod shutdown;
pub mod spelling;
pub mod sync;
pub mod tasks;
pub mod template;
pub mod trackers;
pub mod upkeep;
pub mod watch;
