"""One value: from TOML or from text to the type of its setting, and the limits that it must keep.

Pure. Errors are `ValueError` with words that end the sentence "KEY is VALUE: …"; the loader adds where.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple, assert_never

from snqd.config.addresses import AUTO, NONE, check_key, check_spoof, parse_address, parse_networks, parse_target
from snqd.config.settings import Kind
from snqd.errors import BadItem
from snqd.names import check_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.config.settings import Setting

TRUTHS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
URL_SCHEMES = ("sqlite", "postgresql", "postgres", "memory", "inline", "stomp", "stomps")
_MEMORY = r"(?i)(\d+(?:\.\d+)?)\s*(%|[kmgt]?)(?:i?b)?"
_COMMUNITY_LIMIT = 64
PASSPHRASE_LEAST = 8
_PASSPHRASE_MOST = 1024
_SHORT_BYTES = 255
NOTIFICATIONS = (
    "cold_start", "warm_start", "worker_exited", "worker_respawned", "slot_fatal", "poison_item", "dead_letter",
    "alarm_raised", "alarm_cleared", "suppression",
)  # fmt: skip
"""Kinds of notifications of SNMP."""
ADDED_TO_PAYLOAD = ("schedule", "due")
"""Keys of the payload of a schedule's item that snqd writes."""
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


class Limits(NamedTuple):
    """Smallest and largest number allowed; `above_zero` excludes 0 itself."""

    low: float = 0
    high: float = math.inf
    above_zero: bool = False

    @property
    def words(self) -> str:
        low = "more than 0" if self.above_zero else f"{self.low:g}"
        if not math.isinf(self.high):
            return f"{low} to {self.high:,.0f}" if not self.above_zero else f"{low}, at most {self.high:,.0f}"
        return low if self.above_zero else f"{low} or more"


_YEAR_SECONDS = 366 * 86400
_SECONDS = Limits(high=_YEAR_SECONDS)
_SOME_SECONDS = Limits(high=_YEAR_SECONDS, above_zero=True)
_COUNT = Limits()
_ONE_OR_MORE = Limits(low=1)
_IN_FLIGHT = Limits(high=1_000_000)
_RATE = Limits(high=1_000_000)

LIMITS: dict[str, Limits] = {
    "daemon.threads": Limits(high=255),  # slots of the worker board, without slot 0
    "daemon.grace_seconds": _SECONDS,
    "daemon.takeover_seconds": Limits(low=3, high=86400),
    "daemon.max_items": _COUNT,
    "daemon.max_age_seconds": _SECONDS,
    "daemon.respawn_delay_seconds": _SECONDS,
    "daemon.respawn_limit": _ONE_OR_MORE,
    "daemon.respawn_window_seconds": _SOME_SECONDS,
    "daemon.crash_limit": _ONE_OR_MORE,
    "daemon.watchdog_seconds": _SOME_SECONDS,
    "store.lease_seconds": _SOME_SECONDS,
    "store.poll_interval_seconds": _SOME_SECONDS,
    "store.batch_limit": Limits(low=1, high=10_000),
    "store.prefetch_seconds": _SECONDS,
    "store.prefetch_items": Limits(low=1, high=65_535),
    "store.frame_limit_bytes": Limits(low=1, high=512 * 1024 * 1024),  # PostgreSQL and SQLite end near 1 GB
    "store.sweep_seconds": _SOME_SECONDS,
    "store.vacuum_dead_rows": Limits(low=0, high=2**31),
    "store.dead_letter_days": Limits(high=36_500),
    "telemetry.frames_per_second": Limits(low=0.1, high=20),
    "telemetry.ganglia_limit": Limits(low=50, high=10_000),
    "telemetry.record_limit_bytes": Limits(low=64 * 1024, high=1024**4),
    "telemetry.probe_seconds": Limits(low=0.1, high=3600),
    "alarms.lag_seconds": _SECONDS,
    "alarms.failure_ratio": Limits(high=1),
    "alarms.respawns_per_minute": _COUNT,
    "alarms.stalled_seconds": _SECONDS,
    "alarms.no_handler_seconds": _SECONDS,
    "alarms.dead_letters_per_minute": _COUNT,
    "alarms.store_seconds": _SECONDS,
    "alarms.memory_seconds": _SECONDS,
    "alarms.canary_seconds": _SECONDS,
    "alarms.connection_seconds": _SECONDS,
    "alarms.schedule_seconds": _SECONDS,
    "alarms.clear_share": Limits(high=1, above_zero=True),
    "alarms.hold_seconds": _SECONDS,
    "alarms.xmpp_per_minute": Limits(high=600, above_zero=True),
    "snmp.requests_per_second": Limits(high=1_000_000),
    "snmp.site_rows": Limits(high=100_000),
    "snmp.queue_site_rows": Limits(high=100_000),
    "snmp.notifications_per_minute": Limits(low=1, high=6000),
    "snmp.target.*.timeout_seconds": Limits(low=0.1, high=60),
    "snmp.target.*.retries": Limits(high=20),
    "xmpp.port": Limits(high=65535),
    "xmpp.priority": Limits(low=-128, high=127),
    "xmpp.ping_seconds": _SOME_SECONDS,
    "xmpp.ping_timeout_seconds": _SOME_SECONDS,
    "xmpp.stanza_limit_bytes": Limits(low=10_000, high=512 * 1024 * 1024),  # RFC 6120, section 13.12: no less
    "queue.*.max_attempts": _ONE_OR_MORE,
    "queue.*.time_limit_seconds": _SECONDS,
    "queue.*.concurrency": Limits(low=1, high=64),  # entries of a slot on the worker board
    "queue.*.retry_first_seconds": _SECONDS,
    "queue.*.retry_factor": _ONE_OR_MORE,
    "queue.*.retry_limit_seconds": _SECONDS,
    "queue.*.lag_alarm_seconds": _SECONDS,
    "queue.*.failure_ratio_alarm": Limits(high=1),
    "queue.*.in_flight_limit": _IN_FLIGHT,
    "queue.*.rate_per_second": _RATE,
    "queue.*.site_in_flight_limit": _IN_FLIGHT,
    "queue.*.site_rate_per_second": _RATE,
    "queue.*.canary_seconds": _SECONDS,
    "schedule.*.priority": Limits(low=-32768, high=32767),
    "schedule.*.missed_after_seconds": _SOME_SECONDS,
    "sites.in_flight_limit": _IN_FLIGHT,
    "sites.rate_per_second": _RATE,
}
"""Limits of every number in the schema."""


