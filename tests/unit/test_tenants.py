"""How a worker meets sites: made once, by the newest declaration, with the handlers and limits of each."""

from __future__ import annotations

import sys
import tomllib
import types
from typing import TYPE_CHECKING, Any

import pytest

import snqd
from snqd.config.catalogue import Declared, Form
from snqd.config.schema import Config, QueueConfig
from snqd.config.site_image import SiteImage, publish
from snqd.config.site_options import site_options
from snqd.errors import ConfigError
from snqd.handlers.base import bind
from snqd.items import QueueName, SiteName
from snqd.stores.limits import NO_LIMITS, Limit
from snqd.worker.tenants import InMemory, Tenants, image_source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from snqd.handlers.base import BoundHandler

MAIL, FEED = QueueName("mail"), QueueName("feed")
A = SiteName("a")


@snqd.handler("mail", max_attempts=7, group="main")
def mail(payload: Any, context: Any) -> None: ...


@snqd.handler("feed")
async def feed(payload: Any, context: Any) -> None: ...


@snqd.handler("gold", max_attempts=2, time_limit_seconds=9)
def gold(payload: Any, context: Any) -> None: ...


def bound(function: object) -> BoundHandler:
    found = bind(function, f"here.{getattr(function, '__name__', '')}")
    assert found is not None
    return found


HANDLERS = {MAIL: bound(mail), FEED: bound(feed)}


@pytest.fixture(autouse=True)
def _application() -> Iterator[None]:
    module = types.ModuleType("shop_of_test")
    module.__dict__.update(gold=gold, feed=feed, nothing=1)
    sys.modules["shop_of_test"] = module
    yield
    del sys.modules["shop_of_test"]


def toml(text: str) -> Declared:
    return Declared(Form.TOML, "a.toml", text=text)


def tenants(text: str, **config: Any) -> Tenants:
    source = InMemory({"a": toml(text)})
    return Tenants(Config(**config), HANDLERS, lambda: source)


def test_a_site_without_options_has_the_workers_own_handlers() -> None:
    found = tenants("theme = 'red'\n", settings={"theme": "blue", "x": 1}).find(A)

    assert found is not None
    assert found.handlers is HANDLERS
    assert found.site.settings == {"theme": "red", "x": 1}


def test_limits_are_known_of_sites_that_nobody_has_met_and_change_with_them(tmp_path: Path) -> None:
    path = tmp_path / "sites"
    declared = Declared(Form.TOML, "a.toml", claims=site_options({"snqd": {"weight": 3}}).claims)
    publish(path, {"a": declared, "b": toml("")})
    config = Config(queue={"mail": QueueConfig(in_flight_limit=5, site_rate_per_second=0.5)})
    found = Tenants(config, HANDLERS, image_source(path, dict))

    limits = found.limits()
    assert found.limits() is limits
    assert (limits.weight("a"), limits.weight("b")) == (3, 1)
    assert dict(limits.of("mail", "b")) == {("mail", ""): Limit(5), ("mail", "b"): Limit(rate=0.5)}

    publish(path, {"a": toml(""), "b": toml("")})
    assert found.limits().weight("a") == 1
    assert Tenants(Config(), HANDLERS, image_source(path, dict)).limits() is NO_LIMITS


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ("", ""),
        ("queues = ['mail']\n[queue.mail]\nmax_attempts = 3", ""),
        ("weight = 3", "[null, null, 3, {}]"),
        ("in_flight_limit = 0", "[0, null, 1, {}]"),
        ("rate_per_second = 0.5\n[queue.mail]\nin_flight_limit = 2", '[null, 0.5, 1, {"mail": [2, null]}]'),
    ],
)
def test_what_limits_a_sites_claims_is_told_apart(text: str, claims: str) -> None:
    assert site_options({"snqd": tomllib.loads(text)}).claims == claims


def test_a_site_that_nobody_declares_is_none() -> None:
    assert tenants("").find(SiteName("b")) is None


def test_a_site_may_have_some_queues_only() -> None:
    found = tenants("[snqd]\nqueues = ['feed', 'later']\n").find(A)

    assert found is not None
    assert set(found.handlers) == {FEED}
    assert found.refusal("mail") == "site 'a' is set aside for queue 'mail': it is not among its snqd.queues"
    assert "snqd" not in found.site.settings


def test_a_site_may_have_its_own_handler_and_limits() -> None:
    text = "[snqd.queue.mail]\nhandler = 'shop_of_test:gold'\nmax_attempts = 3\nretry_first_seconds = 60\n"
    found = tenants(text).find(A)

    assert found is not None
    assert found.handlers[FEED] is HANDLERS[FEED]
    special = found.handlers[MAIL]
    assert special.call is gold
    assert (special.options.queue, special.options.max_attempts, special.options.time_limit_seconds) == ("mail", 3, 9)
    assert special.options.backoff.first_seconds == 60
    assert HANDLERS[MAIL].options.max_attempts == 7


@pytest.mark.parametrize(
    ("handler", "problem"),
    [
        ("nowhere_at_all:mail", "does not import: ModuleNotFoundError"),
        ("shop_of_test:nothing", "is no handler: decorate it"),
        ("shop_of_test:missing", "is no handler: decorate it"),
        ("shop_of_test:feed", "must be a plain function or method, as here.mail is"),
    ],
)
def test_a_handler_that_cannot_serve_sets_the_site_aside(handler: str, problem: str) -> None:
    found = tenants(f"[snqd.queue.mail]\nhandler = '{handler}'\n").find(A)

    assert found is not None
    assert not found.handlers
    assert found.refusal("mail").startswith("site 'a' is set aside: snqd.queue.mail.handler")
    assert problem in found.problem


