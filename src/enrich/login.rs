//! Who asks: secrets from a variable of the environment or from git's credential helpers, as `bhfuil.tracker.<name>.credential` says, and the
//! header that each software wants them in. None is kept beyond the run, shown or logged.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};
use smol::lock::OnceCell;

use crate::clock::{Clock, Deadline};
use crate::debug;
use crate::error::Kind;
use crate::gitcli::credential::{self, Credential, Realm};
use crate::gitcli::transfer::Session;
use crate::gitcli::{Bounds, Program};
use crate::http::{Login, Refusal, Secret};
use crate::shutdown::Token;
use crate::trackers::{Software, Tracker, host};

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// The variable of this name.
    Environment(String),
    /// git's credential helpers.
    Git,
}

impl Source {
    /// What the value of the setting says.
    #[must_use]
    pub(super) fn parse(value: &str) -> Option<Self> {
        match value.strip_prefix("env:") {
            Some(name) => Some(Self::Environment(name.to_owned())),
            None => (value == "git").then_some(Self::Git),
        }
    }
}

/// A login, and what git has to be told of it.
#[derive(Debug)]
struct Known {
    login: Login,
    of_git: RefCell<Option<Credential>>,
}

type Fetched = Rc<OnceCell<Result<Rc<Known>, Refusal>>>;

/// The logins of one run, each asked for once, when it is needed.
#[derive(Debug)]
pub(super) struct Logins {
    token: Token,
    /// How long git's helpers may take (`bhfuil.timeout.git`): some ask the user in a window of their own.
    limit: Duration,
    known: RefCell<HashMap<(Tracker, Source), Fetched>>,
}

impl Logins {
    pub(super) fn new(token: Token, limit: Duration) -> Self {
        Self { token, limit, known: RefCell::default() }
    }

    fn place(&self, tracker: &Tracker, source: &Source) -> Fetched {
        Rc::clone(self.known.borrow_mut().entry((tracker.clone(), source.clone())).or_default())
    }

    /// The login at `tracker` from `source`.
    ///
    /// # Errors
    /// [`Kind::Authentication`] if there is none to be had, or none that may be sent.
    pub(super) async fn of(&self, tracker: &Tracker, source: &Source) -> anyhow::Result<Login> {
        let place = self.place(tracker, source);
        // To run a git takes much to remember.
        let fetch =
            Box::pin(async { self.fetch(tracker, source).await.map(Rc::new).map_err(|cause| Refusal::of(&cause)) });
        let known = place.get_or_init(|| fetch).await;
        known.as_ref().map(|known| known.login.clone()).map_err(Refusal::error)
    }

    async fn fetch(&self, tracker: &Tracker, source: &Source) -> anyhow::Result<Known> {
        if !is_private(&tracker.base) {
            return Err(Kind::Authentication.hinted(
                format!("{} would be sent a secret that anybody on the way can read", host(&tracker.base)),
                "let bhfuil.tracker.<name>.url begin with https",
            ));
        }
        match source {
            Source::Environment(name) => {
                let value =
                    std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
                let value = value.ok_or_else(|| {
                    let hint = "bhfuil.tracker.<name>.credential names the variable that holds the secret";
                    Kind::Authentication.hinted(format!("the variable {name} isn't set, or holds no text"), hint)
                })?;
                let (user, secret) = match value.split_once(':') {
                    Some((user, secret)) if takes_user(tracker.software) => (Some(user), secret),
                    _ => (None, value.as_str()),
                };
                let login = signed(tracker, name_of(source).unwrap_or_default(), user, secret);
                Ok(Known { login, of_git: RefCell::new(None) })
            }
            Source::Git => {
                let found =
                    self.with_git(async |session| credential::fill(session, &realm(&tracker.base)).await).await?;
                let name = format!("git:{}", pseudonym(&found.username));
                let login = signed(tracker, name, Some(&found.username), &found.password);
                Ok(Known { login, of_git: RefCell::new(Some(found)) })
            }
        }
    }

