//! The files of refs (gitrepository-layout(5)): our own reader of `packed-refs` and of loose files, since peeling 60,000 refs through a
//! general ref store costs 40 times as much. Reftables are listed by git itself (`gitcli`).

use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::store::{Packed, RefStore, Value, Words};
use crate::error::Kind;
use crate::facts::Oid;
use crate::git::repository::Repository;

/// The folders of refs that each work tree has for itself (git-worktree(1), REFS).
const OWN: [&[u8]; 3] = [b"refs/bisect", b"refs/worktree", b"refs/rewritten"];

/// Adds all refs of `repository` to `store`, and what `HEAD` says.
///
/// # Errors
/// If a file that is there can't be read.
pub(super) fn read(repository: &Repository, store: &mut RefStore) -> anyhow::Result<()> {
    // Loose refs first, as git does: one that is packed meanwhile is then seen twice, and not missed.
    let is_linked = repository.git_dir != repository.common_dir;
    let is_anothers = |name: &[u8]| is_linked && OWN.contains(&name);
    read_loose(&repository.common_dir.join("refs"), b"refs", &is_anothers, store)?;
    for own in OWN.iter().filter(|_| is_linked) {
        let folder = repository.git_dir.join(OsStr::from_bytes(own));
        read_loose(&folder, own, &|_| false, store)?;
    }
    let mut head = Vec::new();
    if read_if_there(&repository.git_dir.join("HEAD"), &mut head)? {
        store.head = Some(parse_loose(&head, store));
    }
    // Last, for it is large, and whatever would be added to the text after it would have it copied.
    let start = store.text.len();
    let packed = repository.common_dir.join("packed-refs");
    if read_if_there(&packed, &mut store.text)? {
        if u32::try_from(store.text.len()).is_err() {
            return Err(Kind::RepoOpen.error(format!("{} is larger than 4 GiB", packed.display())));
        }
        parse_packed(start, repository.hash_len, store);
    }
    Ok(())
}

