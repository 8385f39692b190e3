//! The part of the program that asks servers: the rows HTTP, Breaker and Prefetch of the table. The servers are on loopback, and time is moved
//! by hand where it matters.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use git_bhfuil::cache::state::State;
use git_bhfuil::clock::{Clock, ManualClock};
use git_bhfuil::enrich::{self, Overheard, People, Subject};
use git_bhfuil::error::{self, Kind};
use git_bhfuil::facts::issues::{IssueKind, IssueRef};
use git_bhfuil::http::{self, Client, Settings, breaker};
use git_bhfuil::report::Strand;
use git_bhfuil::retry::Strategy;
use git_bhfuil::scan;
use git_bhfuil::shutdown::Token;
use git_bhfuil::trackers::Software;
use git_bhfuil::trackers::which::{Configured, Home};
use smol::future::zip;

use super::web::{Reply, Web};

/// How long an answer counts as fresh.
const TTL: Duration = Duration::from_mins(5);
/// How long a server is left alone that has failed.
const COOLDOWN: Duration = Duration::from_secs(30);

fn settings() -> Settings {
    Settings {
        ttl: TTL,
        breaker: breaker::Rules { threshold: 2, cooldown: COOLDOWN },
        retry: Strategy { attempts: 1, ..Settings::default().retry },
        ..Settings::default()
    }
}

/// All of it; what is kept is kept in `place`.
pub(super) async fn ask_servers(place: &Path, repository: &Path) -> anyhow::Result<()> {
    let folder = place.join("asked");
    let hands = ManualClock::new();
    let state = Arc::new(State::open(&folder)?.0);
    let client = Client::new(settings(), Some(state), Clock::from(&hands), Token::new());
    keep_answers(&client, &hands).await?;
    leave_alone(&client, &hands, &folder).await?;
    name_an_issue(&client).await?;
    fetch_ahead(&folder, repository).await
}

/// HTTP: one connection, answers that are kept for a while and then asked about, and one request for two that want the same.
async fn keep_answers(client: &Client, hands: &ManualClock) -> anyhow::Result<()> {
    let web = Web::start(|asked, _| match asked.header("if-none-match") {
        "\"one\"" => Reply::status(304),
        _ => Reply::json(&asked.target).with("ETag", "\"one\""),
    });
    let site = client.at(&web.url());
    let (first, same) = zip(site.get("/bugs/7"), site.get("/bugs/7")).await;
    assert_eq!((&*first?.body, &*same?.body, web.requests()), (&b"/bugs/7"[..], &b"/bugs/7"[..], 1));
    let kept = site.get("/bugs/7").await?;
    assert!(kept.cached && !kept.stale && web.requests() == 1, "it is fresh");
    hands.advance(TTL);
    let confirmed = site.get("/bugs/7").await?;
    assert!(confirmed.cached && !confirmed.stale && *confirmed.body == *b"/bugs/7");
    assert_eq!(web.asked()[1].header("if-none-match"), "\"one\"", "asked whether it has changed");
    assert_eq!(site.post("/search", b"{}".to_vec()).await?.status, 200);
    assert_eq!((web.requests(), web.connections()), (3, 1), "one connection for all");
    Ok(())
}

/// Breaker: closed, open, half-open and closed again, while another server is asked as ever.
async fn leave_alone(client: &Client, hands: &ManualClock, folder: &Path) -> anyhow::Result<()> {
    let is_ill = Arc::new(AtomicBool::new(true));
    let ill = Web::start({
        let is_ill = Arc::clone(&is_ill);
        move |_, _| if is_ill.load(Ordering::SeqCst) { Reply::status(500) } else { Reply::json("{}") }
    });
    let well = Web::start(|_, _| Reply::json("{}"));
    let (site, other) = (client.at(&ill.url()), client.at(&well.url()));
    let kind = async |path: &str| site.get(path).await.map(|answer| answer.status).map_err(|it| error::kind_of(&it));
    let state = |hands: &ManualClock| {
        let known = http::servers(folder, &settings(), Clock::from(hands).wall())?;
        anyhow::Ok(known.into_iter().find(|server| server.origin == ill.url()).map(|server| server.breaker))
    };
    assert_eq!((kind("/1").await, kind("/2").await), (Err(Kind::Network), Err(Kind::Network)));
    assert_eq!((kind("/3").await, ill.requests()), (Err(Kind::LeftAlone), 2), "it isn't asked");
    assert_eq!(state(hands)?, Some(breaker::State::Open));
    assert_eq!(other.get("/").await?.status, 200);

    hands.advance(COOLDOWN);
    assert_eq!(state(hands)?, Some(breaker::State::HalfOpen));
    assert_eq!((kind("/4").await, kind("/5").await), (Err(Kind::Network), Err(Kind::LeftAlone)));
    assert_eq!(ill.requests(), 3, "one probe");

    is_ill.store(false, Ordering::SeqCst);
    hands.advance(COOLDOWN);
    assert_eq!((kind("/6").await, kind("/7").await, state(hands)?), (Ok(200), Ok(200), None), "it is closed");
    Ok(())
}

