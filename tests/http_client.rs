//! The client and real sockets: connections are kept and given back, whatever a server does is survived, and nothing is left.

#[path = "support/census.rs"]
mod census;
mod support;
#[path = "support/web.rs"]
mod web;

use std::time::Duration;

use git_bhfuil::clock::{Clock, ManualClock};
use git_bhfuil::error::{Kind, hint_of, kind_of, message_of};
use git_bhfuil::http::{Client, Request, Settings};
use git_bhfuil::retry::Strategy;
use git_bhfuil::shutdown::Token;
use smol::block_on;
use smol::future::{or, zip};
use web::{Reply, Web};

/// Whether the test `name` runs in a process of its own. If not it is run in one: what the tests beside it have open would be counted too.
fn is_alone(name: &str) -> bool {
    const ALONE: &str = "GIT_BHFUIL_TEST_ALONE";
    let is_alone = std::env::var_os(ALONE).is_some();
    if !is_alone {
        support::run_anew(&support::Repo::new(), name, |command| {
            command.env(ALONE, "1");
        });
    }
    is_alone
}

const ONCE: Strategy =
    Strategy { attempts: 1, first_wait: Duration::from_millis(1), longest_wait: Duration::from_millis(1) };

fn settings() -> Settings {
    Settings { retry: ONCE, rate: 1000, ..Settings::default() }
}

fn client() -> Client {
    Client::new(settings(), None, Clock::Real, Token::new())
}

fn get(web: &Web, path: &str) -> Request {
    Request::get(&format!("{}{path}", web.url())).expect("an address")
}

#[test]
fn one_connection_serves_one_request_after_the_other() {
    let web = Web::start(|asked, _| Reply::json(&asked.target));
    let client = client();
    for number in 0..20 {
        let answer = block_on(client.send(&get(&web, &format!("/{number}")))).expect("an answer");
        assert_eq!(String::from_utf8_lossy(&answer.body), format!("/{number}"));
    }
    assert_eq!((web.requests(), web.connections()), (20, 1));
}

#[test]
fn each_gets_its_own_answer_when_others_are_given_up_halfway() {
    let web = Web::start(|asked, _| match asked.target.as_str() {
        "/given-up" => Reply::Held(Box::new(Reply::json("the wrong one"))),
        target => Reply::json(target),
    });
    let client = client();
    for number in 0..20 {
        let given_up = get(&web, "/given-up");
        let before = web.requests();
        block_on(or(async { drop(client.send(&given_up).await) }, async {
            while web.requests() == before {
                smol::Timer::after(Duration::from_millis(1)).await;
            }
        }));
        let target = format!("/{number}");
        let answer = block_on(client.send(&get(&web, &target))).expect("an answer");
        assert_eq!(String::from_utf8_lossy(&answer.body), target);
    }
}

#[test]
fn answers_that_are_none_are_told_and_the_client_lives_on() {
    let web = Web::start(|asked, _| match asked.target.as_str() {
        "/broken" => Reply::Raw(Vec::new()),
        "/nonsense" => Reply::Raw(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        "/cut" => Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"title\":".to_vec()),
        "/endless" => Reply::Endless,
        "/odd-status" => Reply::status(599),
        "/latin-1" => Reply::Raw(
            b"HTTP/1.1 200 OK\r\nX-Name: caf\xe9\r\nX-Other: \xc3\xa9\r\nContent-Length: 2\r\n\r\n{}".to_vec(),
        ),
        "/bad-gzip" => Reply::json("this is no gzip").with("Content-Encoding", "gzip"),
        _ => Reply::json("{}"),
    });
    let (client, ask) = (client(), |client: &Client, path: &str| block_on(client.send(&get(&web, path))));
    for (path, kind) in [
        ("/broken", Kind::Network),
        ("/nonsense", Kind::Network),
        ("/cut", Kind::Network),
        ("/endless", Kind::BadAnswer),
        ("/odd-status", Kind::Network),
    ] {
        let cause = ask(&client, path).expect_err(path);
        assert_eq!(kind_of(&cause), kind, "{path}: {cause:#}");
        assert!(message_of(&cause).contains(&web.host()), "{cause:#}");
        assert_eq!(ask(&client, "/well").expect("an answer").status, 200, "after {path}");
    }
    ask(&client, "/bad-gzip").expect_err("it is none");
    assert_eq!(&*ask(&client, "/latin-1").expect("an answer").body, b"{}");
}