    /// Passes on to git's helpers, once, whether what they said was right.
    pub(super) async fn was(&self, right: bool, tracker: &Tracker, source: &Source) {
        let place = self.place(tracker, source);
        let Some(Ok(known)) = place.get() else { return };
        let Some(credential) = known.of_git.borrow_mut().take() else { return };
        let told = self
            .with_git(async |session| {
                if right {
                    credential::approve(session, &credential).await
                } else {
                    credential::reject(session, &credential).await
                }
            })
            .await;
        if let Err(cause) = told {
            debug::warn("enrich", || format!("git wasn't told whether a password is right: {cause:#}"));
        }
    }

    async fn with_git<T>(&self, work: impl AsyncFnOnce(&Session<'_>) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let (program, clock) = (Program::default(), Clock::Real);
        let deadline = Deadline::after(&clock, self.limit).set_by("bhfuil.timeout.git");
        let bounds = Bounds { clock: &clock, token: &self.token, deadline: Some(&deadline) };
        // Nobody is asked in the middle of a stream.
        work(&Session { program: &program, bounds, prompts: false }).await
    }
}

/// Stands for a user in what is kept and told: some let a token be the name.
fn pseudonym(user: &str) -> String {
    let digest = Sha256::digest(user.as_bytes());
    digest[..8].iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// What tells the login from `source` from others, where that is known without asking for it.
pub(super) fn name_of(source: &Source) -> Option<String> {
    match source {
        Source::Environment(name) => Some(format!("env:{name}")),
        Source::Git => None,
    }
}

/// Whether nobody on the way can read what goes there.
fn is_private(base: &str) -> bool {
    let name = host(base);
    let name = name
        .strip_prefix('[')
        .and_then(|rest| rest.split(']').next())
        .unwrap_or_else(|| name.split(':').next().unwrap_or(name));
    let is_own = name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    base.starts_with("https://") || is_own
}

fn realm(base: &str) -> Realm {
    let protocol = base.split_once("://").map_or("https", |(protocol, _)| protocol);
    Realm { protocol: protocol.to_owned(), host: host(base).to_owned(), ..Realm::default() }
}

/// Whether `user:secret` in a variable is both.
fn takes_user(software: Software) -> bool {
    matches!(software, Software::Jira | Software::Gerrit)
}

/// The secret in the header that the software wants it in.
fn signed(tracker: &Tracker, name: String, user: Option<&str>, secret: &str) -> Login {
    let basic = |user: &str| format!("Basic {}", BASE64.encode(format!("{user}:{secret}")));
    let (header, value) = match (tracker.software, user) {
        (Software::Gitlab, _) => ("private-token", secret.to_owned()),
        (Software::Bugzilla, _) if host(&tracker.base) != "bugzilla.redhat.com" => {
            ("x-bugzilla-api-key", secret.to_owned())
        }
        (Software::Gitea, _) => ("authorization", format!("token {secret}")),
        (Software::Github | Software::Jira | Software::Gerrit, Some(user)) => ("authorization", basic(user)),
        _ => ("authorization", format!("Bearer {secret}")),
    };
    Login { name, header, secret: Secret::new(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_over_no_open_road() {
        for (base, is_safe) in [
            ("https://github.com", true),
            ("http://github.com", false),
            ("http://127.0.0.1:8080", true),
            ("http://[::1]:8080/x", true),
            ("http://localhost", true),
            ("http://localhost.example.com", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(is_private(base), is_safe, "{base}");
        }
    }

    #[test]
    fn a_source_is_a_variable_or_git() {
        assert_eq!(Source::parse("env:TOKEN"), Some(Source::Environment("TOKEN".into())));
        assert_eq!((Source::parse("git"), Source::parse("hunter2")), (Some(Source::Git), None));
    }
}
