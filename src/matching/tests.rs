use super::{evidence::sample, *};

/// A change and its pick, alike in everything but the trailer.
fn pick() -> (Sketch, Sketch) {
    let mut a = sample(1);
    a.change_id = Some("I1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d".to_owned());
    (a.pull_request, a.mentions) = (Some(7), vec![7]);
    (a.clone(), Sketch { id: sample(2).id, origins: vec![Named { text: a.id.to_hex(), id: Some(a.id) }], ..a })
}

fn matched(pair: &Pair<'_>, signals: Signals, least: Strength) -> Option<Verdict> {
    match judge(pair, signals, least) {
        Judgement::Matched(verdict) => Some(verdict),
        Judgement::NoMatch(_) => None,
        Judgement::Needs(need) => panic!("{need:?} is known"),
    }
}

#[test]
fn the_first_rung_that_holds_names_the_verdict_and_all_signals_are_told() {
    let (a, b) = pick();
    let pair = Pair::new(&a, &b, false);
    let all = ["trailer", "change-id", "patch-id", "author-date", "pull-request", "subject", "paths", "lines"];
    for (signals, rung, told) in [
        ("trailer,change-id,patch-id,author-date,pull-request,subject", Some(Rung::Trailer), &all[..]),
        ("change-id,patch-id,author-date,pull-request,subject", Some(Rung::ChangeId), &all[1..]),
        ("patch-id,author-date,pull-request,subject", Some(Rung::PatchIdAuthorDate), &all[2..]),
        ("author-date,pull-request,subject", Some(Rung::AuthorDate), &all[3..]),
        ("patch-id,subject", Some(Rung::PatchIdSubject), &["patch-id", "subject", "paths", "lines"]),
        ("pull-request,subject", Some(Rung::PullRequest), &all[4..]),
        ("subject", Some(Rung::Subject), &all[5..]),
        ("patch-id", Some(Rung::PatchId), &["patch-id", "paths", "lines"]),
        ("same", None, &[]),
    ] {
        let verdict = matched(&pair, signals.parse().expect("known names"), Strength::Weak);
        assert_eq!(verdict.as_ref().and_then(|verdict| verdict.rung), rung, "{signals}");
        let found: Vec<&str> = verdict.iter().flat_map(|verdict| &verdict.signals).map(|s| s.kind.as_str()).collect();
        assert_eq!(found, told, "{signals}");
    }
}

#[test]
fn weak_matches_and_hints_come_only_where_they_are_wanted() {
    let (a, mut b) = (sample(1), sample(2));
    b.subject_key.clone_from(&a.subject_key);
    let pair = Pair::new(&a, &b, false);
    assert_eq!(matched(&pair, Signals::ALL, Strength::Weak), None);
    let hint = matched(&pair, Signals::ALL, Strength::Hint).expect("the subject hints");
    assert_eq!((hint.rung, hint.strength), (None, Strength::Hint));
    assert_eq!(matched(&Pair::new(&a, &b, true), Signals::ALL, Strength::Hint), None);
}

#[test]
fn fidelity_says_what_arrived() {
    let (a, b) = pick();
    let (lines, patch_id, paths) = (sample(5).lines, sample(5).patch_id, sample(5).paths);
    for (b, expected) in [
        (b.clone(), Some(Fidelity::Exact)),
        (Sketch { patch_id: patch_id.clone(), ..b.clone() }, Some(Fidelity::Context)),
        (Sketch { patch_id: patch_id.clone(), lines: lines.clone(), ..b.clone() }, Some(Fidelity::Adapted)),
        (Sketch { origins: b.origins.clone(), ..sample(2) }, Some(Fidelity::Claimed)),
        (Sketch { paths, patch_id: Fact::Unknowable, ..b.clone() }, None),
        (Sketch { patch_id: Fact::Unasked, ..b.clone() }, None),
        (Sketch { patch_id, lines: Fact::Unasked, ..b.clone() }, None),
    ] {
        let verdict = matched(&Pair::new(&a, &b, false), Signals::ALL, Strength::Equal).expect("a trailer names it");
        assert_eq!(verdict.fidelity, expected);
        assert_eq!(verdict.is_backed, expected != Some(Fidelity::Claimed));
    }
}