#[test]
fn a_server_that_keeps_silent_is_given_up_and_its_connection_closed() {
    let web = Web::start(|_, _| Reply::Silence);
    let (hands, token) = (ManualClock::new(), Token::new());
    let settings = Settings { first_byte_timeout: Duration::from_millis(500), ..settings() };
    let client = Client::new(settings, None, Clock::from(&hands), token);
    let request = get(&web, "/");
    let (outcome, ()) = block_on(zip(client.send(&request), async {
        while web.requests() == 0 {
            smol::Timer::after(Duration::from_millis(1)).await;
        }
        hands.advance(Duration::from_millis(500));
    }));
    let cause = outcome.expect_err("no answer");
    assert_eq!(kind_of(&cause), Kind::Timeout);
    assert_eq!(hint_of(&cause), Some("bhfuil.http.firstByteTimeout sets how long it may take"));
    assert!(census::wait_until(|| web.closed() == 1), "the connection is closed while the client lives");
}

#[test]
fn nobody_there_is_told_with_the_address() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback").local_addr().expect("an address");
    let request = Request::get(&format!("http://{address}/")).expect("an address");
    let cause = block_on(client().send(&request)).expect_err("nobody is there");
    assert_eq!(
        (kind_of(&cause), message_of(&cause).contains(&format!("{address} can't be reached"))),
        (Kind::Network, true),
        "{cause:#}"
    );
}

#[test]
fn a_client_that_is_gone_leaves_neither_thread_nor_socket_nor_memory() {
    if !is_alone("a_client_that_is_gone_leaves_neither_thread_nor_socket_nor_memory") {
        return;
    }
    let web = Web::start(|asked, _| match asked.target.as_str() {
        "/silent" => Reply::Silence,
        _ => Reply::json("{}"),
    });
    let round = || {
        let token = Token::new();
        let client = Client::new(settings(), None, Clock::Real, token.clone());
        for number in 0..5 {
            block_on(client.send(&get(&web, &format!("/{number}")))).expect("an answer");
        }
        // Stopped in the middle of one.
        let before = web.requests();
        let silent = get(&web, "/silent");
        let (outcome, ()) = block_on(zip(client.send(&silent), async {
            while web.requests() == before {
                smol::Timer::after(Duration::from_millis(1)).await;
            }
            token.cancel();
        }));
        assert_eq!(kind_of(&outcome.expect_err("stopped")), Kind::Cancelled);
    };
    let (mark, own) = (("GIT_BHFUIL_TEST_MARK", "none"), |census: census::Census| -> census::Census {
        // The server's side of them ends when it notices.
        census.into_iter().filter(|(name, _)| !name.contains("http_client")).collect()
    });
    round();
    assert!(census::wait_until(|| web.closed() == web.connections()));
    let before = own(census::census(mark, &[]));
    (0..20).for_each(|_| round());
    let is_same = census::wait_until(|| {
        web.closed() == web.connections()
            && census::difference(&before, &own(census::census(mark, &[]))).iter().all(|one| one.contains("socket"))
    });
    // The server keeps a descriptor of each connection for its own end; the client's own are counted by what it has closed.
    assert!(is_same, "{:?}", census::difference(&before, &own(census::census(mark, &[]))));
}

