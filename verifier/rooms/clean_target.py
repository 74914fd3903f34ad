"""A request's target without its tokens, to be shown to a browser or another site.

Knows neither hosts nor what the target is for.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

from verifier.rooms.address import Target

_TOKENS: Final = frozenset(("jwt", "token"))
_TOKEN: Final = re.compile(r"eyJ[\w-]{8,}|(?:jwt|token)=", re.IGNORECASE)
_ENCODED_AT_MOST: Final = 5
_PRINTABLE: Final = "".join(map(chr, range(0x21, 0x7F)))


def without_tokens(target: Target) -> str:
    """Write path and query anew, less the parameters ``jwt`` and ``token``.

    The result is printable ASCII and begins with one slash: two would name another host to a
    browser that is sent there.
    """
    parts = [part for part in target.query.split("&") if not _is_token(part)]
    query = "&".join(parts)
    path = "/" + target.path.lstrip("/")
    return quote(f"{path}?{query}" if query else path, safe=_PRINTABLE, errors="surrogatepass")


def may_hold_token(text: str) -> bool:
    """Tell whether a token may still stand in a text, however often it was percent-encoded."""
    for _ in range(_ENCODED_AT_MOST):
        if _TOKEN.search(text):
            return True
        text = unquote(text)
    return _TOKEN.search(text) is not None


def _is_token(parameter: str) -> bool:
    return unquote(parameter.partition("=")[0]) in _TOKENS
