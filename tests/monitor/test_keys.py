"""The table of keys, and what a user's settings may make of it."""

from __future__ import annotations

import pytest

from snqd.errors import ConfigError
from snqmon.keys import KEYS, Where, keymap


def test_the_keys_that_come_with_it_have_no_conflicts() -> None:
    assert keymap({}).keys == KEYS
    assert len({key.id for key in KEYS}) == len(KEYS)


def test_a_key_is_given_another_name() -> None:
    keys = keymap({"why": "f2", "quit": ["x", "ctrl+c"], "theme": []})

    assert keys["why"].keys == ("f2",)
    assert keys["quit"].shown == "x / Ctrl+C"
    assert "theme" not in [key.id for key in keys.at()]


def test_two_keys_may_be_exchanged() -> None:
    keys = keymap({"sort": "S", "reverse": "s"})

    assert keys["sort"].keys == ("S",)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"wy": "f2"}, "keys: there is no key named 'wy'; did you mean why?"),
        ({"why": "entr"}, "keys.why: 'entr' is no key"),
        ({"why": "q"}, "keys.why: 'q' is the key of quit too"),
        ({"quit": "w"}, "keys.quit: 'w' is the key of why too"),
        ({"pause": "s"}, "keys.pause: 's' is the key of sort too"),
        ({"seek-back": "space"}, "keys.seek-back: 'space' is the key of pause-screen too"),
    ],
)
def test_what_cannot_be_is_refused_in_words(settings: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        keymap(settings)

    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_footer_has_what_works_there_first() -> None:
    keys = keymap({})

    ids = [key.id for key in keys.footer(Where.TABLE)]
    assert ids[0] == "open"
    assert ids[-1] == "quit"
    assert not {"seek-back", "pause", "span"} & set(ids)
    assert "seek-back" in [key.id for key in keys.footer(Where.TABLE, Where.REPLAY)]
