-- Queries of the PostgreSQL store. Parameters are psycopg's %(name)s; lists of numbers go in as one text literal
-- ('{1,2,3}'), because psycopg's list dumper is Python code that costs more than the rest of the call.
-- now() is the database's clock at the start of the transaction; every claim, outcome and renewal is a short one.

-- name: claim
-- The claim of a lane with one queue. Rows are locked in the order of the index, and only as many as are taken: the
-- limit stands above the locks with no sort between. Each of them is found again by its address (ctid), which cannot
-- change while it is locked. The floor (see floors.py) is where the claim begins; more urgent items are looked at first.
update queue_item set state = 'claimed', claimed_by = %(claimant)s,
  lease_until = now() + make_interval(secs => %(lease)s),
  token = (select nextval('snqd_token'))
where ctid = any(array(
  select ctid from (
    select ctid from (
      select ctid from queue_item
      where queue = %(queue)s and state = 'ready' and priority < %(floor_priority)s
      order by priority, available_at, id limit %(limit)s for update skip locked) as urgent
    union all
    select ctid from (
      select ctid from queue_item
      where queue = %(queue)s and state = 'ready'
        and (priority, available_at, id) >= (%(floor_priority)s, to_timestamp(%(floor_at)s::float8), %(floor_id)s)
      order by priority, available_at, id limit %(limit)s for update skip locked) as next
  ) as found limit %(limit)s))
returning id, token, site, queue, codec, frame, attempts, crash_attempts,
  date_part('epoch', created), date_part('epoch', available_at), priority

-- name: claim_lane
-- The claim of a lane with several queues: look at each queue's first item, take queues in that order.
update queue_item set state = 'claimed', claimed_by = %(claimant)s,
  lease_until = now() + make_interval(secs => %(lease)s),
  token = (select nextval('snqd_token'))
where ctid = any(array(
  select item.ctid
  from (
    select asked.*
    from unnest(%(queues)s::text[], %(floor_priorities)s::smallint[], %(floor_ats)s::float8[], %(floor_ids)s::bigint[])
      as asked (queue, floor_priority, floor_at, floor_id)
    cross join lateral (
      select priority, available_at, id from (
        select priority, available_at, id from (
          select priority, available_at, id from queue_item
          where queue = asked.queue and state = 'ready' and priority < asked.floor_priority
          order by priority, available_at, id limit 1) as urgent
        union all
        select priority, available_at, id from (
          select priority, available_at, id from queue_item
          where queue = asked.queue and state = 'ready'
            and (priority, available_at, id) >= (asked.floor_priority, to_timestamp(asked.floor_at), asked.floor_id)
          order by priority, available_at, id limit 1) as next
      ) as found limit 1) as head
    order by head.priority, head.available_at, head.id
  ) as turn
  cross join lateral (
    select ctid from (
      select ctid from queue_item
      where queue = turn.queue and state = 'ready' and priority < turn.floor_priority
      order by priority, available_at, id limit %(limit)s for update skip locked) as urgent
    union all
    select ctid from (
      select ctid from queue_item
      where queue = turn.queue and state = 'ready'
        and (priority, available_at, id) >= (turn.floor_priority, to_timestamp(turn.floor_at), turn.floor_id)
      order by priority, available_at, id limit %(limit)s for update skip locked) as next
  ) as item
  limit %(limit)s))
returning id, token, site, queue, codec, frame, attempts, crash_attempts,
  date_part('epoch', created), date_part('epoch', available_at), priority