#[test]
fn a_diff_is_asked_for_only_where_something_cheap_raises_the_pair() {
    let bare =
        |sketch: Sketch| Sketch { patch_id: Fact::Unasked, paths: Fact::Unasked, lines: Fact::Unasked, ..sketch };
    let (a, b) = (bare(sample(1)), bare(sample(2)));
    assert_eq!(judge(&Pair::new(&a, &b, false), Signals::ALL, Strength::Equal), Judgement::NoMatch(None));
    let same_subject = Sketch { subject_key: a.subject_key.clone(), ..b.clone() };
    let pair = Pair::new(&a, &same_subject, false);
    assert_eq!(judge(&pair, Signals::ALL, Strength::Equal), Judgement::Needs(Need::PatchId));
    assert_eq!(is_equal(&pair, Signals::ALL), Answer::Needs(Need::PatchId));
    // The second rung may hold, so that the third isn't the answer yet; whether they are equal is settled.
    let picked = Sketch { author_name: a.author_name.clone(), author_date: a.author_date, ..same_subject };
    let pair = Pair::new(&a, &picked, false);
    assert_eq!(judge(&pair, Signals::ALL, Strength::Equal), Judgement::Needs(Need::PatchId));
    assert_eq!(is_equal(&pair, Signals::ALL), Answer::Yes);
    assert_eq!(pair.lacks(), Some(Need::Paths));
}

#[test]
fn a_reland_is_the_change_and_a_revert_is_not() {
    let (a, b) = pick();
    for (depth, is_match) in [(0, true), (1, false), (2, true), (3, false), (4, true)] {
        let b = Sketch { revert_depth: depth, ..b.clone() };
        let judged = matched(&Pair::new(&a, &b, false), Signals::ALL, Strength::Equal);
        assert_eq!(judged.is_some(), is_match, "{depth}");
    }
}

#[test]
fn every_rung_is_explained() {
    let (a, b) = pick();
    let (gate, steps) = explain(&Pair::new(&a, &b, false), Signals::ALL);
    assert_eq!(gate, None);
    assert!(steps.iter().all(|step| step.holds == Some(true) && !step.evidence.is_empty()), "{steps:#?}");
    let other = Sketch { lines: Fact::Unknowable, ..sample(3) };
    let (_, steps) =
        explain(&Pair::new(&a, &Sketch { subject_key: a.subject_key.clone(), ..other }, false), Signals::ALL);
    let subject = steps.iter().find(|step| step.rung == Rung::Subject).expect("all rungs");
    assert_eq!(subject.holds, Some(false));
    assert_eq!(subject.evidence, "same subject fix 1; 0 paths in common, of 1 and 1; lines can't be known");
    let revert = Sketch { revert_depth: 1, ..b };
    let (gate, steps) = explain(&Pair::new(&a, &revert, false), Signals::ALL);
    assert_eq!(gate, Some(Gate::Revert));
    assert!(steps.iter().all(|step| step.holds == Some(false) && step.evidence.starts_with("exactly one")));
}

#[test]
fn what_backs_a_trailer_is_never_left_open() {
    let named = |sketch: Sketch| Sketch { origins: pick().1.origins, ..sketch };
    let a = sample(1);
    // It holds all lines of the other and more, and has the author and date of it: a squash, for all that is known.
    let mut squash = named(Sketch { author_name: a.author_name.clone(), author_date: a.author_date, ..sample(2) });
    squash.paths.clone_from(&a.paths);
    let Fact::Known(mut lines) = a.lines.clone() else { panic!("known") };
    lines.added.push(u64::MAX);
    squash.lines = Fact::Known(lines);
    for (what, other, expected) in [
        ("a squash", squash.clone(), Some(false)),
        ("not compared yet", Sketch { patch_id: Fact::Unasked, ..squash.clone() }, None),
        ("never to be compared", Sketch { patch_id: Fact::Unknowable, ..squash.clone() }, Some(false)),
        ("the patch-id", Sketch { patch_id: a.patch_id.clone(), ..squash.clone() }, Some(true)),
        ("author, date and subject", Sketch { subject_key: a.subject_key.clone(), ..squash.clone() }, Some(true)),
        ("the subject alone", named(Sketch { subject_key: a.subject_key.clone(), ..sample(2) }), Some(false)),
    ] {
        let backed = match judge(&Pair::new(&a, &other, false), Signals::ALL, Strength::Equal) {
            Judgement::Matched(verdict) => {
                assert_eq!(verdict.rung, Some(Rung::Trailer), "{what}");
                Some(verdict.is_backed)
            }
            Judgement::Needs(need) => {
                assert_eq!(need, Need::PatchId, "{what}");
                None
            }
            Judgement::NoMatch(gate) => panic!("{what}: {gate:?}"),
        };
        assert_eq!(backed, expected, "{what}");
    }
    // Where it doesn't count nobody asks for it.
    let signals: Signals = "trailer".parse().expect("a known name");
    let unasked = Sketch { patch_id: Fact::Unasked, ..squash };
    assert!(matches!(judge(&Pair::new(&a, &unasked, false), signals, Strength::Equal), Judgement::Matched(_)));
}
