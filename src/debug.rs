//! The debug log, for whoever wants to know what the program did: `GIT_BHFUIL_LOG`. Off, a note costs one look at a number.
//!
//! The only door to the `log` facade, which libraries below write to as well: their notes come out here too. A subscriber of spans would
//! bring ten crates for what the times of `monitor` already tell. Owns where lines go, how they look, and that no password is in one;
//! refuses what is worth a note.
//!
//! A line is `<seconds since start> <process>/<thread> <area>: <message>`, written at once as a whole, so that several processes can share a
//! file.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Once, OnceLock};
use std::time::{Duration, Instant};

use log::{Level, LevelFilter, Log, Metadata, Record};
use regex::Regex;

/// Where lines go, once that is decided.
static SINK: OnceLock<Sink> = OnceLock::new();

#[derive(Debug)]
struct Sink {
    start: Instant,
    /// `None`: to stderr.
    file: Option<Sunk>,
    given_up: Once,
}

#[derive(Debug)]
struct Sunk {
    file: File,
    path: PathBuf,
}

impl Sink {
    /// Says, once, that what is to be noted can't be, and that nothing more will.
    fn give_up(&self, path: &Path, cause: &std::io::Error) {
        self.given_up.call_once(|| {
            log::set_max_level(LevelFilter::Off);
            let said = format!("warning: GIT_BHFUIL_LOG: {}: {cause}; nothing more is noted\n", path.display());
            let _ = std::io::stderr().write_all(said.as_bytes());
        });
    }
}

struct Door;

/// What a value of the variable asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked<'v> {
    Nothing,
    Stderr(LevelFilter),
    File(&'v Path),
    Unknown,
}

impl<'v> Asked<'v> {
    fn of(value: &'v OsStr) -> Self {
        if value.as_bytes().contains(&b'/') {
            return Self::File(Path::new(value));
        }
        let Some(word) = value.to_str().map(str::to_ascii_lowercase) else { return Self::Unknown };
        // Beside the levels what git takes for its own traces, GIT_TRACE say.
        match word.as_str() {
            "" | "0" | "false" | "no" => Self::Nothing,
            "1" | "true" | "yes" | "on" => Self::Stderr(LevelFilter::Debug),
            word => word.parse().map_or(Self::Unknown, |level| match level {
                LevelFilter::Off => Self::Nothing,
                level => Self::Stderr(level),
            }),
        }
    }
}

/// Begins the log as `value`, that of `GIT_BHFUIL_LOG`, asks: a level (`debug`) for stderr, or a path with a slash in it for a file that
/// is appended to. Only the first call of a process counts.
///
/// # Errors
/// What is wrong with the value, for people. Nothing is logged then.
pub fn start(value: Option<&OsStr>) -> Result<(), String> {
    let (level, file) = match value.map(Asked::of) {
        None | Some(Asked::Nothing) => return Ok(()),
        Some(Asked::Stderr(level)) => (level, None),
        Some(Asked::File(path)) => {
            let file = File::options().append(true).create(true).mode(0o600).open(path);
            let file = file.map_err(|cause| format!("GIT_BHFUIL_LOG: {}: {cause}", path.display()))?;
            (LevelFilter::Debug, Some(Sunk { file, path: path.to_owned() }))
        }
        Some(Asked::Unknown) => {
            let value = value.unwrap_or_default().to_string_lossy().into_owned();
            return Err(format!("GIT_BHFUIL_LOG: '{value}' is neither debug nor a path with a slash in it"));
        }
    };
    if SINK.set(Sink { start: Instant::now(), file, given_up: Once::new() }).is_ok() && log::set_logger(&Door).is_ok() {
        log::set_max_level(level);
    }
    Ok(())
}

/// Whether lines go to stderr, where nothing should be drawn then.
#[must_use]
pub fn is_on_stderr() -> bool {
    log::max_level() > LevelFilter::Off && SINK.get().is_some_and(|sink| sink.file.is_none())
}

