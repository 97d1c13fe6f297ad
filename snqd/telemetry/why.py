"""Why is it not moving? The first cause that holds, in one sentence, with the command that mends it or shows more.

The order of the causes is the order in which one hides the others:

1. Nothing is heard of the daemon: whatever is known was true once.
2. The store does not answer. Then no worker can claim, and what is known of the items is as old as the outage; even a
   queue that is paused would not move if it were not. So it is told before everything that the store said.
3. Paused; nothing waits (as its schedule is overdue, or as it should be); the site is refused: these are as somebody
   wants it, or as the configuration says.
4. No handler, no worker alive, no worker of its group, a loop that is stuck: nobody *could* take an item.
5. What carries the items is away: a connection that a service keeps.
6. Nothing can be taken: all items wait for their time (because their handler fails, or as it was asked), or others
   hold them, or as many are taken as a limit allows.
7. Items could be taken: the handler fails, all workers are busy, the store's cleanup is pinned, or it moves after all.

When none holds, or the facts do not allow it, the answer says that it does not know.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from snqd.telemetry.alarm_words import overdue, schedule_command
from snqd.telemetry.care_words import end_statement, pin_words
from snqd.telemetry.limits import LEFT_SECONDS, holding_back, in_flight_of, is_left
from snqd.telemetry.pauses import covering, resume_command, target_words, within, words_of
from snqd.telemetry.situation import Situation, error_of, states_of
from snqd.telemetry.words import command, duration_words, plural, rate_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.telemetry.daemon_view import DaemonView

SILENCE_SECONDS = 10.0
"""After this long without a word from the daemon the facts are not called present."""
_STUCK_SECONDS = 15.0
"""The loop of a worker without items turns once a second."""
_MANY_DEAD_ROWS = 10_000
_FEW_FAILURES = 3
_OVERDUE_SECONDS = 5.0
"""A daemon acts on a due time within much less."""
_PARKED_SECONDS = 150.0
"""Workers name a site that they do not know once a minute."""
_CARRIED_BY = {"xmppout": "xmpp"}
"""Queues whose items go through the connections of a service."""
_OF_SITES = frozenset({"UnknownSite", "SiteSetAside", "SitesUpdated"})


class Cause(StrEnum):
    """What holds an item up."""

    NOT_HEARD = "not heard"
    STORE = "store"
    PAUSED = "paused"
    UNKNOWN_QUEUE = "unknown queue"
    SCHEDULE = "schedule"
    NOTHING_WAITS = "nothing waits"
    SITE = "site"
    NO_HANDLER = "no handler"
    NO_WORKER = "no worker"
    NOT_SERVED = "not served"
    STUCK = "stuck"
    NOT_CONNECTED = "not connected"
    FAILING = "failing"
    DELAYED = "delayed"
    HELD = "held"
    LIMIT = "limit"
    BUSY = "busy"
    PINNED = "pinned"
    MOVES = "moves"
    NOT_KNOWN = "not known"


class Answer(NamedTuple):
    """Why, for a person."""

    cause: Cause
    sentence: str
    command: str
    """One line for a shell: it mends the cause, or shows what to mend."""


def why(view: DaemonView, queue: str, site: str | None = None, *, now: float) -> Answer:
    """Why `queue` (or one site of it) does not move. `now`: by the clock that `view` was folded with."""
    situation = Situation(view, queue, site, now)
    for look in _CAUSES:
        answer = look(situation)
        if answer is not None:
            return answer
    return _not_known(situation)


def _not_heard(it: Situation) -> Answer | None:
    name = it.view.name
    if it.view.daemon is None:
        return Answer(Cause.NOT_HEARD, f"nothing is known yet of daemon {name}, so this cannot be said", "snqd status")
    if it.heard_seconds <= SILENCE_SECONDS:
        return None
    silence = duration_words(it.heard_seconds)
    said = f"daemon {name} has not been heard of for {silence}: what is known is that old, so this cannot be said"
    return Answer(Cause.NOT_HEARD, said, "snqd status")


def _store_away(it: Situation) -> Answer | None:
    store = it.view.store
    if store is None or store.connected:
        return None
    age = duration_words(it.there - store.since)
    said = f"the store has not answered for {age}" + (f": {store.problem}" if store.problem else "")
    return Answer(Cause.STORE, f"{said}; what waits cannot be claimed, and is kept", _reach_store(it))


def _reach_store(it: Situation) -> str:
    address = it.view.daemon.store if it.view.daemon is not None else ""
    if address.startswith(("postgresql:", "postgres:")):
        return command("psql", address, "-c", "SELECT 1")
    return "snqd schema status"


def _paused(it: Situation) -> Answer | None:
    holding = covering(it.view.pauses.values(), it.queue, it.site)
    if holding:
        widest, *others = holding
        said = f"{target_words(widest.queue, widest.site)} is paused {words_of(widest)}"
        for other in others:
            said += f"; {target_words(other.queue, other.site)} is paused too"
        said += f"; {it.counted(it.waiting.paused)} of {it.name} {_until_resumed(it)}{it.caveat}"
        return Answer(Cause.PAUSED, said, resume_command(widest.queue, widest.site))
    if it.fact is not None and it.fact.paused:  # the fact of the pause is still to come
        said = f"queue {it.queue} is paused {it.fact.paused}; {it.counted(it.waiting.paused)} {_until_resumed(it)}"
        return Answer(Cause.PAUSED, said, resume_command(it.queue, ""))
    return _paused_in_part(it)


def _until_resumed(it: Situation) -> str:
    return f"{'waits' if it.waiting.paused == 1 else 'wait'} until it is resumed"


def _paused_in_part(it: Situation) -> Answer | None:
    """Of a queue: all that could be claimed belongs to sites that are paused."""
    waiting = it.waiting
    parts = within(it.view.pauses.values(), it.queue)
    if it.site is not None or not waiting.paused or waiting.ready or not parts:
        return None
    first, *others = parts
    said = f"{it.counted(waiting.paused)} of {it.name} could be claimed, but "
    said += f"{target_words(first.queue, first.site)} is paused {words_of(first)}"
    if others:
        said += f", and {plural(len(others), 'other pause')} like that"
    return Answer(Cause.PAUSED, said + it.caveat, resume_command(first.queue, first.site))


def _unknown_queue(it: Situation) -> Answer | None:
    if it.is_known:
        return None
    if not it.view.is_complete:
        return Answer(Cause.NOT_KNOWN, f"the facts of daemon {it.view.name} are still coming in", "snqd status")
    said = f"{it.name} has no items and no handler: nobody here has heard of that name"
    return Answer(Cause.UNKNOWN_QUEUE, said, "snqd status")


def _schedule_overdue(it: Situation) -> Answer | None:
    """Nothing waits, and something should."""
    late = [fact for fact in it.view.schedules.values() if fact.queue == it.queue and it.site in (None, fact.site)]
    worst = max(late, key=lambda fact: fact.overdue_seconds, default=None)
    if not it.waiting.is_empty or worst is None or worst.overdue_seconds < _OVERDUE_SECONDS:
        return None
    said = f"nothing waits in {it.name}: {overdue(worst, worst.overdue_seconds)}"
    return Answer(Cause.SCHEDULE, said, schedule_command(worst))


def _nothing_waits(it: Situation) -> Answer | None:
    if not it.waiting.is_empty:
        return None
    if not it.view.is_complete and not it.waiting.at:
        return Answer(Cause.NOT_KNOWN, "the store has not been asked yet what waits", "snqd status")
    return Answer(Cause.NOTHING_WAITS, f"nothing waits in {it.name}{it.caveat}", "snqd status")


def _site_refused(it: Situation) -> Answer | None:
    """Items of such sites are looked at again every minute, and never run under the settings of another."""
    refused = _refused_sites(it)
    waiting = {fact.site for fact in it.depths() if fact.ready or fact.scheduled}
    sites = sorted(waiting & refused.keys())
    if not sites or len(sites) < len(waiting):
        return None
    which = f"site {sites[0]} is" if len(sites) == 1 else f"all {len(sites)} sites with items are"
    count = it.counted(it.waiting.ready + it.waiting.scheduled)
    said = f"{which} {refused[sites[0]]}: {count} of queue {it.queue} wait until that is put right"
    return Answer(Cause.SITE, said, "snqd config check")


def _refused_sites(it: Situation) -> dict[str, str]:
    """Sites that workers refuse, and why: the last word on each since the daemon's boot."""
    found: dict[str, str] = {}
    decided: set[str] = set()
    for event in it.events(_OF_SITES, within_seconds=float("inf")):
        fields, site = event.fields, str(event.fields.get("site"))
        if event.at < it.view.boot / 1e6:
            break
        if event.name == "SitesUpdated":
            named = fields.get("sites")
            decided.update(map(str, named if isinstance(named, list | tuple) else ()))
        elif site in decided or fields.get("queue", it.queue) not in ("", it.queue):
            continue
        elif event.name == "SiteSetAside":
            found[site] = f"set aside ({fields.get('reason')})"
            decided.add(site)
        elif it.is_recent(event, _PARKED_SECONDS):
            found[site] = "not configured"
            decided.add(site)
    return found


