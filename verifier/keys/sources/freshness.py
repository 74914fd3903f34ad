"""How long a response says that it is fresh, as RFC 9111 has it for a private cache.

=======================  ========================================================================
header                   rule
=======================  ========================================================================
several lines            are one list (RFC 9110, section 5.3): proxies add lines of their own
``no-store, no-cache``   not fresh; ``no-cache="Some-Header"`` concerns only that header
``max-age``              has precedence over ``Expires``; of several, the first one counts
                         (RFC 9111, section 4.2.1). A value that is no number: not fresh
``s-maxage``             ignored, because it is for shared caches (section 5.2.2.10)
``Expires``              of several, the first one counts; "0" and every other text that is no
                         date are in the past (section 5.3)
``Age``                  is subtracted; of several, the first one counts (section 5.1)
=======================  ========================================================================

This module is pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from multidict import CIMultiDict

# A directive: a name, perhaps with a value. A quoted value may contain commas.
_DIRECTIVE: Final = re.compile(r'\s*([^\s,;="]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^\s,"]*))?')
_NOT_FRESH: Final = ("no-store", "no-cache")
# RFC 9111, section 1.2.2: a number that is too large counts as 2 ** 31.
_MOST_SECONDS: Final = 2**31


def stated_lifetime(headers: Mapping[str, str], now: float) -> float | None:
    """Return how long a response says that it is fresh.

    Args:
        headers: The response's headers; a multi-mapping if a name occurs several times.
        now: Unix time, seconds; used if there is no ``Date``.

    Returns:
        Seconds, less the ``Age``, never below 0; None if the response says nothing.
    """
    headers = CIMultiDict(headers)
    lifetime = _stated(headers, now)
    if lifetime is None:
        return None
    return max(0.0, lifetime - (_seconds(_first(headers, "Age").split(",")[0].strip()) or 0.0))


def _stated(headers: CIMultiDict[str], now: float) -> float | None:
    max_age = None
    for name, value in _directives(",".join(headers.getall("Cache-Control", ()))):
        if name in _NOT_FRESH and value is None:
            return 0.0
        if name == "max-age" and max_age is None:
            # RFC 9111, section 4.2.1: what states an invalid freshness counts as stale.
            max_age = _seconds(value or "") or 0.0
    if max_age is not None:
        return max_age
    if "Expires" not in headers:
        return None
    expires, date = _unix_time(_first(headers, "Expires")), _unix_time(_first(headers, "Date"))
    return 0.0 if expires is None else expires - (now if date is None else date)


def _directives(control: str) -> Iterator[tuple[str, str | None]]:
    """Yield each directive's name in lower case, and its value without quotes; None for none."""
    for name, value in _DIRECTIVE.findall(control):
        yield name.lower(), value.strip('"') if value else None


def _first(headers: CIMultiDict[str], name: str) -> str:
    return headers.get(name, "")


def _seconds(text: str) -> float | None:
    # Without the bound on its length, a number of a thousand digits would be infinite.
    if not re.fullmatch(r"[0-9]+", text):
        return None
    return float(min(int(text[:20]), _MOST_SECONDS))


def _unix_time(http_date: str) -> float | None:
    try:
        date = parsedate_to_datetime(http_date)
    except (ValueError, IndexError, TypeError):
        return None
    # An HTTP date is in GMT even if it does not say so.
    return (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp()
