//! The page of `matrix --format=html`: what stands in it, that nothing of a commit can act in it, and, in a real browser, that it sorts,
//! filters and links.

#[path = "support/browser.rs"]
mod browser;
mod support;

use std::collections::BTreeSet;

use browser::Browser;
use serde_json::Value;
use support::{Repo, bhfuil, events, of_type};

/// What a commit must not be able to do to a page.
const HOSTILE: &str = "</td></script><script>window.owned = 1</script><img src=x onerror='owned = 2'> \u{202e}&amp;";

/// The fixture with a commit that would like to be a script.
fn hostile() -> Repo {
    let repo = Repo::fixture("backports");
    repo.git(&["checkout", "-q", "main"]);
    repo.git(&["commit", "-q", "--allow-empty", "-m", HOSTILE]);
    repo
}

fn page(repo: &Repo) -> String {
    let output = bhfuil(repo).args(["matrix", "stable/1.0", "stable/2.0", "--format=html"]).output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The changes that `matrix` tells, in its order, and what branches have of them.
fn told(repo: &Repo) -> (Vec<String>, Vec<Value>) {
    let output = bhfuil(repo).args(["matrix", "stable/1.0", "stable/2.0"]).output().expect("it runs");
    let events = events(&output);
    let ids = of_type(&events, "commit").iter().map(|event| event["id"].as_str().expect("an id").to_owned()).collect();
    (ids, of_type(&events, "presence").into_iter().cloned().collect())
}

/// The texts between `<tag …>` and what closes it.
fn elements<'p>(page: &'p str, tag: &str) -> Vec<&'p str> {
    let (open, close) = (format!("<{tag}"), format!("</{tag}>"));
    let inner = |part: &'p str| part.split_once('>').and_then(|(_, rest)| rest.split(&close).next());
    page.split(&open).skip(1).filter(|part| part.starts_with([' ', '>'])).filter_map(inner).collect()
}

#[test]
fn a_page_has_a_row_for_each_change_and_what_each_branch_has_of_it() {
    let repo = hostile();
    let (ids, presences) = told(&repo);
    let page = page(&repo);
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    assert_eq!(elements(&page, "h1"), [format!("{}: changes of main", presences[0]["repo"].as_str().expect("one"))]);
    assert_eq!(elements(&page, "th"), ["date", "commit", "author", "subject", "stable/1.0", "stable/2.0"]);
    let body = page.split_once("<tbody>").expect("a body").1;
    let rows: Vec<&str> = body.split("<tr ").skip(1).collect();
    assert_eq!(rows.len(), ids.len());
    for (row, id) in rows.iter().zip(&ids) {
        assert!(row.starts_with(&format!("id=\"{id}\"")), "{row}");
        let states: Vec<&str> = row.split("data-state=\"").skip(1).filter_map(|part| part.split('"').next()).collect();
        let expected: Vec<&str> = presences
            .iter()
            .filter(|presence| presence["change"] == **id)
            .map(|presence| match (presence["state"].as_str(), presence["how"].as_str()) {
                (Some("present"), Some("backport")) => "equivalent",
                (Some("present"), _) => "itself",
                (state, _) => state.expect("a state"),
            })
            .collect();
        assert_eq!(states, expected, "{id}");
    }
}

#[test]
fn nothing_that_a_commit_says_becomes_a_part_of_the_page() {
    let repo = hostile();
    let page = page(&repo);
    assert_eq!((page.matches("<script").count(), page.matches("<img").count()), (1, 0));
    assert!(page.contains("&lt;script&gt;window.owned = 1&lt;/script&gt;") && page.contains("&amp;amp;"));
    assert!(!page.contains('\u{202e}'), "what turns the direction of writing round is shown");
    for loading in ["src=", "http://", "https://", "url(", "@import"] {
        let outside = page.replace("&lt;img src=x", "");
        assert!(!outside.contains(loading), "nothing is loaded: {loading}");
    }
}

#[test]
fn commits_are_links_to_where_the_repository_comes_from() {
    let repo = hostile();
    let links = |page: &str| -> BTreeSet<String> {
        let hrefs = page.split("href=\"").skip(1).filter_map(|part| part.split('"').next());
        hrefs.map(|href| href.trim_end_matches(|letter: char| letter.is_ascii_hexdigit()).to_owned()).collect()
    };
    assert_eq!(links(&page(&repo)), BTreeSet::from(["#".to_owned()]), "to the rows of the page");
    for (remote, expected) in [
        ("git@github.com:owner/repo.git", "https://github.com/owner/repo/commit/"),
        ("https://gitlab.com/group/sub/repo", "https://gitlab.com/group/sub/repo/-/commit/"),
        ("https://codeberg.org/owner/repo.git", "https://codeberg.org/owner/repo/commit/"),
    ] {
        repo.git(&["config", "remote.origin.url", remote]);
        assert_eq!(links(&page(&repo)), BTreeSet::from([expected.to_owned()]), "{remote}");
    }
    repo.git(&["config", "remote.origin.url", "https://git.example.com/owner/repo"]);
    assert_eq!(links(&page(&repo)), BTreeSet::from(["#".to_owned()]), "nobody knows what runs there");
}

