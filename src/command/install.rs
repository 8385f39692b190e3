//! `git bhfuil install`: the parts of the program go where git, man and shells look for them, or come away from there.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::cli::{InstallArgs, manual};
use crate::describe::lossy;
use crate::error::Kind;
use crate::events::work::{InstalledPart, InstalledState};
use crate::events::{Event, Installed, Warning};
use crate::install::{self, MARK, Outcome, Part, Places, State, Surroundings, Trouble};
use crate::report::{Ending, FailedPart, Strand};
use crate::shutdown::Token;

/// The scripts that the shells load.
const SCRIPTS: [(install::Kind, &str, &str); 4] = [
    (install::Kind::Bash, "git-bhfuil", include_str!("../../completions/git-bhfuil.bash")),
    (install::Kind::Zsh, "_git-bhfuil", include_str!("../../completions/_git-bhfuil")),
    (install::Kind::Fish, "git-bhfuil.fish", include_str!("../../completions/git-bhfuil.fish")),
    (install::Kind::FishSettings, "git-bhfuil.fish", include_str!("../../completions/conf.d/git-bhfuil.fish")),
];

/// Runs the command and returns the exit code.
pub(super) async fn run(args: &InstallArgs, dir: &Path, token: &Token) -> u8 {
    let look = (args.format, args.color, args.no_color);
    super::framed("install", look, dir, token, async |report| install(args, report).await).await
}

async fn install(args: &InstallArgs, report: &mut Strand) -> anyhow::Result<Ending> {
    let variable = |name: &str| std::env::var_os(name);
    let program =
        std::env::current_exe().map_err(|cause| Kind::Io.wrap(cause, "finding out where this program lies"))?;
    let mut around = Surroundings::of(program, &variable);
    // The program is known by where it really lies.
    let real: Vec<PathBuf> = around.path.iter().filter_map(|folder| folder.canonicalize().ok()).collect();
    around.path.extend(real);
    around.destdir = around.destdir.and_then(|folder| std::path::absolute(folder).ok());
    let places = places(args, &around)?;
    let is_uninstall = args.uninstall;
    let (outcomes, places) = smol::unblock(move || {
        let parts = parts(&around, &places)?;
        let outcomes = if is_uninstall { install::take_away(&parts, &places) } else { install::put(&parts, &places) };
        Ok::<_, anyhow::Error>((outcomes, places))
    })
    .await?;
    tell(&outcomes, report).await?;
    if !is_uninstall && args.prefix.is_none() {
        advise(&places, report).await?;
    }
    Ok(Ending { incomplete: report.is_partial(), ..Ending::default() })
}

fn places(args: &InstallArgs, around: &Surroundings) -> anyhow::Result<Places> {
    match &args.prefix {
        Some(prefix) => {
            let prefix = std::path::absolute(Path::new(&prefix.0))
                .map_err(|cause| Kind::BadValue.wrap(cause, "the folder that --prefix names"))?;
            Ok(Places::under(&prefix, around))
        }
        None if around.destdir.is_some() => Err(Kind::BadValue.hinted(
            "DESTDIR is set, and a user's own folders are not what goes under it",
            "give --prefix=/usr, or unset DESTDIR",
        )),
        None => Places::of_user(around).ok_or_else(|| Kind::BadValue.hinted("HOME is not set", "give --prefix=<dir>")),
    }
}

/// All parts; the program only if it goes somewhere.
fn parts(around: &Surroundings, places: &Places) -> anyhow::Result<Vec<Part>> {
    let page = |page: manual::Page| Part {
        kind: install::Kind::Manual(page.section),
        file: page.file(),
        bytes: page.text.into_bytes(),
    };
    let script = |(kind, file, text): (_, &str, &str)| Part { kind, file: file.to_owned(), bytes: text.into() };
    let mut parts: Vec<Part> = manual::pages().into_iter().map(page).chain(SCRIPTS.map(script)).collect();
    debug_assert!(parts.iter().all(|part| memchr::memmem::find(&part.bytes, MARK.as_bytes()).is_some()));
    if places.program.is_some() {
        let bytes = std::fs::read(&around.program)
            .map_err(|cause| Kind::Io.wrap(cause, format!("reading {}", around.program.display())))?;
        parts.push(Part { kind: install::Kind::Program, file: "git-bhfuil".to_owned(), bytes });
    }
    Ok(parts)
}

