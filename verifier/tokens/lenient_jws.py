"""Reads a token that is not strict as Jitsi's own decoders do, to give Jitsi's answer to it.

A token that is read here is never accepted. It is read only because Jitsi's answer depends on what
Jitsi finds first: a token with padding that has also expired is "Not acceptable by exp" to Jitsi.
The rules look at ``strict_error`` last, after everything that Jitsi would have answered before.

Jitsi's decoders accept more than RFC 7515 and RFC 8259 do:

- basexx (base64url) skips padding anywhere, and drops leftover bits.
- luajwtjitsi splits at dots and backslashes, and ignores empty segments.
- lua-cjson takes the last of doubled names, bytes that are no UTF-8, ``nan``, ``inf``, hexadecimal
  numbers and ``+1``; it stops at a NUL.

Any client can send such a token, so the work is bounded before it begins. What is not read:

- a token of more than ``MAX_BYTES``;
- JSON with more than ``_MAX_VALUES`` values or ``jws.MAX_FRACTIONS`` fractions;
- JSON with numbers in other forms, if it has more than ``_MAX_WORDS`` strings and words.

The answer to these is "Invalid token". What takes longer than copying the text is done by C
functions of the standard library, as in ``jws``.
"""

from __future__ import annotations

import binascii
import json
import math
import re
from typing import Any, Final

from verifier.tokens.claims import TokenHeader
from verifier.tokens.jws import MAX_FRACTIONS, NO_HEADER, Token, has_lone_surrogates, nests_deeper

_SEPARATORS: Final = re.compile(rb"[\\.]+")
_URLSAFE: Final = re.compile(rb"[A-Za-z0-9_-]*")
_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
# Possessive quantifiers, and a string without its end runs to the end of the text: each character
# is looked at once.
_STRING_OR_WORD: Final = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[+.\w-]+', re.DOTALL)
MAX_BYTES: Final = 9_000
"""More bytes than a token that an issuer made by mistake has."""

# More values than a token that an issuer made by mistake has.
_MAX_VALUES: Final = 1_024
# More strings and words than such a token has. A Python function is called for each of them.
_MAX_WORDS: Final = 128
# lua-cjson reads 1,000 levels. This bound is lower, because Python 3.11 may reach its recursion
# limit before. A token with more than 64 levels is denied in any case; between 500 and 1,000
# levels, only the text of the denial differs from Jitsi's.
_MAX_DEPTH: Final = 500
_LITERALS: Final = frozenset({"true", "false", "null"})


class _UndecodableError(ValueError):
    """Jitsi's decoders raise an error at this, too."""


class _TooMuchWorkError(Exception):
    """Reading this would take more work than a token may cost."""


def read_leniently(token: str, strict_error: str) -> Token:
    """Read a token that ``jws.read`` refused.

    Args:
        token: The token as presented.
        strict_error: Why ``jws.read`` refused it.

    Returns:
        The token; its ``refusal`` and ``first_refusal`` are Jitsi's words for what its decoders
        cannot read either.
    """
    raw = token.encode("utf-8", "surrogatepass")
    if len(raw) > MAX_BYTES:
        return refuse_unread(strict_error)
    try:
        return _read(raw, strict_error)
    except _TooMuchWorkError:
        return refuse_unread(strict_error)


def refuse_unread(strict_error: str) -> Token:
    """Return what ``read_leniently`` returns for a token that takes too much work to read."""
    return _refused(strict_error, "Invalid token", "Invalid token")


def _read(raw: bytes, strict_error: str) -> Token:
    # One part more than a good token has, and one that is empty if the token begins with a dot.
    parts = _SEPARATORS.split(raw, 4)
    segments = [segment for segment in parts if segment]
    first_segment, dot, _ = raw.partition(b".")
    first_header, first_refusal = _read_first_header(first_segment, dot)
    if len(segments) != 3:
        return _refused(strict_error, "Invalid token", first_refusal, first_header)
    # Usually Jitsi reads the same segment both times. Then it is decoded once here.
    is_read, refusal = segments[0] == first_segment, "Invalid header"
    if is_read and first_refusal is not None:
        return _refused(strict_error, refusal, first_refusal)
    try:
        header = first_header if is_read else TokenHeader(_table(_decode(segments[0])))
        refusal = "Invalid body"
        claims = _table(_decode(segments[1]))
        refusal = "Invalid signature"
        signature = _base64url(segments[2])
    except _UndecodableError:
        return _refused(strict_error, refusal, first_refusal, first_header)
    return Token(
        header,
        claims,
        b".".join(segments[:2]),
        signature,
        strict_error,
        first_header=first_header,
        first_refusal=first_refusal,
    )


