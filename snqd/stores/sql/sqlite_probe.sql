-- Questions of the SQLite store's probe: bounded work whatever waits, nothing written, canaries left out.
-- Lines and edges are the words of snqd/stores/estimate.py.

-- name: heads
-- The first ready item of each queue and priority, by jumping from one to the next in the claim's index; a bounded
-- number of each queue's priorities is looked at. (SQLite would walk over all rows that are equal in the columns of a
-- comparison, so there is one more, which is equal nowhere.)
WITH RECURSIVE head (queue, priority, available_at, id, nth) AS (
    SELECT queue, priority, available_at, id, 1 FROM queue_item WHERE id = (
        SELECT id FROM queue_item WHERE state = 'ready' AND codec <> 'canary'
        ORDER BY queue, priority, available_at, id LIMIT 1)
    UNION ALL
    SELECT item.queue, item.priority, item.available_at, item.id,
        CASE WHEN item.queue = head.queue THEN head.nth + 1 ELSE 1 END
    FROM head JOIN queue_item AS item ON item.id = (
        SELECT id FROM queue_item WHERE state = 'ready' AND codec <> 'canary'
            AND (queue, priority, available_at) > (
                head.queue, CASE WHEN head.nth < :priorities THEN head.priority ELSE 9223372036854775807 END, 9e999)
        ORDER BY queue, priority, available_at, id LIMIT 1)
)
SELECT queue, priority, available_at, id FROM head

-- name: first_ready
-- The beginning of a line, counted by site; its last rows one by one when the limit is reached.
SELECT :queue, site, count(*), min(available_at), max(id), last IS NOT NULL
FROM (
    SELECT site, available_at, id, CASE WHEN nth > :limit - :edge THEN nth END AS last
    FROM (
        SELECT site, available_at, id, row_number() OVER () AS nth
        FROM (
            SELECT site, available_at, id FROM queue_item
            WHERE state = 'ready' AND codec <> 'canary' AND queue = :queue AND priority = :priority
            ORDER BY available_at, id LIMIT :limit)))
GROUP BY site, last

-- name: before_ready
-- The rows before a place, latest first. In two parts: a comparison of two columns would walk over what is equal in one.
SELECT * FROM (
    SELECT available_at, id, :queue, site FROM queue_item
    WHERE state = 'ready' AND codec <> 'canary' AND queue = :queue AND priority = :priority
        AND available_at = :at AND id < :id
    ORDER BY id DESC LIMIT :edge)
UNION ALL
SELECT * FROM (
    SELECT available_at, id, :queue, site FROM queue_item
    WHERE state = 'ready' AND codec <> 'canary' AND queue = :queue AND priority = :priority
        AND available_at < :at
    ORDER BY available_at DESC, id DESC LIMIT :edge)
LIMIT :edge

-- name: after_ready
SELECT * FROM (
    SELECT available_at, id, :queue, site FROM queue_item
    WHERE state = 'ready' AND codec <> 'canary' AND queue = :queue AND priority = :priority
        AND available_at = :at AND id >= :id
    ORDER BY id LIMIT :edge)
UNION ALL
SELECT * FROM (
    SELECT available_at, id, :queue, site FROM queue_item
    WHERE state = 'ready' AND codec <> 'canary' AND queue = :queue AND priority = :priority
        AND available_at > :at
    ORDER BY available_at, id LIMIT :edge)
LIMIT :edge

-- name: first_open
-- When the first item of a line is due whose site is not paused, among the first ones. `sites` are those that are.
SELECT min(available_at) FROM (
    SELECT site, available_at FROM queue_item
    WHERE state = 'ready' AND codec <> 'canary' AND queue = :queue AND priority = :priority
    ORDER BY available_at, id LIMIT :limit)
WHERE site NOT IN (SELECT value FROM json_each(:sites)) HAVING count(*) > 0

-- name: paused_lines
-- What is set aside is a line for each queue and site, in order of ids.
WITH RECURSIVE line (queue, site) AS (
    SELECT queue, site FROM queue_item WHERE id = (
        SELECT id FROM queue_item WHERE state = 'paused' ORDER BY queue, site, id LIMIT 1)
    UNION ALL
    SELECT item.queue, item.site FROM line JOIN queue_item AS item ON item.id = (
        SELECT id FROM queue_item WHERE state = 'paused' AND (queue, site, id) > (line.queue, line.site, 9e999)
        ORDER BY queue, site, id LIMIT 1)
)
SELECT queue, site FROM line

