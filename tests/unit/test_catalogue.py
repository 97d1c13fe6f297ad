"""The catalogue: what differs between two of them, and the image that workers read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd.config.catalogue import Changes, Declared, Form, change_lines, changes
from snqd.config.site_image import SiteImage, publish, read_image
from snqd.errors import SnqdError
from snqd.hub.site_update import START, update_sites
from snqd.telemetry.emitter import ListSink
from snqd.telemetry.events import SiteSetAside, SitesUpdated

if TYPE_CHECKING:
    from pathlib import Path


def site(text: str = "", problem: str = "", stamp: str = "") -> Declared:
    return Declared(Form.TOML, "a file", stamp, text, problem)


def test_what_differs_is_told_by_kind() -> None:
    before = {
        "same": site("x"), "touched": site("x", stamp="1"), "other": site("x"), "gone": site(),
        "bad": site(problem="p"), "worse": site(problem="p"), "still": site(problem="p"), "breaks": site("x"),
    }  # fmt: skip
    after = {
        "same": site("x"), "touched": site("x", stamp="2"), "other": site("y"), "new": site(),
        "bad": site("x"), "worse": site(problem="q"), "still": site(problem="p"), "breaks": site("y", "r"),
        "stillborn": site(problem="s"),
    }  # fmt: skip

    found = changes(before, after)

    assert found == Changes(
        added=("new",),
        changed=("other",),
        removed=("gone",),
        mended=("bad",),
        set_aside={"breaks": "r", "stillborn": "s", "worse": "q"},
    )
    assert found.welcome == ("bad", "new", "other")
    assert not changes(before, before)
    assert change_lines(found) == [
        "site new: add", "site other: change", "site gone: remove", "site bad: serve again",
        "site breaks: set aside: r", "site stillborn: set aside: s", "site worse: set aside: q",
    ]  # fmt: skip


def test_of_many_changes_the_first_are_named_and_the_rest_counted() -> None:
    found = changes({}, {f"s{number:04}": site() for number in range(1500)})

    assert change_lines(found, most=2) == ["site s0000: add", "site s0001: add", "1,498 more sites: add"]


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=63)


@given(st.dictionaries(names, st.builds(site, st.text(st.characters(codec="utf-8")), st.sampled_from(["", "bad"]))))
def test_every_site_is_found_in_the_image_and_no_other(
    tmp_path_factory: pytest.TempPathFactory, catalogue: dict[str, Declared]
) -> None:
    path = tmp_path_factory.mktemp("image") / "sites"
    publish(path, catalogue)

    image = SiteImage(path)

    assert dict(image.items()) == catalogue == read_image(path)
    assert all(image.get(name) == found for name, found in catalogue.items())
    assert image.get("nobody's " * 8) is None
    assert image.problems() == {name: found.problem for name, found in catalogue.items() if found.problem}
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_image_that_was_replaced_says_so_and_stays_readable(tmp_path: Path) -> None:
    path = tmp_path / "sites"
    publish(path, {"a": site("old")})
    old = SiteImage(path)
    flags = [old.is_superseded]

    publish(path, {"a": site("new")})

    flags.append(old.is_superseded)
    assert flags == [False, True]
    assert old.get("a") == site("old")
    new = SiteImage(path)
    assert (new.is_superseded, new.get("a")) == (False, site("new"))


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "other").write_bytes(b"x" * 100)

    for name in ("empty", "other"):
        with pytest.raises(SnqdError, match="is no image of sites"):
            SiteImage(tmp_path / name)
        assert read_image(tmp_path / name) == {}


def test_an_update_tells_the_counts_first_and_then_what_is_wrong(tmp_path: Path) -> None:
    path, told = tmp_path / "sites", ListSink()
    update_sites(path, lambda before: {"a": site(), "bad": site(problem="p")}, told, daemon="main", author=START)

    found = update_sites(path, lambda before: {**before, "a": site("x"), "c": site(problem="q")}, told,
                         daemon="main", author="ada")  # fmt: skip

    assert (found.changed, dict(found.set_aside)) == (("a",), {"c": "q"})
    assert told.events == [
        SiteSetAside(site="bad", reason="p"),
        SitesUpdated(daemon="main", author="ada", added=0, changed=1, removed=0, mended=0, set_aside=1, sites=("a",)),
        SiteSetAside(site="c", reason="q"),
    ]


def test_an_update_that_fails_changes_nothing(tmp_path: Path) -> None:
    path, told = tmp_path / "sites", ListSink()
    publish(path, {"a": site()})

    def find(_before: object) -> dict[str, Declared]:
        raise SnqdError("the folder is gone")

    with pytest.raises(SnqdError, match="the folder is gone"):
        update_sites(path, find, told, daemon="main", author="ada")
    assert (read_image(path), told.events) == ({"a": site()}, [])
