//! What tasks leave behind: results, of which those beyond a size go into a file of their own, and logs. They go with their task.

use std::io;
use std::path::{Path, PathBuf};

use super::id::Id;
use super::record::{Record, Said};
use crate::files;

/// Bytes of a result that are kept with the task. More is for a file.
pub const MOST_SAID: usize = 4096;

/// Where the log of the task `id` is, in the folder of tasks.
#[must_use]
pub fn log(folder: &Path, id: &Id) -> PathBuf {
    folder.join(format!("{id}.log"))
}

fn result(folder: &Path, id: &Id) -> PathBuf {
    folder.join(format!("{id}.out"))
}

/// Keeps the result `text` of the task `id`. A longer one goes into a file in `folder`; where that can't be, only its beginning is
/// kept, and it says so.
pub async fn keep(folder: Option<&Path>, id: &Id, text: String) -> Said {
    if text.len() <= MOST_SAID {
        return Said::Text(text);
    }
    if let Some(folder) = folder {
        let path = result(folder, id);
        if files::replace(&path, text.clone().into_bytes()).await.is_ok() {
            return Said::File(path);
        }
    }
    Said::Text(cut(&text))
}

/// The beginning of `text`, and how long it was.
pub(super) fn cut(text: &str) -> String {
    if text.len() <= MOST_SAID {
        return text.to_owned();
    }
    let note = format!("… (cut: it has {} bytes)", text.len());
    let end = text.floor_char_boundary(MOST_SAID - note.len());
    format!("{}{note}", &text[..end])
}

/// Removes what the tasks have left behind. Blocks.
pub(super) fn remove<'a>(folder: &Path, records: impl IntoIterator<Item = &'a Record>) {
    for record in records {
        // Most have left less.
        for path in [log(folder, &record.id), result(folder, &record.id)] {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The result as text, read from its file if it is in one; `None` if that is gone. Blocks.
///
/// # Errors
/// If the file can't be read.
pub fn read(said: &Said) -> io::Result<Option<String>> {
    match said {
        Said::Text(text) => Ok(Some(text.clone())),
        Said::File(path) => Ok(files::read_blocking(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_goes_into_a_file_and_without_a_place_for_one_is_cut() {
        let folder = tempfile::tempdir().expect("a folder");
        let id = Id::new(1);
        let long = "é".repeat(MOST_SAID);
        let keep = |folder: Option<&Path>, text: &str| smol::block_on(keep(folder, &id, text.to_owned()));
        let short = "x".repeat(MOST_SAID);
        assert_eq!(keep(Some(folder.path()), &short), Said::Text(short));
        let kept = keep(Some(folder.path()), &long);
        assert_eq!(kept, Said::File(folder.path().join(format!("{id}.out"))));
        assert_eq!(read(&kept).expect("reads"), Some(long.clone()));
        let nowhere = folder.path().join("file/below");
        std::fs::write(folder.path().join("file"), "").expect("writes");
        for place in [None, Some(nowhere.as_path())] {
            let Said::Text(text) = keep(place, &long) else { panic!("there is no place for a file") };
            assert!(text.len() <= MOST_SAID && text.ends_with("é… (cut: it has 8192 bytes)"), "{text}");
        }
    }
}
