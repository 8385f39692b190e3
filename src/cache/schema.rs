//! The tables of a repository's cache. Each script leads one version further; a script that was released is never edited, a new
//! one is appended, and a test opens a database of every older version.

use super::database::Schema;

/// Marks a file as a repository's cache: "bhfl" in the header's `application_id`.
const APPLICATION_ID: i32 = 0x6268_666c;

/// A repository's cache.
pub(super) const REPOSITORY: Schema =
    Schema { application_id: APPLICATION_ID, migrations: &[V1, V2, V3, V4, V5, V6, V7, V8, V9, V10] };

/// Ids are 20 or 32 bytes, refnames raw bytes, times seconds since 1970 (signed, 64 bits). The graph is kept as arrays in a few
/// rows and not as a row for each commit: 88,000 commits are read in 2 ms and written in 10, and a commit costs 40 bytes.
const V1: &str = "
-- The repository that this file is about, and what bent its history when the graph was made (0: nothing).
CREATE TABLE repository (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  common_dir BLOB NOT NULL,
  object_format TEXT NOT NULL CHECK (object_format IN ('sha1', 'sha256')),
  overlay INTEGER NOT NULL
);
-- The commit graph in batches, see graph.rs: parents before children, only appended to.
CREATE TABLE segment (
  first INTEGER PRIMARY KEY CHECK (first >= 0),
  count INTEGER NOT NULL CHECK (count > 0),
  ids BLOB NOT NULL,
  times BLOB NOT NULL,
  edges BLOB NOT NULL,
  parents BLOB NOT NULL,
  by_id BLOB NOT NULL,
  texts BLOB NOT NULL,
  -- CRC-32 of the five arrays before `texts`, in this order. A wrong number of a text shows where it leads to: each keeps its ids.
  sum INTEGER NOT NULL
);
-- The bytes of commits, some hundred in a block, see texts.rs. `segment.texts` says which number each commit has.
CREATE TABLE text (
  first INTEGER PRIMARY KEY CHECK (first >= 0),
  count INTEGER NOT NULL CHECK (count > 0),
  block BLOB NOT NULL
);
-- The usual refs as they stood at the last complete pass. `digest` tells at one look whether any has moved.
CREATE TABLE snapshot (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  digest INTEGER NOT NULL,
  taken_at INTEGER NOT NULL
);
CREATE TABLE ref (
  name BLOB PRIMARY KEY,
  id BLOB NOT NULL,
  commit_id BLOB
) WITHOUT ROWID;
-- States that a stream ended with. `tips` are the commits behind the refs, ids one after another; `overlay` is what bent history:
-- what the tips reach depends on both.
CREATE TABLE cursor (
  token TEXT PRIMARY KEY,
  tips BLOB NOT NULL,
  overlay INTEGER NOT NULL,
  used_at INTEGER NOT NULL
) WITHOUT ROWID;
-- Who follows the stream under a name, through which filters (as options are spelled), and how far they have come.
CREATE TABLE consumer (
  name TEXT PRIMARY KEY,
  filters TEXT NOT NULL,
  token TEXT NOT NULL REFERENCES cursor (token)
) WITHOUT ROWID;
";

/// Blocks of texts are written while a pass goes on, and their numbers are never used a second time, so that a pass that ends late
/// can't take another's block for its own. What the last version kept is made anew from git.
const V2: &str = "
DELETE FROM segment;
DELETE FROM ref;
DROP TABLE text;
CREATE TABLE text (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  block BLOB NOT NULL
);
-- Blocks that no segment names yet: those of a pass that is still going on, or that never ended.
CREATE TABLE unclaimed (
  text INTEGER PRIMARY KEY REFERENCES text (number) ON DELETE CASCADE
);
DROP TABLE snapshot;
-- The usual refs as they stood at the last complete pass. `digest` tells at one look whether any has moved; `peeled` has the
-- commit behind each, in their order: all zeros where there is none; `sum` is its CRC-32.
CREATE TABLE snapshot (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  digest INTEGER NOT NULL,
  peeled BLOB NOT NULL,
  sum INTEGER NOT NULL,
  taken_at INTEGER NOT NULL
);
";

