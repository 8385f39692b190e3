//! `git bhfuil`: parses the command line, runs it on a small executor and turns the outcome into an exit code.

use std::process::ExitCode;

use git_bhfuil::shutdown::{SignalWatch, Token};
use git_bhfuil::{cli, command, debug, error, gitcli, panics, report};

fn main() -> ExitCode {
    panics::hush_caught();
    if let Err(cause) = debug::start(std::env::var_os("GIT_BHFUIL_LOG").as_deref()) {
        report::last_words(&format!("warning: {cause}"));
    }
    if let Err(cause) = gitcli::allow_open_files() {
        report::say_fatal(&error::message_of(&cause), error::hint_of(&cause));
        return ExitCode::from(error::kind_of(&cause).exit_code());
    }
    let token = Token::new();
    // The second signal ends the process wherever it is.
    let watch = SignalWatch::start(token.clone(), |code| {
        gitcli::end_all();
        report::leave_pager();
        std::process::exit(code)
    });
    if let Err(cause) = &watch {
        report::last_words(&format!("warning: signals end the run without a last line: {cause}"));
    }
    let invocation = cli::parse(std::env::args_os().skip(1));
    // The hook has told what happened.
    // What waits for a clock or a descriptor starts the thread that watches them; most runs wait for neither.
    let run = std::panic::AssertUnwindSafe(|| smol::future::block_on(command::run(invocation, &token)));
    let code = std::panic::catch_unwind(run).unwrap_or(error::exit::FATAL);
    report::leave_pager();
    // Its thread ends with the process; to wait for it first would only take time.
    std::mem::forget(watch);
    ExitCode::from(code)
}
