"""What a daemon costs that has nothing to do: processor time and resident memory."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from bench.lab import processes
from bench.lab.contestant import Contestant, Huey, Pgqueuer, Snqd
from bench.lab.session import Session

if TYPE_CHECKING:
    import psutil

PURPOSE = "Idle: a daemon with 2 workers that has handled one item and waits"
COLUMNS = [
    ("CPU, % of a core, all processes", "cpu"),
    ("database server CPU, %", "server_cpu"),
    ("largest worker, MiB resident", "worker_mib"),
    ("of that private, MiB", "worker_private_mib"),
    ("all processes, MiB resident", "all_mib"),
    ("processes", "processes"),
    ("seconds", "seconds"),
]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=45.0, help="length of the measurement (default %(default)s)")
    with Session("idle", PURPOSE, parser) as session:
        session.start_postgres()
        seconds = 5.0 if session.quick else session.options.seconds
        contestants: list[Contestant] = [
            Snqd(session, "snqd, PostgreSQL, 2 workers", "postgres"),
            Snqd(session, "snqd, SQLite, 2 workers", "sqlite"),
            Pgqueuer(session, "pgqueuer, 1 process"),
            Huey(session, "huey on PostgreSQL, 1 process", "postgres"),
        ]
        for _ in session.rounds():
            for contestant in contestants:
                if session.wants(contestant.name):
                    idle(contestant, seconds)
        report(session)


def idle(contestant: Contestant, seconds: float) -> None:
    """One repetition. The warm-up item makes every lazy import happen; 5 s later the measurement begins."""
    contestant.prepare()
    roots = contestant.start()
    try:
        contestant.call("each", 1, 0.0, -2)
        if not contestant.wait_for_records(1):
            return
        time.sleep(5.0)
        contestant.session.wait_for_quiet()
        servers = contestant.servers()
        cpu, server, begun = processes.fine_cpu_seconds(roots), processes.fine_cpu_seconds(servers), time.monotonic()
        time.sleep(seconds)
        cpu, server = processes.fine_cpu_seconds(roots) - cpu, processes.fine_cpu_seconds(servers) - server
        took = time.monotonic() - begun
        everyone: list[psutil.Process] = [process for root in roots for process in processes.tree(root)]
        workers = contestant.workers() if isinstance(contestant, Snqd) else everyone
        of_workers = [processes.memory(worker) for worker in workers]
        contestant.session.add(
            contestant.name,
            cpu=cpu / took * 100,
            server_cpu=server / took * 100 if servers else None,
            worker_mib=max(found.resident for found in of_workers),
            worker_private_mib=max(found.private for found in of_workers),
            all_mib=sum(processes.memory(process).resident for process in everyone),
            processes=len(everyone),
            seconds=took,
        )
    finally:
        contestant.stop()
    contestant.remove()


def report(session: Session) -> None:
    session.title(note="CPU from the scheduler's own nanoseconds; the server's share is that of its whole tree.")
    session.table(COLUMNS)
    for store in ("PostgreSQL", "SQLite"):
        name = f"snqd, {store}, 2 workers"
        session.target(f"{store}: CPU of all processes", session.median(name, "cpu"), "≤", 0.5, " %")
        session.target(f"{store}: resident memory of a worker", session.median(name, "worker_mib"), "≤", 40.0, " MiB")


if __name__ == "__main__":
    main()
