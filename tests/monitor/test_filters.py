"""What filters let through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqmon.model.filters import read_filter
from snqmon.model.tables import QUEUES, WORKERS
from tests.support.views import busy, depth, queue, worker
from tests.support.worlds import world_of

WORLD = world_of(
    queue("mail"), queue("push", paused="by ann: repair"), queue("Mailing", workers=0),
    depth("mail", ready=5, lag_seconds=42.0), depth("push", ready=1, lag_seconds=3.0), depth("Mailing", ready=900),
    busy(1, queue="mail"), worker(2, rss_bytes=300 << 20), worker(3, state="fatal", pid=0),
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "Mailing mail push"),
        ("mail", "Mailing mail"),
        ("MAIL !mailing", "mail"),
        ("!mail", "push"),
        ("mail worker", "Mailing"),
        ("state:paused", "push"),
        ("state:worker lag>10", "Mailing"),
        ("lag>10", "Mailing mail"),
        ("lag>1m", "Mailing"),
        ("!lag>10", "push"),
        ("depth>=5", "Mailing mail"),
        ("ready<5", "push"),
        ("depth=900", "Mailing"),
        ("nothing:here", ""),
        ("lag>deep", ""),
        ("!", "Mailing mail push"),
    ],
)
def test_a_filter_of_queues(text: str, names: str) -> None:
    kept = read_filter(text, QUEUES.columns).kept(WORLD.queues())

    assert " ".join(row.queue for row in kept) == names


@pytest.mark.parametrize(
    ("text", "names"),
    [("handling", "main.1"), ("!state:idle", "main.1 main.3"), ("memory>200M", "main.2"), ("fatal", "main.3")],
)
def test_a_filter_of_workers(text: str, names: str) -> None:
    kept = read_filter(text, WORKERS.columns).kept(WORLD.workers())

    assert " ".join(row.worker for row in kept) == names


@given(st.text(max_size=30))
def test_whatever_is_typed_is_a_filter_and_its_inverse_lets_the_others_through(text: str) -> None:
    rows = WORLD.queues()
    kept = read_filter(text, QUEUES.columns).kept(rows)
    words = text.split()
    if len(words) == 1 and words[0].strip("!") and not words[0].startswith("!"):
        others = read_filter(f"!{words[0]}", QUEUES.columns).kept(rows)
        assert sorted(row.key for row in kept + others) == sorted(row.key for row in rows)
    assert all(row in rows for row in kept)