def test_a_site_that_was_set_aside_says_why() -> None:
    source = InMemory({"a": toml("")._replace(problem="a.toml:1: it is bad")})
    found = Tenants(Config(), HANDLERS, lambda: source).find(A)

    assert found is not None
    assert found.refusal("feed") == "site 'a' is set aside: a.toml:1: it is bad"


def test_an_inline_site_that_only_a_newer_configuration_has_is_not_known_yet() -> None:
    source = InMemory({"a": Declared(Form.CONFIG, "[site.a]", text="fingerprint")})

    assert Tenants(Config(site={"b": {}}), HANDLERS, lambda: source).find(A) is None


def test_a_change_is_seen_and_what_did_not_change_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "sites"
    publish(path, {"a": toml("x = 1"), "b": toml("x = 1"), "c": toml("x = 1")})
    known = Tenants(Config(), HANDLERS, image_source(path, lambda: {"a": toml("x = 1")}))
    a, b = known.find(A), known.find(SiteName("b"))
    assert a is not None
    assert a.site.keep("client", lambda site: f"client {site.settings['x']}") == "client 1"
    assert a.site.keep("client", lambda site: "another") == "client 1"

    publish(path, {"a": toml("x = 2"), "b": toml("x = 1"), "d": toml("x = 4")})
    known.refresh()

    assert set(known.known) == {"b"}
    assert known.find(SiteName("b")) is b
    assert known.find(SiteName("c")) is None
    again, new = known.find(A), known.find(SiteName("d"))
    assert again is not None
    assert new is not None
    assert (again.site.settings["x"], new.site.settings["x"]) == (2, 4)
    assert again.site.keep("client", lambda site: f"client {site.settings['x']}") == "client 2"


def test_a_site_that_came_a_moment_ago_is_found_without_a_refresh(tmp_path: Path) -> None:
    path = tmp_path / "sites"
    publish(path, {})
    known = Tenants(Config(), HANDLERS, image_source(path, lambda: {"a": toml("x = 1")}))
    publish(path, {"a": toml("")})

    assert known.find(A) is not None


def test_where_an_image_was_cleaned_away_the_declarations_are_read_until_there_is_one(tmp_path: Path) -> None:
    path = tmp_path / "sites"
    known = Tenants(Config(), HANDLERS, image_source(path, lambda: {"a": toml("x = 1")}))
    assert known.find(A) is not None
    assert known.find(SiteName("b")) is None

    publish(path, {"b": toml("")})

    assert known.find(A) is None
    assert known.find(SiteName("b")) is not None


def test_an_image_searches_in_the_order_of_bytes(tmp_path: Path) -> None:
    publish(tmp_path / "sites", {name: toml(name) for name in ("a", "a.", "ä", "z", "é", "Z", "aa", "\U0001f600")})
    image = SiteImage(tmp_path / "sites")

    assert [image.get(name) is not None for name in ("a", "ä", "Z", "\U0001f600", "b", "")] == [True] * 4 + [False] * 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("snqd = 3", "snqd is 3: must be a table: write [snqd]"),
        ("[snqd]\nqueue = 1", "snqd.queue is 1: must be a table: write [snqd.queue]"),
        ("[snqd]\nqueus = []", "unknown key snqd.queus: did you mean snqd.queues?"),
        ("[snqd]\nzzz = []", "unknown key snqd.zzz: keys of [snqd] are queues, queue"),
        ("[snqd]\nweight = 0", "snqd.weight is 0: must be a whole number from 1 to 1000"),
        ("[snqd]\nweight = 1.5", "snqd.weight is 1.5: must be a whole number"),
        ("[snqd]\nin_flight_limit = -1", "snqd.in_flight_limit is -1: must be 0 to 1,000,000"),
        ("[snqd.queue.mail]\nrate_per_second = 'x'", "snqd.queue.mail.rate_per_second is 'x': must be a number"),
        ("[snqd]\nqueues = 'mail'", """snqd.queues is 'mail': must be a list of texts, as in ["mail", "feed"]"""),
        ("[snqd]\nqueues = ['']", "queue name '' is not valid"),
        (
            "[snqd.queue.mail]\nconcurrency = 3",
            "unknown key snqd.queue.mail.concurrency: keys of [snqd.queue.mail] are",
        ),
        ("[snqd.queue.mail]\nmax_attempts = 0", "snqd.queue.mail.max_attempts is 0: must be 1 or more"),
        ("[snqd.queue.mail]\nmax_attempts = 'x'", "snqd.queue.mail.max_attempts is 'x': must be a whole number"),
        ("[snqd.queue.mail]\nhandler = 'shop.mail'", "must be 'MODULE:NAME', as in 'shop.gold:mail'"),
        ("[snqd]\nqueues = ['feed']\n[snqd.queue.mail]", "snqd.queue.mail is there, but snqd.queues lacks 'mail'"),
    ],
)
def test_options_that_are_wrong_are_refused_in_words(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        site_options(tomllib.loads(text))

    assert problem in str(caught.value)
