use serde_json::json;

use super::super::{AnswerWriter, Format};
use super::*;
use crate::events::matching::{Fidelity, PresenceHow, PresenceState, Rung, Signal};

const ONE: &str = "1111111111111111111111111111111111111111";
const TWO: &str = "2222222222222222222222222222222222222222";
const PICK: &str = "3333333333333333333333333333333333333333";
const ASCII: Look = Look { color: false, unicode: false, width: 80, names: false, links: false };

fn commit(id: &str, subject: &str) -> Event<'static> {
    let person = json!({"name": "A U Thor", "email": "author@example.com", "date": "2023-11-14T22:20:00Z"});
    let event = json!({
        "type": "commit", "repo": "nova", "id": id, "parents": [], "tree": "", "subject": subject, "body": "", "author": person,
        "committer": person, "trailers": [], "issues": [], "origins": [], "reverts": [], "relands": [], "fixes": [],
        "requests": [],
    });
    serde_json::from_str(event.to_string().leak()).expect("a commit")
}

fn itself(change: &'static str) -> Event<'static> {
    matched(change, change, Strength::Equal, None, &[SignalKind::Same])
}

fn matched(
    change: &'static str,
    id: &'static str,
    strength: Strength,
    rung: Option<Rung>,
    signals: &[SignalKind],
) -> Event<'static> {
    let signal = |&kind| Signal { kind, value: None, value_b64: None, hops: None };
    Event::Match(Match {
        query: "CVE-2024-1".into(),
        repo: "nova".into(),
        change: change.into(),
        id: id.into(),
        strength,
        confidence: if rung.is_some() { 0.995 } else { 1.0 },
        rung,
        fidelity: rung.map(|_| Some(Fidelity::Exact)),
        signals: signals.iter().map(signal).collect(),
    })
}

/// `place` is `<refname> [<line> [<first release>]]`.
fn presence(
    change: &'static str,
    place: &'static str,
    state: PresenceState,
    id: Option<&'static str>,
) -> Event<'static> {
    let mut words = place.split(' ');
    let refname = words.next().expect("a refname");
    let short = ["refs/heads/", "refs/remotes/", "refs/tags/"].into_iter().find_map(|kind| refname.strip_prefix(kind));
    let line = words.next();
    let release = words.next();
    let how = id.map(|id| if id == change { PresenceHow::Ancestor } else { PresenceHow::Backport });
    Event::Presence(Presence {
        query: "CVE-2024-1".into(),
        repo: "nova".into(),
        change: change.into(),
        refname: refname.into(),
        refname_b64: None,
        short: short.unwrap_or(refname).into(),
        short_b64: None,
        line: line.map(Into::into),
        state,
        id: id.map(Into::into),
        how,
        first_tag: release.map(|release| Some(release.into())),
        first_release: release.map(|release| Some(release.into())),
        via: None,
        affected: None,
        recorded: None,
        range: None,
    })
}

