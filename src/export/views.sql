-- Views of what git bhfuil export writes, as DuckDB and Spark both understand them.

-- Every repository that anything is known of.
CREATE OR REPLACE TEMPORARY VIEW repositories AS
SELECT repo FROM refs UNION SELECT repo FROM commits;

-- The changes that are asked about, by the full id of one commit each: here those that the queries of the export meant. For others put
-- a view of your own in its place, with a column "id".
CREATE OR REPLACE TEMPORARY VIEW wanted AS
SELECT DISTINCT change AS id FROM matches;

-- Commits that another says it was picked from. What is written out names it wherever it is, what is abbreviated to no less than twelve
-- digits names the commit of the fleet that begins so.
CREATE OR REPLACE TEMPORARY VIEW origins AS
WITH named AS (
  SELECT repo, id, origin.id AS found, lower(origin.text) AS text
  FROM (SELECT repo, id, explode(origins) AS origin FROM commits) AS each
)
SELECT repo, id, coalesce(found, text) AS origin FROM named WHERE found IS NOT NULL OR length(text) IN (40, 64)
UNION
SELECT named.repo, named.id, commits.id AS origin
FROM named JOIN commits ON substr(commits.id, 1, 12) = substr(named.text, 1, 12)
WHERE named.found IS NULL AND length(named.text) BETWEEN 12 AND 63 AND length(named.text) <> 40
  AND substr(commits.id, 1, length(named.text)) = named.text;

-- What a commit goes by. Two that share a value of one signal are one change by it: "equal" is what git bhfuil where takes for sure,
-- "weak" (the patch alone) is worth a look. As git-bhfuil-where(1) has it, but without what needs a diff.
CREATE OR REPLACE TEMPORARY VIEW change_keys AS
SELECT repo, id, 'same' AS signal, 'equal' AS strength, id AS value FROM commits
UNION ALL
SELECT repo, id, 'trailer', 'equal', id FROM commits
UNION ALL
SELECT repo, id, 'trailer', 'equal', origin FROM origins
UNION ALL
SELECT repo, id, 'change-id', 'equal', change_id FROM commits WHERE change_id IS NOT NULL
UNION ALL
SELECT repo, id, 'patch-id-author-date', 'equal', concat(patch_id, ' ', author.date, ' ', author.email)
FROM commits WHERE patch_id IS NOT NULL AND author.date IS NOT NULL
UNION ALL
SELECT repo, id, 'patch-id-subject', 'equal', concat(patch_id, ' ', subject) FROM commits WHERE patch_id IS NOT NULL
UNION ALL
SELECT repo, id, 'patch-id', 'weak', patch_id FROM commits WHERE patch_id IS NOT NULL;

-- Changes that more than one repository has, by each signal: how many have it, and how many commits it is there.
CREATE OR REPLACE TEMPORARY VIEW shared_changes AS
SELECT signal, strength, value, count(DISTINCT repo) AS repositories, count(DISTINCT id) AS commits
FROM change_keys GROUP BY signal, strength, value HAVING count(DISTINCT repo) > 1;

-- The commits that are a wanted change: those that share a key with it, and those that share one that counts as equal with these.
CREATE OR REPLACE TEMPORARY VIEW carriers AS
WITH near AS (
  SELECT DISTINCT wanted.id AS change, theirs.repo, theirs.id, theirs.signal, theirs.strength
  FROM wanted
  JOIN change_keys AS ours ON ours.id = wanted.id
  JOIN change_keys AS theirs ON theirs.signal = ours.signal AND theirs.value = ours.value
),
far AS (
  SELECT DISTINCT near.change, theirs.repo, theirs.id, theirs.signal, theirs.strength
  FROM near
  JOIN change_keys AS ours ON ours.repo = near.repo AND ours.id = near.id
  JOIN change_keys AS theirs ON theirs.signal = ours.signal AND theirs.value = ours.value
  WHERE near.strength = 'equal' AND theirs.strength = 'equal'
),
tags AS (
  SELECT refs.repo, refs.short, min(commits.committed_at) AS tagged_at
  FROM refs JOIN commits ON commits.repo = refs.repo AND commits.id = refs.peeled
  WHERE refs.kind = 'tag' GROUP BY refs.repo, refs.short
),
taken_back AS (
  SELECT repo, revert.id AS id, min(id) AS reverted_by
  FROM (SELECT repo, id, explode(reverts) AS revert FROM commits) AS each
  WHERE revert.id IS NOT NULL GROUP BY repo, revert.id
),
found AS (
  SELECT change, repo, id, min(strength) AS strength, min(steps) AS steps
  FROM (
    SELECT change, repo, id, strength, 1 AS steps FROM near
    UNION ALL
    SELECT change, repo, id, strength, 2 AS steps FROM far
  ) AS either
  GROUP BY change, repo, id
)
SELECT found.change, found.repo, found.id, found.strength, found.steps, commits.tagged AS first_tag, tags.tagged_at, taken_back.reverted_by
FROM found
JOIN commits ON commits.repo = found.repo AND commits.id = found.id
LEFT JOIN tags ON tags.repo = found.repo AND tags.short = commits.tagged
LEFT JOIN taken_back ON taken_back.repo = found.repo AND taken_back.id = found.id;

-- Every repository and every wanted change: whether it carries it, as how many commits, under which tag first, and whether one of them was
-- taken back on some branch. That none does says no more than that none of the signals above tells of it.
CREATE OR REPLACE TEMPORARY VIEW fleet AS
SELECT wanted.id AS change, repositories.repo, count(carriers.id) > 0 AS carries, count(DISTINCT carriers.id) AS commits,
  min_by(carriers.first_tag, carriers.tagged_at) AS first_tag, count(carriers.reverted_by) > 0 AS reverted
FROM wanted CROSS JOIN repositories
LEFT JOIN carriers
  ON carriers.change = wanted.id AND carriers.repo = repositories.repo AND carriers.strength = 'equal'
GROUP BY wanted.id, repositories.repo;

-- What git bhfuil answered to the queries of the export: by all signals, those that take a diff too, and what refs have in the end.
CREATE OR REPLACE TEMPORARY VIEW answers AS
WITH asked AS (SELECT DISTINCT query, change FROM matches)
SELECT asked.query, asked.change, repositories.repo,
  count(CASE WHEN presence.state IN ('present', 'reapplied') THEN 1 END) > 0 AS carries,
  count(CASE WHEN presence.state = 'reverted' THEN 1 END) > 0 AS reverted
FROM asked CROSS JOIN repositories
LEFT JOIN presence
  ON presence.query = asked.query AND presence.change = asked.change AND presence.repo = repositories.repo
GROUP BY asked.query, asked.change, repositories.repo;
