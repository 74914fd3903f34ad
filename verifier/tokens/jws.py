"""Reads a compact token strictly: three canonical base64url segments with strict JSON in them.

RFC 7515 section 3.1, RFC 7519 section 7.2 and RFC 8725 section 2.4 allow no other forms. Decoders
that accept more make it possible that two programs read two different tokens in the same text.
This module knows no key, and checks no claim.

Any client can send a token of 16 KB without a good signature. So what takes longer than copying the
text is done by C functions of the standard library, and calls of Python functions are few. The
usual token has few values, and its parser calls ``_object``, ``_integer`` and ``_float``. A token
with many values takes another way to the same result: see ``_decode_many``.
"""

from __future__ import annotations

import binascii
import json
import math
import re
from array import array
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from itertools import accumulate
from types import MappingProxyType
from typing import Any, Final

from verifier.tokens.claims import TokenHeader

MAX_TOKEN_BYTES: Final = 16_384
MAX_DEPTH: Final = 64
MAX_CONTAINERS: Final = 1_024
"""Objects and lists; to make one takes ten times as long as to read its brackets."""

MAX_FRACTIONS: Final = 128
"""Numbers with a fraction or an exponent; the conversion of one may take 0.5 µs."""

_MAX_INTEGER: Final = 2**63
_MAX_DIGITS: Final = 20  # these are out of range, and int() is slow with many more
# "!" stands for the characters that are in the standard alphabet only.
_TO_STANDARD: Final = bytes.maketrans(b"-_+/=", b"+/!!!")
_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
# A last group of two characters holds one byte and four unused bits. A last group of three holds
# two bytes and two unused bits. In canonical base64url the unused bits are zero.
_LAST: Final = (b"", b"", _ALPHABET[::16], _ALPHABET[::4])
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"{}[]"))
# The change of the level at each bracket, as a signed byte.
_LEVELS: Final = bytes.maketrans(b"{[}]", b"\x01\x01\xff\xff")
_ANY_BUT_DOTS: Final = bytes.maketrans(bytes(set(range(256)) - set(b".")), b"a" * 255)
# JSON in which each escape is either a surrogate pair or no surrogate. Possessive quantifiers: each
# byte is looked at once.
_NO_LONE_SURROGATE: Final = re.compile(
    r"(?:[^\\]++|\\u[Dd][89ABab]..\\u[Dd][C-Fc-f]..|\\(?!u[Dd][89A-Fa-f]).)*+", re.DOTALL
)
# A call of a Python function takes longer than the rest of the work for a value.
_FEW_VALUES: Final = 128
_OUT_OF_RANGE: Final = b"0" * 19
_DIGITS_TO_ZERO: Final = bytes.maketrans(b"123456789", b"000000000")
_PADDING: Final = (b"", b"", b"==", b"=")


_MAX_REMEMBERED: Final = 256
"""The number of headers that are remembered, and the most bytes that each of them may have."""

NO_HEADER: Final = TokenHeader({})


class MalformedError(ValueError):
    """A segment is malformed; the message says which and how, and never quotes it."""


@dataclass(slots=True)
class Token:
    """The parts of a compact token; nothing about them has been checked.

    Attributes:
        header: The JOSE header.
        claims: The payload.
        signing_input: The bytes that are signed (RFC 7515, section 5.1).
        signature: The signature's bytes.
        strict_error: Why the token is not strict; empty if it is.
        refusal: Jitsi's words for a token that its decoders cannot read either; else None.
        first_header: The header as Jitsi reads it first. Before it asks a key server for the key,
            Jitsi decodes the text before the first dot. Later, it decodes the whole token by other
            rules.
        first_refusal: Jitsi's words if it cannot read that header; else None.
    """

    header: TokenHeader = field(repr=False)
    claims: dict[str, Any] = field(repr=False)
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    strict_error: str = ""
    refusal: str | None = None
    first_header: TokenHeader = field(default=NO_HEADER, repr=False)
    first_refusal: str | None = None


