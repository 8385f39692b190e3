//! What git writes to stderr with `--progress`, read as it comes: pieces that end in a line feed or, where git writes over its
//! last line, in a carriage return. Pure.
//!
//! The forms are those of git's `progress.c`: `Receiving objects:  45% (123/270), 1.20 MiB | 3.00 MiB/s`, without a total
//! `Enumerating objects: 12`, with `, done.` at the end; `remote: ` before it is the other side's. Whatever else is said, or is
//! said in another language, is no progress.

use std::fmt;

/// How far a transfer has come.
///
/// ```
/// use git_bhfuil::gitcli::progress::{Phase, Progress};
///
/// let line = b"Receiving objects:  45% (123/270), 1.50 MiB | 3.00 MiB/s";
/// let progress = Progress::parse(line).expect("git says it so");
/// assert_eq!((progress.phase, progress.done, progress.total), (Phase::Receiving, 123, Some(270)));
/// assert_eq!((progress.percent(), progress.bytes), (Some(45), Some(1_572_864)));
/// assert_eq!(Progress::parse(b"remote: Welcome!"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// How many are done, of [`Phase::unit`].
    pub done: u64,
    /// How many there are, if that is known.
    pub total: Option<u64>,
    /// How many bytes have come, as exact as git says it: to a hundredth of its unit.
    pub bytes: Option<u64>,
    /// How many come in a second, likewise.
    pub bytes_per_second: Option<u64>,
    /// Whether the phase is over.
    pub finished: bool,
}

/// What a transfer is busy with, in the order in which it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// The other side looks for the objects that are missing here.
    Enumerating,
    /// The other side counts them.
    Counting,
    /// The other side packs them.
    Compressing,
    /// They arrive, and are kept as a pack.
    Receiving,
    /// They arrive, and are kept one by one.
    Unpacking,
    /// Those that came as differences are worked out.
    Resolving,
    /// It is checked that nothing is missing.
    Checking,
    /// Files are written.
    Updating,
}

impl Phase {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Enumerating, "Enumerating objects"),
        (Self::Counting, "Counting objects"),
        (Self::Compressing, "Compressing objects"),
        (Self::Receiving, "Receiving objects"),
        (Self::Unpacking, "Unpacking objects"),
        (Self::Resolving, "Resolving deltas"),
        (Self::Checking, "Checking connectivity"),
        (Self::Updating, "Updating files"),
    ];

    /// Its name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Enumerating => "enumerate",
            Self::Counting => "count",
            Self::Compressing => "compress",
            Self::Receiving => "receive",
            Self::Unpacking => "unpack",
            Self::Resolving => "resolve",
            Self::Checking => "check",
            Self::Updating => "update",
        }
    }

    /// What is counted.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Resolving => "deltas",
            Self::Updating => "files",
            _ => "objects",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Progress {
    /// Reads one piece, without its end.
    #[must_use]
    pub fn parse(piece: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(piece).ok()?;
        // The other side's pieces end in blanks, or in what clears the rest of a terminal's line.
        let text = text.strip_prefix("remote: ").unwrap_or(text).trim_end_matches("\u{1b}[K").trim_end();
        let (title, rest) = text.split_once(':')?;
        let phase = Phase::ALL.iter().find(|(_, known)| *known == title)?.0;
        let (rest, finished) = rest.strip_suffix(", done.").map_or((rest, false), |rest| (rest, true));
        let (count, throughput) = rest.split_once(", ").map_or((rest, None), |(count, rest)| (count, Some(rest)));
        let (done, total) = counted(count.trim())?;
        let (bytes, bytes_per_second) = match throughput.map(|text| text.split_once(" | ").unwrap_or((text, ""))) {
            None => (None, None),
            Some((bytes, rate)) => (Some(size(bytes)?), rate.strip_suffix("/s").and_then(size)),
        };
        Some(Self { phase, done, total, bytes, bytes_per_second, finished })
    }

    /// How much of it is done, in hundredths.
    #[must_use]
    pub fn percent(&self) -> Option<u8> {
        let total = self.total.filter(|total| *total > 0)?;
        let part = u128::from(self.done.min(total)) * 100 / u128::from(total);
        u8::try_from(part).ok()
    }
}