fn candidate(id: &'static str, why: CandidateReason) -> Event<'static> {
    Event::Candidate(Candidate {
        query: "11".into(),
        repo: "nova".into(),
        id: id.into(),
        subject: "a subject".into(),
        subject_b64: None,
        why,
    })
}

fn shown(events: &[Event<'_>], look: Look) -> String {
    let mut writer = AnswerWriter::new(Format::Human(look));
    for event in events {
        writer.add(event);
    }
    String::from_utf8(writer.finish().0).expect("UTF-8")
}

#[test]
fn an_answer_is_a_commit_a_table_and_the_reasons() {
    let answer = [
        commit(ONE, "fix it"),
        itself(ONE),
        matched(ONE, PICK, Strength::Equal, Some(Rung::PatchIdSubject), &[SignalKind::PatchId, SignalKind::Paths]),
        presence(ONE, "refs/heads/main mainline", PresenceState::Present, Some(ONE)),
        presence(ONE, "refs/heads/stable/10.0 10.0", PresenceState::Missing, None),
        presence(ONE, "refs/heads/stable/9.0 9.0 9.0.1", PresenceState::Present, Some(PICK)),
        presence(ONE, "refs/tags/9.0.1 9.0 9.0.1", PresenceState::Present, Some(PICK)),
    ];
    let expected = "CVE-2024-1
111111111111  2023-11-14  A U Thor  fix it

  9.0      10.0  mainline
  + 9.0.1  -     *

  * the commit itself   + an equivalent commit   - missing
  name: first release with it

  Why:
  * 111111111111  mainline  the commit itself
  + 333333333333  9.0       patch-id-subject  99.5%  exact  also paths
";
    assert_eq!(shown(&answer, ASCII), expected);
}

#[test]
fn several_changes_share_one_table() {
    let answer = [
        commit(ONE, "first half"),
        itself(ONE),
        presence(ONE, "refs/heads/main mainline", PresenceState::Present, Some(ONE)),
        presence(ONE, "refs/heads/topic", PresenceState::Present, Some(ONE)),
        commit(TWO, "second half"),
        itself(TWO),
        presence(TWO, "refs/heads/main mainline", PresenceState::Unknown, None),
        presence(TWO, "refs/heads/maint maint", PresenceState::Reverted, Some(PICK)),
    ];
    let expected = "CVE-2024-1: 2 changes
111111111111  2023-11-14  A U Thor  first half
222222222222  2023-11-14  A U Thor  second half

                maint  mainline  topic
  111111111111         *         *
  222222222222  R      ?

  * the commit itself   R reverted   ? unknown

  Why:
  * 111111111111  mainline, topic  the commit itself
  * 222222222222                   the commit itself
  R 333333333333  maint            reverted it
";
    assert_eq!(shown(&answer, ASCII), expected);
}

#[test]
fn branches_of_one_line_that_differ_are_named() {
    let answer = [
        commit(ONE, "fix it"),
        presence(ONE, "refs/heads/main mainline", PresenceState::Missing, None),
        presence(ONE, "refs/remotes/origin/main mainline", PresenceState::Present, Some(ONE)),
    ];
    let expected = "CVE-2024-1
111111111111  2023-11-14  A U Thor  fix it

  mainline
  -

  - missing

  Why:
  * 111111111111  mainline  brought it

  Branches of one line that differ:
  * origin/main (mainline)
  - main (mainline)
";
    assert_eq!(shown(&answer, ASCII), expected);
}

#[test]
fn what_is_too_much_for_columns_is_listed() {
    let names = ["a", "b", "c", "d", "e", "f", "g"].map(|name| &*format!("refs/heads/topic-{name}").leak());
    let mut answer = vec![commit(ONE, "fix it"), itself(ONE)];
    answer.extend(names.map(|name| presence(ONE, name, PresenceState::Present, Some(ONE))));
    answer.push(presence(ONE, "refs/tags/1.0", PresenceState::Present, Some(PICK)));
    let text = shown(&answer, Look { width: 40, ..ASCII });
    let expected = "
  Other refs:
  * topic-a, topic-b, topic-c, topic-d,
    topic-e, topic-f, topic-g

  Tags:
  + 1.0
";
    assert!(text.ends_with(expected), "{text}");
    assert!(!text.contains("the commit itself   "), "there is no table: {text}");
}

#[test]
fn a_tag_speaks_for_itself_where_the_branch_lacks_it() {
    let answer = [
        commit(ONE, "fix it"),
        matched(ONE, PICK, Strength::Equal, Some(Rung::Trailer), &[SignalKind::Trailer]),
        presence(ONE, "refs/heads/stable/1.0 1.0 1.0.2", PresenceState::Missing, None),
        presence(ONE, "refs/tags/1.0.2 1.0 1.0.2", PresenceState::Present, Some(PICK)),
        presence(ONE, "refs/tags/2.0.1 2.0 2.0.1", PresenceState::Present, Some(PICK)),
    ];
    let expected = "
  1.0          2.0
  - but 1.0.2  + 2.0.1

  + an equivalent commit   - missing   name: first release with it
  but name: only a tag has it

  Why:
  + 333333333333  1.0.2, 2.0  trailer  99.5%  exact
";
    let text = shown(&answer, ASCII);
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn what_only_resembles_the_change_stands_apart() {
    let answer = [
        commit(ONE, "fix it"),
        itself(ONE),
        matched(ONE, PICK, Strength::Weak, Some(Rung::PatchId), &[SignalKind::PatchId, SignalKind::Paths]),
    ];
    let expected = "
  Similar, not counted:
  333333333333  like 111111111111  patch-id  99.5%  weak  exact, also paths
";
    let text = shown(&answer, ASCII);
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn candidates_are_shown_with_as_many_digits_as_tell_them_apart() {
    let answer = [
        candidate("1111111111111111", CandidateReason::Ambiguous),
        candidate("1111111111111122", CandidateReason::Ambiguous),
    ];
    let expected = "11 fits more than one commit; did you mean
  111111111111111  a subject
  111111111111112  a subject
";
    assert_eq!(shown(&answer, ASCII), expected);
    let near = shown(&[candidate(ONE, CandidateReason::Near)], ASCII);
    assert_eq!(near, "11 fits no commit exactly; did you mean\n  111111111111  a subject\n");
}

#[test]
fn what_a_terminal_would_act_on_never_reaches_it() {
    let answer = [
        commit(ONE, "\u{1b}[31mred\u{7}"),
        itself(ONE),
        presence(ONE, "refs/heads/\u{202e}evil \u{9b}1m \u{1b}]0;x", PresenceState::Present, Some(ONE)),
    ];
    let text = shown(&answer, ASCII);
    assert!(text.contains("<U+001B>[31mred<U+0007>"), "{text}");
    assert!(text.chars().all(|letter| letter == '\n' || !safe::is_unsafe(letter)), "{text:?}");
}

#[test]
fn every_line_keeps_within_the_window() {
    let subject = "a subject of many words that goes on and on and wouldn't fit into a narrow window";
    let signals = [SignalKind::ChangeId, SignalKind::AuthorDate, SignalKind::Subject, SignalKind::Paths];
    let lines = ["1.0", "2.0", "3.0", "4.0", "5.0", "6.0", "7.0", "8.0", "9.0"];
    let mut answer =
        vec![commit(ONE, subject), itself(ONE), matched(ONE, PICK, Strength::Equal, Some(Rung::Trailer), &signals)];
    answer.extend(lines.map(|line| {
        let place = &*format!("refs/heads/stable/{line} {line} {line}.0").leak();
        presence(ONE, place, PresenceState::Present, Some(PICK))
    }));
    for width in [50, 60, 80, 200] {
        let text = shown(&answer, Look { width, ..ASCII });
        assert!(text.lines().all(|line| columns(line) <= width), "{width}:\n{text}");
        assert!(text.contains("1.0 ... 9.0 (9)"), "{text}");
    }
}
