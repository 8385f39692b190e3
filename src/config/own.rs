//! Our own file: where it lies, changing it so that concurrent writers lose nothing, and what a new one says.
//!
//! Owns the order of a change: lock, read, change, replace (`files::Lock`, git's own protocol). Refuses syntax (`syntax`, `edit`).

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::keys::{KEYS, Key, Name, SECTION};
use super::load::{own_path, syntax_problem};
use super::syntax::Document;
use super::values::{Type, name_fault};
use crate::error::Kind;
use crate::files::{self, Lock};

/// How long one other may take to change the file before we give up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Our own file, there or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnFile {
    path: PathBuf,
}

impl OwnFile {
    /// The file that the environment names.
    ///
    /// # Errors
    /// [`Kind::Io`] if it names none.
    pub fn of(variable: &dyn Fn(&str) -> Option<OsString>) -> anyhow::Result<Self> {
        let none = || {
            Kind::Io
                .hinted("there is no place for a configuration file", "set HOME, XDG_CONFIG_HOME or GIT_BHFUIL_CONFIG")
        };
        Ok(Self { path: own_path(variable).ok_or_else(none)? })
    }

    /// The file at `path`.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its text; an empty one if it isn't there.
    ///
    /// # Errors
    /// [`Kind::Io`] if it can't be read, [`Kind::BadValue`] naming the line that can't be understood.
    pub async fn read(&self) -> anyhow::Result<Document> {
        let text = files::read(&self.path).await;
        self.understood(text.map_err(|cause| Kind::Io.wrap(cause, format!("reading {}", self.path.display())))?)
    }

    fn understood(&self, text: Option<Vec<u8>>) -> anyhow::Result<Document> {
        let text = text.unwrap_or_default();
        Document::parse(&text).map_err(|cause| syntax_problem(&self.path, cause).into_error())
    }

    /// Changes it: `change` is given the text as it is and returns the text as it should be, or `None` to leave it, and an answer. Until
    /// then nobody else changes it who asks for the lock, as git does.
    ///
    /// # Errors
    /// [`Kind::Locked`] if somebody else takes longer than ten seconds to change it; as those of [`Self::read`]; what `change` says. The file
    /// is then as it was.
    pub async fn edit<T>(
        &self,
        change: impl FnOnce(&Document) -> anyhow::Result<(Option<Vec<u8>>, T)>,
    ) -> anyhow::Result<T> {
        let lock = Lock::acquire(&self.path, PATIENCE).await?;
        let (text, answer) = change(&self.read().await?)?;
        if let Some(text) = text {
            // Better not at all than so that nobody can read it any more.
            Document::parse(&text)
                .map_err(|cause| Kind::Internal.error(format!("the changed file would have a {cause}")))?;
            let written = lock.replace(text).await;
            written.map_err(|cause| Kind::Io.wrap(cause, format!("writing {}", self.path.display())))?;
        }
        Ok(answer)
    }

    /// Sets `name` to `value` and nothing else, or adds it to what is there.
    ///
    /// # Errors
    /// [`Kind::BadValue`] if it is no value for it, or is to be added where one only counts; as those of [`Self::edit`].
    pub async fn set(&self, name: &Name, value: &[u8], adds: bool) -> anyhow::Result<()> {
        if adds && !name.key.repeatable {
            return Err(Kind::BadValue.hinted(format!("{name} has one value"), "leave --add out to replace it"));
        }
        for part in [&name.repo, &name.tracker].into_iter().flatten() {
            if let Some(why) = name_fault(part) {
                return Err(Kind::BadValue.error(format!("'{part}' can be no name: {why}")));
            }
        }
        let may_reset = name.key.repeatable && value.is_empty();
        if let Some(fault) = name.key.kind.fault(Some(value)).filter(|_| !may_reset) {
            let why = fault.why.map_or_else(String::new, |why| format!(": {why}"));
            let shown = String::from_utf8_lossy(value);
            let message = if fault.is_secret {
                format!("a secret, or what may be one, isn't kept as {name}")
            } else {
                format!("bad value '{shown}' for {name}{why}")
            };
            return Err(Kind::BadValue.hinted(message, format!("{name} {}", name.key.kind.takes())));
        }
        self.edit(|document| {
            let there = if adds { document.values(name) } else { Vec::new() };
            let values: Vec<&[u8]> = there.iter().map(Vec::as_slice).chain([value]).collect();
            Ok((Some(document.with(name.stem().as_bytes(), name.last(), &values)), ()))
        })
        .await
    }

    /// Takes every value of `name` out of the file, and says whether there was one.
    ///
    /// # Errors
    /// As those of [`Self::edit`].
    pub async fn unset(&self, name: &Name) -> anyhow::Result<bool> {
        self.edit(|document| {
            let is_there = document.sets(name);
            Ok((is_there.then(|| document.with(name.stem().as_bytes(), name.last(), &[])), is_there))
        })
        .await
    }

