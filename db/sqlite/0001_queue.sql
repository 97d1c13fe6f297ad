-- The queue's tables in SQLite (3.37 or newer).
--
-- Times are epoch seconds (REAL, to the millisecond), read from the host's clock: a file has one host.
-- `state` is ready (claimable now), scheduled (its time has not come) or claimed (held until lease_until).
-- Any program may enqueue with
--     INSERT INTO queue_item (site, queue, frame) VALUES ('default', 'mail', '{"to": "ada"}');
-- the defaults and the trigger do the rest. Such a program should be ready to wait for the write lock
-- (`PRAGMA busy_timeout = 30000`): SQLite's default is not to wait at all, that of Python's driver 5 seconds.
-- `frame` stands last so that looking at the other columns does not walk through the pages of a large one.

CREATE TABLE snqd_migration (
    name    TEXT NOT NULL PRIMARY KEY,
    applied REAL NOT NULL DEFAULT (round((julianday('now') - 2440587.5) * 86400.0, 3))
) STRICT, WITHOUT ROWID;

-- The last fencing token that was given out: one row, counted up in the transaction of each claim, never reset.
CREATE TABLE snqd_token (
    only  INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    value INTEGER NOT NULL
) STRICT;
INSERT INTO snqd_token (only, value) VALUES (1, 0);

-- AUTOINCREMENT: an id is never used again, so a late word about a deleted item cannot meet another one.
CREATE TABLE queue_item (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    site           TEXT NOT NULL DEFAULT 'default',
    queue          TEXT NOT NULL,
    codec          TEXT NOT NULL DEFAULT 'json',
    priority       INTEGER NOT NULL DEFAULT 0,
    created        REAL NOT NULL DEFAULT (round((julianday('now') - 2440587.5) * 86400.0, 3)),
    available_at   REAL NOT NULL DEFAULT (round((julianday('now') - 2440587.5) * 86400.0, 3)),
    state          TEXT NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'scheduled', 'claimed')),
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

-- One small index per state: the claim's holds nothing but claimable rows, in the order of claiming.
CREATE INDEX queue_item_ready ON queue_item (queue, priority, available_at, id) WHERE state = 'ready';
CREATE INDEX queue_item_scheduled ON queue_item (available_at) WHERE state = 'scheduled';
CREATE INDEX queue_item_claimed ON queue_item (claimed_by) WHERE state = 'claimed';
CREATE UNIQUE INDEX queue_item_unique ON queue_item (site, queue, unique_key) WHERE unique_key IS NOT NULL;

-- A plain INSERT with a time to come is scheduled. (First compared with the row's own `created`: asking the clock again
-- for each row would be the dearest part of an insert.)
CREATE TRIGGER queue_item_schedule AFTER INSERT ON queue_item
WHEN NEW.available_at > NEW.created AND NEW.state = 'ready'
    AND NEW.available_at > round((julianday('now') - 2440587.5) * 86400.0, 3)
BEGIN
    UPDATE queue_item SET state = 'scheduled' WHERE id = NEW.id;
END;

CREATE TABLE dead_letter (
    id             INTEGER PRIMARY KEY,
    site           TEXT NOT NULL,
    queue          TEXT NOT NULL,
    codec          TEXT NOT NULL,
    priority       INTEGER NOT NULL,
    created        REAL NOT NULL,
    available_at   REAL NOT NULL,
    died           REAL NOT NULL,
    reason         TEXT NOT NULL,
    attempts       INTEGER NOT NULL,
    crash_attempts INTEGER NOT NULL,
    unique_key     TEXT,
    last_error     TEXT,
    traceback      TEXT,
    history        TEXT,
    frame          ANY NOT NULL
) STRICT;

INSERT INTO snqd_migration (name) VALUES ('0001_queue');
