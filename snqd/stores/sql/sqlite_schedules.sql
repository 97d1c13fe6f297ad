-- name: rows
SELECT site, name, queue, definition, declared_by, last_due, last_run FROM queue_schedule ORDER BY site, name

-- name: forget
DELETE FROM queue_schedule WHERE site = ? AND name = ? AND declared_by = ?

-- name: keep
-- A new one, and one that is due at other times now, has missed nothing.
INSERT INTO queue_schedule (site, name, queue, definition, declared_by, last_due)
VALUES (:site, :name, :queue, :definition, :declared_by, :now)
ON CONFLICT (site, name) DO UPDATE SET queue = excluded.queue, definition = excluded.definition,
    declared_by = excluded.declared_by,
    last_due = CASE WHEN definition = excluded.definition THEN last_due ELSE max(last_due, excluded.last_due) END

-- name: last_due
SELECT last_due FROM queue_schedule WHERE site = ? AND name = ?

-- name: move
UPDATE queue_schedule SET last_due = :due, declared_by = :declared_by,
    last_run = CASE WHEN :runs THEN :now ELSE last_run END
WHERE site = :site AND name = :name

-- name: was_run
UPDATE queue_schedule SET last_run = ? WHERE site = ? AND name = ?