-- name: claim_turns
-- The claim when several flows wait (see snqd/stores/turns.py): what is more urgent, then the flows at this priority, once
-- and again, then the rest; or when these flows have aged, what is more urgent after them. Flows are found by jumping downwards from one site to the next in the index of turns; the
-- last item of a site is the one least likely to be dead. They are looked for one at a time, as long as the claim is not
-- full. Or they are known, with floors. (A row that this statement has locked is not skipped, so each round passes over those of the ones before.)
with flow as materialized (
  select queue, site collate "C" as site, to_timestamp(at) as at, id
  from unnest(%(known_queues)s::text[], %(known_sites)s::text[], %(known_ats)s::float8[], %(known_ids)s::bigint[])
    as known (queue, site, at, id)
  union all
  (select part.queue, found.site, '-infinity', 0
  from unnest(%(part_queues)s::text[], %(part_belows)s::text[], %(part_lowests)s::text[]) as part (queue, below, lowest)
  cross join lateral (
    with recursive this (site) as (
      (select site::text from queue_item
       where queue = part.queue and state = 'ready' and priority = %(priority)s
         and site < part.below and site >= part.lowest
       order by site desc, available_at desc, id desc limit 1)
      union all
      select next.site from this cross join lateral (
        select site::text from queue_item
        where queue = part.queue and state = 'ready' and priority = %(priority)s
          and site < this.site and site >= part.lowest
        order by site desc, available_at desc, id desc limit 1) as next
    )
    select site from this) as found
  limit 1000)
)
update queue_item set state = 'claimed', claimed_by = %(claimant)s,
  lease_until = now() + make_interval(secs => %(lease)s),
  token = (select nextval('snqd_token'))
where ctid = any(array(
  select ctid from (
    select item.ctid from unnest(%(first_queues)s::text[]) as asked (queue) cross join lateral (
      select ctid from queue_item
      where queue = asked.queue and state = 'ready' and priority < %(priority)s
      order by priority, available_at, id limit %(limit)s for update skip locked) as item
    union all
    select item.ctid
    from unnest(%(offsets)s::int[], %(quotas)s::int[]) as pass (skipped, quota)
    cross join lateral (select * from flow where pass.quota > 0 offset 0) as flow  -- one pass after the other
    cross join lateral (
      select ctid from queue_item
      where queue = flow.queue and state = 'ready' and priority = %(priority)s and site = flow.site
        and (available_at, id) >= (flow.at, flow.id)
      order by available_at, id offset pass.skipped limit pass.quota for update skip locked) as item
    union all
    select item.ctid from unnest(%(last_queues)s::text[]) as asked (queue) cross join lateral (
      select ctid from queue_item
      where queue = asked.queue and state = 'ready' and priority < %(priority)s
      order by priority, available_at, id limit %(limit)s for update skip locked) as item
    union all
    select item.ctid from unnest(%(queues)s::text[]) as asked (queue) cross join lateral (
      select ctid from queue_item
      where queue = asked.queue and state = 'ready' and priority > %(priority)s
      order by priority, available_at, id limit %(limit)s for update skip locked) as item
  ) as found limit %(limit)s))
returning id, token, site, queue, codec, frame, attempts, crash_attempts,
  date_part('epoch', created), date_part('epoch', available_at), priority

-- name: aged_below
-- The priority, less urgent than one, whose first item waits longest and long enough. At most 16 are looked at.
select line.priority
from unnest(%(queues)s::text[]) as asked (queue)
cross join lateral (
  with recursive this (priority, available_at, nth) as (
    (select priority, available_at, 1 from queue_item
     where queue = asked.queue and state = 'ready' and priority > %(priority)s
     order by priority, available_at, id limit 1)
    union all
    select next.priority, next.available_at, nth + 1 from this cross join lateral (
      select priority, available_at from queue_item
      where queue = asked.queue and state = 'ready' and priority > this.priority
      order by priority, available_at, id limit 1) as next
    where nth < 16
  )
  select priority, available_at from this) as line
where available_at < now() - make_interval(secs => %(seconds)s)
order by available_at limit 1

-- name: lock_limits
-- One at a time looks at what is limited and claims it. Who does not get it claims only what no limit counts.
select pg_try_advisory_xact_lock(hashtext('snqd.limits'))

