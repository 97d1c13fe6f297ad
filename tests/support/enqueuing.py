"""Enqueues numbered items for the chaos test: `python -m tests.support.enqueuing URL FIRST COUNT SECONDS`.

Items FIRST … FIRST+COUNT-1 go to queue `chaos`, spread over SECONDS: every tenth call stores one item by itself, the
others twenty together. A number is printed once the call that stored it has returned: from then on it must not be lost.
A call that fails is made again, so that an item may be stored twice under one number.
"""

from __future__ import annotations

import sys
import time

from snqd import Client, new_item
from snqd.errors import StoreUnavailable

_TOGETHER = 20


def _main() -> None:
    url, first, count, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    numbers = list(range(first, first + count))
    began, calls = time.monotonic(), 0
    with Client(url) as client:
        while numbers:
            together = 1 if calls % 10 == 0 else _TOGETHER
            batch, numbers = numbers[:together], numbers[together:]
            _store(client, batch)
            sys.stdout.write("".join(f"{number}\n" for number in batch))
            sys.stdout.flush()
            calls += 1
            ahead = began + seconds * (1 - len(numbers) / count) - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)


def _store(client: Client, batch: list[int]) -> None:
    while True:
        try:
            if len(batch) == 1:
                client.enqueue("chaos", batch[0])
            else:
                client.enqueue_many(new_item("chaos", number) for number in batch)
        except StoreUnavailable:
            time.sleep(0.05)
        else:
            return


if __name__ == "__main__":
    _main()
