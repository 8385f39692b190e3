use std::ffi::OsString;

use super::*;

fn around(program: &str, variables: &[(&str, &str)]) -> Surroundings {
    Surroundings::of(program.into(), &|name| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
    })
}

fn paths(places: &Places) -> [String; 4] {
    let path = |kind, name| places.path(kind, name).map(|path| path.display().to_string()).unwrap_or_default();
    [path(Kind::Program, "git-bhfuil"), path(Kind::Manual(1), "x.1"), path(Kind::Bash, "x"), path(Kind::Zsh, "_x")]
}

#[test]
fn a_users_parts_go_where_man_and_shells_look() {
    let (home, usual) = (("HOME", "/h"), "/h/.local/share/bash-completion/completions/x");
    for (program, variables, wanted) in [
        // As cargo install leaves it: man(1) looks beside its folder.
        (
            "/h/.cargo/bin/git-bhfuil",
            &[home, ("PATH", "/h/.cargo/bin:/bin")][..],
            ["", "/h/.cargo/share/man/man1/x.1", usual],
        ),
        (
            "/h/.cargo/bin/git-bhfuil",
            &[home, ("PATH", "/h/.cargo/bin:/h/.local/bin")],
            ["", "/h/.local/share/man/man1/x.1", usual],
        ),
        (
            "/src/target/git-bhfuil",
            &[home, ("PATH", "/bin")],
            ["/h/.local/bin/git-bhfuil", "/h/.local/share/man/man1/x.1", usual],
        ),
        (
            "/h/.local/bin/git-bhfuil",
            &[home, ("PATH", "/h/.local/bin"), ("XDG_DATA_HOME", "/d")],
            ["", "/h/.local/share/man/man1/x.1", "/d/bash-completion/completions/x"],
        ),
        (
            "/h/.local/bin/git-bhfuil",
            &[home, ("PATH", "/h/.local/bin"), ("XDG_DATA_HOME", "relative")],
            ["", "/h/.local/share/man/man1/x.1", usual],
        ),
    ] {
        let places = Places::of_user(&around(program, variables)).expect("there is a home");
        assert_eq!(paths(&places)[..3], wanted, "{program} {variables:?}");
    }
    assert_eq!(Places::of_user(&around("/bin/git-bhfuil", &[("PATH", "/bin")])), None);
}

#[test]
fn a_prefix_is_put_behind_destdir() {
    let plain = Places::under(Path::new("/usr"), &around("/x/git-bhfuil", &[]));
    let wanted =
        ["bin/git-bhfuil", "share/man/man1/x.1", "share/bash-completion/completions/x", "share/zsh/site-functions/_x"];
    assert_eq!(paths(&plain), wanted.map(|path| format!("/usr/{path}")));
    let packed = Places::under(Path::new("/usr"), &around("/x/git-bhfuil", &[("DESTDIR", "/pkg")]));
    assert_eq!(paths(&packed), wanted.map(|path| format!("/pkg/usr/{path}")));
    assert_eq!((plain.list(), packed.list()), (Some("/usr/share/git-bhfuil/installed".into()), None));
    let there = Places::under(Path::new("/usr"), &around("/usr/bin/git-bhfuil", &[]));
    assert_eq!(there.path(Kind::Program, "git-bhfuil"), None, "it isn't copied onto itself");
}

#[test]
fn a_link_and_a_folder_are_somebody_elses() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let text = format!("# {MARK}\n");
    std::fs::write(path("file"), &text).expect("a file");
    std::os::unix::fs::symlink(path("file"), path("link")).expect("a link");
    std::fs::create_dir(path("folder")).expect("a folder");
    assert!(matches!(put_one(&path("link"), b"new", READ), Err(Trouble::Foreign)));
    assert!(matches!(put_one(&path("link"), text.as_bytes(), READ), Ok(State::Unchanged)));
    assert!(matches!(put_one(&path("folder"), b"new", READ), Err(Trouble::Foreign)));
    assert!(matches!(remove_one(&path("link")), Err(Trouble::Foreign)));
    assert!(matches!(put_one(&path("file"), b"new", READ), Ok(State::Written)));
    assert!(matches!(remove_one(&path("file")), Err(Trouble::Foreign)), "without the mark it isn't ours");
    assert!(matches!(remove_one(&path("file/below")), Ok(None)));
}
