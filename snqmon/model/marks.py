"""`Letters`: the dead letters of a queue or site as they are listed: pages, marks, and what an action is about."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from snqd.telemetry.words import plural
from snqmon.actions import PAGE
from snqmon.model import formats
from snqmon.model.cells import Cell
from snqmon.model.columns import Column, Table
from snqmon.model.dead import DEAD, DeadRow, read_letters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snqmon.actions import Offer, Request


class Letters:
    """Pure: whoever has the control socket asks for `request`, and hands the answer to `take`."""

    def __init__(self, offer: Offer) -> None:
        """`offer`: the one that lists them."""
        self.offer = offer
        self.rows: list[DeadRow] = []
        self.marked: set[int] = set()
        self.is_everything = False
        """All are meant, also those that are not listed yet."""
        self.count: int | None = None
        """How many there are; None = not known yet."""
        self.is_estimate = False

    @property
    def what(self) -> str:
        """`queue mail`, `site a.example`."""
        request = self.offer.request
        named = [f"{kind} {request[kind]}" for kind in ("queue", "site") if request.get(kind) is not None]
        return ", ".join(named) or "all queues"

    @property
    def request(self) -> Request:
        """Asks for the next page."""
        return self.offer.request | {"limit": PAGE, "after": self.rows[-1].id if self.rows else None}

    @property
    def has_more(self) -> bool:
        return self.count is None or len(self.rows) < self.count

    def take(self, answer: Mapping[str, Any], now: float) -> None:
        """Add a page. Raises `SnqdError` when it is none. `now`: epoch seconds."""
        found = read_letters(answer, daemon=self.offer.daemon, now=now)
        known = {row.id for row in self.rows}
        fresh = [row for row in found if row.id not in known]
        self.rows += fresh
        count = answer.get("count")
        self.is_estimate = bool(answer.get("is_estimate"))
        self.count = count if isinstance(count, int) and fresh else len(self.rows)

    def begin_anew(self) -> None:
        """Some of them are gone."""
        self.rows, self.count = [], None
        self.marked, self.is_everything = set(), False

    def toggle(self, row: DeadRow) -> None:
        self.is_everything = False
        self.marked ^= {row.id}

    def toggle_all(self) -> None:
        """None, then all that are listed, then all that there are, then none again."""
        listed = {row.id for row in self.rows}
        if self.is_everything:
            self.marked, self.is_everything = set(), False
        elif self.marked >= listed and self.has_more:
            self.is_everything = True
        elif self.marked >= listed:
            self.marked = set()
        else:
            self.marked = listed

    @property
    def words(self) -> str:
        """How many there are, how many of them are listed and marked."""
        if self.count is None:
            return ""
        total = ("about " if self.is_estimate else "") + plural(self.count, "dead letter")
        listed = f", {formats.count(len(self.rows))} of them listed" if self.has_more else ""
        if self.is_everything:
            return f"{total} of {self.what}, all of them marked, with those that are not listed"
        marks = f", {formats.count(len(self.marked))} marked" if self.marked else ""
        return f"{total} of {self.what}{listed}{marks}"

    def chosen(self, offer: Offer) -> Offer:
        """The offer for one letter, made one for those that are marked."""
        if self.is_everything:
            total = f"all {formats.count(self.count, is_estimate=self.is_estimate)} dead letters of {self.what}"
            return self._for_many(offer, total, None)
        if not self.marked:
            return offer
        return self._for_many(offer, plural(len(self.marked), "dead letter"), sorted(self.marked))

    def _for_many(self, offer: Offer, words: str, ids: list[int] | None) -> Offer:
        verb = offer.title.split()[0]
        outcome = offer.question.rpartition(": ")[2].replace("it is", "each is")
        named = self.offer.request
        return replace(
            offer,
            title=f"{verb} {words}",
            question=f"{verb} {words} of {offer.daemon}: {outcome}",
            request=offer.request | {"ids": ids, "queue": named.get("queue"), "site": named.get("site")},
        )

    def table(self, *, is_ascii: bool) -> Table[DeadRow]:
        """That of dead letters, with a column for the marks."""
        sign = "*" if is_ascii else "●"

        def is_marked(row: DeadRow) -> bool:
            return self.is_everything or row.id in self.marked

        mark: Column[DeadRow] = Column(
            "is_marked", "", 1, "Marked: retry and discard act on these.", is_marked,
            lambda row: Cell(sign if is_marked(row) else ""), is_right=False, keep=99,
        )  # fmt: skip
        return replace(DEAD, columns=(mark, *DEAD.columns))
