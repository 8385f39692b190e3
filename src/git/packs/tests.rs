//! Objects out of packs, held to what git says of them, and to `gix` where packs are damaged.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::files::Packs;
use super::*;
use crate::git::{ObjectKind, Repository};

fn git(dir: &Path, args: &[&str]) -> Vec<u8> {
    let mut command = Command::new("git");
    command.current_dir(dir).args(["-c", "gc.auto=0", "-c", "core.compression=9"]).args(args);
    command.envs([("HOME", dir), ("XDG_CONFIG_HOME", dir)]).env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.stderr(Stdio::inherit()).output().expect("git runs");
    assert!(output.status.success(), "git {args:?}");
    output.stdout
}

/// Fifty commits in a new repository below `dir`, each of which changes a file or two of a hundred in nested folders, and a tag.
fn repository(dir: &Path, format: &str) -> PathBuf {
    let repo = dir.join(format!("{format}.git"));
    git(dir, &["init", "--quiet", "--bare", &format!("--object-format={format}"), repo.to_str().expect("plain")]);
    let mut history = String::new();
    for commit in 0..50 {
        let _ = writeln!(history, "commit refs/heads/main\ncommitter A <a@example.com> {commit} +0000\ndata 2\nx");
        for file in (0..100).filter(|file| commit == 0 || file % 50 == commit % 50) {
            let of = |line| if line == commit { 0 } else { file };
            let lines =
                (0..200).map(|line| line.to_string() + " of " + &of(line).to_string() + "\n").collect::<String>();
            let _ = writeln!(history, "M 644 inline {}/{}/{file}\ndata {}\n{lines}", file % 3, file % 7, lines.len());
        }
    }
    history += "tag one\nfrom refs/heads/main\ntagger A <a@example.com> 1 +0000\ndata 2\nx\n";
    let file = dir.join("history");
    std::fs::write(&file, history).expect("written");
    let input = std::fs::File::open(&file).expect("there");
    let mut import = Command::new("git");
    import.current_dir(&repo).args(["fast-import", "--quiet", "--depth=0"]).stdin(input);
    assert!(import.status().expect("git runs").success());
    repo
}

/// Every object of `repo` as `git cat-file` has it.
fn objects(repo: &Path) -> HashMap<Oid, (String, Vec<u8>)> {
    let output = git(repo, &["cat-file", "--batch-all-objects", "--batch"]);
    let mut rest = &output[..];
    let mut objects = HashMap::new();
    while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
        let line = str::from_utf8(&rest[..end]).expect("text");
        let [id, kind, len] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let len: usize = len.parse().expect("a number");
        let bytes = rest[end + 1..][..len].to_vec();
        objects.insert(Oid::from_hex(id.as_bytes()).expect("an id"), (kind.to_owned(), bytes));
        rest = &rest[end + len + 2..];
    }
    objects
}

/// What a reader that may keep `budget` bytes has of `ids`, all of it held until the end.
fn read_within(
    repo: &Path,
    ids: impl IntoIterator<Item = Oid>,
    budget: usize,
) -> (HashMap<Oid, (String, Vec<u8>)>, PackReader) {
    let packs = Packs::after(0);
    let handle = Repository::discover_alone(repo).expect("a repository").handle();
    let packs = packs.of(handle.repo.objects.store_ref()).expect("at once");
    let mut reader = PackReader::default();
    let mut lent = Vec::new();
    for (number, id) in ids.into_iter().enumerate() {
        reader.budget = budget;
        let Some(Object { kind, bytes }) = reader.object(packs, &id) else { continue };
        // Some are looked at for a moment alone, so that their memory is used again.
        let held = if number % 2 == 0 { bytes } else { Arc::new(bytes.to_vec()) };
        lent.push((id, kind, held));
    }
    let found = lent.into_iter().map(|(id, kind, bytes)| (id, (kind.to_string(), bytes.to_vec()))).collect();
    (found, reader)
}

fn read(repo: &Path, ids: impl IntoIterator<Item = Oid>) -> HashMap<Oid, (String, Vec<u8>)> {
    read_within(repo, ids, MOST_OF_TREES).0
}

