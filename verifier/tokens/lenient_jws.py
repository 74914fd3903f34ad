"""What Jitsi's own decoders make of a token that is not strict, to answer it in Jitsi's words.

basexx skips padding anywhere and drops leftover bits; ``luajwtjitsi`` splits at backslashes too
and ignores empty segments; lua-cjson takes the last of doubled names, bytes that are no UTF-8,
``nan``, hexadecimal and ``+1``. A token read here is never accepted: its ``irregularity`` is the
last thing that the rules look at, after everything that Jitsi would have answered before.
"""

from __future__ import annotations

import binascii
import json
import re
from typing import Any, Final

from verifier.tokens.jws import Token, nests_deeper

_SEPARATORS: Final = re.compile(rb"[\\.]+")
_URLSAFE: Final = re.compile(rb"[A-Za-z0-9_-]*")
_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
# Possessive, and an open string runs to the end: each character is looked at once.
_STRING_OR_WORD: Final = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[+.\w-]+', re.DOTALL)
# No mistake of an issuer is longer, and reading leniently costs more than reading strictly.
_MAX_BYTES: Final = 9_000
# lua-cjson reads 1,000 levels. Python 3.11 cannot on every stack, so that this bound is lower; a
# token with more than 64 levels is denied in any case, and between the bounds only Jitsi's words
# for it differ.
_MAX_DEPTH: Final = 500
_LITERALS: Final = frozenset({"true", "false", "null"})


class _UndecodableError(ValueError):
    """Not even Jitsi's decoders take this."""


def read_leniently(token: str, irregularity: str) -> Token:
    """Read a token that ``jws.read`` refused.

    Args:
        token: The token as presented.
        irregularity: What is not strict about it.

    Returns:
        What can be made of it; ``refusal`` and ``prologue_refusal`` say in Jitsi's words where
        nothing can.
    """
    raw = token.encode("utf-8", "surrogatepass")
    if len(raw) > _MAX_BYTES:
        return _refused(irregularity, "Invalid token", "Invalid token")
    prologue_header, prologue_refusal = _prologue(raw)
    segments = [segment for segment in _SEPARATORS.split(raw) if segment]
    if len(segments) != 3:
        return _refused(irregularity, "Invalid token", prologue_refusal, prologue_header)
    refusal = "Invalid header"
    try:
        header = _table(_json(_base64url(segments[0])))
        refusal = "Invalid body"
        claims = _table(_json(_base64url(segments[1])))
        refusal = "Invalid signature"
        signature = _base64url(segments[2])
    except _UndecodableError:
        return _refused(irregularity, refusal, prologue_refusal, prologue_header)
    return Token(
        header,
        claims,
        b".".join(segments[:2]),
        signature,
        irregularity,
        prologue_header=prologue_header,
        prologue_refusal=prologue_refusal,
    )


def _refused(
    irregularity: str,
    refusal: str,
    prologue_refusal: str | None,
    prologue_header: dict[str, Any] | None = None,
) -> Token:
    return Token({}, {}, b"", b"", irregularity, refusal, prologue_header or {}, prologue_refusal)


def _prologue(raw: bytes) -> tuple[dict[str, Any], str | None]:
    """Read the header as upstream's key-server branch does: up to the first dot."""
    segment, dot, _ = raw.partition(b".")
    if not dot:
        return {}, "Invalid token"
    try:
        decoded = _base64url(segment)
    except _UndecodableError:
        return {}, "Invalid token"
    try:
        return _table(_json(decoded)), None
    except _UndecodableError:
        return {}, "bad token format"


def _base64url(segment: bytes) -> bytes:
    """Decode as basexx: padding counts nowhere, leftover bits are dropped."""
    text = segment.replace(b"=", b"")
    if _URLSAFE.fullmatch(text) is None:
        raise _UndecodableError
    # Six bits alone make no byte.
    whole = text[:-1] if len(text) % 4 == 1 else text
    return binascii.a2b_base64(whole.translate(_TO_STANDARD) + b"=" * (-len(whole) % 4))


def _json(raw: bytes) -> Any:
    """Decode as lua-cjson, close enough to tell the same first refusal."""
    raw = raw.split(b"\0", 1)[0]
    if nests_deeper(raw, _MAX_DEPTH):
        raise _UndecodableError
    text = raw.decode("utf-8", "replace")
    try:
        value = json.loads(_STRING_OR_WORD.sub(_standard_number, text), strict=False)
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # no lone surrogates for cjson either
    except ValueError:
        raise _UndecodableError from None
    return value


def _standard_number(found: re.Match[str]) -> str:
    """Rewrite what C's ``strtod`` reads as a number into what Python's ``json`` reads as one."""
    word = found[0]
    if word[0] in '".' or word in _LITERALS:
        return word
    try:
        number = float.fromhex(word) if "x" in word.lower() else float(word)
    except (ValueError, OverflowError):
        return word
    return json.dumps(number)


def _table(value: Any) -> dict[str, Any]:
    """Index as Lua: a string or a list has no named members, other scalars cannot be indexed."""
    if isinstance(value, dict):
        return value
    if isinstance(value, str | list):
        return {}
    raise _UndecodableError
