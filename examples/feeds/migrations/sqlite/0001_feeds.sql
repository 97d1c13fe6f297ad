-- Feeds that are followed. SQLite. Times are epoch seconds. After the migrations of notices.

CREATE TABLE feed (
    id               integer PRIMARY KEY,
    site             varchar(63) NOT NULL,
    url              text NOT NULL,
    profile_id       bigint NOT NULL REFERENCES profile (id) ON DELETE CASCADE,
    interval_seconds integer NOT NULL DEFAULT 900,
    etag             text,
    last_modified    text,
    failures         integer NOT NULL DEFAULT 0,
    last_error       text NOT NULL DEFAULT '',
    is_read          boolean NOT NULL DEFAULT false,
    is_gone          boolean NOT NULL DEFAULT false,
    next_poll        bigint NOT NULL,
    UNIQUE (site, url)
);
CREATE INDEX feed_due ON feed (next_poll) WHERE NOT is_gone;

-- Entries that were seen, as long as the feed has them.
CREATE TABLE feed_entry (
    feed_id bigint NOT NULL REFERENCES feed (id) ON DELETE CASCADE,
    entry   text NOT NULL,
    seen    bigint NOT NULL,
    PRIMARY KEY (feed_id, entry)
);
