//! `git bhfuil config`: what is set, where, and for whom; changing our own file.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::cli::ConfigCommand;
use crate::cli::argv::TextArg;
use crate::cli::config::{ConfigGetArgs, ConfigListArgs, ConfigSetArgs, ConfigUnsetArgs};
use crate::config::{self, Change, Config, Current, Level, Name, OwnFile, Sources, Value, View};
use crate::describe::lossy;
use crate::error::{Kind, exit, hint_of, message_of};
use crate::events::{Event, Setting, Warning};
use crate::report::{self, Ending, Strand};
use crate::repos::{Listing, Registry};
use crate::shutdown::Token;

use super::framed;

/// Runs the command and returns the exit code.
pub(super) async fn run(command: &ConfigCommand, dir: &Path, token: &Token) -> u8 {
    match command {
        ConfigCommand::List(args) => {
            let look = (args.format, args.color, args.no_color);
            framed("config list", look, dir, token, async |report| list(args, dir, report).await).await
        }
        ConfigCommand::Get(args) => {
            let look = (args.format, args.color, args.no_color);
            framed("config get", look, dir, token, async |report| get(args, dir, report).await).await
        }
        ConfigCommand::Set(args) => {
            let look = (args.format, args.color, args.no_color);
            framed("config set", look, dir, token, async |report| set(args, dir, report).await).await
        }
        ConfigCommand::Unset(args) => {
            let look = (args.format, args.color, args.no_color);
            framed("config unset", look, dir, token, async |_| unset(args, dir).await).await
        }
        // What is wrong with the configuration must not keep this from being told.
        ConfigCommand::Validate(args) => {
            let look = (args.format, None, true);
            framed("config validate", look, dir, token, async |report| validate(dir, report).await).await
        }
        ConfigCommand::Init(args) => {
            framed("config init", (args.format, None, true), dir, token, async |report| init(report).await).await
        }
        ConfigCommand::Path(_) => path(),
    }
}

fn own_file() -> anyhow::Result<OwnFile> {
    OwnFile::of(&|name| std::env::var_os(name))
}

fn path() -> u8 {
    use std::os::unix::ffi::OsStrExt as _;
    match own_file() {
        Ok(file) => super::printed([file.path().as_os_str().as_bytes(), b"\n"].concat()),
        Err(cause) => {
            report::say_fatal(&message_of(&cause), hint_of(&cause));
            exit::FATAL
        }
    }
}

/// For whom settings are asked, and from where.
struct Whose {
    config: Config,
    current: Current,
    /// The repository that was named.
    named: Option<String>,
}

impl Whose {
    /// For whoever works in `dir`, or for the repository that is named: registered, the one here, or one that something is set for.
    async fn of(named: Option<&TextArg>, dir: &Path) -> anyhow::Result<Self> {
        let here = Sources { exact: true, ..Sources::of_process(dir) };
        let config = Config::new(here.clone());
        let current = config.current().await?;
        let Some(named) = named.map(|name| name.0.clone()) else { return Ok(Self { config, current, named: None }) };
        let listing = Registry::new(own_file()?).read().await?;
        let known = |view: &View| view.repo() == Some(&named) || view.repositories().contains(&named.as_str());
        match listing.get(&named).map(|entry| entry.path.clone()) {
            Ok(Some(path)) => {
                if !path.is_dir() {
                    let message =
                        format!("there is no repository at {}, where '{named}' is registered", path.display());
                    return Err(Kind::NoRepository.error(message));
                }
                let config = Config::new(Sources { dir: path, alone: true, ..here });
                let current = config.current().await?;
                Ok(Self { config, current, named: Some(named) })
            }
            Err(cause) if !known(&current.view) => Err(cause),
            _ => Ok(Self { config, current, named: Some(named) }),
        }
    }

    /// The repository whose settings count.
    fn repo<'a>(&'a self, view: &'a View) -> Option<&'a str> {
        self.named.as_deref().or(view.repo())
    }

    /// The setting that is meant, for the one that was named.
    fn name(&self, typed: &str) -> anyhow::Result<Name> {
        name(typed, self.named.as_deref())
    }
}

/// The setting that was typed, for `repo` alone if one is named.
fn name(typed: &str, repo: Option<&str>) -> anyhow::Result<Name> {
    let Some(repo) = repo else { return Name::parse(typed) };
    let bare = typed.get(..7).filter(|start| start.eq_ignore_ascii_case("bhfuil.")).map_or(typed, |_| &typed[7..]);
    if bare.starts_with("repo.") {
        return Err(Kind::BadValue.error(format!("--repo and the repository in '{typed}' can't be used together")));
    }
    // What may have been meant is told by the name as it was typed.
    Name::parse(bare)
        .map(|name| name.for_repository(repo))
        .or_else(|cause| Name::parse(&format!("repo.{repo}.{bare}")).map_err(|_| cause))
}

fn setting<'a>(value: &Value, repo: Option<&'a str>) -> Setting<'a> {
    // A secret that somebody put there is not spread.
    let bytes =
        if value.is_secret() { b"***".to_vec() } else { value.bytes.clone().unwrap_or_else(|| b"true".to_vec()) };
    let (text, text_b64) = lossy(&bytes);
    let (origin, origin_b64) = lossy(&value.origin.to_bytes());
    Setting {
        key: value.name.to_string().into(),
        value: text.into(),
        value_b64: text_b64.map(Cow::Owned),
        origin: origin.into(),
        origin_b64: origin_b64.map(Cow::Owned),
        scope: Some(value.origin.level.word().into()),
        repo: repo.map(Cow::Borrowed),
    }
}