/// What finds a commit by what its message says: see postings.rs. Kept apart from the graph since only `where` needs it.
const V3: &str = "
-- How many commits, from the graph's first on, are filed, and by what rules.
CREATE TABLE filed (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  count INTEGER NOT NULL CHECK (count > 0),
  rules INTEGER NOT NULL,
  -- The last of them: tells whether these are the commits of a graph.
  last BLOB NOT NULL
);
-- Keys and the positions of the commits filed under them: pairs of four bytes each, those of one batch in one row.
CREATE TABLE posting (
  bucket INTEGER NOT NULL,
  first INTEGER NOT NULL,
  entries BLOB NOT NULL,
  PRIMARY KEY (bucket, first)
) WITHOUT ROWID;
-- What a commit changed, found out for a comparison: see patches.rs.
CREATE TABLE patch (
  id BLOB PRIMARY KEY,
  -- Empty for a commit that changes nothing.
  patch_id BLOB NOT NULL,
  facts BLOB
) WITHOUT ROWID;
";

/// What finds a commit by the words of its message: see words.rs.
const V4: &str = "
-- How far the words are indexed, a row for each of the last batches: the commits before `end`, of which `last` is the last; by what
-- rules, and what bent history then.
CREATE TABLE worded (
  end INTEGER PRIMARY KEY CHECK (end > 0),
  last BLOB NOT NULL,
  rules INTEGER NOT NULL,
  overlay INTEGER NOT NULL
);
-- The row of a commit is its position and one. The text comes as words between spaces: nothing is left to decide here. Neither the
-- text nor where in it a word stands is kept.
CREATE VIRTUAL TABLE word USING fts5 (
  words, content = '', contentless_delete = 1, detail = 'none', tokenize = 'ascii tokenchars _'
);
";

/// Patch-ids are kept with what they depend on, and so that damage shows.
const V5: &str = "
DROP TABLE patch;
-- What a commit changed, found out by a diff: see patches.rs.
CREATE TABLE patch (
  id BLOB PRIMARY KEY,
  -- Empty for a commit that changes nothing.
  patch_id BLOB NOT NULL,
  -- Bytes of the largest blob that was compared: where git is told not to compare such any more, this no longer holds.
  largest INTEGER NOT NULL,
  -- CRC-32 of these three.
  sum INTEGER NOT NULL,
  facts BLOB
) WITHOUT ROWID;
";

/// A question about the refs as they stood needs to know where in the graph they lead, and to look each up takes longer than to answer.
const V6: &str = "
DROP TABLE snapshot;
-- The usual refs as they stood at the last complete pass. `digest` tells at one look whether any has moved; `peeled` has the commit
-- behind each, in their order, with its position in the graph (4 bytes, little-endian): all ones in every bit of the position where
-- there is none. `whole` is 1 if they reach every commit of the graph; `sum` is the CRC-32 of `peeled`.
CREATE TABLE snapshot (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  digest INTEGER NOT NULL,
  peeled BLOB NOT NULL,
  whole INTEGER NOT NULL,
  sum INTEGER NOT NULL,
  taken_at INTEGER NOT NULL
);
";

/// While the refs stand, where they lead and which of them hold a commit is always the same, and a look at it is quicker than a sweep over
/// the graph.
const V7: &str = "
-- For each commit of the graph with this `mark` which of the commits behind the usual refs contain it: see holders.rs. `sum` is the
-- CRC-32 of the four arrays.
CREATE TABLE holders (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  mark INTEGER NOT NULL,
  tips BLOB NOT NULL,
  starts BLOB NOT NULL,
  numbers BLOB NOT NULL,
  sets BLOB NOT NULL,
  sum INTEGER NOT NULL
);
-- Where that graph has what many refs lead to that were asked for last: a position of 4 bytes for each, all ones in every bit where there
-- is none. `digest` is of what they lead to, `sum` the CRC-32 of `positions`.
CREATE TABLE placed (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  mark INTEGER NOT NULL,
  digest INTEGER NOT NULL,
  positions BLOB NOT NULL,
  sum INTEGER NOT NULL
);
";

