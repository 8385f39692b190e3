//! The client over a transport that answers as a test says, in time that stands still unless it is moved.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use smol::future::{block_on, zip};
use surf::http;
use surf::utils::async_trait;

use super::*;
use crate::cache::state::State;
use crate::clock::{Clock, ManualClock};
use crate::error::{Kind, hint_of, kind_of, message_of};
use crate::executor::LocalExecutor;
use crate::retry::Chance;
use crate::shutdown::Token;

/// What is said to a request.
#[derive(Debug, Clone)]
enum Said {
    /// A status, headers and a body, at once.
    Now(u16, Vec<(&'static str, String)>, String),
    /// The same after a while.
    Later(Duration, Box<Said>),
    /// The connection breaks.
    Broken,
}

fn ok(body: &str) -> Said {
    Said::Now(200, Vec::new(), body.to_owned())
}

fn only(status: u16) -> Said {
    Said::Now(status, Vec::new(), String::new())
}

type Script = dyn Fn(&http::Request, usize) -> Said + Send + Sync;

/// Answers as its script has it, which is told how many requests for the same address there were before.
struct Scripted {
    script: Box<Script>,
    clock: Clock,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    counts: Mutex<BTreeMap<String, usize>>,
    open: AtomicUsize,
    most_open: AtomicUsize,
    headers: Mutex<Vec<Vec<(String, String)>>>,
}

impl Seen {
    fn total(&self) -> usize {
        self.counts.lock().expect("no panic").values().sum()
    }
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scripted")
    }
}

struct Open<'s>(&'s Seen);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl surf::HttpClient for Scripted {
    async fn send(&self, request: http::Request) -> Result<http::Response, http::Error> {
        let open = self.seen.open.fetch_add(1, Ordering::SeqCst) + 1;
        let _open = Open(&self.seen);
        self.seen.most_open.fetch_max(open, Ordering::SeqCst);
        let before = {
            let mut counts = self.seen.counts.lock().expect("no panic");
            let count = counts.entry(request.url().to_string()).or_default();
            *count += 1;
            *count - 1
        };
        let headers = request.iter().map(|(name, values)| (name.to_string(), values.last().to_string())).collect();
        self.seen.headers.lock().expect("no panic").push(headers);
        let mut said = (self.script)(&request, before);
        loop {
            match said {
                Said::Later(time, then) => {
                    self.clock.sleep(time).await;
                    said = *then;
                }
                Said::Broken => return Err(Kind::Network.error("connection reset").into()),
                Said::Now(status, headers, body) => {
                    let mut answer = http::Response::new(status);
                    for (name, value) in headers {
                        answer.insert_header(name, value);
                    }
                    answer.set_body(body);
                    return Ok(answer);
                }
            }
        }
    }
}

struct Stage {
    hands: ManualClock,
    token: Token,
    seen: Arc<Seen>,
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { hands: ManualClock::new(), token: Token::new(), seen: Arc::default(), folder }
    }

    /// A client of a process that begins now.
    fn client(
        &self,
        settings: Settings,
        script: impl Fn(&http::Request, usize) -> Said + Send + Sync + 'static,
    ) -> Client {
        let clock = Clock::from(&self.hands);
        let transport = Scripted { script: Box::new(script), clock: clock.clone(), seen: Arc::clone(&self.seen) };
        let (state, _) = State::open(self.folder.path()).expect("opens");
        Client::over(transport, settings, Some(Arc::new(state)), clock, self.token.clone(), Chance::seeded(3))
    }

    /// Runs `work`, time going on to the next sleeper whenever nothing else is to be done.
    fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let time = async {
            loop {
                // Writes are done by a thread: what waits for them is no sleeper.
                smol::Timer::after(Duration::from_millis(5)).await;
                let _ = self.hands.advance_to_next();
            }
        };
        block_on(smol::future::or(work, time))
    }
}

fn get(url: &str) -> Request {
    Request::get(url).expect("an address")
}

const HOUR: Duration = Duration::from_hours(1);

