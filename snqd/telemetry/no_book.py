"""A slot's part of the ledger in a daemon that tells nobody how it is (`telemetry.enabled = false`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class NoBook:
    """Stands for a `LedgerWriter`: maps no memory and counts nothing, so no claim is open in it or half posted."""

    witness: Final = None
    last_acked: Final = 0

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.is_being_repaired = False

    def reopen(self) -> None: ...

    def close(self) -> None: ...

    def serve(self, served: Sequence[str], known: Sequence[str]) -> None: ...

    def count(self, queue: str, site: str, counts: Mapping[int, int]) -> None: ...

    def recover(self, *, is_committed: bool) -> None: ...

    def count_acks(self) -> None: ...

    def open_claims(self) -> dict[tuple[str, str], int]:
        return {}

    def grew(self, queue: str, grown_bytes: int, items: int) -> None: ...
