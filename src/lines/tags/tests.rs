use std::path::Path;
use std::process::Command;

use super::*;
use crate::lines::Lines;

fn tag(name: &str) -> TagName<'_> {
    TagName::parse(name.as_bytes()).unwrap_or_else(|| panic!("{name} says something"))
}

fn lines(refnames: &[&str]) -> Vec<Line> {
    Lines::default().all(refnames.iter().map(|refname| refname.as_bytes()))
}

fn named<'l>(lines: &'l [Line], name: &str) -> &'l Line {
    lines.iter().find(|line| line.name() == name).unwrap_or_else(|| panic!("{name} is a line"))
}

#[test]
fn tags_of_well_known_projects_say_prefix_numbers_and_pre_release() {
    for (name, prefix, numbers, pre_release) in [
        ("v255.4", "", &[255, 4][..], false),
        ("v255-rc1", "", &[255], true),
        ("systemd-v183", "systemd", &[183], false),
        ("udev-071", "udev", &[71], false),
        ("183", "", &[183], false),
        ("31.0.1", "", &[31, 0, 1], false),
        ("31.0.0.0rc1", "", &[31, 0, 0, 0], true),
        ("2013.2.b1", "", &[2013, 2], true),
        ("essex-rc1", "essex", &[], true),
        ("essex-1", "essex", &[1], false),
        ("7.4-rc2", "", &[7, 4], true),
        ("v2.0.0-rc1b", "", &[2, 0, 0], true),
        ("2.6.10-1", "", &[2, 6, 10], false),
        ("v2.9.6", "", &[2, 9, 6], false),
        ("v2.9.0b1", "", &[2, 9, 0], true),
        ("v2.9-dev4", "", &[2, 9], true),
        ("v2.43.0-rc1", "", &[2, 43, 0], true),
        ("gitgui-0.21.0", "gitgui", &[0, 21, 0], false),
        ("REL_16_3", "REL", &[16, 3], false),
        ("REL_16_BETA1", "REL", &[16], true),
        ("REL9_6_2", "REL", &[9, 6, 2], false),
        ("v5.10.12", "", &[5, 10, 12], false),
        ("rel/release-3.3.6", "rel/release", &[3, 3, 6], false),
        ("releases/gcc-13.2.0", "releases/gcc", &[13, 2, 0], false),
        ("@scope/name@1.2.3-next.1", "@scope/name", &[1, 2, 3], true),
        ("nightly-20240101", "", &[], true),
        ("nightly-build-v1.2", "nightly-build", &[1, 2], true),
    ] {
        let tag = tag(name);
        let found = tag.version.as_ref().map(Version::numbers);
        assert_eq!((tag.prefix, found), (prefix.as_bytes(), Some(numbers)), "{name}");
        assert_eq!((tag.is_pre_release(), tag.end), (pre_release, None), "{name}");
    }
    for name in ["vm-playpen", "with-deprecated-diskstore", "junio-gpg-pub", "show", "", "-eol", "v-eol"] {
        assert_eq!(TagName::parse(name.as_bytes()), None, "{name}");
    }
    assert!(TagName::parse(b"v1.\xff\xfe").is_some_and(|tag| !tag.is_pre_release()));
}

#[test]
fn a_tag_at_the_end_of_a_line_stands_for_its_branch_and_is_no_release() {
    for (name, line, end) in [
        ("train-eol", "train", EndMark::EndOfLife),
        ("stein-em", "stein", EndMark::ExtendedMaintenance),
        ("xena-eom", "xena", EndMark::EndOfMaintenance),
        ("2023.2-eol", "2023.2", EndMark::EndOfLife),
        ("v1.2-EOL", "1.2", EndMark::EndOfLife),
        ("stable/queens-eol", "queens", EndMark::EndOfLife),
    ] {
        let tag = tag(name);
        let ended = tag.ended_line().unwrap_or_else(|| panic!("{name} ends a line"));
        assert_eq!((ended.name(), tag.end), (line, Some(end)), "{name}");
        assert!(!tag.is_release(&ended), "{name}");
    }
}

#[test]
fn the_name_of_a_tag_decides_its_line_where_it_can() {
    let refs = [
        "refs/heads/v255-stable",
        "refs/heads/linux-5.10.y",
        "refs/heads/REL_16_STABLE",
        "refs/heads/REL9_6_STABLE",
        "refs/heads/2.8",
        "refs/heads/release-2.x",
        "refs/heads/main",
        "refs/tags/essex-eol",
    ];
    let lines = lines(&refs);
    for (name, line) in [
        ("v255.4", Some("255")),
        ("v255-rc1", Some("255")),
        ("v5.10.12", Some("5.10")),
        ("REL_16_3", Some("16")),
        ("REL9_6_2", Some("9.6")),
        ("v2.8.3", Some("2.8")),
        ("v2.9-dev4", Some("2")),
        ("essex-rc1", Some("essex")),
        ("essex-eol", Some("essex")),
        ("train-eol", None),
        ("v254", None),
    ] {
        let found = line_of_tag(&tag(name), &lines, |_| false).map(Line::name);
        assert_eq!(found, line, "{name}");
    }
}

