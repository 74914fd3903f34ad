"""A progress bar on a terminal's last line; knows nothing of what is in the lines."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, TextIO

Report = Callable[[str, int, int], None]
"""Told of a part, how much of it is done, and of how many lines there were in all."""

_PAUSE: Final = 0.1
_WIDTH: Final = 20
_BLANK: Final = "\r\x1b[K"


@contextmanager
def progress(sizes: Sequence[int | None]) -> Iterator[Report]:
    """Show on a terminal how far it has got; elsewhere nothing.

    Args:
        sizes: How much each part is; None where nobody knows.
    """
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda _name, _done, _lines: None
        return
    known = [size for size in sizes if size is not None]
    total = sum(known) if len(known) == len(sizes) else None
    bar, parts = Progress(sys.stderr, time.monotonic, total), dict[str, int]()

    def report(name: str, done: int, lines: int) -> None:
        parts[name] = done
        bar.update(sum(parts.values()), lines)

    try:
        yield report
    finally:
        bar.clear()


class Progress:
    """Draws how far something has got.

    Args:
        stream: A terminal.
        clock: Seconds that only go forward.
        total: How much there is; None where nobody knows.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float], total: int | None) -> None:
        self._stream = stream
        self._clock = clock
        self._total = total
        self._started = clock()
        self._drawn_at = self._started

    def update(self, done: int, lines: int) -> None:
        """Draw anew, unless that was done a moment ago.

        Args:
            done: So much of the total.
            lines: How many lines that was.
        """
        now = self._clock()
        if now - self._drawn_at < _PAUSE:
            return
        self._drawn_at = now
        rate = lines / (now - self._started)
        text = f"{self._bar(done)}{lines:,} lines, {rate:,.0f}/s"
        self._draw(_BLANK + text[: shutil.get_terminal_size().columns - 1])

    def clear(self) -> None:
        """Leave nothing behind."""
        self._draw(_BLANK)

    def _draw(self, text: str) -> None:
        # A terminal that has gone takes no result with it.
        with suppress(OSError):
            self._stream.write(text)
            self._stream.flush()

    def _bar(self, done: int) -> str:
        if not self._total:
            return ""
        share = min(done / self._total, 1.0)
        full = round(share * _WIDTH)
        return f"{share:4.0%} [{'#' * full}{'.' * (_WIDTH - full)}] "
