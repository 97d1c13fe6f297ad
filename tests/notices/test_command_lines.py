"""The small commands of the examples: tables, feeds to follow, and every mistake in one line."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from feeds.__main__ import main as feeds_main
from notices.__main__ import main as notices_main
from tests.support.command import PROJECT
from tests.support.documents import blocks
from tests.support.notices import EXAMPLES, SITE, Desk

if TYPE_CHECKING:
    from tests.support.postgres import Database


def test_tables_are_made_once(store_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    for main, name in ((notices_main, "0001_notices"), (feeds_main, "0001_feeds")):
        assert main(["upgrade", store_url]) == 0
        assert capsys.readouterr().out == f"{name}\n"
        assert main(["upgrade", store_url]) == 0
        assert "up to date" in capsys.readouterr().out


def test_a_feed_is_followed_once_and_listed(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["follow", desk.url, SITE, "ada_elsewhere", "https://elsewhere.example/feed"]
    assert feeds_main(words) == feeds_main(words) == 0
    assert feeds_main(["list", desk.url]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "feed 1",
        "feed 1",
        f"1\t{SITE}\thttps://elsewhere.example/feed\t0\t",
    ]


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        ([], 2, "usage: "),
        (["upgrade"], 2, "usage: "),
        (["upgrade", "sqlite:///nowhere.db"], 1, "there is no file"),
        (["upgrade", "postgresql://u:hidden@127.0.0.1:1/x"], 3, "cannot connect to PostgreSQL at 127.0.0.1:1"),
        (["upgrade", "nonsense"], 3, "is not a PostgreSQL address"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    words: list[str], code: int, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for main in (notices_main, feeds_main):
        assert main(words) == code
        said = capsys.readouterr().err
        assert expected in said
        assert "hidden" not in said
        assert said.startswith("usage: ") or said.count("\n") == 1


def test_who_forgot_the_tables_is_told_how_to_make_them(store_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert feeds_main(["follow", store_url, SITE, "ada", "https://elsewhere.example/feed"]) == 1
    assert "have the tables been made" in capsys.readouterr().err
    assert feeds_main(["follow", store_url, SITE, "ada", "/etc/passwd"]) == 1
    assert "is no address of a feed" in capsys.readouterr().err


@pytest.mark.pg
def test_the_program_of_the_page_works(pg_database: Database) -> None:
    desk = Desk(pg_database.url)
    (program,) = [block.text for block in blocks("") if "posting.post" in block.text]

    subprocess.run(
        [sys.executable, "-c", program.replace("postgresql:///app", pg_database.url)],
        env={"PYTHONPATH": f"{EXAMPLES}:{PROJECT}"},
        check=True,
        timeout=60,
    )

    assert desk.queued("distrib") == [1]
    assert len(desk.queued("xmppconfirm")) == 1
    desk.close()
