//! The verbs, a file each: they resolve options, start the work and hand events to `report`. They know no git, no SQL and no HTTP.

mod scan;
mod schema;

use std::path::PathBuf;

use crate::cli::{Command, Exit, Invocation};
use crate::error::exit;
use crate::report;
use crate::shutdown::Token;

/// Runs what was typed and returns the exit code.
pub async fn run(invocation: Result<Invocation, Exit>, token: &Token) -> u8 {
    let invocation = match invocation {
        Ok(invocation) => invocation,
        Err(Exit::Help(text)) => return printed(&text),
        Err(Exit::Usage(error)) => {
            report::last_words(&format!("error: {}", error.message));
            report::last_words(&error.usage);
            return exit::USAGE;
        }
    };
    let dir = invocation.dir.map_or_else(|| PathBuf::from("."), entered);
    match invocation.command {
        Command::Version => printed(&format!("git-bhfuil version {}\n", env!("CARGO_PKG_VERSION"))),
        Command::Schema(_) => schema::run(),
        Command::Scan(args) => scan::run(&args, invocation.paths, &dir, token).await,
    }
}

/// Goes into `dir`, as git does for `-C`: what the environment names, a `GIT_DIR` say, is then meant from there. Where it can't
/// be entered it is named, for the message.
fn entered(dir: PathBuf) -> PathBuf {
    if std::env::set_current_dir(&dir).is_ok() { PathBuf::from(".") } else { dir }
}

fn printed(text: &str) -> u8 {
    match report::print(text) {
        Ok(()) => exit::ANSWERED,
        Err(cause) => {
            report::say_fatal(&format!("writing the output: {cause}"), None);
            exit::FATAL
        }
    }
}
