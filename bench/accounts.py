"""What the ledger costs an item in a worker: nanoseconds for batches of one flow, of several, and of many.

Beside it what is left without one (`telemetry.enabled = false`).
"""

from __future__ import annotations

import random
import time

from snqd.items import Item, ItemId, QueueName, SiteName, lines_of
from snqd.stores.outcomes import Done, Retried
from snqd.telemetry.ledger import Ledger
from snqd.worker.accounts import Accounts, Report, Reports
from snqd.worker.claims import Claims

ROUNDS = 200


def items(count: int, flows: int, waited: float) -> list[Item]:
    """Made as a store makes them: every string is a new object, the oldest has waited `waited` seconds."""
    now = time.time()
    return [
        Item(
            ItemId(number), 7, SiteName(f"site{number % flows}.example"), QueueName(str(b"notices", "ascii")),
            str(b"json", "ascii"), b"{}", 0, 0, now, now - waited + number * 1e-5, 0,
        )
        for number in range(count)
    ]  # fmt: skip


def reports(batch: list[Item], failures: int) -> list[Report]:
    clock = time.monotonic_ns()
    made: list[Report] = []
    for number, item in enumerate(batch):
        outcome = Retried(item, 1.0, "error", "trace") if failures and number % failures == 0 else Done(item)
        began = clock + number * 9000
        made.append((item, outcome, began, began + random.randint(700, 2500)))
    return made


def measure(accounts: Claims, count: int, flows: int, failures: int, waited: float) -> tuple[float, float]:
    """Nanoseconds an item, at best: of the claim (its lines are the store's), and of its end."""
    batch = items(count, flows, waited)
    lines = lines_of(batch)
    made = reports(batch, failures)
    claims, ends = [], []
    for _ in range(ROUNDS):
        began = time.perf_counter_ns()
        accounts.claimed(batch, lines)
        between = time.perf_counter_ns()
        columns = Reports(made)
        accounts.post(accounts.stage(columns, with_repeats=False), columns, {})
        claims.append(between - began)
        ends.append(time.perf_counter_ns() - between)
    return min(claims) / count, min(ends) / count


def main() -> None:
    print("| batch | flows | failures | waited s | claim ns an item | end ns an item | without a ledger |")
    print("|---|---|---|---|---|---|---|")
    for case in (
        (100, 1, 0, 5.0), (500, 1, 0, 5.0), (1000, 1, 0, 5.0), (1000, 1, 0, 0.02), (500, 1, 10, 5.0), (500, 10, 0, 5.0),
        (500, 500, 0, 5.0),
    ):  # fmt: skip
        count, flows, failures, waited = case
        ledger = Ledger.create()
        claim, end = measure(Accounts(ledger.writer(1)), *case)
        off = " + ".join(f"{each:.0f}" for each in measure(Claims(), *case))
        failing = f"1 in {failures}" if failures else "none"
        print(f"| {count} | {flows} | {failing} | {waited:g} | {claim:.0f} | {end:.0f} | {off} |")


if __name__ == "__main__":
    main()
