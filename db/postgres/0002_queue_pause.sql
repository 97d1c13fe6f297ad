-- Pauses of queues, sites, and queues of one site.
--
-- Run inside one transaction, like 0001. Who may change items may pause; the rights are passed on below.
-- Any program may pause and resume with
--     INSERT INTO queue_pause (queue, author, reason) VALUES ('mail', 'ada', 'the relay is down')
--     ON CONFLICT (queue, site) DO UPDATE SET (since, author, reason, expires_at, ended_at)
--         = (now(), excluded.author, excluded.reason, NULL, NULL);
--     UPDATE queue_pause SET ended_at = now(), ended_by = 'ada' WHERE queue = 'mail' AND site = '';

CREATE TABLE queue_pause (
    queue      varchar(63) COLLATE "C" NOT NULL DEFAULT '',
    site       varchar(63) COLLATE "C" NOT NULL DEFAULT '',
    author     text NOT NULL DEFAULT '',
    reason     text NOT NULL DEFAULT '',
    since      timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    ended_at   timestamptz,
    ended_by   text NOT NULL DEFAULT '',
    CONSTRAINT queue_pause_pkey PRIMARY KEY (queue, site),
    CONSTRAINT queue_pause_something CHECK (queue <> '' OR site <> '')
);
COMMENT ON TABLE queue_pause IS 'snqd: what is not handed out; an empty queue or site means every one';
COMMENT ON COLUMN queue_pause.expires_at IS 'null: until it is resumed';
COMMENT ON COLUMN queue_pause.ended_at IS 'null: nobody has resumed it';

-- Ready, but set aside because its site is paused: it is not in the way of claims then.
ALTER TYPE queue_item_state ADD VALUE 'paused';
-- Those, by what may be resumed. (A new value cannot be named in the transaction that adds it; it is the one above
-- 'claimed', and the planner knows that `state = 'paused'` is meant.)
CREATE INDEX queue_item_paused ON queue_item (queue, site, id) WHERE state > 'claimed';

-- The newest dead letters, for those who look at what has just gone wrong.
CREATE INDEX dead_letter_died ON dead_letter (died, id);

-- Roles that work on items (they may delete dead letters, which enqueuing applications may not) get the new table too:
-- claims read it, and those of the release before must not notice.
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
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON queue_pause TO %s', role_name);
    END LOOP;
END $do$;
