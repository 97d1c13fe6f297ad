"""What sites cost: start, memory and idle processor time of a daemon with 10 sites and with 10,000, side by side."""

from __future__ import annotations

import argparse
import json
import time
from typing import TYPE_CHECKING

from bench.lab import processes
from bench.lab.contestant import Snqd
from bench.lab.session import Session
from snqd.config.schema import Config, StoreConfig
from snqd.items import new_item
from snqd.wiring.stores import open_store

if TYPE_CHECKING:
    from pathlib import Path

PURPOSE = "Sites: a daemon with 2 workers and N sites starts, handles one item, and waits"
FEW, MANY = 10, 10_000
COLUMNS = [
    ("sites", "sites"),
    ("`snqd run` to the first item handled, s", "start"),
    ("one site changed: to its first item with the new settings, ms", "change"),
    ("idle CPU, % of a core, all processes", "cpu"),
    ("largest worker, MiB resident", "worker_mib"),
    ("of that private, MiB", "worker_private_mib"),
    ("hub, MiB resident", "hub_mib"),
    ("seconds", "seconds"),
]
HANDLERS = """\
import json, os, time
from snqd import handler

@handler("site")
def site(payload, context):
    with open(os.environ["SNQD_BENCH_RECORD_OF_SITES"], "a") as file:
        file.write(json.dumps([context.site.name, context.site.settings["theme"], time.time()]) + "\\n")
"""


class WithSites(Snqd):
    """snqd with `sites` sites, in a folder or in the table of the database."""

    def __init__(self, session: Session, name: str, store: str, sites: int, *, in_table: bool) -> None:
        own = {"table": True} if in_table else {"directory": "sites"}
        handlers = {"modules": ["sites_app"], "entry_points": False}
        super().__init__(session, name, store, {"sites": own, "handlers": handlers})
        self.sites, self.in_table = sites, in_table
        (self.home / "sites_app.py").write_text(HANDLERS)
        self.done = self.home / "done"
        self.folder = self.home / "sites"
        if not in_table:
            self.folder.mkdir(exist_ok=True)
            for number in range(sites):
                self._file(number).write_text(_toml("blue", number))

    def environment(self) -> dict[str, str]:
        known = super().environment()
        path = f"{self.home}:{known['PYTHONPATH']}"
        return {**known, "PYTHONPATH": path, "SNQD_BENCH_RECORD_OF_SITES": str(self.done)}

    def declare(self) -> None:
        """The sites of the table."""
        if self.in_table:
            with self.connect() as connection:
                connection.execute(
                    "insert into site (name, settings) select 's' || n || '.example', %s::jsonb || "
                    "jsonb_build_object('number', n) from generate_series(0, %s) as n",
                    (json.dumps({"theme": "blue", "smtp": {"host": "mx.example", "port": 25}}), self.sites - 1),
                )

    def change(self, number: int, theme: str) -> None:
        if self.in_table:
            with self.connect() as connection:
                connection.execute(
                    "update site set settings = settings || jsonb_build_object('theme', %s::text) where name = %s",
                    (theme, f"s{number}.example"),
                )
        else:
            fresh = self._file(number).with_suffix(".new")
            fresh.write_text(_toml(theme, number))
            fresh.replace(self._file(number))

    def enqueue(self, number: int) -> None:
        self._store.enqueue([new_item("site", 1, site=f"s{number}.example")])

    def open(self) -> None:
        self._store = open_store(Config(store=StoreConfig(url=self.url)))
        self._store.connect()

    def close(self) -> None:
        self._store.close()

    def wait_done(self, site: int, theme: str, *, again_seconds: float = 30.0) -> float:
        """When an item of that site was handled with that theme, in epoch seconds; more are stored meanwhile."""
        until = time.monotonic() + 30.0
        store_at = time.monotonic()
        while time.monotonic() < until:
            if time.monotonic() >= store_at:
                self.enqueue(site)
                store_at = time.monotonic() + again_seconds
            lines = self.done.read_text().splitlines(keepends=True) if self.done.exists() else []
            for line in lines:
                if line.endswith("\n") and (told := json.loads(line))[:2] == [f"s{site}.example", theme]:
                    return float(told[2])
            time.sleep(0.002)
        raise SystemExit(f"{self.name}: no item of site {site} with theme {theme}; its log ends:\n{self.last_words()}")

    def _file(self, number: int) -> Path:
        return self.folder / f"s{number}.example.toml"


def _toml(theme: str, number: int) -> str:
    return f'theme = "{theme}"\nnumber = {number}\n[smtp]\nhost = "mx{number}.example"\nport = 25\n'


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=30.0, help="length of the idle part (default %(default)s)")
    with Session("sites", PURPOSE, parser) as session:
        session.start_postgres()
        seconds = 5.0 if session.quick else session.options.seconds
        contestants = [
            WithSites(session, f"{sites:,} sites in {place}", store, sites, in_table=place == "a table")
            for store, place in (("sqlite", "files"), ("postgres", "a table"))
            for sites in (FEW, MANY)
        ]
        for _ in session.rounds():
            for contestant in contestants:
                if session.wants(contestant.name):
                    measure(contestant, seconds)
        report(session)


def measure(contestant: WithSites, seconds: float) -> None:
    """One repetition. All items are of the last site."""
    session, last = contestant.session, contestant.sites - 1
    contestant.done.unlink(missing_ok=True)
    contestant.prepare()
    contestant.declare()
    if not contestant.in_table:
        contestant.change(last, "blue")
    contestant.open()
    session.wait_for_quiet()
    begun = time.time()
    roots = contestant.start()
    try:
        start = contestant.wait_done(last, "blue") - begun
        time.sleep(5.0)
        cpu, idle_from = processes.fine_cpu_seconds(roots), time.monotonic()
        time.sleep(seconds)
        cpu, took = processes.fine_cpu_seconds(roots) - cpu, time.monotonic() - idle_from
        workers = [processes.memory(worker) for worker in contestant.workers()]
        hubs = [processes.memory(hub).resident for hub in contestant.hubs()]
        changed = time.time()
        contestant.change(last, "red")
        change = contestant.wait_done(last, "red", again_seconds=0.01) - changed
        session.add(
            contestant.name,
            sites=contestant.sites,
            start=start,
            change=change * 1e3,
            cpu=cpu / took * 100,
            worker_mib=max(found.resident for found in workers),
            worker_private_mib=max(found.private for found in workers),
            hub_mib=max(hubs, default=0.0),
            seconds=took,
        )
    finally:
        contestant.stop()
        contestant.close()
    contestant.remove()


def report(session: Session) -> None:
    session.title(note="Nobody is told of a change: the daemon notices the file or the row itself.")
    session.table(COLUMNS)
    for place in ("files", "a table"):
        few, many = (f"{sites:,} sites in {place}" for sites in (FEW, MANY))
        session.target(f"{many}: start", session.median(many, "start"), "≤", 2.0, " s")
        for key, what in (("cpu", "idle CPU"), ("worker_private_mib", "private memory of a worker")):
            session.target(f"{many}: {what} beside {FEW}", session.ratio(many, few, key), "≤", 1.2)


if __name__ == "__main__":
    main()
