//! Patterns that the user configures: what asks for a backport, what is about security, which words are Jira projects.
//!
//! Owns their compilation, within a size limit. Refuses to read configuration. Syntax: <https://docs.rs/regex/#syntax>.

use std::fmt;

use regex::{Regex, RegexBuilder};

/// The most bytes that one compiled pattern, and its cache, may take.
const SIZE_LIMIT: usize = 1 << 20;

/// Compiled patterns; the default has none.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    request: Vec<Regex>,
    security: Vec<Regex>,
    jira_projects: Vec<String>,
}

impl Patterns {
    /// Compiles the patterns as given; `jira_projects` are project keys such as `PROJ`, compared as written.
    ///
    /// # Errors
    ///
    /// The first pattern that is malformed, or grows beyond 1 MiB.
    pub fn compile(request: &[String], jira_projects: &[String]) -> Result<Self, BadPattern> {
        Ok(Self { request: compile(request)?, security: Vec::new(), jira_projects: jira_projects.to_vec() })
    }

    /// These, and the ones that mark a message as being about security.
    ///
    /// # Errors
    ///
    /// As [`Self::compile`].
    pub fn with_security(self, security: &[String]) -> Result<Self, BadPattern> {
        Ok(Self { security: compile(security)?, ..self })
    }

    /// Whether `message` is marked as being about security.
    #[must_use]
    pub fn is_security(&self, message: &str) -> bool {
        self.security.iter().any(|pattern| pattern.is_match(message))
    }

    /// What the request patterns find: their first group if they have one, else the whole match.
    pub fn requests<'m>(&self, message: &'m str) -> impl Iterator<Item = &'m str> {
        self.request.iter().flat_map(move |pattern| {
            pattern
                .captures_iter(message)
                .filter_map(|found| found.get(1).or_else(|| found.get(0)))
                .map(|found| found.as_str())
        })
    }

    pub(super) fn is_jira_project(&self, key: &str) -> bool {
        self.jira_projects.iter().any(|project| project == key)
    }
}

fn compile(patterns: &[String]) -> Result<Vec<Regex>, BadPattern> {
    patterns
        .iter()
        .map(|pattern| {
            RegexBuilder::new(pattern)
                .size_limit(SIZE_LIMIT)
                .dfa_size_limit(SIZE_LIMIT)
                .build()
                .map_err(|error| BadPattern { pattern: pattern.clone(), error })
        })
        .collect()
}

/// A configured pattern that can't be used.
#[derive(Debug, Clone)]
pub struct BadPattern {
    /// The pattern as configured.
    pub pattern: String,
    /// What is wrong with it.
    pub error: regex::Error,
}

impl fmt::Display for BadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the pattern {:?} can't be used", self.pattern)
    }
}

impl std::error::Error for BadPattern {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_find_their_group_or_themselves_and_keep_within_bounds() {
        let strings = |given: &[&str]| given.iter().map(ToString::to_string).collect::<Vec<_>>();
        let patterns = Patterns::compile(&strings(&["for-(v\\d+)", "please pick"]), &[]).expect("valid");
        assert_eq!(patterns.requests("for-v1 for-v2, please pick").collect::<Vec<_>>(), ["v1", "v2", "please pick"]);
        for bad in ["(", r"\w{1000}{100}"] {
            let error = Patterns::compile(&strings(&[bad]), &[]).expect_err(bad);
            assert_eq!(error.pattern, bad);
        }
        let patterns = patterns.with_security(&strings(&["(?i)use.after.free"])).expect("valid");
        assert!(patterns.is_security("fix a Use-after-free") && !patterns.is_security("fix a leak"));
    }
}
