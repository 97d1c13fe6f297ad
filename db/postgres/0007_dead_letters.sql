-- Dead letters by the million: grouped by the fingerprint of their error, paged through by index, corrected in steps that
-- are written down.
--
-- Run inside one transaction, like 0001. It builds four indexes on dead_letter, which takes some seconds for a million
-- letters; workers that have an item to give up wait as long.

-- Given by whoever gives an item up (snqd/stores/fingerprint.py). Null for letters of an older snqd, until somebody asks for
-- groups: what makes a fingerprint is no work for SQL, and an upgrade is not to wait for a million of them.
ALTER TABLE dead_letter ADD COLUMN fingerprint varchar(16) COLLATE "C";

-- Each of them goes on from (died, id), whatever it is asked by. The first one also answers for groups, without a look at
-- the letters.
CREATE INDEX dead_letter_fingerprint ON dead_letter (fingerprint, died, id) INCLUDE (queue, site);
CREATE INDEX dead_letter_queue ON dead_letter (queue, died, id);
CREATE INDEX dead_letter_site ON dead_letter (site, died, id);
CREATE INDEX dead_letter_unnamed ON dead_letter (id) WHERE fingerprint IS NULL;

-- An index answers alone only for pages that a vacuum has seen since their last change.
ALTER TABLE dead_letter SET (
    autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_insert_threshold = 5000
);

-- What people have changed by filter, many at a time. Each step of a correction counts itself here, in its transaction.
CREATE TABLE correction (
    id      bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT correction_pkey PRIMARY KEY,
    kind    text COLLATE "C" NOT NULL,
    author  text NOT NULL DEFAULT '',
    wanted  text NOT NULL DEFAULT '{}',
    began   timestamptz NOT NULL DEFAULT now(),
    ended   timestamptz,
    changed bigint NOT NULL DEFAULT 0,
    stayed  bigint NOT NULL DEFAULT 0,
    outcome text NOT NULL DEFAULT ''
);
COMMENT ON TABLE correction IS 'snqd: who replayed, retried or discarded what';
COMMENT ON COLUMN correction.wanted IS 'the filter, an object in JSON';
COMMENT ON COLUMN correction.stayed IS 'what was meant, and had to stay as it is: its unique key is taken';
COMMENT ON COLUMN correction.ended IS 'null: it goes on, or its process was killed; what it had done by then is counted';

-- As in 0002: roles that work on items write corrections down.
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
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON correction TO %s', role_name);
    END LOOP;
END $do$;
