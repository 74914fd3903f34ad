"""A request's target without its tokens, to be shown to a browser or another site.

Knows neither hosts nor what the target is for.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, unquote

from verifier.rooms.address import Target

_TOKENS: Final = frozenset(("jwt", "token"))
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


def _is_token(parameter: str) -> bool:
    return unquote(parameter.partition("=")[0]) in _TOKENS
