"""Times as people write them on a command line: ``09:00``, ``2026-11-29 09:00``, ``2h`` ago."""

from __future__ import annotations

import argparse
import re
from datetime import datetime, timedelta
from typing import Final, Literal

from verifier.cli.arguments import duration

EXPECTED: Final = (
    "a time such as 09:00, 2026-11-29T09:00, 2026-11-29T08:00Z, 2026-11-29, 1795942800 (Unix"
    " seconds) or 2h (ago)"
)
_CLOCK: Final = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")
_UNIX: Final = re.compile(r"\d{9,11}(\.\d{1,9})?")


def parse_moment(text: str, now: datetime, fold: Literal[0, 1] = 0) -> datetime:
    """Return the moment that a text names, with a time zone.

    Args:
        text: A moment without a time zone is one of this machine's. A time without a date is the
            last one before ``now``.
        now: The present time, with a time zone.
        fold: Which of two moments with the same name, 0 for the earlier. When the clocks are set
            back in autumn, an hour comes twice.

    Raises:
        ArgumentTypeError: The text names no moment.
    """
    text = text.strip()
    try:
        if _UNIX.fullmatch(text):
            return datetime.fromtimestamp(float(text), now.tzinfo)
        if _CLOCK.fullmatch(text):
            return _last(text.zfill(len("09:00")) if text[1] == ":" else text, now, fold)
        if re.fullmatch(r"\d+[smhd]", text):
            return now - timedelta(seconds=duration(text))
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(fold=fold).astimezone()
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"expected {EXPECTED}") from None


def _last(clock: str, now: datetime, fold: Literal[0, 1]) -> datetime:
    local = now.astimezone().replace(tzinfo=None)
    moment = datetime.fromisoformat(f"{local.date()} {clock}")
    if moment > local:
        moment -= timedelta(days=1)
    return moment.replace(fold=fold).astimezone()