-- name: first_paused
SELECT :queue, :site, count(*), 0.0, max(id), last IS NOT NULL
FROM (
    SELECT id, CASE WHEN nth > :limit - :edge THEN nth END AS last
    FROM (
        SELECT id, row_number() OVER () AS nth
        FROM (
            SELECT id FROM queue_item
            WHERE state = 'paused' AND codec <> 'canary' AND queue = :queue AND site = :site
            ORDER BY id LIMIT :limit)))
GROUP BY last

-- name: before_paused
SELECT 0.0, id, :queue, :site FROM queue_item
WHERE state = 'paused' AND codec <> 'canary' AND queue = :queue AND site = :site AND id < :id
ORDER BY id DESC LIMIT :edge

-- name: after_paused
SELECT 0.0, id, :queue, :site FROM queue_item
WHERE state = 'paused' AND codec <> 'canary' AND queue = :queue AND site = :site AND id >= :id
ORDER BY id LIMIT :edge

-- name: pauses
SELECT queue, site, author, reason, since, expires_at, ended_at, ended_by FROM queue_pause ORDER BY queue, site

-- name: first_scheduled
-- All that is scheduled is one line.
SELECT queue, site, count(*), min(available_at), max(id), last IS NOT NULL
FROM (
    SELECT queue, site, available_at, id, CASE WHEN nth > :limit - :edge THEN nth END AS last
    FROM (
        SELECT queue, site, available_at, id, row_number() OVER () AS nth
        FROM (
            SELECT queue, site, available_at, id FROM queue_item
            WHERE state = 'scheduled' AND codec <> 'canary' ORDER BY available_at, id LIMIT :limit)))
GROUP BY queue, site, last

-- name: before_scheduled
SELECT * FROM (
    SELECT available_at, id, queue, site FROM queue_item
    WHERE state = 'scheduled' AND codec <> 'canary' AND available_at = :at AND id < :id
    ORDER BY id DESC LIMIT :edge)
UNION ALL
SELECT * FROM (
    SELECT available_at, id, queue, site FROM queue_item
    WHERE state = 'scheduled' AND codec <> 'canary' AND available_at < :at
    ORDER BY available_at DESC, id DESC LIMIT :edge)
LIMIT :edge

-- name: after_scheduled
SELECT * FROM (
    SELECT available_at, id, queue, site FROM queue_item
    WHERE state = 'scheduled' AND codec <> 'canary' AND available_at = :at AND id >= :id
    ORDER BY id LIMIT :edge)
UNION ALL
SELECT * FROM (
    SELECT available_at, id, queue, site FROM queue_item
    WHERE state = 'scheduled' AND codec <> 'canary' AND available_at > :at
    ORDER BY available_at, id LIMIT :edge)
LIMIT :edge

-- name: first_dead
-- Dead letters lie in order of their ids, which are the items'.
SELECT queue, site, count(*), 0.0, max(id), last IS NOT NULL
FROM (
    SELECT queue, site, id, CASE WHEN nth > :limit - :edge THEN nth END AS last
    FROM (
        SELECT queue, site, id, row_number() OVER () AS nth
        FROM (SELECT queue, site, id FROM dead_letter WHERE codec <> 'canary' ORDER BY id LIMIT :limit)))
GROUP BY queue, site, last

-- name: before_dead
SELECT 0.0, id, queue, site FROM dead_letter WHERE codec <> 'canary' AND id < :id ORDER BY id DESC LIMIT :edge

-- name: after_dead
SELECT 0.0, id, queue, site FROM dead_letter WHERE codec <> 'canary' AND id >= :id ORDER BY id LIMIT :edge

-- name: claimed
SELECT queue, site, count(*) FROM (
    SELECT queue, site FROM queue_item WHERE state = 'claimed' AND codec <> 'canary' LIMIT :limit)
GROUP BY queue, site

-- name: round_trip
SELECT value FROM snqd_token

-- name: pages
-- Bytes of the file, with what is only in the write-ahead log, and of its pages that hold nothing.
SELECT page_count * page_size, freelist_count * page_size
FROM pragma_page_count, pragma_page_size, pragma_freelist_count

-- name: has_item
SELECT EXISTS (SELECT 1 FROM queue_item WHERE id = :id)

-- name: schedules
-- Of the sites that share a schedule, the one that is furthest behind: the other columns are those of the minimum's row.
SELECT name, queue, definition, declared_by, count(*), site, min(last_due) AS behind
FROM queue_schedule GROUP BY name, queue, definition ORDER BY behind, name, queue, definition LIMIT :limit
