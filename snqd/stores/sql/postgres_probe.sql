-- Questions of the PostgreSQL store's probe: bounded work whatever waits, nothing written, canaries left out.
-- Parameters as in postgres.sql. Lines and edges are the words of snqd/stores/estimate.py.

-- name: settings
-- Of the probe's own session, or (is_local) of one transaction behind a pooler. The plans are pinned like a worker's.
select set_config('statement_timeout', %(timeout_ms)s, %(is_local)s), set_config('jit', 'off', %(is_local)s),
  set_config(case when %(is_local)s then 'transaction_read_only' else 'default_transaction_read_only' end, 'on',
    %(is_local)s),
  set_config('enable_seqscan', 'off', %(is_local)s), set_config('enable_hashjoin', 'off', %(is_local)s),
  set_config('enable_mergejoin', 'off', %(is_local)s), set_config('enable_bitmapscan', 'off', %(is_local)s),
  set_config('enable_sort', 'off', %(is_local)s), set_config('enable_incremental_sort', 'off', %(is_local)s)

-- name: heads
-- The first ready item of each queue and priority, by jumping from one to the next; a bounded number of each queue's
-- priorities is looked at. Before them one row with what time it is and how many rows are dead, as far as the server has
-- counted; no table is read for that.
with recursive head (queue, priority, available_at, id, nth) as (
  (select queue::text, priority, available_at, id, 1 from queue_item where state = 'ready' and codec <> 'canary'
   order by queue, priority, available_at, id limit 1)
  union all
  select next.queue, next.priority, next.available_at, next.id,
    case when next.queue = head.queue then head.nth + 1 else 1 end
  from head cross join lateral (
    select queue::text, priority, available_at, id from queue_item
    where state = 'ready' and codec <> 'canary'
      and (queue, priority) > (head.queue, case when head.nth < %(priorities)s then head.priority else 32767 end)
    order by queue, priority, available_at, id limit 1) as next
)
select '' as queue, 0 as priority, date_part('epoch', now()) as at, pg_stat_get_dead_tuples('queue_item'::regclass) as id
union all
select queue, priority, date_part('epoch', available_at), id from head

-- name: heads_above
-- The same of known lines, from their floors on; and the first new one in each gap between them, which is a gap between
-- two priorities or between two queues. (A comparison of both columns at once would not end a scan where the queue is
-- still the same: it would walk over all items of the queue.)
select '' as queue, 0 as priority, date_part('epoch', now()) as at, pg_stat_get_dead_tuples('queue_item'::regclass) as id
union all
select known.queue, known.priority, date_part('epoch', head.available_at), head.id
from unnest(%(queues)s::text[], %(priorities)s::smallint[], %(ats)s::float8[], %(ids)s::bigint[])
  as known (queue, priority, at, id)
cross join lateral (
  select available_at, id from queue_item
  where state = 'ready' and codec <> 'canary' and queue = known.queue and priority = known.priority
    and (available_at, id) >= (to_timestamp(known.at), known.id)
  order by available_at, id limit 1) as head
union all
select gap.queue, next.priority, date_part('epoch', next.available_at), next.id
from unnest(%(gap_queues)s::text[], %(after_priorities)s::int[], %(before_priorities)s::int[])
  as gap (queue, after, before)
cross join lateral (
  select priority, available_at, id from queue_item
  where state = 'ready' and codec <> 'canary' and queue = gap.queue
    and priority > gap.after and priority < gap.before
  order by priority, available_at, id limit 1) as next
union all
select next.queue, next.priority, date_part('epoch', next.available_at), next.id
from unnest(%(after_queues)s::text[], %(before_queues)s::text[]) as gap (after, before)
cross join lateral (
  select queue::text, priority, available_at, id from queue_item
  where state = 'ready' and codec <> 'canary' and queue > gap.after collate "C" and queue < gap.before collate "C"
  order by queue, priority, available_at, id limit 1) as next

-- name: first_ready
-- The beginning of each line, counted by site; its last rows one by one when the limit is reached.
select line.number, line.queue, site, count(*), date_part('epoch', min(available_at)), max(counted.id),
  last is not null
from unnest(%(queues)s::text[], %(priorities)s::smallint[], %(ats)s::float8[], %(ids)s::bigint[])
  with ordinality as line (queue, priority, at, id, number)