#[test]
fn only_a_table_is_a_page() {
    let repo = hostile();
    let output = bhfuil(&repo).args(["missing", "stable/1.0", "--format=html"]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(129), "{output:?}");
    let output = bhfuil(&repo).args(["matrix", "stable/1.0", "--format=pdf"]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(129));
    assert!(String::from_utf8_lossy(&output.stderr).contains("expected auto, jsonl, human or html"), "{output:?}");
}

#[test]
fn a_branch_that_doesnt_exist_makes_no_page() {
    let repo = hostile();
    let output = bhfuil(&repo).args(["matrix", "stable/9", "--format=html"]).output().expect("it runs");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(128), 0), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("fatal: "), "{output:?}");
}

#[test]
#[ignore = "needs Chromium and ChromeDriver: .ci/run installs them and runs this too"]
fn in_a_browser_the_page_sorts_filters_and_links() {
    let repo = hostile();
    repo.git(&["config", "remote.origin.url", "https://github.com/owner/repo"]);
    let (ids, presences) = told(&repo);
    let file = repo.home().join("page.html");
    std::fs::write(&file, page(&repo)).expect("written");
    let address = format!("file://{}", file.display());
    let browser = Browser::start();
    let shown = || -> Vec<String> {
        let rows = browser.value("[...document.querySelectorAll('tbody tr')].filter(r => !r.hidden).map(r => r.id)");
        serde_json::from_value(rows).expect("ids")
    };
    let said = || browser.value("document.querySelector('output').textContent");
    let sorted = |branch: &str| {
        browser.value(&format!("document.querySelector('th[data-name=\"{branch}\"]').getAttribute('aria-sort')"))
    };

    browser.open(&address);
    assert_eq!(shown(), ids, "as they were told");
    assert_eq!(said(), format!("{0} of {0} changes", ids.len()));
    assert_eq!(browser.value("window.owned"), Value::Null);
    assert_eq!(browser.value("performance.getEntriesByType('resource').length"), 0, "nothing is loaded");
    assert_eq!(
        browser.value("getComputedStyle(document.querySelector('.frame')).overflowX"),
        "auto",
        "its style counts"
    );
    let link = format!("https://github.com/owner/repo/commit/{}", ids[0]);
    assert_eq!(browser.value("document.querySelector('tbody a').href"), link);

    // By words, in whatever column.
    browser.fill("input", "PLAIN fix");
    let plain = repo.id("plain").to_owned();
    assert_eq!(shown(), std::slice::from_ref(&plain));
    assert_eq!(said(), format!("1 of {} changes", ids.len()));
    assert_eq!(browser.value("location.hash"), "#q=PLAIN+fix");
    browser.open(&format!("{address}#q=PLAIN+fix"));
    assert_eq!(shown(), [plain], "an address shows what was shown");

    // By what one branch has, and by what any has.
    let lacking = |branch: Option<&str>| -> Vec<String> {
        let lacks = |presence: &&Value| {
            presence["state"] == "missing" && branch.is_none_or(|branch| presence["short"] == branch)
        };
        let lacking: BTreeSet<&str> = presences.iter().filter(lacks).filter_map(|one| one["change"].as_str()).collect();
        ids.iter().filter(|id| lacking.contains(id.as_str())).cloned().collect()
    };
    browser.open(&address);
    browser.click("select[name=state] option[value=missing]");
    assert_eq!(shown(), lacking(None));
    browser.click("select[name=on] option[value='stable/1.0']");
    assert_eq!(shown(), lacking(Some("stable/1.0")));
    assert!(shown().len() < lacking(None).len() && !shown().is_empty());

    // By a column: up, down, and as it was.
    browser.open(&address);
    browser.click("th[data-name='stable/1.0'] button");
    assert_eq!(sorted("stable/1.0"), "ascending");
    let up = shown();
    let missing = lacking(Some("stable/1.0"));
    assert_eq!(up[..missing.len()], missing, "what is missing first, otherwise in the order of the table");
    browser.click("th[data-name='stable/1.0'] button");
    assert_eq!(sorted("stable/1.0"), "descending");
    assert_eq!(shown()[ids.len() - missing.len()..], missing);
    assert_eq!(browser.value("location.hash"), "#by=stable%2F1.0&down=1");
    browser.click("th[data-name='stable/1.0'] button");
    assert_eq!((sorted("stable/1.0"), shown()), (Value::Null, ids.clone()));
    browser.click("th[data-name=':subject'] button");
    let subjects = browser.value("[...document.querySelectorAll('td.subject')].map(c => c.textContent.toLowerCase())");
    let subjects: Vec<String> = serde_json::from_value(subjects).expect("texts");
    assert!(subjects.is_sorted() && subjects.len() == ids.len(), "{subjects:?}");

    // A row has an address, which is no filter.
    browser.open(&format!("{address}#{}", ids[3]));
    assert_eq!(shown(), ids);
    assert_eq!(browser.value("document.querySelector('tr:target').id"), ids[3]);
    let complaints = browser.complaints();
    assert_eq!(complaints, Value::Array(Vec::new()), "nothing was refused or went wrong");
}