#[test]
fn the_lowest_line_that_contains_a_tag_has_it_where_the_name_says_nothing() {
    let lines = lines(&[
        "refs/heads/master",
        "refs/heads/stable/2025.1",
        "refs/heads/stable/2025.2",
        "refs/heads/unmaintained/2024.1",
        "refs/tags/2023.2-eol",
    ]);
    // As in nova, where the lines contain these.
    for (name, containing, line) in [
        ("28.0.0", &["2023.2", "2024.1", "2025.1", "2025.2", "mainline"][..], Some("2023.2")),
        ("28.3.1", &["2023.2"], Some("2023.2")),
        ("29.0.1", &["2024.1", "2025.1", "2025.2", "mainline"], Some("2024.1")),
        ("31.0.0.0rc1", &["2025.1", "2025.2", "mainline"], Some("2025.1")),
        ("31.0.1", &["2025.1"], Some("2025.1")),
        ("33.0.0.0rc1", &["mainline"], Some("mainline")),
        ("30.0.2", &[], None),
    ] {
        let found = line_of_tag(&tag(name), &lines, |line| containing.contains(&line.name()));
        assert_eq!(found.map(Line::name), line, "{name}");
        let mainline = named(&lines, "mainline");
        assert_eq!(counts_for(mainline, found, containing.contains(&"mainline")), containing.contains(&"mainline"));
        assert!(!counts_for(named(&lines, "2025.2"), found, true), "{name}");
    }
}

#[test]
fn the_first_tag_may_be_a_candidate_and_the_first_release_may_not() {
    let lines = lines(&["refs/heads/stable/2025.1", "refs/tags/essex-eol"]);
    let first = |line: &str, names: &[&'static str]| {
        let (line, tags) = (named(&lines, line), names.iter().map(|name| tag(name)).collect::<Vec<_>>());
        let name = |tag: Option<&TagName<'static>>| tag.map(|tag| String::from_utf8_lossy(tag.name).into_owned());
        (name(first_tag(&tags)), name(first_release(line, &tags)))
    };
    let some = |name: &str| Some(name.to_owned());
    assert_eq!(first("2025.1", &["31.0.1", "31.0.0", "31.0.0.0rc1"]), (some("31.0.0.0rc1"), some("31.0.0")));
    assert_eq!(first("2025.1", &["31.10.0", "31.9.0"]), (some("31.9.0"), some("31.9.0")));
    assert_eq!(first("2025.1", &["31.0.0.0rc2"]), (some("31.0.0.0rc2"), None));
    assert_eq!(first("2025.1", &[]), (None, None));
    assert_eq!(
        first("essex", &["essex-eol", "essex-em", "2012.1.1", "2012.1", "essex-rc1", "essex-2"]),
        (some("essex-2"), some("2012.1"))
    );
    assert_eq!(first("essex", &["essex-eol"]), (some("essex-eol"), None));
}

/// Names whose order git and we must agree on; git is told which suffixes are pre-releases.
const SORTED_BY_GIT: &[&str] = &[
    "v2.43.0-rc0",
    "v2.43.0-rc1",
    "v2.43.0-rc2",
    "v2.43.0",
    "v2.43.1",
    "v2.9.0",
    "v2.10.0",
    "v2.10.0-rc1",
    "v1.8.5.6",
    "v1.8.5",
    "v5.10-rc1",
    "v5.10-rc7",
    "v5.10",
    "v5.10.1",
    "v5.10.12",
    "v5.10.100",
    "v5.11-rc1",
    "v5.9.16",
    "v4.20",
    "v255-rc1",
    "v255-rc4",
    "v255",
    "v255.4",
    "v255.10",
    "v254.1",
    "v99",
    "v2.9-dev0",
    "v2.9-dev4",
    "v2.9-dev12",
    "v0.99.7",
    "v0.99.7a",
    "v0.99.7d",
];

fn git(home: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(home)
        .args(arguments)
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_AUTHOR_NAME", "A U Thor")
        .env("GIT_AUTHOR_EMAIL", "author@example.com")
        .env("GIT_AUTHOR_DATE", "1112911993 -0700")
        .env("GIT_COMMITTER_NAME", "C O Mitter")
        .env("GIT_COMMITTER_EMAIL", "committer@example.com")
        .env("GIT_COMMITTER_DATE", "1112911993 -0700")
        .output()
        .expect("git runs");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("git writes names")
}

#[test]
fn the_order_is_that_of_git() {
    let home = tempfile::tempdir().expect("a folder");
    git(home.path(), &["init", "-q", "."]);
    git(home.path(), &["commit", "-q", "--allow-empty", "-m", "one"]);
    for name in SORTED_BY_GIT {
        git(home.path(), &["tag", name]);
    }
    let suffixes = ["-c", "versionsort.suffix=-dev", "-c", "versionsort.suffix=-rc"];
    let sorted = git(home.path(), &[&suffixes[..], &["tag", "--sort=version:refname"]].concat());
    let mut tags: Vec<_> = SORTED_BY_GIT.iter().map(|name| tag(name)).collect();
    tags.sort();
    let ours: Vec<_> = tags.iter().map(|tag| String::from_utf8_lossy(tag.name)).collect();
    assert_eq!(ours, sorted.lines().collect::<Vec<_>>());
}
