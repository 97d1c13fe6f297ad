"""`--web` and what follows it: where the page is served, or a hub."""

from __future__ import annotations

import pytest

from snqmon.web_address import is_of_this_host, told_apart, without_web


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--web", ["--web="]),
        ("--web db7:9000", ["--web=", "db7:9000"]),
        ("--web db7", ["--web=", "db7"]),
        ("--web db7:5480 db8:5480", ["--web=", "db7:5480", "db8:5480"]),
        ("--web 127.0.0.1:9000 db7:5480", ["--web=127.0.0.1:9000", "db7:5480"]),
        ("--web 127.0.0.1:5480", ["--web=", "127.0.0.1:5480"]),
        ("--web localhost", ["--web=localhost"]),
        ("--web=db7:5480", ["--web=db7:5480"]),
        ("--web --demo", ["--web=", "--demo"]),
        ("--web nonsense:port", ["--web=nonsense:port"]),
        ("db7:5480 --web", ["db7:5480", "--web="]),
        ("-- --web", ["--", "--web"]),
    ],
)
def test_an_address_is_the_pages_when_it_is_of_this_host_and_no_usual_one_of_hubs(words: str, told: list[str]) -> None:
    assert told_apart(words.split(), lambda host: host in ("127.0.0.1", "localhost")) == told
    assert all(not word.startswith("--web=") for word in without_web(told))


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_where_something_can_listen_is_here(host: str) -> None:
    assert is_of_this_host(host)


@pytest.mark.parametrize("host", ["192.0.2.7", "2001:db8::7", "no-such-host.invalid"])
def test_where_nothing_can_listen_is_elsewhere(host: str) -> None:
    assert not is_of_this_host(host)
