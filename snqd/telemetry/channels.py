"""`Channels`: the ways on which a daemon's processes tell its hub how they are, made before the first fork."""

from __future__ import annotations

from dataclasses import dataclass

from snqd.errors import SnqdError
from snqd.telemetry.board import SLOTS
from snqd.telemetry.ledger import Ledger
from snqd.telemetry.pipe import EventPipe
from snqd.telemetry.stacks import StackFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """All processes share them. The hub needs no `enter`: it reads every slot."""

    ledger: Ledger
    pipe: EventPipe
    stacks: StackFiles

    @classmethod
    def create(cls, *, slots: int = SLOTS - 1) -> Channels:
        """Call in the supervisor. `slots`: how many have a file for their stacks. Raises `SnqdError`."""
        try:
            ledger = Ledger.create()
            return cls(ledger=ledger, pipe=EventPipe(ledger.count_dropped), stacks=StackFiles.create(slots))
        except OSError as error:
            raise SnqdError(f"the system gives no memory or descriptors for telemetry: {error.strerror}") from error

    def enter(self, slot: int) -> None:
        """Call in a worker, first: it writes only, and only its own slot's."""
        self.ledger.enter(slot)
        self.pipe.close_read_end()
        self.stacks.keep_only(slot)

    def close(self) -> None:
        self.pipe.close()
        self.stacks.close()
        self.ledger.close()
