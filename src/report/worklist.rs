//! What a branch lacks, as people see it: a commit a line, what is special about it below, and at the end what to type.

use std::io::Write as _;

use super::look::{CYAN, DIM, GREEN, Look, MAGENTA, RED, YELLOW, blanks, columns, wrap};
use super::{safe, short, word};
use crate::events::matching::{Apply, FollowupRelation, MissingState};
use crate::events::{Claim, Followup, Interdiff, Missing, Verdict};

/// Blanks before what is said of a commit.
const INDENT: usize = 4;
/// With less room than this a subject isn't broken.
const LEAST_ROOM: usize = 24;
/// Ids on one line of what to type: as many as 80 columns hold.
const ON_A_LINE: usize = 4;

/// `<branch> <id> <subject>`, and below it why, unless it is simply missing.
pub(super) fn write_missing(missing: &Missing<'_>, look: Look, out: &mut Vec<u8>) {
    write_commit(&missing.repo, &missing.short, &missing.id, missing.subject.as_deref(), look, out);
    let mut note = |code: &str, word: &str, text: &str| write_note(code, word, text, look, out);
    match missing.state {
        MissingState::Missing if missing.because.ends_with(" has it") => {}
        MissingState::Missing => note(CYAN, "because", &missing.because),
        MissingState::Reverted => note(RED, "reverted", &missing.because),
        MissingState::Unknown => note(YELLOW, "perhaps there", &missing.because),
    }
    match missing.apply {
        Some(Some(Apply::Clean)) => note(GREEN, "applies", ""),
        Some(Some(Apply::Conflict)) => {
            let paths = missing.conflicts.as_deref().unwrap_or_default();
            note(RED, "conflicts in", &paths.join(", "));
        }
        Some(_) => note(YELLOW, "couldn't be tried", ""),
        None => {}
    }
}

/// `<branch> <id> <subject>`, and below it what it follows up.
pub(super) fn write_followup(followup: &Followup<'_>, look: Look, out: &mut Vec<u8>) {
    let branch = followup.short.as_deref().unwrap_or(&followup.refname);
    write_commit(&followup.repo, branch, &followup.id, followup.subject.as_deref(), look, out);
    let code = if followup.relation == FollowupRelation::Reverts { RED } else { CYAN };
    write_note(code, &word(followup.relation), short(&followup.of), look, out);
}

/// `<id> <other> yes|no|? <rung>: <evidence>`, the evidence below where it needs more than the rest of the line.
pub(super) fn write_verdict(verdict: &Verdict<'_>, look: Look, out: &mut Vec<u8>) {
    look.paint(YELLOW, short(&verdict.id), out);
    out.push(b' ');
    look.paint(YELLOW, short(&verdict.other), out);
    out.push(b' ');
    let (code, holds) = match verdict.holds {
        Some(true) => (GREEN, "yes"),
        Some(false) => (RED, "no "),
        None => (DIM, "?  "),
    };
    look.paint(code, holds, out);
    let rung = word(verdict.rung);
    let _ = write!(out, " {rung}:");
    // Two ids, the answer and the rung, with what stands between them.
    let used = columns(short(&verdict.id)) + columns(short(&verdict.other)) + holds.len() + columns(&rung) + 4;
    let evidence = briefly(&safe::line(&verdict.evidence));
    if used + 1 + columns(&evidence) > look.width {
        out.push(b'\n');
        blanks(INDENT, out);
        write_below(&evidence, look, out);
    } else {
        let _ = writeln!(out, " {evidence}");
    }
}

