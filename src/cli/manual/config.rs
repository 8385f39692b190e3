//! git-bhfuil-config(5): every setting, from the table that the program goes by.

use super::{Page, page, see, sentence};
use crate::config::Key;
use crate::config::keys::KEYS;
use crate::config::values::Type;

const INTRODUCTION: &[&str] = &[
    "Later ones win: the default, our own file (`$XDG_CONFIG_HOME/git-bhfuil/config`, in the syntax of git-config(1), or what \
     `GIT_BHFUIL_CONFIG` names), git's configuration from system to `git -c`, the environment, options. `git bhfuil config list` tells what \
     holds and where it comes from, `git bhfuil config init` writes a file with every setting in it.",
    "`bhfuil.repo.<name>.<setting>` counts for one repository that is registered, and wins at its level. Of a list all levels count, and an \
     empty value takes back those before it; in a variable each value has a line of its own.",
    "Sizes take the suffixes `k`, `m`, `g` and `t`, times `ms`, `s`, `m`, `h` and `d`.",
];

pub(super) fn page_of_settings() -> Page {
    page("git-bhfuil-config", 5, "settings of git-bhfuil", |roff| {
        roff.section("SYNOPSIS");
        roff.synopsis(&[
            "`$XDG_CONFIG_HOME/git-bhfuil/config`".to_owned(),
            "`git config bhfuil.`<setting> <value>".to_owned(),
        ]);
        roff.section("DESCRIPTION");
        roff.paragraphs(INTRODUCTION.iter().copied());
        roff.section("EXAMPLES");
        roff.example("A file of our own:", "[bhfuil]\n    jobs = 4\n    stable = maint-*\n[bhfuil \"tracker.bugs\"]\n    type = bugzilla\n    url = https://bugs.example.org", true);
        roff.example("The same for one repository, as git has it:", "git config bhfuil.stable 'maint-*'", false);
        roff.section("SETTINGS");
        for key in KEYS.iter().filter(|key| !key.is_of_repository) {
            roff.entry(&format!("`{}`", named("bhfuil", key)), &description(key));
        }
        roff.section("SETTINGS OF A REPOSITORY");
        roff.text("What `git bhfuil repo` registers:");
        for key in KEYS.iter().filter(|key| key.is_of_repository) {
            roff.entry(&format!("`{}`", named("bhfuil.repo.<name>", key)), &description(key));
        }
        roff.section("EXIT STATUS");
        roff.text("A setting that can't be used ends a run with 128, naming file and line; `git bhfuil config validate` tells of all of them.");
        roff.section("SEE ALSO");
        see(["git-bhfuil(1)", "git-bhfuil-config(1)", "git-config(1)"].map(str::to_owned).into_iter(), roff);
    })
}

fn named(stem: &str, key: &Key) -> String {
    format!("{stem}.{}", key.name)
}

/// What it is for, what it takes, what holds without it, and its variable.
fn description(key: &Key) -> String {
    let mut said = vec![sentence(key.doc)];
    if !matches!(key.kind, Type::Text | Type::Path) {
        said.push(sentence(&format!("It {}", key.kind.takes())));
    }
    if key.repeatable {
        said.push("A list.".to_owned());
    }
    match (key.kind, key.fallbacks) {
        // By how many cores there are.
        (Type::Threads, _) => said.push("The default is 3, or the number of cores if that is less.".to_owned()),
        (_, [_, ..]) => {
            let git: Vec<String> = key.fallbacks.iter().map(|key| format!("`{key}`")).collect();
            let last = if key.default.is_empty() { "what git does".to_owned() } else { format!("`{}`", key.default) };
            said.push(format!("The default is {}, and {last} without that.", git.join(" or ")));
        }
        _ if key.default.is_empty() => {}
        _ => said.push(format!("The default is `{}`.", key.default)),
    }
    if let Some(variable) = key.variable() {
        said.push(format!("In the environment `{variable}`."));
    }
    said.join(" ")
}