#[test]
fn what_many_ask_for_at_a_time_is_asked_once() {
    let web = Web::start(|_, _| Reply::Held(Box::new(Reply::json("{}"))));
    let (client, request) = (client(), get(&web, "/"));
    let executor = smol::LocalExecutor::new();
    let asking: Vec<_> = (0..50)
        .map(|_| {
            let (client, request) = (client.clone(), request.clone());
            executor.spawn(async move { client.send(&request).await.map(|answer| answer.status) })
        })
        .collect();
    block_on(executor.run(async {
        while web.requests() == 0 {
            smol::Timer::after(Duration::from_millis(1)).await;
        }
        web.release();
        for one in asking {
            assert_eq!(one.await.expect("an answer"), 200);
        }
    }));
    assert_eq!(web.requests(), 1);
}

#[test]
fn no_client_is_begun_before_it_is_needed() {
    if !is_alone("no_client_is_begun_before_it_is_needed") {
        return;
    }
    let before = census::threads().len();
    let client = Client::new(Settings { offline: true, ..settings() }, None, Clock::Real, Token::new());
    let request = Request::get("https://192.0.2.1/").expect("an address");
    assert_eq!(kind_of(&block_on(client.send(&request)).expect_err("offline")), Kind::Offline);
    assert!(!census::threads().iter().any(|name| name.contains("isahc")), "{before}: {:?}", census::threads());
}

/// A server that speaks TLS with a certificate of its own for `127.0.0.1`, answers each connection once, and ends with the value; and
/// the certificate.
struct Secure {
    address: std::net::SocketAddr,
    certificate: String,
    is_over: std::sync::Arc<std::sync::atomic::AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Secure {
    fn start() -> Self {
        use std::io::{Read as _, Write as _};
        use std::sync::Arc;
        use std::sync::atomic::{AtomicBool, Ordering};

        let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        let certificate = own.cert.pem();
        let key = rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).expect("a key");
        let config =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("versions")
                .with_no_client_auth()
                .with_single_cert(vec![own.cert.der().clone()], key)
                .expect("a configuration");
        let config = Arc::new(config);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
        let address = listener.local_addr().expect("an address");
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(stream) = stream else { continue };
                let session = rustls::ServerConnection::new(Arc::clone(&config)).expect("a session");
                let mut secure = rustls::StreamOwned::new(session, stream);
                let mut head = Vec::new();
                let mut byte = [0];
                // Whoever doesn't trust us goes away.
                while !head.ends_with(b"\r\n\r\n") && secure.read(&mut byte).is_ok_and(|length| length > 0) {
                    head.push(byte[0]);
                }
                let _ = secure.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
                secure.conn.send_close_notify();
                let _ = secure.flush();
            }
        });
        Self { address, certificate, is_over, thread: Some(thread) }
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        self.is_over.store(true, std::sync::atomic::Ordering::SeqCst);
        let _ = std::net::TcpStream::connect(self.address);
        let _ = self.thread.take().expect("it was started").join();
    }
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused() {
    let server = Secure::start();
    let request = Request::get(&format!("https://{}/", server.address)).expect("an address");
    let cause = block_on(client().send(&request)).expect_err("it must not be trusted");
    assert_eq!(kind_of(&cause), Kind::Remote, "{cause:#}");
    assert!(
        message_of(&cause).contains(&format!("the certificate of {} can't be trusted", server.address)),
        "{cause:#}"
    );
}

#[test]
fn a_certificate_that_the_environment_vouches_for_is_trusted() {
    let name = "a_certificate_that_the_environment_vouches_for_is_trusted";
    if std::env::var_os("TRUSTED_SERVER").is_none() {
        let (server, repo) = (Secure::start(), support::Repo::new());
        let file = repo.home().join("certificate.pem");
        std::fs::write(&file, &server.certificate).expect("writes");
        support::run_anew(&repo, name, |command| {
            command.env("SSL_CERT_FILE", &file).env("TRUSTED_SERVER", server.address.to_string());
        });
        return;
    }
    let address = std::env::var("TRUSTED_SERVER").expect("an address");
    let request = Request::get(&format!("https://{address}/")).expect("an address");
    let answer = block_on(client().send(&request)).unwrap_or_else(|cause| panic!("{cause:#}"));
    assert_eq!(&*answer.body, b"{}");
}