-- name: look
-- What a claim that is shared out goes by (see snqd/stores/shares.py), as rows of three kinds: what is in flight and counts
-- for limits; buckets that are not full; and flows that wait, with the number of their items up to a bound. Flows are found
-- by jumping, as in `claim_turns`: of each queue the priorities upwards, and of each of those the sites downwards from
-- where the queue's last look ended, and around.
select 0, queue::text, site::text, 0, count(*)::int, 0::float8
from queue_item where state = 'claimed' and is_limited group by queue, site
union all
select 1, queue::text, site::text, 0, 0, date_part('epoch', full_at - clock_timestamp())
from queue_bucket where full_at > clock_timestamp()
union all
select 2, asked.queue, flow.site, line.priority, head.items, head.seconds
from unnest(%(queues)s::text[], %(belows)s::text[]) as asked (queue, below)
cross join lateral (
  with recursive this (priority, nth) as (
    (select priority, 1 from queue_item
     where queue = asked.queue and state = 'ready' order by priority, available_at, id limit 1)
    union all
    select next.priority, nth + 1 from this cross join lateral (
      select priority from queue_item
      where queue = asked.queue and state = 'ready' and priority > this.priority
      order by priority, available_at, id limit 1) as next
    where nth < 16
  )
  select priority from this) as line
cross join lateral (
  (with recursive this (site) as (
    (select site::text from queue_item
     where queue = asked.queue and state = 'ready' and priority = line.priority and site < asked.below
     order by site desc, available_at desc, id desc limit 1)
    union all
    select next.site from this cross join lateral (
      select site::text from queue_item
      where queue = asked.queue and state = 'ready' and priority = line.priority and site < this.site
      order by site desc, available_at desc, id desc limit 1) as next
  )
  select site from this)
  union all
  (with recursive this (site) as (
    (select site::text from queue_item
     where queue = asked.queue and state = 'ready' and priority = line.priority
       and site < %(beyond_all)s and site >= asked.below
     order by site desc, available_at desc, id desc limit 1)
    union all
    select next.site from this cross join lateral (
      select site::text from queue_item
      where queue = asked.queue and state = 'ready' and priority = line.priority
        and site < this.site and site >= asked.below
      order by site desc, available_at desc, id desc limit 1) as next
  )
  select site from this)
  limit %(flows)s) as flow
cross join lateral (
  select count(*)::int as items, date_part('epoch', now() - min(available_at)) as seconds from (
    select available_at from queue_item
    where queue = asked.queue and state = 'ready' and priority = line.priority and site = flow.site
    order by available_at, id limit %(items)s) as first) as head
where head.items > 0

-- name: claim_shares
-- So many items of each of these flows.
update queue_item set state = 'claimed', claimed_by = %(claimant)s,
  lease_until = now() + make_interval(secs => %(lease)s),
  token = (select nextval('snqd_token')), is_limited = is_limited or %(is_limited)s
where ctid = any(array(
  select item.ctid
  from unnest(%(queues)s::text[], %(priorities)s::smallint[], %(sites)s::text[], %(counts)s::int[])
    as flow (queue, priority, site, count)
  cross join lateral (
    select ctid from queue_item
    where queue = flow.queue and state = 'ready' and priority = flow.priority and site = flow.site
    order by available_at, id limit flow.count for update skip locked) as item))
returning id, token, site, queue, codec, frame, attempts, crash_attempts,
  date_part('epoch', created), date_part('epoch', available_at), priority

-- name: spend
insert into queue_bucket as old (queue, site, full_at)
select queue, site, clock_timestamp() + make_interval(secs => seconds)
from unnest(%(queues)s::text[], %(sites)s::text[], %(seconds)s::float8[]) as spent (queue, site, seconds)
on conflict (queue, site) do update
set full_at = greatest(old.full_at, clock_timestamp()) + (excluded.full_at - clock_timestamp())

-- name: forget_buckets
-- Those that are full. Under the lock of limits, without which nobody takes of one.
delete from queue_bucket where full_at < now()

-- name: dead_rows
-- What the server has counted since the last vacuum; no table is read. An item leaves two behind, by claim and ack.
select pg_stat_get_dead_tuples('queue_item'::regclass)

