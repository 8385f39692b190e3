//! What went wrong, in terms a caller can act on. A [`Failure`] is attached where the cause is known and travels inside
//! `anyhow::Error`; its [`Kind`] gives the wire code, the class and the exit code. Nothing here prints or exits.

use std::fmt;

/// Exit codes, as `EVENTS` and the README list them.
pub mod exit {
    /// The question was answered.
    pub const ANSWERED: u8 = 0;
    /// The answer is negative.
    pub const NEGATIVE: u8 = 1;
    /// Some repository, object or server failed; the rest is right.
    pub const PARTIAL: u8 = 3;
    /// Nothing could be answered.
    pub const FATAL: u8 = 128;
    /// The command line was not understood.
    pub const USAGE: u8 = 129;
    /// Ended by SIGINT; SIGTERM is 143. In general 128 + the signal's number.
    pub const INTERRUPTED: u8 = 130;
}

/// Who can do something about an error, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Trying again later may help.
    Transient,
    /// Trying again won't help; something has to be repaired.
    Permanent,
    /// What was asked for can't be done as asked.
    User,
    /// A defect of this program.
    Internal,
}

/// What kind of failure it is. A closed set: code branches on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command line is not understood.
    Usage,
    /// There is no repository where one was looked for.
    NoRepository,
    /// A repository was found and can't be opened.
    RepoOpen,
    /// A revision, range or cursor names nothing here.
    BadRevision,
    /// An option's or setting's value can't be used.
    BadValue,
    /// A cursor isn't known here, or its commits are gone.
    BadCursor,
    /// An object that history needs is not there.
    MissingObject,
    /// An object is there and can't be read as what it should be.
    CorruptObject,
    /// The cache was written by a newer version.
    CacheNewer,
    /// The cache can't be read or written.
    Cache,
    /// The `git` program failed or could not be run.
    Git,
    /// A connection could not be made or broke off, or a server is not well.
    Network,
    /// A server wants to know who asks, and wasn't satisfied.
    Authentication,
    /// There is no such repository or page on the server, or no such server.
    RemoteNotFound,
    /// A server refuses, can't be trusted, or can't be talked to.
    Remote,
    /// A server wants to be asked less often.
    RateLimited,
    /// A server has failed so often that it is left alone for a while.
    LeftAlone,
    /// A server has answered something that can't be understood, or too much.
    BadAnswer,
    /// It would have taken a request, and none may be made.
    Offline,
    /// A URL is none, or none that may be used.
    BadUrl,
    /// A disk is full, or a quota used up.
    DiskFull,
    /// Reading input or writing output failed.
    Io,
    /// Another process is changing a file.
    Locked,
    /// Too much waits to be done already.
    Busy,
    /// What was to be made is there already.
    Exists,
    /// An operation took longer than its limit.
    Timeout,
    /// A signal or a dropped owner stopped the work.
    Cancelled,
    /// A defect of this program.
    Internal,
}

