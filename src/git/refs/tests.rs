//! What is read of refs, and which of them were asked for.

use super::files::{is_a_refname, parse_loose, parse_packed};
use super::store::{Packed, Value};
use super::*;

/// What a `packed-refs` with this text says.
fn packed(text: &str) -> RefStore {
    let mut store = RefStore { text: text.into(), ..RefStore::default() };
    parse_packed(0, 20, &mut store);
    store
}

#[test]
fn globs_are_completed_as_git_completes_them() {
    for (glob, full) in [
        ("heads", "refs/heads/*"),
        ("refs/heads/", "refs/heads/*"),
        ("refs/heads/stable/*", "refs/heads/stable/*"),
        ("tags/v[0-9]*", "refs/tags/v[0-9]*"),
    ] {
        assert_eq!(full_glob(glob.as_bytes()), full.as_bytes(), "{glob}");
    }
    assert!(glob_matches(b"refs/heads/*", b"refs/heads/stable/1.0"), "a star crosses a slash");
    assert!(!glob_matches(b"refs/heads/x?", b"refs/heads/x"));
}

#[test]
fn a_selection_covers_what_it_would_select() {
    let id = "a".repeat(40);
    let names = ["refs/heads/main", "refs/heads/stable/1.0", "refs/notes/x", "refs/remotes/o/m", "refs/tags/v1"];
    let listing = names.map(|name| format!("{id}   {name}\n")).concat();
    let store = RefStore::from_listing(listing.as_bytes(), Some(b"ref: refs/heads/main"));
    let globs = |globs: &[&[u8]]| Selection::Globs(globs.iter().map(|glob| glob.to_vec()).collect());
    for selection in
        [Selection::Usual, globs(&[b"heads/stable/*", b"notes"]), globs(&[b"tags/v[0-9]*"]), globs(&[b"refs/*"])]
    {
        let chosen: Vec<&[u8]> = store.chosen(&selection).into_iter().map(|at| store.name(at)).collect();
        for name in names.iter().map(|name| name.as_bytes()).chain([&b"HEAD"[..]]) {
            assert_eq!(selection.covers(name), chosen.contains(&name), "{selection:?}: {name:?}");
        }
    }
}

#[test]
fn packed_refs_say_what_they_peel_to() {
    let a = "a".repeat(40);
    let b = "b".repeat(40);
    let text = format!("# pack-refs with: peeled fully-peeled sorted \n{a} refs/heads/m\n{a} refs/tags/t\n^{b}\n");
    let store = packed(&text);
    let (a, b): (Oid, Oid) = (a.parse().expect("an id"), b.parse().expect("an id"));
    let values: Vec<(&[u8], Value)> = store.names().zip(store.entries.iter().map(|(_, value)| *value)).collect();
    let head = (&b"refs/heads/m"[..], Value::Direct { id: a, peeled: Packed::Itself });
    let tag = (&b"refs/tags/t"[..], Value::Direct { id: a, peeled: Packed::To(0) });
    assert_eq!(values, [head, tag]);
    assert_eq!(store.peeled, [b]);
}

#[test]
fn a_loose_ref_overrules_the_packed_one_whatever_the_order_in_the_file() {
    let (a, b) = ("a".repeat(40), "b".repeat(40));
    let line = |name: &str| format!("{a} refs/heads/{name}\n");
    let mut store = RefStore::default();
    let (name, value) = (store.keep(b"refs/heads/m"), parse_loose(b.as_bytes(), &mut store));
    store.entries.push((name, value));
    let start = store.text.len();
    store.text.extend([line("z"), line("m"), line("a")].concat().bytes());
    parse_packed(start, 20, &mut store);
    store.sort();
    let found: Vec<_> = store.usual_ids().map(|(name, id)| (name.to_vec(), id.to_hex())).collect();
    let expected = [("a", &a), ("m", &b), ("z", &a)];
    assert_eq!(found, expected.map(|(name, id)| (format!("refs/heads/{name}").into_bytes(), id.clone())));
}

#[test]
fn a_refname_is_one_that_git_would_give() {
    let pieces = ["refs/", "a", ".", "/", ".lock", "l", "@", "{", "\u{1}", " ", "~", "é", "-", "1"];
    let mut names = vec![String::new()];
    for _ in 0..4 {
        names = names.iter().flat_map(|name| pieces.map(|piece| format!("{name}{piece}"))).collect();
        for name in &names {
            let name = format!("refs/heads/{name}");
            let valid = gix::validate::reference::name(name.as_bytes().into()).is_ok();
            assert_eq!(is_a_refname(name.as_bytes()), valid, "{name:?}");
        }
    }
}

#[test]
fn loose_refs_are_read_as_git_reads_them() {
    let a = "a".repeat(40);
    let id: Oid = a.parse().expect("an id");
    let direct = Value::Direct { id, peeled: Packed::Unknown };
    let mut store = RefStore::default();
    for (text, value) in [
        (format!("{a}\n"), direct),
        (format!("{a} trailing\n"), direct),
        (String::new(), Value::Broken),
        ("0".repeat(40), Value::Broken),
        ("junk".into(), Value::Broken),
    ] {
        assert_eq!(parse_loose(text.as_bytes(), &mut store), value, "{text}");
    }
    store.head = Some(parse_loose(b"ref: refs/heads/x\n", &mut store));
    assert_eq!(store.unborn_head(), Some(&b"refs/heads/x"[..]));
}
