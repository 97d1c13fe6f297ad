"""The registry: how handlers are found, overridden and refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from snqd.config.schema import HandlersConfig, QueueConfig
from snqd.errors import ConfigError, HandlerError
from snqd.registry import load_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from snqd.registry import QueueRegistry

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a handlers module and gives its name."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def write_module(text: str, name: str = "app_handlers") -> str:
        (tmp_path / f"{name}.py").write_text(text)
        return name

    yield write_module
    for name in set(sys.modules) - before:
        del sys.modules[name]


def load(*modules: str, **queues: QueueConfig) -> QueueRegistry:
    return load_registry(HandlersConfig(modules=modules, entry_points=False), queues)


def test_functions_and_classes_are_found_where_they_are_defined(write: Write) -> None:
    write("from snqd import handler\n@handler('other')\ndef other(p, c): ...\n", "elsewhere")
    name = write(
        "from snqd import Handler, handler\n"
        "from elsewhere import other\n"
        "@handler('mail', max_attempts=3)\ndef mail(p, c): ...\n"
        "class News(Handler):\n  queue = 'news'\n  async def handle(self, payload, context): ...\n"
    )

    registry = load(name)

    assert registry.queues() == ("mail", "news")
    mail, news = registry.get("mail"), registry.get("news")
    assert mail is not None
    assert news is not None
    assert (mail.options.max_attempts, mail.is_async, mail.origin) == (3, False, "app_handlers.mail")
    assert news.is_async


def test_the_configuration_overrides_what_a_handler_declares_and_nothing_else(write: Write) -> None:
    name = write("from snqd import handler\n@handler('mail', max_attempts=3, concurrency=2)\ndef mail(p, c): ...\n")

    found = load(name, mail=QueueConfig(max_attempts=7, time_limit_seconds=0.0, retry_factor=3.0)).get("mail")

    assert found is not None
    assert (found.options.max_attempts, found.options.concurrency) == (7, 2)
    assert found.options.time_limit_seconds == 0.0
    assert found.options.backoff.factor == 3.0


def test_groups_part_the_queues(write: Write) -> None:
    name = write(
        "from snqd import handler\n@handler('a')\ndef a(p, c): ...\n@handler('b', group='xmpp')\ndef b(p, c): ...\n"
    )

    registry = load(name)

    assert list(registry.in_group("main")) == ["a"]
    assert list(registry.in_group("xmpp")) == ["b"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no handler and no service: decorate a function"),
        ("import no_such_module_here", "does not import: ModuleNotFoundError"),
        ("raise RuntimeError('no database')", "does not import: RuntimeError: no database"),
        ("def broken(:", "does not import: SyntaxError"),
        ("from snqd import Handler\nclass A(Handler):\n  def handle(self, p, c): ...", "set `queue`"),
        (
            "from snqd import handler\n@handler('m')\ndef a(p, c): ...\n@handler('m')\ndef b(p, c): ...",
            "queue 'm' has two handlers, app_handlers.a and app_handlers.b",
        ),
        ("from snqd import handler\n@handler('m', transactional=True)\nasync def a(p, c): ...", "is transactional"),
        ("from snqd import handler\n@handler('m', max_attempts=0)\ndef a(p, c): ...", "max_attempts is 0"),
        ("from snqd import handler\n@handler('m', concurrency=65)\ndef a(p, c): ...", "concurrency is 65"),
        ("from snqd import handler\n@handler('m')\nclass A: ...", "derive from snqd.Handler"),
    ],
)
def test_a_module_that_cannot_work_is_refused_in_one_line(write: Write, text: str, words: str) -> None:
    name = write(text)

    with pytest.raises(HandlerError) as refused:
        load(name)

    assert words in str(refused.value)
    assert name in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_module_that_is_not_there_says_where_to_look() -> None:
    with pytest.raises(HandlerError, match=r"'nowhere_handlers' \(handlers.modules\).*PYTHONPATH"):
        load("nowhere_handlers")


def test_a_section_for_a_queue_without_a_handler_is_an_error_that_names_the_others(write: Write) -> None:
    name = write("from snqd import handler\n@handler('mail')\ndef mail(p, c): ...\n")

    with pytest.raises(ConfigError, match=r"\[queue.mial\].*registered: mail"):
        load(name, mial=QueueConfig(max_attempts=1))
