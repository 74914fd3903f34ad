"""One careful HTTP GET: bounded in time, size, redirects and where they may lead.

The only module here that knows aiohttp. What comes back is bytes; nothing is parsed.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from dataclasses import dataclass, field
from typing import Final, Literal

import aiohttp
from yarl import URL

from verifier.keys.formats import MAX_DOCUMENT_BYTES
from verifier.keys.sources.base import KeySourceError
from verifier.keys.sources.body import read_body
from verifier.keys.sources.freshness import stated_lifetime
from verifier.keys.sources.settings import SourceContext
from verifier.version import VERSION

MAX_REDIRECTS: Final = 3
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_GOOD: Final = (200, 204)  # as upstream's http_get_with_retry
# What a server says about itself, not about the one key that it was asked for.
_SOURCE_TROUBLE: Final = (408, 429)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said.

    Attributes:
        outcome: In one word.
        body: What it sent, decoded; empty unless ``ok``.
        etag: Its name for this version; empty if it gave none.
        lifetime: For how long it says that this is fresh, seconds; None if it does not.
    """

    outcome: Literal["ok", "not-modified", "not-found"]
    body: bytes = field(default=b"", repr=False)
    etag: str = ""
    lifetime: float | None = None


def open_session() -> aiohttp.ClientSession:
    """Open the process' one session: no proxy variables, no cookies, an honest name.

    The caller closes it. Bodies arrive as they were sent: ``read_body`` unpacks them in bounds.
    """
    return aiohttp.ClientSession(
        # Each source bounds its own connections; a common bound would let one starve another.
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"jitsi-verifier/{VERSION}", "Accept-Encoding": "gzip, deflate"},
        auto_decompress=False,
        trust_env=False,
    )


def key_url(text: str) -> URL:
    """Read a configured URL.

    Raises:
        ValueError: it is not absolute http or https.
    """
    url = URL(text)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"expected an http or https URL, found {shown_url(url)!r}")
    return url


def shown_url(url: URL) -> str:
    """Write a URL for people, without what may be secret in it."""
    return str(url.with_user(None).with_query(None).with_fragment(None)) if url.host else "none"


class HttpFetcher:
    """Fetches with one source's time limits."""

    def __init__(self, session: aiohttp.ClientSession, surroundings: SourceContext) -> None:
        settings = surroundings.settings
        self._session = session
        self._timeout = settings.key_fetch_timeout
        self._connect_timeout = aiohttp.ClientTimeout(connect=settings.key_connect_timeout)
        self._clock = surroundings.timing.clock

    async def get(self, url: URL, etag: str = "") -> Answer:
        """Fetch a URL; with an ``etag``, only if it has changed.

        Raises:
            KeySourceError: any other answer than 200, 204, 404 and an expected 304, none in time,
                or one that is too large.
        """
        try:
            async with asyncio.timeout(self._timeout):
                return await self._follow(url, {"If-None-Match": etag} if etag else {})
        except TimeoutError:
            # aiohttp's own, for connecting, and ours, for all of it.
            raise KeySourceError(f"no answer in time from {shown_url(url)}", timeout=True) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise KeySourceError(f"{_trouble(error)}: {shown_url(url)}") from None

    async def _follow(self, url: URL, headers: dict[str, str]) -> Answer:
        origin = url
        for _ in range(MAX_REDIRECTS + 1):
            async with self._session.get(
                url,
                headers=headers,
                allow_redirects=False,
                timeout=self._connect_timeout,
            ) as response:
                if response.status not in _REDIRECTS:
                    return await self._read(response, conditional=bool(headers))
                url = _redirected(origin, url, response.headers.get("Location", ""))
        words = f"more than {MAX_REDIRECTS} redirects from {shown_url(origin)}"
        raise KeySourceError(words, shared=False)

    async def _read(self, response: aiohttp.ClientResponse, *, conditional: bool) -> Answer:
        lifetime = stated_lifetime(response.headers, self._clock())
        etag = response.headers.get("ETag", "")
        if response.status in _GOOD:
            body = await read_body(response, MAX_DOCUMENT_BYTES)
            return Answer("ok", body, etag, lifetime)
        if response.status == 304 and conditional:
            return Answer("not-modified", b"", etag, lifetime)
        if response.status == 404:
            return Answer("not-found")
        words = f"status {response.status} from {shown_url(response.url)}"
        shared = response.status >= 500 or response.status in _SOURCE_TROUBLE
        raise KeySourceError(words, shared=shared)


def _redirected(origin: URL, current: URL, location: str) -> URL:
    try:
        target = current.join(URL(location))
    except ValueError:
        target = URL()
    if not location or not target.host or target.origin() != origin.origin():
        words = f"redirect to another origin from {shown_url(current)}: not followed"
        raise KeySourceError(words, shared=False)
    return target.with_user(origin.user).with_password(origin.password).with_fragment(None)


def _trouble(error: Exception) -> str:
    """Say what went wrong in fixed words: what libraries say may quote what a server sent."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host's name cannot be resolved"
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return "TLS failed"
    if isinstance(error, aiohttp.ClientConnectorError):
        reason = os.strerror(error.errno) if error.errno else "no route"
        return f"cannot connect ({reason})"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer was cut off"
    if isinstance(error, aiohttp.ServerDisconnectedError | OSError):
        return "the connection was closed"
    return "no HTTP answer that can be read"
