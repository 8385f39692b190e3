//! The stream as tables, a file each, for engines that read many: commits, refs, matches and presence.
//!
//! Owns what the tables are, how rows become files, and the SQL that goes with them ([`sql`]). Refuses to know how the lines come about: it is
//! handed JSON Lines, on a thread of its own, since writing files blocks.

pub mod columns;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "what Parquet alone needs"))]
mod shred;
pub mod sql;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use anyhow::Context as _;
use async_channel::{Receiver, Sender};

use self::columns::{TABLES, Table};
use crate::error::Kind;
use crate::files::Draft;

/// Pieces of lines that may wait.
const WAITING: usize = 4;
/// Bytes of lines that are gathered before they are written.
const CHUNK: usize = 1 << 16;

/// The types of events that make rows.
pub const TYPES: &[&str] = &["commit", "ref", "match", "presence"];

/// The form of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Apache Parquet, compressed with snappy.
    Parquet,
    /// JSON Lines: the lines of the stream as they are.
    Jsonl,
}

impl Form {
    /// What the names of the files end in.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Jsonl => "jsonl",
        }
    }
}

/// A table that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its name.
    pub table: &'static str,
    /// Its file.
    pub path: PathBuf,
    /// How many rows it has.
    pub rows: u64,
    /// The size of the file in bytes.
    pub bytes: u64,
}

/// An export that is under way. Dropped before [`Files::put`] it leaves what was there as it was.
#[derive(Debug)]
pub struct Export {
    lines: Sender<Vec<u8>>,
    thread: JoinHandle<anyhow::Result<Files>>,
}

impl Export {
    /// Begins the files in `folder`, which is made if need be; those of an earlier export stay until the new ones are whole. Blocks for as long
    /// as that takes.
    ///
    /// # Errors
    /// [`Kind::BadValue`] if this program was built without `form`; if a file can't be made.
    pub fn begin(folder: &Path, form: Form) -> anyhow::Result<Self> {
        let files = Files::begin(folder, form)?;
        let (lines, queue) = async_channel::bounded(WAITING);
        let thread = std::thread::Builder::new().name("export".into()).spawn(move || files.fill(&queue));
        Ok(Self { lines, thread: thread.context("starting a thread")? })
    }

    /// Where the lines go in, whole ones of [`TYPES`]. It is closed once they can't be written any more: [`Self::end`] says why.
    #[must_use]
    pub fn lines(&self) -> Sender<Vec<u8>> {
        self.lines.clone()
    }

    /// Waits until all that went in is written.
    ///
    /// # Errors
    /// If it can't be written, or isn't what the stream has.
    pub async fn end(self) -> anyhow::Result<Files> {
        self.lines.close();
        let joined = smol::unblock(move || self.thread.join()).await;
        joined.unwrap_or_else(|_| Err(Kind::Internal.error("the thread that writes tables panicked")))
    }
}

/// The files of an export, each beside the one that it is to replace.
#[derive(Debug)]
pub struct Files {
    all: Vec<File>,
}

#[derive(Debug)]
struct File {
    table: &'static Table,
    path: PathBuf,
    rows: u64,
    writer: Writer,
}

enum Writer {
    #[cfg(feature = "parquet")]
    Parquet(Box<parquet::Writer>),
    Jsonl(io::BufWriter<Draft>),
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}

impl Writer {
    fn begin(path: &Path, table: &'static Table, form: Form) -> io::Result<Self> {
        let draft = Draft::of(path)?;
        match form {
            #[cfg(feature = "parquet")]
            Form::Parquet => Ok(Self::Parquet(Box::new(parquet::Writer::new(draft, table.name, table.columns)?))),
            #[cfg(not(feature = "parquet"))]
            Form::Parquet => Err(io::Error::new(io::ErrorKind::Unsupported, table.name)),
            Form::Jsonl => Ok(Self::Jsonl(io::BufWriter::with_capacity(CHUNK, draft))),
        }
    }

    fn finish(self) -> io::Result<Draft> {
        match self {
            #[cfg(feature = "parquet")]
            Self::Parquet(writer) => writer.finish(),
            Self::Jsonl(writer) => writer.into_inner().map_err(io::IntoInnerError::into_error),
        }
    }
}

