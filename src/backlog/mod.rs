//! What a branch lacks: the work lists of those who keep stable branches.
//!
//! `ends` finds the branches by their names, and where none is named the one that changes are taken from. A `comparison` of two says
//! what the target has of the change that each commit of the source is, by the ladder of [`crate::locate`] and the graph; in an `order`
//! in which they can be picked. From it come the lists: `missing`, what isn't there, narrowed to what is `wanted`; `gaps`, what an older
//! line has and a newer one lacks; `followups`, what mends or takes back something that is there. `dismissed` is what somebody decided
//! against, and a `trial` finds out whether a pick would apply. Knows nothing of the command line.

mod comparison;
mod dismissed;
mod ends;
mod explain;
mod followups;
mod matrix;
mod missing;
mod order;
mod trial;
mod verdicts;
mod verify;
mod wanted;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Context as _;

use self::dismissed::Dismissal;
pub use self::dismissed::dismiss;
use self::ends::End;
pub use self::explain::explain;
pub use self::followups::followups;
pub use self::matrix::matrix;
pub use self::missing::missing;
pub use self::verify::verify;
use crate::clock::{Clock, Deadline};
use crate::git::Sought;
use crate::gitcli;
use crate::index::Trouble;
use crate::locate;
use crate::locate::study::Study;
use crate::report::{Ending, Format, Strand};
use crate::shutdown::Token;

/// What is asked of which branches.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a wish of its own")]
pub struct Options {
    /// Where the repository is looked for.
    pub sought: Sought,
    /// The folder of all caches; `None` where there can be none.
    pub cache_folder: Option<PathBuf>,
    /// Threads for git work; `None` as configured.
    pub threads: Option<usize>,
    /// The branches that are asked about.
    pub targets: Vec<OsString>,
    /// The branch that changes are taken from; `None` for the one that most picks come from.
    pub source: Option<OsString>,
    /// Only what came after this: a revision, else a date.
    pub since: Option<OsString>,
    /// Only what changes these paths.
    pub paths: Vec<OsString>,
    /// Only what its message wishes to have ported, or a label that is kept of an issue that it names.
    pub requested: bool,
    /// Only what is about security.
    pub security: bool,
    /// Only what mends something that the branch has.
    pub fixes: bool,
    /// Find out whether each would apply.
    pub check: bool,
    /// Compare each release line with the next newer one.
    pub gaps: bool,
    /// Whether something missing, or something that can't be known, is to show in the exit code.
    pub exit_code: bool,
    /// The address of a commit's page, without its id, where one is known.
    pub commits_at: Option<String>,
}

impl Options {
    fn search(&self) -> locate::Options {
        locate::Options {
            sought: self.sought.clone(),
            cache_folder: self.cache_folder.clone(),
            threads: self.threads,
            ..locate::Options::default()
        }
    }
}

/// What was found, for the exit code.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Found {
    /// Whether something is to be done.
    any: bool,
    /// Whether there may be more, where history is cut off.
    is_unsure: bool,
}

impl std::ops::BitOrAssign for Found {
    fn bitor_assign(&mut self, other: Self) {
        self.any |= other.any;
        self.is_unsure |= other.is_unsure;
    }
}

/// Opens the repository and has `work` done on it, in the time that is configured.
async fn run(
    options: &Options,
    report: &mut Strand,
    token: &Token,
    what: &str,
    work: impl AsyncFnOnce(&mut Study<'_>) -> anyhow::Result<Found>,
) -> anyhow::Result<Ending> {
    let stopped = Ending { incomplete: true, ..Ending::default() };
    let whole = async {
        let Some(mut study) = Study::open(options.search(), report, token).await? else {
            return Ok(Ending { incomplete: true, ..Ending::default() });
        };
        let limit = study.settings().missing_timeout;
        let what = format!("{what} in {}", study.name());
        let found = match limit {
            None => work(&mut study).await,
            Some(limit) => {
                let deadline = Deadline::after(&Clock::Real, limit).set_by("bhfuil.timeout.missing");
                let expired = async {
                    deadline.over(&Clock::Real).await;
                    Err(deadline.missed(&what))
                };
                smol::future::or(work(&mut study), expired).await
            }
        }?;
        if found.is_unsure {
            study.warn(&cut_off()).await?;
        }
        study.end().await?;
        let Found { any, is_unsure } = found;
        Ok(Ending {
            negative: options.exit_code && any,
            incomplete: token.is_cancelled() || is_unsure,
            unknown: options.exit_code && is_unsure,
            ..Ending::default()
        })
    };
    token.unless_cancelled(Box::pin(whole)).await.unwrap_or(Ok(stopped))
}

/// Tells people that a list is empty: a program sees that nothing is told.
fn remark(study: &mut Study<'_>, text: &str) {
    let report = study.report();
    if matches!(report.format(), Format::Human(_)) {
        report.note(text);
    }
}

fn cut_off() -> Trouble {
    Trouble {
        code: "shallow-history",
        message: "history is cut off: what a branch has from before can't be known".into(),
        hint: Some("git fetch --unshallow brings the rest of it".into()),
    }
}

/// The branches that are asked about, each with the one that its changes come from.
async fn pairs(study: &mut Study<'_>, options: &Options) -> anyhow::Result<Vec<(End, End)>> {
    use std::os::unix::ffi::OsStrExt as _;
    let source = options.source.as_ref().map(|name| ends::named(study, name.as_bytes())).transpose()?;
    let mut pairs = Vec::new();
    for name in &options.targets {
        let target = ends::named(study, name.as_bytes())?;
        let source = match &source {
            Some(source) => source.clone(),
            None => ends::source_of(study, &target).await?,
        };
        if source.name == target.name {
            let message = format!("{} can't be compared with itself", target.short());
            return Err(crate::error::Kind::Usage.hinted(message, "--from=<branch> names another one"));
        }
        pairs.push((source, target));
    }
    Ok(pairs)
}

/// What was decided against, as the file at the tip of `source` says, or the one that is configured.
async fn dismissals(study: &Study<'_>, source: &End) -> anyhow::Result<Vec<Dismissal>> {
    if let Some(path) = &study.settings().dismissed_file {
        let (path, named) = (path.clone(), path.display().to_string());
        let bytes = smol::unblock(move || std::fs::read(path)).await;
        return dismissed::parse(&bytes.with_context(|| format!("reading {named}"))?, &named);
    }
    let tip = study.graph().id(source.tip);
    match gitcli::file_at(study.repository(), &tip, dismissed::FILE).await? {
        Some(bytes) => dismissed::parse(&bytes, &format!("{}:{}", source.short(), dismissed::FILE)),
        None => Ok(Vec::new()),
    }
}
