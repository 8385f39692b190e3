//! git's own configuration as gix reads it, without starting a `git`: what is set, at which level, in which file.
//!
//! Owns the order of git's cascade (system, global, local, work tree, `git -c`). gix doesn't read `GIT_CONFIG_PARAMETERS`, which `git -c`
//! passes on; that is read here. Refuses to know what a key means.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use super::repository::Repository;
use crate::error::Kind;

/// Where git found a value, in the order in which later ones win (git-config(1), SCOPES).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The machine's file.
    System,
    /// The user's files.
    Global,
    /// The repository's file.
    Local,
    /// The work tree's file.
    Worktree,
    /// `git -c`, `GIT_CONFIG_COUNT`.
    Command,
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigValue {
    /// Where it comes from.
    pub scope: Scope,
    /// Its file, included ones by their own names; `None` if it is in none.
    pub file: Option<PathBuf>,
    /// The name up to the key: `section` or `section.subsection`, the former in lower case.
    pub stem: Vec<u8>,
    /// The last part of the name, in lower case.
    pub key: String,
    /// `None` where there is no `=`, which means true.
    pub value: Option<Vec<u8>>,
}

impl ConfigValue {
    /// A value by its full name, as git's commands and variables have it; `None` if that is no name of a key.
    #[must_use]
    pub fn named(scope: Scope, file: Option<PathBuf>, name: &[u8], value: Option<Vec<u8>>) -> Option<Self> {
        let last = name.iter().rposition(|byte| *byte == b'.')?;
        let mut stem = name[..last].to_vec();
        let section = stem.iter().position(|byte| *byte == b'.').unwrap_or(stem.len());
        stem[..section].make_ascii_lowercase();
        let key = String::from_utf8_lossy(&name[last + 1..]).to_ascii_lowercase();
        Some(Self { scope, file, stem, key, value })
    }
}

/// All values of the `sections`, in the order of the cascade; without a repository those of the machine, the user and the command.
///
/// # Errors
/// [`Kind::BadValue`] if a file can't be read or understood. Of a repository they were read when it was opened.
pub fn values(repository: Option<&Repository>, sections: &[&str]) -> anyhow::Result<Vec<ConfigValue>> {
    Ok(match repository {
        Some(repository) => with_parameters(&repository.config, sections),
        None => with_parameters(&gathered(&outside()?), sections),
    })
}

/// Whether `safe.bareRepository` forbids a bare repository that is only come across. A repository's own word doesn't count
/// (git-config(1)).
pub(super) fn refuses_bare(config: &[ConfigValue]) -> bool {
    let values = with_parameters(config, &["safe"]).into_iter();
    let mut said = values.filter(|value| !matches!(value.scope, Scope::Local | Scope::Worktree));
    said.rfind(|value| value.key == "barerepository").is_some_and(|last| last.value.as_deref() == Some(b"explicit"))
}

/// The names of the remotes, and under what else below `refs/remotes/` a refspec of theirs keeps all their branches; sorted.
///
/// # Errors
/// As [`values`].
pub fn remotes(repository: &Repository) -> anyhow::Result<Vec<String>> {
    let mut found = BTreeSet::new();
    for ConfigValue { stem, key, value, .. } in values(Some(repository), &["remote"])? {
        let Some(name) = stem.strip_prefix(b"remote.") else { continue };
        found.insert(String::from_utf8_lossy(name).into_owned());
        let refspec = value.filter(|_| key == "fetch").unwrap_or_default();
        found.extend(kept_under(&String::from_utf8_lossy(&refspec)).map(str::to_owned));
    }
    Ok(found.into_iter().collect())
}

/// Where below `refs/remotes/` a refspec of `git fetch` puts all branches: `team/upstream` of
/// `+refs/heads/*:refs/remotes/team/upstream/*`. `None` for one that takes some branches only, whose names are longer than what
/// the star stands for.
fn kept_under(refspec: &str) -> Option<&str> {
    let (from, to) = refspec.trim_start_matches('+').split_once(':')?;
    to.strip_prefix("refs/remotes/")?.strip_suffix("/*").filter(|_| from == "refs/heads/*")
}

/// Those of the `sections`, with what `git -c` says of them.
fn with_parameters(config: &[ConfigValue], sections: &[&str]) -> Vec<ConfigValue> {
    let wanted = |value: &ConfigValue| {
        let section = value.stem.split(|byte| *byte == b'.').next().unwrap_or_default();
        sections.iter().any(|name| name.as_bytes() == section)
    };
    let mut values: Vec<ConfigValue> = config.iter().filter(|value| wanted(value)).cloned().collect();
    if let Some(parameters) = std::env::var_os("GIT_CONFIG_PARAMETERS") {
        let given = parameters_of(&parameters.into_vec()).into_iter();
        let given = given.filter_map(|(name, value)| ConfigValue::named(Scope::Command, None, &name, value));
        values.extend(given.filter(wanted));
    }
    values
}

/// The files that git may read a value from, there or not: the machine's, the user's, the repository's, and `HEAD`, of which
/// `includeIf` asks. What these include is among the values' files.
#[must_use]
pub fn files(repository: Option<&Repository>) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = global_places().into_iter().map(|(_, path)| path).collect();
    if let Some(repository) = repository {
        files.push(repository.common_dir.join("config"));
        files.push(repository.git_dir.join("config.worktree"));
        files.push(repository.git_dir.join("HEAD"));
    }
    files
}

