"""The load: orders at a steady rate, a mailing from time to time, and faults at known moments."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from snqd.client import Client
from snqd.demo.shops import XMPP_READER, XMPP_SITE
from snqd.errors import SnqdError
from snqd.items import new_item
from snqd.xmpp.stanzas import CODEC, QUEUE_OUT, message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from snqd.items import NewItem

TICKS_PER_SECOND = 10
MAILING = 300
BATCH = 30
_BAKERY, _MUSEUM = "bakery.example", "museum.example"


def items_of(tick: int, *, has_xmpp: bool = False) -> Iterator[NewItem]:
    """What the shops enqueue in one tick (a tenth of a second)."""
    yield from _orders(tick)
    yield from _calls(tick)
    yield from _pictures(tick)
    if has_xmpp:
        yield from _stanzas(tick)
    if tick % 250 == 80:
        subject = "New exhibition"
        for reader in range(MAILING):  # after everything else: smaller goes first, and 0 is normal
            yield new_item("mail", {"to": reader, "subject": subject}, site=_MUSEUM, priority=10)


def _orders(tick: int) -> Iterator[NewItem]:
    for number in range(2):
        yield new_item("order", {"customer": tick * 2 + number, "articles": ["bread"]}, site=_BAKERY)
    if tick % 2:
        yield new_item("order", {"customer": tick, "articles": ["ticket"]}, site=_MUSEUM)
    if tick % 50 == 20:
        yield new_item("order", {"customer": tick, "articles": []}, site=_MUSEUM)


def _calls(tick: int) -> Iterator[NewItem]:
    yield new_item("webhook", {"partner": "well"}, site=_BAKERY if tick % 3 else _MUSEUM)
    if tick % 15 == 0:
        yield new_item("webhook", {"partner": "busy"}, site=_BAKERY)
    if tick % 100 == 5:
        yield new_item("webhook", {"partner": "gone"}, site=_MUSEUM)


def _pictures(tick: int) -> Iterator[NewItem]:
    picture = "good"
    if tick % 200 == 40:
        picture = "broken"  # one worker dies, the item is given back and done by the next
    elif tick % 1200 == 900:
        picture = "poison"  # three workers die, then it is a dead letter
    yield new_item("thumbnail", {"picture": picture}, site=_MUSEUM if tick % 4 else _BAKERY)


def _stanzas(tick: int) -> Iterator[NewItem]:
    for number in range(BATCH if tick % 100 == 30 else tick % 3 == 0):
        text = f"Loaf {tick}.{number} is out of the oven"
        yield new_item(QUEUE_OUT, message(XMPP_READER, text), codec=CODEC, site=XMPP_SITE)


class Load(threading.Thread):
    """Enqueues until `stop`. `on_problem` is called, in this thread, with one line when the store refuses."""

    def __init__(self, url: str, on_problem: Callable[[str], None], *, has_xmpp: bool = False) -> None:
        super().__init__(name="load", daemon=True)
        self._url = url
        self._on_problem = on_problem
        self._has_xmpp = has_xmpp
        self._is_stopping = threading.Event()

    def run(self) -> None:
        began = time.monotonic()
        tick = 0
        with Client(self._url) as client:
            while not self._is_stopping.wait(max(0.0, began + tick / TICKS_PER_SECOND - time.monotonic())):
                try:
                    client.enqueue_many(list(items_of(tick, has_xmpp=self._has_xmpp)))
                except SnqdError as error:
                    self._on_problem(str(error))
                    self._is_stopping.wait(1.0)
                tick += 1

    def stop(self) -> None:
        self._is_stopping.set()
        self.join()
