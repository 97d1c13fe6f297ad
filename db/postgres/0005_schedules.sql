-- What has become of the schedules: which due time of each was dealt with last. Schedules themselves are declared in the
-- configuration and in the settings of sites.
--
-- Run inside one transaction, like 0001. A row is locked by whoever enqueues for it, with SKIP LOCKED, and its
-- `last_due` only grows: this is what makes one item of a due time, however many daemons there are.

CREATE TABLE queue_schedule (
    site        varchar(63) COLLATE "C" NOT NULL,
    name        varchar(63) COLLATE "C" NOT NULL,
    queue       varchar(63) COLLATE "C" NOT NULL,
    definition  text NOT NULL,
    declared_by text NOT NULL,
    last_due    timestamptz NOT NULL DEFAULT now(),
    last_run    timestamptz,
    CONSTRAINT queue_schedule_pkey PRIMARY KEY (site, name)
) WITH (
    -- Each due time updates a row, so the table is all dead rows soon. No index has what changes: HOT updates reuse the
    -- room within the page if there is some.
    fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000
);
COMMENT ON TABLE queue_schedule IS 'snqd: how far each schedule has come; `snqd schedule list` shows it';
COMMENT ON COLUMN queue_schedule.definition IS 'cron expression and time zone: when it changes, nothing was missed';
COMMENT ON COLUMN queue_schedule.declared_by IS 'daemon@host that declared it last, and forgets it when it does not any more';
COMMENT ON COLUMN queue_schedule.last_due IS 'no due time up to this one is looked at again';
COMMENT ON COLUMN queue_schedule.last_run IS 'when an item was enqueued, also by hand';

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
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON queue_schedule TO %s', role_name);
    END LOOP;
END $do$;