-- name: may_vacuum
-- Whether a vacuum is allowed to us, and whether somebody does one at this moment.
select pg_has_role(relowner, 'usage') or case when current_setting('server_version_num')::int >= 170000
                                         then has_table_privilege(oid, 'maintain') else false end,
  exists (
    select from pg_locks where relation = pg_class.oid and mode = 'ShareUpdateExclusiveLock'
      and database = (select oid from pg_database where datname = current_database()))
from pg_class where oid = 'queue_item'::regclass

-- name: vacuum
vacuum (skip_locked, truncate off) queue_item

-- name: finish
-- Delete items that are done. A token is unique to a claim statement, so a pair that mixes two items' id and token does
-- not exist.
delete from queue_item where id = any(%(ids)s::bigint[]) and token = any(%(tokens)s::bigint[])
returning id

-- name: finish_and
-- Goes before `claim`, `claim_lane` or `claim_turns`: reports the last batch and takes the next in one statement, one commit.
with finished as (
  delete from queue_item where id = any(%(ids)s::bigint[]) and token = any(%(tokens)s::bigint[])
  returning id
), claimed as (

-- name: finish_and_end
-- Goes after it. The ids are returned only when some are missing. And whether anything else waits beside the flow that is
-- alone, at its priority: two probes, on either side of its site, and one for each other queue of the lane.
), report as (
  select case when count(*) < %(expected)s then array_agg(id) end as ids, count(*) as number from finished
)
select report.number, report.ids, exists (
    select from unnest(%(lane)s::text[]) as asked (queue)
    cross join lateral (
      (select from queue_item
       where queue = asked.queue and state = 'ready' and priority = %(alone_priority)s::smallint
         and site < case when asked.queue = %(alone_queue)s then %(alone_site)s else %(beyond_all)s end
       order by site desc, available_at desc, id desc limit 1)
      union all
      (select from queue_item
       where queue = asked.queue and state = 'ready' and priority = %(alone_priority)s::smallint
         and site > case when asked.queue = %(alone_queue)s then %(alone_site)s else %(beyond_all)s end
       order by site desc, available_at desc, id desc limit 1)
    ) as other),
  claimed.*
from report left join claimed on true

-- name: retry
-- Failed items: attempts + 1, error kept.
update queue_item as item set
  state = case when told.delay > 0 then 'scheduled'::queue_item_state else 'ready' end,
  available_at = now() + make_interval(secs => told.delay),
  claimed_by = null, lease_until = null, token = 0, attempts = item.attempts + 1,
  last_error = told.error,
  history = case when jsonb_array_length(coalesce(item.history, '[]')) < %(history_limit)s
                 then coalesce(item.history, '[]') else item.history - 1 end
            || jsonb_build_object('at', date_part('epoch', now()), 'attempt', item.attempts + 1, 'error', told.error)
from jsonb_to_recordset(%(told)s::jsonb) as told (id bigint, token bigint, delay float8, error text)
where item.id = told.id and item.token = told.token
returning item.id

-- name: release
-- Unstarted or cut short: no attempt is used. Without a delay it keeps its place.
update queue_item as item set
  state = case when told.delay > 0 then 'scheduled'::queue_item_state else 'ready' end,
  available_at = case when told.delay > 0 then now() + make_interval(secs => told.delay) else item.available_at end,
  claimed_by = null, lease_until = null, token = 0,
  last_error = case when told.note <> '' then told.note else item.last_error end
from jsonb_to_recordset(%(told)s::jsonb) as told (id bigint, token bigint, delay float8, note text)
where item.id = told.id and item.token = told.token
returning item.id

-- name: dead_letter
-- Given up: attempts + 1, moved to the dead letters. `crashes` is 1 for an item that killed its worker.
with gone as (
  delete from queue_item as item
  using jsonb_to_recordset(%(told)s::jsonb)
    as told (id bigint, token bigint, reason text, error text, traceback text, fingerprint text, crashes int)
  where item.id = told.id and item.token = told.token
  returning item.*, told.reason, told.error, told.traceback, told.fingerprint, told.crashes
)
insert into dead_letter (id, site, queue, frame, codec, priority, created, available_at, attempts, crash_attempts,
  unique_key, reason, error, traceback, fingerprint, history)
