"""XMPP of a site: `[xmpp]`, overridden by the table `xmpp` of the site's own settings, checked as a whole.

What is wrong with a site's table sets that site aside, as everything that is wrong with its declaration does: where the
table is wrong alone, where it is declared (`sites.py`); where it is wrong together with `[xmpp]`, in the worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from snqd.config.addresses import secret_in_file
from snqd.config.settings import settings_in
from snqd.config.values import check, from_toml, nearest
from snqd.errors import ConfigError

if TYPE_CHECKING:
    from snqd.config.schema import Config, XmppConfig

SECTION = "xmpp"
GROUP = "xmpp"
"""The group whose worker has the connections."""


def is_wanted(config: Config) -> bool:
    """Whether the handler of `xmppout` is to be known: XMPP is enabled for all sites, or served here for some."""
    return config.xmpp.enabled or GROUP in config.daemon.serve


def check_own(settings: Mapping[str, Any]) -> None:
    """Raise `ConfigError` for a site's own table that cannot be right, whatever `[xmpp]` says."""
    _own_values(settings)


def of_site(base: XmppConfig, settings: Mapping[str, Any]) -> XmppConfig:
    """A site's XMPP. Raises `ConfigError`, one line."""
    values = _own_values(settings)
    if "password" in values or "password_file" in values:  # one of its own counts in the place of the shared one
        base = base._replace(password=None, password_file=None)
    found = base._replace(**values)
    if found.enabled:
        _check_whole(found)
    return found


def _own_values(settings: Mapping[str, Any]) -> dict[str, Any]:
    own = settings.get(SECTION, {})
    if not isinstance(own, Mapping):
        raise ConfigError(f"{SECTION} is {own!r}, must be a table: write [site.NAME.{SECTION}]")
    known = settings_in(SECTION)
    values: dict[str, Any] = {}
    for name, value in own.items():
        if name not in known:
            guess = nearest(name, list(known))
            raise ConfigError(f"{SECTION}.{name} is not known" + (f": did you mean {guess}?" if guess else ""))
        try:
            values[name] = from_toml(value, known[name])
            check(values[name], known[name])
            if name.endswith("_file") and not value.startswith("/"):
                raise ValueError("must be an absolute path, here where a site has it")
        except ValueError as error:
            shown = "***" if name == "password" else repr(value)
            raise ConfigError(f"{SECTION}.{name} is {shown}: {error}") from None
    return values


def password_of(site: XmppConfig) -> str:
    """Raises `ConfigError` when it is in a file that cannot be read."""
    if site.password_file is not None:
        return secret_in_file(site.password_file, f"{SECTION}.password_file")
    assert site.password is not None, "it has been checked as a whole"
    return site.password


def _check_whole(site: XmppConfig) -> None:
    if site.jid is None:
        raise ConfigError(f"{SECTION}.enabled is true and {SECTION}.jid is not set: whose address is it?")
    if not site.component and "@" not in site.jid:
        raise ConfigError(
            f"{SECTION}.jid is {site.jid!r}: an account is name@server; for a component set {SECTION}.component"
        )
    if site.component and site.host is None:
        raise ConfigError(f"{SECTION}.component is true and {SECTION}.host is not set: name the server's host")
    if site.password is None and site.password_file is None:
        raise ConfigError(f"{SECTION} has no password: set {SECTION}.password_file")
    if site.password is not None and site.password_file is not None:
        raise ConfigError(f"{SECTION}.password and {SECTION}.password_file are set: which one counts? Remove one")
