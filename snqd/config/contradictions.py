"""Values that are right alone and wrong together, each told in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.config.addresses import AUTO, NONE, is_loopback, parse_address
from snqd.config.schema import Config
from snqd.config.settings import SCHEDULE, SNMP_TARGET, SNMP_USER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from snqd.config.sources import Given, Origin


def contradictions(
    given: Mapping[str, Given], refused: AbstractSet[str], tables: Mapping[str, Origin]
) -> Iterator[str]:
    """What is wrong with the values that all sources together gave. `refused`: keys whose value is wrong alone;
    `tables`: schedules, users and targets of SNMP, where they stand in the file.
    """
    yield from _of_leases(given)
    if "daemon.group" in given and "daemon.user" not in given:
        yield f"{_place(given, 'daemon.group')}: daemon.group is set and daemon.user is not: set both"
    yield from _of_retries(given)
    yield from _of_keys(given)
    yield from _of_legacy_listeners(given)
    yield from _of_alarms(given)
    yield from _of_schedules(given, refused, tables)
    yield from _of_snmp(given)
    yield from _of_snmp_users(given, refused, tables)
    yield from _of_snmp_targets(given, refused, tables)


def _of_leases(given: Mapping[str, Given]) -> Iterator[str]:
    lease, poll = "store.lease_seconds", "store.poll_interval_seconds"
    defaults = Config().store
    lease_seconds = given[lease].value if lease in given else defaults.lease_seconds
    poll_seconds = given[poll].value if poll in given else defaults.poll_interval_seconds
    if lease_seconds < poll_seconds:
        yield (
            f"{_place(given, lease, poll)}: {lease} is {lease_seconds:g}, shorter than {poll} ({poll_seconds:g}): "
            "a claim would end between two looks at the store; make the lease longer"
        )


def _of_retries(given: Mapping[str, Given]) -> Iterator[str]:
    for key, entry in given.items():
        table, _dot, name = key.rpartition(".")
        limit = given.get(f"{table}.retry_limit_seconds")
        if name == "retry_first_seconds" and limit is not None and entry.value > limit.value:
            yield f"{entry.origin.place()}: {key} is {entry.value:g}, longer than retry_limit_seconds ({limit.value:g})"


def _of_keys(given: Mapping[str, Given]) -> Iterator[str]:
    key, key_file, listen = "telemetry.key", "telemetry.key_file", "telemetry.listen"
    if key in given and key_file in given:
        yield (
            f"{_place(given, key_file)}: {key_file} is set and {key} too ({_place(given, key)}): "
            "which one counts? Remove one"
        )
    if key not in given and key_file not in given and _is_open(given, listen):
        yield (
            f"{_place(given, listen)}: {listen} is {given[listen].value}, which others can reach, and there is no key: "
            f"set {key_file}, or listen on 127.0.0.1"
        )


def _of_legacy_listeners(given: Mapping[str, Given]) -> Iterator[str]:
    """Whoever reaches such a port can tell any lie, and a key would not help: the old daemons know none."""
    senders = "telemetry.legacy_senders"
    for key in ("telemetry.legacy_listen", "telemetry.legacy_http_listen"):
        if not (senders in given and given[senders].value) and _is_open(given, key):
            yield (
                f"{_place(given, key)}: {key} is {given[key].value}, which others can reach, and nothing authenticates "
                f"a ping: name who is believed in {senders}, or listen on 127.0.0.1"
            )


def _of_alarms(given: Mapping[str, Given]) -> Iterator[str]:
    key, enabled = "alarms.xmpp", "telemetry.enabled"
    for jid in given[key].value if key in given else ():
        name, at, server = jid.partition("@")
        if not (name and at and server) or any(char.isspace() for char in jid):
            yield f"{_place(given, key)}: {key} has {jid!r}, which is no JID: expected name@server"
    if key in given and given[key].value and enabled in given and not given[enabled].value:
        yield f"{_place(given, key)}: {key} is set, and {enabled} is false: nobody would judge alarms"


def _of_schedules(given: Mapping[str, Given], refused: AbstractSet[str], tables: Mapping[str, Origin]) -> Iterator[str]:
    for schedule, origin in tables.items():
        enabled = given.get(f"{schedule}.enabled")
        if not schedule.startswith(f"{SCHEDULE}.") or (enabled is not None and not enabled.value):
            continue
        for name, example in (("queue", '"mail"'), ("cron", '"30 2 * * *"')):
            if (key := f"{schedule}.{name}") not in given and key not in refused:
                yield f"{origin.place()}: {schedule} has no {name}: set {key}, as in {name} = {example}"


def _of_snmp(given: Mapping[str, Given]) -> Iterator[str]:
    community, community_file, listen = "snmp.community", "snmp.community_file", "snmp.listen"
    if community in given and community_file in given:
        yield (
            f"{_place(given, community_file)}: {community_file} is set and {community} too "
            f"({_place(given, community)}): which one counts? Remove one"
        )
    has_networks = "snmp.networks" in given and given["snmp.networks"].value
    if (community in given or community_file in given) and _is_open(given, listen) and not has_networks:
        yield (
            f"{_place(given, listen)}: {listen} is {given[listen].value}, which others can reach, and a community goes "
            "over the network in the clear: name who is answered in snmp.networks, have users of v3 in its place, or "
            "listen on 127.0.0.1"
        )
    enabled = given.get("telemetry.enabled")
    wanted = [
        key
        for key in given
        if key in (community, community_file) or key.startswith((f"{SNMP_USER}.", f"{SNMP_TARGET}."))
    ]
    if wanted and enabled is not None and not enabled.value:
        yield (
            f"{_place(given, wanted[0])}: {wanted[0]} is set and telemetry.enabled is false: the SNMP agent shows what "
            "telemetry gathers; enable it, or remove [snmp]"
        )


def _of_snmp_users(
    given: Mapping[str, Given], refused: AbstractSet[str], tables: Mapping[str, Origin]
) -> Iterator[str]:
    told_to = {entry.value for key, entry in given.items() if _is_of(key, SNMP_TARGET, "user")}
    for user, origin in tables.items():
        if not user.startswith(f"{SNMP_USER}."):
            continue
        place = origin.place()
        cipher, reads = given.get(f"{user}.privacy"), given.get(f"{user}.reads")
        has_privacy = cipher is None or cipher.value != "none"
        if reads is not None and not reads.value and user.removeprefix(f"{SNMP_USER}.") not in told_to:
            yield f"{_place(given, f'{user}.reads')}: {user}.reads is false and no target has this user: remove it"
        for kind in ("auth", "privacy"):
            key = f"{user}.{kind}_passphrase"
            is_given = [name for name in (key, f"{key}_file") if name in given]
            if not refused.isdisjoint((key, f"{key}_file")):
                continue
            if len(is_given) == 2:
                yield f"{_place(given, key)}: {key} is set and {key}_file too: which one counts? Remove one"
            elif not is_given and kind == "auth":
                yield f"{place}: {user} has no pass phrase: set {key}_file"
                break  # the other one is as likely missing
            elif not is_given and has_privacy:
                yield f'{place}: {user} has no pass phrase for privacy: set {key}_file, or {user}.privacy to "none"'
            elif is_given and kind == "privacy" and not has_privacy:
                yield f"{_place(given, *is_given)}: {is_given[0]} is set and {user}.privacy is none: remove one"


def _of_snmp_targets(
    given: Mapping[str, Given], refused: AbstractSet[str], tables: Mapping[str, Origin]
) -> Iterator[str]:
    for target, origin in tables.items():
        if not target.startswith(f"{SNMP_TARGET}."):
            continue
        place = origin.place()
        address, user = f"{target}.address", f"{target}.user"
        if address not in given and address not in refused:
            yield f"{place}: {target} has no address: set {address}, as in '192.0.2.7:162'"
        ways = (f"{target}.community", f"{target}.community_file", user)
        chosen = [key for key in ways if key in given]
        if len(chosen) > 1:
            yield f"{_place(given, chosen[1])}: {chosen[1]} is set and {chosen[0]} too: which one counts? Remove one"
        elif not chosen and refused.isdisjoint(ways):
            yield (
                f"{place}: {target} has no community and no user: set {target}.community_file for v2c, or {user} for v3"
            )
        if user in given and f"{SNMP_USER}.{given[user].value}" not in tables:
            name = given[user].value
            yield f'{_place(given, user)}: {user} is "{name}" and there is no such user: add [{SNMP_USER}.{name}]'


def _is_of(key: str, prefix: str, name: str) -> bool:
    """Whether it is the key `name` of a named table."""
    return key.startswith(f"{prefix}.") and key.rpartition(".")[2] == name


def _is_open(given: Mapping[str, Given], key: str) -> bool:
    """Whether the address that `key` was given can be reached from other machines."""
    if key not in given or given[key].value in (AUTO, NONE):
        return False
    return not is_loopback(parse_address(given[key].value).host)


def _place(given: Mapping[str, Given], *keys: str) -> str:
    """Where the first of `keys` that was given stands."""
    return next(given[key].origin.place() for key in keys if key in given)
