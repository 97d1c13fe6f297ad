-- What has become of the schedules: which due time of each was dealt with last (SQLite 3.37 or newer). Schedules
-- themselves are declared in the configuration and in the settings of sites.

CREATE TABLE queue_schedule (
    site        TEXT NOT NULL,
    name        TEXT NOT NULL,
    queue       TEXT NOT NULL,
    definition  TEXT NOT NULL,  -- cron expression and time zone: when it changes, nothing was missed
    declared_by TEXT NOT NULL,  -- daemon@host that declared it last, and forgets it when it does not any more
    last_due    REAL NOT NULL,  -- no due time up to this one is looked at again
    last_run    REAL,           -- when an item was enqueued, also by hand
    PRIMARY KEY (site, name)
) STRICT, WITHOUT ROWID;

INSERT INTO snqd_migration (name) VALUES ('0005_schedules');
