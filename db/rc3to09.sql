-- What waits in StatusNet's table queue_item, carried over into snqd's of the same name. PostgreSQL 14 or newer.
--
-- It reads both forms of the table, (notice_id, transport, created, claimed) of 0.8 and (id, frame, transport, created,
-- claimed) of 0.9, and writes nothing into it. `snqd schema import-statusnet` runs this, also from another database. By
-- hand, for a table in the same database, as the owner of snqd's tables and with their schema first in search_path:
--
--     psql -1 -v ON_ERROR_STOP=1 -f db/rc3to09.sql \
--          -c "SELECT * FROM pg_temp.statusnet_carry('public.queue_item', site => 'example.net')"
--
-- All of it is one transaction: what is interrupted has carried nothing, and can be run again.

-- Two runs at once take turns, until the end of the transaction.
DO $$ BEGIN PERFORM pg_advisory_xact_lock(hashtext('snqd.statusnet')); END $$;

-- What has been carried over, so that a second run carries only what is new. Drop it together with StatusNet's table.
CREATE TABLE IF NOT EXISTS statusnet_carried (
    site    varchar(63) COLLATE "C" NOT NULL,
    origin  text COLLATE "C" NOT NULL,
    item    text COLLATE "C" NOT NULL,
    carried timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT statusnet_carried_pkey PRIMARY KEY (site, origin, item)
);
COMMENT ON TABLE statusnet_carried IS 'snqd: rows of StatusNet''s queue_item that were carried over (db/rc3to09.sql)';

-- StatusNet put three kinds of frames into the table and told them apart by looking, as this does: the decimal id of a
-- notice, XML, and whatever PHP's serialize() had made of anything else. The last are bytes to us, and stay it.
CREATE OR REPLACE FUNCTION pg_temp.statusnet_codec(frame bytea) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN length(frame) <= 18 AND encode(frame, 'escape') ~ '^[1-9][0-9]*$' THEN 'json'  -- a number is JSON
        WHEN substring(frame FOR 1) = '<'::bytea THEN 'xml'
        WHEN encode(substring(frame FOR 20), 'escape') ~ '^(N;|[bidrR]:|[aOCsES]:[0-9]+:)' THEN 'php'
        ELSE 'raw'
    END
$$;

