"""Suggestions about ``exp`` and ``nbf``: their form, their unit, and their issuer's time zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from verifier.explain.decided_request import DecidedRequest
from verifier.explain.wording import (
    MILLISECONDS,
    describe_large_time,
    format_time,
    quote,
    unit_of_large_time,
)
from verifier.rules.denials import format_duration
from verifier.tokens.claims import is_number

_CLOCK_SKEW: Final = 600
"""A difference of at most this many seconds may come from a wrong clock."""
_MOST_HOURS: Final = 14  # between UTC and any zone
_ISSUED_JUST_NOW: Final = 120  # seconds
_LONGEST_DATE: Final = 64  # characters
_LONGEST_LIFETIME: Final = 100_000_000
"""An ``exp`` below this number (the year 1973) is a lifetime in seconds, not a point in time."""


def suggest_numeric_expiry(decided: DecidedRequest) -> str:
    """Suggest a number for ``exp``."""
    return _suggest_number("exp", decided.claims.expiry, decided.now)


def suggest_numeric_not_before(decided: DecidedRequest) -> str:
    """Suggest a number for ``nbf``."""
    return _suggest_number("nbf", decided.claims.not_before, decided.now)


def _suggest_number(name: str, value: Any, now: float) -> str:
    if isinstance(value, str):
        return _suggest_for_text(name, value, now)
    return (
        f"The claim {name} is {quote(value)}, and no number. Write {name} as a number of seconds"
        " since 1970, or leave it out."
    )


def _suggest_for_text(name: str, value: str, now: float) -> str:
    if re.fullmatch(r"[0-9]{1,15}", value):
        unit = unit_of_large_time(int(value), now) if int(value) > MILLISECONDS else None
        if unit is not None:
            return (
                f"The claim {name} is a string, and in {unit[0]}. Write {name} as a number of"
                f" seconds: {int(value) // int(unit[1])}."
            )
        return (
            f"The claim {name} is a string. Write {name} as a number, {value}, and not as"
            f' "{value}".'
        )
    moment = _read_date(value)
    if moment is not None:
        zone = "" if moment.tzinfo else ", if this date is in UTC"
        seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
        return (
            f"The claim {name} is a date as a string. Write {name} as a number of seconds since"
            f" 1970: {seconds}{zone}."
        )
    return (
        f"The claim {name} is a string. Write {name} as a number of seconds since 1970, and not as"
        " a string."
    )


def _read_date(value: str) -> datetime | None:
    """Return the moment of a date in the form of ISO 8601 or of a mail; None for other texts."""
    if len(value) > _LONGEST_DATE or not value.isascii():
        return None
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(value)
            moment.timestamp()
        except (ValueError, TypeError, OverflowError, OSError):
            continue
        return moment
    return None


def suggest_later_expiry(decided: DecidedRequest) -> str:
    """Suggest a new token, or the correct form of ``exp``."""
    expiry = decided.claims.expires_at or 0
    if 0 <= expiry < _LONGEST_LIFETIME:
        return (
            f"The claim exp is a time, but {expiry} looks like a lifetime: as a time it is"
            f" {format_time(expiry)}. Add the lifetime to the present time, in seconds since 1970."
        )
    ago = format_duration(decided.now - expiry)
    expired = f"The token expired {ago} ago, at {format_time(expiry)}. Issue a new token."
    if decided.now - expiry > _CLOCK_SKEW:
        issued = decided.claims.issued_at or decided.claims.not_before
        away = decided.now - issued if is_number(issued) else 0
        return f"{expired}{_hint_at_zone(away, 'behind')}"
    return f"{expired} If it should still be valid, correct both clocks: Jitsi has no leeway."


def suggest_earlier_not_before(decided: DecidedRequest) -> str:
    """Suggest to wait, or the correct form of ``nbf``."""
    not_before = decided.claims.not_before
    if not_before > MILLISECONDS:
        unit = unit_of_large_time(not_before, decided.now)
        cure = f"Divide it by {unit[1]:.0f}" if unit else "Write the seconds since 1970"
        seems = describe_large_time(not_before, decided.now)
        return f"The claim nbf, {not_before}, {seems}, and Jitsi reads seconds. {cure}."
    ahead = not_before - decided.now
    if ahead > _CLOCK_SKEW:
        return (
            f"The token is not valid yet: its nbf is {format_duration(ahead)} from now. Wait until"
            f" {format_time(not_before)}, or set nbf earlier.{_hint_at_zone(ahead, 'ahead')}"
        )
    return (
        f"The token becomes valid in {format_duration(ahead)}, and Jitsi has no leeway for clock"
        " skew. Correct both clocks, or set nbf one minute earlier."
    )


def _hint_at_zone(away: float, direction: str) -> str:
    """Return a hint if a time of issue differs from now as the times of two zones do."""
    hours = round(away / 1800) / 2
    if not 0 < hours <= _MOST_HOURS or abs(away - hours * 3600) > _ISSUED_JUST_NOW:
        return ""
    return (
        f" If it was issued just now, its times are {hours:g} h {direction}: the issuer wrote local"
        " time as if it were UTC."
    )
