-- Limits: what is begun in a second may be limited. (What is in flight is counted from the claims.)

-- Token buckets of rates. What is not here is full. An empty queue or site means every one.
CREATE TABLE queue_bucket (
    queue   TEXT NOT NULL DEFAULT '',
    site    TEXT NOT NULL DEFAULT '',
    full_at REAL NOT NULL,            -- when the bucket is full again if nobody takes of it
    PRIMARY KEY (queue, site)
) STRICT, WITHOUT ROWID;

INSERT INTO snqd_migration (name) VALUES ('0009_limits');
