//! One question to many repositories: each finds what it has, tells the others of it on a board, and looks again for what they
//! have told, until nobody finds anything more. Then each tells its part of every change. At most so many are open at a time,
//! whatever their number; between its turns a repository is closed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;

use super::answer::answer_family;
use super::board::{Board, Family};
use super::desk::Desk;
use super::input::{Input, Line};
use super::kin;
use super::resolve::Target;
use super::search::{Made, Search};
use super::{Options, Sought, open, within};
use crate::announce::{self, Indexed};
use crate::describe::Told;
use crate::error::{self, Kind};
use crate::events::Event;
use crate::facts::Oid;
use crate::git::Repository;
use crate::git::refs::Selection;
use crate::index::Trouble;
use crate::report::{Ending, FailedPart, Gone, Strand};
use crate::repos::Limit;
use crate::shutdown::Token;

/// Queries that are asked together: each repository is opened once or twice for all of them.
const TOGETHER: usize = 256;

/// A repository that is asked.
#[derive(Debug)]
pub struct Member {
    /// Where it is, with a name of its own.
    pub sought: Sought,
    /// Its refs that are asked about.
    pub refs: Selection,
    /// What is told of it.
    pub strand: Strand,
}

/// A query and what has become of it.
struct Asked {
    query: OsString,
    board: RefCell<Board>,
    /// Why a repository didn't understand it: the first that didn't.
    refusal: RefCell<Option<anyhow::Error>>,
    /// Whether it may mean several commits of one repository.
    is_ambiguous: RefCell<bool>,
}

/// A repository between its turns.
struct Home {
    options: Arc<Options>,
    strand: Strand,
    indexed: Indexed,
    /// How much of each query's board it has seen.
    seen: Vec<usize>,
    /// Whether it was opened before.
    is_known: bool,
    /// Why it can't be asked any more.
    failure: Option<anyhow::Error>,
}

/// Asks `members` what `options` say, at most as many at a time as `limit` allows. Returns their strands with the outcome.
pub async fn run(
    options: Options,
    members: Vec<Member>,
    limit: &Limit,
    token: &Token,
) -> (Vec<Strand>, anyhow::Result<Ending>) {
    let mut homes: Vec<Home> = members
        .into_iter()
        .map(|Member { sought, refs, strand }| Home {
            options: Arc::new(Options { sought, refs, queries: Vec::new(), stdin: None, ..options.clone() }),
            strand,
            indexed: Indexed::default(),
            seen: Vec::new(),
            is_known: false,
            failure: None,
        })
        .collect();
    // Whatever is waited for when a signal comes is dropped.
    let outcome = token.unless_cancelled(Box::pin(ask_all(&options, &mut homes, limit, token))).await;
    let outcome = outcome.unwrap_or(Ok(None));
    let outcome = match outcome {
        Ok(found) => end(&mut homes, token).await.map(|()| found),
        Err(cause) => Err(cause),
    };
    let ending = outcome.map(|found| Ending {
        negative: found == Some(false),
        incomplete: token.is_cancelled(),
        ..Ending::default()
    });
    (homes.into_iter().map(|home| home.strand).collect(), ending)
}

/// Asks everything that `options` ask; whether anything was found, if anything was asked.
async fn ask_all(options: &Options, homes: &mut [Home], limit: &Limit, token: &Token) -> anyhow::Result<Option<bool>> {
    let mut found = None;
    let mut batch = options.queries.clone();
    let mut input = options.stdin.map(Input::new);
    loop {
        let mut is_over = input.is_none();
        if let Some(input) = &mut input {
            while batch.len() < TOGETHER && !is_over {
                match input.next().await? {
                    Some(Line::Query(query)) => batch.push(query),
                    Some(Line::Fault(kind, message)) => fail(homes, None, kind, &message, None).await?,
                    Some(Line::Nothing) => {}
                    None => is_over = true,
                }
            }
        }
        if let Some(ear) = &options.ear {
            for query in &batch {
                ear.hear(Told::Query(&query.to_string_lossy()));
            }
        }
        if !batch.is_empty() || homes.iter().any(|home| !home.is_known) {
            let is_alone = is_over && found.is_none();
            let some = ask(std::mem::take(&mut batch), is_alone, homes, limit, token).await?;
            found = some.map(|some| found.unwrap_or(false) | some).or(found);
        }
        if is_over || token.is_cancelled() {
            return Ok(found);
        }
    }
}

