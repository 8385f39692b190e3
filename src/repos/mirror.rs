//! A bare clone that follows a repository elsewhere: its branches and tags, nothing else. Owns how it is made, brought up to date and
//! removed, so that it is whole or not there, whatever is killed in between; refuses which repositories there are.
//!
//! A clone is made beside its place, in `nova.git.part`, and moved there when it is whole; what a run that died has left there, the
//! next removes. A fetch that was broken off is repeated: git changes a ref only when all that it needs is there. Both hold a
//! lock beside the mirror, `nova.git.lock`, so that processes wait for each other. What fails for a reason that
//! may pass is tried again, as the [options](Options) say.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::claim::{Claim, beside};
use super::debris::{self, Debris};
use crate::clock::{Clock, Deadline};
use crate::error::Kind;
use crate::gitcli::transfer::{self, MIRROR_REFSPECS, Refs, Session};
use crate::gitcli::{Bounds, Ended, Program, Progress, end_orphans, without_password};
use crate::retry::{Attempt, Chance, Operation, Strategy, Tried, Tries, transient};
use crate::shutdown::Token;

/// How long a git that a dead process has left behind gets to clean up.
const GRACE_OF_AN_ORPHAN: Duration = Duration::from_secs(2);

/// How a mirror is made or brought up to date.
#[derive(Debug, Clone)]
pub struct Options {
    /// The git that does it.
    pub git: Program,
    /// How long it may take with all that is tried again (`bhfuil.timeout.clone`, `bhfuil.timeout.fetch`).
    pub timeout: Option<Duration>,
    /// When it is tried again (`bhfuil.retry.clone.*`, `bhfuil.retry.fetch.*`).
    pub retry: Strategy,
    /// Where waits are drawn from.
    pub chance: Chance,
    /// Whether git may ask the user; see [`crate::gitcli::can_prompt`].
    pub prompts: bool,
    /// The clock of the timeout and the waits.
    pub clock: Clock,
    /// Cancelled: everything ends at once, and nothing half done is left.
    pub token: Token,
}

impl Options {
    /// The defaults for cloning: two hours.
    #[must_use]
    pub fn for_clone() -> Self {
        Self::of(Operation::Clone, Duration::from_hours(2))
    }

    /// The defaults for fetching: half an hour.
    #[must_use]
    pub fn for_fetch() -> Self {
        Self::of(Operation::Fetch, Duration::from_mins(30))
    }

    fn of(operation: Operation, timeout: Duration) -> Self {
        Self {
            git: Program::default(),
            timeout: Some(timeout),
            retry: operation.into(),
            chance: Chance::new(),
            prompts: false,
            clock: Clock::Real,
            token: Token::new(),
        }
    }

    fn deadline(&self, operation: Operation, whole: String) -> Option<Deadline> {
        let timeout = self.timeout?;
        Some(
            Deadline::after(&self.clock, timeout)
                .set_by(format!("bhfuil.timeout.{}", operation.name()))
                .bounding(whole),
        )
    }

    fn bounds<'a>(&'a self, deadline: Option<&'a Deadline>) -> Bounds<'a> {
        Bounds { clock: &self.clock, token: &self.token, deadline }
    }
}

/// What is told while it goes on.
#[derive(Debug)]
pub enum News<'n> {
    /// How far git is.
    Progress(Progress),
    /// An attempt has ended, well or not.
    Tried(Tried<'n>),
    /// Another process works on the same mirror, this one if it says which; it is waited for.
    Waiting(Option<u32>),
}

/// What [`clone`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloned {
    /// Nothing, and made it.
    New,
    /// A mirror of the same URL, whole: another run has made it. It isn't brought up to date.
    Already,
}

