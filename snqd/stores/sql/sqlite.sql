-- The queries of the SQLite store. `now`, `lease_until` and the like are epoch seconds from the host's clock.

-- name: insert
-- One item; a taken unique key stores nothing. The state is given, so that the trigger need not write the row again.
INSERT INTO queue_item (site, queue, codec, priority, created, available_at, state, unique_key, frame)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING

-- name: insert_returning
-- The same, telling the id.
INSERT INTO queue_item (site, queue, codec, priority, created, available_at, state, unique_key, frame)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING
RETURNING id

-- name: heads
-- The first ready item of each queue, most urgent first: one index probe per queue, whatever the backlog.
SELECT head.queue
FROM json_each(?) AS wanted
JOIN queue_item AS head ON head.id = (
    SELECT id FROM queue_item WHERE state = 'ready' AND queue = wanted.value
    ORDER BY priority, available_at, id LIMIT 1
)
ORDER BY head.priority, head.available_at, head.id

-- name: last_token
-- Read under the write lock; all items of an exchange get the next one.
SELECT value FROM snqd_token

-- name: use_token
UPDATE snqd_token SET value = ?

-- name: first_ready
-- The first ready items of a queue, with the token that `claim` is about to give them. Reading, then writing under the
-- write lock is a fifth cheaper than UPDATE … RETURNING, which keeps a copy of every row, and leaves them in order.
SELECT id, ?, site, queue, codec, CAST(frame AS BLOB), attempts, crash_attempts, created, available_at, priority
FROM queue_item WHERE state = 'ready' AND queue = ?
ORDER BY priority, available_at, id LIMIT ?

-- name: first_urgent
-- The same, but only what is more urgent than a priority.
SELECT id, ?, site, queue, codec, CAST(frame AS BLOB), attempts, crash_attempts, created, available_at, priority
FROM queue_item WHERE state = 'ready' AND queue = ? AND priority < ?
ORDER BY priority, available_at, id LIMIT ?

-- name: first_of_flow
-- The same of one site at one priority.
SELECT id, ?, site, queue, codec, CAST(frame AS BLOB), attempts, crash_attempts, created, available_at, priority
FROM queue_item INDEXED BY queue_item_turn WHERE state = 'ready' AND queue = ? AND priority = ? AND site = ?
ORDER BY available_at, id LIMIT ?

-- name: first_of_line
-- The same where there is but one site.
SELECT id, ?, site, queue, codec, CAST(frame AS BLOB), attempts, crash_attempts, created, available_at, priority
FROM queue_item INDEXED BY queue_item_ready WHERE state = 'ready' AND queue = ? AND priority = ?
ORDER BY available_at, id LIMIT ?

-- name: has_line
SELECT EXISTS (SELECT 1 FROM queue_item INDEXED BY queue_item_ready
    WHERE state = 'ready' AND queue = ? AND priority = ?)

-- name: has_sites
-- Whether there are, or were, items of more sites than 'default'.
SELECT EXISTS (SELECT 1 FROM snqd_turns)

-- name: index_sites
CREATE INDEX IF NOT EXISTS queue_item_turn ON queue_item (queue, priority, site, available_at, id) WHERE state = 'ready'

-- name: site_below
-- The next site that has something ready, by one probe of the index of turns, downwards.
SELECT site FROM queue_item INDEXED BY queue_item_turn
WHERE state = 'ready' AND queue = ? AND priority = ? AND site < ? AND site >= ?
ORDER BY site DESC LIMIT 1

-- name: site_above
SELECT site FROM queue_item INDEXED BY queue_item_turn
WHERE state = 'ready' AND queue = ? AND priority = ? AND site > ?
ORDER BY site LIMIT 1

-- name: next_line
-- The next less urgent priority of a queue that has something ready, and since when.
SELECT priority, available_at FROM queue_item INDEXED BY queue_item_ready
WHERE state = 'ready' AND queue = ? AND priority > ?
ORDER BY priority, available_at, id LIMIT 1

-- name: count_flow
-- Of one site at one priority: how many items wait, up to a bound, and since when.
SELECT count(*), min(available_at) FROM (
    SELECT available_at FROM queue_item INDEXED BY queue_item_turn
    WHERE state = 'ready' AND queue = ? AND priority = ? AND site = ? ORDER BY available_at, id LIMIT ?)

-- name: count_line
-- The same where there is but one site.
SELECT count(*), min(available_at) FROM (
    SELECT available_at FROM queue_item INDEXED BY queue_item_ready
    WHERE state = 'ready' AND queue = ? AND priority = ? ORDER BY available_at, id LIMIT ?)

-- name: in_flight
-- All that is claimed: on one host that is never much.
SELECT queue, site, count(*) FROM queue_item INDEXED BY queue_item_claimed WHERE state = 'claimed' GROUP BY queue, site

-- name: buckets
SELECT queue, site, full_at - :now FROM queue_bucket WHERE full_at > :now

