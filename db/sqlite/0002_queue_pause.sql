-- Pauses of queues, sites, and queues of one site (SQLite 3.37 or newer).
--
-- Any program may pause and resume with
--     INSERT OR REPLACE INTO queue_pause (queue, author, reason) VALUES ('mail', 'ada', 'the relay is down');
--     UPDATE queue_pause SET ended_at = unixepoch(), ended_by = 'ada' WHERE queue = 'mail' AND site = '';

CREATE TABLE queue_pause (
    queue      TEXT NOT NULL DEFAULT '',  -- '' is every queue
    site       TEXT NOT NULL DEFAULT '',  -- '' is every site
    author     TEXT NOT NULL DEFAULT '',
    reason     TEXT NOT NULL DEFAULT '',
    since      REAL NOT NULL DEFAULT (round((julianday('now') - 2440587.5) * 86400.0, 3)),
    expires_at REAL,                      -- NULL: until it is resumed
    ended_at   REAL,                      -- NULL: nobody has resumed it
    ended_by   TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (queue, site),
    CONSTRAINT pauses_something CHECK (queue <> '' OR site <> '')
) STRICT, WITHOUT ROWID;

-- Items get one more state: 'paused' (ready, but set aside because their site is paused). It has to be named in a CHECK,
-- which SQLite cannot change, so the table is made anew and the items are copied, with their ids and the last one given.
CREATE TABLE queue_item_next (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    site           TEXT NOT NULL DEFAULT 'default',
    queue          TEXT NOT NULL,
    codec          TEXT NOT NULL DEFAULT 'json',
    priority       INTEGER NOT NULL DEFAULT 0,
    created        REAL NOT NULL DEFAULT (round((julianday('now') - 2440587.5) * 86400.0, 3)),
    available_at   REAL NOT NULL DEFAULT (round((julianday('now') - 2440587.5) * 86400.0, 3)),
    state          TEXT NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'scheduled', 'claimed', 'paused')),
    claimed_by     TEXT,
    lease_until    REAL,
    token          INTEGER NOT NULL DEFAULT 0,
    attempts       INTEGER NOT NULL DEFAULT 0,
    crash_attempts INTEGER NOT NULL DEFAULT 0,
    unique_key     TEXT,
    last_error     TEXT,
    history        TEXT,
    frame          ANY NOT NULL CONSTRAINT frame_is_blob_or_text CHECK (typeof(frame) IN ('blob', 'text'))
) STRICT;
INSERT INTO sqlite_sequence (name, seq) SELECT 'queue_item_next', seq FROM sqlite_sequence WHERE name = 'queue_item';
INSERT INTO queue_item_next
SELECT id, site, queue, codec, priority, created, available_at, state, claimed_by, lease_until, token, attempts,
    crash_attempts, unique_key, last_error, history, frame
FROM queue_item ORDER BY id;
DROP TABLE queue_item;
ALTER TABLE queue_item_next RENAME TO queue_item;

CREATE INDEX queue_item_ready ON queue_item (queue, priority, available_at, id) WHERE state = 'ready';
CREATE INDEX queue_item_scheduled ON queue_item (available_at) WHERE state = 'scheduled';
CREATE INDEX queue_item_claimed ON queue_item (claimed_by) WHERE state = 'claimed';
CREATE INDEX queue_item_paused ON queue_item (queue, site, id) WHERE state = 'paused';
CREATE UNIQUE INDEX queue_item_unique ON queue_item (site, queue, unique_key) WHERE unique_key IS NOT NULL;

CREATE TRIGGER queue_item_schedule AFTER INSERT ON queue_item
WHEN NEW.available_at > NEW.created AND NEW.state = 'ready'
    AND NEW.available_at > round((julianday('now') - 2440587.5) * 86400.0, 3)
BEGIN
    UPDATE queue_item SET state = 'scheduled' WHERE id = NEW.id;
END;

-- The newest dead letters, for those who look at what has just gone wrong.
CREATE INDEX dead_letter_died ON dead_letter (died, id);

INSERT INTO snqd_migration (name) VALUES ('0002_queue_pause');