select id, site, queue, frame, codec, priority, created, available_at, attempts + 1, crash_attempts + crashes,
  unique_key, reason, error, nullif(traceback, ''), case codec when 'canary' then codec else fingerprint end,
  case when jsonb_array_length(coalesce(history, '[]')) < %(history_limit)s
       then coalesce(history, '[]') else history - 1 end
  || jsonb_build_object('at', date_part('epoch', now()), 'attempt', attempts + 1, 'error', error)
from gone
returning id

-- name: renew
update queue_item set lease_until = now() + make_interval(secs => %(lease)s)
where id = any(%(ids)s::bigint[]) and token = any(%(tokens)s::bigint[])
returning id

-- name: promote
-- Due items become claimable, a bounded number at a time so that no promotion holds many locks for long.
update queue_item set state = 'ready'
where ctid = any(array(
  select ctid from queue_item where state = 'scheduled' and available_at <= now()
  order by available_at limit %(limit)s for update skip locked))

-- name: next_due
select greatest(date_part('epoch', available_at - now()), 0)
from queue_item where state = 'scheduled' order by available_at limit 1

-- name: reclaim
-- Claims whose lease ran out go back without using an attempt. A row that its owner renews at this moment is skipped.
with expired as (
  select ctid, claimed_by from queue_item where state = 'claimed' and lease_until < now()
  order by lease_until limit %(limit)s for update skip locked
), freed as (
  update queue_item as item set state = 'ready', claimed_by = null, lease_until = null, token = 0
  from expired where item.ctid = expired.ctid
  returning expired.claimed_by, item.queue, item.site, item.codec
)
select claimed_by, queue, site, count(*) filter (where codec <> 'canary'), count(*)
from freed group by claimed_by, queue, site

-- name: claimants
select distinct claimed_by from queue_item where state = 'claimed' order by claimed_by

-- name: release_unheld
-- After a reconnect: what is claimed in our name but unknown to us was claimed by a statement whose answer was lost.
update queue_item set state = 'ready', claimed_by = null, lease_until = null, token = 0
where state = 'claimed' and claimed_by = %(claimant)s and id <> all(%(held)s::bigint[])

-- name: release_all
-- What a dead claimant held.
update queue_item set state = 'ready', claimed_by = null, lease_until = null, token = 0
where state = 'claimed' and claimed_by = %(claimant)s
returning id, queue, site, codec

-- name: blamed
-- The items among `ids` that a dead claimant still holds, locked.
select id, token, queue, site, attempts, crash_attempts from queue_item
where id = any(%(ids)s::bigint[]) and state = 'claimed' and claimed_by = %(claimant)s
order by id for update

-- name: crashed
-- Blamed for the death of its worker, but not yet too often: ready at once.
update queue_item as item set state = 'ready', claimed_by = null, lease_until = null, token = 0,
  attempts = item.attempts + 1, crash_attempts = item.crash_attempts + told.crashes,
  last_error = told.error,
  history = case when jsonb_array_length(coalesce(item.history, '[]')) < %(history_limit)s
                 then coalesce(item.history, '[]') else item.history - 1 end
            || jsonb_build_object('at', date_part('epoch', now()), 'attempt', item.attempts + 1, 'error', told.error)
from jsonb_to_recordset(%(told)s::jsonb) as told (id bigint, token bigint, error text, crashes int)
where item.id = told.id and item.token = told.token

-- name: unhandled_queues
-- Jumps from queue to queue in the index of ready items: one probe per queue, however many items.
with recursive present (queue) as (
  (select queue from queue_item where state = 'ready' and codec <> 'canary' order by queue limit 1)
  union all
  select (select queue from queue_item where state = 'ready' and codec <> 'canary' and queue > present.queue
          order by queue limit 1)
  from present where present.queue is not null
)
select queue from present where queue is not null and queue <> all(%(handled)s::text[]) order by queue

