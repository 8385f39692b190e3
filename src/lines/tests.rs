use super::*;

fn settings(stable: &[&str], mainline: &[&str], release_tag: &[&str]) -> Lines {
    let list = |globs: &[&str]| globs.iter().map(ToString::to_string).collect();
    Lines::new(&LineSettings {
        stable: list(stable),
        mainline: list(mainline),
        release_tag: list(release_tag),
        remotes: list(&["team/fork", "team/fork/old"]),
    })
}

fn name(lines: &Lines, refname: &str) -> Option<String> {
    lines.line_of(refname.as_bytes()).map(|line| line.name().to_owned())
}

#[test]
fn the_name_of_a_remote_in_front_does_not_matter() {
    let lines = settings(&[], &[], &[]);
    for (refname, line) in [
        ("refs/heads/stable/2025.1", Some("2025.1")),
        ("refs/remotes/origin/stable/2025.1", Some("2025.1")),
        ("refs/remotes/team/fork/stable/2025.1", Some("2025.1")),
        ("refs/remotes/team/fork/old/v255-stable", Some("255")),
        ("refs/remotes/other/fork/v255-stable", None),
        ("refs/remotes/origin/main", Some("mainline")),
        ("refs/remotes/origin/HEAD", None),
        ("refs/remotes/origin", None),
        ("refs/remotes/stable/topic", None),
        ("refs/heads/origin/stable/2025.1", None),
        ("refs/pull/1/head", None),
        ("refs/notes/stable-2.9", None),
        ("refs/tags/train-eol", Some("train")),
        ("refs/tags/v255.4", None),
        ("refs/tags/stable-2.9", None),
        ("HEAD", None),
        ("", None),
    ] {
        assert_eq!(name(&lines, refname).as_deref(), line, "{refname}");
    }
}

#[test]
fn the_lines_of_a_repository_stand_in_order_and_once() {
    let refs = [
        "refs/heads/master",
        "refs/remotes/origin/master",
        "refs/heads/stable/2025.1",
        "refs/heads/unmaintained/2023.1",
        "refs/remotes/origin/stable/2025.1",
        "refs/heads/unmaintained/yoga",
        "refs/tags/train-em",
        "refs/tags/train-eol",
        "refs/tags/31.0.1",
        "refs/heads/topic",
    ];
    let lines = Lines::default().all(refs.iter().map(|refname| refname.as_bytes()));
    let names: Vec<_> = lines.iter().map(Line::name).collect();
    assert_eq!(names, ["train", "yoga", "2023.1", "2025.1", "mainline"]);
}

#[test]
fn a_configured_list_replaces_the_conventions_and_exclusions_take_from_them() {
    let lines = settings(&["openssl-*", "kirkstone", "refs/branch-heads/*", "!*-wip"], &[], &[]);
    for (refname, line) in [
        ("refs/heads/openssl-3.2", Some("3.2")),
        ("refs/remotes/origin/openssl-3.2", Some("3.2")),
        ("refs/heads/openssl-3.2-wip", None),
        ("refs/heads/kirkstone", Some("kirkstone")),
        ("refs/branch-heads/6099", Some("6099")),
        ("refs/heads/stable/2025.1", None),
        ("refs/tags/train-eol", None),
        ("refs/heads/main", Some("mainline")),
    ] {
        assert_eq!(name(&lines, refname).as_deref(), line, "{refname}");
    }
    let lines = settings(&["!2.2", "!origin/*"], &["next"], &[]);
    for (refname, line) in [
        ("refs/heads/2.2", None),
        ("refs/heads/2.4", Some("2.4")),
        ("refs/remotes/origin/2.4", None),
        ("refs/remotes/fork/2.4", Some("2.4")),
        ("refs/heads/next", Some("mainline")),
        ("refs/heads/main", None),
        ("refs/tags/train-eol", Some("train")),
    ] {
        assert_eq!(name(&lines, refname).as_deref(), line, "{refname}");
    }
}

