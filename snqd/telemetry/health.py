"""Health in one line, as Nagios plugins say it: a code, a sentence, and figures that can be drawn.

- *live*: the hub and the supervisor turn. Nothing else, so that nobody restarts a daemon because its store is away.
- *ready*: a worker claims, and the store answers.
- *full*: that, and no alarm is raised. Alarms that mean that work is not done are critical (lag, stalled, no_handler,
  store, canary, connection); those that mean that somebody should look are warnings (failures, dead_letters, respawns,
  fatal, memory).

UNKNOWN is said when the facts do not allow an answer: there are none yet, or they are old.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Literal, NamedTuple

from snqd.telemetry.words import duration_words, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from snqd.telemetry.daemon_view import DaemonView
    from snqd.telemetry.facts import AlarmFact, WorkerFact

Kind = Literal["live", "ready", "full"]

SILENCE_SECONDS = 10.0
"""The hub looks once a second; facts that are older than this are not called present."""
CRITICAL_ALARMS = frozenset({"lag", "stalled", "no_handler", "store", "canary", "connection", "schedule"})
_STUCK_SECONDS = 15.0
_SHOWN_ALARMS = 5


class Code(IntEnum):
    """Exit codes of Nagios plugins."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


class Health(NamedTuple):
    """An answer to a health check."""

    code: Code
    line: str
    perfdata: str
    """`label=value[UOM];[warn];[crit];[min];[max]`, with spaces between; empty when nothing is known."""

    def __str__(self) -> str:
        """The output of a plugin."""
        return f"{self.line} | {self.perfdata}" if self.perfdata else self.line


def health(view: DaemonView | None, kind: Kind, now: float) -> Health:
    """`now`: by the clock that `view` was folded with; None = there is no daemon."""
    if view is None or view.daemon is None:
        return _health(Code.UNKNOWN, "nothing is known of the daemon yet", ())
    silence = max(0.0, now - view.last_seen)
    if silence > SILENCE_SECONDS:
        code = Code.CRITICAL if kind == "live" else Code.UNKNOWN
        said = f"daemon {view.name} has not been heard of for {duration_words(silence)}"
        return _health(code, said, (_figure("silence", silence, "s"),))
    match kind:
        case "live":
            return _health(Code.OK, f"daemon {view.name} lives", _signs_of_life(view, silence))
        case "ready":
            code, said = _readiness(view)
            return _health(code, said, _figures(view))
        case "full":
            code, said = _verdict(view)
            return _health(code, said, _figures(view))


def _readiness(view: DaemonView) -> tuple[Code, str]:
    store = view.store
    claiming = [worker for worker in view.workers.values() if claims(worker, view.sent_at)]
    if store is None:
        return Code.UNKNOWN, f"daemon {view.name}: the store has not been asked yet"
    if not store.connected:
        away = duration_words(view.sent_at - store.since)
        problem = f" ({store.problem})" if store.problem else ""
        return Code.CRITICAL, f"daemon {view.name}: the store has not answered for {away}{problem}"
    standby = sum(worker.state == "running" and worker.phase == "standby" for worker in view.workers.values())
    stand_by = f"{plural(standby, 'worker')} {'stands' if standby == 1 else 'stand'} by"
    if not claiming and not standby:
        return Code.CRITICAL, f"daemon {view.name}: no worker claims"
    crew = plural(len(claiming), "worker") if claiming else stand_by
    return Code.OK, f"daemon {view.name}: {crew}, the store answers"


def claims(worker: WorkerFact, there: float) -> bool:
    """Takes items, or will when its hands are free. A worker without items whose loop is still does not."""
    is_stuck = not worker.running and there - worker.beat > _STUCK_SECONDS
    return worker.state == "running" and worker.phase in ("idle", "claiming", "handling") and not is_stuck