-- name: duty
-- Who serves a group, and whether its time is over. Who stands by asks every second: this locks and writes nothing.
select claimant, until <= now() from group_duty where group_name = %(group)s

-- name: take_duty
-- Ours is renewed; that of `seen` is taken when its time is over, or when it is the dead one.
insert into group_duty as duty (group_name, claimant, until)
values (%(group)s, %(claimant)s, now() + make_interval(secs => %(seconds)s::float8))
on conflict (group_name) do update set claimant = excluded.claimant, until = excluded.until,
  since = case when duty.claimant = excluded.claimant then duty.since else now() end
where duty.claimant = excluded.claimant
  or duty.claimant = %(seen)s and (duty.until <= now() or duty.claimant = %(instead_of)s)
returning claimant

-- name: leave_duty
delete from group_duty where group_name = %(group)s and claimant = %(claimant)s

-- name: pauses
-- Those that hold.
select queue, site, author, reason, date_part('epoch', since), date_part('epoch', expires_at),
  date_part('epoch', ended_at), ended_by
from queue_pause where ended_at is null and (expires_at is null or expires_at > now()) order by queue, site

-- name: pause
-- One that holds goes on, with another author, reason and end.
insert into queue_pause as old (queue, site, author, reason, expires_at)
values (%(queue)s, %(site)s, %(author)s, %(reason)s, now() + make_interval(secs => %(seconds)s::float8))
on conflict (queue, site) do update set author = excluded.author, reason = excluded.reason,
  since = case when old.ended_at is null and (old.expires_at is null or old.expires_at > now()) then old.since
               else now() end,
  expires_at = excluded.expires_at, ended_at = null, ended_by = ''
returning queue, site, author, reason, date_part('epoch', since), date_part('epoch', expires_at),
  date_part('epoch', ended_at), ended_by

-- name: resume
update queue_pause set ended_at = now(), ended_by = %(author)s
where queue = %(queue)s and site = %(site)s and ended_at is null and (expires_at is null or expires_at > now())
returning queue, site, author, reason, date_part('epoch', since), date_part('epoch', expires_at),
  date_part('epoch', ended_at), ended_by

-- name: forget_pauses
delete from queue_pause where coalesce(ended_at, expires_at) < now() - make_interval(secs => %(seconds)s)

-- name: covered
-- Whether a pause covers an item: put into other queries in place of {covered}.
exists (select from queue_pause where queue_pause.queue in ('', queue_item.queue)
  and queue_pause.site in ('', queue_item.site) and ended_at is null and (expires_at is null or expires_at > now()))

-- name: covered_site
-- The same, but for pauses of whole queues.
exists (select from queue_pause where queue_pause.queue in ('', item.queue) and queue_pause.site = item.site
  and ended_at is null and (expires_at is null or expires_at > now()))

-- name: set_aside
-- Items that were claimed but are paused; ready again if that is just over. (The rest of a race is left to keep_pauses.)
update queue_item as item set claimed_by = null, lease_until = null, token = 0,
  state = case when {covered_site} then 'paused'::queue_item_state else 'ready' end
where id = any(%(ids)s::bigint[]) and token = any(%(tokens)s::bigint[])

-- name: clear_way
-- Paused items among the first ones of each queue and priority. A row that is claimed at this moment is not ready any
-- more when its lock is had.
with recursive line (queue, priority) as (
  (select queue::text, priority from queue_item where state = 'ready' order by queue, priority limit 1)
  union all
  select next.queue, next.priority
  from line cross join lateral (
    select queue::text, priority from queue_item
    where state = 'ready' and (queue, priority) > (line.queue, line.priority)
    order by queue, priority limit 1) as next
)
update queue_item set state = 'paused'
where state = 'ready' and ctid = any(array(
  select head.ctid
  from line cross join lateral (
    select item.ctid from (
      select ctid, queue, site from queue_item
      where state = 'ready' and queue = line.queue and priority = line.priority
      order by available_at, id limit %(rows)s) as item
    where {covered_site}) as head
  where %(queues)s::text[] is null or line.queue = any(%(queues)s::text[])
  limit %(limit)s))