/// Asks `queries` together. `is_alone` says that nothing else was asked or will be.
async fn ask(
    queries: Vec<OsString>,
    is_alone: bool,
    homes: &mut [Home],
    limit: &Limit,
    token: &Token,
) -> anyhow::Result<Option<bool>> {
    let asked = |query| Asked {
        query,
        board: RefCell::default(),
        refusal: RefCell::default(),
        is_ambiguous: RefCell::default(),
    };
    let asked: Vec<Asked> = queries.into_iter().map(asked).collect();
    for home in homes.iter_mut() {
        home.seen = vec![0; asked.len()];
    }
    // Whoever has what is asked for goes first: the others hear of it when it is their turn, and need no second one.
    let ids: Arc<Vec<Oid>> = Arc::new(asked.iter().filter_map(whole_id).collect());
    let holders = holders(&ids, homes).await?;
    for (home, _) in homes.iter_mut().zip(&holders).filter(|(_, is_holder)| !**is_holder) {
        Arc::make_mut(&mut home.options).known_absent = Arc::clone(&ids);
    }
    for is_holder in [true, false] {
        let wants = |place: usize, home: &Home| home.failure.is_none() && holders[place] == is_holder;
        turns(homes, limit, wants, async |place, home| Box::pin(gather(&asked, place, home, true, token)).await)
            .await?;
    }
    while !token.is_cancelled() {
        let wants = |place: usize, home: &Home| {
            let has_news = |(asked, seen): (&Asked, &usize)| asked.board.borrow().since(*seen, place).next().is_some();
            home.failure.is_none() && asked.iter().zip(&home.seen).any(has_news)
        };
        if !turns(homes, limit, wants, async |place, home| Box::pin(gather(&asked, place, home, false, token)).await)
            .await?
        {
            break;
        }
    }
    let families: Vec<BTreeMap<usize, Vec<Family>>> =
        asked.iter().map(|asked| asked.board.borrow().families()).collect();
    let has_part =
        |place: usize, home: &Home| home.failure.is_none() && families.iter().any(|of| of.contains_key(&place));
    let tell = async |place, home: &mut Home| {
        let parts = asked.iter().zip(&families).filter_map(|(asked, of)| Some((&asked.query, of.get(&place)?)));
        tell(&parts.collect::<Vec<_>>(), home, token).await
    };
    turns(homes, limit, has_part, tell).await?;
    sum_up(&asked, is_alone, homes, token).await
}

/// The id that is asked for, if it is all that is.
fn whole_id(asked: &Asked) -> Option<Oid> {
    Oid::from_hex(asked.query.to_str()?.as_bytes())
}

/// Which of `homes` have an object with one of `ids`. Costs a tenth of a turn.
async fn holders(ids: &Arc<Vec<Oid>>, homes: &[Home]) -> anyhow::Result<Vec<bool>> {
    let mut pending = Vec::with_capacity(homes.len());
    for home in homes {
        let Some(pool) = home.options.pool.as_ref().filter(|_| !ids.is_empty()) else { continue };
        let (options, ids) = (Arc::clone(&home.options), Arc::clone(ids));
        let has_one = move || {
            // Why one can't be opened is said when it is its turn.
            Repository::find_one_of(&options.sought, &ids).unwrap_or(false)
        };
        pending.push(pool.submit(has_one).await?);
    }
    let mut holders = Vec::with_capacity(homes.len());
    for one in pending {
        holders.push(one.result().await?);
    }
    holders.resize(homes.len(), false);
    Ok(holders)
}

