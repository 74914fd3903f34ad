"""Values in words for people: bounded, on one line, and without control characters.

Knows no rule, and no time zone but UTC.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from verifier.tokens.claims import ABSENT, is_number
from verifier.tokens.redact import hide_tokens

MILLISECONDS: Final = 10_000_000_000
"""A "time" beyond this many seconds (the year 2286) is one in milliseconds."""

_LONGEST: Final = 160
_UNITS: Final = ((730 * 86_400, 365 * 86_400, "years"), (172_800, 86_400, "days"))
_SMALL_UNITS: Final = ((7200, 3600, "h"), (120, 60, "min"), (0, 1, "s"))


def shown(value: Any) -> str | None:
    """Show a JSON value: a string as it stands, anything else as JSON; None for an absent one."""
    if value is ABSENT:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return plain(text)


def quoted(value: Any) -> str:
    """Show a JSON value as it has to be written in JSON; ``nothing`` for an absent one."""
    return "nothing" if value is ABSENT else plain(json.dumps(value, ensure_ascii=False))


def plain(text: str) -> str:
    """Cut a text short, and escape what a terminal would not print; tokens are not shown."""
    text = hide_tokens(text)
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + "…"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def or_wildcard(text: str) -> str:
    """Show a value that the wildcard serves as well as."""
    return '"*"' if text == "*" else f'{quoted(text)}, or "*"'


def one_of(values: Sequence[str]) -> str:
    """Show what is accepted, where ``*`` accepts anything."""
    return "anything" if "*" in values else " or ".join(quoted(value) for value in values)


def span(seconds: float) -> str:
    """Show a length of time in the largest unit of which there are two."""
    for least, unit, name in (*_UNITS, *_SMALL_UNITS):
        if seconds >= least:
            return f"{seconds / unit:,.0f} {name}"
    return "0 s"


def moment(seconds: Any) -> str:
    """Show a Unix time, seconds, in UTC; what is none, or no year has four digits for, is none."""
    try:
        when = datetime.fromtimestamp(seconds, UTC) if is_number(seconds) else None
    except (ValueError, OverflowError, OSError):
        return "no date"
    return "no date" if when is None else f"{when:%Y-%m-%d %H:%M:%S} UTC"


def expiry(seconds: Any, now: float) -> str | None:
    """Show an ``exp`` claim: the number, the date and how far it is."""
    return _far(seconds, now, "expires in", "expired")


def beginning(seconds: Any, now: float) -> str | None:
    """Show an ``nbf`` claim in the same way."""
    return _far(seconds, now, "valid in", "valid since")


def _far(seconds: Any, now: float, ahead: str, behind: str) -> str | None:
    if not is_number(seconds) or not math.isfinite(seconds):
        return shown(seconds)
    distance = seconds - now
    ago = f"{behind} {span(-distance)}" + (" ago" if behind == "expired" else "")
    return f"{seconds} ({moment(seconds)}, {f'{ahead} {span(distance)}' if distance > 0 else ago})"
