//! What a value may be, and reading one: numbers, sizes and times with git's suffixes, globs, patterns, credentials.
//!
//! Owns the types of `keys` and the check of a value against its type. A value that may be a secret is never repeated in a message.

use std::time::Duration;

use crate::facts::patterns::Patterns;

/// The most threads that can be asked for.
pub const MOST_THREADS: usize = 64;

/// What values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A whole number.
    Number {
        /// The smallest.
        least: u64,
        /// The largest.
        most: u64,
    },
    /// A number of threads, by default bounded by the cores.
    Threads,
    /// Bytes.
    Size,
    /// A length of time.
    Time,
    /// A pattern of refs.
    Glob,
    /// A regular expression.
    Regex,
    /// One word.
    Word,
    /// The name of a group or a repository, see [`name_fault`].
    Name,
    /// The path of a file or folder.
    Path,
    /// An absolute path.
    Place,
    /// An address, without a password.
    Url,
    /// As git's `color.ui`.
    Color,
    /// Any text.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Where a secret is to be had; never one itself.
    Credential,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// More about it, to follow a colon.
    pub why: Option<String>,
    /// Whether it must not be shown.
    pub is_secret: bool,
}

impl Type {
    /// What it takes, to follow the name of a key.
    #[must_use]
    pub fn takes(self) -> String {
        match self {
            Self::Number { least, most } => format!("takes a number from {least} to {most}"),
            Self::Threads => format!("takes a number from 1 to {MOST_THREADS}"),
            Self::Size => "takes a number of bytes above zero, with k, m, g or t for more".into(),
            Self::Time => "takes a time above zero: a number and ms, s, m, h or d".into(),
            Self::Glob => "takes a glob such as stable/*".into(),
            Self::Regex => "takes a regular expression in the syntax of Rust's regex crate".into(),
            Self::Word => "takes one word".into(),
            Self::Name => "takes a name without blanks at its ends".into(),
            Self::Path => "takes a path".into(),
            Self::Place => "takes an absolute path".into(),
            Self::Url => "takes an address without a password; git's credential helpers keep passwords".into(),
            Self::Color => "takes always, auto or never; true means auto".into(),
            Self::Text => "takes a text".into(),
            Self::Choice(words) => format!("takes {}", listed(words)),
            Self::Credential => "takes env:<variable>, which holds the secret, or git, whose helpers do".into(),
        }
    }

    /// What is wrong with `value`, `None` being a key without `=`, which means true.
    #[must_use]
    pub fn fault(self, value: Option<&[u8]>) -> Option<Fault> {
        let plain = Some(Fault { why: None, is_secret: false });
        let Some(value) = value else { return if self == Self::Color { None } else { plain } };
        let text = String::from_utf8_lossy(value);
        let holds = match self {
            Self::Number { least, most } => number(&text).is_some_and(|number| (least..=most).contains(&number)),
            Self::Threads => number(&text).is_some_and(|number| (1..=MOST_THREADS as u64).contains(&number)),
            Self::Size => number(&text).is_some_and(|bytes| bytes > 0),
            Self::Time => time(&text).is_some(),
            Self::Color => color(&text).is_some(),
            Self::Word => !text.is_empty() && !text.contains(char::is_whitespace),
            Self::Place => value.starts_with(b"/") && !value.contains(&0),
            Self::Glob | Self::Path | Self::Text => !value.is_empty() && !value.contains(&0),
            Self::Choice(words) => words.contains(&text.as_ref()),
            Self::Regex => return regex_fault(&text),
            Self::Name => return name_fault(&text).map(|why| Fault { why: Some(why.into()), is_secret: false }),
            Self::Url if holds_password(&text) => return Some(Fault { why: None, is_secret: true }),
            Self::Url => !value.is_empty(),
            Self::Credential => {
                return (!is_credential(&text)).then_some(Fault { why: None, is_secret: true });
            }
        };
        if holds { None } else { plain }
    }
}

/// A whole number as git has it: octal behind a `0`, hexadecimal behind `0x` (strtoimax(3)), with k, m, g or t for powers of 1024.
#[must_use]
pub fn number(text: &str) -> Option<u64> {
    let text = text.trim_ascii();
    let (base, text) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(text) => (16, text),
        None if text.starts_with('0') => (8, text),
        None => (10, text),
    };
    let digits = text.chars().take_while(|letter| letter.is_digit(base)).count();
    let scale: u64 = match text[digits..].to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "t" => 1 << 40,
        _ => return None,
    };
    u64::from_str_radix(&text[..digits], base).ok()?.checked_mul(scale)
}

