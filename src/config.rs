//! Settings: built-in defaults, then git config (`bhfuil.*`), then the environment (`GIT_BHFUIL_*`). Options of a command come
//! after these and are the command's business. Rooms below `command` get the values that they need, never the whole.

use std::path::Path;
use std::time::Duration;

use crate::error::Kind;
use crate::facts::patterns::Patterns;
use crate::git::{Handle, Repository};

/// The settings of one run for one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Threads for git work (`bhfuil.threads`, `GIT_BHFUIL_THREADS`); by default three, but never more than there are cores.
    pub threads: usize,
    /// How long a scan may take (`bhfuil.timeout.scan`, `GIT_BHFUIL_TIMEOUT_SCAN`); by default as long as it needs.
    pub scan_timeout: Option<Duration>,
    /// Regexes that mark a request for a backport (`bhfuil.requestPattern`).
    pub request_patterns: Vec<String>,
    /// Project keys of a Jira tracker, such as `PROJ` (`bhfuil.jiraProject`).
    pub jira_projects: Vec<String>,
    /// Globs of the branches of release lines (`bhfuil.stable`).
    pub stable: Vec<String>,
    /// Globs of the branches of the mainline (`bhfuil.mainline`).
    pub mainline: Vec<String>,
    /// Globs of the tags that may be releases (`bhfuil.releaseTag`).
    pub release_tag: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threads: default_threads(),
            scan_timeout: None,
            request_patterns: Vec::new(),
            jira_projects: Vec::new(),
            stable: Vec::new(),
            mainline: Vec::new(),
            release_tag: Vec::new(),
        }
    }
}

/// When text for people is in colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// When text for people is in colour, as is configured for the repository at `dir`: `GIT_BHFUIL_COLOR`, else `bhfuil.color`, else
/// `color.ui`. `None` where none of them is set, or there is no repository. Apart from [`Settings`], since it must be known before
/// anything is written.
///
/// # Errors
/// [`Kind::BadValue`] naming the key and the value.
pub fn color(dir: &Path, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Option<Color>> {
    const VARIABLE: &str = "GIT_BHFUIL_COLOR";
    if let Some(value) = variable(VARIABLE).filter(|value| !value.is_empty()) {
        return color_of(VARIABLE, &value).map(Some);
    }
    // That there is no repository is for those to say who need one.
    let Ok(repository) = Repository::discover(dir) else { return Ok(None) };
    let handle = repository.handle();
    for key in ["bhfuil.color", "color.ui"] {
        if let Some(value) = handle.config_values(key).pop() {
            return color_of(key, &value).map(Some);
        }
    }
    Ok(None)
}

/// As git reads `color.ui` (git-config(1)): a boolean is `auto` or `never`.
fn color_of(key: &str, value: &str) -> anyhow::Result<Color> {
    match value.trim().to_ascii_lowercase().as_str() {
        "always" => Ok(Color::Always),
        "auto" | "true" | "yes" | "on" => Ok(Color::Auto),
        "never" | "false" | "no" | "off" | "" => Ok(Color::Never),
        number => match number.parse::<i64>() {
            Ok(0) => Ok(Color::Never),
            Ok(_) => Ok(Color::Auto),
            Err(_) => Err(Kind::BadValue.hinted(
                format!("bad value '{value}' for {key}"),
                format!("{key} takes always, auto or never; true means auto"),
            )),
        },
    }
}

/// Threads unless something else is asked for.
#[must_use]
pub fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(3)
}

/// The most threads that can be asked for.
pub const MOST_THREADS: usize = 64;

