//! What a query says it is, from its text alone: a Change-Id, an issue, words, or a name that git may know.

use crate::facts::issues::{IssueKind, IssueRef};
use crate::facts::patterns::Patterns;
use crate::facts::references::References;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// A Change-Id, `I` and 7 to 40 hexadecimal digits, in small letters.
    ChangeId(String),
    /// An issue.
    Issue(IssueRef),
    /// Perhaps a revision or range; words if git knows none of that name.
    Name(String),
    /// Words that a message has, all of them.
    Words(Words),
}

/// What a message must have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// Words or phrases anywhere in the message.
    pub anywhere: Vec<String>,
    /// In the subject (`subject:`).
    pub subject: Vec<String>,
    /// In the author's name or address (`author:`).
    pub author: Vec<String>,
    /// A changed path, or a folder above one (`path:`).
    pub paths: Vec<String>,
}

impl Query {
    /// Reads the text of a query.
    #[must_use]
    pub fn parse(text: &str, patterns: &Patterns) -> Self {
        let text = text.trim();
        if let Some(id) = change_id(text) {
            return Self::ChangeId(id);
        }
        if let Some(issue) = issue(text, patterns) {
            return Self::Issue(issue);
        }
        if is_spelt_with_words(text) {
            return Self::Name(text.to_owned());
        }
        if text.contains(char::is_whitespace) || field(text).is_some() {
            return Self::Words(Words::parse(text));
        }
        Self::Name(text.to_owned())
    }
}

/// Whether `text` is one of the revisions that may have white space in them: `:/fix the leak`, `main^{/fix the leak}`,
/// `main@{2 days ago}`.
fn is_spelt_with_words(text: &str) -> bool {
    let begins = text.split_whitespace().next().unwrap_or_default();
    text.starts_with(":/") || (text.ends_with('}') && (begins.contains("^{/") || begins.contains("@{")))
}

impl Words {
    /// Splits at white space; double quotes keep a phrase together.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut words = Self::default();
        for term in terms(text) {
            let (list, term) = match field(&term) {
                Some(("subject", rest)) => (&mut words.subject, rest.to_owned()),
                Some(("author", rest)) => (&mut words.author, rest.to_owned()),
                Some((_, rest)) => (&mut words.paths, rest.to_owned()),
                None => (&mut words.anywhere, term),
            };
            if !term.is_empty() {
                list.push(term);
            }
        }
        words
    }

    /// Whether there is nothing to look for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        [&self.anywhere, &self.subject, &self.author, &self.paths].iter().all(|list| list.is_empty())
    }
}

/// The field of `text` that nothing stands after, without its colon.
#[must_use]
pub fn empty_field(text: &str) -> Option<&'static str> {
    terms(text).iter().find_map(|term| {
        let (name, rest) = field(term)?;
        // The top of the work tree is above every file.
        let is_empty = rest.trim().is_empty() || (name == "path" && rest.trim_matches('/').is_empty());
        FIELDS.into_iter().find(|field| is_empty && *field == name)
    })
}

/// The words of `text` if it may be several revisions, as `git log` takes them: one is left out (`^old`) or is a range.
#[must_use]
pub fn revisions(text: &str) -> Option<Vec<&str>> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_spelt = |word: &&str| word.starts_with('^') || word.contains("..");
    (words.len() > 1 && words.iter().any(is_spelt)).then_some(words)
}

/// What narrows words, before a colon.
const FIELDS: [&str; 3] = ["author", "path", "subject"];

fn field(term: &str) -> Option<(&str, &str)> {
    let (name, rest) = term.split_once(':')?;
    FIELDS.contains(&name).then_some((name, rest))
}

fn terms(text: &str) -> Vec<String> {
    let mut terms = vec![String::new()];
    let mut quoted = false;
    for letter in text.chars() {
        match letter {
            '"' => quoted = !quoted,
            letter if letter.is_whitespace() && !quoted => terms.push(String::new()),
            letter => {
                if let Some(last) = terms.last_mut() {
                    last.push(letter);
                }
            }
        }
    }
    terms.retain(|term| !term.is_empty());
    terms
}

fn change_id(text: &str) -> Option<String> {
    let id = text.strip_prefix("Change-Id:").map_or(text, str::trim_start);
    let digits = id.strip_prefix('I').or_else(|| id.strip_prefix('i'))?;
    let is_id = (7..=40).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| format!("I{}", digits.to_ascii_lowercase()))
}

