-- Views of a repository's cache, for reading with SQLite 3.40 or newer:
--
--   { git bhfuil cache views; echo 'SELECT count(*) FROM commits;'; } | sqlite3 -readonly "$(git bhfuil cache info --format='%(path)')"
--
-- Ids are lower-case hexadecimal, times seconds since 1970 in UTC. What there is and what it means is described in git-bhfuil-cache(1).

-- The repository, and when its refs were last seen.
CREATE TEMP VIEW cache (git_dir, object_format, indexed_at) AS
SELECT CAST(common_dir AS TEXT), object_format, (SELECT taken_at FROM main.snapshot) FROM main.repository;

-- The refs as they stood then. Without a commit behind a ref, `commit_id` is NULL.
CREATE TEMP VIEW refs (name, id, commit_id) AS
SELECT CAST(name AS TEXT), lower(hex(id)), nullif(lower(hex(commit_id)), '') FROM main.ref;

-- Every commit that was ever read. Ids and times are kept a thousand in a row, which is halved until each part is that of one commit: SQLite
-- reads a whole row for each part that it cuts out of it.
CREATE TEMP VIEW commits (position, id, committed_at) AS
WITH RECURSIVE
side (half) AS (VALUES (0), (1)),
part (first, count, width, ids, times) AS (
  SELECT segment.first + (ids.number & 0xfffff) * 1024, length(times.bytes) / 8, length(ids.bytes) / (length(times.bytes) / 8),
         ids.bytes, times.bytes
  FROM main.segment
  JOIN main.piece AS ids ON ids.number BETWEEN segment.first << 24 AND (segment.first << 24) + 0xfffff
  JOIN main.piece AS times ON times.number = ids.number + (1 << 20)
  UNION ALL
  SELECT first + half * (count / 2),
         CASE half WHEN 0 THEN count / 2 ELSE count - count / 2 END,
         width,
         substr(ids, 1 + half * (count / 2) * width, CASE half WHEN 0 THEN count / 2 ELSE count - count / 2 END * width),
         substr(times, 1 + half * (count / 2) * 8, CASE half WHEN 0 THEN count / 2 ELSE count - count / 2 END * 8)
  FROM part, side WHERE count > 1
),
one (position, id, time) AS (SELECT first, lower(hex(ids)), hex(times) FROM part WHERE count = 1)
-- Eight bytes, the lowest first; instr is 0 for the digit that it doesn't find.
SELECT position, id,
       (instr('123456789ABCDEF', substr(time, 1, 1)) << 4)
     | (instr('123456789ABCDEF', substr(time, 2, 1)))
     | (instr('123456789ABCDEF', substr(time, 3, 1)) << 12)
     | (instr('123456789ABCDEF', substr(time, 4, 1)) << 8)
     | (instr('123456789ABCDEF', substr(time, 5, 1)) << 20)
     | (instr('123456789ABCDEF', substr(time, 6, 1)) << 16)
     | (instr('123456789ABCDEF', substr(time, 7, 1)) << 28)
     | (instr('123456789ABCDEF', substr(time, 8, 1)) << 24)
     | (instr('123456789ABCDEF', substr(time, 9, 1)) << 36)
     | (instr('123456789ABCDEF', substr(time, 10, 1)) << 32)
     | (instr('123456789ABCDEF', substr(time, 11, 1)) << 44)
     | (instr('123456789ABCDEF', substr(time, 12, 1)) << 40)
     | (instr('123456789ABCDEF', substr(time, 13, 1)) << 52)
     | (instr('123456789ABCDEF', substr(time, 14, 1)) << 48)
     | (instr('123456789ABCDEF', substr(time, 15, 1)) << 60)
     | (instr('123456789ABCDEF', substr(time, 16, 1)) << 56)
FROM one;

-- The patch-ids that were found out so far, as git-patch-id --stable has them. Of a commit that changes nothing, `patch_id` is NULL.
CREATE TEMP VIEW patch_ids (id, patch_id) AS
SELECT lower(hex(id)), nullif(lower(hex(patch_id)), '') FROM main.patch;

-- Who follows the stream under a name (scan --new), through which filters, and when last.
CREATE TEMP VIEW consumers (name, filters, used_at) AS
SELECT consumer.name, consumer.filters, cursor.used_at FROM main.consumer JOIN main.cursor USING (token);