-- name: bring_back
-- What was set aside and is not paused any more, by jumping from one queue and site to the next.
with recursive item (queue, site) as (
  (select queue::text, site::text from queue_item where state = 'paused' order by queue, site limit 1)
  union all
  select next.queue, next.site
  from item cross join lateral (
    select queue::text, site::text from queue_item
    where state = 'paused' and (queue, site) > (item.queue, item.site)
    order by queue, site limit 1) as next
)
update queue_item set state = 'ready'
where ctid = any(array(
  select found.ctid
  from item cross join lateral (
    select ctid from queue_item where state = 'paused' and queue = item.queue and site = item.site
    order by id limit %(limit)s for update skip locked) as found
  where not {covered_site}
  limit %(limit)s))

-- name: wake
select pg_notify('snqd_wake', '')

-- name: counts
-- What is set aside is among the ready ones: whether it is paused is decided by the pauses that hold.
select queue, site, sum(ready)::bigint, sum(scheduled)::bigint, sum(claimed)::bigint, sum(dead)::bigint,
  greatest(coalesce(date_part('epoch', now() - min(oldest)), 0), 0)
from (
  select queue, site, count(*) filter (where state in ('ready', 'paused')) as ready,
    count(*) filter (where state = 'scheduled') as scheduled,
    count(*) filter (where state = 'claimed') as claimed, 0 as dead,
    min(available_at) filter (where state in ('ready', 'paused')) as oldest
  from queue_item where codec <> 'canary' group by queue, site
  union all
  select queue, site, 0, 0, 0, count(*), null from dead_letter where codec <> 'canary' group by queue, site
) as each_table
group by queue, site order by queue, site

-- name: clock
select date_part('epoch', clock_timestamp())

-- name: find
-- {conditions} is put in by filters.py. Read page by page, so that no transaction stays open while a person reads.
select id, site, queue,
  case when state in ('scheduled', 'claimed') then state::text when {covered} then 'paused' else 'ready' end,
  codec, case when %(frames)s then frame else '' end, priority, date_part('epoch', created),
  date_part('epoch', available_at), attempts, crash_attempts, unique_key, claimed_by, date_part('epoch', lease_until), last_error, history::text,
  null::text, null::text, null::float8, null::text, octet_length(frame)
from queue_item where id > %(after)s and {conditions} order by id limit %(limit)s

-- name: expire_dead
with chosen as (
  select id from dead_letter where died < now() - make_interval(secs => %(seconds)s)
  order by died, id limit %(limit)s for update skip locked
), gone as (
  delete from dead_letter using chosen where dead_letter.id = chosen.id returning queue, died
)
select queue, count(*), date_part('epoch', min(died)) from gone group by queue order by queue

-- name: transaction
delete from queue_item where id = %(id)s and token = %(token)s

-- name: enqueue
-- One item that can go at once. Everything else has its default.
insert into queue_item (queue, frame, codec, site, priority) values (%s, %b, %s, %s, %s)
returning id

-- name: enqueue_alone
-- The same when this statement is the whole transaction: it looks itself whether a wake-up is needed, which saves the
-- deferred trigger (a tenth of the whole call). token = -1 tells the trigger so.
insert into queue_item (queue, frame, codec, site, priority, token) values (%s, %b, %s, %s, %s, -1)
returning id, case  -- 0 to 4.5 ms ago, written so that the clock is read once
  when abs(date_part('epoch', clock_timestamp()) * 1000 - pg_sequence_last_value('snqd_wake_clock') - 2.25) <= 2.25
  then null else snqd_wake_workers() end

