//! What becomes of a status or a failed connection: which kind of error it is, whether another try is worth it, and whether it counts
//! against the server.

use std::time::{Duration, SystemTime};

use crate::clock::spoken;
use crate::error::{self, Kind};
use crate::retry::Again;

/// An error that several can be told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What kind.
    pub kind: Kind,
    /// What happened, the server's name in it.
    pub message: String,
    /// What can be done.
    pub hint: Option<String>,
}

impl Refusal {
    /// What `cause` says.
    #[must_use]
    pub fn of(cause: &anyhow::Error) -> Self {
        let hint = error::hint_of(cause).map(str::to_owned);
        Self { kind: error::kind_of(cause), message: error::message_of(cause), hint }
    }

    /// Whether the server can't be asked for now: what is kept may be shown in the place of an answer.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        is_outage(self.kind)
    }

    /// An error that says the same.
    #[must_use]
    pub fn error(&self) -> anyhow::Error {
        match &self.hint {
            Some(hint) => self.kind.hinted(&self.message, hint),
            None => self.kind.error(&self.message),
        }
    }
}

/// What a status means that is none of success, nor that there is no such thing: `None` if it is one of these. `pause` is how long the
/// server wants to be left alone.
pub(super) fn of_status(status: u16, host: &str, pause: Option<Duration>) -> Option<anyhow::Error> {
    let answered = || format!("{host} has answered with status {status}");
    Some(match status {
        200..=299 | 304 | 404 | 410 => return None,
        429 => limited(host, pause),
        403 if pause.is_some() => limited(host, pause),
        401 | 407 => Kind::Authentication.hinted(
            format!("{host} doesn't know who asks (status {status})"),
            "bhfuil.tracker.<name>.credential sets how to log in",
        ),
        403 => Kind::Authentication.hinted(
            format!("{host} refuses to answer (status {status})"),
            "bhfuil.tracker.<name>.credential sets how to log in",
        ),
        408 | 425 | 500 | 502..=504 | 506..=599 => Kind::Network.error(answered()),
        _ => Kind::Remote.error(answered()),
    })
}

/// The error of a server that wants to be asked less often.
pub(super) fn limited(host: &str, pause: Option<Duration>) -> anyhow::Error {
    let hint = "with bhfuil.tracker.<name>.credential set a server may allow more; bhfuil.http.rate sets how often it is asked";
    let until = pause.map_or_else(String::new, |pause| {
        // Whole seconds are exact enough.
        format!(
            ", not for another {}",
            spoken(Duration::from_secs(pause.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)))
        )
    });
    Kind::RateLimited.hinted(format!("{host} wants to be asked less often{until}"), hint)
}

/// Whether what failed is worth another try, and when: only what is transient, and no wait longer than `patience`.
pub(super) fn again(kind: Kind, pause: Option<Duration>, patience: Duration) -> Again {
    match (kind, pause) {
        (Kind::Network | Kind::RateLimited, Some(pause)) if pause > patience => Again::Never,
        (Kind::Network | Kind::RateLimited, Some(pause)) => Again::After(pause),
        (Kind::Network | Kind::RateLimited, None) => Again::Soon,
        _ => Again::Never,
    }
}

/// Whether what failed counts against the server.
pub(super) fn counts(kind: Kind) -> bool {
    matches!(kind, Kind::Network | Kind::Timeout)
}

/// Whether what is kept may be shown in the place of an answer.
pub(super) fn is_outage(kind: Kind) -> bool {
    matches!(kind, Kind::Network | Kind::Timeout | Kind::RateLimited | Kind::LeftAlone | Kind::Offline)
}

/// The time from `now` to `until`.
pub(super) fn left(until: Option<SystemTime>, now: SystemTime) -> Option<Duration> {
    until.and_then(|until| until.duration_since(now).ok()).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_client_error_is_tried_again_but_three() {
        let patience = Duration::from_mins(1);
        let tried: Vec<u16> = (100..600)
            .filter(|status| {
                let kind = of_status(*status, "h", None).map(|cause| error::kind_of(&cause));
                kind.is_some_and(|kind| again(kind, None, patience) != Again::Never)
            })
            .collect();
        let client: Vec<u16> = tried.iter().copied().filter(|status| *status < 500).collect();
        assert_eq!(client, [408, 425, 429]);
        assert!([500, 502, 503, 504, 520].iter().all(|status| tried.contains(status)));
        assert!(![501, 505].iter().any(|status| tried.contains(status)), "these are for good");
    }

    #[test]
    fn a_pause_is_waited_for_if_it_isn_t_too_long() {
        let (short, long) = (Duration::from_secs(5), Duration::from_secs(61));
        let patience = Duration::from_mins(1);
        assert_eq!(again(Kind::RateLimited, Some(short), patience), Again::After(short));
        assert_eq!(again(Kind::RateLimited, Some(long), patience), Again::Never);
        assert_eq!(again(Kind::Authentication, Some(short), patience), Again::Never);
        assert_eq!(of_status(403, "h", Some(short)).map(|it| error::kind_of(&it)), Some(Kind::RateLimited));
        assert_eq!(of_status(403, "h", None).map(|it| error::kind_of(&it)), Some(Kind::Authentication));
    }
}