/// `45% (123/270)`, or `123`.
fn counted(text: &str) -> Option<(u64, Option<u64>)> {
    let Some((percent, counts)) = text.split_once('%') else { return Some((text.parse().ok()?, None)) };
    percent.parse::<u8>().ok()?;
    let (done, total) = counts.trim_start().strip_prefix('(')?.strip_suffix(')')?.split_once('/')?;
    Some((done.parse().ok()?, Some(total.parse().ok()?)))
}

/// `1.20 MiB`, `12 bytes`, `1 byte`.
fn size(text: &str) -> Option<u64> {
    let (number, unit) = text.split_once(' ')?;
    let scale: u64 = match unit {
        "byte" | "bytes" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    let (whole, hundredths) = number.split_once('.').unwrap_or((number, "0"));
    let part = hundredths.parse::<u64>().ok().filter(|_| hundredths.len() <= 2)?;
    whole.parse::<u64>().ok()?.checked_mul(scale)?.checked_add(part * scale / 100)
}

/// The longest piece that is kept whole, in bytes. No progress is as long; of others the beginning does.
const LONGEST_PIECE: usize = 4096;

/// Cuts what comes into pieces, wherever the reads happen to end.
#[derive(Debug, Default)]
pub struct Pieces {
    begun: Vec<u8>,
}

impl Pieces {
    /// Gives `bytes` to it; `each` gets every piece that is whole now.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr2(b'\r', b'\n', rest) {
            self.keep(&rest[..end]);
            if !self.begun.is_empty() {
                each(&self.begun);
                self.begun.clear();
            }
            rest = &rest[end + 1..];
        }
        self.keep(rest);
    }

    /// What is left at the end, if anything is.
    #[must_use]
    pub fn rest(self) -> Option<Vec<u8>> {
        Some(self.begun).filter(|begun| !begun.is_empty())
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LONGEST_PIECE - self.begun.len();
        self.begun.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(phase: Phase, done: u64, total: Option<u64>) -> Progress {
        Progress { phase, done, total, bytes: None, bytes_per_second: None, finished: false }
    }

    #[test]
    fn every_form_of_git_is_read() {
        let receiving = told(Phase::Receiving, 303, Some(303));
        let with = |bytes, rate| Progress { bytes: Some(bytes), bytes_per_second: rate, ..receiving };
        let table: [(&str, Progress); 14] = [
            ("Receiving objects:   0% (1/303)", told(Phase::Receiving, 1, Some(303))),
            ("Receiving objects: 100% (303/303)", receiving),
            ("Receiving objects: 100% (303/303), 10.85 KiB | 740.00 KiB/s", with(11_110, Some(757_760))),
            ("Receiving objects: 100% (303/303), 1 byte | 1024 bytes/s", with(1, Some(1024))),
            ("Receiving objects: 100% (303/303), 2.50 GiB | 1.00 MiB/s", with(2_684_354_560, Some(1 << 20))),
            ("Receiving objects: 100% (303/303), 1.00 MiB", with(1 << 20, None)),
            (
                "Receiving objects: 100% (303/303), 1.00 MiB | 1.00 MiB/s, done.",
                Progress { finished: true, ..with(1 << 20, Some(1 << 20)) },
            ),
            (
                "Unpacking objects:  50% (3/6), 262 bytes | 262.00 KiB/s",
                Progress { bytes: Some(262), bytes_per_second: Some(262 << 10), ..told(Phase::Unpacking, 3, Some(6)) },
            ),
            (
                "remote: Enumerating objects: 12, done.        ",
                Progress { finished: true, ..told(Phase::Enumerating, 12, None) },
            ),
            ("remote: Counting objects:  45% (137/303)        ", told(Phase::Counting, 137, Some(303))),
            ("remote: Compressing objects:  33% (1/3)\u{1b}[K", told(Phase::Compressing, 1, Some(3))),
            (
                "Resolving deltas: 100% (18446744073709551615/18446744073709551615)",
                told(Phase::Resolving, u64::MAX, Some(u64::MAX)),
            ),
            ("Updating files:   7% (7/100)", told(Phase::Updating, 7, Some(100))),
            ("Checking connectivity: 1234", told(Phase::Checking, 1234, None)),
        ];
        for (line, progress) in table {
            assert_eq!(Progress::parse(line.as_bytes()), Some(progress), "{line}");
        }
    }

    #[test]
    fn what_is_no_progress_is_none() {
        let lines = [
            "",
            ":",
            "Receiving objects",
            "Receiving objects:",
            "Receiving objects: x",
            "Receiving objects: 45%",
            "Receiving objects: 45% (1/2",
            "Receiving objects: 45% (1)",
            "Receiving objects: 45% (-1/2)",
            "Receiving objects: 1% (1/99999999999999999999)",
            "Receiving objects: 1% (1/2), 3.4.5 MiB",
            "Receiving objects: 1% (1/2), 3.456 MiB",
            "Receiving objects: 1% (1/2), 99999999999 GiB",
            "receiving objects: 1% (1/2)",
            "Empfange Objekte:  45% (123/270), 1.20 MiB | 3.00 MiB/s, fertig.",
            "remote: 对象计数中:  45% (123/270)",
            "remote: Total 303 (delta 0), reused 0 (delta 0), pack-reused 0 (from 0)",
            "remote: Welcome! Counting objects: 1% (1/2)",
            "remote:",
            "fatal: early EOF",
            "From https://example.com/x",
            " * [new branch]      a -> a",
            "Auto packing the repository in background for optimum performance.",
        ];
        for line in lines {
            assert_eq!(Progress::parse(line.as_bytes()), None, "{line}");
        }
        assert_eq!(Progress::parse(b"Receiving objects:  45% (123/270)\xff"), None);
    }

    #[test]
    fn percents_are_rounded_down_and_never_above_a_hundred() {
        for (done, total, percent) in
            [(0, Some(7), Some(0)), (6, Some(7), Some(85)), (7, Some(7), Some(100)), (9, Some(7), Some(100))]
        {
            assert_eq!(told(Phase::Counting, done, total).percent(), percent);
        }
        assert_eq!(told(Phase::Counting, 1, Some(0)).percent(), None);
        assert_eq!(told(Phase::Counting, 1, None).percent(), None);
    }

    #[test]
    fn pieces_are_whole_wherever_a_read_ends() {
        let stream = b"Cloning...\nA: 1\rA: 2\r\rA: 2, done.\nremote: x\r\nthe rest";
        let cut = |size: usize| {
            let (mut pieces, mut seen) = (Pieces::default(), Vec::new());
            for chunk in stream.chunks(size) {
                pieces.push(chunk, |piece| seen.push(String::from_utf8_lossy(piece).into_owned()));
            }
            (seen, pieces.rest())
        };
        let (seen, rest) = cut(stream.len());
        assert_eq!(seen, ["Cloning...", "A: 1", "A: 2", "A: 2, done.", "remote: x"]);
        assert_eq!(rest.as_deref(), Some(b"the rest".as_slice()));
        for size in 1..stream.len() {
            assert_eq!(cut(size), (seen.clone(), rest.clone()), "{size}");
        }
    }

    #[test]
    fn a_piece_without_end_is_bounded() {
        let mut pieces = Pieces::default();
        for _ in 0..100 {
            pieces.push(&[b'x'; 1000], |_| panic!("there is no end"));
        }
        let mut length = 0;
        pieces.push(b"\nmore", |piece| length = piece.len());
        assert_eq!(length, LONGEST_PIECE);
        assert_eq!(pieces.rest().as_deref(), Some(b"more".as_slice()));
    }
}
