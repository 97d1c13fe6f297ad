-- name: now
select extract(epoch from clock_timestamp())::float8

-- name: forget
delete from queue_schedule as schedule
using unnest(%(sites)s::text[], %(names)s::text[]) as stale (site, name)
where schedule.site = stale.site and schedule.name = stale.name and schedule.declared_by = %(declared_by)s

-- name: keep
-- A new one, and one that is due at other times now, has missed nothing.
insert into queue_schedule as schedule (site, name, queue, definition, declared_by)
select site, name, queue, definition, %(declared_by)s
from unnest(%(sites)s::text[], %(names)s::text[], %(queues)s::text[], %(definitions)s::text[])
  as wanted (site, name, queue, definition)
order by site, name
on conflict (site, name) do update set queue = excluded.queue, definition = excluded.definition,
  declared_by = excluded.declared_by,
  last_due = case when schedule.definition = excluded.definition then schedule.last_due
    else greatest(schedule.last_due, now()) end

-- name: rows
select site, name, queue, definition, declared_by, extract(epoch from last_due)::float8,
  extract(epoch from last_run)::float8
from queue_schedule order by site, name

-- name: lock
-- Never waits for another daemon, which may hang.
select schedule.site, schedule.name, extract(epoch from schedule.last_due)::float8
from queue_schedule as schedule
join unnest(%(sites)s::text[], %(names)s::text[]) as wanted (site, name)
  on schedule.site = wanted.site and schedule.name = wanted.name
for update of schedule skip locked

-- name: known
select schedule.site, schedule.name
from queue_schedule as schedule
join unnest(%(sites)s::text[], %(names)s::text[]) as wanted (site, name)
  on schedule.site = wanted.site and schedule.name = wanted.name

-- name: move
update queue_schedule as schedule set last_due = to_timestamp(moved.due), declared_by = %(declared_by)s,
  last_run = case when moved.runs then now() else schedule.last_run end
from unnest(%(sites)s::text[], %(names)s::text[], %(dues)s::float8[], %(runs)s::boolean[])
  as moved (site, name, due, runs)
where schedule.site = moved.site and schedule.name = moved.name

-- name: was_run
update queue_schedule set last_run = now() where site = %(site)s and name = %(name)s
