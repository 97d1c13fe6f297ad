-- Dead letters, and corrections by filter (see snqd/stores/corrections.py). The word `wanted` is replaced by the conditions
-- of the filter. Pages go on from a place, (died, id), so that each is read by index; none is found by counting.

-- name: find
SELECT id, site, queue, 'dead', codec, CASE WHEN :frames THEN CAST(frame AS BLOB) ELSE x'' END, priority, created, available_at, attempts, crash_attempts,
    unique_key, NULL, NULL, last_error, history, reason, traceback, died, fingerprint,
    CASE typeof(frame) WHEN 'blob' THEN length(frame) ELSE length(CAST(frame AS BLOB)) END
FROM dead_letter WHERE (died, id) > (:died, :id) AND wanted ORDER BY died, id LIMIT :page

-- name: page
-- From the latest death back. (The length of a blob is told without reading it.)
SELECT id, site, queue, 'dead', codec, CASE WHEN :frames THEN CAST(frame AS BLOB) ELSE x'' END, priority, created, available_at, attempts, crash_attempts,
    unique_key, NULL, NULL, last_error, history, reason, traceback, died, fingerprint,
    CASE typeof(frame) WHEN 'blob' THEN length(frame) ELSE length(CAST(frame AS BLOB)) END
FROM dead_letter WHERE codec <> 'canary' AND (died, id) < (:died, :id) AND wanted
ORDER BY died DESC, id DESC LIMIT :page

-- name: groups
-- What is counted stands in the index of the fingerprints; a letter is read for each group that is told. Queues and sites
-- are ranked once for all groups: there may be ten thousand sites in each.
WITH part AS MATERIALIZED (
    SELECT fingerprint, queue, site, count(*) AS letters, min(died) AS first, max(died) AS last
    FROM dead_letter WHERE fingerprint <> 'canary' AND wanted GROUP BY fingerprint, queue, site
), most AS MATERIALIZED (
    SELECT fingerprint, sum(letters) AS letters, min(first) AS first, max(last) AS last
    FROM part GROUP BY fingerprint ORDER BY sum(letters) DESC, max(last) DESC, fingerprint LIMIT :limit
), top_queue AS MATERIALIZED (
    SELECT * FROM (
        SELECT fingerprint, queue, count(*) OVER (PARTITION BY fingerprint) AS queues,
            row_number() OVER (PARTITION BY fingerprint ORDER BY sum(letters) DESC, queue) AS place
        FROM part WHERE fingerprint IN (SELECT fingerprint FROM most) GROUP BY fingerprint, queue)
    WHERE place <= :names
), top_site AS MATERIALIZED (
    SELECT * FROM (
        SELECT fingerprint, site, count(*) OVER (PARTITION BY fingerprint) AS sites,
            row_number() OVER (PARTITION BY fingerprint ORDER BY sum(letters) DESC, site) AS place
        FROM part WHERE fingerprint IN (SELECT fingerprint FROM most) GROUP BY fingerprint, site)
    WHERE place <= :names
)
SELECT fingerprint, letters, first, last,
    (SELECT max(queues) FROM top_queue WHERE top_queue.fingerprint = most.fingerprint),
    (SELECT json_group_array(queue) FROM (
        SELECT queue FROM top_queue WHERE top_queue.fingerprint = most.fingerprint ORDER BY place)),
    (SELECT max(sites) FROM top_site WHERE top_site.fingerprint = most.fingerprint),
    (SELECT json_group_array(site) FROM (
        SELECT site FROM top_site WHERE top_site.fingerprint = most.fingerprint ORDER BY place)),
    (SELECT json_array(last_error, id) FROM dead_letter
        WHERE dead_letter.fingerprint = most.fingerprint AND wanted ORDER BY died DESC, id DESC LIMIT 1)
FROM most ORDER BY letters DESC, last DESC, fingerprint

-- name: unnamed
SELECT id, coalesce(last_error, ''), coalesce(traceback, ''), codec FROM dead_letter WHERE fingerprint IS NULL
ORDER BY id LIMIT ?

-- name: name
UPDATE dead_letter SET fingerprint = ? WHERE id = ?

-- name: count
SELECT count(*) FROM (SELECT 1 FROM queue_item WHERE wanted LIMIT :limit)

-- name: count_dead
SELECT count(*) FROM (SELECT 1 FROM dead_letter WHERE wanted LIMIT :limit)

-- name: chosen
-- What a step is about to change.
SELECT 0.0, id FROM queue_item WHERE id > :id AND wanted ORDER BY id LIMIT :page

-- name: chosen_dead
SELECT died, id FROM dead_letter WHERE (died, id) > (:died, :id) AND wanted ORDER BY died, id LIMIT :page

-- name: retry
UPDATE queue_item SET state = 'ready', available_at = :now
WHERE id IN (SELECT value FROM json_each(:found))

-- name: discard
DELETE FROM queue_item WHERE id IN (SELECT value FROM json_each(:found))

-- name: again
-- Back under their old ids, in the order of their deaths. A letter whose unique key is taken stays dead.
INSERT OR IGNORE INTO queue_item (id, site, queue, codec, priority, created, available_at, unique_key, last_error,
    history, frame)
SELECT id, site, queue, codec, priority, created, :now, unique_key, last_error, history, frame
FROM dead_letter WHERE id IN (SELECT value FROM json_each(:found)) ORDER BY died, id

-- name: replay
DELETE FROM dead_letter
WHERE id IN (SELECT value FROM json_each(:found)) AND id IN (SELECT id FROM queue_item)

-- name: discard_dead
DELETE FROM dead_letter WHERE id IN (SELECT value FROM json_each(:found))

-- name: begin
INSERT INTO correction (kind, author, wanted, began) VALUES (:kind, :author, :wanted, :now) RETURNING id

-- name: forget
DELETE FROM correction WHERE began < :now - :seconds

-- name: note
UPDATE correction SET changed = changed + :changed, stayed = stayed + :stayed WHERE id = :number

-- name: end
UPDATE correction SET ended = :now, outcome = :outcome WHERE id = :number

-- name: corrections
SELECT id, kind, author, wanted, began, ended, changed, stayed, outcome FROM correction
WHERE kind IN (SELECT value FROM json_each(:kinds)) ORDER BY id DESC LIMIT :limit