/// The longest chain of deltas in the packs of `repo`.
fn longest_chain(repo: &Path) -> usize {
    let packs = std::fs::read_dir(repo.join("objects/pack")).expect("packs").filter_map(Result::ok);
    let indexes = packs.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "idx"));
    let lengths = indexes.flat_map(|index| {
        let told = git(repo, &["verify-pack", "-v", index.to_str().expect("plain")]);
        let told = String::from_utf8(told).expect("text");
        let lengths =
            told.lines().filter_map(|line| line.strip_prefix("chain length = ")?.split(':').next()?.parse().ok());
        lengths.collect::<Vec<usize>>()
    });
    lengths.max().unwrap_or(0)
}

#[test]
fn each_object_of_each_kind_of_pack_is_what_git_says() {
    let dir = tempfile::tempdir().expect("a directory");
    for format in ["sha1", "sha256"] {
        let repo = repository(dir.path(), format);
        let all = objects(&repo);
        let check = |repo: &Path, how: &str| {
            for budget in [MOST_OF_TREES, 40_000, 4000] {
                let (found, reader) = read_within(repo, all.keys().copied(), budget);
                assert!(found == all, "{format} {how}, {budget}: {} of {}", found.len(), all.len());
                assert!(budget == MOST_OF_TREES || reader.kept.len() < all.len() / 4, "others had to make room");
            }
        };
        check(&repo, "as imported");
        let repack = |config: &str, depth: &str| {
            git(&repo, &["-c", config, "repack", "-adfq", "--window=50", depth]);
        };
        for (config, depth) in [
            ("pack.indexVersion=2", "--depth=50"),
            ("pack.indexVersion=1", "--depth=1"),
            ("repack.useDeltaBaseOffset=false", "--depth=250"),
        ] {
            repack(config, depth);
            check(&repo, config);
        }
        assert!(longest_chain(&repo) > 20, "{}", longest_chain(&repo));

        // Of several packs, some of them of another repository.
        let other = dir.path().join(format!("other-{format}.git"));
        let (from, to) = (repo.to_str().expect("plain"), other.to_str().expect("plain"));
        git(dir.path(), &["clone", "--quiet", "--bare", "--shared", from, to]);
        git(&other, &["repack", "-adlq"]);
        let mut more = Command::new("git");
        more.current_dir(&other).args(["hash-object", "-w", "--stdin"]).stdin(Stdio::null()).stdout(Stdio::null());
        assert!(more.status().expect("git runs").success());
        let loose: Vec<Oid> = objects(&other).into_keys().filter(|id| !all.contains_key(id)).collect();
        assert_eq!((loose.len(), read(&other, loose.clone()).len()), (1, 0), "not in a pack");
        check(&other, "by way of another's packs");
        git(&other, &["update-ref", "refs/tags/two", &loose[0].to_string()]);
        git(&other, &["repack", "-dq"]);
        assert_eq!(read(&other, loose).len(), 1, "from its own");
        check(&other, "of several packs");

        // What another stands for is left to gix, and that alone.
        git(&other, &["replace", "main^{tree}", "main~3^{tree}"]);
        let tree = git(&other, &["rev-parse", "main^{tree}"]);
        let tree = Oid::from_hex(tree.trim_ascii_end()).expect("an id");
        let found = read(&other, all.keys().copied());
        assert!(found.len() == all.len() - 1 && !found.contains_key(&tree));
    }
}

fn is((name, bytes): &(String, Vec<u8>), kind: ObjectKind, by_gix: &[u8]) -> bool {
    *name == format!("{kind:?}").to_lowercase() && bytes == by_gix
}

#[test]
fn a_damaged_pack_gives_nothing_that_gix_doesnt() {
    let dir = tempfile::tempdir().expect("a directory");
    let repo = repository(dir.path(), "sha1");
    git(&repo, &["repack", "-adfq", "--depth=50"]);
    let all = objects(&repo);
    let packs = std::fs::read_dir(repo.join("objects/pack")).expect("packs").filter_map(Result::ok);
    let files: Vec<PathBuf> = packs
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "idx" || end == "pack"))
        .collect();
    assert_eq!(files.len(), 2);
    let (mut lost, mut kept) = ([0; 2], [0; 2]);
    for round in 0..60 {
        let which = round % 2;
        let file = &files[which];
        let sound = std::fs::read(file).expect("there");
        let mut damaged = sound.clone();
        for hit in 0..=round / 6 {
            let at = (round * 104_729 + hit * 1_299_709) % damaged.len();
            damaged[at] ^= 1 << ((round + hit) % 8);
        }
        // Another file in its place, as none that is mapped is ever written to.
        std::fs::remove_file(file).expect("removed");
        std::fs::write(file, &damaged).expect("written");
        let found = read(&repo, all.keys().copied());
        let handle = Repository::discover_alone(&repo).expect("a repository").handle();
        let mut buffer = Vec::new();
        for (id, object) in &found {
            // Or what it is: ids that are out of order are found all the same.
            let mut by_gix = || handle.object(id, &mut buffer).is_ok_and(|(kind, bytes)| is(object, kind, bytes));
            assert!(*object == all[id] || by_gix(), "{round}: the {} {id}", object.0);
        }
        lost[which] += all.len() - found.len();
        kept[which] += found.len();
        std::fs::remove_file(file).expect("removed");
        std::fs::write(file, sound).expect("written");
    }
    assert!(lost.iter().chain(&kept).all(|count| *count > 100), "{lost:?} lost, {kept:?} kept");
}

