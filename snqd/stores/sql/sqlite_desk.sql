-- Requests to the daemon, its answers, and the sites of the table (see snqd/stores/desk.py). :now is in epoch seconds.

-- name: be_seen
-- A new boot is a new life: what was asked before it was not asked of this one.
INSERT INTO control_daemon (daemon, host, folder, boot, version, booted, seen)
VALUES (:daemon, :host, :folder, :boot, :version, :now, :now)
ON CONFLICT (daemon, host, folder) DO UPDATE SET seen = :now, version = excluded.version, boot = excluded.boot,
  booted = CASE WHEN boot = excluded.boot THEN booted ELSE :now END

-- name: leave
DELETE FROM control_daemon WHERE daemon = :daemon AND host = :host AND folder = :folder

-- name: present
SELECT daemon, host, folder, version, max(0.0, :now - booted), max(0.0, :now - seen)
FROM control_daemon WHERE seen > :now - :seconds ORDER BY daemon, host, folder

-- name: forget
DELETE FROM control_request WHERE asked < :now - :seconds

-- name: forget_answers
DELETE FROM control_answer WHERE request NOT IN (SELECT id FROM control_request)

-- name: ask
INSERT INTO control_request (ask, arguments, author, asked, expires)
VALUES (:ask, :arguments, :author, :now, :now + :seconds) RETURNING id

-- name: requests
SELECT id, ask, arguments, author
FROM control_request AS request JOIN control_daemon AS asked_one
  ON asked_one.daemon = :daemon AND asked_one.host = :host AND asked_one.folder = :folder
WHERE request.expires > :now AND request.asked >= asked_one.booted AND NOT EXISTS (
  SELECT 1 FROM control_answer AS answer
  WHERE answer.request = request.id AND answer.daemon = asked_one.daemon AND answer.host = asked_one.host
    AND answer.folder = asked_one.folder)
ORDER BY id

-- name: answer
INSERT OR IGNORE INTO control_answer (request, daemon, host, folder, obeyed, said, answered)
VALUES (:request, :daemon, :host, :folder, :obeyed, :said, :now)

-- name: answers
SELECT daemon, host, folder, obeyed, said FROM control_answer WHERE request = :request ORDER BY daemon, host, folder

-- name: site_number
SELECT number FROM site_change

-- name: sites
SELECT name, settings FROM site ORDER BY name
