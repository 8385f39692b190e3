//! Where the parts go, decided from what was typed and what surrounds the program. Pure: nothing is looked at but what is handed in.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The program.
    Program,
    /// A page of the manual, with its section.
    Manual(u8),
    /// The completion of bash.
    Bash,
    /// That of zsh.
    Zsh,
    /// That of fish.
    Fish,
    /// What fish reads when it starts.
    FishSettings,
}

/// What surrounds the program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The program, as it was started.
    pub program: PathBuf,
    /// The user's home folder.
    pub home: Option<PathBuf>,
    /// `$XDG_DATA_HOME`, if it is an absolute path.
    pub data_home: Option<PathBuf>,
    /// The folders of `PATH`.
    pub path: Vec<PathBuf>,
    /// `$DESTDIR`, if it isn't empty.
    pub destdir: Option<PathBuf>,
}

impl Surroundings {
    /// What surrounds the program `program`, by the variables of its environment.
    #[must_use]
    pub fn of(program: PathBuf, variable: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let folder = |name: &str| variable(name).map(PathBuf::from).filter(|folder| !folder.as_os_str().is_empty());
        Self {
            program,
            home: folder("HOME"),
            // Relative ones are to be ignored (XDG Base Directory Specification).
            data_home: folder("XDG_DATA_HOME").filter(|folder| folder.is_absolute()),
            path: variable("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default(),
            destdir: folder("DESTDIR"),
        }
    }

    fn has_on_path(&self, folder: &Path) -> bool {
        self.path.iter().any(|known| known == folder)
    }
}

/// The folders that parts go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The folder that the program is to be put into; `None` if it stays where it is.
    pub program: Option<PathBuf>,
    /// Where the program is that stays.
    pub own_program: Option<PathBuf>,
    /// The folder that holds `man1` and `man5`.
    pub manual: PathBuf,
    /// The folder that holds what belongs to the shells.
    pub share: PathBuf,
    /// Whether a list of what was put is kept.
    pub is_listed: bool,
}

impl Places {
    /// Those under `prefix`, which `$DESTDIR` may be put in front of.
    #[must_use]
    pub fn under(prefix: &Path, around: &Surroundings) -> Self {
        let prefix = match &around.destdir {
            Some(destdir) => destdir.join(prefix.strip_prefix("/").unwrap_or(prefix)),
            None => prefix.to_owned(),
        };
        let share = prefix.join("share");
        let bin = prefix.join("bin");
        let is_there = around.program.parent() == Some(&bin);
        Self {
            program: (!is_there).then_some(bin),
            own_program: is_there.then(|| around.program.clone()),
            manual: share.join("man"),
            share,
            is_listed: around.destdir.is_none(),
        }
    }

    /// A user's own; `None` without a home.
    ///
    /// man(1) looks beside each folder of `PATH` (manpath(1)) and knows nothing of `$XDG_DATA_HOME`: pages go beside `~/.local/bin` where that is
    /// on it or the program goes there, else beside the folder that the program lies in.
    #[must_use]
    pub fn of_user(around: &Surroundings) -> Option<Self> {
        let local = around.home.as_ref()?.join(".local");
        let bin = local.join("bin");
        let lies_in = around.program.parent().filter(|folder| around.has_on_path(folder));
        let beside = lies_in.filter(|_| !around.has_on_path(&bin)).and_then(Path::parent);
        Some(Self {
            program: lies_in.is_none().then(|| bin.clone()),
            own_program: lies_in.map(|_| around.program.clone()),
            manual: beside.unwrap_or(&local).join("share/man"),
            share: around.data_home.clone().unwrap_or_else(|| local.join("share")),
            is_listed: true,
        })
    }

    /// Where the file `name` of a kind goes; `None` for the program if that stays where it is.
    #[must_use]
    pub fn path(&self, kind: Kind, name: &str) -> Option<PathBuf> {
        let folder = match kind {
            Kind::Program => self.program.clone()?,
            Kind::Manual(section) => self.manual.join(format!("man{section}")),
            Kind::Bash => self.share.join("bash-completion/completions"),
            Kind::Zsh => self.zsh(),
            Kind::Fish => self.share.join("fish/vendor_completions.d"),
            Kind::FishSettings => self.share.join("fish/vendor_conf.d"),
        };
        Some(folder.join(name))
    }

    /// The folder that zsh has to look into.
    #[must_use]
    pub fn zsh(&self) -> PathBuf {
        self.share.join("zsh/site-functions")
    }

    /// Where the list of what was put is.
    pub(super) fn list(&self) -> Option<PathBuf> {
        self.is_listed.then(|| self.share.join("git-bhfuil/installed"))
    }
}
