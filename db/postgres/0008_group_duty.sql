-- Which worker, of all hosts, serves a group that may have only one (daemon.single_groups, such as xmpp).
--
-- Run inside one transaction, like 0001. A row is a lease: its worker renews it while it lives, and takes it away when
-- it leaves; when its time is over, a worker of another host takes it. An advisory lock would be lost with any
-- connection, and behind a transaction pooler it would belong to nobody.

CREATE TABLE group_duty (
    group_name text COLLATE "C" NOT NULL CONSTRAINT group_duty_pkey PRIMARY KEY,
    claimant   text NOT NULL,
    since      timestamptz NOT NULL DEFAULT now(),
    until      timestamptz NOT NULL
);
COMMENT ON COLUMN group_duty.claimant IS 'as queue_item.claimed_by: host/worker/process/scope';

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
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON group_duty TO %s', role_name);
    END LOOP;
END $do$;
