"""`PromptDriver`: Textual's driver for terminals, but for how long Escape takes.

Escape alone, and the begin of other keys, are told apart by what follows. Textual looks ten times a second whether
something has, however short `ESCDELAY` is, so that the way back from a screen took longer than the way there. Here it
looks as soon as that time is over.
"""

from __future__ import annotations

import os
import selectors
from codecs import getincrementaldecoder
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from textual import constants
from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.message import Message

_IDLE_SECONDS: Final = 0.1
_AFTER_SECONDS: Final = constants.ESCAPE_DELAY + 0.001
_AT_ONCE: Final = 4096


class PromptDriver(LinuxDriver):
    def run_input_thread(self) -> None:
        """Until `exit_event` is set."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")("replace").decode
        seconds = _IDLE_SECONDS
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                if not selector.select(seconds):
                    self._tell(parser.tick())
                    seconds = _IDLE_SECONDS
                    continue
                data = os.read(self.fileno, _AT_ONCE)
                if not data:  # the terminal is gone: whoever looks after that ends the program
                    self.exit_event.wait(_IDLE_SECONDS)
                    continue
                if text := decode(data):  # nothing would be the end for the parser; half a character is not
                    self._tell(parser.feed(text))
                self._tell(parser.tick())
                seconds = _AFTER_SECONDS
        with suppress(EOFError, ParseError):
            list(parser.feed(""))  # what is left is half a key, and nobody waits for it any more

    def _tell(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.process_message(message)