#[test]
fn an_index_of_another_pack_is_not_believed() {
    let dir = tempfile::tempdir().expect("a directory");
    let packed = |name: &str, content: &str| {
        let repo = dir.path().join(name);
        git(dir.path(), &["init", "--quiet", "--bare", name]);
        std::fs::write(repo.join("content"), content).expect("written");
        git(&repo, &["hash-object", "-w", "content"]);
        let id = Oid::from_hex(git(&repo, &["hash-object", "content"]).trim_ascii_end()).expect("an id");
        git(&repo, &["update-ref", "refs/tags/one", &id.to_string()]);
        git(&repo, &["repack", "-adq"]);
        let mut packs = std::fs::read_dir(repo.join("objects/pack")).expect("packs").filter_map(Result::ok);
        let index = packs.find(|file| file.path().extension().is_some_and(|end| end == "idx")).expect("an index");
        (repo, id, index.path())
    };
    let (one, id, index) = packed("one", "1");
    let (_, other, another) = packed("other", "2");
    assert_eq!(read(&one, [id]).len(), 1);
    std::fs::remove_file(&index).expect("removed");
    std::fs::copy(another, index).expect("copied");
    assert_eq!(read(&one, [id, other]), HashMap::new());
}

#[test]
fn packs_are_opened_once_some_objects_were_asked_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let repo = repository(dir.path(), "sha1");
    let handle = Repository::discover_alone(&repo).expect("a repository").handle();
    let packs = Packs::after(3);
    let answers = [(); 5].map(|()| packs.of(handle.repo.objects.store_ref()).is_some());
    assert_eq!(answers, [false, false, false, true, true]);
}

#[test]
fn what_is_large_and_no_delta_is_kept_once_something_is_made_from_it() {
    let dir = tempfile::tempdir().expect("a directory");
    git(dir.path(), &["init", "--quiet", "--bare", "."]);
    let text = |len: usize, end: &str| (0..len).map(|n| (n * len).to_string() + "\n").collect::<String>() + end;
    let mut ids = Vec::new();
    for (name, content) in [("a", text(30_000, "")), ("b", text(30_000, "!")), ("c", text(600_000, ""))] {
        std::fs::write(dir.path().join("content"), content).expect("written");
        let id = git(dir.path(), &["hash-object", "-w", "content"]);
        let id = Oid::from_hex(id.trim_ascii_end()).expect("an id");
        git(dir.path(), &["update-ref", &format!("refs/tags/{name}"), &id.to_string()]);
        ids.push(id);
    }
    git(dir.path(), &["repack", "-adfq"]);
    assert_eq!(longest_chain(dir.path()), 1);
    let found = read(dir.path(), ids.iter().copied());
    assert_eq!((found.len(), found.contains_key(&ids[2])), (2, false), "the third is too large");
    let whole = |reader: &PackReader| reader.kept.iter().filter(|(_, object)| object.bytes.len() > SMALL).count();
    let kept = |asked: &[Oid]| whole(&read_within(dir.path(), asked.iter().copied(), MOST_OF_TREES).1);
    // Which of the two is the other's delta is git's choice.
    let mut alone = [kept(&ids[..1]), kept(&ids[1..2])];
    alone.sort_unstable();
    assert_eq!((alone, kept(&ids[..2])), ([0, 2], 2));
}

