//! The map of `src/lib.rs`, kept: which room may use which, that no two rooms use each other, and that each third-party
//! library, stdout and the end of the process have one door. Read from the text of `src`, comments and literals left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Each room and those that it may use. A new room has to be entered here, below those that use it; an arrow that points up
/// is refused by `the_table_itself_has_no_arrow_that_points_up`.
const ROOMS: &[(&str, &[&str])] = &[
    ("main", &["cli", "command", "gitcli", "report", "debug", "error", "panics", "shutdown"]),
    (
        "command",
        &[
            "cli", "mcp", "install", "export", "enrich", "tasks", "backlog", "osv", "health", "upkeep", "watch",
            "sync", "scan", "locate", "repos", "config", "describe", "pipeline", "http", "gitcli", "report",
            "progress", "monitor", "events", "clock", "error", "executor", "shutdown",
        ],
    ),
    (
        "backlog",
        &[
            "enrich", "locate", "config", "describe", "index", "git", "gitcli", "graph", "lines", "facts", "files",
            "report", "events", "clock", "error", "shutdown", "spelling",
        ],
    ),
    (
        "osv",
        &[
            "locate", "trackers", "announce", "describe", "index", "gitcli", "git", "graph", "facts", "files",
            "report", "events", "clock", "error", "shutdown",
        ],
    ),
    ("mcp", &["report", "progress", "events", "clock", "error", "executor", "shutdown"]),
    ("export", &["files", "events", "error"]),
    ("health", &["upkeep", "repos", "gitcli", "cache", "files", "error"]),
    (
        "upkeep",
        &["locate", "config", "matching", "gitcli", "git", "cache", "graph", "facts", "debug", "error", "shutdown"],
    ),
    (
        "watch",
        &[
            "scan", "locate", "announce", "config", "index", "pipeline", "repos", "gitcli", "git", "facts", "clock",
            "report", "error", "panics", "executor", "shutdown",
        ],
    ),
    (
        "sync",
        &[
            "scan", "announce", "index", "pipeline", "repos", "config", "gitcli", "git", "retry", "report", "monitor",
            "error", "shutdown",
        ],
    ),
    (
        "enrich",
        &[
            "locate", "config", "describe", "trackers", "http", "gitcli", "git", "cache", "facts", "retry", "report",
            "events", "error", "clock", "debug", "executor", "shutdown",
        ],
    ),
    (
        "scan",
        &[
            "announce", "config", "index", "describe", "pipeline", "git", "gitcli", "cache", "graph", "facts",
            "report", "monitor", "events", "error", "clock", "shutdown",
        ],
    ),
    (
        "locate",
        &[
            "announce", "config", "index", "describe", "pipeline", "git", "gitcli", "cache", "graph", "matching",
            "lines", "facts", "repos", "tasks", "report", "events", "error", "clock", "shutdown",
        ],
    ),
    ("tasks", &["cache", "gitcli", "files", "clock", "error", "panics", "shutdown"]),
    ("cli", &["install", "config", "template", "events", "error", "spelling"]),
    ("install", &["files"]),
    ("announce", &["index", "describe", "git", "report", "events", "error"]),
    ("index", &["pipeline", "git", "gitcli", "monitor", "cache", "graph", "facts", "debug", "error", "shutdown"]),
    ("describe", &["git", "facts", "events"]),
    (
        "repos",
        &["config", "gitcli", "git", "retry", "clock", "debug", "error", "panics", "executor", "shutdown", "spelling"],
    ),
    ("config", &["gitcli", "git", "facts", "files", "error", "spelling"]),
    ("pipeline", &["git", "cache", "graph", "facts", "panics", "executor", "shutdown"]),
    ("gitcli", &["git", "facts", "clock", "debug", "error", "shutdown"]),
    ("git", &["graph", "facts", "error", "panics", "spelling"]),
    ("report", &["monitor", "lines", "template", "events", "progress", "clock", "debug", "error"]),
    ("template", &["events", "spelling"]),
    ("monitor", &["cache", "clock", "debug", "error"]),
    ("trackers", &["facts", "error"]),
    ("http", &["cache", "retry", "clock", "debug", "error", "executor", "shutdown"]),
    ("cache", &["graph", "facts", "files", "debug", "error", "panics"]),
    ("graph", &["facts"]),
    ("matching", &["facts"]),
    ("lines", &["facts"]),
    ("files", &["error"]),
    ("facts", &[]),
    ("events", &[]),
    ("retry", &["clock", "debug", "error", "shutdown"]),
    ("progress", &["clock"]),
    ("clock", &["error"]),
    ("debug", &[]),
    ("error", &[]),
    ("panics", &[]),
    ("executor", &["shutdown"]),
    ("shutdown", &[]),
    ("spelling", &[]),
];

