//! Why two commits match, or don't: the gates, every rung, and how their diffs differ.

use std::ffi::OsString;

use super::{Found, Options, run};
use crate::describe::lossy;
use crate::error::{self, Kind};
use crate::events::Event;
use crate::events::matching::{Interdiff, Verdict};
use crate::gitcli;
use crate::graph::Position;
use crate::locate::study::Study;
use crate::locate::wire_rung;
use crate::report::{Ending, Strand};
use crate::shutdown::Token;

/// Tells what every rung of the ladder says of two commits.
///
/// # Errors
/// If there is no repository, or one of them is no commit.
pub async fn explain(
    options: Options,
    one: &OsString,
    other: &OsString,
    report: &mut Strand,
    token: &Token,
) -> anyhow::Result<Ending> {
    run(&options, report, token, "comparing two commits", async |study| {
        let (a, b) = (commit(study, one).await?, commit(study, other).await?);
        let (id, with) = (study.graph().id(a), study.graph().id(b));
        let repo = study.name().to_owned();
        let Some(steps) = study.explain(a, b).await? else { return Ok(Found::default()) };
        let found = Found { any: !steps.iter().any(|step| step.holds == Some(true)), is_unsure: false };
        for step in &steps {
            let event = Verdict {
                repo: repo.as_str().into(),
                id: id.to_hex().into(),
                other: with.to_hex().into(),
                rung: wire_rung(step.rung),
                holds: step.holds,
                evidence: step.evidence.as_str().into(),
                evidence_b64: None,
            };
            study.report().event(&Event::Verdict(event)).await?;
        }
        let is_merge = |position: Position| study.graph().parents(position).len() > 1;
        if !is_merge(a) && !is_merge(b) {
            let text = gitcli::interdiff(study.repository(), &id, &with).await?;
            let (text, text_b64) = lossy(&text);
            let event = Interdiff {
                repo: repo.as_str().into(),
                id: id.to_hex().into(),
                other: with.to_hex().into(),
                text: text.into(),
                text_b64: text_b64.map(Into::into),
            };
            study.report().event(&Event::Interdiff(event)).await?;
        }
        Ok(found)
    })
    .await
}

/// The one commit that `name` means.
async fn commit(study: &Study<'_>, name: &OsString) -> anyhow::Result<Position> {
    let shown = name.to_string_lossy();
    let peeled: OsString = {
        let mut peeled = name.clone();
        peeled.push("^{commit}");
        peeled
    };
    let found = gitcli::rev_parse(study.repository(), &[peeled]).await.map_err(|cause| {
        if error::kind_of(&cause) != Kind::BadRevision {
            return cause;
        }
        Kind::BadRevision.hinted(format!("'{shown}' is no commit here"), "git log --all --oneline lists them")
    })?;
    let id = found.tips.first().map(|(id, _)| *id);
    id.and_then(|id| study.graph().position(&id)).ok_or_else(|| {
        Kind::BadRevision.hinted(
            format!("'{shown}' is on no branch and no tag"),
            "git bhfuil explain compares what some ref reaches; git branch <name> <commit> makes one",
        )
    })
}
