"""Percent-decoding (RFC 3986, section 2.1) in bounded time; knows neither URLs nor rooms.

``urllib.parse.unquote`` takes about half a microsecond for each percent sign, and a client can send
thousands of them in each of many places. Quoted-printable (RFC 2045, section 6.7) writes a byte as
``=XX`` where a URL writes ``%XX``, and Python decodes it in C, in a hundredth of the time.
"""

from __future__ import annotations

import binascii
import re
from typing import Final

BROKEN: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
"""A percent sign that begins no escape."""

# More percent signs than a name or a token has by mistake. A text with more of them is not decoded.
_MOST_BROKEN: Final = 256


def percent_decoded(text: str, errors: str = "surrogateescape") -> str:
    """Decode a text as UTF-8; a percent sign that begins no escape stays.

    Args:
        text: The text. It stays as it is if it has a lone surrogate, or very many broken escapes.
        errors: What is done with bytes that are not UTF-8, as for ``bytes.decode``.

    Raises:
        UnicodeDecodeError: ``errors`` is ``strict``, and the bytes are not UTF-8.
    """
    if "%" not in text:
        return text
    whole, broken = BROKEN.subn("%25", text, _MOST_BROKEN + 1)
    if broken > _MOST_BROKEN:
        return text
    try:
        escaped = whole.encode()
    except UnicodeEncodeError:
        return text
    decoded = binascii.a2b_qp(escaped.replace(b"=", b"=3D").replace(b"%", b"="))
    return decoded.decode("utf-8", errors)


def has_many_broken_escapes(text: str) -> bool:
    """Return whether a text has so many broken escapes that it is not decoded."""
    return BROKEN.subn("", text, _MOST_BROKEN + 1)[1] > _MOST_BROKEN