class MemoryLimit(NamedTuple):
    """`daemon.memory_soft_limit`, understood: a fraction of the memory there is, or bytes, or neither = no limit."""

    fraction: float | None = None
    size_bytes: int | None = None

    def of(self, total_bytes: int, *, workers: int) -> int | None:
        """Bytes that one of `workers` may have resident, or None for no limit. A fraction is divided among them."""
        if self.fraction is not None:
            return int(total_bytes * self.fraction / max(workers, 1))
        return self.size_bytes


def from_toml(value: object, setting: Setting) -> Any:
    """`value`, as TOML gave it, in the type of `setting`. Raises `ValueError`."""
    match setting.kind, value:
        case Kind.TEXT, str():
            return value
        case Kind.CHOICE, str() if value in setting.choices:
            return value
        case Kind.TRUTH, bool():
            return value
        case ((Kind.WHOLE | Kind.NUMBER), bool()):
            pass  # a bool is an int in Python, not in a configuration
        case Kind.WHOLE, int():
            return value
        case Kind.NUMBER, int() | float() if math.isfinite(value):
            return float(value)
        case Kind.TABLE, dict():
            return value
        case Kind.NAMES, list() if all(isinstance(part, str) for part in value):
            return tuple(value)
    raise ValueError(f"must be {setting.expected}")


def from_text(text: str, setting: Setting) -> Any:
    """`text`, from the environment or a flag, in the type of `setting`. Raises `ValueError`."""
    kind = setting.kind
    match kind:
        case Kind.TEXT | Kind.CHOICE | Kind.TABLE:
            return from_toml(text, setting)
        case Kind.TRUTH:
            if text.lower() in TRUTHS:
                return TRUTHS[text.lower()]
        case Kind.WHOLE | Kind.NUMBER:
            try:
                return from_toml(int(text) if kind is Kind.WHOLE else float(text), setting)
            except ValueError:
                pass  # the message below names the kind
        case Kind.NAMES:
            return tuple(part.strip() for part in text.split(",") if part.strip())
        case _:
            assert_never(kind)
    raise ValueError(f"must be {setting.expected}")


def check(value: Any, setting: Setting) -> None:
    """Raise `ValueError` if `value`, of the right type, is not one that the setting can have."""
    limits = LIMITS.get(setting.key)
    if limits is not None:
        is_low = value <= 0 if limits.above_zero else value < limits.low
        if is_low or value > limits.high:
            raise ValueError(f"must be {limits.words}")
    special = _SPECIAL.get(setting.key)
    if special is not None:
        special(value)


