//! Commit objects, and what their messages say.

use git_bhfuil::facts::Oid;
use git_bhfuil::facts::commit::{RawCommit, parents_and_time};
use git_bhfuil::facts::identity::Identity;
use git_bhfuil::facts::issues::pull_request_number;
use git_bhfuil::facts::patterns::Patterns;
use git_bhfuil::facts::references::{References, normalised_subject};
use git_bhfuil::facts::text::{CommitText, Text, subject_and_body};
use git_bhfuil::facts::trailers::{exact_values, trailers};
use git_bhfuil::facts::words::index_text;
use git_bhfuil::locate::query::Query;
use git_bhfuil::matching::squash::listed_subjects;
use proptest::prelude::*;

use super::mutations::{config, mutated};
use super::support::Repo;

/// A git that is asked of objects, all in one repository.
pub(crate) struct Objects(Repo);

impl Objects {
    pub(crate) fn new() -> Self {
        Self(Repo::new())
    }

    fn store(&self, object: &[u8]) -> String {
        let id = self.0.git_with(&["hash-object", "-t", "commit", "-w", "--literally", "--stdin"], object);
        String::from_utf8(id).expect("hexadecimal").trim().to_owned()
    }

    /// What `git log` shows of one commit; `None` if it takes it for none.
    fn log(&self, id: &str, format: &str) -> Option<Vec<u8>> {
        let mut command = self.0.git_command();
        command.arg("-C").arg(self.0.path());
        let output = command.args(["log", "--no-walk", "--no-mailmap", &format!("--format={format}"), id]).output();
        let output = output.expect("git runs");
        let mut shown = output.stdout;
        shown.pop_if(|last| *last == b'\n');
        output.status.success().then_some(shown)
    }
}

const FIELDS: &str = "%T%x00%P%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%s%x00%b%x00%(trailers:only,unfold)";

/// What we read in an object, as git shows [`FIELDS`]; `None` if it is no commit.
fn ours(object: &[u8]) -> Option<Vec<Vec<u8>>> {
    let commit = RawCommit::parse(object, 20).ok()?;
    let text = CommitText::decode(&commit);
    let parents: Vec<String> = commit.parents.iter().map(Oid::to_hex).collect();
    let mut fields = vec![commit.tree.to_hex().into_bytes(), parents.join(" ").into_bytes()];
    for line in [&text.author, &text.committer] {
        let person = Identity::parse(line);
        let seconds = person.date.moment.map_or_else(String::new, |moment| moment.seconds.to_string());
        fields.extend([person.name.bytes().to_vec(), person.email.bytes().to_vec(), seconds.into_bytes()]);
    }
    let (subject, body) = text.message.subject_and_body();
    fields.extend([subject.bytes().to_vec(), body.bytes().to_vec()]);
    let found = trailers(&text.message.text);
    let values = match &text.message.exact {
        Some(exact) => exact_values(exact),
        None => found.iter().map(|trailer| trailer.value.as_bytes().to_vec()).collect(),
    };
    let lines =
        found.iter().zip(values).map(|(trailer, value)| [trailer.key.as_bytes(), b": ", &value, b"\n"].concat());
    fields.push(lines.collect::<Vec<_>>().concat());
    Some(fields)
}