#[test]
fn what_fails_for_the_moment_is_tried_again_and_what_is_for_good_is_not() {
    for (first, requests, outcome) in [
        (only(503), 2, Ok(200)),
        (only(520), 2, Ok(200)),
        (Said::Broken, 2, Ok(200)),
        (only(408), 2, Ok(200)),
        (only(429), 2, Ok(200)),
        (only(400), 1, Err(Kind::Remote)),
        (only(401), 1, Err(Kind::Authentication)),
        (only(403), 1, Err(Kind::Authentication)),
        (only(501), 1, Err(Kind::Remote)),
        (only(404), 1, Ok(404)),
        (only(410), 1, Ok(410)),
    ] {
        // Of no status that surf knows.
        let first = if let Said::Now(520, ..) = first { only(500) } else { first };
        let stage = Stage::new();
        let client = stage.client(Settings::default(), {
            let first = first.clone();
            move |_, before| if before == 0 { first.clone() } else { ok("{}") }
        });
        let answer = stage.run(client.send(&get("https://example.com/a")));
        let told = answer.map(|answer| answer.status).map_err(|cause| kind_of(&cause));
        assert_eq!((told, stage.seen.total()), (outcome, requests), "{first:?}");
    }
}

#[test]
fn a_question_with_a_body_is_asked_again_with_it() {
    let stage = Stage::new();
    let client = stage.client(Settings::default(), |request, before| {
        assert_eq!(request.len(), Some(5));
        if before == 0 { only(502) } else { ok("{}") }
    });
    let request = Request::post("https://example.com/graphql", b"query".to_vec()).expect("an address");
    assert_eq!(stage.run(client.send(&request)).expect("an answer").status, 200);
    assert_eq!(stage.seen.total(), 2);
}

#[test]
fn a_server_that_names_a_time_is_asked_then_and_not_before() {
    let stage = Stage::new();
    let client = stage.client(Settings::default(), |_, before| match before {
        0 => Said::Now(429, vec![("retry-after", "30".into())], String::new()),
        _ => ok("{}"),
    });
    let clock = Clock::from(&stage.hands);
    let begin = clock.now();
    stage.run(async {
        client.send(&get("https://example.com/a")).await.expect("an answer");
        assert!(clock.now() - begin >= Duration::from_secs(30));
    });
    // Longer than anybody has patience for: said at once, of other addresses there too, and by the next process.
    let stage = Stage::new();
    let script = |_: &http::Request, _| Said::Now(403, vec![("retry-after", "3600".into())], String::new());
    for url in ["https://example.com/a", "https://example.com/b"] {
        let client = stage.client(Settings::default(), script);
        let cause = stage.run(client.send(&get(url))).expect_err("no answer");
        assert_eq!(kind_of(&cause), Kind::RateLimited);
        assert_eq!(message_of(&cause), "example.com wants to be asked less often, not for another 1 h");
    }
    assert_eq!(stage.seen.total(), 1);
}

#[test]
fn the_breaker_opens_isolates_one_host_and_recovers() {
    let stage = Stage::new();
    let is_well = Arc::new(AtomicUsize::new(0));
    let script = {
        let is_well = Arc::clone(&is_well);
        move |request: &http::Request, _| match request.host() {
            Some("ill.example") if is_well.load(Ordering::SeqCst) == 0 => only(500),
            _ => ok("{}"),
        }
    };
    let settings = Settings { retry: Strategy { attempts: 1, ..Settings::default().retry }, ..Settings::default() };
    let client = stage.client(settings, script.clone());
    let ask = |client: &Client, host: &str, number: usize| {
        let (client, request) = (client.clone(), get(&format!("https://{host}/{number}")));
        async move {
            client
                .send(&request)
                .await
                .map(|answer| answer.status)
                .map_err(|cause| (kind_of(&cause), message_of(&cause)))
        }
    };
    stage.run(async {
        for number in 0..5 {
            assert_eq!(ask(&client, "ill.example", number).await.expect_err("no answer").0, Kind::Network);
        }
        let (kind, said) = ask(&client, "ill.example", 5).await.expect_err("no answer");
        assert_eq!(kind, Kind::LeftAlone);
        assert_eq!(said, "ill.example has failed 5 times in a row and is left alone for another 30 s; at last ill.example has answered with status 500");
        assert_eq!(stage.seen.total(), 5);
        assert_eq!(ask(&client, "well.example", 0).await, Ok(200), "the others go on");
    });
    // Another process knows it.
    let known = servers(stage.folder.path(), &settings, Clock::from(&stage.hands).wall()).expect("reads");
    assert_eq!(
        known.iter().map(|it| (it.origin.as_str(), it.breaker, it.failures)).collect::<Vec<_>>(),
        [("https://ill.example", breaker::State::Open, 5)]
    );
    let client = stage.client(settings, script);
    stage.run(async {
        assert_eq!(ask(&client, "ill.example", 6).await.expect_err("no answer").0, Kind::LeftAlone);
        stage.hands.advance(Duration::from_secs(30));
        assert_eq!(ask(&client, "ill.example", 6).await.expect_err("no answer").0, Kind::Network, "a probe");
        assert_eq!(ask(&client, "ill.example", 6).await.expect_err("no answer").0, Kind::LeftAlone);
        is_well.store(1, Ordering::SeqCst);
        stage.hands.advance(Duration::from_secs(30));
        assert_eq!(ask(&client, "ill.example", 6).await, Ok(200));
        assert_eq!(ask(&client, "ill.example", 7).await, Ok(200));
    });
    assert_eq!(servers(stage.folder.path(), &settings, Clock::from(&stage.hands).wall()).expect("reads"), []);
}

