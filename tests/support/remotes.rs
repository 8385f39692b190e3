//! The other side, as a test wants it: repositories served over HTTP by git's own `http-backend` and over git's protocol by
//! `git daemon`, on loopback, that answer, refuse, drop, wait or say nothing; a stand-in for `git`; and a look at what was left behind.
//!
//! A server ends with the value that stands for it, and its threads and processes with it. `#[path] mod remotes;` beside `mod support;`
//! includes it.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use git_bhfuil::gitcli::Program;

use crate::support::{Repo, feed};

/// The variable that marks all that a test has started.
const MARK: &str = "GIT_BHFUIL_TEST_MARK";

impl Repo {
    /// The git that the library is to run for a test: sealed, and marked as this test's.
    pub(crate) fn program(&self) -> Program {
        let program = Program::default().with(MARK, self.home());
        self.sealed_env().into_iter().fold(program, |program, (name, value)| match value {
            Some(value) => program.with(name, value),
            None => program.without(name),
        })
    }

    /// Seals and marks a process that a test starts.
    pub(crate) fn mark<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        self.seal(command).env(MARK, self.home())
    }

    /// The command lines of all processes that were started, by whomever, with the mark of this test.
    pub(crate) fn left_running(&self) -> Vec<String> {
        let mark = format!("{MARK}={}", self.home().display());
        let processes = std::fs::read_dir("/proc").expect("proc(5)").flatten();
        let marked = processes.filter(|process| {
            // That of a zombie is empty; of one that is gone by now, it can't be read.
            let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
            environment.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes())
        });
        marked.map(|process| command_line(&process.path())).collect()
    }

    /// A folder with a program `git` that runs `script` in a shell, for the front of PATH.
    pub(crate) fn stand_in(&self, script: &str) -> PathBuf {
        let folder = self.home().join("stand-in");
        std::fs::create_dir_all(&folder).expect("a folder");
        let program = folder.join("git");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("a script");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("a mode");
        folder
    }

    /// A PATH on which `script` is in git's place for the verbs that talk to others; the real one answers the rest.
    pub(crate) fn path_with(&self, script: &str) -> OsString {
        let script = format!(
            "for word do case $word in clone|fetch) verb=$word; break;; config|rev-parse|for-each-ref) break;; esac; done\n\
             for place do :; done\n\
             if [ -z \"$verb\" ]; then PATH=${{PATH#*:}}; exec git \"$@\"; fi\n{script}"
        );
        let mut path = self.stand_in(&script).into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").expect("PATH"));
        path
    }

    /// [`Repo::program`] on that PATH.
    pub(crate) fn program_with(&self, script: &str) -> Program {
        self.program().with("PATH", self.path_with(script))
    }
}

fn command_line(process: &Path) -> String {
    let line = std::fs::read(process.join("cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
}

/// What is in `folder`, by name.
pub(crate) fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A place where answers are held back until the test lets them go.
#[derive(Debug, Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    held: usize,
    open: bool,
}

impl Gate {
    fn hold(&self) {
        let mut state = self.state.lock().expect("no panic");
        state.held += 1;
        self.changed.notify_all();
        while !state.open {
            state = self.changed.wait(state).expect("no panic");
        }
    }

    fn wait_for(&self, count: usize) {
        let mut state = self.state.lock().expect("no panic");
        while state.held < count {
            state = self.changed.wait(state).expect("no panic");
        }
    }

    fn open(&self) {
        self.state.lock().expect("no panic").open = true;
        self.changed.notify_all();
    }
}

/// A listener on loopback with a thread for each connection.
struct Listening {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
    gate: Arc<Gate>,
    thread: Option<JoinHandle<()>>,
}

impl Listening {
    fn start(gate: Arc<Gate>, serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let address = listener.local_addr().expect("an address");
        let (over, connections) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let thread = std::thread::spawn({
            let (over, connections) = (Arc::clone(&over), Arc::clone(&connections));
            move || {
                std::thread::scope(|scope| {
                    for stream in listener.incoming() {
                        if over.load(Ordering::SeqCst) {
                            break;
                        }
                        let stream = stream.expect("a connection");
                        connections.lock().expect("no panic").push(stream.try_clone().expect("a descriptor"));
                        scope.spawn(|| serve(stream));
                    }
                });
            }
        });
        Self { address, over, connections, gate, thread: Some(thread) }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        self.gate.open();
        for connection in self.connections.lock().expect("no panic").iter() {
            let _ = connection.shutdown(Shutdown::Both);
        }
        let _ = TcpStream::connect(self.address);
        // What broke in there has been told.
        let _ = self.thread.take().expect("it was started").join();
    }
}

/// What an HTTP server was asked.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    query: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Request {
    /// A header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn read(stream: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = || {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
            Some(line.trim_end().to_owned())
        };
        let first = line()?;
        let mut words = first.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (path, query) = (path.to_owned(), query.to_owned());
        let mut headers = BTreeMap::new();
        while let Some((name, value)) = line()?.split_once(": ") {
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        Some(Self { method, path, query, headers, body })
    }
}

