-- Sites that are declared in the database, and what operators ask of the daemon through it (SQLite 3.37 or newer).
--
-- Any program may declare, change and remove sites with
--     INSERT OR REPLACE INTO site (name, settings) VALUES ('a.example', '{"theme": "blue"}');
--     DELETE FROM site WHERE name = 'a.example';
-- and a daemon with `sites.table = true` goes by it within some seconds.

CREATE TABLE site (
    name     TEXT NOT NULL PRIMARY KEY CHECK (name <> ''),
    settings TEXT NOT NULL DEFAULT '{}'
) STRICT, WITHOUT ROWID;

-- Counts the changes of sites: who has read the number, and then the sites, has missed none.
CREATE TABLE site_change (
    only_one INTEGER NOT NULL PRIMARY KEY CHECK (only_one = 1),
    number   INTEGER NOT NULL
) STRICT;
INSERT INTO site_change (only_one, number) VALUES (1, 0);
CREATE TRIGGER site_inserted AFTER INSERT ON site BEGIN UPDATE site_change SET number = number + 1; END;
CREATE TRIGGER site_updated AFTER UPDATE ON site BEGIN UPDATE site_change SET number = number + 1; END;
CREATE TRIGGER site_deleted AFTER DELETE ON site BEGIN UPDATE site_change SET number = number + 1; END;

-- The daemon, so that who asks it knows whether an answer is missing. It says twice a minute that it is there.
CREATE TABLE control_daemon (
    daemon  TEXT NOT NULL,
    host    TEXT NOT NULL,
    folder  TEXT NOT NULL,                -- its runtime folder, which tells daemons of one host apart
    boot    INTEGER NOT NULL,             -- microseconds since 1970: tells its lives apart
    version TEXT NOT NULL,
    booted  REAL NOT NULL,
    seen    REAL NOT NULL,
    PRIMARY KEY (daemon, host, folder)
) STRICT, WITHOUT ROWID;

CREATE TABLE control_request (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    ask       TEXT NOT NULL,
    arguments TEXT NOT NULL DEFAULT '{}',  -- an object in JSON
    author    TEXT NOT NULL DEFAULT '',
    asked     REAL NOT NULL,
    expires   REAL NOT NULL               -- who has not begun by then does not obey any more
) STRICT;

CREATE TABLE control_answer (
    request  INTEGER NOT NULL,
    daemon   TEXT NOT NULL,
    host     TEXT NOT NULL,
    folder   TEXT NOT NULL,
    obeyed   INTEGER NOT NULL,
    said     TEXT NOT NULL,
    answered REAL NOT NULL,
    PRIMARY KEY (request, daemon, host, folder)
) STRICT, WITHOUT ROWID;

INSERT INTO snqd_migration (name) VALUES ('0003_sites_and_control');