def read(token: str) -> Token:
    """Read a compact token.

    Raises:
        MalformedError: Not three canonical base64url segments, the first two of them strict JSON
            objects, or over 16 KB.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise MalformedError(f"expected at most {MAX_TOKEN_BYTES} bytes, found {len(token)}")
    raw = token.encode("utf-8", "surrogatepass")
    segments = raw.split(b".", 3)
    if len(segments) != 3 or not all(segments):
        found = (b"." + raw).translate(_ANY_BUT_DOTS).count(b".a")
        raise MalformedError(f"expected three non-empty segments, found {found}")
    part = "header"
    try:
        header = _read_header(segments[0])
        part = "payload"
        claims = decode_object(segments[1])
        part = "signature"
        signature = decode_base64url(segments[2])
    except MalformedError as error:
        raise MalformedError(f"{part}: {error}") from None
    signing_input = raw[: raw.rindex(b".")]
    return Token(header, claims, signing_input, signature, first_header=header)


def _read_header(segment: bytes) -> TokenHeader:
    if len(segment) <= _MAX_REMEMBERED:
        return _read_and_remember_header(segment)
    return TokenHeader(decode_object(segment))


# The tokens of one issuer begin with the same few headers. A header is no secret. A client that
# sends many others can only make this function decode again. A malformed header is not remembered.
@lru_cache(_MAX_REMEMBERED)
def _read_and_remember_header(segment: bytes) -> TokenHeader:
    # Read-only, because many requests share it.
    return TokenHeader(MappingProxyType(decode_object(segment)))


def token_digest(compact: str) -> str:
    """Return the digest that identifies a token: SHA-256 of its compact form, lower-case hex."""
    return sha256(compact.encode("utf-8", "surrogatepass")).hexdigest()


def decode_base64url(segment: bytes) -> bytes:
    """Decode one segment of unpadded, canonical base64url.

    Raises:
        MalformedError: Padding, another alphabet, or unused bits that are not zero.
    """
    beyond = len(segment) % 4
    try:
        # a2b_base64 ignores the unused bits.
        if not beyond or segment[-1] in _LAST[beyond]:
            standard = segment.translate(_TO_STANDARD) + _PADDING[beyond]
            return binascii.a2b_base64(standard, strict_mode=True)
    except binascii.Error:
        pass
    raise MalformedError("expected canonical, unpadded base64url")


def decode_object(segment: bytes) -> dict[str, Any]:
    """Decode one segment into a JSON object (RFC 8259, and RFC 7493's I-JSON where it is vague).

    Raises:
        MalformedError: Bad base64url, bad UTF-8, no object, a doubled name, NaN or Infinity, a
            number of 2^63 or more, a lone surrogate, more than 64 levels, or too many objects and
            lists or numbers with a fraction.
    """
    return parse_object(decode_base64url(segment))


def parse_object(raw: bytes) -> dict[str, Any]:
    """Parse a strict JSON object; see ``decode_object``."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedError("expected UTF-8") from None
    openers = raw.count(b"{") + raw.count(b"[")
    if openers > MAX_DEPTH:
        _check_nesting(raw)
    try:
        # Each value but the first in its object or list follows a comma.
        few = openers + raw.count(b",") <= _FEW_VALUES
        value = _decode(text) if few else _decode_many(raw, text)
    except MalformedError:
        raise
    except ValueError:
        raise MalformedError("expected strict JSON") from None
    if not isinstance(value, dict):
        raise MalformedError(f"expected a JSON object, found {json_type(value)}")
    if "\\u" in text and has_lone_surrogates(text):
        raise MalformedError("expected no lone surrogates")
    return value


def nests_deeper(raw: bytes, depth: int) -> bool:
    """Return whether a JSON text has more than so many levels of objects and lists.

    Counted before the text is parsed: Python's parser recurses, and how deep it may recurse differs
    from version to version. In a text that is no JSON, the count is right up to the first error.
    """
    if raw.count(b"{") + raw.count(b"[") <= depth:
        return False
    return max(accumulate(_level_changes(raw)), default=0) > depth


def _check_nesting(raw: bytes) -> None:
    changes = _level_changes(raw)
    if max(accumulate(changes), default=0) > MAX_DEPTH:
        raise MalformedError(f"expected at most {MAX_DEPTH} levels")
    if changes.count(1) > MAX_CONTAINERS:
        raise MalformedError(f"expected at most {MAX_CONTAINERS} objects and lists")


def _level_changes(raw: bytes) -> array[int]:
    """Return 1 for each bracket that opens an object or list, and -1 for each that closes one."""
    # Without escapes, every second part between quotes is the inside of a string.
    unescaped = raw.replace(rb"\\", b"").replace(rb"\"", b"") if b"\\" in raw else raw
    outside = b"".join(unescaped.split(b'"')[::2])
    return array("b", outside.translate(_LEVELS, _NO_BRACKETS))


def has_lone_surrogates(text: str) -> bool:
    """Return whether valid JSON has an escape that is one half of a surrogate pair."""
    return _NO_LONE_SURROGATE.fullmatch(text) is None


def json_type(value: Any) -> str:
    """Return the name of a JSON value's type, for messages that must not quote the value."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    return "null" if value is None else names.get(type(value), "a number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise MalformedError("expected every member name once, found one doubled")
    return value


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS or abs(value := int(text)) >= _MAX_INTEGER:
        raise MalformedError("expected numbers below 2^63")
    return value


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value) or abs(value) >= _MAX_INTEGER:
        raise MalformedError("expected numbers below 2^63")
    return value


def _constant(_name: str) -> Any:
    raise MalformedError("expected finite numbers")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_float,
    parse_constant=_constant,
)
_PLAIN_DECODER: Final = json.JSONDecoder()


def _decode(text: str) -> Any:
    """Parse as ``JSONDecoder.decode`` does, but without its two searches for blanks."""
    if text[:1] == "{":
        value, end = _DECODER.raw_decode(text)
        if end == len(text):
            return value
    return _DECODER.decode(text)


def _decode_many(raw: bytes, text: str) -> Any:
    """Return what ``_decode`` returns; without a call of a Python function for each value."""
    members, integers, fractions = list[Any](), list[str](), list[str]()
    has_long_integers = _OUT_OF_RANGE in raw.translate(_DIGITS_TO_ZERO)
    value = json.JSONDecoder(
        # What is to be checked is collected, and is then missing in the value.
        object_pairs_hook=members.append if raw.count(b"{") > _FEW_VALUES else _object,
        parse_int=integers.append if has_long_integers else None,
        parse_float=fractions.append,
        parse_constant=_constant,
    ).decode(text)
    if not members and not integers and not fractions:
        return value
    several = [pairs for pairs in members if len(pairs) > 1]
    if sum(map(len, several)) != sum(map(len, map(dict, several))):
        raise MalformedError("expected every member name once, found one doubled")
    if len(fractions) > MAX_FRACTIONS:
        raise MalformedError(f"expected at most {MAX_FRACTIONS} fractions")
    for integer in integers:
        if len(integer) >= len(_OUT_OF_RANGE):
            _integer(integer)
    for fraction in fractions:
        _float(fraction)
    return _PLAIN_DECODER.decode(text)