impl Files {
    fn begin(folder: &Path, form: Form) -> anyhow::Result<Self> {
        if form == Form::Parquet && !cfg!(feature = "parquet") {
            return Err(Kind::BadValue.hinted(
                "this git-bhfuil was built without Parquet",
                "--format=jsonl writes JSON Lines; cargo install --features=parquet builds one with it",
            ));
        }
        if std::fs::metadata(folder).is_ok_and(|there| !there.is_dir()) {
            return Err(Kind::Io.error(format!("{} is no folder", folder.display())));
        }
        let begin = |table: &'static Table| {
            let path = folder.join(table.name).with_extension(form.extension());
            let writer = Writer::begin(&path, table, form).map_err(|cause| unwritten(&path, cause))?;
            Ok(File { table, path, rows: 0, writer })
        };
        Ok(Self { all: TABLES.iter().map(begin).collect::<anyhow::Result<_>>()? })
    }

    /// Writes all lines that come, until no more will.
    fn fill(mut self, queue: &Receiver<Vec<u8>>) -> anyhow::Result<Self> {
        while let Ok(piece) = queue.recv_blocking() {
            for line in piece.split_inclusive(|&byte| byte == b'\n') {
                self.add(line)?;
            }
        }
        Ok(self)
    }

    fn add(&mut self, line: &[u8]) -> anyhow::Result<()> {
        let is_of = |file: &&mut File| {
            let rest = line.strip_prefix(br#"{"type":""#).unwrap_or_default();
            rest.strip_prefix(file.table.event.as_bytes()).is_some_and(|rest| rest.starts_with(b"\""))
        };
        let Some(file) = self.all.iter_mut().find(is_of) else { return Ok(()) };
        let written = match &mut file.writer {
            #[cfg(feature = "parquet")]
            Writer::Parquet(writer) => {
                let row: serde_json::Map<String, serde_json::Value> =
                    serde_json::from_slice(line).context("reading a line of the stream")?;
                writer.add(&row)
            }
            Writer::Jsonl(writer) => writer.write_all(line),
        };
        written.map_err(|cause| unwritten(&file.path, cause))?;
        file.rows += 1;
        Ok(())
    }

    /// Puts all in the places of those of before, one after another once each is whole.
    ///
    /// # Errors
    /// If one can't be written; none is replaced then but those that were put before it failed.
    pub async fn put(self) -> anyhow::Result<Vec<Written>> {
        smol::unblock(move || self.put_blocking()).await
    }

    fn put_blocking(self) -> anyhow::Result<Vec<Written>> {
        let finish = |File { table, path, rows, writer }| match writer.finish() {
            Ok(draft) => Ok((table, path, rows, draft)),
            Err(cause) => Err(unwritten(&path, cause)),
        };
        let whole = self.all.into_iter().map(finish).collect::<anyhow::Result<Vec<(&Table, PathBuf, u64, Draft)>>>()?;
        let put = |(table, path, rows, draft): (&Table, PathBuf, u64, Draft)| {
            let bytes = draft.put().map_err(|cause| unwritten(&path, cause))?;
            Ok(Written { table: table.name, path, rows, bytes })
        };
        whole.into_iter().map(put).collect()
    }
}

