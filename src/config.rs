//! Settings: built-in defaults, then git config (`bhfuil.*`), then the environment (`GIT_BHFUIL_*`). Options of a command come
//! after these and are the command's business. Rooms below `command` get the values that they need, never the whole.

use crate::error::Kind;
use crate::git::Handle;

/// The settings of one run for one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Threads for git work (`bhfuil.threads`, `GIT_BHFUIL_THREADS`); by default three, but never more than there are cores.
    pub threads: usize,
    /// Regexes that mark a request for a backport (`bhfuil.requestPattern`).
    pub request_patterns: Vec<String>,
    /// Regexes that mark a security fix (`bhfuil.securityPattern`).
    pub security_patterns: Vec<String>,
    /// Project keys of a Jira tracker, such as `PROJ` (`bhfuil.jiraProject`).
    pub jira_projects: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threads: default_threads(),
            request_patterns: Vec::new(),
            security_patterns: Vec::new(),
            jira_projects: Vec::new(),
        }
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
            security_patterns: handle.config_values("bhfuil.securityPattern"),
            jira_projects: handle.config_values("bhfuil.jiraProject"),
            ..Self::default()
        };
        if let Some(value) = handle.config_values("bhfuil.threads").pop() {
            settings.threads = threads("bhfuil.threads", &value)?;
        }
        if let Some(value) = variable("GIT_BHFUIL_THREADS") {
            settings.threads = threads("GIT_BHFUIL_THREADS", &value)?;
        }
        Ok(settings)
    }
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
    fn a_number_of_threads_is_checked() {
        assert_eq!(threads("bhfuil.threads", " 4 ").ok(), Some(4));
        for bad in ["0", "65", "-1", "many", ""] {
            let refused = threads("bhfuil.threads", bad).expect_err(bad);
            assert_eq!(crate::error::kind_of(&refused), Kind::BadValue);
            assert!(refused.to_string().contains("bhfuil.threads"));
        }
    }
}