/// `yes|no|? <id> <event> <claim>: <evidence>`, the evidence below where it needs more than the rest of the line.
pub(super) fn write_claim(claim: &Claim<'_>, look: Look, out: &mut Vec<u8>) {
    let (code, holds) = match claim.holds {
        Some(true) => (GREEN, "yes"),
        Some(false) => (RED, "no "),
        None => (DIM, "?  "),
    };
    look.paint(code, holds, out);
    let mut used = holds.len();
    if let Some(id) = &claim.id {
        let id = safe::line(short(id)).into_owned();
        out.push(b' ');
        look.paint(YELLOW, &id, out);
        used += 1 + columns(&id);
    }
    let event = claim.event.map(|event| format!(" {}", word(event))).unwrap_or_default();
    let what = format!("{event} {}:", word(claim.claim));
    out.extend_from_slice(what.as_bytes());
    used += columns(&what);
    let evidence = briefly(&safe::line(&claim.evidence));
    if used + 1 + columns(&evidence) > look.width {
        out.push(b'\n');
        blanks(INDENT, out);
        write_below(&evidence, look, out);
    } else {
        let _ = writeln!(out, " {evidence}");
    }
}

/// The difference of two diffs, below a line of its own.
pub(super) fn write_interdiff(interdiff: &Interdiff<'_>, look: Look, out: &mut Vec<u8>) {
    out.push(b'\n');
    if interdiff.text.is_empty() {
        look.paint(DIM, "the diffs are alike", out);
        out.push(b'\n');
    }
    for line in interdiff.text.lines() {
        let code = match line.trim_start().chars().next() {
            Some('+') => GREEN,
            Some('-') => RED,
            _ => "",
        };
        let text = safe::line(line);
        if code.is_empty() {
            out.extend_from_slice(text.as_bytes());
        } else {
            look.paint(code, &text, out);
        }
        out.push(b'\n');
    }
}

fn write_commit(repo: &str, branch: &str, id: &str, subject: Option<&str>, look: Look, out: &mut Vec<u8>) {
    if look.names {
        look.paint(MAGENTA, &safe::line(repo), out);
        out.push(b' ');
    }
    look.paint(DIM, &safe::line(branch), out);
    out.push(b' ');
    look.paint(YELLOW, short(id), out);
    let subject = safe::line(subject.unwrap_or_default());
    let names = if look.names { columns(&safe::line(repo)) + 1 } else { 0 };
    let before = names + columns(&safe::line(branch)) + 1 + columns(short(id)) + 1;
    let room = look.width.saturating_sub(before);
    // Under a long name there is no column for it.
    let lines = if room < LEAST_ROOM { vec![subject.into_owned()] } else { wrap(subject.split(' '), room) };
    for (at, line) in lines.iter().enumerate() {
        blanks(if at == 0 { 1 } else { before }, out);
        let _ = writeln!(out, "{line}");
    }
}

fn write_note(code: &str, word: &str, text: &str, look: Look, out: &mut Vec<u8>) {
    blanks(INDENT, out);
    look.paint(code, word, out);
    let text = briefly(&safe::line(text));
    if text.is_empty() {
        out.push(b'\n');
    } else if INDENT + columns(word) + 1 + columns(&text) <= look.width {
        let _ = writeln!(out, " {text}");
    } else {
        out.push(b'\n');
        blanks(INDENT + 2, out);
        write_below(&text, look, out);
    }
}

/// A text that needs lines of its own, from where the blanks before it end.
fn write_below(text: &str, look: Look, out: &mut Vec<u8>) {
    let indent = out.iter().rev().take_while(|byte| **byte == b' ').count();
    for (at, line) in wrap(text.split(' '), look.width.saturating_sub(indent)).iter().enumerate() {
        blanks(if at == 0 { 0 } else { indent }, out);
        let _ = writeln!(out, "{line}");
    }
}

/// A text with whole ids cut as ids are cut elsewhere.
fn briefly(text: &str) -> String {
    let is_whole = |word: &str| matches!(word.len(), 40 | 64) && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let pieces = text.split_inclusive(|letter: char| !letter.is_ascii_alphanumeric());
    let cut = pieces.map(|piece| {
        let word = piece.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric());
        if is_whole(word) { format!("{}{}", short(word), &piece[word.len()..]) } else { piece.to_owned() }
    });
    cut.collect()
}

