"""Which pages of other origins may read denials (the option ``cors_origins``).

A browser shows a page of another origin only responses whose headers permit it (Fetch standard,
"CORS protocol"). Denials come from this service, so it must add these headers. Allowed requests are
answered by Prosody or Jicofo, which add their own; a browser refuses a response with two of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from verifier.decisions.cache import ABSENT
from verifier.http.request import Request
from verifier.rooms.host import name_of_host

_ORIGIN: Final = b"origin"
_READABLE: Final = "Retry-After, WWW-Authenticate, X-Jitsi-Denial"
_NOTHING: Final[Mapping[str, str]] = {}


class CorsOrigins:
    """The origins whose pages may read denials, by host.

    Args:
        default: The origins for every host that is not configured.
        by_host: The origins for the configured hosts, by host name in lower case.
    """

    def __init__(
        self, default: Collection[str] = (), by_host: Mapping[str, Collection[str]] | None = None
    ) -> None:
        self._default = frozenset(default)
        self._by_host = {host: frozenset(origins) for host, origins in (by_host or {}).items()}
        self._all = self._default.union(*self._by_host.values())

    def __bool__(self) -> bool:
        """Return whether there is any origin."""
        return bool(self._all)

    def cache_key_part(self, request: Request) -> bytes:
        """Return the origin, if a denial may depend on it; else ``ABSENT``.

        No other origin gets into a cache key, so that invented ones do not fill the cache.
        """
        origin = request.sole(_ORIGIN)
        return ABSENT if origin is None or origin not in self._all else origin.encode()

    def headers(self, request: Request, host: str | None) -> Mapping[str, str]:
        """Return the headers that permit the page to read a response; empty for other pages.

        Args:
            request: The proxy's request, with the client's ``Origin``.
            host: The host of the original request; None if it cannot be read.
        """
        origin = request.sole(_ORIGIN)
        if origin is None or origin not in self._all:
            return _NOTHING
        if origin not in self._by_host.get(name_of_host(host or ""), self._default):
            return _NOTHING
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Credentials": "true",
            "Access-Control-Expose-Headers": _READABLE,
            "Vary": "Origin",
        }
