//! Why git failed, from what it says: pure. git has one exit status for everything, so its words are all there is; they are asked
//! for in English. What the other side sends (`remote: …`) counts only where git's own words tell nothing: a server's full
//! disk isn't ours.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use crate::error::Kind;

/// Why a transfer failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The disk here is full, or a quota or another limit of what may be written used up.
    DiskFull,
    /// A part of git was ended from outside.
    Killed,
    /// The files here can't be written.
    Denied,
    /// Another git holds a lock, or died with it.
    Locked,
    /// The server's certificate isn't trusted.
    Certificate,
    /// The ssh server's key isn't known, or isn't the known one.
    HostKey,
    /// The server wants to know who asks, over HTTP.
    Password,
    /// The server wants to know who asks, over ssh.
    Key,
    /// The URL is none.
    Url,
    /// git's configuration doesn't allow the protocol.
    NotAllowed,
    /// git knows no such protocol.
    Protocol,
    /// There is no such repository.
    NoRepository,
    /// There is no such server.
    NoHost,
    /// The server doesn't let us.
    Refused,
    /// The repository there is broken.
    Broken,
    /// The connection failed, or the server isn't well: trying again may help.
    Network,
    /// Anything else.
    Unknown,
}

/// What [`judge`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Why it failed.
    pub cause: Cause,
    /// The words that say so, without `fatal: ` and without passwords; empty if git said nothing.
    pub reason: String,
}

/// The rules, the first that holds counts: what a line holds (lower case) that gives the cause away. What breaks a connection comes
/// last, since anything that fails breaks it.
const RULES: &[(Cause, &[&str])] = &[
    (Cause::DiskFull, &["no space left on device", "disk quota exceeded", "file too large"]),
    (Cause::Killed, &["died of signal"]),
    (Cause::Locked, &[".lock': file exists", ".new: file exists"]),
    (
        Cause::Certificate,
        &[
            "certificate verif",
            "ssl certificate problem",
            "certificate subject name",
            "ssl ca cert",
            "ssl: no alternative",
        ],
    ),
    (Cause::HostKey, &["host key verification failed", "remote host identification has changed"]),
    (Cause::Key, &["permission denied (", "permission denied, please try again", "too many authentication failures"]),
    (
        Cause::Password,
        &["authentication failed", "could not read username", "could not read password", "http basic: access denied"],
    ),
    (Cause::NotAllowed, &["' not allowed"]),
    (
        Cause::Url,
        &[
            "bad/illegal format",
            "no host part in the url",
            "url has no scheme",
            "credential url cannot be parsed",
            "strange hostname",
            "strange pathname",
            "repository '' does not exist",
            "missing url",
        ],
    ),
    (
        Cause::Protocol,
        &["is not a git command", "unable to find remote helper", "not supported or disabled in libcurl"],
    ),
    (
        Cause::NoRepository,
        &[
            "repository not found",
            "' not found",
            "' does not exist",
            "does not appear to be a git repository",
            "no such repository",
            "repository not exported",
            "access denied or repository not exported",
            "the project you were looking for could not be found",
            "repository does not exist",
        ],
    ),
    (
        Cause::NoHost,
        &["name or service not known", "nodename nor servname", "no address associated with hostname", "unknown host"],
    ),
    (
        Cause::Broken,
        &[
            "repository corruption on the remote side",
            "remote did not send all necessary objects",
            "bad object",
            "fsck error",
        ],
    ),
    (
        Cause::Refused,
        &["remote error: ", "detected dubious ownership", "unexpected tls packet", "wrong version number"],
    ),
    (
        Cause::Denied,
        &["could not create", "cannot mkdir", "unable to create", "insufficient permission", "read-only file system"],
    ),
    (
        Cause::Network,
        &[
            "could not resolve host",
            "temporary failure in name resolution",
            "unable to look up",
            "connection reset",
            "connection refused",
            "connection closed",
            "connection was reset",
            "timed out",
            "timeout",
            "couldn't connect",
            "failed to connect",
            "unable to connect",
            "network is unreachable",
            "no route to host",
            "host is down",
            "broken pipe",
            "empty reply from server",
            "early eof",
            "hung up unexpectedly",
            "unexpected disconnect",
            "expected flush after",
            "rpc failed",
            "recv failure",
            "send failure",
            "transfer closed",
            "operation too slow",
            "ssl_error_syscall",
            "non-properly terminated",
            "error in the pull function",
            "error in the push function",
            "kex_exchange_identification",
        ],
    ),
];

/// Finds out why git failed that wrote `stderr`.
///
/// ```
/// use git_bhfuil::gitcli::{Cause, judge};
///
/// let said = "Cloning into 'x'...\nfatal: Authentication failed for 'https://example.com/x/'\n";
/// let found = judge(said);
/// assert_eq!(found.cause, Cause::Password);
/// assert_eq!(found.reason, "Authentication failed for 'https://example.com/x/'");
/// assert_eq!(found.cause.kind(), git_bhfuil::error::Kind::Authentication);
/// ```
#[must_use]
pub fn judge(stderr: &str) -> Judgement {
    let lines = stderr.lines().map(str::trim);
    let (theirs, own): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with("remote: "));
    let found = by_status(&own).or_else(|| by_rules(&own));
    let told = by_rules(&theirs).filter(|(cause, _)| of_the_server(*cause));
    let (cause, line) = match (found, told) {
        // Why the server broke the connection, it has said itself.
        (None | Some((Cause::Network | Cause::Refused, _)), Some(told)) => told,
        (Some(found), _) => found,
        (None, None) => (Cause::Unknown, last_words(stderr)),
    };
    Judgement { cause, reason: without_password(without_mark(line)).into_owned() }
}

