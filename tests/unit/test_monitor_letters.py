"""Dead letters as they are listed: pages, marks, and what retry and discard are about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from snqd.errors import SnqdError
from snqmon.actions import Offer, Reach, offer_of
from snqmon.model.marks import Letters
from tests.support.stand_in import letter

if TYPE_CHECKING:
    from snqmon.model.dead import DeadRow

HERE = Reach(True, frozenset({"main@host"}))


def listing(queue: str | None = "mail", site: str | None = None) -> Letters:
    request = {"ask": "dead", "queue": queue, "site": site, "limit": 200, "after": None}
    return Letters(Offer(key="dead", title="Dead letters of queue mail", daemon="main@host", request=request))


def page(*numbers: int, count: int, is_estimate: bool = False) -> dict[str, Any]:
    return {"letters": [letter(number) for number in numbers], "count": count, "is_estimate": is_estimate}


def discard(row: DeadRow) -> Offer:
    offer = offer_of("discard", row, HERE, author="ann@host")
    assert offer is not None
    return offer


def test_the_next_page_begins_after_the_last_letter() -> None:
    letters = listing()
    places = [letters.request["after"]]

    letters.take(page(1, 2, count=5), now=0.0)
    assert [*places, letters.request["after"]] == [None, 2]
    assert letters.has_more

    letters.take(page(3, 4, 5, count=5), now=0.0)
    assert [row.id for row in letters.rows] == [1, 2, 3, 4, 5]
    assert not letters.has_more


def test_letters_that_come_twice_are_listed_once() -> None:
    letters = listing()
    letters.take(page(1, 2, count=3), now=0.0)
    letters.take(page(2, 3, count=3), now=0.0)

    assert [row.id for row in letters.rows] == [1, 2, 3]


def test_an_empty_page_is_the_end_whatever_the_count_says() -> None:
    letters = listing()
    letters.take(page(1, count=3, is_estimate=True), now=0.0)
    letters.take(page(count=3, is_estimate=True), now=0.0)

    assert not letters.has_more


def test_an_answer_of_another_form_is_an_error_in_a_line() -> None:
    with pytest.raises(SnqdError, match="main@host"):
        listing().take({"letters": [{"id": "seven"}]}, now=0.0)


def test_without_marks_an_action_is_about_the_row() -> None:
    letters = listing()
    letters.take(page(1, 2, count=2), now=0.0)

    assert letters.chosen(discard(letters.rows[0])).request["ids"] == [1]


def test_marks_say_what_it_is_about_and_how_many() -> None:
    letters = listing()
    letters.take(page(1, 2, 3, count=3), now=0.0)
    letters.toggle(letters.rows[2])
    letters.toggle(letters.rows[0])

    chosen = letters.chosen(discard(letters.rows[1]))

    assert chosen.request["ids"] == [1, 3]
    assert chosen.question.startswith("Discard 2 dead letters of main@host: each is deleted")
    assert chosen.is_dangerous
    assert chosen.request["author"] == "ann@host"
    letters.toggle(letters.rows[0])
    assert letters.chosen(discard(letters.rows[1])).request["ids"] == [3]


def test_marking_all_goes_from_the_listed_to_all_of_them_and_to_none() -> None:
    letters = listing()
    letters.take(page(1, 2, count=5000, is_estimate=True), now=0.0)
    row = letters.rows[0]

    letters.toggle_all()
    assert letters.chosen(discard(row)).request["ids"] == [1, 2]

    letters.toggle_all()
    chosen = letters.chosen(discard(row))
    assert chosen.request["ids"] is None
    assert (chosen.request["queue"], chosen.request["site"]) == ("mail", None)
    assert "all ~5,000 dead letters of queue mail" in chosen.question

    letters.toggle_all()
    assert letters.chosen(discard(row)).request["ids"] == [1]


def test_when_all_are_listed_all_is_the_listed_ones() -> None:
    letters = listing()
    letters.take(page(1, 2, count=2), now=0.0)

    letters.toggle_all()
    assert letters.chosen(discard(letters.rows[0])).request["ids"] == [1, 2]
    letters.toggle_all()
    assert not letters.marked


def test_it_begins_anew_without_marks() -> None:
    letters = listing()
    letters.take(page(1, 2, count=2), now=0.0)
    letters.toggle_all()

    letters.begin_anew()

    assert (letters.rows, letters.marked, letters.has_more, letters.request["after"]) == ([], set(), True, None)


def test_the_column_of_marks_sorts_and_shows_them() -> None:
    letters = listing()
    letters.take(page(1, 2, count=2), now=0.0)
    letters.toggle(letters.rows[1])
    column = letters.table(is_ascii=True).column("is_marked")

    assert [column.cell(row).text for row in letters.rows] == ["", "*"]
    assert [column.value(row) for row in letters.rows] == [False, True]