/// Each file that is as it should be; of a folder that can't be written one error for all that should be in it.
async fn tell(outcomes: &[Outcome], report: &mut Strand) -> anyhow::Result<()> {
    let mut list = report.format().listing();
    for outcome in outcomes {
        if let Ok(state) = &outcome.result {
            let (path, path_b64) = lossy(outcome.path.as_os_str().as_bytes());
            list.add(&Event::Installed(Installed {
                path: path.into(),
                path_b64: path_b64.map(Into::into),
                part: part_of(&outcome.path),
                state: word(*state),
            }));
        }
    }
    let (bytes, counts) = list.finish();
    report.batch(bytes, &counts).await?;
    let mut told = BTreeSet::new();
    for outcome in outcomes {
        let path = outcome.path.display();
        let folder = outcome.path.parent().unwrap_or(&outcome.path);
        let (kind, message, hint) = match &outcome.result {
            Ok(_) => continue,
            Err(Trouble::Foreign) => {
                let hint = "if it may go, remove it and run this again";
                (Kind::Exists, format!("{path} was not put there by git bhfuil install"), hint)
            }
            Err(Trouble::Io(_)) if !told.insert(folder) => continue,
            Err(Trouble::Io(cause)) => {
                let hint = "run it as one who may write there, or give another --prefix";
                (Kind::Io, format!("{}: {cause}", folder.display()), hint)
            }
        };
        report.fail(FailedPart { id: None, query: None, kind, message: &message, hint: Some(hint) }).await?;
    }
    Ok(())
}

fn part_of(path: &Path) -> InstalledPart {
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    match folder.to_str() {
        Some("man1" | "man5") => InstalledPart::Manual,
        Some("bin") => InstalledPart::Program,
        _ => InstalledPart::Completion,
    }
}

fn word(state: State) -> InstalledState {
    match state {
        State::Written => InstalledState::Written,
        State::Unchanged => InstalledState::Unchanged,
        State::Removed => InstalledState::Removed,
    }
}

/// What the user still has to do, for it can't be done for them.
async fn advise(places: &Places, report: &mut Strand) -> anyhow::Result<()> {
    let path: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    if let Some(bin) = &places.program
        && !path.contains(bin)
    {
        let message = format!("{} is not in PATH, so git doesn't find the program there", bin.display());
        let hint = format!("put this into ~/.profile: PATH=\"{}:$PATH\"", bin.display());
        warn("not-on-path", message, hint, report).await?;
    }
    let manuals = std::env::var_os("MANPATH").unwrap_or_default();
    if hides(&manuals, &places.manual) {
        let message = format!("MANPATH is set and {} is not in it, so man doesn't look there", places.manual.display());
        warn("not-on-manpath", message, "let it end in a colon: man then looks beside PATH too".to_owned(), report)
            .await?;
    }
    if path.iter().any(|folder| folder.join("zsh").is_file()) {
        let folder = places.zsh();
        let hint = format!("unless it is there: fpath=({} $fpath) in ~/.zshrc, before compinit", folder.display());
        warn("zsh-fpath", format!("zsh looks into {} if that is in fpath", folder.display()), hint, report).await?;
    }
    Ok(())
}

/// Whether a `MANPATH` keeps man from a folder. An empty part of it stands for what would hold without it.
fn hides(manuals: &OsString, folder: &Path) -> bool {
    !manuals.is_empty() && !std::env::split_paths(manuals).any(|known| known.as_os_str().is_empty() || known == folder)
}

async fn warn(code: &'static str, message: String, hint: String, report: &mut Strand) -> anyhow::Result<()> {
    let hint = Some(Cow::Owned(hint));
    let warning =
        Warning { repo: None, id: None, query: None, code: code.into(), message: message.into(), hint, count: 1 };
    Ok(report.warn(warning).await?)
}