def parse_memory_limit(text: str) -> MemoryLimit:
    """Understand `90%`, `300M`, `1.5G`, plain bytes, or `none`. Raises `ValueError`."""
    if text.strip().lower() == "none":
        return MemoryLimit()
    found = re.fullmatch(_MEMORY, text.strip())
    if found is not None and found[2] == "%" and 0 < float(found[1]) <= 100:
        return MemoryLimit(fraction=float(found[1]) / 100)
    if found is not None and found[2] != "%":
        size_bytes = int(float(found[1]) * 1024 ** _POWERS[found[2].lower()])
        if size_bytes >= 1024**2:  # less is a forgotten unit
            return MemoryLimit(size_bytes=size_bytes)
    raise ValueError("must be a percentage such as '90%', a size of at least 1M such as '300M' or '1G', or 'none'")


def nearest(name: str, known: list[str], *, cutoff: float = 0.6) -> str | None:
    """The member of `known` that `name` was probably meant to be."""
    import difflib  # only mistakes pay for it

    found = difflib.get_close_matches(name, known, n=1, cutoff=cutoff)
    return found[0] if found else None


def _check_daemon_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}", name):
        raise ValueError("must be 1 to 63 letters, digits, '_', '.' or '-': it names files and workers")


def _check_url(url: str) -> None:
    scheme, separator, _rest = url.partition("://")
    if not separator and re.match(r"\s*\w+\s*=", url):
        return  # libpq's key=value form
    if separator and scheme in URL_SCHEMES:
        return
    guess = nearest(scheme, list(URL_SCHEMES), cutoff=0.7) if separator else None
    hint = f" (did you mean {guess}://?)" if guess else ""
    raise ValueError(f"must be the address of a store: 'sqlite:///FILE.db' or 'postgresql://USER@HOST/DATABASE'{hint}")


def _check_modules(modules: tuple[str, ...]) -> None:
    for module in modules:
        if not all(part.isidentifier() for part in module.split(".")):
            raise ValueError(f"must be names of Python modules, as in 'myapp.handlers'; {module!r} is not one")


def _check_groups(groups: tuple[str, ...]) -> None:
    if not groups or not all(groups):
        raise ValueError("must name at least one group")


def _check_path(path: str | None) -> None:
    if path is not None and (not path or "\0" in path):
        raise ValueError("must be a path")


def _check_listen(text: str | None) -> None:
    if text is not None:
        parse_address(text)


def _check_listen_or_auto(text: str) -> None:
    if text in (AUTO, NONE):
        return
    try:
        parse_address(text)
    except ValueError as error:
        raise ValueError(f"{error}; or '{AUTO}' or '{NONE}'") from None


def _check_server(text: str | None) -> None:
    if text is not None:
        parse_address(text, low=1)


def _check_targets(texts: tuple[str, ...]) -> None:
    for text in texts:
        try:
            parse_target(text)
        except ValueError as error:
            raise ValueError(f"{error} ({text!r})") from None


def _check_key(key: str | None) -> None:
    if key is not None:
        check_key(key)


def check_community(community: str | None) -> None:
    """Raise `ValueError` unless it can be a community."""
    if community is not None and not (
        1 <= len(community) <= _COMMUNITY_LIMIT and community.isascii() and community.isprintable()
    ):
        raise ValueError(f"must be 1 to {_COMMUNITY_LIMIT} printable ASCII characters")


def check_passphrase(passphrase: str | None) -> None:
    """Raise `ValueError` if a pass phrase of SNMP v3 is too short (RFC 3414, section 11.2) or too long."""
    if passphrase is None:
        return
    if not PASSPHRASE_LEAST <= len(passphrase.encode(errors="replace")) <= _PASSPHRASE_MOST:
        raise ValueError(f"must have {PASSPHRASE_LEAST} to {_PASSPHRASE_MOST} bytes")
    if not passphrase.isprintable():
        raise ValueError("must not hold what cannot be printed")


def _check_notifications(kinds: tuple[str, ...]) -> None:
    for kind in kinds:
        if kind not in NOTIFICATIONS:
            guess = nearest(kind, list(NOTIFICATIONS))
            hint = f"did you mean {guess}?" if guess else f"there are {', '.join(NOTIFICATIONS)}"
            raise ValueError(f"must be kinds of notifications; {kind!r} is none: {hint}")


def _check_short_text(text: str) -> None:
    if len(text.encode(errors="replace")) > _SHORT_BYTES or not text.isprintable():
        raise ValueError(f"must be printable text of at most {_SHORT_BYTES} bytes")


def _check_single_groups(groups: tuple[str, ...]) -> None:
    if not all(groups):
        raise ValueError("must be names of groups")


def _check_jid(jid: str | None) -> None:
    """An address without resource (RFC 7622), looked at as far as this needs no tables of characters."""
    if jid is None:
        return
    if "/" in jid:
        raise ValueError("must be an address without resource: that is xmpp.resource")
    if not re.fullmatch(r"""(?:[^\s"&'/:<>@]{1,1023}@)?[^\s"&'/:<>@\[\]_]{1,1023}""", jid) or not jid.isprintable():
        raise ValueError("must be an address such as 'update@example.net'")