-- name: spend
INSERT INTO queue_bucket (queue, site, full_at) VALUES (:queue, :site, :now + :seconds)
ON CONFLICT (queue, site) DO UPDATE SET full_at = max(full_at, :now) + :seconds

-- name: forget_buckets
DELETE FROM queue_bucket WHERE full_at < ?

-- name: claim
UPDATE queue_item SET state = 'claimed', claimed_by = ?, lease_until = ?, token = ?
WHERE id IN (SELECT value FROM json_each(?))

-- name: ack
-- Every word about a claim says its token; leaving the claimed state sets the token to 0, which is never given out.
DELETE FROM queue_item WHERE id = ? AND token = ?

-- name: held
-- What a retry or a dead letter needs to know, if the claim is still ours.
SELECT attempts, history FROM queue_item WHERE id = ? AND token = ?

-- name: retry
UPDATE queue_item SET state = :state, available_at = coalesce(:available_at, available_at), attempts = :attempts,
    crash_attempts = crash_attempts + :crashes, last_error = :error, history = :history,
    claimed_by = NULL, lease_until = NULL, token = 0
WHERE id = :id

-- name: bury
-- Copy to the dead letters; `delete` follows in the same transaction.
INSERT INTO dead_letter (id, site, queue, codec, priority, created, available_at, died, reason, attempts,
    crash_attempts, unique_key, last_error, traceback, history, fingerprint, frame)
SELECT id, site, queue, codec, priority, created, available_at, :now, :reason, :attempts,
    crash_attempts + :crashes, unique_key, :error, :traceback, :history,
    CASE codec WHEN 'canary' THEN codec ELSE :fingerprint END, frame
FROM queue_item WHERE id = :id

-- name: delete
DELETE FROM queue_item WHERE id = ?

-- name: release
-- Ready again with its old place in the queue. An empty note leaves the last error alone.
UPDATE queue_item SET state = 'ready', last_error = coalesce(?, last_error),
    claimed_by = NULL, lease_until = NULL, token = 0
WHERE id = ? AND token = ?

-- name: release_later
UPDATE queue_item SET state = 'scheduled', available_at = ?, last_error = coalesce(?, last_error),
    claimed_by = NULL, lease_until = NULL, token = 0
WHERE id = ? AND token = ?

-- name: renew
UPDATE queue_item SET lease_until = ? WHERE id = ? AND token = ?

-- name: next_due
SELECT min(available_at) FROM queue_item WHERE state = 'scheduled'

-- name: promote
-- A batch at a time, so that a million items that come due together do not stop the other writers.
UPDATE queue_item SET state = 'ready' WHERE id IN (
    SELECT id FROM queue_item WHERE state = 'scheduled' AND available_at <= ? ORDER BY available_at LIMIT ?
)

-- name: expired
SELECT claimed_by, queue, site, sum(codec <> 'canary') FROM queue_item WHERE state = 'claimed' AND lease_until < ?
GROUP BY claimed_by, queue, site

-- name: reclaim
UPDATE queue_item SET state = 'ready', claimed_by = NULL, lease_until = NULL, token = 0
WHERE state = 'claimed' AND lease_until < ?

-- name: claimants
SELECT DISTINCT claimed_by FROM queue_item WHERE state = 'claimed' ORDER BY claimed_by

-- name: claims_of
SELECT id, token FROM queue_item WHERE state = 'claimed' AND claimed_by = ?

-- name: blamed
SELECT queue, site, attempts, crash_attempts, history
FROM queue_item WHERE id = ? AND state = 'claimed' AND claimed_by = ?

-- name: release_all
UPDATE queue_item SET state = 'ready', claimed_by = NULL, lease_until = NULL, token = 0
WHERE state = 'claimed' AND claimed_by = ? RETURNING id, queue, site, codec

