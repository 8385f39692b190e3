//! Odd input for parsers: what lies in `fixtures/fuzz/<name>`, one input a file, and what becomes of it by small changes.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;

/// What means something to one parser or another.
const PIECES: [&[u8]; 68] = [
    b"\n",
    b"\n\n",
    b"\r\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b"  ",
    b"\x0b",
    b"\x0c",
    b":",
    b"#",
    b"-",
    b"--",
    b"<",
    b">",
    b"(",
    b")",
    b"[",
    b"]",
    b"{",
    b"}",
    b"\"",
    b"'",
    b"\\",
    b"%",
    b"%(",
    b"/",
    b".",
    b"..",
    b"...",
    b"^",
    b"~",
    b"@",
    b"@{",
    b"*",
    b"?",
    b"=",
    b"!",
    b";",
    b",",
    b"+",
    b"0",
    b"-1",
    b"007",
    b"0x10",
    b"18446744073709551616",
    b" -2359",
    b" +9999",
    b"null",
    b"true",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    "é".as_bytes(),
    "修".as_bytes(),
    "İ".as_bytes(),
    "\u{202e}".as_bytes(),
    "\u{85}".as_bytes(),
    "\u{feff}".as_bytes(),
    b"\x1b[31m",
    b"0123456789abcdef0123456789abcdef01234567",
    b"deadbee",
    b".lock",
    b"refs/heads/",
    b"(cherry picked from commit ",
    b"Signed-off-by: ",
];

/// One small change, at places that are counted from the length that the input then has.
#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Byte(Index, u8),
    Insert(Index, usize),
    Cut(Index, Index),
    End(Index),
    Again(Index, Index, usize),
    Splice(Index, Index, Index),
}

/// How many cases each property is held to, and from which seed: few, and the same each time, unless the environment says otherwise.
pub(crate) fn config(cases: u32) -> ProptestConfig {
    let given = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { given.cases } else { cases };
    let rng_seed = if given.rng_seed == RngSeed::Random { RngSeed::Fixed(10) } else { given.rng_seed };
    ProptestConfig { cases, rng_seed, ..given }
}

/// One of `fixtures/fuzz/<name>`, changed up to eight times.
pub(crate) fn mutated(name: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    mutations_of(corpus(&folder().join("fuzz").join(name)))
}

/// One of the files in `fixtures/<name>`, changed up to eight times.
#[allow(dead_code, reason = "for what lies elsewhere")]
pub(crate) fn mutated_in(name: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    mutations_of(corpus(&folder().join(name)))
}

fn mutations_of(corpus: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (any::<Index>(), prop::collection::vec(change(), 0..=8)).prop_map(move |(which, changes)| {
        let mut bytes = which.get(&corpus).clone();
        for change in &changes {
            apply(change, &mut bytes, &corpus);
        }
        bytes
    })
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// In the order of their names, so that a seed means the same everywhere.
fn corpus(folder: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("a folder of inputs");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("an input")).collect()
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        2 => (at(), 0_u8..8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        1 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        4 => (at(), 0..PIECES.len()).prop_map(|(at, piece)| Change::Insert(at, piece)),
        2 => (at(), at()).prop_map(|(at, to)| Change::Cut(at, to)),
        1 => at().prop_map(Change::End),
        1 => (at(), at(), 1_usize..40).prop_map(|(at, to, times)| Change::Again(at, to, times)),
        2 => (at(), at(), at()).prop_map(|(at, other, from)| Change::Splice(at, other, from)),
    ]
}

fn apply(change: &Change, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    let place = |index: &Index, bytes: &[u8]| index.index(bytes.len() + 1);
    // Short ranges are likelier than long ones: a whole input that goes or comes twice tells little.
    let range = |at: &Index, to: &Index, bytes: &[u8]| {
        let begin = place(at, bytes);
        begin..bytes.len().min(begin + to.index(24))
    };
    match change {
        Change::Flip(at, bit) => {
            let at = place(at, bytes);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
        }
        Change::Byte(at, new) => {
            let at = place(at, bytes);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = *new;
            }
        }
        Change::Insert(at, piece) => {
            let at = place(at, bytes);
            bytes.splice(at..at, PIECES[*piece].iter().copied());
        }
        Change::Cut(at, to) => {
            let range = range(at, to, bytes);
            bytes.drain(range);
        }
        Change::End(at) => bytes.truncate(place(at, bytes)),
        Change::Again(at, to, times) => {
            let range = range(at, to, bytes);
            let piece = bytes[range.clone()].repeat(*times);
            bytes.splice(range.end..range.end, piece);
        }
        Change::Splice(at, other, from) => {
            let other = other.get(corpus);
            bytes.truncate(place(at, bytes));
            bytes.extend_from_slice(&other[place(from, other)..]);
        }
    }
}
