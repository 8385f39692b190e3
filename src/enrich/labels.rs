//! Labels of issues as far as they are kept from what was asked before: for whoever wants to know more of a commit than its message says.
//! Makes no request, and asks nobody for a secret.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::home::Place;
use super::question;
use crate::cache::state::State;
use crate::clock::Clock;
use crate::facts::issues::IssueRef;
use crate::git::Sought;
use crate::http::{self, Client};
use crate::shutdown::Token;

/// The labels of those of `issues`, as commits of the repository that is `sought` name them, of which an answer is kept in `cache_folder`,
/// of whatever age. One without labels isn't told.
///
/// # Errors
/// If settings can't be used, or what is kept can't be read.
pub async fn kept_labels(
    sought: Sought,
    issues: Vec<IssueRef>,
    cache_folder: PathBuf,
) -> anyhow::Result<HashMap<IssueRef, Vec<String>>> {
    let place = Place::read(sought.dir, sought.name).await?;
    let opened = smol::unblock(move || -> anyhow::Result<Option<State>> {
        // Where nothing was kept nothing is made.
        let is_there = cache_folder.join("state.db").exists();
        is_there.then(|| State::open(&cache_folder).map(|(state, _)| state)).transpose()
    });
    let mut labels = HashMap::new();
    let Some(state) = opened.await? else { return Ok(labels) };
    let settings = http::Settings { offline: true, ..place.http };
    let client = Client::new(settings, Some(Arc::new(state)), Clock::Real, Token::new());
    for issue in issues {
        let Some(target) = place.home.target(&issue) else { continue };
        let found = question::kept(&client, &target, place.source(&target).as_ref()).await;
        let of_issue = found.and_then(|found| found.labels).unwrap_or_default();
        if !of_issue.is_empty() {
            labels.insert(issue, of_issue);
        }
    }
    Ok(labels)
}
