//! How the outcome of a diff is written for the cache, and read again.

use crate::facts::Oid;
use crate::facts::patch_id::ChangedLines;

/// More bytes than this are not kept: a commit that large is rarely compared, and its diff made anew then.
const MOST: usize = 1 << 20;

/// What a commit changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) paths: Vec<Vec<u8>>,
    pub(super) patch_id: Option<Oid>,
    pub(super) lines: ChangedLines,
}

/// Each part led by its length, as four bytes. `None` if it is too large to be kept.
pub(super) fn write(paths: &[Vec<u8>], patch_id: Option<&Oid>, lines: &ChangedLines) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut put = |part: &[u8]| -> Option<()> {
        bytes.extend_from_slice(&u32::try_from(part.len()).ok()?.to_le_bytes());
        bytes.extend_from_slice(part);
        (bytes.len() <= MOST).then_some(())
    };
    put(patch_id.map_or(&[], Oid::as_bytes))?;
    for lines in [&lines.added, &lines.removed] {
        let lines: Vec<u8> = lines.iter().flat_map(|line| line.to_le_bytes()).collect();
        put(&lines)?;
    }
    for path in paths {
        put(path)?;
    }
    Some(bytes)
}

pub(super) fn read(mut bytes: &[u8]) -> Option<Kept> {
    let mut take = || -> Option<&[u8]> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (part, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        bytes = rest;
        Some(part)
    };
    let patch_id = match take()? {
        [] => None,
        id => Some(Oid::from_bytes(id)?),
    };
    let mut lines = || Some(take()?.as_chunks().0.iter().map(|line| u64::from_le_bytes(*line)).collect());
    let lines = ChangedLines { added: lines()?, removed: lines()? };
    let mut paths = Vec::new();
    while let Some(path) = take() {
        paths.push(path.to_vec());
    }
    Some(Kept { paths, patch_id, lines })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let lines = ChangedLines { added: vec![1, 1, u64::MAX], removed: vec![7] };
        for (paths, patch_id, lines) in [
            (vec![b"a".to_vec(), b"b/\xff".to_vec()], Oid::from_bytes(&[3; 20]), lines),
            (vec![], None, ChangedLines::default()),
        ] {
            let bytes = write(&paths, patch_id.as_ref(), &lines).expect("small");
            assert_eq!(read(&bytes), Some(Kept { paths, patch_id, lines }));
        }
        assert_eq!(read(b"\x05\0\0\0xy"), None);
    }

    #[test]
    fn what_is_large_is_not_kept() {
        let lines = ChangedLines { added: vec![0; MOST], removed: Vec::new() };
        assert_eq!(write(&[], None, &lines), None);
    }
}
