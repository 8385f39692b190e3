//! What somebody decided need not be ported: the file `.bhfuil-dismissed`, a dismissal a line.
//!
//! `<id or Change-Id> <ref glob> <reason>`, set apart by blanks; empty lines and those that begin with `#` are comments. Owns the format.
//! Refuses to find the file.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::config::Settings;
use crate::error::{self, Kind};
use crate::files::{self, Lock};
use crate::git::Repository;
use crate::git::refs::{RefStore, glob_matches, short};
use crate::gitcli;

/// The file's name, at the top of the tree.
pub(super) const FILE: &str = ".bhfuil-dismissed";
/// Digits of an id at the least.
const SHORTEST: usize = 7;
/// What some editors begin a file with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// How long is waited for somebody else who changes the file.
const PATIENCE: Duration = Duration::from_secs(5);

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dismissal {
    change: Change,
    on: Vec<u8>,
    pub(super) reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    /// Hexadecimal digits in small letters: the start of an id.
    Id(String),
    /// In small letters too, whole.
    ChangeId(String),
}

impl Dismissal {
    /// A line without its end. Only its reason need be text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(line: &[u8]) -> Result<Self, String> {
        let mut rest = line.trim_ascii();
        let mut word = || {
            let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            rest = after.trim_ascii_start();
            word
        };
        let (named, on) = (word(), word());
        if on.is_empty() {
            return Err("a ref and a reason are missing".to_owned());
        }
        if rest.is_empty() {
            return Err("a reason is missing".to_owned());
        }
        let named = String::from_utf8_lossy(named);
        let change = Change::named(&named)
            .ok_or_else(|| format!("'{named}' is neither an id of {SHORTEST} digits or more nor a Change-Id"))?;
        Ok(Self { change, on: on.to_vec(), reason: String::from_utf8_lossy(rest).into_owned() })
    }

    /// Whether it is for the branch `refname`. A branch of a remote is meant by its name there too: a clone has no other.
    pub(super) fn is_on(&self, refname: &[u8]) -> bool {
        let there = refname.strip_prefix(b"refs/remotes/").and_then(|name| {
            let end = name.iter().position(|&byte| byte == b'/')?;
            Some(&name[end + 1..])
        });
        [refname, short(refname)].into_iter().chain(there).any(|name| glob_matches(&self.on, name))
    }

    /// Whether it is about a commit with this id, in hexadecimal.
    pub(super) fn names(&self, hex: &str) -> bool {
        matches!(&self.change, Change::Id(start) if hex.starts_with(start.as_str()))
    }

    /// Whether it is about the change with this Change-Id.
    pub(super) fn names_change(&self, change_id: &str) -> bool {
        matches!(&self.change, Change::ChangeId(own) if own.eq_ignore_ascii_case(change_id))
    }
}

impl Change {
    fn named(text: &str) -> Option<Self> {
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if let Some(digits) = text.strip_prefix(['I', 'i'])
            && digits.len() == 40
            && is_hex(digits)
        {
            return Some(Self::ChangeId(text.to_ascii_lowercase()));
        }
        (text.len() >= SHORTEST && is_hex(text)).then(|| Self::Id(text.to_ascii_lowercase()))
    }
}

/// The dismissals in the `bytes` of the file `named`.
///
/// # Errors
/// [`Kind::BadValue`] naming the file and the line that is none.
pub(super) fn parse(bytes: &[u8], named: &str) -> anyhow::Result<Vec<Dismissal>> {
    let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let lines = text.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| {
        let line = line.trim_ascii();
        !line.is_empty() && !line.starts_with(b"#")
    });
    let dismissal = |(number, line): (usize, &[u8])| {
        Dismissal::parse(line).map_err(|why| {
            let hint = "a line is: <id or Change-Id> <ref glob> <reason>";
            Kind::BadValue.hinted(format!("{named}:{}: {why}", number + 1), hint)
        })
    };
    lines.map(dismissal).collect()
}