#[test]
fn the_branch_of_head_is_the_mainline_only_if_no_other_is_known() {
    let refs = |names: &[&'static str]| names.iter().map(|name| name.as_bytes()).collect::<Vec<_>>();
    let with = |head: &str, names: &[&'static str]| Lines::default().with_head(head.as_bytes(), refs(names));
    let trees = with("refs/heads/trees", &["refs/heads/trees", "refs/heads/topic"]);
    assert_eq!(name(&trees, "refs/heads/trees").as_deref(), Some("mainline"));
    assert_eq!(name(&trees, "refs/remotes/origin/trees").as_deref(), Some("mainline"));
    assert_eq!(name(&trees, "refs/heads/topic"), None);
    let known = with("refs/heads/topic", &["refs/heads/topic", "refs/remotes/origin/main"]);
    assert_eq!(name(&known, "refs/heads/topic"), None);
    let stable = with("refs/heads/v255-stable", &["refs/heads/v255-stable"]);
    assert_eq!(name(&stable, "refs/heads/v255-stable").as_deref(), Some("255"));
}

#[test]
fn only_tags_that_the_settings_name_are_releases() {
    let lines = settings(&[], &[], &["v*", "!*-test"]);
    let line = Line::mainline();
    for (refname, release) in [
        ("refs/tags/v1.2", true),
        ("refs/tags/v1.2-rc1", false),
        ("refs/tags/v1.2-test", false),
        ("refs/tags/gitgui-0.21.0", false),
    ] {
        let tag = lines.tag(refname.as_bytes()).unwrap_or_else(|| panic!("{refname} has a version"));
        assert_eq!(tag.is_release(&line), release, "{refname}");
    }
    assert_eq!(lines.tag(b"refs/heads/v1.2"), None);
    assert_eq!(lines.tag(b"refs/tags/show"), None);
}

/// What was found out of names is kept under the number of the rules. Whoever changes how a name is read changes the sum here, and has to raise
/// the number with it.
#[test]
fn how_names_are_read_goes_with_the_number_of_the_rules() {
    let shapes = [
        "*",
        "v*",
        "v*-stable",
        "stable/*",
        "stable-*",
        "release-*",
        "release/*.x",
        "maint-*",
        "maint/*",
        "REL_*_STABLE",
        "REL_*",
        "branch-*",
        "*-stable",
        "*-eol",
        "*-em",
        "*-eom",
        "unmaintained/*",
        "hotfix/*",
        "*-rc1",
        "v*-rc.2",
        "*.0b1",
        "*-beta",
        "pkg/v*",
    ];
    let versions = [
        "1", "2.9", "2.10.3", "16_3", "255", "2025.1", "yoga", "zed", "main", "master", "v1.2", "1.x", "0.0",
        "20240131",
    ];
    let filled = |shape: &&str| versions.map(|version| shape.replace('*', version));
    let names: Vec<String> = shapes.iter().flat_map(filled).collect();
    let full = |kind: &str| names.iter().map(|name| format!("{kind}{name}").into_bytes()).collect::<Vec<_>>();
    let (branches, tags) = ([full("refs/heads/"), full("refs/remotes/origin/")].concat(), full("refs/tags/"));
    let mut said = String::new();
    for lines in [settings(&[], &[], &[]), settings(&["*2.*", "!*_3*"], &["z*"], &["v*", "!*rc*"])] {
        for name in branches.iter().chain(&tags) {
            said.push_str(lines.line_of(name).as_ref().map_or("-", Line::name));
            said.push('\n');
        }
        let all = lines.all(branches.iter().chain(&tags).map(Vec::as_slice));
        let mut read: Vec<TagName<'_>> = tags.iter().filter_map(|tag| lines.tag(tag)).collect();
        read.sort_unstable();
        for tag in read {
            let own = line_of_tag(&tag, &all, |_| true);
            let own = own.map(|line| (line.name(), tag.is_release(line), counts_for(line, Some(line), true)));
            said.extend([format!("{:?} {own:?}\n", String::from_utf8_lossy(tag.name))]);
        }
    }
    assert_eq!((RULES, said.lines().count(), crc32fast::hash(said.as_bytes())), (1, 2_440, 4_143_933_482));
}