#[test]
fn a_probe_that_is_dropped_leaves_the_way_to_the_next() {
    let stage = Stage::new();
    let settings = Settings {
        breaker: breaker::Rules { threshold: 1, cooldown: Duration::from_secs(9) },
        retry: Strategy { attempts: 1, ..Settings::default().retry },
        ..Settings::default()
    };
    let client = stage.client(settings, |_, before| match before {
        0 => Said::Broken,
        1 => Said::Later(HOUR, Box::new(ok("{}"))),
        _ => ok("{}"),
    });
    let request = get("https://example.com/");
    stage.run(async { client.send(&request).await.expect_err("it breaks") });
    stage.hands.advance(Duration::from_secs(9));
    block_on(async {
        let dropped = client.send(&request);
        let until_asked = async {
            while stage.seen.total() < 2 {
                smol::future::yield_now().await;
            }
        };
        smol::future::or(async { drop(dropped.await) }, until_asked).await;
    });
    assert_eq!(stage.run(client.send(&request)).expect("an answer").status, 200);
}

#[test]
fn an_answer_is_kept_asked_about_again_and_shown_when_the_server_is_down() {
    let stage = Stage::new();
    let script = |request: &http::Request, before| match before {
        0 => Said::Now(
            200,
            vec![("etag", "\"one\"".into()), ("last-modified", "Tue, 14 Nov 2023 22:13:50 GMT".into())],
            "first".into(),
        ),
        1 => {
            assert_eq!(request.header("if-none-match").map(|it| it.last().as_str()), Some("\"one\""));
            assert_eq!(
                request.header("if-modified-since").map(|it| it.last().as_str()),
                Some("Tue, 14 Nov 2023 22:13:50 GMT")
            );
            only(304)
        }
        2 => Said::Now(200, vec![("etag", "\"two\"".into())], "second".into()),
        _ => Said::Broken,
    };
    let request = get("https://example.com/a");
    let (client, next_process) = (stage.client(Settings::default(), script), stage.client(Settings::default(), script));
    let ask = |client: &Client| {
        let answer = stage.run(client.send(&request)).expect("an answer");
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        (body, answer.cached, answer.stale, answer.trouble.map(|it| it.kind))
    };
    let told = |body: &str, cached, stale, trouble| (body.to_owned(), cached, stale, trouble);
    assert_eq!(ask(&client), told("first", false, false, None));
    assert_eq!(ask(&next_process), told("first", true, false, None), "fresh");
    assert_eq!(stage.seen.total(), 1);
    stage.hands.advance(HOUR);
    assert_eq!(ask(&client), told("first", true, false, None), "confirmed");
    assert_eq!(ask(&client), told("first", true, false, None), "fresh again");
    assert_eq!(stage.seen.total(), 2);
    stage.hands.advance(HOUR);
    assert_eq!(ask(&client), told("second", false, false, None), "changed");
    stage.hands.advance(HOUR);
    assert_eq!(ask(&client), told("second", true, true, Some(Kind::Network)), "the server is down");
    let seen = stage.seen.total();
    let offline = stage.client(Settings { offline: true, ..Settings::default() }, |_, _| panic!("nobody may ask"));
    assert_eq!(ask(&offline), told("second", true, true, None));
    let cause = stage.run(offline.send(&get("https://example.com/other"))).expect_err("nothing is kept");
    assert_eq!((kind_of(&cause), stage.seen.total()), (Kind::Offline, seen));
}

