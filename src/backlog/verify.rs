//! Whether what trailers say is so: that the commit which each names exists, lies on a branch, and is the change.

use std::ffi::OsString;

use super::{Found, Options, remark, run};
use crate::error::{self, Kind};
use crate::events::Event;
use crate::events::matching::{Rung, Verdict};
use crate::gitcli;
use crate::graph::Position;
use crate::locate::pairs::Claim;
use crate::locate::study::{Mentioned, Study};
use crate::report::{Ending, Strand};
use crate::shutdown::Token;

/// Tells of each trailer of the commits in `range` that names an origin whether it is true. A false one is a negative answer.
///
/// # Errors
/// If there is no repository, or no such range.
pub async fn verify(
    options: Options,
    range: &[OsString],
    report: &mut Strand,
    token: &Token,
) -> anyhow::Result<Ending> {
    run(&options, report, token, "verifying trailers", async |study| {
        let commits = commits(study, range).await?;
        let notices = study.notices(&commits).await?;
        let claims: Vec<(Position, &Mentioned)> =
            notices.iter().flat_map(|notice| notice.origins.iter().map(|origin| (notice.position, origin))).collect();
        let pairs: Vec<(Position, Position)> =
            claims.iter().filter_map(|(commit, origin)| Some((*commit, origin.position?))).collect();
        let mut checked = study.check(&pairs).await?.into_iter();
        let repo = study.name().to_owned();
        let mut found = Found::default();
        for (commit, origin) in &claims {
            let several = claims.iter().filter(|(other, _)| other == commit).count();
            let claim = match origin.position {
                Some(_) => checked.next().unwrap_or(Claim { is_true: None, evidence: "not looked at".into() }),
                None => absent(study, origin).await?,
            };
            found.any |= claim.is_true == Some(false);
            let squash = if several > 1 { format!("one of {several} origins: ") } else { String::new() };
            let id = study.graph().id(*commit).to_hex();
            let other = origin.position.map_or_else(|| origin.text.clone(), |at| study.graph().id(at).to_hex());
            let event = Verdict {
                repo: repo.as_str().into(),
                id: id.into(),
                other: other.into(),
                rung: Rung::Trailer,
                holds: claim.is_true,
                evidence: format!("{squash}{}", claim.evidence).into(),
                evidence_b64: None,
            };
            study.report().event(&Event::Verdict(event)).await?;
        }
        if claims.is_empty() {
            remark(study, "no commit there names another as its origin");
        }
        Ok(found)
    })
    .await
}

/// What there is to say of an origin that no ref reaches.
async fn absent(study: &Study<'_>, origin: &Mentioned) -> anyhow::Result<Claim> {
    let name: OsString = format!("{}^{{commit}}", origin.text).into();
    let exists = match gitcli::rev_parse(study.repository(), &[name]).await {
        Ok(_) => true,
        Err(cause) if error::kind_of(&cause) == Kind::BadRevision => false,
        Err(cause) => return Err(cause),
    };
    // What is cut off may lie there.
    let is_true = if study.is_cut_off() && !exists { None } else { Some(false) };
    let evidence = match (exists, is_true) {
        (true, _) => "it is on no branch and no tag",
        (false, None) => "it isn't here; history is cut off",
        (false, _) => "it isn't in this repository",
    };
    Ok(Claim { is_true, evidence: evidence.into() })
}

/// The commits of `range`, the oldest first.
async fn commits(study: &Study<'_>, range: &[OsString]) -> anyhow::Result<Vec<Position>> {
    let found = gitcli::rev_parse(study.repository(), range).await?;
    let options: [OsString; 3] = ["--reverse".into(), "--topo-order".into(), "--no-merges".into()];
    let ids = gitcli::rev_list(study.repository(), &found.tips, &options, None).await?;
    let positions: Vec<Position> = ids.iter().filter_map(|id| study.graph().position(id)).collect();
    if positions.len() < ids.len() {
        let hint = "git bhfuil verify looks at what some ref reaches; git branch <name> <commit> makes one";
        return Err(Kind::BadRevision.hinted("some of these commits are on no branch and no tag", hint));
    }
    Ok(positions)
}