    /// Writes a file that sets nothing and says what could be set.
    ///
    /// # Errors
    /// [`Kind::Exists`] if there is one; [`Kind::Io`] if it can't be written.
    pub async fn init(&self) -> anyhow::Result<()> {
        let lock = Lock::acquire(&self.path, PATIENCE).await?;
        let there = files::read(&self.path).await;
        if there.map_err(|cause| Kind::Io.wrap(cause, format!("reading {}", self.path.display())))?.is_some() {
            return Err(Kind::Exists.hinted(
                format!("{} is there already", self.path.display()),
                "git bhfuil config set changes it; it is never overwritten",
            ));
        }
        let written = lock.replace(template().into_bytes()).await;
        written.map_err(|cause| Kind::Io.wrap(cause, format!("writing {}", self.path.display())))
    }
}

impl Document {
    /// The values of `name`, in order; what has no `=` counts as empty.
    fn values(&self, name: &Name) -> Vec<Vec<u8>> {
        let stem = name.stem();
        let own = self.entries().filter(|entry| entry.is(stem.as_bytes(), name.last()));
        own.map(|entry| entry.value().unwrap_or_default().into_owned()).collect()
    }

    fn sets(&self, name: &Name) -> bool {
        !self.values(name).is_empty()
    }
}

/// The text of a new file: every setting with its default, commented out.
#[must_use]
pub fn template() -> String {
    let mut text = String::from(
        "# Settings of git bhfuil, in the syntax of git's own configuration. That comes after this file and wins, whatever it sets:\n\
         #     git config --global bhfuil.threads 2\n\
         # What is commented out is the default, or has none where a type stands in <>. What is set in [bhfuil \"repo.<name>\"] counts for\n\
         # that repository alone. After a change: git bhfuil config validate\n",
    );
    let mut section = None;
    for key in KEYS.iter().filter(|key| !key.is_of_repository) {
        let (group, last) = key.name.rsplit_once('.').unwrap_or(("", key.name));
        // The user names it, so there is none yet.
        let mark = if group.contains('<') { "# " } else { "" };
        if section != Some(group) {
            section = Some(group);
            let header = if group.is_empty() { format!("[{SECTION}]") } else { format!("[{SECTION} \"{group}\"]") };
            let _ = write!(text, "\n{mark}{header}\n");
        }
        let _ = write!(text, "\t# {}{}\n\t# {last} = {}\n", key.doc, notes(key), example(key));
    }
    text
}

fn notes(key: &Key) -> String {
    match (key.repeatable, key.fallbacks) {
        (true, _) => " (may be repeated)".to_owned(),
        (_, []) => String::new(),
        (_, git) => format!(" (without it git's {} counts)", git.join(" or ")),
    }
}

fn example(key: &Key) -> String {
    match key.kind {
        _ if !key.default.is_empty() => key.default.to_owned(),
        Type::Number { .. } | Type::Threads | Type::Size => "<number>".into(),
        Type::Time => "<time>".into(),
        Type::Glob => "<glob>".into(),
        Type::Regex => "<regex>".into(),
        Type::Word | Type::Name => "<word>".into(),
        Type::Path | Type::Place => "<path>".into(),
        Type::Url => "<url>".into(),
        Type::Color | Type::Text => "<text>".into(),
        Type::Choice(words) => format!("<{}>", words.join("|")),
        Type::Credential => "<env:VARIABLE|git>".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_file_sets_nothing_and_tells_every_setting() {
        let text = template();
        let document = Document::parse(text.as_bytes()).expect("good syntax");
        assert_eq!(document.entries().count(), 0);
        // With the marks taken off it sets what the defaults are.
        let bare: String = text
            .lines()
            .skip(4)
            .map(|line| match line.trim_start().strip_prefix("# ") {
                Some(rest) if rest.starts_with('[') || rest.split(' ').nth(1) == Some("=") => format!("{rest}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let document = Document::parse(bare.as_bytes()).expect("good syntax");
        let set: Vec<Name> =
            document.entries().map(|entry| Name::find_in(entry.stem, entry.key).expect("a setting")).collect();
        let general: Vec<&str> = KEYS.iter().filter(|key| !key.is_of_repository).map(|key| key.name).collect();
        assert_eq!(set.iter().map(|name| name.key.name).collect::<Vec<_>>(), general);
        for (name, entry) in set.iter().zip(document.entries()) {
            let value = entry.value().expect("a value");
            assert!(*value == *name.key.default.as_bytes() || value.starts_with(b"<"), "{name}");
        }
    }
}