/// Each library that one room alone may name, or each part of one. One that is called by an ordinary word, as variables are too, ends
/// in colons: only a path into it counts.
const DOORS: &[(&str, &str)] = &[
    ("gix", "git"),
    ("gix_imara_diff", "facts"),
    ("log::", "debug"),
    ("smol::Executor", "tasks"),
    ("smol::LocalExecutor", "executor"),
    ("rusqlite", "cache"),
    ("surf", "http"),
    ("isahc", "http"),
    ("httpdate", "http"),
    ("async_process", "gitcli"),
    ("rustix::event", "report"),
    ("rustix::fs", "files"),
    ("rustix::process", "gitcli"),
    ("rustix::stdio", "report"),
    ("rustix::termios", "gitcli"),
    ("notify", "watch"),
    ("parquet", "export"),
    ("fastrand", "retry"),
    ("argh", "cli"),
    ("argh_shared", "cli"),
    ("schemars", "events"),
    ("indicatif", "report"),
    ("console", "report"),
    ("unicode_width", "report"),
    ("signal_hook", "shutdown"),
    ("serde_path_to_error", "command"),
];

#[test]
fn the_sources_keep_to_the_map() {
    let mut sources = Vec::new();
    collect(Path::new("src"), &mut sources);
    let rooms: BTreeSet<&str> = sources.iter().map(|(path, _)| room(path)).filter(|room| *room != "lib").collect();
    let known: BTreeSet<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    assert_eq!(rooms, known, "the rooms of src, and those of the table");
    assert_eq!(complaints(&sources), [""; 0]);
}

#[test]
fn every_room_is_on_the_map_in_the_documentation() {
    let map = std::fs::read_to_string("src/lib.rs").expect("src/lib.rs");
    for (room, _) in ROOMS.iter().filter(|(room, _)| *room != "main") {
        assert!(map.contains(&format!("//! | [`{room}`] |")), "{room} is in no line of the table of rooms");
    }
}

/// The rows of the table "The concurrent core", each with a paragraph whose example runs, or that says where one is.
#[test]
fn every_part_of_the_core_has_an_example() {
    let guide = std::fs::read_to_string("src/lib.rs").expect("src/lib.rs");
    let (_, core) = guide.split_once("# The concurrent core").expect("the table");
    let parts: Vec<&str> = core
        .lines()
        .filter_map(|line| line.strip_prefix("//! | ")?.split_once(" | ").map(|(part, _)| part))
        .skip(1)
        .collect();
    assert_eq!(parts.len(), 18, "{parts:?}");
    let mut shown: BTreeSet<String> = BTreeSet::new();
    for paragraph in core.split("//! **").skip(1) {
        let (names, text) = paragraph.split_once(".**").expect("it is called something");
        let elsewhere = text.split("[`").skip(1).filter_map(|link| link.split_once('`')).map(|(place, _)| place);
        let has_one = text.contains("//! ```\n") || elsewhere.into_iter().all(has_an_example);
        assert!(has_one, "{names}");
        shown.extend(names.split(", ").map(str::to_lowercase));
    }
    let lacking: Vec<_> = parts.iter().filter(|part| !shown.contains(&part.to_lowercase())).collect();
    assert_eq!(lacking, [&""; 0]);
}

/// Whether the room of an item that is linked to shows an example.
fn has_an_example(item: &str) -> bool {
    let mut sources = Vec::new();
    collect(Path::new("src"), &mut sources);
    let own = item.split("::").next().unwrap_or(item);
    sources
        .iter()
        .filter(|(path, _)| room(path) == own)
        .any(|(_, text)| text.lines().any(|line| ["//! ```", "/// ```"].contains(&line.trim())))
}

#[test]
fn the_table_itself_has_no_arrow_that_points_up() {
    for (place, (room, uses)) in ROOMS.iter().enumerate() {
        for used in *uses {
            let below = ROOMS.iter().position(|(room, _)| room == used);
            assert!(below.is_some_and(|below| below > place), "{room} → {used}");
        }
    }
}

#[test]
fn an_arrow_that_is_not_on_the_map_is_found_however_it_is_spelt() {
    let spelt = [
        "use crate::git::Handle;",
        "use crate::{facts::{Oid, oid}, git::{Handle, ObjectError}};",
        "use crate::git;",
        "fn f() { let _ = crate :: git\n::open(); }",
        "use super::super::git::Handle;",
        "use git_bhfuil::git;",
        "const A: &str = \"// no comment\"; use crate::git;",
        "const A: char = '\"'; use crate::git; const B: char = '\"';",
        "const A: &str = r#\"\"\"#; use crate::git;",
        "/* one /* two */ */ use crate::git;",
    ];
    for text in spelt {
        let found = complaints(&[("src/facts/made_up.rs".into(), text.into())]);
        assert_eq!(found, ["src/facts/made_up.rs: facts may not use git"], "{text}");
    }
}

