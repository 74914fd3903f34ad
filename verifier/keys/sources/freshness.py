"""For how long an answer says that it is good (RFC 9111, section 4.2), for a private cache."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

_MAX_AGE: Final = re.compile(
    r"""(?:^|[\s,])max-age\s*=\s*"?(\d{1,10})"?\s*(?:,|$)""", re.IGNORECASE
)
_NEVER: Final = re.compile(r"(?:^|[\s,])no-(?:store|cache)\s*(?:,|$)", re.IGNORECASE)


def stated_lifetime(headers: Mapping[str, str], now: float) -> float | None:
    """Read how long an answer is fresh.

    Args:
        headers: The answer's; names in any case (a case-insensitive mapping).
        now: Unix time, seconds; used where there is no ``Date``.

    Returns:
        Seconds, less the ``Age``, never below 0; None where the answer says nothing.
    """
    control = headers.get("Cache-Control", "")
    if _NEVER.search(control):
        return 0.0
    stated = _MAX_AGE.search(control)
    if stated is not None:
        return max(0.0, float(stated[1]) - _age(headers))
    if "Expires" not in headers:
        return None
    # RFC 9111, section 5.3: what is no date is in the past.
    expires = _seconds(headers["Expires"])
    date = _seconds(headers.get("Date", ""))
    return 0.0 if expires is None else max(0.0, expires - (now if date is None else date))


def _age(headers: Mapping[str, str]) -> float:
    age = headers.get("Age", "")
    return float(age) if re.fullmatch(r"[0-9]{1,10}", age) else 0.0


def _seconds(date: str) -> float | None:
    try:
        parsed = parsedate_to_datetime(date)
    except (ValueError, IndexError, TypeError):
        return None
    # An HTTP date is in GMT, also where it forgets to say so.
    return _utc(parsed).timestamp()


def _utc(date: datetime) -> datetime:
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
