"""How a benchmark speaks to a contestant's program: `python -m bench.peers.verbs APP VERB ARGUMENTS`.

The arguments are a list in JSON, the answer is one line of JSON. The app is imported and not run, since some peers
name tasks by their module.

Every `*_app` offers the same verbs:

- `reset()`: make the tables in an empty database (or remove and make the file);
- `load(n, seconds)`: store n items whose handlers work that long, as fast as it can, not timed;
- `each(n, pace, start)`: store n items, numbers from `start`, with one durable call each, every `pace` seconds
  (0 = at once); the seconds that took. The connection is made before;
- `batch(n, size)`: store n items `size` at a time; the seconds that took, or null where there is no such call.

Standard library only. Where the items are is said by the environment.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib import import_module

URL = os.environ.get("SNQD_BENCH_URL", "")
"""PostgreSQL database, in libpq's form."""
FILE = os.environ.get("SNQD_BENCH_FILE", "")
"""SQLite file."""


def wait_for_turn(begun: float, turn: int, pace: float) -> None:
    """Sleep until the `turn`-th call is due."""
    rest = begun + turn * pace - time.perf_counter()
    if rest > 0:
        time.sleep(rest)


if __name__ == "__main__":
    module, verb, arguments = sys.argv[1:]
    print(json.dumps(getattr(import_module(module), verb)(*json.loads(arguments))))