#[test]
fn memory_is_used_again_once_nobody_looks_at_it() {
    let mut reader = PackReader::default();
    let place = |offset| Place { pack: 0, offset };
    let put = |reader: &mut PackReader, offset, len: usize| {
        let mut bytes = reader.memory(len);
        Arc::get_mut(&mut bytes).expect("nobody else's").resize(len, u8::try_from(offset % 256).expect("a byte"));
        reader.keep(place(offset), &Object { kind: Kind::Tree, bytes: Arc::clone(&bytes) });
        bytes
    };
    let held = put(&mut reader, 1, 60_000);
    let address = put(&mut reader, 2, 60_000).as_ptr();
    for offset in 3..=130 {
        put(&mut reader, offset, 60_000);
        assert!(reader.kept.weight() <= MOST_OF_TREES);
    }
    assert!(reader.kept.get(&place(1)).is_none() && reader.kept.get(&place(2)).is_none(), "they made room");
    assert_eq!(*held, vec![1; 60_000], "what somebody looks at is his");
    let addresses: Vec<_> = reader.kept.iter().map(|(_, object)| object.bytes.as_ptr()).collect();
    assert!(addresses.contains(&address) && !addresses.contains(&held.as_ptr()));

    // A large one takes the place of many, whose memory waits, and its own doesn't.
    put(&mut reader, 200, LARGEST);
    let waiting = |reader: &PackReader| reader.spare.iter().map(Vec::len).sum::<usize>();
    assert_eq!(waiting(&reader), SPARE);
    put(&mut reader, 201, LARGEST);
    put(&mut reader, 202, LARGEST);
    assert!(waiting(&reader) == SPARE && reader.kept.weight() <= MOST_OF_TREES);
    put(&mut reader, 203, 0);
    assert_eq!(reader.kept.get(&place(203)).map(|object| object.bytes.len()), Some(0));
}

/// An instruction of a delta, and what it makes of `base`.
fn instruction(base: &[u8], from: u32, len: u32, insert: &[u8]) -> (Vec<u8>, Vec<u8>) {
    if !insert.is_empty() {
        let len = u8::try_from(insert.len()).expect("below 128");
        return ([&[len][..], insert].concat(), insert.to_vec());
    }
    let all = u32::try_from(base.len()).expect("few");
    let from = from % (all + 1);
    let len = (len % (all - from + 1)).min(0xff_ffff);
    // As git writes it: what is zero is left out, and a length of 64 KiB is none at all.
    let mut bytes = vec![0x80];
    let written = if len == 0x1_0000 { 0 } else { len };
    for (bit, byte) in from.to_le_bytes().into_iter().chain(written.to_le_bytes()).enumerate().take(7) {
        if byte != 0 {
            bytes[0] |= 1 << bit;
            bytes.push(byte);
        }
    }
    if len == 0 {
        return (Vec::new(), Vec::new());
    }
    (bytes, base[from as usize..][..len as usize].to_vec())
}

fn length(mut length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let more = length >> 7 != 0;
        bytes.push(u8::try_from(length & 0x7f).expect("seven bits") | if more { 0x80 } else { 0 });
        length >>= 7;
        if !more {
            return bytes;
        }
    }
}

proptest! {
    #[test]
    fn fuzz_a_delta_makes_what_it_says(
        len in 0..200_000_usize,
        parts in prop::collection::vec((any::<u32>(), any::<u32>(), prop::collection::vec(any::<u8>(), 0..128)), 0..8),
        damage in any::<(prop::sample::Index, u8)>(),
    ) {
        let base: Vec<u8> = (0..len).map(|at| (at * at / 7).to_le_bytes()[0]).collect();
        let (mut instructions, mut wanted) = (Vec::new(), Vec::new());
        for (from, len, insert) in &parts {
            let (bytes, made) = instruction(&base, *from, *len, insert);
            instructions.extend(bytes);
            wanted.extend(made);
        }
        let mut bytes = [length(base.len()), length(wanted.len()), instructions].concat();
        let delta = Delta::of(&bytes).expect("lengths");
        let mut made = Vec::new();
        prop_assert_eq!((delta.base_len, delta.apply(&base, &mut made)), (base.len(), Some(())));
        prop_assert!(made == wanted);
        made.clear();
        prop_assert!(base.is_empty() || delta.apply(&base[..base.len() - 1], &mut made).is_none() || made == wanted);

        // Damaged, it makes as much as it says, or nothing.
        let (at, byte) = damage;
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Some(delta) = Delta::of(&bytes).filter(|delta| delta.len <= LARGEST) {
            let mut made = Vec::new();
            if delta.apply(&base, &mut made).is_some() {
                prop_assert_eq!(made.len(), delta.len);
            }
        }
    }
}
