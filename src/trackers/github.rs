//! GitHub: issues and pull requests by `owner/repo#12`, advisories by `GHSA-…`, releases, projects, and many issues in one question by GraphQL.
//!
//! <https://docs.github.com/en/rest/issues/issues#get-an-issue>, which answers for pull requests too;
//! <https://docs.github.com/en/rest/security-advisories/global-advisories#get-a-global-security-advisory>;
//! <https://docs.github.com/en/rest/repos/repos#get-a-repository>;
//! <https://docs.github.com/en/graphql/reference/objects#repository>.

use std::fmt::Write as _;

use serde_json::Value;

use super::reading::{Why, address, first, is_set, labels, object, text};
use super::{Ask, Found, host, is_number, numbered, project_path};

/// Issues in one question of GraphQL. It allows far more; one that is slow to answer holds up no more than these.
pub const BATCH: usize = 50;

/// What is asked of each. It bounds the price of a question that so many labels are.
const FIELDS: &str = "number title state url labels(first: 30) { nodes { name } }";

fn api(base: &str) -> String {
    if host(base) == "github.com" { "https://api.github.com".to_owned() } else { format!("{base}/api/v3") }
}

fn json(url: String) -> Ask {
    Ask { url, accept: "application/vnd.github+json" }
}

pub(super) fn ask(base: &str, key: &str) -> Option<Ask> {
    if key.starts_with("GHSA-") {
        let id = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-').then_some(key)?;
        return Some(json(format!("{}/advisories/{id}", api(base))));
    }
    let (project, _, number) = numbered(key, &['#'])?;
    Some(json(format!("{}/repos/{}/issues/{number}", api(base), project_path(project)?)))
}

pub(super) fn project(base: &str, project: &str) -> Option<Ask> {
    Some(json(format!("{}/repos/{}", api(base), project_path(project)?)))
}

pub(super) fn releases(base: &str, project: &str, page: u32) -> Ask {
    let project = project_path(project).unwrap_or_default();
    json(format!("{}/repos/{project}/releases?per_page=100&page={page}", api(base)))
}

pub(super) fn read(body: &[u8]) -> Result<Option<Found>, Why> {
    let value = object(body, &["title", "state", "ghsa_id", "summary", "number"])?;
    let url = address(&value, &["html_url", "url"]);
    if value.get("ghsa_id").is_some() {
        let state = if is_set(&value, &["withdrawn_at"]) { "withdrawn" } else { "published" };
        return Ok(Some(Found { state: Some(state.into()), title: text(&value, &["summary"]), url, labels: None }));
    }
    let is_merged = is_set(&value, &["pull_request", "merged_at"]);
    // GraphQL shouts.
    let state = text(&value, &["state"]).map(|state| state.to_ascii_lowercase());
    let state = if is_merged { Some("merged".into()) } else { state };
    Ok(Some(Found { state, title: first(&value, &["title"]), url, labels: labels(&value, &["labels"]) }))
}

/// A question about many issues at once, for who is logged in: the address and the body.
#[must_use]
pub fn batch(base: &str, keys: &[&str]) -> (String, Vec<u8>) {
    let url = if host(base) == "github.com" {
        "https://api.github.com/graphql".to_owned()
    } else {
        format!("{base}/api/graphql")
    };
    let mut query = String::from("query {");
    for (at, key) in keys.iter().enumerate() {
        let Some((project, number)) = batched(key) else { continue };
        let (owner, name) = project.split_once('/').unwrap_or((project, ""));
        let (owner, name) = (Value::from(owner), Value::from(name));
        // Writing to a String can't fail.
        let _ = write!(
            query,
            " i{at}: repository(owner: {owner}, name: {name}) {{ issueOrPullRequest(number: {number}) {{ \
             ... on Issue {{ {FIELDS} }} ... on PullRequest {{ {FIELDS} }} }} }}"
        );
    }
    query.push_str(" }");
    (url, serde_json::json!({ "query": query }).to_string().into_bytes())
}

/// Whether an issue may be asked about together with others.
#[must_use]
pub fn is_batched(key: &str) -> bool {
    batched(key).is_some()
}

fn batched(key: &str) -> Option<(&str, &str)> {
    let (project, _, number) = numbered(key, &['#'])?;
    // A 32 bit number in GraphQL.
    let is_asked = is_number(number) && number.parse::<i32>().is_ok() && project_path(project).is_some();
    is_asked.then_some((project, number))
}

/// What a question about many has brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Batch {
    /// What it has brought for each key.
    Parts(Vec<Part>),
    /// There were too many questions.
    Limited,
    /// Nothing of use.
    Nothing,
}

/// What a question about many has brought for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The answer that the question about it alone would have had, as JSON.
    Told(Vec<u8>),
    /// That there is no such issue.
    Missing,
    /// Nothing, for whatever reason: it may be there.
    Failed,
}

/// What `body` says to the question about so many. What went wrong with one of them is of no concern to the others.
#[must_use]
pub fn parts(body: &[u8], count: usize) -> Batch {
    let Ok(value) = object(body, &["data", "errors"]) else { return Batch::Nothing };
    let errors = value.get("errors").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let is = |error: &Value, kinds: &[&str]| text(error, &["type"]).is_some_and(|kind| kinds.contains(&kind.as_str()));
    // The first is the word of the documentation, the second that of the server.
    if errors.iter().any(|error| is(error, &["RATE_LIMITED", "RATE_LIMIT"])) {
        return Batch::Limited;
    }
    let Some(data) = value.get("data").filter(|data| data.is_object()) else { return Batch::Nothing };
    // That one isn't found makes an error too.
    let failures = errors.iter().filter(|error| !is(error, &["NOT_FOUND", "FORBIDDEN"]));
    let names: Option<Vec<&str>> = failures.map(|error| error.get("path")?.get(0)?.as_str()).collect();
    let Some(failed) = names else { return Batch::Nothing };
    let part = |at: usize| {
        let name = format!("i{at}");
        let repository = data.get(&name);
        let issue = repository.filter(|known| !known.is_null()).map_or(repository, |it| it.get("issueOrPullRequest"));
        match issue {
            Some(issue) if issue.is_object() => Part::Told(issue.to_string().into_bytes()),
            Some(Value::Null) if !failed.contains(&name.as_str()) => Part::Missing,
            _ => Part::Failed,
        }
    };
    Batch::Parts((0..count).map(part).collect())
}