def _check_password(password: str | None) -> None:
    if password is not None and not password:
        raise ValueError("must not be empty")


def _check_host(host: str | None) -> None:
    if host is not None and not re.fullmatch(r"[A-Za-z0-9.:_-]{1,255}", host):
        raise ValueError("must be the name or address of a host; the port has a key of its own")


def _check_resource(resource: str) -> None:
    if not 0 < len(resource.encode(errors="replace")) <= 1023 or not resource.isprintable():
        raise ValueError("must be printable text of 1 to 1,023 bytes")


def _check_name(name: str | None) -> None:
    if name is not None:
        _check_short_text(name)


def _check_prefix(prefix: str) -> None:
    if len(prefix) > 100 or not re.fullmatch(r"(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)?", prefix):
        raise ValueError("must be letters, digits, '_' and '-', in parts joined by '.', as in 'prod.snqd'")


def _check_spoof(text: str | None) -> None:
    if text is not None:
        check_spoof(text)


def _check_command(text: str | None) -> None:
    if text is None:
        return
    import shlex  # few have one

    try:
        words = shlex.split(text)
    except ValueError:
        raise ValueError("must be a program and its arguments: a quotation is not closed") from None
    if not words or not words[0] or "\0" in text:
        raise ValueError("must be a program and its arguments")


def _check_queue(queue: str) -> None:
    try:
        check_name("queue", queue)
    except BadItem as error:
        raise ValueError(str(error)) from None


def _check_site_or_all(site: str) -> None:
    try:
        check_name("site", site)
    except BadItem as error:
        raise ValueError(str(error)) from None


def _check_cron(expression: str) -> None:
    from snqd.config.cron import Cron  # only who has schedules pays for it

    Cron(expression)


def _check_zone(zone: str) -> None:
    from snqd.config.cron import find_zone

    find_zone(zone)


def _check_payload(payload: dict[str, Any]) -> None:
    import msgspec

    for key in payload:
        if key in ADDED_TO_PAYLOAD:
            raise ValueError(f"{key} is added by snqd: name yours otherwise")
    try:
        msgspec.json.encode(payload)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"cannot be JSON: {error}") from None


_SPECIAL: dict[str, Callable[[Any], object]] = {
    "daemon.name": _check_daemon_name,
    "daemon.serve": _check_groups,
    "daemon.memory_soft_limit": parse_memory_limit,
    "daemon.runtime_dir": _check_path,
    "daemon.pidfile": _check_path,
    "daemon.log_file": _check_path,
    "sites.directory": _check_path,
    "store.url": _check_url,
    "store.listen_url": _check_url,
    "handlers.modules": _check_modules,
    "telemetry.listen": _check_listen_or_auto,
    "telemetry.monitors": _check_targets,
    "telemetry.key": _check_key,
    "telemetry.key_file": _check_path,
    "telemetry.statsd": _check_server,
    "telemetry.statsd_prefix": _check_prefix,
    "telemetry.ganglia": _check_server,
    "telemetry.ganglia_prefix": _check_prefix,
    "telemetry.ganglia_spoof": _check_spoof,
    "telemetry.legacy_listen": _check_listen,
    "telemetry.legacy_http_listen": _check_listen,
    "telemetry.legacy_senders": parse_networks,
    "telemetry.record_file": _check_path,
    "alarms.exec": _check_command,
    "snmp.listen": _check_server,
    "snmp.community": check_community,
    "snmp.community_file": _check_path,
    "snmp.networks": parse_networks,
    "snmp.name": _check_name,
    "snmp.contact": _check_short_text,
    "snmp.location": _check_short_text,
    "snmp.state_dir": _check_path,
    "snmp.user.*.auth_passphrase": check_passphrase,
    "snmp.user.*.auth_passphrase_file": _check_path,
    "snmp.user.*.privacy_passphrase": check_passphrase,
    "snmp.user.*.privacy_passphrase_file": _check_path,
    "snmp.target.*.address": _check_server,
    "snmp.target.*.community": check_community,
    "snmp.target.*.community_file": _check_path,
    "snmp.target.*.notifications": _check_notifications,
    "xmpp.jid": _check_jid,
    "xmpp.password": _check_password,
    "xmpp.password_file": _check_path,
    "xmpp.ca_file": _check_path,
    "xmpp.host": _check_host,
    "xmpp.resource": _check_resource,
    "daemon.single_groups": _check_single_groups,
    "schedule.*.queue": _check_queue,
    "schedule.*.site": _check_site_or_all,
    "schedule.*.cron": _check_cron,
    "schedule.*.zone": _check_zone,
    "schedule.*.payload": _check_payload,
}
