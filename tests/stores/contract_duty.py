"""The contract of a store, part five: of all claimants one has the duty of a group. It needs real processes."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from snqd.stores.repairs import Duty
from tests.support.racing import Racer

if TYPE_CHECKING:
    from tests.support.stores import OpenStore, Recipe

GROUP = "xmpp"
SECONDS = 600


class DutyContract:
    def test_one_claimant_has_the_duty_of_a_group_and_the_others_are_told_who(
        self, recipe: Recipe, open_store: OpenStore
    ) -> None:
        with ExitStack() as racers:
            first = on_duty(racers, recipe, "first")
            ours = open_store("ours")

            assert ours.take_duty(GROUP, seconds=SECONDS) == Duty(first)
            assert ours.take_duty(GROUP, seconds=SECONDS, instead_of="somebody else") == Duty(first)
            ours.leave_duty(GROUP)
            assert ours.take_duty(GROUP, seconds=SECONDS) == Duty(first), "what is not ours cannot be left"
            assert ours.take_duty("another", seconds=SECONDS) == Duty("ours")

    def test_the_duty_of_a_dead_claimant_need_not_be_waited_for(self, recipe: Recipe, open_store: OpenStore) -> None:
        with ExitStack() as racers:
            dead = on_duty(racers, recipe, "dead")
        ours = open_store("ours")

        assert ours.take_duty(GROUP, seconds=SECONDS, instead_of=dead) == Duty("ours", before=dead)
        assert ours.take_duty(GROUP, seconds=SECONDS) == Duty("ours"), "a renewal takes over from nobody"

    def test_a_duty_that_is_left_is_free_at_once(self, recipe: Recipe, open_store: OpenStore) -> None:
        ours = open_store("ours")
        assert ours.take_duty(GROUP, seconds=SECONDS) == Duty("ours")
        ours.leave_duty(GROUP)

        with ExitStack() as racers:
            next_one = on_duty(racers, recipe, "next")
            assert ours.take_duty(GROUP, seconds=SECONDS) == Duty(next_one)


def on_duty(racers: ExitStack, recipe: Recipe, name: str) -> str:
    """A process that has the duty from now until the stack ends, by SIGKILL; its claimant."""
    racer = Racer("duty", recipe, SECONDS, name)
    racers.callback(racer.kill)
    racer.go()
    claimant, before = racer.hear()
    assert name in claimant
    assert before == ""
    return str(claimant)
