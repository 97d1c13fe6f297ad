-- Dead letters, and corrections by filter (see snqd/stores/corrections.py). {conditions} are the filter's, put in by
-- filters.py. Pages go on from a place, (died, id), so that each is read by index; none is found by counting.

-- name: record
-- A letter as `filters.record` reads it, put in place of {record}.
id, site, queue, 'dead', codec, {frame}, priority, date_part('epoch', created), date_part('epoch', available_at),
  attempts, crash_attempts, unique_key, null::text, null::float8, error, history::text,
  reason, traceback, date_part('epoch', died), fingerprint, octet_length(frame)

-- name: find
select {record} from dead_letter
where (died, id) > (to_timestamp(%(died)s::float8), %(id)s::bigint) and {conditions}
order by died, id limit %(limit)s

-- name: page
select {record} from dead_letter
where codec <> 'canary' and (died, id) < (to_timestamp(%(died)s::float8), %(id)s::bigint) and {conditions}
order by died desc, id desc limit %(limit)s

-- name: groups
-- What is counted stands in the index of the fingerprints; a letter is read for each group that is told. Queues and sites
-- are ranked once for all groups: there may be ten thousand sites in each.
with part as materialized (
  select fingerprint, queue, site, count(*) as letters, min(died) as first, max(died) as last
  from dead_letter where fingerprint <> 'canary' and {conditions} group by fingerprint, queue, site
), most as materialized (
  select fingerprint, sum(letters) as letters, min(first) as first, max(last) as last
  from part group by fingerprint order by sum(letters) desc, max(last) desc, fingerprint limit %(limit)s
), top_queue as materialized (
  select * from (
    select fingerprint, queue::text, count(*) over (partition by fingerprint) as queues,
      row_number() over (partition by fingerprint order by sum(letters) desc, queue) as place
    from part where fingerprint in (select fingerprint from most) group by fingerprint, queue) as ranked
  where place <= %(names)s
), top_site as materialized (
  select * from (
    select fingerprint, site::text, count(*) over (partition by fingerprint) as sites,
      row_number() over (partition by fingerprint order by sum(letters) desc, site) as place
    from part where fingerprint in (select fingerprint from most) group by fingerprint, site) as ranked
  where place <= %(names)s
)
select most.fingerprint, letters::bigint, date_part('epoch', first), date_part('epoch', last),
  (select max(queues) from top_queue where top_queue.fingerprint = most.fingerprint),
  array(select queue from top_queue where top_queue.fingerprint = most.fingerprint order by place),
  (select max(sites) from top_site where top_site.fingerprint = most.fingerprint),
  array(select site from top_site where top_site.fingerprint = most.fingerprint order by place),
  newest.error, newest.id
from most cross join lateral (
  select error, id from dead_letter where fingerprint = most.fingerprint and {conditions}
  order by died desc, id desc limit 1) as newest
order by letters desc, last desc, most.fingerprint

-- name: unnamed
select id, error, coalesce(traceback, ''), codec from dead_letter where fingerprint is null
order by id limit %(limit)s for update skip locked

-- name: name
update dead_letter set fingerprint = told.fingerprint
from jsonb_to_recordset(%(told)s::jsonb) as told (id bigint, fingerprint text) where dead_letter.id = told.id

-- name: count_dead
select count(*) from (select from dead_letter where {conditions} limit %(limit)s) as found

-- name: count
select count(*) from (select from queue_item where {conditions} limit %(limit)s) as found

-- name: begin
insert into correction (kind, author, wanted) values (%(kind)s, %(author)s, %(wanted)s) returning id

-- name: forget
delete from correction where began < now() - make_interval(secs => %(seconds)s)

-- name: end
update correction set ended = now(), outcome = %(outcome)s where id = %(number)s

-- name: corrections
select id, kind, author, wanted, date_part('epoch', began), date_part('epoch', ended), changed, stayed, outcome
from correction where kind = any(%(kinds)s::text[]) order by id desc limit %(limit)s

-- name: step_retry
-- A step, like the next ones: how many were changed, how many were found, and the last of them. The wake-up is sent by hand:
-- triggers watch insertions only.
with chosen as (
  select id from queue_item where id > %(id)s::bigint and {conditions} order by id limit %(limit)s for update skip locked
), woken as (
  update queue_item set state = 'ready', available_at = now() from chosen where queue_item.id = chosen.id
  returning queue_item.id
), noted as (
  update correction set changed = changed + (select count(*) from woken) where id = %(number)s
)
select (select count(*) from woken), count(*), 0.0::float8, max(id),
  case when count(*) > 0 then pg_notify('snqd_wake', '') end from chosen

-- name: step_discard
with chosen as (
  select id from queue_item where id > %(id)s::bigint and {conditions} order by id limit %(limit)s for update skip locked
), gone as (
  delete from queue_item using chosen where queue_item.id = chosen.id returning queue_item.id
), noted as (
  update correction set changed = changed + (select count(*) from gone) where id = %(number)s
)
select (select count(*) from gone), count(*), 0.0::float8, max(id) from chosen

-- name: step_replay
-- A dead letter whose unique key is taken by a waiting item stays where it is.
with chosen as (
  select * from dead_letter where (died, id) > (to_timestamp(%(died)s::float8), %(id)s::bigint) and {conditions}
  order by died, id limit %(limit)s for update skip locked
), again as (
  insert into queue_item (id, site, queue, frame, codec, priority, created, unique_key, last_error, history)
  select id, site, queue, frame, codec, priority, created, unique_key, error, history from chosen order by died, id
  on conflict do nothing
  returning id
), moved as (
  delete from dead_letter using again where dead_letter.id = again.id
), noted as (
  update correction set changed = changed + (select count(*) from again),
    stayed = stayed + (select count(*) from chosen) - (select count(*) from again)
  where id = %(number)s
)
select (select count(*) from again), (select count(*) from chosen), date_part('epoch', last.died), last.id
from (select died, id from chosen order by died desc, id desc limit 1) as last

-- name: step_discard_dead
with chosen as (
  select died, id from dead_letter where (died, id) > (to_timestamp(%(died)s::float8), %(id)s::bigint) and {conditions}
  order by died, id limit %(limit)s for update skip locked
), gone as (
  delete from dead_letter using chosen where dead_letter.id = chosen.id returning dead_letter.id
), noted as (
  update correction set changed = changed + (select count(*) from gone) where id = %(number)s
)
select (select count(*) from gone), (select count(*) from chosen), date_part('epoch', last.died), last.id
from (select died, id from chosen order by died desc, id desc limit 1) as last
