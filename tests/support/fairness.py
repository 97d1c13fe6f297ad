"""What is fair: max-min shares, and Jain's index of how near a distribution is to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def jain(shares: Sequence[float]) -> float:
    """Jain's fairness index (R. Jain et al. 1984, DEC-TR-301): 1.0 when all are alike, 1/n when one has all."""
    return sum(shares) ** 2 / (len(shares) * sum(share * share for share in shares))


def fair_shares(loads: Mapping[str, int], served: int) -> dict[str, float]:
    """What each has of `served` items if all are served alike, and what one does not need goes to the others."""
    shares: dict[str, float] = {}
    left = float(served)
    for number, (name, load) in enumerate(sorted(loads.items(), key=lambda each: each[1])):
        shares[name] = min(load, left / (len(loads) - number))
        left -= shares[name]
    return shares