-- The SELECT that reads either form as one. Raises an exception for a table that is neither.
CREATE OR REPLACE FUNCTION pg_temp.statusnet_query(source regclass, named text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    names  text[];
    misfit text;
    utc    text;
    form   text;
BEGIN
    SELECT array_agg(attname::text ORDER BY attnum) INTO names
    FROM pg_attribute WHERE attrelid = source AND attnum > 0 AND NOT attisdropped;
    IF names @> '{codec}' THEN
        RAISE EXCEPTION '% is snqd''s own table: name StatusNet''s, with its schema', named;
    END IF;
    form := CASE WHEN names @> '{id,frame,transport,created,claimed}' THEN 'new'
                 WHEN names @> '{notice_id,transport,created,claimed}' THEN 'old' END;
    IF form IS NULL THEN
        RAISE EXCEPTION '% is no queue of StatusNet: it has the columns %, and not notice_id, transport, created, '
            'claimed (0.8), nor id, frame, transport, created, claimed (0.9)', named, array_to_string(names, ', ');
    END IF;

    SELECT format('column %s is %s and not %s', attname, format_type(atttypid, NULL), array_to_string(wanted, ' or '))
    INTO misfit
    FROM pg_attribute JOIN (VALUES
        ('id', '{integer,bigint}'::text[]), ('notice_id', '{integer,bigint}'),
        ('frame', '{bytea,text,character varying}'), ('transport', '{character varying,text,character}'),
        ('created', '{timestamp without time zone,timestamp with time zone}')
    ) AS expected (name, wanted) ON name = attname
    WHERE attrelid = source AND attname::text = ANY (CASE form WHEN 'new' THEN '{id,frame,transport,created}'::text[]
                                                     ELSE '{notice_id,transport,created}' END)
        AND format_type(atttypid, NULL) <> ALL (wanted)
    LIMIT 1;
    IF misfit IS NOT NULL THEN
        RAISE EXCEPTION '% is no queue of StatusNet: its %', named, misfit;
    END IF;

    -- Its times are UTC without saying so. Those that cannot be become the nearest that can.
    SELECT format('least(greatest(coalesce(created%s, now()), to_timestamp(0)), now())',
                  CASE WHEN atttypid = 'timestamp'::regtype THEN ' AT TIME ZONE ''UTC''' ELSE '' END) INTO utc
    FROM pg_attribute WHERE attrelid = source AND attname = 'created';

    -- `item` is what a row is known by when this runs again. The time is in it because a table can be emptied and
    -- number its rows anew. `item_before`: the same item in the old form, which StatusNet's own updater gives an id.
    IF form = 'old' THEN
        RETURN format($query$
            SELECT notice_id::bigint AS number,
                format('notice %%s %%s %%s', notice_id, transport, extract(epoch FROM created)) AS item,
                NULL::text AS item_before, transport::text AS queue,
                convert_to(notice_id::text, 'UTF8') AS frame, %s AS created, claimed IS NOT NULL AS was_claimed
            FROM %s $query$, utc, source);
    END IF;
    RETURN format($query$
        SELECT id::bigint AS number, format('item %%s %%s', id, extract(epoch FROM created)) AS item,
            CASE WHEN length(bytes) <= 18 AND pg_temp.statusnet_codec(bytes) = 'json' THEN
                format('notice %%s %%s %%s', encode(bytes, 'escape'), transport, extract(epoch FROM created))
            END AS item_before, transport::text AS queue,
            bytes AS frame, %s AS created, claimed IS NOT NULL AS was_claimed
        FROM %s, LATERAL (SELECT coalesce(%s, '') AS bytes) AS framed $query$,
        utc, source,
        (SELECT CASE atttypid WHEN 'bytea'::regtype THEN 'frame' ELSE 'convert_to(frame, ''UTF8'')' END
         FROM pg_attribute WHERE attrelid = source AND attname = 'frame'));
END $$;

-- Carry over what waits in `source` and was not carried before, as items of `site`. Rows that a worker of StatusNet had
-- claimed wait again: it is gone. Nothing is carried when a row does not fit. `origin` names the rows' database.
CREATE OR REPLACE FUNCTION pg_temp.statusnet_carry(
    source regclass, site text, origin text DEFAULT current_database(), frame_limit integer DEFAULT 1048576,
    is_dry_run boolean DEFAULT false, named text DEFAULT NULL
) RETURNS TABLE (queue text, codec text, items bigint, were_claimed bigint, carried_before bigint)
    LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    misfit record;
BEGIN
    named := coalesce(named, source::text);
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('queue_item') AND attname = 'codec') THEN
        RAISE EXCEPTION 'schema % has no tables of snqd: run `snqd schema upgrade`, or set search_path',
            current_schema();
    END IF;
    IF source = to_regclass('queue_item') THEN
        RAISE EXCEPTION '% is snqd''s own table: name StatusNet''s, with its schema', named;
    END IF;
    LOCK TABLE statusnet_carried IN SHARE ROW EXCLUSIVE MODE;  -- whoever runs this without -1

    EXECUTE format($query$
        CREATE TEMPORARY TABLE statusnet_item ON COMMIT DROP AS
        SELECT waiting.*, pg_temp.statusnet_codec(waiting.frame) AS codec,
            before.item IS NOT NULL OR earlier.item IS NOT NULL AS is_carried
        FROM (%s) AS waiting
        LEFT JOIN statusnet_carried AS before ON (before.site, before.origin, before.item) = (%2$L, %3$L, waiting.item)
        LEFT JOIN statusnet_carried AS earlier
            ON (earlier.site, earlier.origin, earlier.item) = (%2$L, %3$L, waiting.item_before)
        $query$, pg_temp.statusnet_query(source, named), site, origin);

    SELECT count(*) OVER () AS rows, number, item, queue, length(frame) AS bytes INTO misfit FROM statusnet_item
    WHERE NOT is_carried AND ((queue ~ '^[!-~]([ -~]{0,61}[!-~])?$') IS NOT TRUE OR length(frame) > frame_limit)
    ORDER BY number LIMIT 1;
    IF misfit.rows > 0 THEN
        RAISE EXCEPTION '% row(s) of % cannot be items of snqd, the first is % %: %; correct or delete them; '
            'nothing was carried over',
            misfit.rows, named, split_part(misfit.item, ' ', 1), misfit.number,
            CASE WHEN misfit.bytes > frame_limit
                 THEN format('its frame has %s bytes, more than store.frame_limit_bytes, %s', misfit.bytes, frame_limit)
                 ELSE format('its transport %s names no queue (1 to 63 printable ASCII characters)',
                             coalesce(quote_literal(left(misfit.queue, 80)), 'null')) END;
    END IF;

    IF NOT is_dry_run THEN
        INSERT INTO statusnet_carried (site, origin, item)
            SELECT statusnet_carry.site, statusnet_carry.origin, item FROM statusnet_item WHERE NOT is_carried;
        -- token = -1: whoever inserts wakes the workers, once for all rows. They go in the order in which they waited.
        INSERT INTO queue_item (site, queue, frame, codec, created, available_at, token)
            SELECT statusnet_carry.site, queue, frame, codec, created, created, -1
            FROM statusnet_item WHERE NOT is_carried ORDER BY created, number;
        PERFORM snqd_wake_workers();
    END IF;

    RETURN QUERY
        SELECT queue, codec, count(*) FILTER (WHERE NOT is_carried),
            count(*) FILTER (WHERE NOT is_carried AND was_claimed), count(*) FILTER (WHERE is_carried)
        FROM statusnet_item GROUP BY 1, 2 ORDER BY 1, 2;
END $$;
