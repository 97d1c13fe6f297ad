-- Limits: what is in flight, and what is begun in a second, may be limited over all daemons.
--
-- Run inside one transaction. Nothing waits for longer than it takes to read the items once, for an index that stays empty.

-- What is in flight and counts for a limit. Claims without limits have no entry in this index.
ALTER TABLE queue_item ADD COLUMN is_limited boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN queue_item.is_limited IS 'has been claimed when it was limited how many may be';
CREATE INDEX queue_item_limited ON queue_item (queue, site) WHERE state = 'claimed' AND is_limited;

-- Token buckets of rates. What is not here is full.
CREATE TABLE queue_bucket (
    queue   varchar(63) COLLATE "C" NOT NULL DEFAULT '',
    site    varchar(63) COLLATE "C" NOT NULL DEFAULT '',
    full_at timestamptz NOT NULL,
    CONSTRAINT queue_bucket_pkey PRIMARY KEY (queue, site)
);
COMMENT ON TABLE queue_bucket IS 'snqd: what has been used of rates; an empty queue or site means every one';
COMMENT ON COLUMN queue_bucket.full_at IS 'when the bucket is full again if nobody takes of it';

-- Roles that work on items get the new table too, as in 0002.
DO $do$
DECLARE
    role_name text;
BEGIN
    FOR role_name IN
        SELECT DISTINCT CASE granted.grantee WHEN 0 THEN 'PUBLIC' ELSE granted.grantee::regrole::text END
        FROM pg_class AS class, aclexplode(class.relacl) AS granted
        WHERE class.oid = 'dead_letter'::regclass AND granted.privilege_type = 'DELETE'
            AND granted.grantee <> class.relowner
    LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON queue_bucket TO %s', role_name);
    END LOOP;
END $do$;
