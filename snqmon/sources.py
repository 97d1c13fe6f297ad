"""From what was asked for to a feed: which hubs, which key, what is refused. Nothing is opened before `open_feed`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from snqd.config.addresses import check_key, is_loopback, key_in_file, parse_networks
from snqd.errors import ConfigError, SnqdError
from snqd.telemetry import addresses

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from snqd.telemetry.recording import Recorder
    from snqmon.feeds.base import Feed
    from snqmon.settings import Settings

KEY_VARIABLES: Final = ("SNQMON_KEY", "SNQD_TELEMETRY_KEY")
KEY_FILE_VARIABLES: Final = ("SNQMON_KEY_FILE", "SNQD_TELEMETRY_KEY_FILE")
RECORD_LIMIT_BYTES: Final = 64 * 1024 * 1024


class Contradiction(SnqdError):
    """Two things were asked for that exclude each other."""

    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What command line and environment ask for. None and empty: nothing was said, so the settings count."""

    hubs: tuple[str, ...] = ()
    sockets: tuple[Path, ...] = ()
    """Control sockets of daemons whose runtime folder is not one of the usual ones."""
    listen: str | None = None
    listen_legacy: str | None = None
    legacy_from: tuple[str, ...] = ()
    key_file: str | None = None
    replay: Path | None = None
    record: Path | None = None
    demo: int | None = None
    """The seed."""
    may_control: bool = False
    is_once: bool = False
    is_json: bool = False
    wait_seconds: float | None = None
    web: str | None = None

    @property
    def has_sources(self) -> bool:
        return bool(self.hubs) or self.listen is not None or self.listen_legacy is not None


def check_wanted(wanted: Wanted) -> None:
    """Raise `Contradiction` for what excludes each other, in one line."""
    for is_wrong, line in _contradictions(wanted):
        if is_wrong:
            raise Contradiction(line)


def _contradictions(it: Wanted) -> list[tuple[bool, str]]:
    is_replay, is_demo = it.replay is not None, it.demo is not None
    sources = "HOST:PORT, --listen or --listen-legacy"
    return [
        (is_replay and is_demo, "--replay plays a recording and --demo a scene: choose one"),
        (is_replay and it.has_sources, f"--replay shows a recording and nothing else: leave out {sources}"),
        (is_demo and it.has_sources, f"--demo shows made-up figures and nothing else: leave out {sources}"),
        (bool(it.sockets) and it.has_sources, f"--socket finds the hub by itself: leave out {sources}, or --socket"),
        (
            bool(it.sockets) and (is_replay or is_demo),
            "--socket is of a living daemon: leave out --replay and --demo",
        ),
        (is_replay and it.may_control, "--replay shows the past, and nothing can be done there: leave out --control"),
        (is_demo and it.may_control, "--demo has no daemon that could be controlled: leave out --control"),
        (is_replay and it.record is not None, "--replay is a recording already: leave out --record"),
        (it.is_json and not it.is_once, "--json is a form of --once: give both"),
        (it.wait_seconds is not None and not it.is_once, "--wait is for --once: give both"),
        (it.is_once and it.may_control, "--once prints and leaves: leave out --control, or --once"),
        (it.is_once and it.web is not None, "--once prints and leaves: leave out --web, or --once"),
        (bool(it.legacy_from) and it.listen_legacy is None, "--legacy-from is for --listen-legacy: give both"),
    ]


class Secret:
    """The key, found once. `text` is never shown."""

    def __init__(self, text: str | None) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Secret(none)" if self._text is None else "Secret(***)"

    def __bool__(self) -> bool:
        return self._text is not None

    def reveal(self) -> str | None:
        """For the environment of a process that is to have it too, and for nothing else."""
        return self._text

    @property
    def key(self) -> bytes | None:
        from snqd.telemetry.wire import key_of

        return None if self._text is None else key_of(self._text)


def find_secret(key_file: str | None, settings: Settings, environ: Mapping[str, str] = os.environ) -> Secret:
    """The key: `--key-file`, else the environment, else the settings. Raises `ConfigError`, which never shows it."""
    if key_file is not None:
        return Secret(key_in_file(key_file, "--key-file"))
    for variable, file_variable in zip(KEY_VARIABLES, KEY_FILE_VARIABLES, strict=True):
        text, path = environ.get(variable), environ.get(file_variable)
        if text and path:
            raise ConfigError(f"environment {variable} and {file_variable} are both set: unset one")
        if text:
            try:
                check_key(text)
            except ValueError as error:
                raise ConfigError(f"environment {variable} {error}") from None
            return Secret(text)
        if path:
            return Secret(key_in_file(path, f"environment {file_variable}"))
    return Secret(key_in_file(settings.key_file, "key_file")) if settings.key_file else Secret(None)


