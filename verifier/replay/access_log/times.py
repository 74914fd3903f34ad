"""Times as access logs write them; a time without its zone is none."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, Final

from verifier.replay.access_log.logged import UnreadableLineError

_COMMON: Final = re.compile(
    r"(\d{2})/([A-Z][a-z]{2})/(\d{4}):(\d{2}):(\d{2}):(\d{2})(?:\.\d+)? ([+-])(\d{2})(\d{2})",
    re.ASCII,
)
_MONTHS: Final = "JanFebMarAprMayJunJulAugSepOctNovDec"
# Unix seconds have ten digits until 2286; what has more is milliseconds, or finer.
_SECONDS_END: Final = 1e11
_FINER: Final = 1000.0
_EXPECTED: Final = "expected a time with its zone, such as [22/Nov/2026:12:00:00 +0000]"


def unix_time(value: Any) -> float:
    """Read ``$time_local``, ISO 8601 with a zone, or a Unix time.

    Raises:
        UnreadableLineError: it is none of these.
    """
    try:
        if isinstance(value, str):
            return _written(value)
        return _number(float(value))
    except (TypeError, ValueError, OverflowError):
        raise UnreadableLineError(_EXPECTED) from None


# Neighbouring lines are of the same second.
@lru_cache(maxsize=256)
def _written(text: str) -> float:
    found = _COMMON.fullmatch(text)
    if found:
        day, month, year, hour, minute, second, sign, hours, minutes = found.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        zone = timezone(-offset if sign == "-" else offset)
        # A leap second is the last of its minute.
        clock = int(hour), int(minute), min(int(second), 59)
        return datetime(int(year), _month(month), int(day), *clock, tzinfo=zone).timestamp()
    if text[:1].isdigit() and text[4:5] == "-":
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError
        return moment.astimezone(UTC).timestamp()
    return _number(float(text))


def _month(name: str) -> int:
    position = _MONTHS.index(name)
    if position % 3:
        raise ValueError
    return position // 3 + 1


def _number(value: float) -> float:
    if not math.isfinite(value) or value < 0:
        raise ValueError
    while value >= _SECONDS_END:
        value /= _FINER
    return value
