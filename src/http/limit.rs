//! How fast one server may be asked, as pure state: so many requests in a second, and not at all before a time that the server has named.
//!
//! Owns the arithmetic and what servers say of their limits in headers: `Retry-After` (RFC 9110, 10.2.3), `X-RateLimit-*` as GitHub and
//! Gitea have them, `RateLimit-*` as GitLab has them, and the `RateLimit` field of the IETF's draft of header fields for rate limits.
//! Refuses to wait.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A number from which on a time is one since 1970, and not one from now on: servers say either in headers of the same name.
const EPOCH: u64 = 1_000_000_000;
/// The longest pause that is believed.
const LONGEST: Duration = Duration::from_hours(24);

/// A bucket of tokens that fills evenly and holds a second's worth: after a rest so many go at once.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// What one request costs.
    each: Duration,
    /// How far ahead of the even pace it may run.
    ahead: Duration,
    /// When, at an even pace, the next would come.
    next: Option<Instant>,
}

impl Bucket {
    /// One that lets `rate` requests go in a second; zero counts as one.
    #[must_use]
    pub fn new(rate: u32) -> Self {
        let rate = rate.max(1);
        let each = Duration::from_secs(1) / rate;
        Self { each, ahead: each * (rate - 1), next: None }
    }

    /// Takes a token, and says how long to wait for it.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use git_bhfuil::http::limit::Bucket;
    ///
    /// let (mut bucket, now) = (Bucket::new(2), Instant::now());
    /// let waits = [0, 0, 500, 1000].map(Duration::from_millis);
    /// assert_eq!([(); 4].map(|()| bucket.take(now)), waits);
    /// ```
    pub fn take(&mut self, now: Instant) -> Duration {
        let next = self.next.map_or(now, |next| next.max(now));
        self.next = Some(next + self.each);
        next.saturating_duration_since(now).saturating_sub(self.ahead)
    }
}

/// Until when a server wants to be left alone, by its answer of `status`; `None` if it may be asked again at once. `header` gives the value
/// of a header by its name in small letters.
#[must_use]
pub fn pause<'h>(status: u16, header: impl Fn(&str) -> Option<&'h str>, now: SystemTime) -> Option<SystemTime> {
    let refused = matches!(status, 403 | 408 | 425 | 429 | 500..=599);
    let after = header("retry-after").filter(|_| refused).and_then(|value| retry_after(value.trim(), now));
    let is_used_up = |names: [&str; 2]| {
        let [left, reset] = names.map(|name| header(name).and_then(|value| value.trim().parse::<u64>().ok()));
        (left == Some(0)).then_some(reset).flatten().map(|reset| time_of(reset, now))
    };
    let reset = is_used_up(["x-ratelimit-remaining", "x-ratelimit-reset"])
        .or_else(|| is_used_up(["ratelimit-remaining", "ratelimit-reset"]))
        .or_else(|| header("ratelimit").and_then(draft).map(|seconds| now + Duration::from_secs(seconds)));
    let until = after.max(reset).filter(|until| *until > now)?;
    Some(until.min(now + LONGEST))
}

/// Seconds or a date.
fn retry_after(value: &str, now: SystemTime) -> Option<SystemTime> {
    match value.parse::<u64>() {
        Ok(seconds) => now.checked_add(Duration::from_secs(seconds.min(LONGEST.as_secs()))),
        Err(_) => httpdate::parse_http_date(value).ok(),
    }
}

fn time_of(number: u64, now: SystemTime) -> SystemTime {
    let number = Duration::from_secs(number);
    let time = if number.as_secs() >= EPOCH { UNIX_EPOCH.checked_add(number) } else { now.checked_add(number) };
    time.unwrap_or(now)
}