def feed_opener(wanted: Wanted, settings: Settings, secret: Secret, *, frames_per_second: float) -> Callable[[], Feed]:
    """What makes the feed. Raises `SnqdError` now for what can be known now, without a look at the network."""
    if wanted.replay is not None:
        return _replay(wanted.replay, secret)
    recorder, record_file = _recorder(wanted.record), wanted.record
    if wanted.demo is not None:
        return _scene(wanted.demo, recorder)
    return _live(wanted, settings, secret, frames_per_second, recorder, record_file)


def _replay(path: Path, secret: Secret) -> Callable[[], Feed]:
    def open_feed() -> Feed:
        from snqmon.feeds.replay import ReplayFeed

        return ReplayFeed(path, key=secret.key)

    return open_feed


def _scene(seed: int, recorder: Recorder | None) -> Callable[[], Feed]:
    def open_feed() -> Feed:
        from snqmon.feeds.scene import SceneFeed

        return SceneFeed(seed, recorder=recorder)

    return open_feed


def _live(
    wanted: Wanted,
    settings: Settings,
    secret: Secret,
    frames_per_second: float,
    recorder: Recorder | None,
    record_file: Path | None,
) -> Callable[[], Feed]:
    listen, listen_legacy, legacy_from = wanted.listen, wanted.listen_legacy, wanted.legacy_from
    if not wanted.has_sources and not wanted.sockets:
        listen, listen_legacy, legacy_from = settings.listen, settings.listen_legacy, settings.legacy_from
    hubs = _hubs(wanted, settings, secret)
    _check_reach(listen, listen_legacy, legacy_from, has_key=bool(secret))
    named = wanted.sockets
    is_searching = not hubs and listen is None and listen_legacy is None

    def open_feed() -> Feed:
        from snqd.telemetry.ears import Believed
        from snqmon.feeds.finding import FALLBACK, Finder, looking_at
        from snqmon.feeds.live import Hub, LiveFeed

        return LiveFeed(
            [Hub(address, each.key) for address, each in hubs],
            finder=Finder(looking_at(named), fallback="" if named else FALLBACK) if is_searching else None,
            listen=listen,
            listen_legacy=listen_legacy,
            believed=Believed(parse_networks(legacy_from)),
            key=secret.key,
            frames_per_second=frames_per_second,
            recorder=recorder,
            record_file=record_file,
        )

    return open_feed


def _hubs(wanted: Wanted, settings: Settings, secret: Secret) -> list[tuple[str, Secret]]:
    """Those of the command line, else those of the settings, each once."""
    if wanted.has_sources or wanted.sockets:
        return [(address, secret) for address in dict.fromkeys(wanted.hubs)]
    hubs = []
    for hub in settings.hubs:
        if isinstance(hub, str):
            hubs.append((hub, secret))
        else:
            own = Secret(key_in_file(hub.key_file, "hubs.key_file")) if hub.key_file is not None else secret
            hubs.append((hub.address, own))
    return hubs


def _check_reach(listen: str | None, listen_legacy: str | None, legacy_from: tuple[str, ...], *, has_key: bool) -> None:
    """What strangers can reach has to know whom it believes."""
    if listen is not None and not has_key and not is_loopback(addresses.parse(listen)[0]):
        raise ConfigError(
            f"--listen {listen} can be reached from other machines, so anybody could show you anything: give the "
            "daemons' telemetry.key with --key-file FILE, or listen at 127.0.0.1"
        )
    if listen_legacy is not None and not legacy_from and not is_loopback(addresses.parse(listen_legacy)[0]):
        raise ConfigError(
            f"--listen-legacy {listen_legacy} can be reached from other machines, and nothing authenticates a ping: "
            "name who is believed with --legacy-from ADDRESS, or listen at 127.0.0.1"
        )


def _recorder(path: Path | None) -> Recorder | None:
    if path is None:
        return None
    from snqd.telemetry.recording import Recorder

    if not path.parent.is_dir():
        raise ConfigError(f"--record {path}: there is no folder {path.parent}")
    return Recorder(path, RECORD_LIMIT_BYTES)