-- name: enqueue_single
-- The same as a statement that is prepared once (single.py).
insert into queue_item (queue, frame, codec, site, priority, token) values ($1, $2, $3, $4, $5, -1)
returning id, case
  when abs(date_part('epoch', clock_timestamp()) * 1000 - pg_sequence_last_value('snqd_wake_clock') - 2.25) <= 2.25
  then null else snqd_wake_workers() end

-- name: enqueue_any
-- An item with a time or a unique key; no row comes back when the key is taken.
insert into queue_item (queue, frame, codec, site, priority, available_at, state, unique_key)
select %(queue)s, %(frame)b, %(codec)s, %(site)s, %(priority)s, due,
  case when due > now() then 'scheduled'::queue_item_state else 'ready' end, %(unique_key)s
from (select coalesce(to_timestamp(%(available_at)s::float8), now() + make_interval(secs => %(delay)s))) as moment (due)
on conflict (site, queue, unique_key) where unique_key is not null do nothing
returning id

-- name: copy
-- token: 0 for the first row, which sets off the wake-up at commit, and -1 for the others (see the trigger).
copy queue_item (queue, site, codec, priority, token, frame) from stdin (format binary)

-- name: copy_timed
copy queue_item (queue, site, codec, priority, token, frame, available_at, state) from stdin (format binary)

-- name: server_time
-- Microseconds since 2000-01-01, as binary COPY wants them.
select (date_part('epoch', now()) * 1000000)::bigint - 946684800000000

-- name: has_migrations
select to_regclass('snqd_migration') is not null

-- name: applied
select name from snqd_migration order by name

-- name: create_migrations
create table if not exists snqd_migration (name text primary key, applied timestamptz not null default now())

-- name: add_migration
insert into snqd_migration (name) values (%(name)s)

-- name: lock_migrations
-- Held until the end of the transaction: a second upgrade waits and then finds nothing to do.
select pg_advisory_xact_lock(hashtext('snqd.schema'))

-- name: pin_plans
-- The table is often empty when statistics are taken and may hold ten million rows an hour later. Every query of a worker
-- is to go by index, whatever the statistics say; and by that which has the order that is asked for.
select set_config('enable_seqscan', 'off', false), set_config('enable_hashjoin', 'off', false),
  set_config('enable_mergejoin', 'off', false), set_config('enable_bitmapscan', 'off', false),
  set_config('enable_sort', 'off', false), set_config('enable_incremental_sort', 'off', false),
  set_config('plan_cache_mode', 'force_generic_plan', false), set_config('jit', 'off', false)

-- name: unpin_plans
-- For the length of a transaction: what people ask may walk the table, and then had better do it the fast way.
select set_config('enable_seqscan', 'on', true), set_config('enable_hashjoin', 'on', true),
  set_config('enable_bitmapscan', 'on', true), set_config('enable_sort', 'on', true),
  set_config('enable_incremental_sort', 'on', true), set_config('plan_cache_mode', 'force_custom_plan', true)

-- name: paged_plans
-- For the length of a transaction: a page goes by an index that is chosen for the filter that is asked. A few ids are found
-- by their own index and sorted.
select set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_sort', 'on', true)

-- name: whoami
select pg_backend_pid(), current_setting('server_version_num')::int

-- name: columns_of_statusnet
-- What db/rc3to09.sql may ask about a table, with types that every database has; `codec` tells our own table.
select attname::text, format_type(atttypid, atttypmod)
from pg_attribute join pg_type on pg_type.oid = atttypid
where attrelid = %(source)s and attnum > 0 and not attisdropped and typnamespace = 'pg_catalog'::regnamespace
  and attname in ('id', 'notice_id', 'frame', 'transport', 'created', 'claimed', 'codec')
order by attnum

-- name: carry_from_statusnet
-- Defined by db/rc3to09.sql in the same session.
select * from pg_temp.statusnet_carry(%(source)s::oid::regclass, site => %(site)s, origin => %(origin)s,
  frame_limit => %(frame_limit)s, is_dry_run => %(is_dry_run)s, named => %(named)s)