/// `"default";r=0;t=30`, or as earlier drafts had it `limit=100, remaining=0, reset=30`: the seconds, if nothing is left. Of several limits
/// the longest.
fn draft(value: &str) -> Option<u64> {
    let number = |part: &str, names: [&str; 2]| {
        let (name, number) = part.trim().split_once('=')?;
        names.contains(&name).then(|| number.trim().parse::<u64>().ok()).flatten()
    };
    let one = |limit: &str, separator: char| {
        let of = |names| limit.split(separator).find_map(|part| number(part, names));
        (of(["r", "remaining"]) == Some(0)).then(|| of(["t", "reset"])).flatten()
    };
    if value.contains("remaining=") {
        one(value, ',')
    } else {
        value.split(',').filter_map(|one_of| one(one_of, ';')).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_s_worth_goes_at_once_and_the_rest_evenly() {
        let begin = Instant::now();
        let mut bucket = Bucket::new(10);
        let at = |milliseconds| begin + Duration::from_millis(milliseconds);
        assert!((0..10).all(|_| bucket.take(begin).is_zero()));
        assert_eq!(bucket.take(begin), Duration::from_millis(100));
        assert_eq!(bucket.take(at(50)), Duration::from_millis(150));
        // Long after that it is full again, and no fuller.
        assert!((0..10).all(|_| bucket.take(at(60_000)).is_zero()));
        assert_eq!(bucket.take(at(60_000)), Duration::from_millis(100));
        assert_eq!(Bucket::new(0).take(begin), Duration::ZERO);
    }

    #[test]
    fn in_any_second_no_more_go_than_two_may_hold() {
        let (begin, mut bucket) = (Instant::now(), Bucket::new(5));
        let went: Vec<Duration> = (0..100_u64)
            .map(|number| {
                let asked = Duration::from_millis(number * 7);
                asked + bucket.take(begin + asked)
            })
            .collect();
        for start in &went {
            let second = went.iter().filter(|at| *at >= start && **at < *start + Duration::from_secs(1));
            assert!(second.count() <= 10);
        }
        assert!(went.last() >= Some(&Duration::from_secs(18)), "{went:?}");
    }

    type Case<'c> = (u16, &'c [(&'c str, &'c str)], Option<u64>);

    #[test]
    fn what_servers_say_of_their_limits_is_understood() {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let cases: [Case<'_>; 18] = [
            (200, &[], None),
            (429, &[("retry-after", "30")], Some(30)),
            (503, &[("retry-after", "Tue, 14 Nov 2023 22:13:50 GMT")], Some(30)),
            (503, &[("retry-after", "Tue, 14 Nov 2023 22:13:00 GMT")], None),
            (403, &[("retry-after", "60")], Some(60)),
            (200, &[("retry-after", "30")], None),
            (429, &[("retry-after", "soon")], None),
            (429, &[("retry-after", "99999999999999")], Some(86_400)),
            // GitHub, Gitea.
            (403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1700000600")], Some(600)),
            (200, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1700000600")], Some(600)),
            (200, &[("x-ratelimit-remaining", "12"), ("x-ratelimit-reset", "1700000600")], None),
            (
                403,
                &[("retry-after", "60"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1700000010")],
                Some(60),
            ),
            (200, &[("x-ratelimit-remaining", "0")], None),
            // GitLab, and the drafts.
            (429, &[("ratelimit-remaining", "0"), ("ratelimit-reset", "1700000060")], Some(60)),
            (429, &[("ratelimit-remaining", "0"), ("ratelimit-reset", "45")], Some(45)),
            (200, &[("ratelimit", "limit=100, remaining=0, reset=30")], Some(30)),
            (200, &[("ratelimit", "\"burst\";r=0;t=5, \"day\";r=0;t=90")], Some(90)),
            (200, &[("ratelimit", "\"default\";r=50;t=30")], None),
        ];
        for (status, headers, seconds) in cases {
            let header = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
            let until = seconds.map(|seconds| now + Duration::from_secs(seconds));
            assert_eq!(pause(status, header, now), until, "{status} {headers:?}");
        }
    }
}
