from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd.supervisor.respawn import DELAY_LIMIT_SECONDS, Close, Death, Fatal, Respawn, RespawnPolicy
from snqd.supervisor.slots import Stop
from snqd.telemetry.exits import WorkerExit

POLICY = RespawnPolicy(delay_seconds=0.1, limit=5, window_seconds=10.0)


def death(**changes: Any) -> Death:
    fields: dict[str, Any] = {"code": 1, "reason": "error", "lived_seconds": 0.5, "handled": 0} | changes
    return Death(**fields)


def follow(*deaths: Death) -> list[Respawn | Fatal | Close]:
    """The decisions on one slot's deaths, one after the other."""
    count, decisions = 0, []
    for each in deaths:
        decision = POLICY.decide(each, count)
        decisions.append(decision)
        count = decision.quick_deaths if isinstance(decision, Respawn) else count
    return decisions


def test_the_first_quick_death_costs_no_time_the_next_ones_more_and_more_then_the_slot_is_fatal() -> None:
    assert follow(*[death()] * 5) == [
        Respawn(0.0, 1),
        Respawn(0.1, 2),
        Respawn(0.2, 3),
        Respawn(0.4, 4),
        Fatal("5 quick deaths in a row, the last: error"),
    ]


@pytest.mark.parametrize("recovered", [death(lived_seconds=10.0), death(handled=1)])
def test_a_worker_that_lived_long_or_did_some_work_has_recovered(recovered: Death) -> None:
    decisions = follow(death(), death(), death(), recovered, death(), death())

    assert decisions[3:] == [Respawn(0.0, 0), Respawn(0.0, 1), Respawn(0.1, 2)]


def test_a_worker_that_shuts_itself_down_is_not_respawned() -> None:
    assert POLICY.decide(death(code=WorkerExit.SHUTDOWN), 0) == Close()


def test_a_worker_that_cannot_start_is_fatal_at_once() -> None:
    decision = POLICY.decide(death(code=WorkerExit.BOOT_FAILED, reason="could not start: no module"), 0)

    assert decision == Fatal("could not start: no module")


@pytest.mark.parametrize("code", [WorkerExit.RESTART, WorkerExit.OK])
def test_a_restart_is_free_after_work_and_a_quick_death_without(code: WorkerExit) -> None:
    assert POLICY.decide(death(code=code, handled=1), 3) == Respawn(0.0, 0)
    assert follow(*[death(code=code)] * 5)[-1] == Fatal("5 quick deaths in a row, the last: error")


def test_a_time_limit_is_not_the_workers_fault() -> None:
    assert follow(*[death(code=None, by_time_limit=True)] * 20) == [Respawn(0.0, 0)] * 20


@pytest.mark.parametrize("code", [None, 0, 1, WorkerExit.BOOT_FAILED, WorkerExit.SHUTDOWN, WorkerExit.RESTART, 77])
def test_however_a_worker_ends_that_was_asked_to_leave_its_slot_goes_where_it_was_meant_to(code: int | None) -> None:
    assert POLICY.decide(death(code=code, asked=Stop.CLOSE), 4) == Close()
    assert POLICY.decide(death(code=code, asked=Stop.REPLACE), 4) == Respawn(0.0, 0)


@given(delay=st.floats(0.0, 1e6), limit=st.integers(1, 10_000), quick=st.integers(0, 20_000), lived=st.floats(0.0, 9.9))
def test_a_delay_is_never_negative_nor_longer_than_the_limit(
    delay: float, limit: int, quick: int, lived: float
) -> None:
    policy = RespawnPolicy(delay_seconds=delay, limit=limit, window_seconds=10.0)

    decision = policy.decide(death(lived_seconds=lived), quick)

    if isinstance(decision, Respawn):
        assert 0.0 <= decision.delay_seconds <= DELAY_LIMIT_SECONDS
        assert decision.quick_deaths == quick + 1 < limit
    else:
        assert isinstance(decision, Fatal)
