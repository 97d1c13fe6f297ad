"""Which worker serves which groups: pure decisions about a daemon's configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snqd.config.schema import DaemonConfig

SINGLE_SLOT = 1
"""The slot whose worker serves the groups that have a single one. Two processes never are in one slot."""


def with_single_workers(config: DaemonConfig) -> DaemonConfig:
    """What the supervisor is told: groups with a single worker have theirs beside the others."""
    singles = [group for group in config.serve if group in config.single_groups]
    if not singles:
        return config
    from snqd.supervisor.slots import worker_count

    others = worker_count(config.threads) if len(singles) < len(config.serve) else 0
    return config._replace(threads=others + 1)


def groups_of(config: DaemonConfig, slot: int) -> tuple[str, ...]:
    """The groups that the worker of a slot serves."""
    return duties_of(config, slot) or tuple(group for group in config.serve if group not in config.single_groups)


def duties_of(config: DaemonConfig, slot: int) -> tuple[str, ...]:
    """Those of them that no other worker may serve, here or on another host. A worker has only such groups, or none."""
    return tuple(sorted(set(config.serve) & set(config.single_groups))) if slot == SINGLE_SLOT else ()
