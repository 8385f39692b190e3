//! A pack written by hand, with its index, of objects that no git would write: `gitformat-pack(5)`.

use std::fmt::Write as _;
use std::path::Path;

use sha1::{Digest as _, Sha1};

/// How an object stands in a pack.
pub(crate) enum Entry {
    /// As itself: a blob.
    Blob(Vec<u8>),
    /// As itself: a commit.
    Commit(Vec<u8>),
    /// As a change of the entry with this number, which is an earlier one.
    Of(usize, Vec<u8>),
    /// As a change of the object with this id.
    OfId([u8; 20], Vec<u8>),
}

/// A name for an object: not its own, which nobody who reads a pack looks at.
pub(crate) fn name(text: &str) -> [u8; 20] {
    Sha1::digest(text).into()
}

pub(crate) fn hex(id: &[u8; 20]) -> String {
    id.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A change: the size of what it is made of, of what it makes, and what it says.
pub(crate) fn delta(from: u64, to: u64, operations: &[u8]) -> Vec<u8> {
    [size(from), size(to), operations.to_vec()].concat()
}

/// The operation that copies so many bytes, fewer than 16 MiB, from there.
pub(crate) fn copy(from: u32, count: u32) -> Vec<u8> {
    [&[0xff_u8], &from.to_le_bytes()[..], &count.to_le_bytes()[..3]].concat()
}

/// Seven bits a byte, the lowest first.
fn size(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).expect("seven bits");
        number >>= 7;
        bytes.push(if number > 0 { low | 0x80 } else { low });
        if number == 0 {
            return bytes;
        }
    }
}

/// The type and size before an entry: the lowest four bits of it stand beside the type.
fn header(kind: u8, bytes: usize) -> Vec<u8> {
    let low = u8::try_from(bytes & 0xf).expect("four bits");
    let rest = bytes >> 4;
    let first = kind << 4 | low;
    if rest == 0 { vec![first] } else { [vec![first | 0x80], size(rest as u64)].concat() }
}

/// How far back an entry is, as `OBJ_OFS_DELTA` says it.
fn distance(mut back: u64) -> Vec<u8> {
    let seven = |number: u64| u8::try_from(number & 0x7f).expect("seven bits");
    let mut bytes = vec![seven(back)];
    back >>= 7;
    while back > 0 {
        back -= 1;
        bytes.push(seven(back) | 0x80);
        back >>= 7;
    }
    bytes.reverse();
    bytes
}

/// As zlib has it, without any compression.
fn stored(data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x78, 0x01];
    let mut pieces = data.chunks(0xffff).peekable();
    if data.is_empty() {
        bytes.extend([1, 0, 0, 0xff, 0xff]);
    }
    while let Some(piece) = pieces.next() {
        let length = u16::try_from(piece.len()).expect("a piece");
        bytes.push(u8::from(pieces.peek().is_none()));
        bytes.extend(length.to_le_bytes());
        bytes.extend((!length).to_le_bytes());
        bytes.extend(piece);
    }
    let (a, b) = data.iter().fold((1_u32, 0_u32), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    bytes.extend((b << 16 | a).to_be_bytes());
    bytes
}

/// Writes a pack of `entries`, each with its name, into the repository whose folder `objects` is.
pub(crate) fn write(objects: &Path, entries: &[([u8; 20], Entry)]) {
    let count = u32::try_from(entries.len()).expect("few");
    let mut pack = [&b"PACK"[..], &2_u32.to_be_bytes(), &count.to_be_bytes()].concat();
    let mut offsets: Vec<usize> = Vec::new();
    for (_, entry) in entries {
        let at = pack.len();
        let (kind, data) = match entry {
            Entry::Commit(data) => (1, data),
            Entry::Blob(data) => (3, data),
            Entry::Of(_, data) => (6, data),
            Entry::OfId(_, data) => (7, data),
        };
        pack.extend(header(kind, data.len()));
        match entry {
            Entry::Of(base, _) => pack.extend(distance((at - offsets[*base]) as u64)),
            Entry::OfId(base, _) => pack.extend(base),
            Entry::Blob(_) | Entry::Commit(_) => {}
        }
        pack.extend(stored(data));
        offsets.push(at);
    }
    let checksum = Sha1::digest(&pack);
    pack.extend(checksum);

    let mut listed: Vec<(&[u8; 20], u32)> =
        entries.iter().zip(&offsets).map(|((id, _), &at)| (id, u32::try_from(at).expect("a small pack"))).collect();
    listed.sort_unstable();
    let mut index = [&b"\xfftOc"[..], &2_u32.to_be_bytes()].concat();
    for first in 0..=u8::MAX {
        let up_to = listed.partition_point(|(id, _)| id[0] <= first);
        index.extend(u32::try_from(up_to).expect("few").to_be_bytes());
    }
    index.extend(listed.iter().flat_map(|(id, _)| **id));
    // What the checksum of each entry is nobody who reads one looks at.
    index.resize(index.len() + 4 * listed.len(), 0);
    index.extend(listed.iter().flat_map(|(_, at)| at.to_be_bytes()));
    index.extend(checksum);
    let own = Sha1::digest(&index);
    index.extend(own);
    let folder = objects.join("pack");
    std::fs::create_dir_all(&folder).expect("a folder");
    let stem = hex(&checksum.into());
    std::fs::write(folder.join(format!("pack-{stem}.pack")), pack).expect("a pack");
    std::fs::write(folder.join(format!("pack-{stem}.idx")), index).expect("an index");
}