/// Notes what was done; `message` is asked for only if somebody reads it.
pub fn note(area: &str, message: impl FnOnce() -> String) {
    say(Level::Debug, area, message);
}

/// As [`note`], of what began or ended.
pub fn info(area: &str, message: impl FnOnce() -> String) {
    say(Level::Info, area, message);
}

/// As [`note`], of what went wrong and was made up for.
pub fn warn(area: &str, message: impl FnOnce() -> String) {
    say(Level::Warn, area, message);
}

fn say(level: Level, area: &str, message: impl FnOnce() -> String) {
    if level <= log::max_level() {
        log::log!(target: area, level, "{}", message());
    }
}

impl Log for Door {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let Some(sink) = SINK.get() else { return };
        let thread = std::thread::current();
        let who = thread.name().unwrap_or("unnamed");
        let line = line(sink.start.elapsed(), who, record.target(), &record.args().to_string());
        let Some(Sunk { file, path }) = &sink.file else {
            // There is nowhere to report that it failed.
            let _ = std::io::stderr().write_all(line.as_bytes());
            return;
        };
        if let Err(cause) = (&*file).write_all(line.as_bytes()) {
            sink.give_up(path, &cause);
        }
    }

    fn flush(&self) {}
}

fn line(since: Duration, thread: &str, area: &str, message: &str) -> String {
    let mut line = format!("{:.6} {}/{thread} {area}: ", since.as_secs_f64(), std::process::id());
    for letter in secretless(message).chars() {
        // One line each, and nothing that a terminal would act on.
        if letter.is_control() {
            let _ = write!(line, "{}", letter.escape_default());
        } else {
            line.push(letter);
        }
    }
    line.push('\n');
    line
}

/// `text` without what may be a secret: who asks, in a URL, and its query; what follows `Authorization:` and the like.
fn secretless(text: &str) -> String {
    static USER: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"://[^/\s'"]*@|://[^/@\s'":]*:[^\d/\s'"][^\s'"]*@"#).expect("a pattern that is tested")
    });
    static QUERY: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#"(://[^\s'"?]*\?)[^\s'"]*"#).expect("a pattern that is tested"));
    static HEADER: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(?i)((?:authorization|token|cookie|password)\s*[:=]\s*).*").expect("a pattern that is tested")
    });
    let text = USER.replace_all(text, "://…@");
    let text = QUERY.replace_all(&text, "$1…");
    HEADER.replace_all(&text, "$1…").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_level_or_a_path() {
        for (value, asked) in [
            ("", Asked::Nothing),
            ("0", Asked::Nothing),
            ("off", Asked::Nothing),
            ("1", Asked::Stderr(LevelFilter::Debug)),
            ("DEBUG", Asked::Stderr(LevelFilter::Debug)),
            ("warn", Asked::Stderr(LevelFilter::Warn)),
            ("/tmp/log", Asked::File(Path::new("/tmp/log"))),
            ("./log", Asked::File(Path::new("./log"))),
            ("log.txt", Asked::Unknown),
        ] {
            assert_eq!(Asked::of(value.as_ref()), asked, "{value}");
        }
    }

    #[test]
    fn a_line_is_one_line_and_has_no_password() {
        let since = Duration::from_micros(1_234_567);
        let told = line(since, "main", "git", "fetch https://me:secret@host/x?key=secret a@b\nand\u{1b}[m");
        let expected =
            format!("1.234567 {}/main git: fetch https://…@host/x?… a@b\\nand\\u{{1b}}[m\n", std::process::id());
        assert_eq!(told, expected);
        for (text, shown) in [
            ("https://token@host/x", "https://…@host/x"),
            ("ssh://git@host:22/x", "ssh://…@host:22/x"),
            ("-c http.extraHeader=Authorization: Basic abc", "-c http.extraHeader=Authorization: …"),
            ("password=abc def", "password=…"),
            ("https://host/a@b", "https://host/a@b"),
        ] {
            assert_eq!(secretless(text), shown);
        }
    }
}