/// The same of git; `None` if it can't show the commit.
fn gits(shown: Option<Vec<u8>>) -> Option<Vec<Vec<u8>>> {
    let mut fields: Vec<Vec<u8>> = shown?.split(|&byte| byte == 0).map(<[u8]>::to_vec).collect();
    // `%at` is the digits as they stand, however many.
    for at in [4, 7] {
        let number = std::str::from_utf8(&fields[at]).ok().and_then(|digits| digits.parse::<i64>().ok());
        fields[at] = number.map_or_else(Vec::new, |number| number.to_string().into_bytes());
    }
    // `%b` keeps the message's last newline.
    if let Some(body) = fields.get_mut(9) {
        body.pop_if(|last| *last == b'\n');
    }
    Some(fields)
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn a_commit_is_read_as_git_reads_it(object in mutated("commits")) {
        let commit = RawCommit::parse(&object, 20);
        let mut parents = Vec::new();
        let time = parents_and_time(&object, 20, &mut parents);
        prop_assert_eq!(time.is_some(), commit.is_ok());
        if let Ok(commit) = &commit {
            prop_assert_eq!(&parents, &commit.parents);
            prop_assert!(!commit.message.contains(&0));
        }
        let _ = RawCommit::parse(&object, 32);
        thread_local!(static GIT: Objects = Objects::new());
        let (shown, by_time) = GIT.with(|git| {
            let id = git.store(&object);
            let shown = gits(git.log(&id, FIELDS));
            let by_time = shown.is_some().then(|| git.0.git_bytes(&["rev-list", "--no-walk", "--timestamp", &id]));
            (shown, by_time)
        });
        let by_time = by_time.map(|line| String::from_utf8_lossy(&line).split(' ').next().unwrap_or_default().to_owned());
        prop_assert_eq!(time.map(|time| time.to_string()), by_time);
        // What git makes of an encoding that is spelt in an odd way is up to iconv and the locale.
        let headers = object.split(|&byte| byte == b'\n').take_while(|line| !line.is_empty());
        if headers.into_iter().any(|line| line.starts_with(b"encoding ") && !line[9..].iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))) {
            return Ok(());
        }
        // Of headers without an end git reads on behind the object.
        if !object.ends_with(b"\n") && memchr::memmem::find(&object, b"\n\n").is_none() {
            return Ok(());
        }
        let ours = ours(&object);
        let told = |fields: &Option<Vec<Vec<u8>>>| fields.as_ref().map(|all| all.iter().map(|one| one.escape_ascii().to_string()).collect::<Vec<_>>());
        prop_assert_eq!(told(&ours), told(&shown), "{}", object.escape_ascii());
    }

    #[test]
    fn what_a_message_says_of_others_is_in_it(message in mutated("messages")) {
        let text = Text::from_bytes(&message);
        let (subject, body) = subject_and_body(&text.text);
        let found = trailers(&text.text);
        let patterns = Patterns::compile(&["(?i)backport to (\\S+)".to_owned()], &["PROJ".to_owned()]).expect("patterns");
        let said = References::of(&subject, &text.text, &found, &patterns);
        let ids = said.origins.iter().map(|origin| origin.text).chain(said.reverts.iter().copied());
        let ids: Vec<&str> = ids.chain(said.relands.iter().copied()).chain(said.fixes.iter().copied()).collect();
        for id in &ids {
            prop_assert!((7..=40).contains(&id.len()) || id.len() == 64, "{id}");
            prop_assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()) && text.text.contains(id), "{id}");
        }
        prop_assert!(said.origins.len() + said.issues.len() + said.requests.len() <= text.text.len());
        let mut once = said.issues.clone();
        once.sort();
        once.dedup();
        prop_assert_eq!(once.len(), said.issues.len(), "an issue stands there twice");
        for issue in &said.issues {
            prop_assert!(!issue.key.is_empty() && !issue.key.contains(char::is_whitespace), "{issue:?}");
            prop_assert!(!issue.key.chars().any(char::is_control), "{issue:?}");
        }
        if let Some(id) = said.change_id {
            prop_assert!(id.len() == 41 && id.starts_with('I') && matches!(Query::parse(id, &patterns), Query::ChangeId(_)));
        }
        prop_assert_eq!(said.is_revert, said.revert_depth % 2 == 1);
        let key = normalised_subject(&subject);
        prop_assert!(!key.starts_with(' ') && !key.ends_with(' ') && !key.contains("  "));
        let _ = pull_request_number(&subject, &text.text);
        prop_assert!(listed_subjects(body).iter().all(|one| !one.is_empty()));
        // What stands behind a blank line and a dash that no rule knows changes nothing of what stood before.
        let again = References::of(&subject, &text.text, &found, &patterns);
        prop_assert_eq!(again, said);
    }
}

/// Pieces of which a long message is easily made, and that look back or ahead over the others.
const REPEATED: [&str; 30] = [
    ")",
    "(",
    "[",
    "]",
    "](https://a",
    "https://",
    "x://",
    "#1,",
    "#%,",
    "a/b#%/",
    "Closes #%,",
    "g/p!%/",
    "PROJ-%-",
    "CVE-2024-",
    "stable@",
    "Cc: stable@",
    "ackport",
    "backport ",
    "backport to 2.8 ",
    "should be backported to ",
    "[2.9] ",
    "2.9: ",
    " (#1)",
    "Revert \"",
    "deadbee%/",
    "fixes deadbee% ",
    "(cherry picked from commit %deadbeef)\n",
    "This reverts commit \n",
    "* a thing (#%)\n",
    "Key: %\n",
];

#[test]
fn a_message_that_repeats_itself_takes_no_longer_than_its_length() {
    const LENGTH: usize = 1 << 17;
    let patterns = Patterns::compile(&[], &["PROJ".to_owned()]).expect("patterns");
    for piece in REPEATED {
        let mut message = "subject close https://x.org/".to_owned();
        for number in 0..LENGTH {
            message.push_str(&piece.replace('%', &format!("{number:07}")));
            if message.len() > LENGTH {
                break;
            }
        }
        // What compares each place with all the others takes minutes here, and a thousand times longer than that in fifty megabytes.
        let (subject, body) = subject_and_body(&message);
        let said = References::of(&subject, &message, &trailers(&message), &patterns);
        let wishes: usize = said.requests.iter().map(|request| request.text.len()).sum();
        assert!(wishes <= 64 * message.len(), "{piece}: {wishes} bytes of wishes");
        let _ = (normalised_subject(&subject), listed_subjects(body), pull_request_number(&subject, &message));
        let _ = index_text(&message);
    }
}