def _no_handler(it: Situation) -> Answer | None:
    if it.fact is None or it.fact.has_handler or it.fact.workers:
        return None
    said = f"no handler is registered here for queue {it.queue}: is its module in handlers.modules?"
    if it.waiting.in_flight:
        said += f" Another daemon holds {plural(it.waiting.in_flight, 'item')} of it, so it may move there"
    return Answer(Cause.NO_HANDLER, said, "snqd config show handlers")


def _no_worker(it: Situation) -> Answer | None:
    if it.living:
        return None
    daemon = it.view.name
    open_slots = [worker for worker in it.workers if worker.state != "closed"]
    if not open_slots:
        return Answer(Cause.NO_WORKER, f"daemon {daemon} has no worker", it.kill("TTIN"))
    said = f"no worker of daemon {daemon} is running: {states_of(open_slots)}"
    fatal = [worker for worker in open_slots if worker.state == "fatal"]
    last = max(fatal or open_slots, key=lambda worker: worker.exit_at)
    if last.exit_reason:
        said += f"; {last.worker} ended: {last.exit_reason}"
    return Answer(Cause.NO_WORKER, said, it.kill("HUP") if fatal else "snqd status")


def _not_served(it: Situation) -> Answer | None:
    if it.fact is None or it.fact.workers:
        return None
    if it.standby:
        said = f"worker {it.standby[0].worker} stands by, because a worker of another daemon serves its group: "
        said += "look there why nothing moves" + _standby_words(it)
        return Answer(Cause.NOT_SERVED, said, "snqd status")
    said = f"queue {it.queue} has a handler, but no worker here serves its group: is the group in daemon.serve?"
    if it.waiting.in_flight:
        said += f" Another daemon holds {plural(it.waiting.in_flight, 'item')} of it, so it may move there"
    return Answer(Cause.NOT_SERVED, said, "snqd config show daemon.serve")


