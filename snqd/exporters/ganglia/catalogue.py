"""What each figure is to Ganglia: its unit, its kind, and words for a person. Names are those of `figures.py`."""

from __future__ import annotations

from typing import Final, NamedTuple

from snqd.exporters.figures import COUNTERS, QUANTILES, WORKER_STATES
from snqd.exporters.ganglia.packets import Definition, Slope, Type

GROUPS: Final = {"daemon": "snqd_daemon", "queue": "snqd_queues", "site": "snqd_sites"}
LEFT_OUT: Final = "ganglia_left_out"
"""Below the daemon's name: how many metrics are not told."""
FROM_THE_FIRST: Final = ("handled", "failed", "dead_lettered")
"""Counters that are told while they are 0: what a counter is at its first value gives no rate."""

_MOST: Final = {"uint32": 2**32 - 1, "double": 2**63}


class _Kind(NamedTuple):
    """What all metrics with the same end of their name have in common."""

    type: Type
    units: str
    slope: Slope
    title: str
    description: str


def _gauge(units: str, title: str, description: str, kind: Type = "uint32") -> _Kind:
    return _Kind(kind, units, Slope.BOTH, title, description)


def _counter(title: str, description: str) -> _Kind:
    """In doubles, because many go beyond 32 bits; whole, because RRDtool wants counters whole."""
    words = f"{description}. Since the daemon began; graphs show a rate"
    return _Kind("double", "items", Slope.DERIVATIVE, title, words)


_COUNTED: Final = {
    "claimed": "Taken by workers",
    "handled": "Done, and the store knows",
    "failed": "Handlings that ended with an exception, a time limit or a crash",
    "retried": "Handlers that asked for a later attempt",
    "released": "Given back without using an attempt",
    "dead_lettered": "Given up",
    "discarded": "Dropped by their handler",
    "bad_items": "Dead letters whose frame was not valid",
    "leases_lost": "Ended when their claim was no longer ours",
    "reclaimed": "Taken back from claimants that are gone",
}
_FLOW: Final = {
    **{name: _counter(name.replace("_", " "), _COUNTED[name]) for name in COUNTERS},
    "depth": _gauge("items", "depth", "Items that are ready"),
    "scheduled": _gauge("items", "scheduled", "Items that wait for their time"),
    "in_flight": _gauge("items", "in flight", "Items that are claimed"),
    "dead": _gauge("items", "dead letters", "Dead letters"),
    "lag_seconds": _gauge("s", "lag", "Age of the oldest ready item", "double"),
    **{
        f"{what}_{label}_seconds": _gauge("s", f"{what} {label}", f"{words}: {share:.0%} of items took less", "double")
        for what, words in (("run", "Time of the handler"), ("wait", "Time from claimable to started"))
        for label, share in QUANTILES
    },
}
_DAEMON: Final = {
    **{f"workers.{state}": _gauge("workers", f"workers {state}", f"Workers: {state}") for state in WORKER_STATES},
    "rss_bytes": _gauge("bytes", "memory of workers", "Resident memory of all workers", "double"),
    "hub_rss_bytes": _gauge("bytes", "memory of the hub", "Resident memory of the hub", "double"),
    "alarms": _gauge("alarms", "alarms", "Alarms that are raised"),
    "store_connected": _gauge("", "store connected", "Whether the store answers: 1 or 0"),
    "store_round_trip_seconds": _gauge("s", "store round trip", "Time of the smallest question to the store", "double"),
    LEFT_OUT: _gauge("metrics", "metrics left out", "Metrics that are not told: more than telemetry.ganglia_limit"),
}


class Split(NamedTuple):
    """A name, taken apart."""

    kind: str
    """queue, site or daemon."""
    subject: str
    """With its kind, as in `queue.mail`."""
    figure: str


def split(name: str) -> Split:
    """`queue.mail.depth`, or `daemon.main.host.workers.idle`: no part of a name holds a dot."""
    kind, _dot, rest = name.partition(".")
    parts = rest.split(".", 2 if kind == "daemon" else 1)
    return Split(kind, ".".join((kind, *parts[:-1])), parts[-1])


def subject_of(name: str) -> str:
    """The queue or site that a name is about, with its kind; not for names of the daemon."""
    return name.rpartition(".")[0]


def describe(name: str, prefix: str) -> Definition | None:
    """The metric of a figure, with `prefix` before its name; None = the figure is not one that is known here."""
    kind, subject, figure = split(name)
    found = (_DAEMON if kind == "daemon" else _FLOW).get(figure)
    if found is None or kind not in GROUPS:
        return None
    owner = subject.partition(".")[2]
    return Definition(
        name=f"{prefix}.{name}" if prefix else name,
        type=found.type,
        units=found.units,
        slope=found.slope,
        group=GROUPS[kind],
        title=f"{owner}: {found.title}",
        description=found.description,
    )


def written(metric: Definition, number: float) -> str:
    """A value as text, in the type of its metric."""
    if metric.slope is Slope.DERIVATIVE or metric.type == "uint32":
        return str(max(0, min(round(number), _MOST[metric.type])))
    return f"{number:.6f}".rstrip("0").rstrip(".")
