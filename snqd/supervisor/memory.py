"""Memory: what `memory_soft_limit` means in bytes on this machine, and whether the kernel killed for want of it.

The limit is a worker's resident memory. A percentage is of what this daemon may use, the smallest limit of its control
groups (version 2 or 1) or else the machine's memory, divided among the workers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from snqd.errors import ConfigError

_UNLIMITED = 1 << 60  # control groups version 1 write a huge number for "no limit"


@dataclass(frozen=True, slots=True)
class MemoryFiles:
    """Where the kernel tells about memory; tests point it at a folder of their own."""

    proc: Path = Path("/proc")
    cgroup: Path = Path("/sys/fs/cgroup")

    def total_bytes(self) -> int:
        """What this process may use: the smallest control group limit above it, or the machine's memory."""
        return min([self._machine_bytes(), *self._cgroup_limits()])

    def oom_kills(self) -> int | None:
        """Processes of our control group that the kernel has killed for memory so far; None when it does not say."""
        for folder in self._folders():
            for name in ("memory.events", "memory.oom_control"):
                for line in _lines(folder / name):
                    key, _, value = line.partition(" ")
                    if key == "oom_kill" and value.isdigit():
                        return int(value)
        return None

    def _machine_bytes(self) -> int:
        for line in _lines(self.proc / "meminfo"):
            if line.startswith("MemTotal:"):
                return int(line.split()[1]) * 1024
        raise ConfigError(
            f"{self.proc}/meminfo does not say how much memory the machine has: set daemon.memory_soft_limit "
            "to an absolute value such as `1G`, or `none`"
        )

    def _cgroup_limits(self) -> list[int]:
        limits = []
        for folder in self._folders():
            for name in ("memory.max", "memory.limit_in_bytes"):
                value = "".join(_lines(folder / name)).strip()
                if value.isdigit() and int(value) < _UNLIMITED:
                    limits.append(int(value))
        return limits

    def _folders(self) -> list[Path]:
        """Our control group's folder and all above it, innermost first, for version 2 and version 1.

        In a container the path in /proc/self/cgroup may be the host's; the roots are looked at in any case.
        """
        roots = {"": self.cgroup, "memory": self.cgroup / "memory"}
        folders: list[Path] = []
        for line in _lines(self.proc / "self" / "cgroup"):
            _number, controllers, path = line.split(":", 2)
            controller = "memory" if "memory" in controllers.split(",") else controllers
            if controller in roots:
                inside = [part for part in path.split("/") if part not in ("", "..")]
                folders += [roots[controller].joinpath(*inside[:depth]) for depth in range(len(inside), 0, -1)]
        return [*folders, *roots.values()]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