impl Settings {
    /// Reads the settings that hold for the repository behind `handle`.
    ///
    /// # Errors
    /// [`Kind::BadValue`] naming the key and the value.
    pub fn load(handle: &Handle, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let mut settings = Self {
            request_patterns: handle.config_values("bhfuil.requestPattern"),
            jira_projects: handle.config_values("bhfuil.jiraProject"),
            stable: handle.config_values("bhfuil.stable"),
            mainline: handle.config_values("bhfuil.mainline"),
            release_tag: handle.config_values("bhfuil.releaseTag"),
            ..Self::default()
        };
        // The environment comes after every file.
        let last = |key: &str, name: &str| -> Option<(String, String)> {
            let configured = || handle.config_values(key).pop().map(|value| (key.to_owned(), value));
            variable(name).filter(|value| !value.is_empty()).map(|value| (name.to_owned(), value)).or_else(configured)
        };
        if let Some((key, value)) = last("bhfuil.threads", "GIT_BHFUIL_THREADS") {
            settings.threads = threads(&key, &value)?;
        }
        if let Some((key, value)) = last("bhfuil.timeout.scan", "GIT_BHFUIL_TIMEOUT_SCAN") {
            settings.scan_timeout = Some(duration(&key, &value)?);
        }
        Ok(settings)
    }

    /// The patterns for references and requests, ready for use.
    ///
    /// # Errors
    /// [`Kind::BadValue`] naming the key and the pattern that is none.
    pub fn patterns(&self) -> anyhow::Result<Patterns> {
        Patterns::compile(&self.request_patterns, &self.jira_projects).map_err(|cause| {
            let why = cause.error.to_string();
            // The lines before the last draw the pattern.
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
            Kind::BadValue.hinted(
                format!("bad value '{}' for bhfuil.requestPattern: {why}", cause.pattern),
                "git config --get-regexp '^bhfuil\\.' shows where it is set",
            )
        })
    }
}

/// A time such as `500ms`, `30s`, `5m`, `2h` or `7d`; a bare number is seconds.
fn duration(key: &str, value: &str) -> anyhow::Result<Duration> {
    let text = value.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "ms" => Some(1),
        "" | "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let milliseconds = number.parse::<u64>().ok().zip(scale).and_then(|(number, scale)| number.checked_mul(scale));
    milliseconds.filter(|&milliseconds| milliseconds > 0).map(Duration::from_millis).ok_or_else(|| {
        Kind::BadValue.hinted(
            format!("bad value '{value}' for {key}"),
            format!("{key} takes a time above zero: a number and ms, s, m, h or d"),
        )
    })
}

fn threads(key: &str, value: &str) -> anyhow::Result<usize> {
    match value.trim().parse() {
        Ok(threads @ 1..=MOST_THREADS) => Ok(threads),
        _ => Err(Kind::BadValue.hinted(
            format!("bad value '{value}' for {key}"),
            format!("{key} takes a number from 1 to {MOST_THREADS}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_gits_units() {
        for (text, milliseconds) in [("500ms", 500), ("3", 3000), (" 2s ", 2000), ("1m", 60_000), ("1d", 86_400_000)] {
            assert_eq!(duration("k", text).ok(), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for bad in ["", "0", "s", "5 s", "-1s", "1w", "99999999999999999999d"] {
            assert!(duration("bhfuil.timeout.scan", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn colour_is_read_as_git_reads_it() {
        for (value, color) in [
            ("always", Color::Always),
            ("Auto", Color::Auto),
            ("true", Color::Auto),
            ("1", Color::Auto),
            ("never", Color::Never),
            ("off", Color::Never),
            ("0", Color::Never),
            ("", Color::Never),
        ] {
            assert_eq!(color_of("color.ui", value).ok(), Some(color), "{value}");
        }
        let refused = color_of("color.ui", "red").expect_err("no colour is a value");
        assert_eq!(refused.to_string(), "bad value 'red' for color.ui");
    }

    #[test]
    fn a_number_of_threads_is_checked() {
        assert_eq!(threads("bhfuil.threads", " 4 ").ok(), Some(4));
        for bad in ["0", "65", "-1", "many", ""] {
            let refused = threads("bhfuil.threads", bad).expect_err(bad);
            assert_eq!(crate::error::kind_of(&refused), Kind::BadValue);
            assert!(refused.to_string().contains("bhfuil.threads"));
        }
    }
}
