-- Dead letters by the million: grouped by the fingerprint of their error, paged through by index, corrected in steps that
-- are written down (SQLite 3.37 or newer).

-- Given by whoever gives an item up (snqd/stores/fingerprint.py). NULL for letters of an older snqd, until somebody asks for
-- groups: what makes a fingerprint is no work for SQL, and an upgrade is not to wait for a million of them.
ALTER TABLE dead_letter ADD COLUMN fingerprint TEXT;

-- Each of them goes on from (died, id), whatever it is asked by. The first one also answers for groups, without a look at
-- the letters.
CREATE INDEX dead_letter_fingerprint ON dead_letter (fingerprint, died, id, queue, site);
CREATE INDEX dead_letter_queue ON dead_letter (queue, died, id);
CREATE INDEX dead_letter_site ON dead_letter (site, died, id);
CREATE INDEX dead_letter_unnamed ON dead_letter (id) WHERE fingerprint IS NULL;

-- What people have changed by filter, many at a time. Each step of a correction counts itself here, in its transaction.
CREATE TABLE correction (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    kind    TEXT NOT NULL,
    author  TEXT NOT NULL DEFAULT '',
    wanted  TEXT NOT NULL DEFAULT '{}',     -- the filter, an object in JSON
    began   REAL NOT NULL,
    ended   REAL,                           -- NULL: it goes on, or its process was killed
    changed INTEGER NOT NULL DEFAULT 0,
    stayed  INTEGER NOT NULL DEFAULT 0,    -- what was meant, and had to stay: its unique key is taken
    outcome TEXT NOT NULL DEFAULT ''
) STRICT;

INSERT INTO snqd_migration (name) VALUES ('0007_dead_letters');
