"""Reading the ledger of a real daemon, and the sums that must hold in it."""

from __future__ import annotations

import os
from pathlib import Path

from snqd.telemetry.histogram import total
from snqd.telemetry.ledger import CanaryReturn, FlowCounts, Ledger

Flow = tuple[str, str]


class Totals:
    """Counters of one flow, summed over slots: `totals.handled`."""

    def __init__(self, parts: list[FlowCounts]) -> None:
        self.claimed = sum(part.claimed for part in parts)
        self.handled = sum(part.handled for part in parts)
        self.failed = sum(part.failed for part in parts)
        self.retried = sum(part.retried for part in parts)
        self.released = sum(part.released for part in parts)
        self.dead_lettered = sum(part.dead_lettered for part in parts)
        self.discarded = sum(part.discarded for part in parts)
        self.bad_items = sum(part.bad_items for part in parts)
        self.leases_lost = sum(part.leases_lost for part in parts)
        self.reclaimed = sum(part.reclaimed for part in parts)
        self.runs = sum(total(part.run) for part in parts)
        self.waits = sum(total(part.wait) for part in parts)
        self.run_seconds = sum(part.run_seconds for part in parts)
        self.wait_seconds = sum(part.wait_seconds for part in parts)

    @property
    def ended(self) -> int:
        """Claims that have ended, each in one way."""
        return (
            self.handled + self.failed + self.retried + self.discarded + self.bad_items + self.released
            + self.leases_lost + self.reclaimed
        )  # fmt: skip

    def __repr__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in vars(self).items() if value)


class OpenLedger:
    """The ledger of a daemon, kept open, so that it can be read when the daemon has ended."""

    def __init__(self, supervisor: int) -> None:
        links = Path(f"/proc/{supervisor}/fd").iterdir()
        path = next(link for link in links if "snqd-ledger" in str(link.readlink()))
        self._ledger = Ledger(os.open(path, os.O_RDWR))

    @property
    def memory_bytes(self) -> int:
        """What it takes. The file is sparse."""
        return os.fstat(self._ledger._descriptor).st_blocks * 512

    def slots(self) -> dict[int, list[FlowCounts]]:
        found = {}
        for slot in self._ledger.used():
            reader = self._ledger.reader(slot)
            found[slot] = reader.changed()
            reader.close()
        return found

    def flows(self) -> dict[Flow, Totals]:
        parts: dict[Flow, list[FlowCounts]] = {}
        for rows in self.slots().values():
            for row in rows:
                parts.setdefault((row.queue, row.site), []).append(row)
        return {flow: Totals(rows) for flow, rows in parts.items()}

    def of(self, queue: str, site: str = "default") -> Totals:
        return self.flows().get((queue, site), Totals([]))

    def all(self) -> Totals:
        return Totals([row for rows in self.slots().values() for row in rows])

    def canaries(self) -> dict[str, list[CanaryReturn]]:
        """By queue, of every slot that has had one."""
        found: dict[str, list[CanaryReturn]] = {}
        for slot in self._ledger.used():
            reader = self._ledger.reader(slot)
            for queue, back in reader.canaries().items():
                found.setdefault(queue, []).append(back)
            reader.close()
        return found

    def growth(self, slot: int) -> dict[str, tuple[int, int]]:
        reader = self._ledger.reader(slot)
        found = reader.growth()
        reader.close()
        return found

    def served(self, slot: int) -> tuple[str, ...]:
        reader = self._ledger.reader(slot)
        found = reader.served()
        reader.close()
        return found

    def close(self) -> None:
        self._ledger.close()