/// The texts of a block are packed in frames, see blocks.rs, and the arrays of a segment are cut into pieces, see segments.rs: who asks for a
/// few bytes of a long one follows the chain of its pages from the first. The graph and what has its positions are made anew. The table
/// of what tags count for is new.
const V8: &str = "
DROP TABLE segment;
-- The commit graph in batches, see graph.rs: parents before children, only appended to.
CREATE TABLE segment (
  first INTEGER PRIMARY KEY CHECK (first >= 0),
  count INTEGER NOT NULL CHECK (count > 0),
  -- How many parents its commits have.
  links INTEGER NOT NULL CHECK (links >= 0),
  -- CRC-32 of its arrays but the numbers of texts, in their order. A wrong number shows where it leads to: each text keeps its ids.
  sum INTEGER NOT NULL
);
-- Its arrays, 1,024 entries a piece: `number` is the segment's first commit, from the 24th bit on, the array, from the 20th, and the piece.
-- Arrays 0 to 5: ids; times, 8 bytes each; then, 4 bytes each, where a commit's parents end among all, parents, positions in the order of
-- ids, and the numbers of texts. All little-endian.
CREATE TABLE piece (
  number INTEGER PRIMARY KEY,
  bytes BLOB NOT NULL
);
DELETE FROM unclaimed;
DELETE FROM text;
DELETE FROM snapshot;
DELETE FROM filed;
DELETE FROM posting;
DELETE FROM worded;
INSERT INTO word (word) VALUES ('delete-all');
DELETE FROM holders;
DELETE FROM placed;
-- Which release lines each tag counts for, in that graph: see locate/places.rs. `digest` is of the refs and of the rules by which names are
-- read, `sum` the CRC-32 of `tags`.
CREATE TABLE tagged (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  mark INTEGER NOT NULL,
  digest INTEGER NOT NULL,
  tags BLOB NOT NULL,
  sum INTEGER NOT NULL
);
";

/// To gather the commits behind 60,000 refs and to name their state takes as long as to read the refs. Several lists of many refs may be asked
/// for in turn. What files commits has to show damage too: a row that is gone, or is another's, leaves commits out.
const V9: &str = "
-- The cursors of states that many refs are in: `digest` is of what the refs lead to, `overlay` as in `cursor`.
CREATE TABLE state (
  number INTEGER PRIMARY KEY,
  digest INTEGER NOT NULL,
  overlay INTEGER NOT NULL,
  token TEXT NOT NULL REFERENCES cursor (token) ON DELETE CASCADE,
  used_at INTEGER NOT NULL,
  UNIQUE (digest, overlay)
);
DROP TABLE placed;
-- Where the graph with this `mark` has what many refs lead to, for the lists that were asked for last: a position of 4 bytes for each, all
-- ones in every bit where there is none. `digest` is of what they lead to, `sum` the CRC-32 of `positions`.
CREATE TABLE placed (
  number INTEGER PRIMARY KEY,
  mark INTEGER NOT NULL,
  digest INTEGER NOT NULL,
  positions BLOB NOT NULL,
  sum INTEGER NOT NULL,
  UNIQUE (mark, digest)
);
DELETE FROM filed;
DROP TABLE posting;
-- Keys and the positions of the commits filed under them: pairs of four bytes each, those of one batch in one row. `sum` is the CRC-32 of
-- bucket and first, eight bytes each and little-endian, and the entries.
CREATE TABLE posting (
  bucket INTEGER NOT NULL,
  first INTEGER NOT NULL,
  sum INTEGER NOT NULL,
  entries BLOB NOT NULL,
  PRIMARY KEY (bucket, first)
) WITHOUT ROWID;
-- The batches: each goes on where the one before ends, and `filled` has a bit for each bucket in which it has a row, the lowest of the first
-- byte for the first. `sum` is the CRC-32 of first and end, as above, and these bytes.
CREATE TABLE batch (
  first INTEGER PRIMARY KEY,
  \"end\" INTEGER NOT NULL,
  filled BLOB NOT NULL,
  sum INTEGER NOT NULL
);
";

/// What commits changed is kept beside their texts.
const V10: &str = "
-- What is kept of commits, some hundred in a block, see blocks.rs.
ALTER TABLE text RENAME TO block;
ALTER TABLE block RENAME COLUMN block TO bytes;
-- Blocks that no segment names yet.
ALTER TABLE unclaimed RENAME COLUMN text TO block;
-- From here on `piece` has an array 6 too: the numbers of changes, as array 5 has those of texts. Pieces in which all bits of each number
-- are ones may be missing: nothing is kept of those commits.
";
