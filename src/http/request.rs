//! What is asked and what is answered, as plain values.
//!
//! Owns what makes two requests the same, and that a secret shows nowhere. Refuses to send.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use surf::Url;

use super::refusal::Refusal;
use crate::error::Kind;

/// The value of a header that nobody may see. Its debug form doesn't tell it, and it has no other.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `value` for itself.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A question to a server that changes nothing there, so that it may be asked again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub(super) url: Url,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Vec<u8>>,
    pub(super) login: Option<Login>,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// What tells one from another without the secret: answers are kept apart by it.
    pub name: String,
    /// The header that the secret goes into.
    pub header: &'static str,
    /// The secret.
    pub secret: Secret,
}

impl Request {
    /// Asks for what is at `url`, `http` or `https`, which names no user and no password.
    ///
    /// # Errors
    /// [`Kind::BadUrl`] if it isn't one.
    pub fn get(url: &str) -> anyhow::Result<Self> {
        // What it is isn't said: there may be a password in it.
        let parsed = Url::parse(url).map_err(|cause| Kind::BadUrl.error(format!("an address is none: {cause}")))?;
        let is_web = matches!(parsed.scheme(), "http" | "https") && parsed.host_str().is_some();
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(
                Kind::BadUrl.error("an address has a user or a password in it, which go to git's credential helpers")
            );
        }
        if !is_web {
            return Err(Kind::BadUrl.error(format!("{url} is no address of a web server")));
        }
        Ok(Self { url: parsed, headers: Vec::new(), body: None, login: None })
    }

    /// Asks `url` by what is in `body`: a query, for what would change something there must not be asked twice.
    ///
    /// # Errors
    /// As [`Request::get`].
    pub fn post(url: &str, body: Vec<u8>) -> anyhow::Result<Self> {
        Ok(Self { body: Some(body), ..Self::get(url)? })
    }

    /// The same with a header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    /// The same for somebody whom the server may know.
    #[must_use]
    pub fn by(self, login: Option<Login>) -> Self {
        Self { login, ..self }
    }

    /// Scheme, name and port of the server: `https://api.example.com`.
    #[must_use]
    pub fn origin(&self) -> String {
        origin(&self.url)
    }

    /// The name of the server, and the port if it isn't the usual one.
    #[must_use]
    pub fn host(&self) -> String {
        host(&self.url)
    }

    /// What two requests have in common that are the same.
    #[must_use]
    pub fn key(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        let mut add = |part: &[u8]| {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        };
        add(self.url.as_str().as_bytes());
        add(self.login.as_ref().map_or("", |login| login.name.as_str()).as_bytes());
        for (name, value) in &self.headers {
            add(name.as_bytes());
            add(value.as_bytes());
        }
        if let Some(body) = &self.body {
            add(b"body");
            add(body);
        }
        hasher.finalize().into()
    }
}

pub(super) fn origin(url: &Url) -> String {
    format!("{}://{}", url.scheme(), host(url))
}

pub(super) fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

/// What a server has said.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status: of success, or 404 or 410, that there is no such thing. All others are errors.
    pub status: u16,
    /// Its body.
    pub body: Arc<[u8]>,
    /// Whether it comes from what is kept, the server confirming it or not.
    pub cached: bool,
    /// Whether it is older than it should be, the server not being reached.
    pub stale: bool,
    /// When the server gave it or confirmed it last.
    pub fetched_at: SystemTime,
    /// Why it is stale.
    pub trouble: Option<Refusal>,
}

impl Answer {
    /// Whether there is what was asked for.
    #[must_use]
    pub fn is_found(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_of_a_server_or_holds_a_password_is_refused_without_telling_it() {
        for bad in [
            "",
            "example.com",
            "ftp://example.com/",
            "file:///etc/passwd",
            "https://",
            "https://me:hunter2@example.com/",
        ] {
            let cause = Request::get(bad).expect_err(bad);
            assert_eq!(crate::error::kind_of(&cause), Kind::BadUrl, "{bad}");
            assert!(!format!("{cause:?}").contains("hunter2"));
        }
    }

    #[test]
    fn requests_differ_by_all_that_may_change_the_answer() {
        let login = |name: &str, secret: &str| {
            Some(Login { name: name.into(), header: "authorization", secret: Secret::new(secret) })
        };
        let plain = || Request::get("https://example.com/a").expect("it is one");
        let all = [
            plain(),
            Request::get("https://example.com/b").expect("it is one"),
            Request::post("https://example.com/a", Vec::new()).expect("it is one"),
            Request::post("https://example.com/a", b"x".to_vec()).expect("it is one"),
            plain().with("Accept", "text/html"),
            plain().by(login("env:A", "x")),
            plain().by(login("env:B", "x")),
        ];
        let keys: std::collections::BTreeSet<_> = all.iter().map(Request::key).collect();
        assert_eq!(keys.len(), all.len());
        assert_eq!(plain().by(login("env:A", "x")).key(), plain().by(login("env:A", "renewed")).key());
        let text = format!("{:?}", plain().by(login("env:A", "hunter2")));
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn an_origin_names_the_port_only_if_it_is_unusual() {
        for (url, origin, host) in [
            ("https://Example.com/a?b", "https://example.com", "example.com"),
            ("https://example.com:443/", "https://example.com", "example.com"),
            ("http://example.com:8080/", "http://example.com:8080", "example.com:8080"),
        ] {
            let request = Request::get(url).expect("it is one");
            assert_eq!((request.origin().as_str(), request.host().as_str()), (origin, host));
        }
    }
}
