"""What is shown of a configuration: origins and changes, and never a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from snqd.config import reference
from snqd.config.load import Loader
from snqd.config.schema import Config, DaemonConfig, QueueConfig, StoreConfig
from snqd.config.secrets import redact_settings, redact_url
from snqd.config.show import diff, shown

PROJECT = Path(__file__).resolve().parents[2]


def test_the_reference_in_docs_is_current() -> None:
    text = (PROJECT / "docs" / "configuration.md").read_text()

    assert text == reference.reference(), "write it again: python -m snqd.config.reference > docs/configuration.md"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:pw@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:p@w@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:p/w@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u@h/d?password=pw&x=1", "postgresql://u@h/d?password=***&x=1"),
        ("postgresql://u@h/d?sslpassword=pw", "postgresql://u@h/d?sslpassword=***"),
        ("host=h password=pw user=u", "host=h password=*** user=u"),
        ("host=h password='p w' user=u", "host=h password=*** user=u"),
        ("postgresql://u@h:5432/d", "postgresql://u@h:5432/d"),
        ("sqlite:////var/q.db", "sqlite:////var/q.db"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, expected: str) -> None:
    assert redact_url(url) == expected


def test_settings_that_sound_secret_are_hidden_at_any_depth() -> None:
    settings = {
        "smtp": {"password": "x", "host": "h", "tokens": [1]},
        "api_key": "x",
        "keyboard": "qwerty",
        "hooks": [{"secret": "x", "url": "http://u:x@h/"}],
    }

    assert redact_settings(settings) == {
        "smtp": {"password": "***", "host": "h", "tokens": "***"},
        "api_key": "***",
        "keyboard": "qwerty",
        "hooks": [{"secret": "***", "url": "http://u:***@h/"}],
    }


def test_every_setting_is_shown_with_its_origin(tmp_path: Path) -> None:
    (tmp_path / "snqd.toml").write_text('[queue.mail]\ngroup = "x"\n[settings]\npassword = "p"\n[site.a]\nb = 1\n')
    environ = {"SNQD_STORE_URL": "postgresql://u:pw@h/d"}

    found = {entry.key: entry for entry in shown(Loader(environ=environ, cwd=tmp_path).load())}

    assert found["store.url"][1:] == ("postgresql://u:***@h/d", "environment SNQD_STORE_URL")
    assert found["queue.mail.group"][1:] == ("x", f"{tmp_path}/snqd.toml:2")
    assert found["settings.password"][1:] == ("***", f"{tmp_path}/snqd.toml")
    assert found["daemon.name"][1:] == ("main", "default")
    assert "queue.mail.concurrency" not in found


def test_a_difference_is_told_key_by_key_and_a_secret_only_as_changed() -> None:
    old = Config(
        daemon=DaemonConfig(threads=1),
        store=StoreConfig(url="postgresql://u:a@h/d"),
        queue={"q": QueueConfig(group="g")},
    )
    new = Config(daemon=DaemonConfig(threads=2), store=StoreConfig(url="postgresql://u:b@h/d"), settings={"x": True})

    assert diff(old, new) == (
        "daemon.threads: 1 -> 2",
        "store.url: changed",
        "settings.x: (unset) -> true",
        "queue.q.group: g -> (unset)",
    )
    assert diff(old, old) == ()


def test_a_schedule_is_shown_without_what_sounds_secret_in_its_payload(tmp_path: Path) -> None:
    (tmp_path / "snqd.toml").write_text(
        '[schedule.a]\nqueue = "q"\ncron = "@daily"\npayload = { token = "x", n = 1 }\n[schedule.b]\nqueue = "q"\n'
        'cron = "@daily"\n'
    )

    found = {entry.key: entry.value for entry in shown(Loader(environ={}, cwd=tmp_path).load())}

    assert found["schedule.a.payload"] == {"token": "***", "n": 1}
    assert found["schedule.b.payload"] == {}
    assert str(found["schedule.b.payload"]) == "{}"
