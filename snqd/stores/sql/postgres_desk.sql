-- Requests to daemons, their answers, and the sites of the table (see snqd/stores/desk.py).

-- name: be_seen
-- A new boot is a new life: what was asked before it was not asked of this one.
insert into control_daemon as known (daemon, host, folder, boot, version)
values (%(daemon)s, %(host)s, %(folder)s, %(boot)s, %(version)s)
on conflict (daemon, host, folder) do update set seen = now(), version = excluded.version, boot = excluded.boot,
  booted = case when known.boot = excluded.boot then known.booted else now() end

-- name: leave
delete from control_daemon where daemon = %(daemon)s and host = %(host)s and folder = %(folder)s

-- name: present
select daemon, host, folder, version, extract(epoch from now() - booted)::float8, extract(epoch from now() - seen)::float8
from control_daemon where seen > now() - make_interval(secs => %(seconds)s) order by daemon, host, folder

-- name: forget
delete from control_request where asked < now() - make_interval(secs => %(seconds)s)

-- name: forget_daemons
delete from control_daemon where seen < now() - make_interval(secs => %(seconds)s)

-- name: ask
insert into control_request (ask, arguments, author, expires)
values (%(ask)s, %(arguments)s, %(author)s, now() + make_interval(secs => %(seconds)s)) returning id

-- name: requests
select id, ask, arguments, author
from control_request as request join control_daemon as asked_one
  on asked_one.daemon = %(daemon)s and asked_one.host = %(host)s and asked_one.folder = %(folder)s
where request.expires > now() and request.asked >= asked_one.booted and not exists (
  select from control_answer as answer
  where answer.request = request.id and answer.daemon = asked_one.daemon and answer.host = asked_one.host
    and answer.folder = asked_one.folder)
order by id

-- name: answer
insert into control_answer (request, daemon, host, folder, obeyed, said)
values (%(request)s, %(daemon)s, %(host)s, %(folder)s, %(obeyed)s, %(said)s) on conflict do nothing

-- name: answers
select daemon, host, folder, obeyed, said from control_answer where request = %(request)s order by daemon, host, folder

-- name: site_number
select number from site_change

-- name: sites
select name::text, settings::text from site order by name
