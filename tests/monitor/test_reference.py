"""docs/monitor.md: what it shows of settings is accepted, and it has every key and every column."""

from __future__ import annotations

import tomllib

from snqmon.keys import KEYS, keymap
from snqmon.model.dead import DEAD
from snqmon.model.tables import TABLES
from snqmon.model.thresholds import read_thresholds
from snqmon.reference import page
from tests.support.documents import blocks


def test_the_settings_of_the_page_are_accepted() -> None:
    seen: set[str] = set()
    for block in blocks("toml monitor"):
        settings = tomllib.loads(block.text)
        if "keys" in settings:
            assert keymap(settings["keys"])["why"].keys == ("f2",)
        if "thresholds" in settings:
            assert read_thresholds(settings["thresholds"]).queue["newsletter"].lag_seconds is not None
        seen |= settings.keys()

    assert seen >= {"keys", "thresholds"}


def test_the_page_has_every_key_and_every_column() -> None:
    text = page()

    for key in KEYS:
        assert f"`{key.id}` | {key.help}" in text
    for table in (*TABLES.values(), DEAD):
        assert f"### {table.title}" in text
        for column in table.columns:
            assert f"`{column.key}` | {column.definition}" in text