#[test]
fn two_rooms_that_use_each_other_are_found() {
    let found = complaints(&[
        ("src/git/mod.rs".into(), "use crate::graph::Graph;".into()),
        ("src/graph.rs".into(), "use crate::facts::Oid;".into()),
        ("src/facts/mod.rs".into(), "use crate::git::Handle;".into()),
    ]);
    assert_eq!(found, ["src/facts/mod.rs: facts may not use git", "a cycle: facts → git → graph → facts"]);
}

#[test]
fn a_second_door_is_found() {
    let cases = [
        ("src/facts/oid.rs", "use gix::ObjectId;", "facts may not name gix"),
        ("src/graph.rs", "use gix_imara_diff::Diff;", "graph may not name gix_imara_diff"),
        ("src/command/scan.rs", "type E = rusqlite::Error;", "command may not name rusqlite"),
        ("src/git/refs.rs", "use async_process::Command;", "git may not name async_process"),
        ("src/git/refs.rs", "use rustix::{process::Pid, io};", "git may not name rustix::process"),
        ("src/watch/mod.rs", "use smol::{LocalExecutor, Task};", "watch may not name smol::LocalExecutor"),
        ("src/git/refs.rs", "fn f() { log::debug!(\"x\"); }", "git may not name log::"),
        ("src/command/scan.rs", "fn f() { println!(\"x\"); }", "only report writes to stdout"),
        ("src/command/scan.rs", "fn f() { print!(\"x\"); }", "only report writes to stdout"),
        ("src/index.rs", "fn f() { let _ = std::io::stdout().lock(); }", "only report writes to stdout"),
        ("src/index.rs", "use std::io::{Write, stdout};", "only report writes to stdout"),
        ("src/shutdown.rs", "fn f() { std::process::exit(1) }", "only main ends the process"),
        ("src/shutdown.rs", "use std::process::{exit, Command};", "only main ends the process"),
        ("src/index.rs", "fn f() { std::process::abort() }", "only main ends the process"),
    ];
    for (path, text, complaint) in cases {
        assert_eq!(complaints(&[(path.into(), text.into())]), [format!("{path}: {complaint}")], "{text}");
    }
}

#[test]
fn what_only_looks_like_an_arrow_is_none() {
    let innocent = [
        "//! See [`crate::git`].\n/// println!(\"{}\") of gix\nfn f() {}",
        "/* use crate::git; */ const A: &str = \"use crate::git; println!\";",
        "const A: &[u8] = br##\"use gix::x; \"# use crate::git;\"##;",
        "fn f<'a>(command: &'a mut C) { command.stdout(piped()); command.exit(); }",
        "mod tests { use super::*; use super::super::oid::Oid; }",
        "const A: &str = \"\\\"\"; // use crate::git;\nuse crate::facts::Oid;",
        "fn f(log: &[u8]) -> usize { log.len() }",
    ];
    for text in innocent {
        assert_eq!(complaints(&[("src/facts/made_up.rs".into(), text.into())]), [""; 0], "{text}");
    }
}

fn collect(folder: &Path, sources: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source");
            sources.push((path.display().to_string(), text));
        }
    }
    sources.sort();
}

/// `src/git/refs.rs` and `src/git.rs` are of the room `git`.
fn room(path: &str) -> &str {
    let inside = path.strip_prefix("src/").unwrap_or(path);
    inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs")
}

/// What in `sources`, pairs of path and text, is not as the tables have it.
fn complaints(sources: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in sources.iter().filter(|(path, _)| room(path) != "lib") {
        let own = room(path);
        let paths = paths(&words(text));
        let mut used: BTreeSet<String> = paths.iter().filter_map(|names| other_room(path, names)).collect();
        used.remove(own);
        let allowed = ROOMS.iter().find(|(room, _)| *room == own).map_or(&[][..], |(_, uses)| uses);
        let mut complain = |what: String| found.push(format!("{path}: {what}"));
        for other in used.iter().filter(|other| !allowed.contains(&other.as_str())) {
            complain(format!("{own} may not use {other}"));
        }
        for (library, _) in DOORS.iter().filter(|(_, door)| *door != own) {
            if paths.iter().any(|names| leads_into(names, library)) {
                complain(format!("{own} may not name {library}"));
            }
        }
        let says = |pair: [&str; 2]| paths.iter().any(|names| names.windows(2).any(|names| *names == pair));
        if own != "report" && (says(["io", "stdout"]) || says(["print", "!"]) || says(["println", "!"])) {
            complain("only report writes to stdout".to_owned());
        }
        if own != "main" && (says(["process", "exit"]) || says(["process", "abort"])) {
            complain("only main ends the process".to_owned());
        }
        arrows.entry(own.to_owned()).or_default().extend(used);
    }
    found.extend(arrows.keys().find_map(|room| cycle(&arrows, &mut vec![room])));
    found
}

