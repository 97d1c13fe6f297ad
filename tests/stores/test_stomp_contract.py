"""The contract of a store on RabbitMQ and ActiveMQ, as far as a broker can promise it.

What it cannot is left out below, by reason; `test_stomp_*.py` test what the store does instead. See docs/stomp.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from snqd.stores.stomp.transaction import enqueue
from tests.stores.contract_care import PeopleContract, TransactionContract, WakeupContract
from tests.stores.contract_dead import CorrectionContract, DeadLetterContract
from tests.stores.contract_probe import ProbeContract
from tests.stores.contract_work import ClaimContract, EnqueueContract, LeaseContract, OutcomeContract
from tests.support.stores import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from snqd.items import NewItem
    from snqd.stores.stomp.transaction import StompTransaction
    from tests.support.brokers import Broker


pytestmark = pytest.mark.stomp


class BrokerContract(
    EnqueueContract,
    ClaimContract,
    OutcomeContract,
    LeaseContract,
    TransactionContract,
    PeopleContract,
    WakeupContract,
    ProbeContract,
    DeadLetterContract,
    CorrectionContract,
):
    """Pauses are left out as a whole, and repair, which a broker does by itself."""

    def enqueue_on(self, connection: StompTransaction, items: Iterable[NewItem]) -> None:
        enqueue(connection, list(items))


BEYOND = {
    "a broker keeps no unique keys": (
        "test_a_unique_key_admits_one_item_at_a_time",
        "test_a_unique_key_is_held_while_its_item_runs_or_waits_for_a_retry",
        "test_a_unique_key_is_free_again_when_its_item_is",
        "test_a_taken_unique_key_in_an_outbox_does_not_stop_the_ack",
        "test_a_dead_letter_keeps_everything",
        "test_a_dead_letter_whose_unique_key_is_taken_stays_dead",
        "test_an_outbox_is_stored_with_the_ack",
        "test_thousands_are_replayed_and_discarded_around_those_that_cannot",
    ),
    "an item whose time has not come is in the broker's hands, and nobody sees it there": (
        "test_a_delayed_item_becomes_ready_when_it_is_due",
        "test_an_item_for_a_time_to_come_waits_and_one_for_a_time_gone_by_does_not",
        "test_a_retried_item_has_one_attempt_more_and_waits",
        "test_a_released_item_can_wait_with_a_note",
        "test_a_second_word_about_a_claim_is_too_late",
        "test_everything_at_once_is_one_exchange",
        "test_error_texts_of_any_kind_are_kept_as_far_as_they_go",
    ),
    "what is delivered to one worker is not to be had by another": (
        "test_a_claimed_item_is_not_given_again",
        "test_every_claim_of_an_item_has_a_greater_token",
    ),
    "a claim has no lease: it ends with its connection": (
        "test_an_expired_lease_is_reclaimed_by_another_worker",
        "test_reclaimed_items_are_counted_by_queue_and_site_without_canaries",
        "test_a_renewed_lease_is_not_reclaimed",
        "test_a_lease_that_ran_out_unnoticed_still_counts",
        "test_words_about_a_claim_that_another_holds_have_no_effect",
    ),
    "a broker keeps no notes of who changed what": (
        "test_each_step_is_written_down_with_what_it_did",
        "test_corrections_are_listed_by_kind_the_latest_first",
    ),
    "what waits cannot be counted, listed, changed": (
        "test_waiting_items_are_found_without_their_frames",
        "test_waiting_items_go_by_steps_too",
        "test_counts_tell_each_queue_of_each_site",
        "test_lag_is_the_age_of_the_oldest_ready_item",
        "test_a_queue_with_nothing_but_dead_letters_is_counted",
        "test_items_are_found_by_each_filter",
        "test_many_items_are_streamed_in_the_order_of_ids",
        "test_retry_now_makes_scheduled_items_ready",
        "test_discard_deletes_what_is_not_claimed",
        "test_a_filter_for_dead_letters_changes_no_waiting_item",
        "test_an_empty_store_has_no_lag_and_no_depth",
        "test_lag_is_the_age_of_a_queues_oldest_ready_item_whatever_its_priority",
        "test_lag_follows_claims_and_what_is_given_back",
        "test_depths_tell_each_queue_of_each_site",
        "test_depths_and_lags_are_what_counts_tells",
        "test_canaries_are_not_counted_have_no_lag_and_need_no_handler",
        "test_a_person_who_looks_for_items_finds_canaries",
        "test_an_item_is_there_until_it_is_done",
        "test_a_probe_needs_no_store_that_is_connected_and_opens_again_after_it_was_closed",
    ),
}
for _reason, _names in BEYOND.items():
    for _name in _names:
        assert callable(getattr(BrokerContract, _name)), f"{_name} is no test of the contract any more"
        setattr(BrokerContract, _name, None)


class TestRabbitMQ(BrokerContract):
    @pytest.fixture
    def recipe(self, rabbitmq: Broker) -> Recipe:
        return Recipe("tests.support.stomp_stores:make_patient", rabbitmq.url())


class TestActiveMQ(BrokerContract):
    """It hands out no more than some hundreds of items ahead of their acks, whatever the prefetch."""

    @pytest.fixture
    def recipe(self, activemq: Broker) -> Recipe:
        return Recipe("tests.support.stomp_stores:make_patient", activemq.url())


setattr(TestActiveMQ, "test_enqueue_many_tells_how_many_were_stored", None)  # noqa: B010 - no test there