/// The commands that pick `commits`, in their order.
pub(super) fn write_picks(branch: &str, commits: &[String], look: Look, out: &mut Vec<u8>) {
    if commits.is_empty() {
        return;
    }
    out.push(b'\n');
    look.paint(DIM, &format!("# on {}:", safe::line(branch)), out);
    out.push(b'\n');
    for some in commits.chunks(ON_A_LINE) {
        let ids: Vec<&str> = some.iter().map(|id| short(id)).collect();
        let _ = writeln!(out, "git cherry-pick -x {}", ids.join(" "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Look = Look { color: false, unicode: true, width: 80, names: false, links: false };

    #[test]
    fn what_is_missing_is_told_with_what_is_special_about_it() {
        let missing = |state, because: &'static str, apply| Missing {
            repo: "nova".into(),
            change: "1".repeat(40).into(),
            id: "1".repeat(40).into(),
            refname: "refs/heads/stable".into(),
            refname_b64: None,
            short: "stable".into(),
            short_b64: None,
            subject: Some("fix\u{1b}it".into()),
            subject_b64: None,
            state,
            because: because.into(),
            because_b64: None,
            apply,
            conflicts: Some(vec!["a".into(), "b c".into()]),
            conflicts_b64: None,
        };
        let written = |event: &Missing<'_>| {
            let mut out = Vec::new();
            write_missing(event, PLAIN, &mut out);
            String::from_utf8(out).expect("UTF-8")
        };
        let first = written(&missing(MissingState::Missing, "main has it", None));
        assert_eq!(first.lines().count(), 1);
        assert!(first.starts_with("stable 111111111111 fix") && !first.contains('\u{1b}'), "{first}");
        let long =
            Missing { subject: Some("word ".repeat(15).into()), ..missing(MissingState::Missing, "main has it", None) };
        let long = written(&long);
        let lines: Vec<&str> = long.lines().collect();
        assert!(lines.len() == 2 && lines[1].starts_with(&format!("{}word", " ".repeat(20))), "{long}");
        let reverted = written(&missing(MissingState::Reverted, "2 took it back", Some(Some(Apply::Conflict))));
        assert!(reverted.ends_with("    reverted 2 took it back\n    conflicts in a, b c\n"), "{reverted}");
    }

    #[test]
    fn what_is_long_stands_below_in_lines_that_fit() {
        let mut out = Vec::new();
        let paths =
            ["nova/tests/fixtures/libvirt.py", "nova/tests/unit/virt/libvirt/test_host.py", "nova/virt/host.py"];
        write_note("", "conflicts in", &paths.join(", "), PLAIN, &mut out);
        write_note("", "reverted", &format!("{} took it back", "a1".repeat(20)), PLAIN, &mut out);
        let expected = "    conflicts in
      nova/tests/fixtures/libvirt.py, nova/tests/unit/virt/libvirt/test_host.py,
      nova/virt/host.py
    reverted a1a1a1a1a1a1 took it back
";
        assert_eq!(String::from_utf8(out).expect("UTF-8"), expected);
        // Only a whole id is one: a Change-Id stays.
        let change = format!("same Change-Id I{}", "0".repeat(40));
        assert_eq!(briefly(&format!("{change}; x{}", "b".repeat(64))), format!("{change}; x{}", "b".repeat(64)));
        assert_eq!(briefly(&format!("({})", "b".repeat(64))), "(bbbbbbbbbbbb)");
    }

    #[test]
    fn what_to_type_is_in_the_order_of_the_list() {
        let mut out = Vec::new();
        write_picks("stable", &(0..7).map(|digit| digit.to_string().repeat(40)).collect::<Vec<_>>(), PLAIN, &mut out);
        let text = String::from_utf8(out).expect("UTF-8");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[1]), (4, "# on stable:"));
        assert!(lines[2].starts_with("git cherry-pick -x 000000000000 111111111111"));
        assert!(lines[3].ends_with("555555555555 666666666666"));
    }
}
