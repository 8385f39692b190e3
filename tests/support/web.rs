//! A web server on loopback that answers as a test says, keeps connections open as real ones do, and ends with the value that stands for it,
//! its threads with it. `#[path] mod web;` includes it.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query as they were sent; of a proxy the whole address.
    pub(crate) target: String,
    /// By names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn read(reader: &mut BufReader<TcpStream>) -> Option<Self> {
        let mut line = || {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
            Some(line.trim_end().to_owned())
        };
        let first = line()?;
        let mut words = first.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = BTreeMap::new();
        while let Some((name, value)) = line()?.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        Some(Self { method, target, headers, body })
    }
}

/// What is said.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A status, headers and a body of known length.
    Whole(u16, Vec<(String, String)>, Vec<u8>),
    /// These bytes as they are; then the connection is closed.
    Raw(Vec<u8>),
    /// A head, and then a body that never ends.
    Endless,
    /// Nothing, until the server ends.
    Silence,
    /// This, once the test says so.
    Held(Box<Reply>),
}

impl Reply {
    pub(crate) fn json(body: &str) -> Self {
        Self::Whole(200, vec![("Content-Type".into(), "application/json; charset=utf-8".into())], body.into())
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::Whole(status, Vec::new(), Vec::new())
    }

    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        match self {
            Self::Whole(status, mut headers, body) => {
                headers.push((name.into(), value.into()));
                Self::Whole(status, headers, body)
            }
            other => other,
        }
    }
}

#[derive(Debug, Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn pass(&self) {
        let is_open = self.is_open.lock().expect("no panic");
        drop(self.opened.wait_while(is_open, |is_open| !*is_open).expect("no panic"));
    }

    fn open(&self) {
        *self.is_open.lock().expect("no panic") = true;
        self.opened.notify_all();
    }
}

/// The server.
pub(crate) struct Web {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    accepted: AtomicUsize,
    closed: AtomicUsize,
    connections: Mutex<Vec<TcpStream>>,
    asked: Mutex<Vec<Asked>>,
    gate: Gate,
}

impl Web {
    /// Answers by `decide`, which is told what is asked and how many requests there were before.
    pub(crate) fn start(decide: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("loopback"), decide)
    }

    /// As [`Web::start`], of a listener that is there already.
    pub(crate) fn on(listener: TcpListener, decide: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        let address = listener.local_addr().expect("an address");
        let shared = Arc::<Shared>::default();
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let (shared, decide) = (&*shared, &decide);
                std::thread::scope(|scope| {
                    for stream in listener.incoming() {
                        if shared.is_over.load(Ordering::SeqCst) {
                            break;
                        }
                        let Ok(stream) = stream else { continue };
                        shared.accepted.fetch_add(1, Ordering::SeqCst);
                        shared.connections.lock().expect("no panic").push(stream.try_clone().expect("a descriptor"));
                        scope.spawn(move || {
                            // Who asked may have gone away.
                            let _ = serve(&stream, shared, decide);
                            let _ = stream.shutdown(Shutdown::Both);
                            shared.closed.fetch_add(1, Ordering::SeqCst);
                        });
                    }
                });
            }
        });
        Self { address, shared, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// All that was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().expect("no panic").clone()
    }

    pub(crate) fn requests(&self) -> usize {
        self.shared.asked.lock().expect("no panic").len()
    }

    /// Connections that were made.
    pub(crate) fn connections(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Connections that have ended.
    pub(crate) fn closed(&self) -> usize {
        self.shared.closed.load(Ordering::SeqCst)
    }

    /// Lets what is held back go.
    pub(crate) fn release(&self) {
        self.shared.gate.open();
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.shared.gate.open();
        for connection in self.shared.connections.lock().expect("no panic").iter() {
            let _ = connection.shutdown(Shutdown::Both);
        }
        let _ = TcpStream::connect(self.address);
        // What broke in there has been told.
        let _ = self.thread.take().expect("it was started").join();
    }
}

fn serve(
    stream: &TcpStream,
    shared: &Shared,
    decide: &(impl Fn(&Asked, usize) -> Reply + Send + Sync),
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(asked) = Asked::read(&mut reader) {
        let before = {
            let mut all = shared.asked.lock().expect("no panic");
            all.push(asked.clone());
            all.len() - 1
        };
        let mut reply = decide(&asked, before);
        while let Reply::Held(then) = reply {
            shared.gate.pass();
            reply = *then;
        }
        let mut out = stream;
        match reply {
            Reply::Whole(status, headers, body) => {
                let mut bytes = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n", body.len()).into_bytes();
                for (name, value) in headers {
                    bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
                }
                bytes.extend_from_slice(b"\r\n");
                bytes.extend_from_slice(&body);
                out.write_all(&bytes)?;
            }
            Reply::Raw(bytes) => return out.write_all(&bytes),
            Reply::Endless => {
                out.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")?;
                while !shared.is_over.load(Ordering::SeqCst) {
                    out.write_all(&[b' '; 8192])?;
                }
                return Ok(());
            }
            // Until the other side goes, or this one ends.
            Reply::Silence => {
                let mut byte = [0];
                return reader.read(&mut byte).map(drop);
            }
            Reply::Held(_) => {}
        }
    }
    Ok(())
}
