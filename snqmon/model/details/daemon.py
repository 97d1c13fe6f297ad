"""The detail of one daemon: its processes, its store, and how well it is heard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqmon.model import formats
from snqmon.model.cells import Grade
from snqmon.model.details.base import (
    Detail,
    Section,
    column_line,
    counted,
    flow_charts,
    line,
    outcomes,
    peaks,
    some,
)
from snqmon.model.details.happened import happened
from snqmon.model.tables import DAEMONS

if TYPE_CHECKING:
    from snqmon.model.rows import DaemonRow
    from snqmon.model.world import World


def daemon_detail(world: World, row: DaemonRow) -> Detail:
    return Detail(
        title=f"daemon {row.daemon}",
        kind="daemons",
        key=row.key,
        grade=row.grade,
        summary=f"{row.state}, up {formats.uptime(row.up_seconds)}",
        sections=some([_daemon(row), _store(row), _work(row), _hub(row), _hearing(row), outcomes(row),
                       peaks(row.track.courses), happened(world, row.daemon, daemon=row.view.name)]),
        charts=flow_charts(row)[:3],
    )  # fmt: skip


def _daemon(row: DaemonRow) -> Section:
    fact = row.view.daemon
    lines = [column_line(DAEMONS, key, row) for key in ("state", "up_seconds", "workers_running", "deaths", "alarms")]
    if fact is not None:
        lines += [
            counted("respawns", row.respawns, "Workers that got a successor, since the daemon's boot."),
            line("version", row.version),
            line("pid", str(fact.pid), definition="The supervisor's."),
            line("booted", formats.moment(fact.started)),
            line("configuration", fact.config_hash, definition="Changes when the configuration does."),
        ]
    return Section("Daemon", tuple(lines))


def _store(row: DaemonRow) -> Section:
    fact, daemon = row.view.store, row.view.daemon
    if fact is None:
        return Section("Store", ())
    lines = [
        line("store", daemon.store if daemon is not None else fact.kind_of_store, row.store_grade),
        line("round trip", formats.timing(fact.round_trip_seconds), row.store_grade, "Of the smallest question."),
        line("since", formats.duration(row.moment.age(fact.since)), definition="For how long it has been so."),
        line("table", _size(fact.table_bytes)),
        line("indexes", _size(fact.index_bytes)),
        line("dead rows", formats.count(fact.dead_rows if fact.dead_rows >= 0 else None),
             definition="Versions of rows that vacuum has not cleaned up yet; an estimate by the server."),
    ]  # fmt: skip
    if not fact.connected:
        lines.insert(0, line("away", formats.one_line(fact.problem) or "it does not answer", Grade.ACT))
    if fact.last_autovacuum:
        lines.append(line("autovacuum", f"{formats.duration(row.moment.age(fact.last_autovacuum))} ago"))
    if fact.pin_pid:
        who = f"process {fact.pin_pid}" if fact.pin_pid > 0 else "something that is no process"
        words = f"{who} for {formats.duration(fact.pin_age_seconds)}: {formats.one_line(fact.pin_query)}"
        lines.append(line("pinned by", words, Grade.LOOK, "An old transaction keeps dead rows from being cleaned up."))
    return Section("Store", tuple(lines))


def _size(size_bytes: int) -> str:
    return formats.size(size_bytes if size_bytes >= 0 else None)


def _work(row: DaemonRow) -> Section:
    keys = ("lag_seconds", "ready", "in_rate", "out_rate", "fail_rate")
    return Section("Work", tuple(column_line(DAEMONS, key, row) for key in keys))


def _hub(row: DaemonRow) -> Section:
    """What telemetry costs."""
    fact = row.view.daemon
    if fact is None or fact.dialect:
        return Section("Hub", ())
    lived = row.moment.age(fact.hub_started)
    share = fact.hub_cpu_seconds / lived if lived else None
    return Section(
        "Hub",
        (
            line("pid", str(fact.hub_pid), definition="The process that gathers and tells telemetry."),
            line("up", formats.uptime(lived)),
            line("processor", formats.share(share), definition="Of one core, since the hub began."),
            line("memory", formats.size(fact.hub_rss_bytes)),
            counted("sent", fact.datagrams_sent, "Datagrams to all receivers since the hub began."),
            counted("bad", fact.bad_datagrams, "Datagrams to the hub that were not understood or not authentic.",
                    Grade.LOOK),
            counted("events dropped", fact.events_dropped, "They came too fast and are in the log only.", Grade.LOOK),
        ),
    )  # fmt: skip


def _hearing(row: DaemonRow) -> Section:
    """How far what is shown of it can be trusted."""
    view = row.view
    return Section(
        "Heard here",
        (
            line("from", view.source, definition="Where its last datagram came from."),
            line("age", formats.duration(row.silence_seconds), row.silence_grade, "Of its newest datagram."),
            counted("received", view.received, "Datagrams of its present life."),
            column_line(DAEMONS, "lost", row),
            counted("late", view.late, "Datagrams that came after one with a higher number."),
            counted("repeated", view.repeated, "Datagrams that came twice."),
            counted("outdated", view.outdated, "Datagrams of an earlier boot or hub: not used."),
            counted("passed over", view.unknown, "Facts of kinds that this version does not know.", Grade.LOOK),
            counted("no room", view.refused, "Facts for which there was no room here.", Grade.LOOK),
        ),
    )