/// Gives each home that `wants` one its turn. `false` if none does. What goes wrong in one is its own.
async fn turns(
    homes: &mut [Home],
    limit: &Limit,
    wants: impl Fn(usize, &Home) -> bool,
    turn: impl AsyncFn(usize, &mut Home) -> anyhow::Result<()>,
) -> anyhow::Result<bool> {
    let wanted: Vec<bool> = homes.iter().enumerate().map(|(place, home)| wants(place, home)).collect();
    if !wanted.contains(&true) {
        return Ok(false);
    }
    let turn = &turn;
    let jobs = homes.iter_mut().enumerate().filter(|(place, _)| wanted[*place]).map(|(place, home)| {
        async move |_slot| {
            let outcome = turn(place, home).await;
            match outcome {
                Err(cause) if cause.downcast_ref::<Gone>().is_some() => Err(cause),
                Err(cause) => {
                    home.failure = Some(cause);
                    Ok(())
                }
                Ok(()) => Ok(()),
            }
        }
    });
    for outcome in limit.run(jobs).await {
        outcome.unwrap_or_else(|panic| panic.resume())?;
    }
    Ok(true)
}

/// Looks for what is asked, and for what the others have found.
async fn gather(asked: &[Asked], place: usize, home: &mut Home, is_first: bool, token: &Token) -> anyhow::Result<()> {
    let mut search = open(Arc::clone(&home.options), &mut home.strand, token, !home.is_known).await?;
    home.is_known = true;
    let (name, limit) = (search.name.clone(), search.settings.where_timeout);
    within(limit, &name, Box::pin(look(&mut search, asked, place, &mut home.seen, is_first))).await?;
    if is_first {
        home.indexed = Indexed { state: search.indexed.state, new: home.indexed.new + search.indexed.new };
    }
    search.forget();
    let Search { index, pool, .. } = search;
    // To close a database takes as long as to look something up in it; the next repository need not wait for that.
    Ok(pool.run(move || drop(index)).await?)
}

async fn look(
    search: &mut Search<'_>,
    asked: &[Asked],
    place: usize,
    seen: &mut [usize],
    is_first: bool,
) -> anyhow::Result<()> {
    if is_first {
        search.catch_up().await?;
    }
    for (asked, seen) in asked.iter().zip(seen) {
        if search.token.is_cancelled() {
            break;
        }
        let (target, hits) = if is_first { own(search, asked).await? } else { (None, Vec::new()) };
        let (others, kin): (Vec<usize>, Vec<_>) = asked.board.borrow().since(*seen, place).unzip();
        let now = asked.board.borrow().len();
        if target.is_some() || !hits.is_empty() || !kin.is_empty() {
            let Some(scope) = search.scope().await? else { break };
            let job = move || {
                scope.handles.with(|handle| kin::gather(&mut Desk::new(&scope, handle), target.as_ref(), &hits, &kin))
            };
            let mut gathered = search.pool.run(job).await??;
            search.kept.append(&mut gathered.found_out);
            search.absent += gathered.absent;
            let broken = std::mem::take(&mut gathered.broken);
            announce::broken(search.report, &search.name, None, broken).await?;
            asked.board.borrow_mut().add(place, gathered, &others);
        }
        *seen = now;
    }
    search.wind_up().await
}

/// What a query means here. One that isn't understood here may be elsewhere.
async fn own(search: &mut Search<'_>, asked: &Asked) -> anyhow::Result<(Option<Target>, Vec<crate::graph::Position>)> {
    match search.target(&asked.query).await {
        Ok(Some(Target::Words(words))) => Ok((None, search.hit_by(&words).await?)),
        Ok(Some(ambiguous @ Target::Ambiguous(_))) => {
            *asked.is_ambiguous.borrow_mut() = true;
            search.answer(asked.query.to_string_lossy().into_owned(), ambiguous).await?;
            while search.tell_next().await? {}
            Ok((None, Vec::new()))
        }
        Ok(Some(Target::Nothing(_)) | None) => Ok((None, Vec::new())),
        Ok(target) => Ok((target, Vec::new())),
        Err(cause) if matches!(error::kind_of(&cause), Kind::BadRevision | Kind::BadValue) => {
            asked.refusal.borrow_mut().get_or_insert(cause);
            Ok((None, Vec::new()))
        }
        Err(cause) => Err(cause),
    }
}