async fn tell(values: &[Value], repo: Option<&str>, report: &mut Strand) -> anyhow::Result<()> {
    let mut listing = report.format().listing();
    for value in values {
        listing.add(&Event::Setting(setting(value, repo)));
    }
    let (bytes, counts) = listing.finish();
    Ok(report.batch(bytes, &counts).await?)
}

async fn list(args: &ConfigListArgs, dir: &Path, report: &mut Strand) -> anyhow::Result<Ending> {
    let whose = Whose::of(args.repo.as_ref(), dir).await?;
    let view = &whose.current.view;
    let mut values = view.holding(whose.repo(view));
    if whose.named.is_none() {
        values.retain(|value| !value.name.key.is_of_repository);
        values.extend(view.of_repositories().cloned());
    }
    tell(&values, whose.named.as_deref(), report).await?;
    if args.watch { watch(&whose, report).await } else { Ok(Ending::default()) }
}

/// Tells what changes, until it is stopped.
async fn watch(whose: &Whose, report: &mut Strand) -> anyhow::Result<Ending> {
    let mut changes = whose.config.subscribe(whose.current.clone());
    loop {
        let repo = whose.repo(&changes.seen().view).map(str::to_owned);
        let change = changes.next(repo.as_deref()).await;
        tell_change(&change, whose.named.as_deref(), report).await?;
    }
}

/// Tells what has other values now, and what is wrong with them.
pub(super) async fn tell_change(change: &Change, repo: Option<&str>, report: &mut Strand) -> anyhow::Result<()> {
    for value in &change.settings {
        report.event(&Event::Setting(setting(value, repo))).await?;
    }
    let Some(trouble) = &change.current.trouble else { return Ok(()) };
    let message = format!("{trouble}; what held before still does");
    warn(report, "config-unusable", &message, "git bhfuil config validate tells all that is wrong").await
}

pub(super) async fn warn(report: &mut Strand, code: &str, message: &str, hint: &str) -> anyhow::Result<()> {
    let warning = Warning {
        repo: None,
        id: None,
        query: None,
        code: code.into(),
        message: message.into(),
        hint: Some(hint.into()),
        count: 1,
    };
    Ok(report.warn(warning).await?)
}

async fn get(args: &ConfigGetArgs, dir: &Path, report: &mut Strand) -> anyhow::Result<Ending> {
    // A name that is none is told before a repository that is none.
    name(&args.key.0, args.repo.as_ref().map(|repo| repo.0.as_str()))?;
    let whose = Whose::of(args.repo.as_ref(), dir).await?;
    let view = &whose.current.view;
    let mut name = whose.name(&args.key.0)?;
    let asked = name.repo.take().or_else(|| whose.repo(view).map(str::to_owned));
    let values = view.of(&name, asked.as_deref());
    tell(&values, whose.named.as_deref(), report).await?;
    Ok(Ending { negative: values.is_empty(), ..Ending::default() })
}

async fn set(args: &ConfigSetArgs, dir: &Path, report: &mut Strand) -> anyhow::Result<Ending> {
    use std::os::unix::ffi::OsStrExt as _;
    name(&args.key.0, args.repo.as_ref().map(|repo| repo.0.as_str()))?;
    let whose = Whose::of(args.repo.as_ref(), dir).await?;
    let name = whose.name(&args.key.0)?;
    let value = args.value.0.as_bytes();
    own_file()?.set(&name, value, args.add).await?;
    let view = whose.config.current().await?.view;
    let own: Vec<Value> = view.set_in_own_file(&name).cloned().collect();
    tell(&own, whose.named.as_deref(), report).await?;
    let counting = view.of(&Name { repo: None, ..name.clone() }, name.repo.as_deref().or(whose.repo(&view)));
    if let Some(other) = counting.iter().rfind(|value| value.origin.level > Level::Own)
        && !name.key.repeatable
    {
        let message =
            format!("{name} is {} all the same: {} comes after this file", setting(other, None).value, other.origin);
        warn(report, "overridden", &message, "git bhfuil config get tells what counts, and from where").await?;
    }
    Ok(Ending::default())
}

async fn unset(args: &ConfigUnsetArgs, dir: &Path) -> anyhow::Result<Ending> {
    name(&args.key.0, args.repo.as_ref().map(|repo| repo.0.as_str()))?;
    let whose = Whose::of(args.repo.as_ref(), dir).await?;
    let was_set = own_file()?.unset(&whose.name(&args.key.0)?).await?;
    Ok(Ending { negative: !was_set, ..Ending::default() })
}

async fn validate(dir: &Path, report: &mut Strand) -> anyhow::Result<Ending> {
    let set: Vec<String> = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
    let mut problems = config::check(dir, &config::process_variables(), &set).await?;
    if let Ok(file) = own_file()
        && let Ok(document) = file.read().await
    {
        problems.extend(Listing::of(document).problems(file.path()));
    }
    for problem in &problems {
        report.finding(Kind::BadValue, &problem.told(), problem.hint.as_deref()).await?;
    }
    Ok(Ending { negative: !problems.is_empty(), ..Ending::default() })
}

async fn init(report: &mut Strand) -> anyhow::Result<Ending> {
    let file = own_file()?;
    file.init().await?;
    let path: PathBuf = file.path().to_owned();
    report.note(&format!("wrote {}", path.display()));
    Ok(Ending::default())
}