/// Makes a mirror of `url` at `place`, whose folder is made if it isn't there.
///
/// # Errors
/// Those of [`transfer::clone`], after the last attempt; [`Kind::BadValue`] if something else is at `place`; [`Kind::Io`] if it
/// can't be written. Nothing is at `place` then that wasn't before, and nothing beside it.
///
/// ```
/// use git_bhfuil::repos::mirror::{self, Cloned, News, Options};
///
/// # let home = tempfile::tempdir()?;
/// # let source = home.path().join("source");
/// # let sealed = |command: &mut std::process::Command| {
/// #     let who = ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"];
/// #     command.env("HOME", home.path()).env("GIT_CONFIG_NOSYSTEM", "1").envs(who.map(|name| (name, "a")));
/// #     assert!(command.status().expect("git runs").success());
/// # };
/// # let git = || { let mut git = std::process::Command::new("git"); git.arg("-C").arg(&source); git };
/// # sealed(std::process::Command::new("git").args(["init", "--quiet"]).arg(&source));
/// # sealed(git().args(["commit", "--quiet", "--allow-empty", "-m", "one"]));
/// let options = Options::for_clone();
/// # let sealed_git = options.git.clone().with("HOME", home.path()).with("GIT_CONFIG_NOSYSTEM", "1");
/// # let options = Options { git: sealed_git.clone(), ..options };
/// let url = format!("file://{}", source.display());
/// let place = home.path().join("repos/source.git");
/// let mut attempts = 0;
/// let count = |news: News<'_>| attempts += usize::from(matches!(news, News::Tried(_)));
/// assert_eq!(smol::block_on(mirror::clone(&url, &place, &options, count))?, Cloned::New);
/// assert_eq!(attempts, 1);
/// assert_eq!(smol::block_on(mirror::clone(&url, &place, &options, |_| ()))?, Cloned::Already);
///
/// # sealed(git().args(["tag", "v1"]));
/// let options = Options::for_fetch();
/// # let options = Options { git: sealed_git, ..options };
/// smol::block_on(mirror::fetch(&place, &options, |_| ()))?;
/// assert!(place.join("refs/tags/v1").exists());
///
/// smol::block_on(mirror::remove(&place, &options))?;
/// assert_eq!(std::fs::read_dir(home.path().join("repos"))?.count(), 0);
/// # Ok::<(), anyhow::Error>(())
/// ```
pub async fn clone(
    url: &str,
    place: &Path,
    options: &Options,
    mut tell: impl FnMut(News<'_>) + Send,
) -> anyhow::Result<Cloned> {
    transfer::check_url(url)?;
    let deadline = options.deadline(Operation::Clone, format!("cloning {}", without_password(url)));
    let bounds = options.bounds(deadline.as_ref());
    let place = &absolute(place)?;
    let operation = format!("cloning to {}", place.display());
    make_folder(place).await?;
    let claim = take(place, &bounds, &operation, &mut tell).await?;
    let program = options.git.clone().working_on(place);
    let session = Session { program: &program, bounds, prompts: options.prompts };
    let mut part = Part::of(place, &claim);
    part.clear().await?;
    if place.symlink_metadata().is_ok() {
        return already(&session, url, place).await;
    }
    let mut tries = tries(options, &bounds, place);
    loop {
        let attempt = tries.begin();
        let result = transfer::clone(&session, url, &part.path, &mut |news| tell(News::Progress(news))).await;
        if result.is_err() {
            part.clear().await?;
        }
        if settled(&mut tries, attempt, result, &mut tell).await? {
            break;
        }
    }
    for refspec in MIRROR_REFSPECS {
        let words = ["config", "--add", "remote.origin.fetch", refspec];
        let written = transfer::ask(&session, Some(&part.path), &words).await?;
        written.ok_or_else(|| Kind::Git.error(format!("git config failed in {}", part.path.display())))?;
    }
    part.move_to(place).await?;
    Ok(Cloned::New)
}

/// Since when a clone or fetch of the mirror at `place` lies there broken off, and the lock that says so: whoever did it has died, and the
/// next one cleans up after it. `None` if none does. Blocks.
#[must_use]
pub fn broken_off(place: &Path) -> Option<(PathBuf, std::time::SystemTime)> {
    super::claim::broken_off(place)
}

/// Brings the mirror at `place` up to date: branches and tags as they are there now, and HEAD if the branch that it names is gone.
///
/// # Errors
/// Those of [`transfer::fetch`], after the last attempt; [`Kind::NoRepository`] if nothing is at `place`, [`Kind::BadValue`] if
/// that is no mirror: its own branches would be overwritten.
pub async fn fetch(place: &Path, options: &Options, mut tell: impl FnMut(News<'_>) + Send) -> anyhow::Result<()> {
    let place = &absolute(place)?;
    let operation = format!("fetching into {}", place.display());
    let deadline = options.deadline(Operation::Fetch, operation.clone());
    let bounds = options.bounds(deadline.as_ref());
    if place.symlink_metadata().is_err() {
        return Err(Kind::NoRepository.error(format!("there is no repository at {}", place.display())));
    }
    let claim = take(place, &bounds, &operation, &mut tell).await?;
    let program = options.git.clone().working_on(place);
    let session = Session { program: &program, bounds, prompts: options.prompts };
    check_mirror(&session, place).await?;
    let mut tries = tries(options, &bounds, place);
    loop {
        let attempt = tries.begin();
        // Whoever drops this future kills git.
        let mut broom = Broom { place, claim: &claim, debris: Some(Debris::All) };
        let result = update(&session, place, &mut |news| tell(News::Progress(news))).await;
        broom.debris = result.as_ref().err().map(left_by);
        broom.sweep().await;
        if settled(&mut tries, attempt, result, &mut tell).await? {
            return Ok(());
        }
    }
}

/// Removes the mirror at `place`, if there is one, when nobody works on it any more.
///
/// # Errors
/// [`Kind::Io`] if it can't be removed; what is left of it then is not at `place`.
pub async fn remove(place: &Path, options: &Options) -> anyhow::Result<()> {
    let bounds = options.bounds(None);
    let place = &absolute(place)?;
    let operation = format!("removing {}", place.display());
    if place.parent().is_none_or(|folder| !folder.exists()) {
        return Ok(());
    }
    let claim = take(place, &bounds, &operation, &mut |_| ()).await?;
    let part = Part::of(place, &claim);
    part.clear().await?;
    match std::fs::rename(place, &part.path) {
        Ok(()) => part.clear().await,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(Kind::Io.wrap(cause, operation)),
    }
}

/// Takes `place`, and ends and clears away what an owner that died has left there.
async fn take(
    place: &Path,
    bounds: &Bounds<'_>,
    operation: &str,
    tell: &mut (impl FnMut(News<'_>) + Send),
) -> anyhow::Result<Arc<Claim>> {
    let claim = Arc::new(Claim::take(place, bounds, operation, &mut |owner| tell(News::Waiting(owner))).await?);
    if claim.is_of_the_dead() {
        end_orphans(place, GRACE_OF_AN_ORPHAN).await;
        Broom { place, claim: &claim, debris: Some(Debris::All) }.sweep().await;
    }
    Ok(claim)
}

fn tries<'a>(options: &'a Options, bounds: &Bounds<'a>, place: &Path) -> Tries<'a> {
    // Mirrors with the same options that fail together don't come back together.
    let chance = options.chance.apart(place);
    Tries::new(options.retry, bounds.clock, bounds.token, bounds.deadline, chance)
}

/// git works in other folders, and a dead one's command line is looked through for it.
fn absolute(place: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(place).map_err(|cause| Kind::Io.wrap(cause, format!("finding {}", place.display())))
}

/// Tells of an attempt, and waits if there is to be another: `false` then.
async fn settled(
    tries: &mut Tries<'_>,
    attempt: Attempt,
    result: anyhow::Result<()>,
    tell: &mut (impl FnMut(News<'_>) + Send),
) -> anyhow::Result<bool> {
    let Err(error) = result else {
        tell(News::Tried(Tried { attempt, error: None, wait: None }));
        return Ok(true);
    };
    let wait = tries.wait_after(transient(&error));
    tell(News::Tried(Tried { attempt, error: Some(&error), wait }));
    match wait {
        Some(wait) => tries.wait(wait, error).await.map(|()| false),
        None => Err(tries.give_up(error)),
    }
}

/// One attempt at bringing it up to date.
async fn update(
    session: &Session<'_>,
    place: &Path,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> anyhow::Result<()> {
    transfer::fetch(session, place, Refs::Mirror, progress).await?;
    transfer::maintain(session, place).await?;
    let ask = async |words: &[&str]| transfer::ask(session, Some(place), words).await;
    if ask(&["rev-parse", "--quiet", "--verify", "HEAD"]).await?.is_some() {
        return Ok(());
    }
    if ask(&["for-each-ref", "--count=1", "refs/heads/"]).await?.is_none_or(|branches| branches.is_empty()) {
        return Ok(());
    }
    // The branch that HEAD names is gone. Where it is now, only the other side knows.
    if let Some(head) = transfer::remote_head(session, place).await?.filter(|head| head.starts_with("refs/heads/")) {
        ask(&["symbolic-ref", "HEAD", &head]).await?;
    }
    Ok(())
}

/// What a git that ended with `error` has left.
fn left_by(error: &anyhow::Error) -> Debris {
    let ended = error.chain().find_map(|cause| cause.downcast_ref::<Ended>());
    let in_order = ended.is_some_and(|ended| ended.signal.is_none());
    if in_order { Debris::Packs } else { Debris::All }
}

/// What is at `place` already: a mirror of `url`, or something else.
async fn already(session: &Session<'_>, url: &str, place: &Path) -> anyhow::Result<Cloned> {
    let there = transfer::origin(session, place).await?;
    let absolute = std::path::absolute(url).ok();
    let same = |there: &str| there == url || absolute.as_deref() == Some(Path::new(there));
    if there.as_deref().is_some_and(same) {
        return Ok(Cloned::Already);
    }
    let what = there.map_or_else(|| "something else".to_owned(), |url| format!("a clone of {url}"));
    Err(Kind::BadValue.hinted(format!("{what} is at {} already", place.display()), "another name has another place"))
}

async fn check_mirror(session: &Session<'_>, place: &Path) -> anyhow::Result<()> {
    let words = ["config", "--get-all", "remote.origin.fetch"];
    let refspecs = transfer::ask(session, Some(place), &words).await?.unwrap_or_default();
    if MIRROR_REFSPECS.iter().all(|refspec| refspecs.iter().any(|there| there == refspec)) {
        return Ok(());
    }
    Err(Kind::BadValue.hinted(
        format!("{} is no mirror: its own branches would be overwritten", place.display()),
        format!("a mirror has remote.origin.fetch {} and {}", MIRROR_REFSPECS[0], MIRROR_REFSPECS[1]),
    ))
}

async fn make_folder(place: &Path) -> anyhow::Result<()> {
    let Some(folder) = place.parent().filter(|folder| !folder.as_os_str().is_empty()).map(Path::to_owned) else {
        return Ok(());
    };
    let made = smol::unblock({
        let folder = folder.clone();
        move || std::fs::create_dir_all(folder)
    });
    made.await.map_err(|cause| Kind::Io.wrap(cause, format!("making {}", folder.display())))
}

/// Where a clone lies until it is whole. Gone when this is, unless it was moved.
struct Part {
    path: PathBuf,
    claim: Arc<Claim>,
    whole: bool,
}

impl Part {
    fn of(place: &Path, claim: &Arc<Claim>) -> Self {
        Self { path: beside(place, ".part"), claim: Arc::clone(claim), whole: false }
    }

    async fn clear(&self) -> anyhow::Result<()> {
        let (path, claim) = (self.path.clone(), Arc::clone(&self.claim));
        let gone = smol::unblock(move || {
            // If nobody waits for this any more, the place is free when it is done, and not before.
            let _held = claim;
            remove_all(&path)
        });
        gone.await.map_err(|cause| Kind::Io.wrap(cause, format!("removing {}", self.path.display())))
    }

    async fn move_to(&mut self, place: &Path) -> anyhow::Result<()> {
        let moved = smol::unblock({
            let (from, to, claim) = (self.path.clone(), place.to_owned(), Arc::clone(&self.claim));
            move || {
                let _held = claim;
                std::fs::rename(&from, &to)?;
                // So that a power cut leaves it moved. Where that can't be asked for, it is there or it isn't.
                if let Some(folder) = to.parent() {
                    let _ = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
                }
                std::io::Result::Ok(())
            }
        });
        moved.await.map_err(|cause| Kind::Io.wrap(cause, format!("moving the clone to {}", place.display())))?;
        self.whole = true;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.whole {
            let _ = remove_all(&self.path);
        }
    }
}

fn remove_all(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Sweeps when it is told to, and if it is dropped before.
struct Broom<'p> {
    place: &'p Path,
    claim: &'p Arc<Claim>,
    debris: Option<Debris>,
}

impl Broom<'_> {
    async fn sweep(&mut self) {
        if let Some(debris) = self.debris.take() {
            let (place, claim) = (self.place.to_owned(), Arc::clone(self.claim));
            smol::unblock(move || debris::clear(&place, claim.since(), debris)).await;
        }
    }
}

impl Drop for Broom<'_> {
    fn drop(&mut self) {
        if let Some(debris) = self.debris.take() {
            debris::clear(self.place, self.claim.since(), debris);
        }
    }
}
