"""Matches a room name against a room claim that is a Lua pattern, within Jitsi's limits.

Jitsi limits the length of names and the number of quantifiers (``token_regex_*``); both are
checked in Jitsi's order. Jitsi's count of quantifiers can be evaded: in ``%b[x.-.-.-x`` it
takes ``[`` for the start of a class, and counts none of the quantifiers after it. The matcher's
limit of steps (``lua_pattern``) is ours, and holds for every pattern.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from verifier.rooms.lua_pattern import PatternError, PatternTooComplex, match

_QUANTIFIERS: Final = b"*+-?"
_TOO_COMPLEX: Final = "Room claim pattern is too complex"

TOO_LONG: Final = "name-too-long"
TOO_COMPLEX: Final = "too-complex"
INVALID: Final = "invalid"


@dataclass(frozen=True, slots=True)
class PatternRefusal:
    """Why a pattern was not matched: Jitsi's words, what was found, and the cause in short."""

    reason: str
    found: str
    cause: str


def match_room(
    room: str, pattern: str, *, max_bytes: int, max_quantifiers: int
) -> str | PatternRefusal | None:
    """Match a room name against the pattern in the room claim.

    Args:
        room: The room's name, without its tenant.
        pattern: The room claim.
        max_bytes: Longest name that is matched (``token_regex_room_max_length``).
        max_quantifiers: Most quantifiers in a pattern (``token_regex_max_quantifiers``).

    Returns:
        The first capture, or the whole match without captures, as ``string.match`` returns it; None
        if nothing matches; a refusal if Jitsi raises ``invalid-regex``.
    """
    subject, source = _bytes(room), _bytes(pattern)
    if len(subject) > max_bytes:
        return PatternRefusal(
            "Room name is too long to match against the room claim",
            f"{len(subject)} bytes",
            TOO_LONG,
        )
    counted = _count_as_jitsi(source)
    if counted > max_quantifiers:
        return _too_complex(f"{counted} quantifiers")
    matched = _match(subject, source)
    # A pattern that evades the count and does not match opens no room, so that the answer remains
    # Jitsi's.
    if isinstance(matched, str) and count_quantifiers(source) > counted:
        return _too_complex("quantifiers that evade Jitsi's count")
    return matched


def _too_complex(found: str) -> PatternRefusal:
    return PatternRefusal(_TOO_COMPLEX, found, TOO_COMPLEX)


def _match(subject: bytes, source: bytes) -> str | PatternRefusal | None:
    try:
        captures = match(subject, source)
    except PatternError as error:
        return PatternRefusal("Room claim is not a valid Lua pattern", str(error), INVALID)
    except PatternTooComplex:
        return _too_complex("more matching steps than any room name needs")
    if captures is None:
        return None
    first = captures[0]
    # A position capture is a number. Jitsi would make text of it, so that "()" opens room 1.
    if not isinstance(first, bytes) or any(isinstance(capture, int) for capture in captures):
        return ""
    return first.decode("utf-8", "surrogateescape")


def _count_as_jitsi(pattern: bytes) -> int:
    """Count quantifiers as Jitsi does: an escape is two bytes, and every ``[`` opens a class."""
    without_escapes = re.sub(rb"%.", b"x", pattern, flags=re.DOTALL)
    without_classes = re.sub(rb"\[[^\]]*(\]|$)", b"x", without_escapes)
    return len(re.findall(rb"[*+?-]", without_classes))


def count_quantifiers(pattern: bytes) -> int:
    """Count the items of a Lua pattern that repeat (reference manual, section 6.4.1)."""
    count, at = 0, 1 if pattern[:1] == b"^" else 0
    while at < len(pattern):
        at, may_repeat = _skip_item(pattern, at)
        if may_repeat and at < len(pattern) and pattern[at] in _QUANTIFIERS:
            count, at = count + 1, at + 1
    return count


def _skip_item(pattern: bytes, at: int) -> tuple[int, bool]:
    """Step over one pattern item: where the next begins, and whether this one can repeat."""
    head, following = pattern[at : at + 1], pattern[at + 1 : at + 2]
    if head in b"()":
        return at + 1, False
    if head == b"[":
        return _skip_class(pattern, at + 1), True
    if head != b"%":
        return at + 1, True
    if following == b"b":
        return at + 4, False
    if following == b"f":
        return at + 2, False
    return at + 2, not following.isdigit()


def _skip_class(pattern: bytes, at: int) -> int:
    if pattern[at : at + 1] == b"^":
        at += 1
    first = True
    while at < len(pattern) and (first or pattern[at : at + 1] != b"]"):
        at += 2 if pattern[at : at + 1] == b"%" else 1
        first = False
    return at + 1


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
