"""Groups of commands whose modules are imported only when a command is used: `snqd --help` stays quick."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import override
else:

    def override(method):  # typing.override comes with Python 3.12
        return method


class Entry(NamedTuple):
    """A command before its module is imported."""

    name: str
    target: str
    """`module:attribute`"""
    about: str
    section: str = "Commands"


class LazyGroup(click.Group):
    """A group that knows the names and one-line descriptions of its commands, and imports them when they are used."""

    def __init__(self, *, entries: Sequence[Entry] = (), aliases: Sequence[Entry] = (), **attributes: object) -> None:
        super().__init__(**attributes)  # type: ignore[arg-type]
        self._entries = {entry.name: entry for entry in entries}
        self._hidden = {entry.name: entry for entry in aliases}

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self._entries, *super().list_commands(ctx)]

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self._entries.get(cmd_name) or self._hidden.get(cmd_name)
        if entry is None:
            return super().get_command(ctx, cmd_name)
        module, _colon, attribute = entry.target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    @override
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), err=True)
            ctx.exit(2)
        return super().parse_args(ctx, args)

    @override
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise click.UsageError(f"there is no command {args[0]!r}{self._suggestion(ctx, args[0])}", ctx)
        return super().resolve_command(ctx, args)

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  (click's)
        sections: dict[str, list[tuple[str, str]]] = {}
        for entry in self._entries.values():
            sections.setdefault(entry.section, []).append((entry.name, entry.about))
        for name, command in self.commands.items():
            sections.setdefault("Commands", []).append((name, command.get_short_help_str(limit=80)))
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)

    def _suggestion(self, ctx: click.Context, word: str) -> str:
        from snqd.config.values import nearest

        deeper = self._deeper(ctx, word)
        if deeper:
            *others, last = deeper
            first = f"{', '.join(others)} or " if others else ""
            return f"; did you mean {first}{last}?"
        guess = nearest(word, self.list_commands(ctx))
        return f"; did you mean {guess!r}?" if guess else ""

    def _deeper(self, ctx: click.Context, word: str) -> list[str]:
        """Commands of that very name in groups of this one."""
        groups = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        return [f"'{ctx.command_path} {name} {word}'" for name, group in groups if word in _names_in(group, ctx)]


def _names_in(command: click.Command | None, ctx: click.Context) -> Sequence[str]:
    return command.list_commands(ctx) if isinstance(command, click.Group) else ()
