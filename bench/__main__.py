"""Run every benchmark, one after another: `python -m bench [--quick]`; the tables are in `bench/results/*.md`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ORDER = (
    "drain_postgres", "drain_sqlite", "drain_stomp", "enqueue", "pickup", "idle", "crash", "backlog", "fairness",
    "telemetry", "probes", "fold", "late_joiner", "datagrams", "snmp", "xmpp", "health", "sites", "sustained",
)  # fmt: skip


def main() -> int:
    """Runs what is in this folder and in the order; 0 unless a benchmark could not run at all."""
    there = {path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_")}
    failed = []
    for name in (*ORDER, *sorted(there - set(ORDER))):
        if subprocess.run([sys.executable, "-m", f"bench.{name}", *sys.argv[1:]], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"could not run: {', '.join(failed)}", file=sys.stderr)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
