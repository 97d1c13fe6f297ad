"""The behavioural contract of `snqd.stores.base.Store`, run on every store.

A test class per engine derives from `StoreContract` (from `SharedStoreContract` when other processes can open the
data), and defines a fixture `recipe` (see `tests/support/stores.py`) and `enqueue_on`. A change of semantics changes
this suite, not one engine's test.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

from snqd.stores.outcomes import Done
from tests.stores.contract_care import (
    ExpiryContract,
    PeopleContract,
    RepairContract,
    TransactionContract,
    WakeupContract,
)
from tests.stores.contract_dead import CorrectionContract, DeadLetterContract
from tests.stores.contract_duty import DutyContract
from tests.stores.contract_limits import LimitContract
from tests.stores.contract_pauses import PauseContract, PauseProbeContract
from tests.stores.contract_probe import ProbeContract
from tests.stores.contract_schedules import RacingSchedulesContract, ScheduleContract
from tests.stores.contract_turns import AgeingContract, TurnContract
from tests.stores.contract_work import ClaimContract, EnqueueContract, LeaseContract, OutcomeContract
from tests.support.racing import Racer
from tests.support.stores import OpenStore, Recipe, claim, new, waiting
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from snqd.stores.base import Store


class StoreContract(
    EnqueueContract,
    ClaimContract,
    OutcomeContract,
    LeaseContract,
    RepairContract,
    TransactionContract,
    PeopleContract,
    WakeupContract,
    ProbeContract,
    PauseContract,
    PauseProbeContract,
    DeadLetterContract,
    CorrectionContract,
    TurnContract,
    LimitContract,
    AgeingContract,
    ScheduleContract,
    ExpiryContract,
):
    """Everything that holds in one process too."""


class SharedStoreContract(StoreContract, RacingSchedulesContract, DutyContract):
    """What needs real processes."""

    def test_racing_processes_never_get_the_same_item(self, recipe: Recipe, store: Store) -> None:
        ids = [item_id for _ in range(10) for item_id in store.enqueue([new() for _ in range(100)])]
        with ExitStack() as racers:
            drainers = [_start(racers, "drain", recipe, 3 + number, f"w{number}") for number in range(4)]

            for racer in drainers:
                racer.go()
            for racer in drainers:
                racer.go()
            found = [racer.findings() for racer in drainers]

        done = Counter(item_id for each in found for item_id in each["done"])
        assert done == Counter(ids)
        assert [each["lost"] for each in found] == [0, 0, 0, 0]
        assert waiting(store) == []

    def test_enqueuers_and_workers_do_not_disturb_each_other(self, recipe: Recipe, store: Store) -> None:
        with ExitStack() as racers:
            drainers = [_start(racers, "drain", recipe, 10, f"w{number}") for number in range(2)]
            enqueuers = [_start(racers, "enqueue", recipe, 200, f"e{number}") for number in range(2)]

            for racer in drainers + enqueuers:
                racer.go()
            stored = [item_id for racer in enqueuers for item_id in racer.findings()["ids"]]
            for racer in drainers:
                racer.go()
            done = [item_id for racer in drainers for item_id in racer.findings()["done"]]

        assert len(set(stored)) == 400
        assert sorted(done) == sorted(stored)
        assert waiting(store) == []

    def test_a_killed_process_leaves_its_claims_until_they_are_repaired(
        self, recipe: Recipe, open_store: OpenStore
    ) -> None:
        living = open_store("living")
        living.enqueue([new(frame=b"%d" % n) for n in range(5)])
        with ExitStack() as racers:
            racer = _start(racers, "hold", recipe, 3, "doomed")
            racer.go()
            held = racer.hear()
            assert len(held) == 3
            racer.kill()

        (claimant,) = living.claimants()
        assert "doomed" in claimant
        assert [item.frame for item in claim(living)] == [b"3", b"4"]
        eventually(lambda: living.repair(claimant, [], crash_limit=3).ids == {item for item, _token in held})

        again = claim(living)
        assert [[item.id] for item in again] == [[item_id] for item_id, _token in held]
        assert min(item.token for item in again) > max(token for _id, token in held)
        assert living.exchange([Done(item) for item in again], []).lost == []


def _start(racers: ExitStack, mode: str, recipe: Recipe, argument: int, name: str) -> Racer:
    racer = Racer(mode, recipe, argument, name)
    racers.callback(racer.kill)
    return racer