def _standby_words(it: Situation) -> str:
    """Which worker serves, if that was told lately enough to be remembered."""
    told = next(iter(it.events(frozenset({"WorkerStandsBy"}), within_seconds=float("inf"))), None)
    return f" ({told.fields.get('claimant')})" if told is not None else ""


def _stuck(it: Situation) -> Answer | None:
    """A handler may keep the loop of its worker, so only workers without an item are called stuck."""
    still = [worker for worker in it.living if not worker.running and it.there - worker.beat > _STUCK_SECONDS]
    if not still or len(still) < len(it.living):
        return None
    age = duration_words(it.there - max(worker.beat for worker in still))
    said = f"{_all(len(still), 'worker')} stuck: no loop has turned for {age}, although no item runs"
    return Answer(Cause.STUCK, said + "; USR1 shows in the log where", it.kill("USR1"))


def _not_connected(it: Situation) -> Answer | None:
    """Every connection of the queue, or of the site, is away: its worker looks busy, and more would not help."""
    service, count = _CARRIED_BY.get(it.queue), it.waiting.ready + it.waiting.in_flight
    carrying = [fact for fact in it.view.connections.values() if fact.service == service]
    if it.site is not None:
        own = [fact for fact in carrying if fact.site == it.site]
        carrying = own or [fact for fact in carrying if not fact.site]
    if not carrying or not count or any(fact.state not in ("connecting", "backing off") for fact in carrying):
        return None
    first = min(carrying, key=lambda fact: fact.since)
    others = f" and {plural(len(carrying) - 1, 'other')}" if len(carrying) > 1 else ""
    said = f"{service} is not connected as {first.name}{others} for {duration_words(it.there - first.since)}"
    said += f": {first.problem}" if first.problem else ""
    waits = f"{it.counted(count)} of {it.name} {'waits' if count == 1 else 'wait'}"
    return Answer(Cause.NOT_CONNECTED, f"{said}; {waits} until it is{it.caveat}", f"snqd config show {service}")