fn is_absence(cause: &std::io::Error) -> bool {
    matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Appends a file to `bytes`; `false` if there is none.
fn read_if_there(path: &Path, bytes: &mut Vec<u8>) -> anyhow::Result<bool> {
    match File::open(path).and_then(|mut file| file.read_to_end(bytes)) {
        Ok(_) => Ok(true),
        Err(cause) if is_absence(&cause) => Ok(false),
        Err(cause) => Err(Kind::Io.wrap(cause, format!("reading {}", path.display()))),
    }
}

/// Reads what stands of `packed-refs` in the text of `store` from `start` on: a header with its traits, `<id> <name>` lines, each tag followed by
/// `^<peeled>`.
pub(super) fn parse_packed(start: usize, hash_len: usize, store: &mut RefStore) {
    let RefStore { text, entries, peeled, .. } = store;
    let text = &text[start..];
    let header = text.split(|&byte| byte == b'\n').next().filter(|line| line.starts_with(b"#"));
    let fully_peeled =
        header.is_some_and(|header| header.split(|&byte| byte == b' ').any(|word| word == b"fully-peeled"));
    // A line has the id, a blank and ten letters at least.
    entries.reserve(text.len() / (2 * hash_len + 12));
    let own = entries.len();
    let mut at = 0;
    for end in memchr::memchr_iter(b'\n', text).chain([text.len()]) {
        let (line, first) = (&text[at..end], start + at);
        at = end + 1;
        match line.first() {
            None | Some(b'#') => {}
            Some(b'^') => {
                if let (Some((_, Value::Direct { peeled: packed, .. })), Some(id)) =
                    (entries[own..].last_mut(), Oid::from_hex(&line[1..]))
                {
                    *packed = Packed::to(id, peeled);
                }
            }
            Some(_) => {
                let Some((hex, name)) = line.split_at_checked(2 * hash_len) else { continue };
                let (Some(id), Some(name)) = (Oid::from_hex(hex), name.strip_prefix(b" ")) else { continue };
                let peeled = if fully_peeled { Packed::Itself } else { Packed::Unknown };
                let value = if is_a_refname(name) { Value::Direct { id, peeled } } else { Value::Broken };
                entries.push((Words::new(first + 2 * hash_len + 1, name.len()), value));
            }
        }
    }
}

/// Whether git would give a ref this name (git-check-ref-format(1)); it takes none that it wouldn't give.
pub(super) fn is_a_refname(name: &[u8]) -> bool {
    // Nearly every name is of letters, digits, and single marks that are harmless everywhere; looking closer takes longer.
    let (mut doubtful, mut after) = (0, SLASH | DOT);
    for &byte in name {
        let kind = KINDS[usize::from(byte)];
        doubtful |= kind & (OTHER | after);
        after = AFTER[usize::from(byte)];
    }
    let plain = doubtful == 0 && name.starts_with(b"refs/") && after == 0;
    plain || gix::validate::reference::name(name.into()).is_ok()
}

const OTHER: u8 = 1;
const SLASH: u8 = 2;
const DOT: u8 = 4;
/// Begins `.lock`, if a dot stands before it.
const L: u8 = 8;

/// What a byte is.
const KINDS: [u8; 256] = {
    let mut kinds = [OTHER; 256];
    let harmless = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz0123456789-_+";
    let mut at = 0;
    while at < harmless.len() {
        kinds[harmless[at] as usize] = 0;
        at += 1;
    }
    kinds[b'/' as usize] = SLASH;
    kinds[b'.' as usize] = DOT;
    kinds[b'l' as usize] = L;
    kinds
};

/// What may not stand behind a byte; behind the last stands nothing.
const AFTER: [u8; 256] = {
    let mut after = [0; 256];
    after[b'/' as usize] = SLASH | DOT;
    after[b'.' as usize] = SLASH | DOT | L;
    after
};

/// What the file of a loose ref says, or `HEAD`.
pub(super) fn parse_loose(text: &[u8], store: &mut RefStore) -> Value {
    let text = text.trim_ascii();
    if let Some(target) = text.strip_prefix(b"ref:") {
        return Value::Symbolic(store.keep(target.trim_ascii()));
    }
    // git reads the id and ignores what follows it after a blank.
    let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    match Oid::from_hex(&text[..end]) {
        Some(id) if !id.is_null() => Value::Direct { id, peeled: Packed::Unknown },
        _ => Value::Broken,
    }
}

/// Adds the refs in `folder` to `store`, their names beginning with `prefix`, without those in folders that `passes_over` names.
fn read_loose(
    folder: &Path,
    prefix: &[u8],
    passes_over: &dyn Fn(&[u8]) -> bool,
    store: &mut RefStore,
) -> anyhow::Result<()> {
    let unlisted = |cause| Kind::Io.wrap(cause, format!("listing refs in {}", folder.display()));
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) if is_absence(&cause) => return Ok(()),
        Err(cause) => return Err(unlisted(cause)),
    };
    for entry in entries {
        let entry = entry.map_err(unlisted)?;
        let file_name = entry.file_name();
        let part = file_name.as_bytes();
        // Lock files stand beside the refs that are being written.
        if part.starts_with(b".") || part.ends_with(b".lock") {
            continue;
        }
        let name = [prefix, part].join(&b'/');
        let kind = entry.file_type();
        if kind.is_ok_and(|kind| kind.is_dir() || kind.is_symlink() && entry.path().is_dir()) {
            if !passes_over(&name) {
                read_loose(&entry.path(), &name, passes_over, store)?;
            }
            continue;
        }
        let value = match std::fs::read(entry.path()) {
            Err(cause) if is_absence(&cause) => continue,
            _ if !is_a_refname(&name) => Value::Broken,
            Ok(text) => parse_loose(&text, store),
            Err(cause) => Value::Unread(store.keep(cause.to_string().as_bytes())),
        };
        let name = store.keep(&name);
        store.entries.push((name, value));
    }
    Ok(())
}