#[test]
fn what_a_server_refuses_or_wants_to_be_forgotten_is_not_shown_from_what_is_kept() {
    let stage = Stage::new();
    let client = stage.client(Settings::default(), |request, before| match (request.url().path(), before) {
        ("/a", 0) => ok("of old"),
        ("/a", _) => only(401),
        _ => Said::Now(200, vec![("cache-control", "private, no-store".into())], "not to be kept".into()),
    });
    let (request, other) = (get("https://example.com/a"), get("https://example.com/b"));
    stage.run(client.send(&request)).expect("an answer");
    stage.hands.advance(HOUR);
    assert_eq!(kind_of(&stage.run(client.send(&request)).expect_err("refused")), Kind::Authentication);
    stage.run(client.send(&other)).expect("an answer");
    let kept = stage.run(client.kept(&other));
    assert!(kept.is_none(), "{kept:?}");
    stage.run(client.keep(&other, 200, b"by hand"));
    let kept = stage.run(client.kept(&other)).expect("it is kept");
    assert_eq!((&*kept.body, kept.cached, kept.stale), (&b"by hand"[..], true, false));
    stage.hands.advance(HOUR);
    assert!(stage.run(client.kept(&other)).is_none(), "it is no longer fresh");
}

#[test]
fn what_two_ask_for_at_a_time_is_asked_once_and_whoever_leaves_takes_nobody_along() {
    let stage = Stage::new();
    let client = stage.client(Settings::default(), |_, _| Said::Later(Duration::from_secs(1), Box::new(ok("{}"))));
    let (request, other) = (get("https://example.com/a"), get("https://example.com/b"));
    let (one, same) = stage.run(zip(client.send(&request), client.send(&request)));
    assert_eq!((one.expect("an answer").status, same.expect("an answer").status, stage.seen.total()), (200, 200, 1));
    // The one that asks is dropped while another waits.
    let executor = LocalExecutor::new();
    let (first, second) = (client.clone(), client.clone());
    let (of_first, of_second) = (other.clone(), other.clone());
    let first = executor.spawn(async move { first.send(&of_first).await });
    let second = executor.spawn(async move { second.send(&of_second).await });
    let answer = stage.run(executor.run(async {
        while stage.seen.total() < 2 {
            smol::future::yield_now().await;
        }
        drop(first);
        second.await
    }));
    assert_eq!((answer.expect("an answer").status, stage.seen.total()), (200, 3));
}

#[test]
fn one_server_has_so_many_at_a_time_and_so_many_in_a_second() {
    let stage = Stage::new();
    let settings = Settings { per_host: 3, rate: 5, ..Settings::default() };
    let client = stage.client(settings, |_, _| Said::Later(Duration::from_millis(10), Box::new(ok("{}"))));
    let clock = Clock::from(&stage.hands);
    let begin = clock.now();
    let executor = LocalExecutor::new();
    let tasks: Vec<_> = (0..30)
        .map(|number| {
            let client = client.clone();
            executor.spawn(async move {
                client.send(&get(&format!("https://example.com/{number}"))).await.map(|it| it.status)
            })
        })
        .collect();
    stage.run(executor.run(async {
        for task in tasks {
            assert_eq!(task.await.expect("an answer"), 200);
        }
    }));
    assert_eq!((stage.seen.most_open.load(Ordering::SeqCst), stage.seen.total()), (3, 30));
    assert!(clock.now() - begin >= Duration::from_secs(5), "thirty at five a second, five of them at once");
}

#[test]
fn who_keeps_silent_too_long_is_told_with_the_setting_that_allows_more() {
    let stage = Stage::new();
    let client = stage.client(Settings::default(), |_, _| Said::Later(HOUR, Box::new(ok("{}"))));
    let cause = stage.run(client.send(&get("https://example.com/a/b?c"))).expect_err("no answer");
    assert_eq!((kind_of(&cause), stage.seen.total()), (Kind::Timeout, 1), "and isn't asked again");
    assert_eq!(message_of(&cause), "example.com: /a/b took longer than 20 s");
    assert_eq!(hint_of(&cause), Some("bhfuil.http.firstByteTimeout sets how long it may take"));
}

