"""The JSON of a key document, read so that one odd entry does not cost the other keys.

Identity providers write members that no key needs, and a working key beside them must stay usable.
So this reader accepts more than ``tokens.jws`` does for tokens, where any doubt ends in a denial:

===================================  =============================================================
what the document has                what the caller gets
===================================  =============================================================
a byte order mark                    nothing: it is skipped (RFC 8259, section 8.1)
bytes that are not UTF-8, lone       text with lone surrogates, which no key id and no number of a
surrogates                           key may have
a number of 2^63 or more, NaN        ``OUT_OF_RANGE``
a doubled name, one value            the value
a doubled name, different values     a ``DoubledObject``: the caller must not choose a value
control characters inside of text    the text
===================================  =============================================================

``find_oddity`` returns the words for these forms. A text that is no JSON is refused as a whole:
where an entry ends is then not certain.
"""

from __future__ import annotations

import codecs
import json
import math
from typing import Any, Final

from verifier.keys.model import InvalidKeyError, quote
from verifier.keys.pem import looks_like_pem
from verifier.tokens.jws import nests_deeper

# As deep as Python's parser reads on every version; nothing in a key document nests.
_MAX_DEPTH: Final = 500
_MAX_INTEGER: Final = 2**63
_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class _OutOfRange:
    """Stands for a number that programs read differently or not at all."""


OUT_OF_RANGE: Final = _OutOfRange()


class DoubledObject(dict[str, Any]):
    """An object in which a name occurs with two different values; as a dict, the last one counts.

    Attributes:
        pairs: All names and values in the document's order.
        name: One of the doubled names.
    """

    def __init__(self, pairs: list[tuple[str, Any]], name: str) -> None:
        super().__init__(pairs)
        self.pairs = pairs
        self.name = name


def decode_text(body: bytes) -> str:
    """Decode a file or a response, without its byte order mark; bytes that are not UTF-8 stay.

    Raises:
        InvalidKeyError: The text is UTF-16 or UTF-32.
    """
    # Shells on Windows write UTF-16 into a redirected file.
    if body.startswith(_UTF16) or body[:4].count(0) >= 2:
        raise InvalidKeyError("expected UTF-8 text, found UTF-16 or UTF-32")
    return body.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")


def parse_json(body: bytes) -> Any:
    """Parse a key document.

    Raises:
        InvalidKeyError: The text is no JSON, or it has more than 500 levels.
    """
    text = decode_text(body)
    if nests_deeper(body, _MAX_DEPTH):
        raise InvalidKeyError(f"expected at most {_MAX_DEPTH} levels")
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        # The message of the library may quote what it read.
        raise InvalidKeyError(f"expected strict JSON, found {_describe(text, error)}") from None


def find_oddity(value: Any) -> str:
    """Return why other programs may refuse a value or an entry; empty if there is nothing."""
    # A stack of our own: a hostile document may nest deeper than Python's calls.
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if found is OUT_OF_RANGE:
            return "it has a number out of range"
        if isinstance(found, DoubledObject):
            return f"it has the member {quote(found.name)} twice, with different values"
        if isinstance(found, str) and not _is_unicode(found):
            return "it has text that is not Unicode"
        if isinstance(found, dict):
            waiting += (*found, *found.values())
        elif isinstance(found, list):
            waiting += found
    return ""


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _describe(text: str, error: json.JSONDecodeError) -> str:
    start = text.lstrip()
    if not start:
        return "nothing"
    if start.startswith("<"):
        return "HTML or XML"
    if looks_like_pem(text) and not start.startswith(("{", "[")):
        return "PEM"
    if error.msg == "Extra data":
        return f"more text after its end, at character {error.pos + 1}"
    return f"an error at character {error.pos + 1} of {len(text)}"


def make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object with these members; a ``DoubledObject`` if one name has two values."""
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    seen: dict[str, Any] = {}
    for name, member in pairs:
        if seen.setdefault(name, member) != member:
            return DoubledObject(pairs, name)
    return value


def _integer(text: str) -> int | _OutOfRange:
    # Twenty digits are out of range, and int() is slow with many more.
    if len(text) > 20 or abs(value := int(text)) >= _MAX_INTEGER:
        return OUT_OF_RANGE
    return value


def _float(text: str) -> float | _OutOfRange:
    value = float(text)
    return value if math.isfinite(value) else OUT_OF_RANGE


def _constant(_name: str) -> _OutOfRange:
    return OUT_OF_RANGE


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=make_object,
    parse_int=_integer,
    parse_float=_float,
    parse_constant=_constant,
    strict=False,
)