/// Trackers: what a reference means, what to ask, and what the answer says, with a client or any other.
async fn name_an_issue(client: &Client) -> anyhow::Result<()> {
    let web =
        Web::start(|_, _| Reply::json(r#"{"key":"PROJ-7","fields":{"summary":"It is slow","status":null,"new":1}}"#));
    let home = Home {
        configured: vec![Configured::new("work", Software::Jira, Some(&web.url()), Vec::new())],
        ..Home::default()
    };
    let reference = IssueRef { kind: IssueKind::Jira, key: "PROJ-7".into() };
    let target = home.target(&reference).expect("it is the only Jira");
    let ask = target.ask(false).expect("it is a key");
    let answer = client.send(&http::Request::get(&ask.url)?.with("accept", ask.accept)).await?;
    let found = target.read(&answer.body)?.expect("it is there");
    assert_eq!((found.title.as_deref(), found.state), (Some("It is slow"), None));
    Ok(())
}

/// Prefetch and what reads it: what a stream names is told from what was brought, without a request.
async fn fetch_ahead(folder: &Path, repository: &Path) -> anyhow::Result<()> {
    let web = Web::start(|asked, _| match asked.target.split('?').next().unwrap_or_default() {
        "/v1/vulns/CVE-2024-7777" => Reply::json(r#"{"id":"CVE-2024-7777","summary":"Too long a list"}"#),
        "/api/v3/repos/owner/repo/releases" => Reply::json(r#"[{"tag_name":"v1"},{"tag_name":"v2"}]"#),
        _ => Reply::status(404),
    });
    let url = web.url();
    // As `git config` would write it.
    let config = repository.join(".git/config");
    let before = std::fs::read_to_string(&config)?;
    let trackers = format!(
        "[bhfuil \"tracker.vuln\"]\n\ttype = osv\n\turl = {url}\n[bhfuil \"tracker.hub\"]\n\ttype = github\n\turl = {url}/owner/repo\n"
    );
    std::fs::write(&config, format!("{before}{trackers}"))?;

    let line = r#"{"type":"commit","repo":"small","issues":[{"kind":"cve","key":"CVE-2024-7777"}]}"#;
    let options = |offline| enrich::Options {
        dir: repository.to_owned(),
        cache_folder: Some(folder.to_owned()),
        offline,
        ..enrich::Options::default()
    };
    let stream = async |offline: bool| {
        let mut strand = Strand::mute();
        let input = smol::io::Cursor::new(format!("{line}\n{line}\n"));
        enrich::stream(input, options(offline), &mut strand, &Token::new()).await?;
        anyhow::Ok(strand.counts().clone())
    };
    let counts = stream(false).await?;
    assert_eq!((counts["commit"], counts["issue"], web.requests()), (2, 1, 1), "asked for once");

    // Who has commits is heard while they are described.
    let (overheard, people) = (Overheard::default(), People::default());
    let heard =
        scan::Options { sought: scan::Sought::here(repository), ear: Some(people.ear()), ..scan::Options::default() };
    scan::run(&heard, &mut Strand::mute(), &Token::new()).await?;
    let subject = Subject { repo: "small".into(), dir: repository.to_owned(), overheard, people };
    let mut strand = Strand::mute();
    let fetched = enrich::prefetch(vec![subject], options(false), &mut strand, &Token::new()).await?;
    assert!(
        fetched.projects == 0 && fetched.releases == 2 && fetched.contributors > 0 && fetched.failures.is_empty(),
        "{fetched}"
    );
    assert_eq!((strand.counts()["release"], strand.counts()["contributor"]), (2, fetched.contributors));

    let requests = web.requests();
    assert_eq!((stream(true).await?["issue"], web.requests()), (1, requests), "it is known");
    std::fs::write(&config, before)?;
    Ok(())
}