fn unwritten(path: &Path, cause: io::Error) -> anyhow::Error {
    Kind::Io.wrap(cause, format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exported(folder: &Path, form: Form, lines: &str) -> anyhow::Result<Vec<Written>> {
        smol::block_on(async {
            let export = Export::begin(folder, form)?;
            // Nobody takes it any more once a line was bad.
            let _ = export.lines().send(lines.as_bytes().to_vec()).await;
            export.end().await?.put().await
        })
    }

    #[test]
    fn the_types_are_those_of_the_tables() {
        assert_eq!(TYPES, TABLES.iter().map(|table| table.event).collect::<Vec<_>>());
    }

    #[test]
    fn lines_are_written_as_they_are() {
        let folder = tempfile::tempdir().expect("a folder");
        let below = folder.path().join("a/b");
        let lines =
            "{\"type\":\"ref\",\"ref\":\"x\"}\n{\"type\":\"commit\",\"id\":\"1\"}\n{\"type\":\"ref\",\"ref\":\"y\"}\n";
        let written = exported(&below, Form::Jsonl, lines).expect("written");
        let rows: Vec<(&str, u64)> = written.iter().map(|it| (it.table, it.rows)).collect();
        assert_eq!(rows, [("commits", 1), ("refs", 2), ("matches", 0), ("presence", 0)]);
        let refs = std::fs::read_to_string(below.join("refs.jsonl")).expect("refs");
        assert_eq!(refs, "{\"type\":\"ref\",\"ref\":\"x\"}\n{\"type\":\"ref\",\"ref\":\"y\"}\n");
        assert_eq!(written[1].bytes, refs.len() as u64);
    }

    #[test]
    fn what_is_given_up_leaves_the_files_of_before() {
        let folder = tempfile::tempdir().expect("a folder");
        exported(folder.path(), Form::Jsonl, "{\"type\":\"ref\",\"ref\":\"old\"}\n").expect("written");
        let given_up = smol::block_on(async {
            let export = Export::begin(folder.path(), Form::Jsonl)?;
            export.lines().send(b"{\"type\":\"ref\",\"ref\":\"new\"}\n".to_vec()).await?;
            drop(export.end().await?);
            anyhow::Ok(())
        });
        given_up.expect("is no failure");
        let refs = std::fs::read_to_string(folder.path().join("refs.jsonl")).expect("refs");
        assert_eq!(refs, "{\"type\":\"ref\",\"ref\":\"old\"}\n");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), TABLES.len(), "nothing else is left");
    }

    #[cfg(feature = "parquet")]
    #[test]
    fn parquet_reads_back_what_the_lines_said() {
        use ::parquet::file::reader::{FileReader as _, SerializedFileReader};

        let folder = tempfile::tempdir().expect("a folder");
        let commit = |id: u32| {
            format!(
                "{{\"type\":\"commit\",\"repo\":\"r\",\"id\":\"{id}\",\"parents\":[\"p\",\"q\"],\"subject\":\"é\",\"author\":{{\"name\":\"A\",\
                 \"date\":\"2024-03-01T01:30:00+05:30\"}},\"trailers\":[],\"origins\":[{{\"kind\":\"cherry-pick\",\"text\":\"1a\",\
                 \"id\":null}},{{\"kind\":\"x\",\"text\":\"2b\",\"id\":\"2b2b\"}}],\"patch_id\":null}}\n"
            )
        };
        let lines: String = (0..3).map(commit).collect();
        exported(folder.path(), Form::Parquet, &lines).expect("written");
        let file = std::fs::File::open(folder.path().join("commits.parquet")).expect("commits");
        let reader = SerializedFileReader::new(file).expect("a Parquet file");
        let rows: Vec<String> =
            reader.get_row_iter(None).expect("rows").map(|row| row.expect("a row").to_string()).collect();
        assert_eq!(rows.len(), 3);
        for part in [
            r#"id: "2", parents: ["p", "q"], tree: null, subject: "é","#,
            r#"author: {name: "A", name_b64: null, email: null,"#,
            "committer: null, committed_at: null, trailers: [], change_id: null, issues: null,",
            r#"{kind: "cherry-pick", text: "1a", text_b64: null, id: null}"#,
            r#"{kind: "x", text: "2b", text_b64: null, id: "2b2b"}]"#,
            r#"unknown: ["patch_id"]"#,
            "authored_at: 2024-02-29 20:00:00",
        ] {
            assert!(rows[2].contains(part), "{part} is not in {}", rows[2]);
        }
        let empty = std::fs::File::open(folder.path().join("presence.parquet")).expect("presence");
        let empty = SerializedFileReader::new(empty).expect("a Parquet file without rows is one too");
        assert_eq!(empty.metadata().file_metadata().num_rows(), 0);
    }

    #[cfg(feature = "parquet")]
    #[test]
    fn a_line_that_is_none_ends_it_and_replaces_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let refused = exported(folder.path(), Form::Parquet, "{\"type\":\"commit\",\n").expect_err("no JSON");
        assert!(format!("{refused:#}").contains("reading a line of the stream"), "{refused:#}");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }
}