def _verdict(view: DaemonView) -> tuple[Code, str]:
    code, said = _readiness(view)
    raised = sorted((alarm for alarm in view.alarms.values() if alarm.is_raised), key=_weight)
    if not raised:
        return code, f"{said}, {_backlog(view)}" if code is Code.OK else said
    worst = Code.CRITICAL if raised[0].name in CRITICAL_ALARMS else Code.WARNING
    listed = "; ".join(_told(alarm) for alarm in raised[:_SHOWN_ALARMS])
    more = f"; and {plural(len(raised) - _SHOWN_ALARMS, 'alarm')} more" if len(raised) > _SHOWN_ALARMS else ""
    start = f"{said}; " if code is not Code.OK else f"daemon {view.name}: "
    return _worse(code, worst), f"{start}{listed}{more}"


def _weight(alarm: AlarmFact) -> tuple[bool, float, str, str]:
    """Critical ones first, then the oldest."""
    return alarm.name not in CRITICAL_ALARMS, alarm.since, alarm.name, alarm.subject


def _told(alarm: AlarmFact) -> str:
    level = "critical" if alarm.name in CRITICAL_ALARMS else "warning"
    return f"{level} {alarm.name}: {alarm.message}"


def _worse(one: Code, other: Code) -> Code:
    """Nagios' order: what is known to be bad is worse than what is not known."""
    order = (Code.OK, Code.UNKNOWN, Code.WARNING, Code.CRITICAL)
    return max(one, other, key=order.index)


def _backlog(view: DaemonView) -> str:
    totals = view.totals()
    about = "about " if totals.estimates else ""
    lag = f", the oldest for {duration_words(totals.lag_seconds)}" if totals.ready else ""
    return f"{about}{plural(totals.ready, 'item')} ready{lag}"


def _signs_of_life(view: DaemonView, silence: float) -> Iterator[str]:
    assert view.daemon is not None
    yield _figure("silence", silence, "s", crit=SILENCE_SECONDS)
    yield _figure("uptime", max(0.0, view.sent_at - view.daemon.started), "s")
    yield _figure("hub_rss", view.daemon.hub_rss_bytes, "B")


def _figures(view: DaemonView) -> Iterator[str]:
    """Totals of the daemon; the figures of each queue are in statsd, SNMP and the monitor."""
    assert view.daemon is not None
    totals, workers = view.totals(), view.workers.values()
    yield _figure("workers", sum(claims(worker, view.sent_at) for worker in workers), top=view.daemon.workers_wanted)
    yield _figure("busy", sum(worker.running > 0 for worker in workers))
    yield _figure("ready", totals.ready)
    yield _figure("scheduled", totals.scheduled)
    yield _figure("in_flight", totals.in_flight)
    yield _figure("lag", totals.lag_seconds, "s")
    yield _figure("dead", totals.dead)
    yield _figure("handled", totals.handled, "c")
    yield _figure("failed", totals.failed, "c")
    yield _figure("dead_lettered", totals.dead_lettered, "c")
    yield _figure("respawns", sum(worker.respawns for worker in workers), "c")
    yield _figure("rss", sum(worker.rss_bytes for worker in workers), "B")
    if view.store is not None and view.store.connected:
        yield _figure("store", max(0.0, view.store.round_trip_seconds), "s")
    yield _figure("alarms", sum(alarm.is_raised for alarm in view.alarms.values()))


def _figure(label: str, value: float, unit: str = "", *, crit: float | None = None, top: int | None = None) -> str:
    """No label here has a space, a quote or an equals sign: none needs quoting."""
    number = f"{value:d}" if isinstance(value, int) else f"{value:.6f}".rstrip("0").rstrip(".")
    threshold = f"{crit:g}" if crit is not None else ""
    return f"{label}={number}{unit};;{threshold};0;{'' if top is None else top}".rstrip(";")


def _health(code: Code, said: str, figures: Iterable[str]) -> Health:
    """A bar begins the figures, and a second line is something else: neither may come from a name or a message."""
    line = "".join(" " if not sign.isprintable() else "/" if sign == "|" else sign for sign in said)
    return Health(code, f"SNQD {code.name}: {line}", " ".join(figures))