-- name: ready_queues
-- The queues that have ready items, by jumping from one to the next in the claim's index.
WITH RECURSIVE hop (queue) AS (
    SELECT (SELECT queue FROM queue_item WHERE state = 'ready' AND codec <> 'canary' ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (SELECT queue FROM queue_item WHERE state = 'ready' AND codec <> 'canary' AND queue > hop.queue
            ORDER BY queue LIMIT 1)
    FROM hop WHERE hop.queue IS NOT NULL
)
SELECT queue FROM hop WHERE queue IS NOT NULL

-- name: anything_new
-- What a wake-up is for: something is ready, or the next scheduled item is due earlier than we knew.
SELECT EXISTS (SELECT 1 FROM queue_item WHERE state = 'ready'),
    (SELECT min(available_at) FROM queue_item WHERE state = 'scheduled')

-- name: counts
-- What is set aside is among the ready ones: whether it is paused is decided by the pauses that hold.
SELECT queue, site, sum(state IN ('ready', 'paused')), sum(state = 'scheduled'), sum(state = 'claimed'),
    sum(state = 'dead'), min(CASE WHEN state IN ('ready', 'paused') THEN available_at END)
FROM (
    SELECT queue, site, state, available_at FROM queue_item WHERE codec <> 'canary'
    UNION ALL
    SELECT queue, site, 'dead', NULL FROM dead_letter WHERE codec <> 'canary'
)
GROUP BY queue, site ORDER BY queue, site

-- name: find
-- A page of items: the conditions of the filter are put in, in place of the word `wanted`.
SELECT id, site, queue, CASE WHEN state IN ('scheduled', 'claimed') THEN state WHEN covered THEN 'paused' ELSE 'ready' END,
    codec, CASE WHEN :frames THEN CAST(frame AS BLOB) ELSE x'' END, priority, created, available_at, attempts,
    crash_attempts, unique_key, claimed_by, lease_until, last_error, history, NULL, NULL, NULL, NULL,
    CASE typeof(frame) WHEN 'blob' THEN length(frame) ELSE length(CAST(frame AS BLOB)) END
FROM queue_item WHERE id > :after AND wanted ORDER BY id LIMIT :page

-- name: has_old_dead
SELECT 1 FROM dead_letter WHERE died < ? LIMIT 1

-- name: expire_dead
DELETE FROM dead_letter WHERE id IN (SELECT id FROM dead_letter WHERE died < ? ORDER BY died, id LIMIT ?)
RETURNING queue, died

-- name: pauses
-- Those that hold.
SELECT queue, site, author, reason, since, expires_at, ended_at, ended_by FROM queue_pause
WHERE ended_at IS NULL AND (expires_at IS NULL OR expires_at > :now) ORDER BY queue, site

-- name: pause
-- One that holds goes on, with another author, reason and end.
INSERT INTO queue_pause (queue, site, author, reason, since, expires_at)
VALUES (:queue, :site, :author, :reason, :now, :expires_at)
ON CONFLICT (queue, site) DO UPDATE SET author = excluded.author, reason = excluded.reason,
    since = CASE WHEN ended_at IS NULL AND (expires_at IS NULL OR expires_at > :now) THEN since ELSE :now END,
    expires_at = excluded.expires_at, ended_at = NULL, ended_by = ''
RETURNING queue, site, author, reason, since, expires_at, ended_at, ended_by

-- name: resume
UPDATE queue_pause SET ended_at = :now, ended_by = :author
WHERE queue = :queue AND site = :site AND ended_at IS NULL AND (expires_at IS NULL OR expires_at > :now)
RETURNING queue, site, author, reason, since, expires_at, ended_at, ended_by

-- name: forget_pauses
DELETE FROM queue_pause WHERE coalesce(ended_at, expires_at) < ?

-- name: covered
-- Whether a pause covers an item: put into other queries in place of the word `covered`.
EXISTS (SELECT 1 FROM queue_pause AS pause WHERE pause.queue IN ('', queue_item.queue)
    AND pause.site IN ('', queue_item.site) AND pause.ended_at IS NULL
    AND (pause.expires_at IS NULL OR pause.expires_at > :now))

-- name: ready_lines
-- Queue and priority of what is ready, by jumping from one to the next in the claim's index.
WITH RECURSIVE line (queue, priority) AS (
    SELECT queue, priority FROM queue_item WHERE id = (
        SELECT id FROM queue_item WHERE state = 'ready' ORDER BY queue, priority, available_at, id LIMIT 1)
    UNION ALL
    SELECT item.queue, item.priority FROM line JOIN queue_item AS item ON item.id = (
        SELECT id FROM queue_item WHERE state = 'ready'
            AND (queue, priority, available_at) > (line.queue, line.priority, 9e999)
        ORDER BY queue, priority, available_at, id LIMIT 1)
)
SELECT queue, priority FROM line

-- name: line_head
SELECT id, site FROM queue_item WHERE state = 'ready' AND queue = ? AND priority = ?
ORDER BY available_at, id LIMIT ?

-- name: paused_lines
-- Queue and site of what is set aside, by jumping in the same way.
WITH RECURSIVE line (queue, site) AS (
    SELECT queue, site FROM queue_item WHERE id = (
        SELECT id FROM queue_item WHERE state = 'paused' ORDER BY queue, site, id LIMIT 1)
    UNION ALL
    SELECT item.queue, item.site FROM line JOIN queue_item AS item ON item.id = (
        SELECT id FROM queue_item WHERE state = 'paused' AND (queue, site, id) > (line.queue, line.site, 9e999)
        ORDER BY queue, site, id LIMIT 1)
)
SELECT queue, site FROM line

-- name: set_aside
UPDATE queue_item SET state = 'paused' WHERE id IN (SELECT value FROM json_each(?))

-- name: bring_back
UPDATE queue_item SET state = 'ready' WHERE id IN (
    SELECT id FROM queue_item WHERE state = 'paused' AND queue = ? AND site = ? ORDER BY id LIMIT ?
)

-- name: migrations_applied
SELECT name FROM snqd_migration ORDER BY name

-- name: has_migrations
SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'snqd_migration'

-- name: has_tables
SELECT 1 FROM sqlite_schema LIMIT 1

-- name: record_migration
INSERT OR IGNORE INTO snqd_migration (name) VALUES (?)
