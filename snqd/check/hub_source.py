"""Figures from the hub of the daemon on this host, over its control socket."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from snqd.check.checks import Verdict
from snqd.check.figures import Figures, figures_of
from snqd.errors import SnqdError
from snqd.telemetry.health import Code

if TYPE_CHECKING:
    from collections.abc import Sequence


class HubSource:
    """`socket` is the control socket; without, it is found as `snqd health` finds it. `seconds`: longest wait."""

    def __init__(self, *, socket: str | None, config: str | None, daemon: str | None, seconds: float) -> None:
        self._socket, self._config, self._daemon, self._seconds = socket, config, daemon, seconds

    def silence(self, seconds: float) -> str:
        """What to say when no answer came in time."""
        return f"no answer within {seconds:g} s"

    def close(self) -> None:
        """Nothing is kept open."""

    def figures(self, _mode: str, queues: Sequence[str], site: str | None) -> Figures:
        """Raises `SnqdError` or `OSError`."""
        answer = self._ask({"ask": "figures", "queues": list(queues), "site": site})
        try:
            return figures_of(answer)
        except (KeyError, TypeError) as error:
            raise SnqdError(f"the hub's answer is not understood ({error}): is it of another version?") from error

    def health(self) -> Verdict:
        """The hub's own verdict. Raises `SnqdError` or `OSError`."""
        answer = self._ask({"ask": "health", "kind": "full"})
        said, _bar, data = str(answer["line"]).partition(" | ")
        return Verdict(Code(answer["code"]), said.partition(": ")[2], tuple(data.split()))

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._socket is not None:
            from snqd.telemetry.asking import ask_hub

            try:
                return ask_hub(Path(self._socket), request, seconds=self._seconds)
            except OSError as error:
                raise SnqdError(f"{self._socket}: {error.strerror or error}") from error
        from snqd.cli.asking import ask
        from snqd.config.load import Loader

        flags = {"daemon.name": ("--daemon", self._daemon)} if self._daemon is not None else {}
        return ask(Loader(file=self._config, flags=flags).load().config, request, seconds=self._seconds)