/// Tells what a home has: of each query the changes.
async fn tell(parts: &[(&OsString, &Vec<Family>)], home: &mut Home, token: &Token) -> anyhow::Result<()> {
    let mut search = open(Arc::clone(&home.options), &mut home.strand, token, false).await?;
    for (query, families) in parts {
        let query = query.to_string_lossy();
        for family in *families {
            if token.is_cancelled() {
                break;
            }
            let Some(scope) = search.scope().await? else { break };
            let (format, shown, family) = (search.report.format(), query.clone().into_owned(), family.clone());
            let job = move || {
                scope.handles.with(|handle| {
                    let mut writing = format.answer();
                    let mut add = |event: &Event<'_>| writing.add(event);
                    let outcome = answer_family(&mut Desk::new(&scope, handle), &shown, &family, &mut add)?;
                    let (bytes, counts) = writing.finish();
                    anyhow::Ok(Made { bytes, counts, outcome })
                })
            };
            let made = search.pool.run(job).await??;
            search.tell_made(&query, made).await?;
        }
    }
    search.wind_up().await
}

/// Says what was found nowhere. Whether anything was found, if anything was asked.
async fn sum_up(asked: &[Asked], is_alone: bool, homes: &mut [Home], token: &Token) -> anyhow::Result<Option<bool>> {
    let mut found = None;
    let (mut refused, count) = (0, asked.len());
    for asked in asked {
        if token.is_cancelled() {
            break;
        }
        let is_found = !asked.board.borrow().is_empty();
        let shown = asked.query.to_string_lossy();
        if is_found || *asked.is_ambiguous.borrow() {
            found = Some(found.unwrap_or(false) | is_found);
            continue;
        }
        let refusal = asked.refusal.borrow_mut().take();
        if let Some(cause) = refusal {
            refused += 1;
            if is_alone && refused == count {
                return Err(error::about(cause, &shown));
            }
            let (kind, message, hint) = (error::kind_of(&cause), error::message_of(&cause), error::hint_of(&cause));
            fail(homes, Some(&shown), kind, &message, hint).await?;
            continue;
        }
        found.get_or_insert(false);
        let message = format!("'{shown}' was not found in {} repositories", homes.len());
        let trouble = Trouble { code: "nothing-found", message, hint: None };
        if let Some(home) = homes.first_mut() {
            let name = home.options.sought.name.clone().unwrap_or_default();
            announce::warn_about(&mut home.strand, &name, &shown, &trouble).await?;
        }
    }
    Ok(found)
}

/// Reports a failure that is no repository's in particular.
async fn fail(
    homes: &mut [Home],
    query: Option<&str>,
    kind: Kind,
    message: &str,
    hint: Option<&str>,
) -> anyhow::Result<()> {
    if let Some(home) = homes.first_mut() {
        let name = home.options.sought.name.clone().unwrap_or_default();
        home.strand.fail_part(&name, FailedPart { id: None, query, kind, message, hint }).await?;
    }
    Ok(())
}

/// Ends the part of each repository.
async fn end(homes: &mut [Home], token: &Token) -> anyhow::Result<()> {
    for home in homes {
        let name = home.options.sought.name.clone().unwrap_or_default();
        match home.failure.take() {
            Some(_) if token.is_cancelled() => {
                announce::end(&mut home.strand, &name, true, home.indexed).await?;
            }
            Some(cause) => announce::failed(&mut home.strand, &name, &cause).await?,
            None => announce::end(&mut home.strand, &name, token.is_cancelled(), home.indexed).await?,
        }
    }
    Ok(())
}