/// All values.
pub(super) fn gathered(config: &gix::config::File) -> Vec<ConfigValue> {
    let mut values = Vec::new();
    for section in config.sections() {
        let header = section.header();
        let mut stem = header.name().to_ascii_lowercase();
        if let Some(subsection) = header.subsection_name() {
            stem.push(b'.');
            let start = stem.len();
            stem.extend_from_slice(subsection);
            if header.is_legacy() {
                stem[start..].make_ascii_lowercase();
            }
        }
        let meta = section.meta();
        for (key, value) in section.body() {
            // Without a `=` it comes as empty; the last of a name can be asked.
            let implied = value.is_empty() && section.value_implicit(&key) == Some(None);
            values.push(ConfigValue {
                scope: scope(meta.source),
                file: meta.path.clone(),
                stem: stem.clone(),
                key: key.to_ascii_lowercase(),
                value: (!implied).then(|| value.into()),
            });
        }
    }
    values
}

fn scope(source: gix::config::Source) -> Scope {
    use gix::config::Source;
    match source {
        Source::GitInstallation | Source::System => Scope::System,
        Source::Git | Source::User => Scope::Global,
        Source::Local => Scope::Local,
        Source::Worktree => Scope::Worktree,
        Source::Env | Source::Cli | Source::Api | Source::EnvOverride => Scope::Command,
    }
}

/// The files of the machine and of the user, as the environment has them.
fn global_places() -> Vec<(gix::config::Source, PathBuf)> {
    use gix::config::Source;
    let place = |source: Source| Some((source, source.storage_location(&mut |name: &str| std::env::var_os(name))?));
    [Source::System, Source::Git, Source::User].into_iter().filter_map(place).collect()
}

/// What holds where there is no repository. An `includeIf` never does.
fn outside() -> anyhow::Result<gix::config::File> {
    use gix::config::file::{Metadata, includes, init};
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let includes = includes::Options::follow_without_conditional(home.as_deref());
    let options = init::Options { includes, ..init::Options::default() };
    let there = global_places().into_iter().filter(|(_, path)| path.is_file());
    let metas = there.map(|(source, path)| Metadata::from(source).at(path));
    let read = || -> Result<gix::config::File, gix::error::Error> {
        let mut config = gix::config::File::from_paths_metadata(metas, options)?.unwrap_or_default();
        if let Some(given) = gix::config::File::from_env(options)? {
            config.append(given)?;
        }
        Ok(config)
    };
    read().map_err(|cause| Kind::BadValue.error(format!("reading git's configuration: {cause}")))
}

/// A full name and its value; without one it means true.
type Parameter = (Vec<u8>, Option<Vec<u8>>);

/// Reads what `git -c` hands to its children: `'key'='value'`, `'key'=` without a value, or, before git 2.31, `'key=value'`; each in
/// shell quotes, set apart by blanks. Reading ends where it is none of these.
fn parameters_of(text: &[u8]) -> Vec<Parameter> {
    let mut found = Vec::new();
    let mut rest = text.trim_ascii_start();
    while let Some((word, behind)) = unquoted(rest) {
        let value_follows = behind.strip_prefix(b"=");
        let (name, value, behind) = match value_follows {
            Some(behind) => match unquoted(behind) {
                Some((value, behind)) => (word, Some(value), behind),
                None => (word, None, behind),
            },
            None => match word.iter().position(|byte| *byte == b'=') {
                Some(at) => (word[..at].to_vec(), Some(word[at + 1..].to_vec()), behind),
                None => (word, None, behind),
            },
        };
        found.push((name, value));
        rest = behind.trim_ascii_start();
    }
    found
}

/// The word in shell quotes that `text` begins with (`'it'\''s'`), and what follows it.
fn unquoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = text.strip_prefix(b"'")?;
    let mut word = Vec::new();
    loop {
        let end = rest.iter().position(|byte| *byte == b'\'')?;
        word.extend_from_slice(&rest[..end]);
        rest = &rest[end + 1..];
        match rest {
            [b'\\', escaped @ (b'\'' | b'!'), b'\'', further @ ..] => {
                word.push(*escaped);
                rest = further;
            }
            _ => return Some((word, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_all_forms_are_read() {
        let text = br"'a.b'='c d' 'e.f=g'  'h.i'='it'\''s' 'j.k' 'l.m'= 'n.o=p.q'='r' broken";
        let expected = [
            ("a.b", Some("c d")),
            ("e.f", Some("g")),
            ("h.i", Some("it's")),
            ("j.k", None),
            ("l.m", None),
            ("n.o=p.q", Some("r")),
        ];
        let expected = expected.map(|(name, value)| (name.into(), value.map(Into::into)));
        assert_eq!(parameters_of(text), expected);
    }

    #[test]
    fn a_refspec_tells_where_all_branches_are_kept() {
        for (refspec, under) in [
            ("+refs/heads/*:refs/remotes/team/upstream/*", Some("team/upstream")),
            ("refs/heads/*:refs/remotes/origin/*", Some("origin")),
            ("+refs/heads/stable/*:refs/remotes/origin/stable/*", None),
            ("+refs/heads/main:refs/remotes/origin/main", None),
            ("+refs/tags/*:refs/remotes/tags/*", None),
            ("refs/heads/*", None),
            ("", None),
        ] {
            assert_eq!(kept_under(refspec), under, "{refspec}");
        }
    }

    #[test]
    fn a_name_is_in_lower_case_but_for_the_subsection() {
        let value = ConfigValue::named(Scope::Local, None, b"A.B.c.D", None).expect("a name");
        assert_eq!((value.stem.as_slice(), value.key.as_str()), (&b"a.B.c"[..], "d"));
        assert_eq!(ConfigValue::named(Scope::Local, None, b"a", None), None);
    }
}