def _refused(
    strict_error: str,
    refusal: str,
    first_refusal: str | None,
    first_header: TokenHeader = NO_HEADER,
) -> Token:
    return Token(NO_HEADER, {}, b"", b"", strict_error, refusal, first_header, first_refusal)


def _read_first_header(segment: bytes, dot: bytes) -> tuple[TokenHeader, str | None]:
    """Read the header as Jitsi does before it asks a key server: up to the first dot."""
    if not dot:
        return NO_HEADER, "Invalid token"
    try:
        decoded = _base64url(segment)
    except _UndecodableError:
        return NO_HEADER, "Invalid token"
    try:
        return TokenHeader(_table(_json(decoded))), None
    except _UndecodableError:
        return NO_HEADER, "bad token format"


def _base64url(segment: bytes) -> bytes:
    """Decode base64url as basexx does: padding is skipped, leftover bits are dropped."""
    text = segment.replace(b"=", b"")
    if _URLSAFE.fullmatch(text) is None:
        raise _UndecodableError
    # A last character alone has six bits, which make no byte.
    whole = text[:-1] if len(text) % 4 == 1 else text
    return binascii.a2b_base64(whole.translate(_TO_STANDARD) + b"=" * (-len(whole) % 4))


def _decode(segment: bytes) -> Any:
    return _json(_base64url(segment))


def _json(raw: bytes) -> Any:
    """Decode JSON as lua-cjson does, close enough to find the same first error."""
    raw = raw.split(b"\0", 1)[0]
    if nests_deeper(raw, _MAX_DEPTH):
        raise _UndecodableError
    # Each value but the first in its object or list follows a comma.
    if raw.count(b",") + raw.count(b"{") + raw.count(b"[") > _MAX_VALUES:
        raise _TooMuchWorkError
    text = raw.decode("utf-8", "replace")
    try:
        value = _decode_json(text)
    except ValueError:
        text = _standardize_numbers(text)
        try:
            value = _decode_json(text)
        except ValueError:
            raise _UndecodableError from None
    if "\\u" in text and has_lone_surrogates(text):
        raise _UndecodableError
    return value


def _decode_json(text: str) -> Any:
    if text.count(".") + text.count("e") + text.count("E") > MAX_FRACTIONS:
        fractions = list[str]()
        json.JSONDecoder(strict=False, parse_int=len, parse_float=fractions.append).decode(text)
        if len(fractions) > MAX_FRACTIONS:
            raise _TooMuchWorkError
    # To Lua each number is a float.
    return json.loads(text, strict=False, parse_int=float)


def _standardize_numbers(text: str) -> str:
    """Rewrite the numbers that only C's ``strtod`` reads."""
    text, count = _STRING_OR_WORD.subn(_standardize, text, _MAX_WORDS + 1)
    if count > _MAX_WORDS:
        raise _TooMuchWorkError
    return text


def _standardize(found: re.Match[str]) -> str:
    """Return a string as it is, and a number in the form of JSON."""
    word = found[0]
    if word[0] in '".' or word in _LITERALS:
        return word
    try:
        number = float.fromhex(word) if "x" in word.lower() else float(word)
    except (ValueError, OverflowError):
        return word
    return repr(number) if math.isfinite(number) else json.dumps(number)


def _table(value: Any) -> dict[str, Any]:
    """Return the members as Lua finds them: a string or list has none, other scalars raise."""
    if isinstance(value, dict):
        return value
    if isinstance(value, str | list):
        return {}
    raise _UndecodableError
