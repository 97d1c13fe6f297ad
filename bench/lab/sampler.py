"""`Sampler`: which functions of this process take its processor time, by looking at the stack once in a while of it.

Unlike a profiler that is called at every call it does not make small functions look dear.
"""

from __future__ import annotations

import signal
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import CodeType, FrameType

_SECONDS: Final = 0.001
"""Of processor time, between two looks; the kernel may take longer."""


class Sampler:
    """Looks between `resume` and `pause`. One in a process, in its main thread."""

    def __init__(self) -> None:
        self._with_callees: Counter[CodeType] = Counter()
        self._alone: Counter[CodeType] = Counter()
        self._is_looking = False
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, _SECONDS, _SECONDS)

    def resume(self) -> None:
        self._is_looking = True

    def pause(self) -> None:
        self._is_looking = False

    def forget(self) -> None:
        """What was seen so far does not count."""
        self._with_callees.clear()
        self._alone.clear()

    def report(self, most: int = 60) -> str:
        """Two lists of functions with their share of the samples: with what they call, and alone. It is the end."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        number = max(1, self._alone.total())
        lines = [f"{number} samples"]
        for title, found in (("with what it calls", self._with_callees), ("alone", self._alone)):
            lines += ["", f"%      {title}"]
            for code, count in found.most_common(most):
                place = "/".join(code.co_filename.split("/")[-2:])
                lines.append(f"{count / number:6.1%} {code.co_qualname} ({place}:{code.co_firstlineno})")
        return "\n".join(lines)

    def _look(self, _number: int, frame: FrameType | None) -> None:
        if not self._is_looking or frame is None:
            return
        self._alone[frame.f_code] += 1
        codes = set()
        while frame is not None:
            codes.add(frame.f_code)
            frame = frame.f_back
        self._with_callees.update(codes)