cross join lateral (
  select site, available_at, id, case when nth > %(limit)s - %(edge)s then nth end as last
  from (
    select site, available_at, id, row_number() over (order by available_at, id) as nth
    from (
      select site, available_at, id from queue_item
      where state = 'ready' and codec <> 'canary' and queue = line.queue and priority = line.priority
        and (available_at, id) >= (to_timestamp(line.at), line.id)
      order by available_at, id limit %(limit)s) as first
  ) as numbered
) as counted
group by line.number, line.queue, site, last

-- name: look_ready
-- The rows before and after some places.
select look.number, is_after, date_part('epoch', available_at), found.id, look.queue, site
from unnest(%(queues)s::text[], %(priorities)s::smallint[], %(ats)s::float8[], %(ids)s::bigint[])
  with ordinality as look (queue, priority, at, id, number)
cross join lateral (
  (select false as is_after, available_at, id, site from queue_item
   where state = 'ready' and codec <> 'canary' and queue = look.queue and priority = look.priority
     and (available_at, id) < (to_timestamp(look.at), look.id)
   order by available_at desc, id desc limit %(edge)s)
  union all
  (select true, available_at, id, site from queue_item
   where state = 'ready' and codec <> 'canary' and queue = look.queue and priority = look.priority
     and (available_at, id) >= (to_timestamp(look.at), look.id)
   order by available_at, id limit %(edge)s)
) as found

-- name: first_open
-- The first ready item of each line whose site is not paused, among the first ones.
select line.queue, date_part('epoch', head.available_at)
from unnest(%(queues)s::text[], %(priorities)s::smallint[], %(ats)s::float8[], %(ids)s::bigint[])
  as line (queue, priority, at, id)
cross join lateral (
  select available_at from (
    select queue, site, available_at, id from queue_item
    where state = 'ready' and codec <> 'canary' and queue = line.queue and priority = line.priority
      and (available_at, id) >= (to_timestamp(line.at), line.id)
    order by available_at, id limit %(limit)s) as item
  where not exists (
    select from queue_pause where queue_pause.queue in ('', item.queue) and queue_pause.site = item.site
      and ended_at is null and (expires_at is null or expires_at > now()))
  order by available_at, id limit 1) as head

-- name: paused_lines
-- What is set aside is a line for each queue and site, in order of ids.
with recursive line (queue, site) as (
  (select queue::text, site::text from queue_item where state = 'paused' order by queue, site limit 1)
  union all
  select next.queue, next.site
  from line cross join lateral (
    select queue::text, site::text from queue_item
    where state = 'paused' and (queue, site) > (line.queue, line.site)
    order by queue, site limit 1) as next
)
select queue, site from line

-- name: first_paused
select line.number, line.queue, line.site, count(*), 0.0::float8, max(counted.id), last is not null
from unnest(%(queues)s::text[], %(sites)s::text[]) with ordinality as line (queue, site, number)
cross join lateral (
  select id, case when nth > %(limit)s - %(edge)s then nth end as last
  from (
    select id, row_number() over (order by id) as nth
    from (
      select id from queue_item
      where state = 'paused' and codec <> 'canary' and queue = line.queue and site = line.site
      order by id limit %(limit)s) as first
  ) as numbered
) as counted
group by line.number, line.queue, line.site, last

-- name: look_paused
select look.number, is_after, 0.0::float8, found.id, look.queue, look.site
from unnest(%(queues)s::text[], %(sites)s::text[], %(ids)s::bigint[]) with ordinality
  as look (queue, site, id, number)
cross join lateral (
  (select false as is_after, id from queue_item
   where state = 'paused' and codec <> 'canary' and queue = look.queue and site = look.site and id < look.id
   order by id desc limit %(edge)s)
  union all
  (select true, id from queue_item
   where state = 'paused' and codec <> 'canary' and queue = look.queue and site = look.site and id >= look.id
   order by id limit %(edge)s)
) as found

-- name: pauses
select queue, site, author, reason, date_part('epoch', since), date_part('epoch', expires_at),
  date_part('epoch', ended_at), ended_by
from queue_pause order by queue, site

-- name: holding
-- Those that hold now.
select queue, site, author, reason, date_part('epoch', since), date_part('epoch', expires_at),
  date_part('epoch', ended_at), ended_by
from queue_pause where ended_at is null and (expires_at is null or expires_at > now())

-- name: first_scheduled
-- All that is scheduled is one line. Its index has no ids: rows of one moment are in no particular order.
select 1, queue, site, count(*), date_part('epoch', min(available_at)), max(id), last is not null
from (
  select queue, site, available_at, id, case when nth > %(limit)s - %(edge)s then nth end as last
  from (
    select queue, site, available_at, id, row_number() over (order by available_at) as nth
    from (
      select queue, site, available_at, id from queue_item
      where state = 'scheduled' and codec <> 'canary' and available_at >= to_timestamp(%(floor)s::float8)
      order by available_at limit %(limit)s) as first
  ) as numbered
) as counted
group by queue, site, last