def _failing(it: Situation) -> Answer | None:
    """With ready items a few failures are no reason; when all that is left waits for another attempt, they are."""
    failures = it.failures()
    waiting = it.waiting
    if waiting.ready:
        is_reason = it.has_alarm("failures") or (len(failures) >= _FEW_FAILURES and not it.moves_per_second)
    else:
        is_reason = waiting.scheduled > 0 and (bool(failures) or it.has_alarm("failures"))
    if not is_reason:
        return None
    error = f", last with: {error_of(failures[0])}" if failures else ""
    waits = it.counted(waiting.scheduled)
    said = f"the handler of {it.name} fails{error}; {waits} wait for another attempt or for their time{it.caveat}"
    return Answer(Cause.FAILING, said, it.snqd("items", "list") + " --state scheduled")


def _delayed(it: Situation) -> Answer | None:
    waiting = it.waiting
    if waiting.ready or not waiting.scheduled:
        return None
    said = f"{_all_items(it, waiting.scheduled)} scheduled for later"
    ended = sum(fact.failed + fact.retried for fact in it.flows())
    if ended:
        said += f", by those who enqueued them or after one of {plural(ended, 'failure')} since the daemon's start"
    said += f"; {plural(waiting.in_flight, 'item')} run" if waiting.in_flight else ""
    return Answer(Cause.DELAYED, said + it.caveat, it.snqd("items", "retry"))


def _held(it: Situation) -> Answer | None:
    """Claimed, and nothing else is left."""
    waiting = it.waiting
    if waiting.ready or waiting.scheduled:
        return None
    here = [worker for worker in it.busy if worker.queue == it.queue and it.site in (None, worker.site)]
    listed = it.snqd("items", "list") + " --state claimed"
    if here:
        return Answer(Cause.MOVES, f"{_in_flight(it)} and nothing waits; {_longest(it)}", listed)
    dead = [worker for worker in it.workers if not worker.pid and worker.exit_reason]
    if it.busy and not dead:
        said = f"{_in_flight(it)} and nothing waits; which worker has them is not told"
        return Answer(Cause.MOVES, said, listed)
    holder = "another daemon, or by a host that is gone"
    if dead:
        last = max(dead, key=lambda worker: worker.exit_at)
        holder = f"worker {last.worker}, which died ({last.exit_reason}), or by another daemon"
    said = f"{_in_flight(it)} and none runs here: held by {holder}; leases run out by themselves"
    return Answer(Cause.HELD, said, listed)


def _in_flight(it: Situation) -> str:
    count = it.waiting.in_flight
    return f"{it.counted(count)} of {it.name} {'is' if count == 1 else 'are'} claimed"


def _at_limit(it: Situation) -> Answer | None:
    """Another host may hold what is in flight, so workers that are idle here say nothing against it."""
    if not it.waiting.ready:
        return None
    sites = [it.site] if it.site is not None else sorted({fact.site for fact in it.depths() if fact.ready})
    whole = it.view.limits.get((it.queue, ""))
    found = holding_back(
        it.view.limits, in_flight_of(it.view.depths.values()), it.queue, sites,
        is_left=is_left(whole, it.lag_seconds, it.moves_per_second, has_idle=bool(it.idle)),
    )  # fmt: skip
    if found is None:
        return None
    return Answer(Cause.LIMIT, f"{found.sentence}; {_ready(it)}", command("snqd", "config", "show", found.setting))


