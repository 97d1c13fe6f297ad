"""Stores for tests: a recipe says how any process opens a `Store` on the same data."""

from __future__ import annotations

import importlib
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from snqd.config.schema import StoreConfig
from snqd.items import Item, NewItem, QueueName, SiteName
from snqd.stores.memory import MemoryStore
from snqd.stores.outcomes import Lane
from snqd.stores.records import ItemFilter
from snqd.stores.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from snqd.stores.base import Store
    from snqd.stores.records import ItemRecord

LEASE_SECONDS = 60.0
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Recipe:
    """`factory` is `module:function` of one that takes (location, lease_seconds) and gives a store, not connected."""

    factory: str
    location: str

    def make(self, lease_seconds: float = LEASE_SECONDS) -> Store:
        module, _, name = self.factory.partition(":")
        store: Store = getattr(importlib.import_module(module), name)(self.location, lease_seconds)
        return store


class OpenStore(Protocol):
    """Opens one more connected store on the test's data; closed at the end of the test."""

    def __call__(self, claimant: str = ..., *, lease_seconds: float = ...) -> Store: ...


@pytest.fixture
def open_store(recipe: Recipe) -> Iterator[OpenStore]:
    """Needs a fixture `recipe`, which the test class of each engine defines."""
    opened: list[Store] = []

    def open_one(claimant: str = "", *, lease_seconds: float = LEASE_SECONDS) -> Store:
        store = recipe.make(lease_seconds)
        store.connect()
        store.claimant = claimant or f"host/main.{next(_numbers)}/1.1/test"
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: OpenStore) -> Store:
    """The test's own store."""
    return open_store()


@pytest.fixture
def sqlite_recipe(tmp_path: Path) -> Recipe:
    return Recipe("tests.support.stores:make_sqlite", str(tmp_path / "queue.db"))


def make_sqlite(location: str, lease_seconds: float) -> Store:
    return SqliteStore(StoreConfig(url=f"sqlite:///{location}", lease_seconds=lease_seconds))


def make_memory(location: str, lease_seconds: float) -> Store:
    return MemoryStore(StoreConfig(url=f"memory://{location}", lease_seconds=lease_seconds))


def new(queue: str = "mail", frame: bytes = b"{}", **more: Any) -> NewItem:
    """An item to be enqueued."""
    if "site" in more:
        more["site"] = SiteName(more["site"])
    return NewItem(QueueName(queue), frame, **more)


def lane(*queues: str, limit: int = 100) -> Lane:
    return Lane(tuple(QueueName(queue) for queue in queues or ("mail",)), limit)


def claim(store: Store, *queues: str, limit: int = 100) -> list[Item]:
    """Claim from one lane, reporting nothing."""
    return store.exchange([], [lane(*queues, limit=limit)]).claimed


def claim_one(store: Store, *queues: str) -> Item:
    """Claim exactly one item."""
    (item,) = claim(store, *queues, limit=1)
    return item


def frames(items: list[Item]) -> list[bytes]:
    return [item.frame for item in items]


def waiting(store: Store) -> list[ItemRecord]:
    """Everything in the store but the dead letters."""
    return list(store.find(ItemFilter()))