/// Notes that `change`, a commit or a Change-Id, need not be ported to the refs that the glob `on` matches, `because` of something: at the
/// end of the file at the top of the work tree of the repository at `dir`, or of the one that is configured. Returns the file and the line.
///
/// # Errors
/// [`Kind::BadRevision`] if there is no such commit, [`Kind::BadValue`] if there is no such ref or the reason is none, [`Kind::RepoOpen`]
/// without a work tree.
pub async fn dismiss(dir: &Path, change: &OsStr, on: &OsStr, because: &str) -> anyhow::Result<(PathBuf, String)> {
    let place = dir.to_owned();
    let repository = &Arc::new(smol::unblock(move || Repository::discover(&place)).await?);
    gitcli::check_safe(repository).await?;
    let configured = Settings::read(repository).await?.dismissed_file;
    let typed = change.to_string_lossy().into_owned();
    let named = if let Some(Change::ChangeId(_)) = Change::named(&typed) {
        typed
    } else {
        // An id in full: a short one may fit another commit one day.
        let mut peeled = change.to_owned();
        peeled.push("^{commit}");
        let found = gitcli::rev_parse(repository, &[peeled]).await.map_err(|cause| {
            if error::kind_of(&cause) != Kind::BadRevision {
                return cause;
            }
            Kind::BadRevision.hinted(
                format!("'{typed}' is neither a commit here nor a Change-Id"),
                "git log --all --oneline lists the commits",
            )
        })?;
        found.tips.first().map(|(id, _)| id.to_hex()).unwrap_or_default()
    };
    let because = because.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = [named.as_bytes(), on.as_bytes(), because.as_bytes()].join(&b' ');
    let dismissal = Dismissal::parse(&line).map_err(|why| Kind::BadValue.error(format!("it can't be noted: {why}")))?;
    let own = Arc::clone(repository);
    let refs = smol::unblock(move || RefStore::read(&own)).await?;
    if !refs.usual_ids().any(|(name, _)| dismissal.is_on(name)) || on.as_bytes().iter().any(u8::is_ascii_whitespace) {
        return Err(Kind::BadValue.hinted(
            format!("no ref matches '{}'", on.to_string_lossy()),
            "git for-each-ref lists the refs; --on takes a branch or a glob such as 'stable/*'",
        ));
    }
    let path = match (configured, &repository.work_tree) {
        (Some(path), _) => path,
        (None, Some(top)) => top.join(FILE),
        (None, None) => {
            return Err(Kind::RepoOpen.hinted(
                format!("there is no work tree to write {FILE} to"),
                "bhfuil.dismissedFile names another file",
            ));
        }
    };
    let lock = Lock::acquire(&path, PATIENCE).await?;
    let failed = |cause| Kind::Io.wrap(cause, format!("writing {}", path.display()));
    let mut bytes = files::read(&path).await.map_err(failed)?.unwrap_or_default();
    // What is there must be understood, or what is added may mean something else.
    parse(&bytes, &path.display().to_string())?;
    if !bytes.is_empty() && !bytes.ends_with(b"\n") {
        bytes.push(b'\n');
    }
    bytes.extend_from_slice(&line);
    bytes.push(b'\n');
    lock.replace(bytes).await.map_err(failed)?;
    Ok((path, String::from_utf8_lossy(&line).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_a_change_a_ref_and_the_reason() {
        let text = "# why not\n\n  1A2b3c4d  v255-stable \t needs the new API, see #12 \n\
                    I0123456789012345678901234567890123456789 stable/* not there\n";
        let found = parse(text.as_bytes(), "f").expect("parses");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].reason, "needs the new API, see #12");
        assert!(found[0].names("1a2b3c4d00") && !found[0].names("1a2b3c4e00"));
        assert!(found[0].is_on(b"refs/heads/v255-stable") && !found[0].is_on(b"refs/heads/v254-stable"));
        assert!(found[1].is_on(b"refs/remotes/stable/1") && found[1].is_on(b"refs/heads/stable/2024.1"));
        assert!(found[1].names_change("i0123456789012345678901234567890123456789"));
    }

    #[test]
    fn editors_and_clones_of_any_kind_are_understood() {
        let bytes = b"\xef\xbb\xbf1a2b3c4d\tstable/*\tnot worth it\r\n\r\n# \xff\r\n1a2b3c4e caf\xe9 caf\xe9\r\n";
        let found = parse(bytes, "f").expect("parses");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].reason, "not worth it");
        assert!(found[0].is_on(b"refs/remotes/origin/stable/1.0"), "where there is no branch but the remote's");
        assert!(!found[0].is_on(b"refs/heads/origin/stable/1.0") && !found[0].is_on(b"refs/remotes/stable"));
        assert_eq!(found[1].reason, "caf\u{fffd}");
        assert!(found[1].is_on(b"refs/heads/caf\xe9") && !found[1].is_on("refs/heads/caf\u{fffd}".as_bytes()));
    }

    #[test]
    fn a_malformed_line_is_named() {
        for (line, why) in [
            ("1a2b3c4", "a ref and a reason are missing"),
            ("1a2b3c4 main", "a reason is missing"),
            ("1a2b main because", "'1a2b' is neither an id of 7 digits or more nor a Change-Id"),
            ("wontfix main because", "'wontfix' is neither an id of 7 digits or more nor a Change-Id"),
        ] {
            let cause = parse(format!("# \n{line}\n").as_bytes(), "main:.bhfuil-dismissed").expect_err(line);
            assert_eq!(crate::error::message_of(&cause), format!("main:.bhfuil-dismissed:2: {why}"));
        }
    }
}
