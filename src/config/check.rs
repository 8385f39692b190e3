//! Everything that is wrong with a configuration at once, by file and line.

use std::path::Path;

use super::cascade::{Level, Origin, Scope, View};
use super::exact::git_limit;
use super::keys::KEYS;
use super::load::{Variables, own_path, syntax_problem};
use super::problem::Problem;
use super::syntax::Document;
use crate::error::{Kind, hint_of, message_of};
use crate::spelling::{did_you_mean, nearest};
use crate::{files, gitcli};

/// Variables of ours that are no settings.
const OTHER_VARIABLES: [&str; 3] = ["GIT_BHFUIL_CACHE", "GIT_BHFUIL_CONFIG", "GIT_BHFUIL_LOG"];

/// What is wrong with what counts in the folder `dir`: lines that can't be understood, bad values, names of no setting. `set` are the
/// names of the variables of the environment, some of which may be meant for us.
///
/// # Errors
/// [`Kind::Io`] if our own file can't be read.
pub async fn check(dir: &Path, variables: &Variables, set: &[String]) -> anyhow::Result<Vec<Problem>> {
    let mut problems = Vec::new();
    let mut listed = gitcli::config_list(dir, false, git_limit(dir, false, variables).await).await;
    if let Err(cause) = &listed {
        let origin = Origin { level: Level::Git(Scope::System), place: None, line: None };
        let hint = hint_of(cause).unwrap_or("git config --list says it too");
        problems.push(Problem {
            origin,
            message: message_of(cause),
            guess: String::new(),
            hint: Some(hint.to_owned()),
        });
        listed = Ok(Vec::new());
    }
    let own = own_path(&**variables);
    let text = match &own {
        Some(path) => {
            files::read(path).await.map_err(|cause| Kind::Io.wrap(cause, format!("reading {}", path.display())))?
        }
        None => None,
    };
    if let (Some(path), Err(cause)) = (&own, Document::parse(&text.unwrap_or_default())) {
        problems.push(syntax_problem(path, cause));
        // The rest is looked at without it.
        let without = Variables::clone(variables);
        let without: Variables =
            std::sync::Arc::new(
                move |name| if name == "GIT_BHFUIL_CONFIG" { Some("/dev/null".into()) } else { without(name) },
            );
        problems.extend(View::of_listed(dir, false, &without, listed?).await?.problems());
    } else {
        problems.extend(View::of_listed(dir, false, variables, listed?).await?.problems());
    }
    problems.extend(set.iter().filter_map(|name| unknown_variable(name)));
    Ok(problems)
}

fn unknown_variable(name: &str) -> Option<Problem> {
    let known: Vec<String> =
        KEYS.iter().filter_map(super::Key::variable).chain(OTHER_VARIABLES.map(str::to_owned)).collect();
    if !name.starts_with("GIT_BHFUIL_") || known.iter().any(|known| known == name) {
        return None;
    }
    Some(Problem {
        origin: Origin { level: Level::Environment, place: Some(name.into()), line: None },
        message: format!("the variable {name} sets nothing"),
        guess: did_you_mean(nearest(name, known.iter().map(String::as_str))),
        hint: Some(
            "what is in the environment for git bhfuil is named after its setting: GIT_BHFUIL_CACHE_SIZE".into(),
        ),
    })
}
