//! The git that is run, and the `SQLite` that is linked.

use std::time::Duration;

use super::Check;
use crate::cache::database::sqlite_version;
use crate::error::message_of;
use crate::gitcli;

/// The oldest git that knows all options that it is given: `fetch --no-write-fetch-head` came with it (git's release notes, 2.29.0).
const OLDEST_GIT: (u32, u32) = (2, 29);

/// Versions of `SQLite` in which a log could be reset while it was read, and its end lost (its release notes, 3.51.3).
const RACING: std::ops::RangeInclusive<i32> = 3_007_000..=3_051_002;

pub(super) async fn git(limit: Duration) -> Check {
    judge_git(gitcli::version(limit).await.map_err(|cause| message_of(&cause)))
}

fn judge_git(said: Result<String, String>) -> Check {
    const NAME: &str = "git-version";
    let (major, minor) = OLDEST_GIT;
    let version = match said {
        Ok(version) => version,
        Err(cause) => return Check::ill(NAME, cause, format!("install git {major}.{minor} or later, on PATH")),
    };
    let mut numbers = version.split(['.', ' ', '-']).map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(own), Some(own_minor)) if (own, own_minor) < OLDEST_GIT => Check::ill(
            NAME,
            format!("git {version} is too old"),
            format!("install git {major}.{minor} or later, on PATH before this one"),
        ),
        _ => Check::well(NAME, format!("git {version}")),
    }
}

pub(super) fn sqlite() -> Check {
    let (text, number) = sqlite_version();
    judge_sqlite(text, number)
}

fn judge_sqlite(text: &str, number: i32) -> Check {
    const NAME: &str = "sqlite-version";
    if RACING.contains(&number) {
        let message = format!("SQLite {text} may lose what one process writes while another reads");
        return Check::ill(
            NAME,
            message,
            "build git-bhfuil with the SQLite that it comes with, or with 3.51.3 or later",
        );
    }
    Check::well(NAME, format!("SQLite {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_git_that_lacks_an_option_is_too_old() {
        let is_ok = |said: &str| judge_git(Ok(said.to_owned())).is_ok();
        for (said, ok) in [
            ("2.47.3", true),
            ("2.29.0", true),
            ("3.0.0", true),
            ("2.39.5 (Apple Git-154)", true),
            ("2.45.1.windows.1", true),
            ("2.30-rc0", true),
            ("2.28.1", false),
            ("1.8.3.1", false),
            ("from somebody's own branch", true),
        ] {
            assert_eq!(is_ok(said), ok, "{said}");
        }
        assert!(!judge_git(Err("there is none".to_owned())).is_ok());
    }

    #[test]
    fn an_sqlite_that_loses_writes_is_told() {
        for (number, ok) in [(3_006_023, true), (3_007_000, false), (3_051_002, false), (3_051_003, true)] {
            assert_eq!(judge_sqlite("x", number).is_ok(), ok, "{number}");
        }
        assert!(sqlite().is_ok(), "the one that is built in");
    }
}