/// A time such as `500ms`, `30s`, `5m`, `2h` or `7d`, above zero; a bare number is seconds.
#[must_use]
pub fn time(text: &str) -> Option<Duration> {
    let text = text.trim_ascii();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let scale: u64 = match &text[digits..] {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let milliseconds = text[..digits].parse::<u64>().ok()?.checked_mul(scale)?;
    (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
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

/// As git reads `color.ui` (git-config(1)): a boolean is `auto` or `never`.
#[must_use]
pub fn color(text: &str) -> Option<Color> {
    match text.trim().to_ascii_lowercase().as_str() {
        "always" => Some(Color::Always),
        "auto" | "true" | "yes" | "on" => Some(Color::Auto),
        "never" | "false" | "no" | "off" | "" => Some(Color::Never),
        // An `int` of git's, with its units, of which `t` is none.
        text if text.ends_with('t') => None,
        text => {
            let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
            let size = number(digits).filter(|size| i32::try_from(*size).is_ok());
            let size = size.filter(|_| digits.starts_with(|digit: char| digit.is_ascii_digit()));
            size.map(|size| if size == 0 { Color::Never } else { Color::Auto })
        }
    }
}

/// Why `name` can be no name of a repository or a group: it is part of a setting's name, of a path and of lines of text.
#[must_use]
pub fn name_fault(name: &str) -> Option<&'static str> {
    const LONGEST: usize = 200;
    let has_part = |parts: &[&str]| name.split('/').any(|part| parts.contains(&part));
    match name {
        "" => Some("it is empty"),
        name if name.len() > LONGEST => Some("it is longer than 200 bytes"),
        name if name.chars().any(|letter| letter.is_control() || letter == char::REPLACEMENT_CHARACTER) => {
            Some("it has a control character in it, or isn't UTF-8")
        }
        name if name.trim() != name => Some("it has a blank at an end"),
        name if name.starts_with('-') => Some("it begins with a dash, as options do"),
        _ if has_part(&["", ".", ".."]) => Some("it can't be a path: it has an empty part, or one that is . or .."),
        // `repo.a.tracker.b.url` would be two things.
        name if name.contains(".tracker.") => Some("it has .tracker. in it, which begins the name of a setting"),
        _ => None,
    }
}

/// Whether an address has a password in it: `https://user:password@host/`, or a user's name that is a token by itself.
#[must_use]
pub fn holds_password(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let Some((user, _)) = authority.rsplit_once('@') else {
        // A slash in a password seems to end the host; what stands for its port then is none.
        let port = authority.rsplit_once(':').map(|(_, port)| port).unwrap_or_default();
        return rest.contains('@') && !port.bytes().all(|byte| byte.is_ascii_digit()) && !port.ends_with(']');
    };
    let looks_like_token =
        user.len() >= 20 && user.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    user.split_once(':').is_some_and(|(_, password)| !password.is_empty()) || looks_like_token
}

fn is_credential(text: &str) -> bool {
    let is_variable = |name: &str| {
        let mut bytes = name.bytes();
        bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    text == "git" || text.strip_prefix("env:").is_some_and(is_variable)
}

fn regex_fault(text: &str) -> Option<Fault> {
    let cause = Patterns::compile(&[text.to_owned()], &[]).err()?.error.to_string();
    // The lines before the last draw the pattern.
    let why = cause.lines().last().unwrap_or_default().trim_start_matches("error: ");
    Some(Fault { why: Some(why.to_owned()), is_secret: false })
}

fn listed(words: &[&str]) -> String {
    match words {
        [all @ .., last] if !all.is_empty() => format!("{} or {last}", all.join(", ")),
        _ => words.join(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_seen_whatever_letters_it_has() {
        for url in ["https://me:secret@h/x", "http://me:sec/ret@h:1/x", "https://ghp_0123456789abcdefghij@h/x"] {
            assert!(holds_password(url), "{url}");
        }
        for url in ["https://h:8080/a@b", "ssh://[::1]/a@b", "ssh://git@h:22/x", "git@h:a/b@c", "https://h/x"] {
            assert!(!holds_password(url), "{url}");
        }
    }

    #[test]
    fn times_and_sizes_have_gits_units() {
        for (text, milliseconds) in [("500ms", 500), ("3", 3000), (" 2s ", 2000), ("1m", 60_000), ("1d", 86_400_000)] {
            assert_eq!(time(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for bad in ["", "0", "0ms", "s", "-1s", "1.5s", "1w", "1 s", "99999999999999999d"] {
            assert_eq!(time(bad), None, "{bad}");
        }
        for (text, bytes) in [
            ("0", 0),
            ("3", 3),
            ("2k", 2048),
            ("1M", 1 << 20),
            ("2g", 2 << 30),
            ("1T", 1 << 40),
            ("010", 8),
            ("0x1f", 31),
        ] {
            assert_eq!(number(text), Some(bytes), "{text}");
        }
        for bad in ["", "g", "-1", "1kb", "1.5g", "99999999999g", "08", "0x", "0x-1"] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }

    #[test]
    fn colour_is_read_as_git_reads_it() {
        for (value, expected) in [
            ("always", Some(Color::Always)),
            ("Auto", Some(Color::Auto)),
            ("true", Some(Color::Auto)),
            ("1", Some(Color::Auto)),
            ("never", Some(Color::Never)),
            ("off", Some(Color::Never)),
            ("0", Some(Color::Never)),
            ("-1k", Some(Color::Auto)),
            ("2147483648", None),
            ("0T", None),
            ("+ 1", None),
            ("", Some(Color::Never)),
            ("red", None),
        ] {
            assert_eq!(color(value), expected, "{value}");
        }
    }

    #[test]
    fn each_type_tells_good_values_from_bad_ones() {
        const NUMBER: Type = Type::Number { least: 2, most: 4096 };
        let cases: &[(Type, &[&str], &[&str])] = &[
            (NUMBER, &["2", " 3 ", "4k"], &["1", "5k", "-3", "x", ""]),
            (Type::Threads, &["1", "64"], &["0", "65", "many"]),
            (Type::Size, &["1", "2g"], &["0", "g", "2gb"]),
            (Type::Time, &["1s"], &["0", "soon"]),
            (Type::Glob, &["stable/*", "!x"], &[""]),
            (Type::Regex, &["a(b)?", ""], &["(", "a{99999}"]),
            (Type::Place, &["/a"], &["a", "~/a", ""]),
            (Type::Word, &["PROJ"], &["", "A B"]),
            (Type::Name, &["nova", "a/b", "a.b", "ünï"], &["", "-a", "/a", "a/", "a//b", "../a", "a/..", " a", "a\nb"]),
            (Type::Url, &["https://example.com/", "git@example.com:a/b", "ssh://git@example.com/a"], &[""]),
            (Type::Color, &["auto"], &["red"]),
            (Type::Choice(&["a", "b"]), &["b"], &["c", "B"]),
        ];
        for (kind, good, bad) in cases {
            for value in *good {
                assert_eq!(kind.fault(Some(value.as_bytes())), None, "{kind:?} {value:?}");
            }
            for value in *bad {
                assert!(kind.fault(Some(value.as_bytes())).is_some_and(|it| !it.is_secret), "{kind:?} {value:?}");
            }
            assert_eq!(kind.fault(None).is_none(), *kind == Type::Color, "{kind:?} without a value");
        }
        assert_eq!(Type::Choice(&["a", "b", "c"]).takes(), "takes a, b or c");
    }

    #[test]
    fn a_secret_is_refused_and_not_shown() {
        for good in ["git", "env:GITHUB_TOKEN", "env:_T1"] {
            assert_eq!(Type::Credential.fault(Some(good.as_bytes())), None, "{good}");
        }
        let token = "ghp_0123456789abcdefghijklmnopqrstuvwxyz";
        for bad in [token, "env:", "env:1T", "env:A B", "GIT", "", &format!("env:{token}-")] {
            assert!(Type::Credential.fault(Some(bad.as_bytes())).is_some_and(|it| it.is_secret), "{bad}");
        }
        for bad in ["https://me:secret@example.com/a", &format!("https://{token}@example.com"), "https://a:b@c:1"] {
            assert!(Type::Url.fault(Some(bad.as_bytes())).is_some_and(|it| it.is_secret), "{bad}");
        }
        for good in ["https://me@example.com/a@b:c", "https://example.com/?a:b@c", "https://me:@example.com"] {
            assert_eq!(Type::Url.fault(Some(good.as_bytes())), None, "{good}");
        }
    }
}
