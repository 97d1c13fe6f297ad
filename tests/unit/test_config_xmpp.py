"""`[xmpp]` and what a site says otherwise: understood, or refused in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from snqd.config import startup
from snqd.config.load import ConfigProblems, Loader
from snqd.config.schema import Config, DaemonConfig, XmppConfig
from snqd.config.show import shown
from snqd.config.sites import merged, read_catalogue
from snqd.config.xmpp import is_wanted, of_site, password_of
from snqd.errors import ConfigError
from snqd.items import SiteName
from snqd.worker.tenants import InMemory, Tenants

if TYPE_CHECKING:
    from pathlib import Path

    from snqd.config.load import Loaded

SITE = {"enabled": True, "jid": "update@a.example", "password": "s3cret"}


def load(folder: Path, text: str, **environ: str) -> Loaded:
    (folder / "snqd.toml").write_text(text)
    return Loader(environ=environ, cwd=folder).load()


def test_a_site_overrides_what_all_have(tmp_path: Path) -> None:
    text = """
[xmpp]
host = "xmpp.example"
password_file = "shared"
ping_seconds = 30

[site."a.example".xmpp]
enabled = true
jid = "update@a.example"
password = "s3cret"

[site."b.example"]
colour = "red"
"""
    config = load(tmp_path, text).config
    assert not any(site.problem for site in read_catalogue(config).values())
    first, second = (of_site(config.xmpp, merged(config.settings, own)) for own in config.site.values())
    assert (first.enabled, first.jid, first.host, first.ping_seconds) == (
        True,
        "update@a.example",
        "xmpp.example",
        30.0,
    )
    assert (first.password, first.password_file) == ("s3cret", None), "its own in the place of the shared one"
    assert (second.enabled, second.password_file) == (False, str(tmp_path / "shared"))


def test_one_site_needs_no_declaration_and_is_refused_at_once_if_it_is_wrong(tmp_path: Path) -> None:
    good = load(tmp_path, '[xmpp]\nenabled = true\njid = "update@a.example"\npassword = "s3cret"\n').config
    assert list(startup.startup_problems(good)) == []

    bad = load(tmp_path, "[xmpp]\nenabled = true\n").config
    (problem,) = startup.startup_problems(bad)
    assert problem.startswith("xmpp.enabled is true and xmpp.jid is not set")


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (3, "xmpp is 3, must be a table"),
        ({"enabld": True}, "xmpp.enabld is not known: did you mean enabled?"),
        ({"enabled": "yes"}, "xmpp.enabled is 'yes': must be true or false"),
        ({"port": 70000}, "xmpp.port is 70000: must be 0 to 65,535"),
        ({"jid": "update@a.example/home"}, "xmpp.jid is 'update@a.example/home': must be an address without resource"),
        ({"jid": "two words@a.example"}, "must be an address such as"),
        ({"host": "a.example:5222"}, ""),
        ({"host": "a b"}, "must be the name or address of a host"),
        ({"password": ""}, "xmpp.password is ***: must not be empty"),
        ({"password_file": "here"}, "xmpp.password_file is 'here': must be an absolute path"),
        ({"resource": ""}, "must be printable text"),
        ({"stanza_limit_bytes": 100}, "must be 10000"),
        ({**SITE, "jid": "a.example"}, "an account is name@server; for a component set xmpp.component"),
        ({**SITE, "component": True}, "xmpp.component is true and xmpp.host is not set"),
        ({"enabled": True, "jid": "update@a.example"}, "xmpp has no password: set xmpp.password_file"),
        ({**SITE, "password_file": "/p"}, "which one counts"),
    ],
    ids=str,
)
def test_what_is_wrong_sets_its_site_aside_and_no_other(own: Any, words: str) -> None:
    config = Config(site={"bad.example": {"xmpp": own}, "good.example": {"xmpp": SITE}})
    catalogue = read_catalogue(config)
    tenants = Tenants(config, {}, lambda: InMemory(catalogue))

    assert set(tenants.all()) == ({"good.example"} if words else {"bad.example", "good.example"})
    if words:
        bad = tenants.find(SiteName("bad.example"))
        assert bad is not None
        assert words in bad.problem
        assert "s3cret" not in bad.problem


def test_what_is_wrong_in_the_section_names_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigProblems, match=r'snqd\.toml:2: xmpp\.jid is "no/where": must be an address without'):
        load(tmp_path, '[xmpp]\njid = "no/where"\n')


def test_passwords_are_read_from_files_and_never_shown(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\nmore\n")
    secret.chmod(0o600)
    assert password_of(XmppConfig(password_file=str(secret))) == "s3cret"
    secret.chmod(0o604)
    with pytest.raises(ConfigError, match="everybody can read"):
        password_of(XmppConfig(password_file=str(secret)))

    loaded = load(tmp_path, '[xmpp]\npassword = "s3cret"\n[site.a.xmpp]\npassword = "s3cret"\n')
    assert "s3cret" not in str(list(shown(loaded)))


def test_the_library_is_asked_for_where_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "find_spec", lambda _name: None)
    serves = Config(daemon=DaemonConfig(serve=("main", "xmpp")))

    assert startup.XMPP_MISSING in list(startup.startup_problems(serves))
    assert startup.XMPP_MISSING not in list(startup.startup_problems(Config(xmpp=XmppConfig(enabled=True))))
    assert is_wanted(serves)
    assert is_wanted(Config(xmpp=XmppConfig(enabled=True)))
    assert not is_wanted(Config())
