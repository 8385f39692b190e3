//! What servers answer, and what git tells on its stderr.

use git_bhfuil::gitcli::progress::Pieces;
use git_bhfuil::gitcli::{Progress, judge, without_password};
use git_bhfuil::trackers::which::Remote;
use git_bhfuil::trackers::{Software, Target, Tracker};
use proptest::prelude::*;
use proptest::sample::Index;

use super::mutations::{config, mutated, mutated_in};

const ALL: [(Software, &str); 8] = [
    (Software::Github, "o/r#1"),
    (Software::Gitlab, "g/p#1"),
    (Software::Launchpad, "1"),
    (Software::Bugzilla, "1"),
    (Software::Jira, "PROJ-1"),
    (Software::Osv, "CVE-2024-1"),
    (Software::Gitea, "o/r#1"),
    (Software::Gerrit, "Iabcdef0"),
];

fn is_text(text: Option<&String>) -> bool {
    text.is_none_or(|text| !text.is_empty() && text.trim() == text)
}

fn is_address(url: Option<&String>, base: &str) -> bool {
    url.is_none_or(|url| url.starts_with("https://") || url.starts_with("http://") || url.starts_with(base))
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn whatever_a_tracker_answers_is_read_or_refused(body in mutated_in("trackers")) {
        for (software, local) in ALL {
            let base = "https://bugs.example.com";
            let target = Target { tracker: Tracker { software, base: base.to_owned() }, local: local.to_owned() };
            if let Ok(Some(found)) = target.read(&body) {
                prop_assert!(is_text(found.state.as_ref()) && is_text(found.title.as_ref()), "{found:?}");
                prop_assert!(is_address(found.url.as_ref(), base), "{found:?}");
                prop_assert!(found.labels.is_none_or(|all| all.len() <= 100 && all.iter().all(|one| is_text(Some(one)))));
            }
            if let Ok(project) = target.tracker.read_project(&body) {
                prop_assert!(is_address(project.url.as_ref(), base) && is_text(project.description.as_ref()));
            }
            if let Ok((releases, _)) = target.tracker.read_releases(&body) {
                prop_assert!(releases.iter().all(|one| is_text(Some(&one.tag)) && is_address(one.url.as_ref(), base)));
            }
        }
    }

    #[test]
    fn names_of_issues_lead_to_no_other_address(name in mutated("queries")) {
        let name = String::from_utf8_lossy(&name);
        for (software, _) in ALL {
            let base = "https://bugs.example.com/at";
            let target = Target { tracker: Tracker { software, base: base.to_owned() }, local: name.clone().into_owned() };
            let asked = [target.ask(false), target.ask(true), target.tracker.project(&name)];
            for ask in asked.into_iter().flatten() {
                let ok = ask.url.starts_with("https://bugs.example.com/")
                    || ask.url.starts_with("https://api.") || software.usual_base().is_some();
                prop_assert!(ok, "{}", ask.url);
                prop_assert!(ask.url.bytes().all(|byte| byte.is_ascii_graphic()), "{}", ask.url);
                prop_assert!(!ask.url.split(['?', '#']).next().is_some_and(|path| path.contains("/../")), "{}", ask.url);
            }
        }
    }

    #[test]
    fn pieces_are_the_same_wherever_reads_end(said in mutated("git-says"), cuts in prop::collection::vec(any::<Index>(), 0..6)) {
        let pieces = |parts: &[&[u8]]| {
            let (mut cut, mut found) = (Pieces::default(), Vec::new());
            for part in parts {
                cut.push(part, |piece| found.push(piece.to_vec()));
            }
            found.extend(cut.rest());
            found
        };
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(said.len() + 1)).collect();
        at.extend([0, said.len()]);
        at.sort_unstable();
        let parts: Vec<&[u8]> = at.windows(2).map(|two| &said[two[0]..two[1]]).collect();
        let found = pieces(&parts);
        prop_assert_eq!(&found, &pieces(&[&said]));
        let expected: Vec<Vec<u8>> = said.split(|byte| b"\r\n".contains(byte)).filter(|piece| !piece.is_empty()).map(|piece| piece[..piece.len().min(4096)].to_vec()).collect();
        prop_assert_eq!(&found, &expected);
        for progress in found.iter().filter_map(|piece| Progress::parse(piece)) {
            prop_assert!(progress.percent().is_none_or(|percent| percent <= 100));
        }
    }

    #[test]
    fn no_password_of_an_address_is_told(said in mutated("git-says"), at in any::<Index>(), secret in "[A-Za-z0-9!$%^&*()_+=~.,;:<>|?#-]{1,12}") {
        let said = String::from_utf8_lossy(&said).into_owned();
        let mut text = said.clone();
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        // A mark that is nowhere else, so that what is told of it is told of the secret.
        text.insert_str(*at.get(&places), &format!(" https://me:QQ{secret}ZZ@host.example.com/x "));
        let told = without_password(&text);
        prop_assert!(!told.contains(&format!("QQ{secret}ZZ")), "{told}");
        prop_assert_eq!(without_password(&told), told.clone());
        let judged = judge(&text);
        prop_assert!(!judged.reason.contains(&format!("QQ{secret}ZZ")), "{}", judged.reason);
        prop_assert!(!judged.reason.contains('\n'));
        let hint = judged.cause.hint(&format!("https://me:QQ{secret}ZZ@host.example.com/x"));
        prop_assert!(!hint.contains(&format!("QQ{secret}ZZ")), "{hint}");
    }

    #[test]
    fn an_address_of_a_remote_is_a_server_and_a_path(url in mutated("queries")) {
        if let Some(remote) = Remote::parse(&String::from_utf8_lossy(&url)) {
            prop_assert!(!remote.host.is_empty() && !remote.host.contains(['/', '@']), "{remote:?}");
            prop_assert!(remote.project.contains('/'), "{remote:?}");
        }
    }
}
