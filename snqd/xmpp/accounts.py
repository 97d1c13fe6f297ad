"""Which connections there are: one for each account, and one for each component's domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from snqd.config.xmpp import of_site
from snqd.xmpp.stanzas import bare, domain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snqd.config.schema import XmppConfig
    from snqd.handlers.context import Site
    from snqd.items import SiteName


class Account(NamedTuple):
    """What one connection needs. `addresses` has the site of each address in lower case."""

    name: str
    """The account's bare JID, or the component's domain."""
    xmpp: XmppConfig
    """Of a domain that several sites share: that of the first one."""
    addresses: Mapping[str, SiteName]

    @property
    def sites(self) -> list[SiteName]:
        return list(self.addresses.values())

    @property
    def only_site(self) -> str:
        return self.sites[0] if len(self.addresses) == 1 else ""

    def site_of(self, to: str) -> SiteName | None:
        """Whose a stanza is that came in for `to`. None: the address is nobody's here."""
        if not self.xmpp.component:
            return self.sites[0]
        return self.addresses.get(bare(to).lower()) or self.addresses.get(self.name)


class Accounts(NamedTuple):
    """Every connection by its name, and sites that cannot have one, each with the reason."""

    accounts: dict[str, Account]
    refused: dict[SiteName, str]


def read_accounts(shared: XmppConfig, sites: Mapping[SiteName, Site]) -> Accounts:
    """Sites that are set aside are not among `sites`, so each of them is right alone."""
    accounts: dict[str, Account] = {}
    refused: dict[SiteName, str] = {}
    for site in sites.values():
        xmpp = of_site(shared, site.settings)
        if not xmpp.enabled or xmpp.jid is None:
            continue
        name = domain(xmpp.jid) if xmpp.component else xmpp.jid.lower()
        known = accounts.get(name)
        addresses = dict(known.addresses) if known is not None else {}
        other = addresses.setdefault(xmpp.jid.lower(), site.name)
        if other != site.name:
            refused[site.name] = f"xmpp.jid {xmpp.jid} is that of site {other!r} too: each site has its own"
            continue
        accounts[name] = Account(name, known.xmpp if known is not None else xmpp, addresses)
    return Accounts(accounts, refused)