/// What an HTTP server does with a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    /// What git answers.
    Git,
    /// A status and nothing else; 401 asks for a password.
    Status(u16),
    /// The beginning of what git answers, of so many bytes after the headers, then the connection breaks.
    Cut(usize),
    /// What git answers but for so many bytes at its end, which come when the test says so.
    Hold(usize),
    /// None, ever.
    Silence,
}

/// `git http-backend` behind a server.
pub(crate) struct HttpServer {
    listening: Listening,
    seen: Arc<Mutex<Vec<String>>>,
}

impl HttpServer {
    /// Serves the repositories in `root`; `decide` says what becomes of each request, given how often the same was asked before.
    pub(crate) fn start(root: &Path, decide: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static) -> Self {
        let (gate, seen) = (Arc::<Gate>::default(), Arc::<Mutex<Vec<String>>>::default());
        let root = root.to_owned();
        let serve = {
            let (gate, seen) = (Arc::clone(&gate), Arc::clone(&seen));
            move |stream: TcpStream| {
                let Some(request) = Request::read(&stream) else { return };
                let asked = format!("{} {}", request.method, request.path);
                let before = {
                    let mut seen = seen.lock().expect("no panic");
                    seen.push(asked.clone());
                    seen.iter().filter(|other| **other == asked).count() - 1
                };
                // git may have gone away.
                let _ = answer(&root, &request, decide(&request, before), stream, &gate);
            }
        };
        Self { listening: Listening::start(gate, serve), seen }
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.listening.address)
    }

    /// How often packs were asked for.
    pub(crate) fn packs_asked_for(&self) -> usize {
        let seen = self.seen.lock().expect("no panic");
        seen.iter().filter(|asked| asked.starts_with("POST ")).count()
    }

    /// How many requests there were.
    pub(crate) fn requests(&self) -> usize {
        self.seen.lock().expect("no panic").len()
    }

    /// Waits until so many answers have been held back.
    pub(crate) async fn until_held(&self, count: usize) {
        let gate = Arc::clone(&self.listening.gate);
        smol::unblock(move || gate.wait_for(count)).await;
    }

    /// Lets all that is held back go on, and what is to come.
    pub(crate) fn release(&self) {
        self.listening.gate.open();
    }
}