/// What a server knows better than git here.
fn of_the_server(cause: Cause) -> bool {
    matches!(cause, Cause::NoRepository | Cause::Password | Cause::Broken)
}

fn by_rules<'l>(lines: &[&'l str]) -> Option<(Cause, &'l str)> {
    RULES.iter().find_map(|(cause, needles)| {
        let holds = |line: &str| {
            let line = line.to_ascii_lowercase();
            needles.iter().any(|needle| line.contains(needle))
        };
        lines.iter().find(|line| holds(line)).map(|line| (*cause, *line))
    })
}

/// By the status that an HTTP server answered with (RFC 9110).
fn by_status<'l>(lines: &[&'l str]) -> Option<(Cause, &'l str)> {
    const MARK: &str = "requested URL returned error: ";
    let found = lines.iter().find_map(|line| Some((line.split_once(MARK)?.1, *line)));
    let (rest, line) = found?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let cause = match rest[..digits].parse::<u16>().ok()? {
        401 | 407 => Cause::Password,
        404 | 410 => Cause::NoRepository,
        // Not implemented, and no such version: it won't be any other soon.
        501 | 505 => Cause::Refused,
        408 | 425 | 429 | 500..=599 => Cause::Network,
        _ => Cause::Refused,
    };
    Some((cause, line))
}

impl Cause {
    /// The kind of error that it makes.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::DiskFull => Kind::DiskFull,
            Self::Denied => Kind::Io,
            Self::Password | Self::Key => Kind::Authentication,
            Self::Url | Self::NotAllowed => Kind::BadUrl,
            Self::NoRepository | Self::NoHost => Kind::RemoteNotFound,
            Self::Certificate | Self::HostKey | Self::Protocol | Self::Refused | Self::Broken => Kind::Remote,
            Self::Network => Kind::Network,
            Self::Killed | Self::Locked | Self::Unknown => Kind::Git,
        }
    }

    /// What the user can do about it, `url` being the other side's.
    #[must_use]
    pub fn hint(self, url: &str) -> String {
        let url = without_password(url);
        match self {
            Self::DiskFull => "make room on the disk, then try again: what was half done is removed".into(),
            Self::Killed => "something outside ended it; the system does when memory runs out".into(),
            Self::Denied => "the folder must be writable".into(),
            Self::Locked => "another git is at work there; if there is none, it died: remove that file".into(),
            Self::Certificate => "git config http.sslCAInfo names the certificates that are trusted".into(),
            Self::HostKey => format!("in a terminal, git ls-remote {url} shows the server's key and asks"),
            Self::Password => format!(
                "git asks its credential helper (git config credential.helper), or you: git ls-remote {url} in a terminal"
            ),
            Self::Key => "ssh-add -l lists the keys that ssh can use; the server has to know one of them".into(),
            Self::Url => {
                "git clone has to understand it: https://<host>/<path>, ssh://<host>/<path>, <host>:<path>".into()
            }
            Self::NotAllowed => "if the URL can be trusted, git config protocol.<name>.allow permits it".into(),
            Self::Protocol => "git needs a helper git-remote-<protocol> for it on PATH".into(),
            Self::NoRepository => format!("is the URL right, and may you see it? git ls-remote {url}"),
            Self::NoHost => "is the server's name right?".into(),
            Self::Refused => format!("git ls-remote {url} has to work"),
            Self::Broken => "those who run the server have to repair it (git fsck)".into(),
            Self::Network => "the connection or the server failed; try again later".into(),
            Self::Unknown => "git's own words are all that is known".into(),
        }
    }
}

/// The last line of `stderr` that git marks as its reason; a usage, which goes on for pages, says it in its first; else the last.
pub(super) fn last_words(stderr: &str) -> &str {
    let mut lines = stderr.lines().filter(|line| !line.trim().is_empty());
    let begins = |words: &[&str], line: &str| words.iter().any(|word| line.starts_with(word));
    let reason = lines.clone().rev().find(|line| begins(&["fatal: ", "error: "], line));
    let usage = || lines.clone().find(|line| begins(&["usage: "], line));
    reason.or_else(usage).or_else(|| lines.next_back()).unwrap_or_default()
}

fn without_mark(line: &str) -> &str {
    let line = line.strip_prefix("remote: ").unwrap_or(line);
    ["fatal: ", "error: ", "ERROR: "].iter().find_map(|mark| line.strip_prefix(mark)).unwrap_or(line)
}

/// `text` with what may be secret taken out of the URLs in it: passwords, whatever letters they have, and queries.
pub fn without_password(text: &str) -> Cow<'_, str> {
    static PASSWORD: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(://[^/@\s:']*):(?:[^/@\s']*|[^\d/\s'][^\s']*)@").expect("a pattern that is tested")
    });
    static QUERY: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(://[^\s'?]*\?)[^\s']+").expect("a pattern that is tested"));
    match PASSWORD.replace_all(text, "$1@") {
        Cow::Borrowed(text) => QUERY.replace_all(text, "$1…"),
        Cow::Owned(text) => QUERY.replace_all(&text, "$1…").into_owned().into(),
    }
}

#[cfg(test)]
mod tests;
