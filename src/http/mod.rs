//! Asking servers: the only door to surf and isahc.
//!
//! Owns one client for the process: connections that are kept, how many ask one server at a time and how often, trying again what failed
//! for the moment, leaving alone who isn't well, time limits, and answers that are kept and asked about again with their `ETag`. Refuses to
//! know what is asked; no secret that goes through it is shown, logged or kept.
//!
//! surf gives the shape: a [`Client`] is a stack of middlewares (`patient` tries again, `gate` stands before each server, `follow` keeps
//! redirects within their origin) over a transport. That is our own, over isahc 2; for surf's see `transport`. The rules themselves are pure and take
//! the time as an argument: [`limit`], [`breaker`], `refusal`.
//!
//! ```
//! use std::io::{BufRead as _, BufReader, Write as _};
//! use git_bhfuil::clock::Clock;
//! use git_bhfuil::http::{Client, Settings};
//! use git_bhfuil::shutdown::Token;
//!
//! // A server that answers once.
//! let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! let base = format!("http://{}", listener.local_addr()?);
//! let server = std::thread::spawn(move || -> std::io::Result<String> {
//!     let (mut stream, _) = listener.accept()?;
//!     let lines = BufReader::new(stream.try_clone()?).lines().map_while(Result::ok);
//!     let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
//!     stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")?;
//!     Ok(head[0].clone())
//! });
//!
//! let client = Client::new(Settings::default(), None, Clock::Real, Token::new());
//! let site = client.at(&base).with("accept", "application/json");
//! let answer = smol::block_on(site.get("/bugs/7"))?;
//! assert_eq!((&*answer.body, answer.status), (&b"{}"[..], 200));
//! assert_eq!(server.join().expect("it has ended")?, "GET /bugs/7 HTTP/1.1");
//! # Ok::<(), anyhow::Error>(())
//! ```

pub mod breaker;
mod client;
mod follow;
mod gate;
pub mod limit;
mod patient;
mod refusal;
mod request;
mod transport;

use std::time::Duration;

pub use client::{Client, Server, Site, servers};
pub use refusal::Refusal;
pub use request::{Answer, Login, Request, Secret};

use crate::retry::{Operation, Strategy};

/// What is set of all servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long connecting may take (`bhfuil.http.connectTimeout`).
    pub connect_timeout: Duration,
    /// How long a server may think before it answers (`bhfuil.http.firstByteTimeout`).
    pub first_byte_timeout: Duration,
    /// How long one attempt may take, from its turn on (`bhfuil.http.timeout`); no longer pause is waited for.
    pub timeout: Duration,
    /// Requests to one server at a time (`bhfuil.http.perHost`).
    pub per_host: usize,
    /// Requests to one server in a second (`bhfuil.http.rate`).
    pub rate: u32,
    /// How long an answer counts as fresh (`bhfuil.http.ttl`).
    pub ttl: Duration,
    /// When a server is left alone (`bhfuil.http.breakerThreshold`, `bhfuil.http.breakerCooldown`).
    pub breaker: breaker::Rules,
    /// How often something is tried (`bhfuil.retry.http.*`).
    pub retry: Strategy,
    /// Whether no request may be made.
    pub offline: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            first_byte_timeout: Duration::from_secs(20),
            timeout: Duration::from_mins(1),
            per_host: 6,
            rate: 10,
            ttl: Duration::from_hours(1),
            breaker: breaker::Rules::default(),
            retry: Operation::Http.into(),
            offline: false,
        }
    }
}

/// The status of an answer, one too that surf has no name for.
fn status(response: &surf::Response) -> u16 {
    response.ext::<transport::RawStatus>().map_or_else(|| response.status().into(), |raw| raw.0)
}

#[cfg(test)]
mod tests;
