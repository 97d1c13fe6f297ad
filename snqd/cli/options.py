"""What commands share: `--config` and `--store`, the loaded configuration, and an open store."""

from __future__ import annotations

import functools
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

import click

from snqd.cli.output import narrate
from snqd.cli.values import rate
from snqd.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from snqd.config.load import Loaded, Loader
    from snqd.config.schema import Config
    from snqd.stores.base import Store

Decorated = TypeVar("Decorated", "Callable[..., object]", click.Command)

HELP_FLAGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@dataclass(slots=True)
class Start:
    """Flags that every command takes, given before or after the command's name."""

    file: str | None = None
    store: str | None = None


def common_options(decorated: Decorated) -> Decorated:
    """Add `--config` and `--store`."""
    click.option(
        "--store",
        metavar="URL",
        expose_value=False,
        callback=_remember("store"),
        help="Where the items are, e.g. sqlite:///snqd.db or postgresql://user@host/db.",
    )(decorated)
    click.option(
        "-c",
        "--config",
        metavar="FILE",
        expose_value=False,
        callback=_remember("file"),
        help="Configuration file. [default: $SNQD_CONFIG, ./snqd.toml, /etc/snqd/snqd.toml]",
    )(decorated)
    return decorated


def correction_options(everything: str) -> Callable[[Decorated], Decorated]:
    """`--all` (what it means: `everything`), and `--rate`, `--dry-run` and `--yes` as one `manner`."""

    def decorate(decorated: Decorated) -> Decorated:
        @functools.wraps(decorated)
        def gathered(*, per_second: float | None, is_dry_run: bool, is_confirmed: bool, **others: object) -> object:
            from snqd.cli.correcting import Manner

            return decorated(manner=Manner(per_second, is_dry_run, is_confirmed), **others)

        for option in (
            click.option("--yes", "is_confirmed", is_flag=True, help="Do not ask."),
            click.option("--dry-run", "is_dry_run", is_flag=True, help="Only say what would be done."),
            click.option(
                "--rate", "per_second", type=rate, metavar="RATE", help="No faster than 100/s, 600/m, 1000/h."
            ),
            click.option("--all", "is_all", is_flag=True, help=everything),
        ):
            option(gathered)
        return cast(Decorated, gathered)

    return decorate


def loader(flags: Mapping[str, tuple[str, object]] | None = None) -> Loader:
    """How this command's configuration is found; `flags` are the command's own."""
    from snqd.config.load import Loader

    start = _start(click.get_current_context())
    given = dict(flags or {})
    if start.store is not None:
        given["store.url"] = ("--store", start.store)
    return Loader(file=start.file, flags=given)


def load(flags: Mapping[str, tuple[str, object]] | None = None) -> Loaded:
    """The configuration of this command. Raises `ConfigError`."""
    return loader(flags).load()


@contextmanager
def connected(config: Config, *, is_reading: bool = False) -> Iterator[Store]:
    """An open connection to the store. Raises what `Store.connect` raises.

    A missing SQLite file is made on the way, and said so: whoever is in the wrong folder should notice. A command that
    is only `is_reading` refuses instead: an empty store made by looking would look as if nothing were waiting.
    """
    from snqd.wiring.stores import open_store, sqlite_path

    store = open_store(config)
    file = sqlite_path(config)
    is_new = file is not None and not file.exists()
    if is_new and is_reading:
        raise StoreError(f"there is no store yet: no file {file}: correct --store or store.url, or enqueue something")
    store.connect()
    if is_new:
        narrate(f"made a new store: {file}")
    try:
        yield store
    finally:
        store.close()


def _remember(name: str) -> Callable[[click.Context, click.Parameter, str | None], None]:
    def callback(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
        if value is not None:
            setattr(_start(context), name, value)

    return callback


def _start(context: click.Context) -> Start:
    root = context.find_root()
    if not isinstance(root.obj, Start):
        root.obj = Start()
    return root.obj