#[test]
fn whoever_waits_for_a_server_stops_when_that_is_wanted() {
    let stage = Stage::new();
    let client = stage.client(Settings::default(), |_, _| Said::Later(HOUR, Box::new(ok("{}"))));
    let request = get("https://example.com/a");
    let (outcome, ()) = block_on(zip(client.send(&request), async {
        while stage.seen.total() < 1 {
            smol::future::yield_now().await;
        }
        stage.token.cancel();
    }));
    assert_eq!(kind_of(&outcome.expect_err("stopped")), Kind::Cancelled);
    assert_eq!((stage.seen.open.load(Ordering::SeqCst), stage.hands.sleepers()), (0, 0), "nothing is left");
}

#[test]
fn too_long_an_answer_is_none() {
    let stage = Stage::new();
    let client = stage.client(Settings::default(), |_, _| ok(&"x".repeat(gate::LONGEST_BODY + 1)));
    let cause = stage.run(client.send(&get("https://example.com/a"))).expect_err("too long");
    assert_eq!(
        (kind_of(&cause), message_of(&cause).as_str()),
        (Kind::BadAnswer, "example.com has answered more than 8 MiB")
    );
}

#[test]
fn redirects_are_followed_in_their_origin_and_lead_no_secret_elsewhere() {
    let to = |status, location: &str| Said::Now(status, vec![("location", location.into())], String::new());
    let stage = Stage::new();
    let client = stage.client(Settings::default(), move |request, _| match (request.host(), request.url().path()) {
        (Some("example.com"), "/moved") => to(301, "/here"),
        (Some("example.com"), "/here") => ok("{}"),
        (Some("example.com"), "/away") => to(302, "https://evil.example/"),
        (Some("example.com"), "/round") => to(307, "/round"),
        other => panic!("{other:?}"),
    });
    let login = Login { name: "env:T".into(), header: "authorization", secret: Secret::new("Bearer hunter2") };
    let ask = |path: &str| {
        let request = get(&format!("https://example.com{path}")).by(Some(login.clone()));
        stage
            .run(client.send(&request))
            .map(|answer| answer.status)
            .map_err(|cause| (kind_of(&cause), message_of(&cause)))
    };
    assert_eq!(ask("/moved"), Ok(200));
    assert_eq!(
        ask("/away"),
        Err((Kind::Remote, "example.com leads to https://evil.example, which isn't followed".into()))
    );
    assert_eq!(
        ask("/round"),
        Err((Kind::Remote, "example.com leads from one address to the next and never to an answer".into()))
    );
    assert_eq!(stage.seen.total(), 2 + 1 + 6);
    let headers = stage.seen.headers.lock().expect("no panic");
    assert!(headers.iter().all(|headers| headers.contains(&("authorization".into(), "Bearer hunter2".into()))));
}

#[test]
fn a_secret_is_neither_kept_nor_told() {
    let stage = Stage::new();
    let client = stage.client(Settings::default(), |_, before| if before == 0 { ok("{}") } else { only(401) });
    let login = |secret: &str| Login { name: "env:TOKEN".into(), header: "authorization", secret: Secret::new(secret) };
    let request = get("https://example.com/a").by(Some(login("hunter2")));
    stage.run(client.send(&request)).expect("an answer");
    stage.hands.advance(HOUR);
    let refused = stage.run(client.send(&request)).expect_err("refused");
    let bad = get("https://example.com/a").by(Some(login("hunter2 \u{e9}\n")));
    let unsendable = stage.run(client.send(&bad)).expect_err("it can't be sent");
    assert_eq!(
        message_of(&unsendable),
        "the value of env:TOKEN can't be sent: it takes letters, digits and signs of ASCII"
    );
    let told = format!("{refused:?} {unsendable:?} {client:?} {request:?}");
    assert!(!told.contains("hunter2"), "{told}");
    for file in std::fs::read_dir(stage.folder.path()).expect("a folder").flatten() {
        let bytes = std::fs::read(file.path()).expect("a file");
        assert!(!bytes.windows(7).any(|window| window == b"hunter2"), "{}", file.path().display());
    }
}
