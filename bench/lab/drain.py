"""How fast a contestant empties a queue of no-op items, from the first handler's first line to the last one's."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.lab import processes, record

if TYPE_CHECKING:
    from bench.lab.contestant import Contestant

COLUMNS = [
    ("items/s", "rate"),
    ("items/s until acked", "rate_acked"),
    ("worker CPU µs an item", "worker_us"),
    ("server CPU µs an item", "server_us"),
    ("peak MiB of a process", "peak_mib"),
    ("start-up s", "startup"),
    ("items", "items"),
]


def drain(contestant: Contestant, items: int) -> None:
    """One repetition: load, start the workers, wait, stop them; the figures go to the session.

    The start of the programs is left out of the rate, the last ack too (`rate_acked` has it). Processor time is that
    between the first and the last item seen.
    """
    contestant.prepare(items)
    contestant.session.wait_for_quiet()
    begun = time.time()
    roots = contestant.start()
    try:
        if not contestant.wait_for_records(1):
            return
        servers = contestant.servers()
        worker, server = processes.cpu_seconds(roots), processes.cpu_seconds(servers)
        seen = record.count(contestant.record)
        complete = contestant.wait_for_records(items)
        worker, server = processes.cpu_seconds(roots) - worker, processes.cpu_seconds(servers) - server
        seen = record.count(contestant.record) - seen
        peak = processes.peak_memory(roots)
        acked = contestant.wait_until_acked() if complete else None
    finally:
        contestant.stop()
    events = record.read(contestant.record)
    contestant.remove()
    if not events:
        return
    first, last = events[0].at, max(event.at for event in events)
    contestant.session.add(
        contestant.name,
        rate=(len(events) - 1) / (last - first),
        rate_acked=len(events) / (acked - first) if acked else None,
        worker_us=worker / seen * 1e6 if seen else None,
        server_us=server / seen * 1e6 if servers and seen else None,
        peak_mib=peak,
        startup=first - begun,
        items=items,
        complete=complete,
        repeated=len(events) - len({event.number for event in events}),
    )
