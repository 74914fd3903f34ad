"""A progress bar on the last line of a terminal."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, TextIO

Report = Callable[[str, int, int], None]
"""Is called with a part's name, how much of the part is done, and the number of all lines."""

_MIN_SECONDS: Final = 0.1  # between two drawings
_WIDTH: Final = 20  # of the bar, characters
_CLEAR_LINE: Final = "\r\x1b[K"


@contextmanager
def progress(sizes: Sequence[int | None]) -> Iterator[Report]:
    """Show the progress if standard error is a terminal; otherwise show nothing.

    Args:
        sizes: The size of each part; None for an unknown size.
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
    """Draws a progress bar.

    Args:
        stream: A terminal.
        clock: Monotonic time, seconds.
        total: The size of the whole; None if it is not known.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float], total: int | None) -> None:
        self._stream = stream
        self._clock = clock
        self._total = total
        self._started = clock()
        self._drawn_at = self._started

    def update(self, done: int, lines: int) -> None:
        """Draw the bar again, unless it was drawn a moment ago.

        Args:
            done: How much of the total is done.
            lines: How many lines this part of the total has.
        """
        now = self._clock()
        if now - self._drawn_at < _MIN_SECONDS:
            return
        self._drawn_at = now
        rate = lines / (now - self._started)
        text = f"{self._bar(done)}{lines:,} lines, {rate:,.0f}/s"
        self._draw(_CLEAR_LINE + text[: shutil.get_terminal_size().columns - 1])

    def clear(self) -> None:
        """Remove the bar from the terminal."""
        self._draw(_CLEAR_LINE)

    def _draw(self, text: str) -> None:
        # A closed terminal must not end the command, because its result goes elsewhere.
        with suppress(OSError):
            self._stream.write(text)
            self._stream.flush()

    def _bar(self, done: int) -> str:
        if not self._total:
            return ""
        share = min(done / self._total, 1.0)
        full = round(share * _WIDTH)
        return f"{share:4.0%} [{'#' * full}{'.' * (_WIDTH - full)}] "
