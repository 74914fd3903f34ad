"""Values as text for people: short, on one line, without control characters and without tokens.

This module knows no rule. It writes all times in UTC.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

from verifier.rules.denials import format_duration
from verifier.tokens.claims import ABSENT, is_number
from verifier.tokens.redact import HIDDEN, hide_tokens

MILLISECONDS: Final = 10_000_000_000
"""A time above this many seconds (the year 2286) was most likely written in milliseconds."""

_YEAR: Final = 365.25 * 86_400
_UNITS: Final = (
    # Name, parts of a second, and how far from now a time in this unit is at most, seconds.
    ("microseconds", 1e6, 50 * _YEAR),
    ("nanoseconds", 1e9, 50 * _YEAR),
    ("milliseconds", 1e3, 7_000 * _YEAR),
)
COPY_AGAIN: Final = (
    "Copy the whole link or token again; a token is cut by columns, fields and mail programs that"
    " are too narrow for it."
)
INVISIBLE: Final = {
    " ": "A blank",
    "\t": "A tab",
    "\n": "A line break",
    "\r": "A line break",
    "\xa0": "A no-break space",
    "\u3000": "A wide blank",
    "\ufeff": "A byte order mark",
    "\u200b": "A zero-width space",
    "\u200c": "An invisible character",
    "\u200d": "An invisible character",
    "\u200e": "An invisible character",
    "\u2060": "An invisible character",
    "\u00ad": "A soft hyphen",
}
"""Characters that a reader does not see, and how a sentence names them."""

_MAX_LENGTH: Final = 160
# More than is shown, since a token that is hidden makes a text shorter. Not all of a long claim:
# report-only mode explains what any client sends.
_MAX_READ: Final = 3 * _MAX_LENGTH
_WORD: Final = re.compile(r"[A-Za-z0-9_]{10,}")
_PLAIN: Final = re.compile(r"[\w%~-]+(?:\.[\w%~-]+)*", re.ASCII)
# A dot in quotes ends no sentence, and neither does one within a word.
_SENTENCE: Final = re.compile(
    r'(?:"(?:[^"\\]|\\.)*+"|`[^`]*+`|[^"`.]|\.(?!\s|$))++\.',
)


def format_value(value: Any) -> str | None:
    """Return a string as it is and another JSON value as JSON; None for an absent value."""
    if value is ABSENT:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return make_printable(text)


def quote(value: Any) -> str:
    """Return a JSON value as JSON; ``nothing`` for an absent value."""
    if value is ABSENT:
        return "nothing"
    text = make_printable(json.dumps(value, ensure_ascii=False))
    # A quotation mark without its partner would hide the end of the sentence.
    return f'{text}"' if isinstance(value, str) and not text.endswith('"') else text


def in_backquotes(text: str) -> str:
    """Return a piece of a link or token in backquotes; as JSON if it has one itself."""
    return quote(text) if "`" in text else f"`{make_printable(text)}`"


def make_printable(text: str) -> str:
    """Hide tokens, shorten a long text, and escape characters that a terminal would interpret."""
    is_cut = len(text) > _MAX_READ
    text = hide_tokens(text[:_MAX_READ])
    if is_cut or len(text) > _MAX_LENGTH:
        text = text[:_MAX_LENGTH] + "…"
    return escape_unprintable(text)


def hide_pieces(text: str) -> str:
    """Hide words that may be a piece of a token which other characters have cut.

    Such a word changes between capitals, small letters and digits at every second or third
    character; names, also those without blanks, do so less often.
    """
    return _WORD.sub(lambda word: HIDDEN if _may_be_piece(word[0]) else word[0], text)


def _may_be_piece(word: str) -> bool:
    kinds = [(letter.isupper(), letter.isdigit()) for letter in word]
    changes = sum(one != other for one, other in pairwise(kinds))
    return 3 * changes > len(word)


def escape_unprintable(text: str) -> str:
    """Escape characters that a terminal would interpret."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def plain(text: str) -> str:
    """Return a name as it is if it is one plain word; else as JSON, in quotes."""
    return text if _PLAIN.fullmatch(text) and text == make_printable(text) else quote(text)


def join_words(words: Sequence[str]) -> str:
    """Return words joined by commas and "and"."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def split_cause(suggestion: str) -> tuple[str, str]:
    """Return the first sentence of a suggestion, which is the cause, and the rest of it."""
    match = _SENTENCE.match(suggestion)
    if match is None:
        return suggestion, ""
    return match[0], suggestion[match.end() :].strip()


def quote_or_wildcard(text: str) -> str:
    """Return a claim's value and its alternative, the wildcard."""
    return '"*"' if text == "*" else f'{quote(text)}, or "*"'


def quote_accepted(values: Sequence[str]) -> str:
    """Return the accepted values, joined by "or"; ``*`` accepts any value."""
    return "anything" if "*" in values else " or ".join(quote(value) for value in values)


def format_time(seconds: Any) -> str:
    """Return a Unix time in seconds as a date in UTC; ``no date`` for any other value."""
    try:
        when = datetime.fromtimestamp(seconds, UTC) if is_number(seconds) else None
    except (ValueError, OverflowError, OSError):  # before the year 1 or after the year 9999
        return "no date"
    return "no date" if when is None else f"{when:%Y-%m-%d %H:%M:%S} UTC"


def describe_large_time(value: float, now: float) -> str:
    """Return the unit in which a time above ``MILLISECONDS`` was written, as an end of a clause."""
    unit = unit_of_large_time(value, now)
    return f"looks like {unit[0]}" if unit else "is no time in seconds"


def unit_of_large_time(value: float, now: float) -> tuple[str, float] | None:
    """Return the unit in which a time is near now, and how many of it are a second."""
    for name, parts, farthest in _UNITS:
        if abs(value / parts - now) < farthest:
            return name, parts
    return None


def format_expiry(seconds: Any, now: float) -> str | None:
    """Return an ``exp`` claim as its number, its date and its distance from now."""
    return _format_distance(seconds, now, "expires in", "expired")


def format_not_before(seconds: Any, now: float) -> str | None:
    """Return an ``nbf`` claim as its number, its date and its distance from now."""
    return _format_distance(seconds, now, "valid in", "valid since")


def _format_distance(seconds: Any, now: float, future: str, past: str) -> str | None:
    if not is_number(seconds) or not math.isfinite(seconds):
        return format_value(seconds)
    distance = seconds - now
    if distance > 0:
        relative = f"{future} {format_duration(distance)}"
    else:
        relative = f"{past} {format_duration(-distance)}" + (" ago" if past == "expired" else "")
    return f"{seconds} ({format_time(seconds)}, {relative})"