impl Kind {
    /// The code on the wire (`error.code`), kebab-case, stable.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::NoRepository => "no-repository",
            Self::RepoOpen => "repo-open",
            Self::BadRevision => "bad-revision",
            Self::BadValue => "bad-value",
            Self::BadCursor => "bad-cursor",
            Self::MissingObject => "missing-object",
            Self::CorruptObject => "corrupt-object",
            Self::CacheNewer => "cache-newer",
            Self::Cache => "cache",
            Self::Git => "git",
            Self::Network => "network",
            Self::Authentication => "authentication",
            Self::RemoteNotFound => "remote-not-found",
            Self::Remote => "remote",
            Self::RateLimited => "rate-limited",
            Self::LeftAlone => "left-alone",
            Self::BadAnswer => "bad-answer",
            Self::Offline => "offline",
            Self::BadUrl => "bad-url",
            Self::DiskFull => "disk-full",
            Self::Io => "io",
            Self::Locked => "locked",
            Self::Busy => "busy",
            Self::Exists => "exists",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
        }
    }

    /// Who can act on it.
    #[must_use]
    pub fn class(self) -> Class {
        match self {
            Self::Usage
            | Self::NoRepository
            | Self::BadRevision
            | Self::BadValue
            | Self::BadCursor
            | Self::Exists
            | Self::BadUrl => Class::User,
            Self::Locked
            | Self::Busy
            | Self::Timeout
            | Self::Cancelled
            | Self::Network
            | Self::RateLimited
            | Self::LeftAlone
            | Self::Offline => Class::Transient,
            Self::Internal => Class::Internal,
            _ => Class::Permanent,
        }
    }

    /// The exit code of a run that ends with it.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Usage => exit::USAGE,
            Self::Cancelled => exit::INTERRUPTED,
            _ => exit::FATAL,
        }
    }

    /// An error of this kind that says `message`.
    pub fn error(self, message: impl Into<String>) -> anyhow::Error {
        anyhow::Error::new(Failure { kind: self, message: message.into(), hint: None, query: None })
    }

    /// An error of this kind that says `message` and names a way out.
    pub fn hinted(self, message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
        anyhow::Error::new(Failure { kind: self, message: message.into(), hint: Some(hint.into()), query: None })
    }

    /// Adds this kind and a message on top of an error that has neither.
    pub fn wrap(self, source: impl Into<anyhow::Error>, message: impl Into<String>) -> anyhow::Error {
        source.into().context(Failure { kind: self, message: message.into(), hint: None, query: None })
    }

    /// Adds this kind, a message and a way out on top of an error that has none of them.
    pub fn wrap_hinted(
        self,
        source: impl Into<anyhow::Error>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> anyhow::Error {
        source.into().context(Failure { kind: self, message: message.into(), hint: Some(hint.into()), query: None })
    }
}

/// An error with its kind, its message and the way out, if one is known.
#[derive(Debug)]
pub struct Failure {
    /// What kind of failure.
    pub kind: Kind,
    /// What happened and to what, without a final full stop.
    pub message: String,
    /// What the user can do.
    pub hint: Option<String>,
    /// The query that could not be answered, if it is about one.
    pub query: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The kind of `error`: that of the outermost [`Failure`] in it, [`Kind::Internal`] if there is none.
#[must_use]
pub fn kind_of(error: &anyhow::Error) -> Kind {
    error.downcast_ref::<Failure>().map_or(Kind::Internal, |failure| failure.kind)
}

/// The hint that `error` carries, if any.
#[must_use]
pub fn hint_of(error: &anyhow::Error) -> Option<&str> {
    error.downcast_ref::<Failure>().and_then(|failure| failure.hint.as_deref())
}

/// The query that `error` is about, if any.
#[must_use]
pub fn query_of(error: &anyhow::Error) -> Option<&str> {
    error.downcast_ref::<Failure>().and_then(|failure| failure.query.as_deref())
}

/// `error` as one about `query`; one without a kind stays as it is.
#[must_use]
pub fn about(mut error: anyhow::Error, query: &str) -> anyhow::Error {
    if let Some(failure) = error.downcast_mut::<Failure>() {
        failure.query = Some(query.to_owned());
    }
    error
}

/// The whole chain of causes on one line, outermost first; one that says again what another says is left out.
#[must_use]
pub fn message_of(error: &anyhow::Error) -> String {
    let mut causes: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        match causes.last() {
            Some(last) if last.contains(&cause) || cause.contains(last.as_str()) => {}
            _ => causes.push(cause),
        }
    }
    causes.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn a_kind_survives_further_context() {
        let error = Err::<(), _>(Kind::CacheNewer.hinted("the cache is newer", "update"))
            .context("opening the cache")
            .expect_err("an error went in");
        assert_eq!(kind_of(&error), Kind::CacheNewer);
        assert_eq!(hint_of(&error), Some("update"));
        assert_eq!(message_of(&error), "opening the cache: the cache is newer");
        assert_eq!(kind_of(&error).exit_code(), exit::FATAL);
        assert_eq!(query_of(&error), None);
        let error = about(error, "main");
        assert_eq!(
            (query_of(&error), message_of(&error).as_str()),
            (Some("main"), "opening the cache: the cache is newer")
        );
    }

    #[test]
    fn a_cause_that_says_the_same_again_is_told_once() {
        let full = anyhow::anyhow!("Error code 13: disk is full").context("disk is full");
        assert_eq!(message_of(&Kind::Cache.wrap(full, "opening x")), "opening x: disk is full");
    }

    #[test]
    fn an_error_without_a_kind_is_ours() {
        assert_eq!(kind_of(&anyhow::anyhow!("surprise")), Kind::Internal);
    }
}