/// Whether a path of names begins as `library` does.
fn leads_into(names: &[String], library: &str) -> bool {
    let mut parts = library.split("::").enumerate();
    parts.all(|(at, part)| names.get(at).is_some_and(|name| part.is_empty() || name == part))
}

/// The room that a path of names leads to from the file `path`, if it says so itself.
fn other_room(path: &str, names: &[String]) -> Option<String> {
    let above = names.iter().take_while(|name| *name == "super").count();
    let next = match names[0].as_str() {
        "crate" | "git_bhfuil" => names.get(1)?,
        // As many as the file is deep lead to the crate's root, or from a module inside the file to a neighbour of it.
        "super" if above >= path.trim_end_matches("/mod.rs").matches('/').count() => names.get(above)?,
        _ => return None,
    };
    let is_room = names[0] != "super" || ROOMS.iter().any(|(room, _)| room == next);
    is_room.then(|| next.clone())
}

/// A cycle through the first of `way`, found by following the arrows from the last.
fn cycle<'a>(arrows: &'a BTreeMap<String, BTreeSet<String>>, way: &mut Vec<&'a str>) -> Option<String> {
    for next in arrows.get(way[way.len() - 1]).into_iter().flatten() {
        if next == way[0] {
            return Some(format!("a cycle: {} → {next}", way.join(" → ")));
        }
        if !way.contains(&next.as_str()) {
            way.push(next);
            if let Some(found) = cycle(arrows, way) {
                return Some(found);
            }
            way.pop();
        }
    }
    None
}

/// The paths in a text: names joined by `::`, groups in braces spelt out. A macro's `!` counts as a last name.
fn paths(words: &[String]) -> Vec<Vec<String>> {
    let is_name = |word: &str| word.starts_with(|letter: char| letter.is_alphabetic() || letter == '_');
    let mut found = Vec::new();
    // For each open brace the path before it: names if it opens a group, else none.
    let mut groups: Vec<Vec<String>> = Vec::new();
    let mut path: Vec<String> = Vec::new();
    for (place, word) in words.iter().enumerate() {
        let joined = place > 0 && words[place - 1] == "::";
        match word.as_str() {
            "::" => {}
            "{" => groups.push(if joined { std::mem::take(&mut path) } else { Vec::new() }),
            "}" => drop(groups.pop()),
            "!" if !path.is_empty() => path.push("!".to_owned()),
            name if is_name(name) => {
                if !joined {
                    path = groups.last().cloned().unwrap_or_default();
                }
                path.push(name.to_owned());
            }
            _ => path.clear(),
        }
        let goes_on = words.get(place + 1).is_some_and(|next| next == "::" || next == "!");
        if !path.is_empty() && !goes_on && word != "::" {
            found.push(std::mem::take(&mut path));
        }
    }
    found
}

/// The words and signs of a Rust text, without comments and literals.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = literal(rest) {
            length
        } else if letter.is_alphanumeric() || letter == '_' {
            let length = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
            words.push(rest[..length].to_owned());
            length
        } else {
            let length = if rest.starts_with("::") { 2 } else { letter.len_utf8() };
            if !letter.is_whitespace() {
                words.push(rest[..length].to_owned());
            }
            length
        };
        rest = &rest[length..];
    }
    words
}

/// The length of the comment that `text` begins with; comments nest.
fn block_comment(text: &str) -> usize {
    let mut open = 0;
    for (place, pair) in text.as_bytes().windows(2).enumerate() {
        match pair {
            b"/*" => open += 1,
            b"*/" if open == 1 => return place + 2,
            b"*/" => open -= 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of the string or character that `text` begins with, if it does. A lifetime is none.
fn literal(text: &str) -> Option<usize> {
    let plain = text.trim_start_matches(['b', 'c']);
    let raw = plain.strip_prefix('r').map_or(plain, |raw| raw.trim_start_matches('#'));
    let prefix = text.len() - raw.len();
    if raw.starts_with('"') && raw.len() < plain.len() {
        let end = format!("\"{}", "#".repeat(plain.len() - raw.len() - 1));
        return Some(prefix + 1 + raw[1..].find(&end).map_or(raw.len() - 1, |place| place + end.len()));
    }
    let quote = plain.chars().next().filter(|quote| *quote == '"' || *quote == '\'')?;
    let inside = &plain[1..];
    let one = inside.chars().next().map_or(0, char::len_utf8);
    if quote == '\'' && !inside.starts_with('\\') && !inside[one..].starts_with('\'') {
        return None;
    }
    let mut escaped = false;
    let end = inside.find(|letter: char| {
        let ends = !escaped && letter == quote;
        escaped = !escaped && letter == '\\';
        ends
    });
    Some(text.len() - plain.len() + end.map_or(plain.len(), |end| end + 2))
}