/// The issue that the whole of `text` refers to, with nothing but the word that says so before it.
fn issue(text: &str, patterns: &Patterns) -> Option<IssueRef> {
    let mut words = text.split_whitespace();
    let (first, second) = (words.next()?, words.next());
    let leads = |word: &str| {
        let lead = word.trim_end_matches(':').to_ascii_lowercase();
        word.ends_with(':') || ["bug", "issue", "bz", "lp", "pr", "gh", "cve"].contains(&lead.as_str())
    };
    if words.next().is_some() || (second.is_some() && !leads(first)) || field(text).is_some() {
        return None;
    }
    let mut issues = References::of("", text, &[], patterns).issues;
    if issues.is_empty() {
        // "cve-2024-1" as people type it.
        issues = References::of("", &text.to_ascii_uppercase(), &[], patterns).issues;
    }
    let last = second.unwrap_or(first);
    let [issue] = <[IssueRef; 1]>::try_from(issues).ok()?;
    let number = issue.key.rsplit(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap_or_default();
    // Issues are counted from 1.
    if issue.kind != IssueKind::Cve && !number.is_empty() && number.bytes().all(|byte| byte == b'0') {
        return None;
    }
    // A URL may have more behind the number; anything else ends with it.
    (last.contains("://") || last.to_ascii_lowercase().ends_with(&number.to_ascii_lowercase())).then_some(issue)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Query {
        Query::parse(text, &Patterns::default())
    }

    #[test]
    fn a_query_says_what_it_is() {
        let issue = |kind, key: &str| Query::Issue(IssueRef { kind, key: key.into() });
        let name = |text: &str| Query::Name(text.into());
        for (text, expected) in [
            ("CVE-2024-1234", issue(IssueKind::Cve, "CVE-2024-1234")),
            ("cve-2024-1234", issue(IssueKind::Cve, "CVE-2024-1234")),
            ("#12", issue(IssueKind::Number, "12")),
            ("GH-12", issue(IssueKind::Number, "12")),
            ("owner/repo#12", issue(IssueKind::Github, "owner/repo#12")),
            ("https://github.com/owner/repo/pull/12/files", issue(IssueKind::Github, "owner/repo#12")),
            ("bug 1234", issue(IssueKind::Bug, "1234")),
            ("LP: #1234", issue(IssueKind::Launchpad, "1234")),
            ("Closes-Bug: #1234", issue(IssueKind::Launchpad, "1234")),
            ("rhbz#1234", issue(IssueKind::Bugzilla, "rhbz#1234")),
            ("I0123abcdef", Query::ChangeId("I0123abcdef".into())),
            ("Change-Id: I0123ABCDEF", Query::ChangeId("I0123abcdef".into())),
            ("I0123ab", name("I0123ab")),
            ("main", name("main")),
            ("v1.0..v2.0", name("v1.0..v2.0")),
            ("1a2b3c4", name("1a2b3c4")),
            ("HEAD~2", name("HEAD~2")),
            (":/fix the leak", name(":/fix the leak")),
            ("main^{/fix the leak}", name("main^{/fix the leak}")),
            ("main@{2 days ago}", name("main@{2 days ago}")),
            ("release-12", name("release-12")),
            ("#0", name("#0")),
            ("https://github.com/owner/repo/issues/0", name("https://github.com/owner/repo/issues/0")),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn several_words_are_words() {
        let owned = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let Query::Words(words) = parse("leak author:kim subject:\"use after free\" path:src/net fix \"in loop\"")
        else {
            panic!("words");
        };
        assert_eq!(words.anywhere, owned(&["leak", "fix", "in loop"]));
        assert_eq!(words.author, owned(&["kim"]));
        assert_eq!(words.subject, owned(&["use after free"]));
        assert_eq!(words.paths, owned(&["src/net"]));
        assert!(matches!(parse("fix #12"), Query::Words(_)), "an issue among other words");
        assert!(matches!(parse("author:kim"), Query::Words(_)));
        assert!(Words::parse("  \"\" ").is_empty());
    }

    #[test]
    fn a_field_needs_something_after_it() {
        for (text, field) in [
            ("author:", Some("author")),
            ("fix subject: leak", Some("subject")),
            ("path:// leak", Some("path")),
            ("author:\" \"", Some("author")),
            ("author:kim leak", None),
            ("\"subject: leak\"", None),
            ("fix:", None),
        ] {
            assert_eq!(empty_field(text), field, "{text}");
        }
    }

    #[test]
    fn several_revisions_are_told_by_what_is_left_out_or_a_range() {
        assert_eq!(revisions("HEAD  ^old"), Some(vec!["HEAD", "^old"]));
        assert_eq!(revisions("a..b c"), Some(vec!["a..b", "c"]));
        for text in ["^old", "a..b", "main stable", ""] {
            assert_eq!(revisions(text), None, "{text}");
        }
    }
}
