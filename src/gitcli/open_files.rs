//! How many files this process, and the gits that it starts, may have open at once.
//!
//! Who may open too few sees packs and refs as if they weren't there, and half an answer would pass for a whole one. So it is seen to
//! before anything is read.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::Kind;

/// Enough for one repository: the standard streams, a loose object for each of 64 threads, the databases and their journals, pipes.
const LEAST: u64 = 128;
/// Enough for as many repositories at once as there may be.
const ENOUGH: u64 = 4096;

/// Has the system let this process have as many files open as it may need, as far as its hard limit goes (getrlimit(2)).
///
/// # Errors
/// [`Kind::Io`] if that is too few.
pub fn allow_open_files() -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let Some(allowed) = limit.current.filter(|current| *current < ENOUGH) else { return Ok(()) };
    let wanted = limit.maximum.map_or(ENOUGH, |most| most.min(ENOUGH));
    let is_raised = wanted > allowed
        && setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }).is_ok();
    let allowed = if is_raised { wanted } else { allowed };
    if allowed < LEAST {
        return Err(Kind::Io.hinted(
            format!("only {allowed} files may be open at once, and {LEAST} are needed"),
            "ulimit -n 1024 allows more, in a shell that was started with such a limit",
        ));
    }
    Ok(())
}