def _busy(it: Situation) -> Answer | None:
    """All hands are full, and the backlog does not get smaller."""
    if not it.busy or len(it.busy) < len(it.living):
        return None
    if it.fact is not None and it.moves_per_second > 0 and it.fact.drain_seconds >= 0:
        return None
    by_queue = Counter(worker.queue for worker in it.busy if worker.queue)
    doing = ", ".join(f"{count} with {queue}" for queue, count in by_queue.most_common(3))
    said = f"{_all(len(it.busy), 'worker')} busy" + (f" ({doing})" if doing else "")
    if it.moves_per_second > 0:
        said += f" and too few: {_rates(it)}"
    said += f"; {_longest(it)}" if any(worker.item for worker in it.busy) else ""
    return Answer(Cause.BUSY, f"{said}; {_ready(it)}", it.kill("TTIN"))


def _just_come(it: Situation) -> Answer | None:
    if it.waiting.lag_seconds >= LEFT_SECONDS or it.moves_per_second > 0:
        return None
    return Answer(Cause.MOVES, f"{_ready(it)}: just come", "snqd status --watch")


def _pinned(it: Situation) -> Answer | None:
    """It slows claims down, and does not stop them."""
    store = it.view.store
    if store is None or not store.pin_pid or 0 <= store.dead_rows < _MANY_DEAD_ROWS:
        return None
    if it.moves_per_second > 0 and it.fact is not None and not it.fact.is_growing:
        return None
    pin = pin_words(store.pin_pid, store.pin_age_seconds, store.dead_rows, store.pin_query)
    address = it.view.daemon.store if it.view.daemon is not None else ""
    end = command("psql", address, "-c", end_statement(store.pin_pid, store.pin_query))
    return Answer(Cause.PINNED, f"claims are slow: {pin}; {_ready(it)}", end)


def _moves(it: Situation) -> Answer | None:
    if it.moves_per_second > 0 and it.fact is not None:
        drain = it.fact.drain_seconds
        end = f"what is ready is done in {duration_words(drain)}" if drain >= 0 else "so the backlog does not shrink"
        said = f"queue {it.queue} moves: {_rates(it)}, {end}; {_ready(it)}"
        return Answer(Cause.MOVES, said, "snqd status --watch")
    return None


def _not_known(it: Situation) -> Answer:
    """Ready items, hands that are free, and no reason that the facts show."""
    free = len(it.idle)
    beside = f"{plural(free, 'worker')} {'is' if free == 1 else 'are'} idle" if free else "workers are alive"
    said = f"the facts do not say why: {_ready(it)} and {beside}, yet nothing is claimed"
    return Answer(Cause.NOT_KNOWN, said + "; USR1 has each worker say in the log what it does", it.kill("USR1"))


def _ready(it: Situation) -> str:
    lag = duration_words(it.waiting.lag_seconds)
    ready = it.counted(it.waiting.ready)
    return f"{ready} of {it.name} could be claimed (the oldest for {lag}){it.caveat}"


def _rates(it: Situation) -> str:
    assert it.fact is not None
    return f"{rate_words(it.fact.out_per_second)} go out and {rate_words(it.fact.in_per_second)} come in"


def _longest(it: Situation) -> str:
    running = [worker for worker in it.busy if worker.item]
    if not running:
        return "none has run for long"
    oldest = min(running, key=lambda worker: worker.item_started)
    age = duration_words(it.there - oldest.item_started)
    return f"longest of all runs item {oldest.item} of queue {oldest.queue}, for {age} in worker {oldest.worker}"


def _all(count: int, noun: str) -> str:
    return f"the only {noun} is" if count == 1 else f"all {count} {noun}s are"


def _all_items(it: Situation, count: int) -> str:
    is_one = count == 1 and not it.waiting.is_estimate
    return f"the only item of {it.name} is" if is_one else f"all {it.counted(count)} of {it.name} are"


_CAUSES: tuple[Callable[[Situation], Answer | None], ...] = (
    _not_heard, _store_away, _paused, _schedule_overdue, _unknown_queue, _nothing_waits, _site_refused, _no_handler,
    _no_worker, _not_served, _stuck, _not_connected, _failing, _delayed, _held, _at_limit, _busy, _just_come, _pinned,
    _moves,
)  # fmt: skip