-- name: look_scheduled
select look.number, is_after, date_part('epoch', available_at), found.id, queue, site
from unnest(%(ats)s::float8[]) with ordinality as look (at, number)
cross join lateral (
  (select false as is_after, available_at, id, queue, site from queue_item
   where state = 'scheduled' and codec <> 'canary' and available_at < to_timestamp(look.at)
   order by available_at desc limit %(edge)s)
  union all
  (select true, available_at, id, queue, site from queue_item
   where state = 'scheduled' and codec <> 'canary' and available_at >= to_timestamp(look.at)
   order by available_at limit %(edge)s)
) as found

-- name: first_dead
-- Dead letters lie in order of their ids, which are the items'.
select 1, queue, site, count(*), 0.0::float8, max(id), last is not null
from (
  select queue, site, id, case when nth > %(limit)s - %(edge)s then nth end as last
  from (
    select queue, site, id, row_number() over (order by id) as nth
    from (select queue, site, id from dead_letter where codec <> 'canary' order by id limit %(limit)s) as first
  ) as numbered
) as counted
group by queue, site, last

-- name: look_dead
select look.number, is_after, 0.0::float8, found.id, queue, site
from unnest(%(ids)s::bigint[]) with ordinality as look (id, number)
cross join lateral (
  (select false as is_after, id, queue, site from dead_letter
   where codec <> 'canary' and id < look.id order by id desc limit %(edge)s)
  union all
  (select true, id, queue, site from dead_letter
   where codec <> 'canary' and id >= look.id order by id limit %(edge)s)
) as found

-- name: claimed
-- From the latest claim back to the floor. Claims that ended have left index entries among the living.
select queue, site, count(*), min(date_part('epoch', lease_until))
from (
  select queue, site, lease_until from queue_item
  where state = 'claimed' and codec <> 'canary' and lease_until >= to_timestamp(%(floor)s::float8)
  order by lease_until desc limit %(limit)s
) as latest
group by queue, site

-- name: round_trip
select 1

-- name: health
-- Sizes of the items' table, with its TOAST table, and of its indexes; what the server has counted since the last vacuum;
-- the size of the dead letters with all that belongs to them.
select pg_table_size(item), pg_indexes_size(item), pg_stat_get_dead_tuples(item),
  coalesce(date_part('epoch', pg_stat_get_last_autovacuum_time(item)), 0),
  pg_stat_get_live_tuples(item), pg_total_relation_size('dead_letter')
from (select 'queue_item'::regclass as item) as named

-- name: pins
-- Who may keep dead rows of this database from being cleaned up, by how far back that reaches: transactions (a vacuum
-- does not count), standbys that ask for it, prepared transactions, replication slots. Seconds are null where the server
-- does not know since when.
select kind, pid, name, horizon::text, seconds, query
from (
  select 'transaction' as kind, pid, coalesce(application_name, '') as name,
    case when backend_xid is null or age(backend_xmin) > age(backend_xid) then backend_xmin else backend_xid end as horizon,
    date_part('epoch', clock_timestamp() - xact_start) as seconds, coalesce(query, '') as query
  from pg_stat_activity
  where (datname = current_database() or backend_type = 'walsender') and pid <> pg_backend_pid()
    and coalesce(backend_xmin, backend_xid) is not null and backend_type <> 'autovacuum worker'
    and pid not in (select pid from pg_stat_progress_vacuum)
  union all
  select 'prepared transaction', -1, gid, transaction, date_part('epoch', clock_timestamp() - prepared), ''
  from pg_prepared_xacts where database = current_database()
  union all
  select 'replication slot', coalesce(active_pid, -1), slot_name, xmin, null, ''
  from pg_replication_slots where xmin is not null
) as pin
order by age(horizon) desc limit 10

-- name: has_item
select exists (select from queue_item where id = %(id)s)

-- name: schedules
-- Of the sites that share a schedule, the one that is furthest behind.
select name::text, queue::text, definition, (array_agg(declared_by order by last_due, site))[1], count(*),
  (array_agg(site::text order by last_due, site))[1], extract(epoch from min(last_due))::float8,
  extract(epoch from now())::float8
from queue_schedule group by name, queue, definition order by min(last_due), name, queue, definition limit %(limit)s