fn answer(root: &Path, request: &Request, answer: Answer, mut stream: TcpStream, gate: &Gate) -> std::io::Result<()> {
    match answer {
        Answer::Git | Answer::Cut(_) | Answer::Hold(_) => {}
        Answer::Silence => {
            gate.hold();
            return Ok(());
        }
        Answer::Status(status) => {
            let asks = if status == 401 { "WWW-Authenticate: Basic realm=\"test\"\r\n" } else { "" };
            return write!(stream, "HTTP/1.1 {status} x\r\n{asks}Content-Length: 0\r\nConnection: close\r\n\r\n");
        }
    }
    let (head, body) = backend(root, request);
    let status = head.iter().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n", body.len())?;
    for line in head.iter().filter(|line| !line.starts_with("Status: ")) {
        write!(stream, "{line}\r\n")?;
    }
    stream.write_all(b"\r\n")?;
    let until = match answer {
        Answer::Cut(length) => length.min(body.len()),
        Answer::Hold(length) => body.len().saturating_sub(length),
        _ => body.len(),
    };
    stream.write_all(&body[..until])?;
    stream.flush()?;
    if let Answer::Hold(_) = answer {
        gate.hold();
        stream.write_all(&body[until..])?;
    }
    stream.shutdown(Shutdown::Both)
}

/// What `git http-backend` says to `request` (git-http-backend(1)): its header lines, and the rest.
fn backend(root: &Path, request: &Request) -> (Vec<String>, Vec<u8>) {
    let mut command = Command::new("git");
    seal_server(&mut command);
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", &request.path)
        .env("QUERY_STRING", &request.query)
        .env("CONTENT_TYPE", request.header("content-type"))
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", request.header("content-encoding"))
        .env("GIT_PROTOCOL", request.header("git-protocol"));
    let output = feed(&mut command, &request.body);
    let end = output.windows(4).position(|four| four == b"\r\n\r\n").expect("headers");
    let head = String::from_utf8_lossy(&output[..end]);
    (head.split("\r\n").map(str::to_owned).collect(), output[end + 4..].to_vec())
}

fn seal_server(command: &mut Command) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GIT_")) {
        command.env_remove(name);
    }
    command.env("HOME", "/nonexistent").env("GIT_CONFIG_NOSYSTEM", "1").env("LC_ALL", "C.UTF-8");
}

/// What a server of git's own protocol does with a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Connection {
    /// `git daemon` has it.
    Daemon,
    /// It breaks when the daemon has said so many bytes.
    Cut(usize),
    /// Nothing is ever said.
    Silence,
}

/// `git daemon`, a process for each connection.
pub(crate) struct GitServer {
    listening: Listening,
    connections: Arc<AtomicUsize>,
}

impl GitServer {
    /// Serves the repositories in `root`; `decide` says what becomes of the connection, given how many there were before.
    pub(crate) fn start(root: &Path, decide: impl Fn(usize) -> Connection + Send + Sync + 'static) -> Self {
        let (gate, connections) = (Arc::<Gate>::default(), Arc::<AtomicUsize>::default());
        let root = root.to_owned();
        let serve = {
            let (gate, connections) = (Arc::clone(&gate), Arc::clone(&connections));
            move |stream: TcpStream| match decide(connections.fetch_add(1, Ordering::SeqCst)) {
                Connection::Daemon => daemon(&root, stream, usize::MAX),
                Connection::Cut(length) => daemon(&root, stream, length),
                Connection::Silence => gate.hold(),
            }
        };
        Self { listening: Listening::start(gate, serve), connections }
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("git://{}/{name}", self.listening.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Waits until so many connections have met with silence.
    pub(crate) async fn until_silent(&self, count: usize) {
        let gate = Arc::clone(&self.listening.gate);
        smol::unblock(move || gate.wait_for(count)).await;
    }
}

/// Lets `git daemon` talk on `stream` until it has said `length` bytes.
fn daemon(root: &Path, mut stream: TcpStream, length: usize) {
    let mut command = Command::new("git");
    seal_server(&mut command);
    let base = format!("--base-path={}", root.display());
    command.args(["daemon", "--inetd", "--export-all", &base]).stderr(Stdio::null());
    command.stdin(OwnedFd::from(stream.try_clone().expect("a descriptor"))).stdout(Stdio::piped());
    let mut child = command.spawn().expect("git starts");
    let said = child.stdout.take().expect("a pipe");
    let _ = std::io::copy(&mut said.take(length.try_into().expect("a length")), &mut stream);
    let _ = stream.shutdown(Shutdown::Both);
    child.wait().expect("it ends");
}
