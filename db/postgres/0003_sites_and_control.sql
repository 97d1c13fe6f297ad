-- Sites that are declared in the database, and what operators ask of the daemons of all hosts.
--
-- Run inside one transaction, like 0001. Any program may declare, change and remove sites with
--     INSERT INTO site (name, settings) VALUES ('a.example', '{"theme": "blue"}')
--     ON CONFLICT (name) DO UPDATE SET settings = excluded.settings;
--     DELETE FROM site WHERE name = 'a.example';
-- and every daemon with `sites.table = true` goes by it within a moment.

CREATE TABLE site (
    name     varchar(63) COLLATE "C" NOT NULL CONSTRAINT site_pkey PRIMARY KEY,
    settings jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT site_name_something CHECK (name <> ''),
    CONSTRAINT site_settings_object CHECK (jsonb_typeof(settings) = 'object')
);
COMMENT ON TABLE site IS 'snqd: sites (tenants), for daemons with sites.table = true';

-- Counts the transactions that changed a site. They take turns at this row, so the number grows in the order in which
-- they are committed: whoever has read it, and then the sites, has missed none that the number stands for.
CREATE TABLE site_change (
    only_one boolean NOT NULL DEFAULT true CONSTRAINT site_change_pkey PRIMARY KEY CHECK (only_one),
    number   bigint NOT NULL
);
INSERT INTO site_change (number) VALUES (0);

CREATE FUNCTION snqd_site_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE site_change SET number = number + 1;
    PERFORM pg_notify('snqd_control', '');
    RETURN NULL;
END $$;
CREATE TRIGGER site_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON site
    FOR EACH STATEMENT EXECUTE FUNCTION snqd_site_changed();

-- Daemons, so that who asks all of them knows whose answer is missing. A daemon says twice a minute that it is there.
CREATE TABLE control_daemon (
    daemon  text NOT NULL,
    host    text NOT NULL,
    folder  text NOT NULL,
    boot    bigint NOT NULL,
    version text NOT NULL,
    booted  timestamptz NOT NULL DEFAULT now(),
    seen    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT control_daemon_pkey PRIMARY KEY (daemon, host, folder)
);
COMMENT ON COLUMN control_daemon.folder IS 'its runtime folder, which tells daemons of one host apart';
COMMENT ON COLUMN control_daemon.boot IS 'microseconds since 1970: tells its lives apart';

CREATE TABLE control_request (
    id        bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT control_request_pkey PRIMARY KEY,
    ask       text NOT NULL,
    arguments text NOT NULL DEFAULT '{}',
    author    text NOT NULL DEFAULT '',
    asked     timestamptz NOT NULL DEFAULT now(),
    expires   timestamptz NOT NULL
);
COMMENT ON COLUMN control_request.arguments IS 'an object in JSON';
COMMENT ON COLUMN control_request.expires IS 'who has not begun by then does not obey any more';

CREATE TABLE control_answer (
    request  bigint NOT NULL REFERENCES control_request (id) ON DELETE CASCADE,
    daemon   text NOT NULL,
    host     text NOT NULL,
    folder   text NOT NULL,
    obeyed   boolean NOT NULL,
    said     text NOT NULL,
    answered timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT control_answer_pkey PRIMARY KEY (request, daemon, host, folder)
);

CREATE FUNCTION snqd_control_asked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('snqd_control', '');
    RETURN NULL;
END $$;
CREATE TRIGGER control_asked AFTER INSERT ON control_request
    FOR EACH STATEMENT EXECUTE FUNCTION snqd_control_asked();

-- Roles that work on items get the new tables too, as in 0002.
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
        EXECUTE format(
            'GRANT SELECT, INSERT, UPDATE, DELETE ON site, control_daemon, control_request, control_answer TO %s',
            role_name
        );
        EXECUTE format('GRANT SELECT ON site_change TO %s', role_name);
    END LOOP;
END $do$;
