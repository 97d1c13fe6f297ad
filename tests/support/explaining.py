"""What else is said when a test fails: the log of a daemon, what a server wrote.

def test_it(on_failure: OnFailure) -> None:
    on_failure("log of the server", server.log)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

OnFailure = Callable[[str, Callable[[], str]], None]
"""Takes a title, and what gives the text when the test has failed. Of a long text, the end is shown."""

_LONGEST = 8000
_SAID = pytest.StashKey[list[tuple[str, Callable[[], str]]]]()


@pytest.fixture
def on_failure(request: pytest.FixtureRequest) -> OnFailure:
    said = request.node.stash.setdefault(_SAID, [])
    return lambda title, text: said.append((title, text))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Before the fixtures end: what wrote still runs."""
    report = yield
    if report.failed and report.when != "teardown":
        report.sections += [(title, text()[-_LONGEST:]) for title, text in item.stash.get(_SAID, [])]
    return report
