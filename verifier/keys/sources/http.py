"""One HTTP GET with limits: on time, on size, on redirects and on where they may lead.

The URL is the operator's, but the response is not trusted: the server may be broken, taken over,
or replaced by a proxy's error page. The rules are:

===================  =============================================================================
what                 rule
===================  =============================================================================
200, 204             a response; 204 counts because Jitsi's ``http_get_with_retry`` takes it
304                  "not modified", only as the answer to our ``If-None-Match``. Without one,
                     it says nothing about the key, so it is an error
404                  the server has no such key
408, 429, 5xx        the server itself fails; every other status concerns this one URL
3xx                  followed up to 3 times, only to the same scheme, host and port: another
                     origin must not be able to supply keys, and must not get our credentials
time                 5 s for everything (``key_fetch_timeout``), 2 s of it for connecting
size                 1 MiB, packed and unpacked: a packed megabyte can unpack to a gigabyte
freshness            ``Cache-Control`` or ``Expires`` (RFC 9111, section 4.2)
===================  =============================================================================

Errors use fixed phrases, because a library's message may quote what the server sent. Among the key
sources, only this module calls aiohttp. It returns bytes and does not parse them.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Literal

import aiohttp
from yarl import URL

from verifier.keys.formats import MAX_DOCUMENT_BYTES
from verifier.keys.sources.base import KeySourceError, SourceContext
from verifier.version import VERSION

MAX_REDIRECTS: Final = 3
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_GOOD: Final = (200, 204)
_SERVER_FAILS: Final = (408, 429)  # and 5xx

_CHUNK: Final = 65_536
# zlib's window bits: with a gzip header, or with a zlib header.
_WINDOWS: Final = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": 15}

_MAX_AGE: Final = re.compile(
    r"""(?:^|[\s,])max-age\s*=\s*"?(\d{1,10})"?\s*(?:,|$)""", re.IGNORECASE
)
_NEVER: Final = re.compile(r"(?:^|[\s,])no-(?:store|cache)\s*(?:,|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class KeyResponse:
    """A response that is not an error.

    Attributes:
        outcome: What the status means.
        body: The unpacked body; empty unless ``ok``.
        etag: The ``ETag``; empty if the response has none.
        lifetime: The stated freshness, seconds; None if the response states none.
    """

    outcome: Literal["ok", "not-modified", "not-found"]
    body: bytes = field(default=b"", repr=False)
    etag: str = ""
    lifetime: float | None = None


def open_session() -> aiohttp.ClientSession:
    """Open the session that all key sources of the process share; the caller closes it.

    It uses no proxy variables and no cookies. Bodies arrive packed: ``_read_body`` unpacks them.
    """
    return aiohttp.ClientSession(
        # Each source limits its own connections. With a common limit, a stalled server would use
        # up the connections of the others.
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"jitsi-verifier/{VERSION}", "Accept-Encoding": "gzip, deflate"},
        auto_decompress=False,
        trust_env=False,
    )


def parse_key_url(text: str) -> URL:
    """Parse a configured URL.

    Raises:
        ValueError: The URL is not absolute, or neither http nor https.
    """
    url = URL(text)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"expected an http or https URL, found {redacted_url(url)!r}")
    return url


def redacted_url(url: URL) -> str:
    """Return a URL for logs: without the user, query and fragment, which may be secret."""
    return str(url.with_user(None).with_query(None).with_fragment(None)) if url.host else "none"


class HttpFetcher:
    """Fetches URLs within one source's limits.

    Args:
        session: From ``open_session``.
        context: Limits and clocks.
    """

    def __init__(self, session: aiohttp.ClientSession, context: SourceContext) -> None:
        settings = context.settings
        self._session = session
        self._timeout = settings.key_fetch_timeout
        self._connect_timeout = aiohttp.ClientTimeout(connect=settings.key_connect_timeout)
        self._clock = context.timing.clock

    async def get(self, url: URL, etag: str = "") -> KeyResponse:
        """Fetch a URL; with an ``etag``, only if the content has changed.

        Raises:
            KeySourceError: There is no response in time, its status is none of 200, 204, 404 and an
                expected 304, or its body is too large.
        """
        try:
            async with asyncio.timeout(self._timeout):
                return await self._follow(url, {"If-None-Match": etag} if etag else {})
        except TimeoutError:
            # Raised by aiohttp for connecting, and by asyncio for everything.
            error = f"no response in time from {redacted_url(url)}"
            raise KeySourceError(error, timeout=True) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise KeySourceError(f"{_cause(error)}: {redacted_url(url)}") from None

    async def _follow(self, url: URL, headers: dict[str, str]) -> KeyResponse:
        origin = url
        for _ in range(MAX_REDIRECTS + 1):
            async with self._session.get(
                url,
                headers=headers,
                # aiohttp would follow to any host.
                allow_redirects=False,
                timeout=self._connect_timeout,
            ) as response:
                if response.status not in _REDIRECTS:
                    return await self._read(response, conditional=bool(headers))
                url = _redirect_target(origin, url, response.headers.get("Location", ""))
        error = f"more than {MAX_REDIRECTS} redirects from {redacted_url(origin)}"
        raise KeySourceError(error, source_wide=False)

    async def _read(self, response: aiohttp.ClientResponse, *, conditional: bool) -> KeyResponse:
        lifetime = stated_lifetime(response.headers, self._clock())
        etag = response.headers.get("ETag", "")
        if response.status in _GOOD:
            body = await _read_body(response, MAX_DOCUMENT_BYTES)
            return KeyResponse("ok", body, etag, lifetime)
        if response.status == 304 and conditional:
            return KeyResponse("not-modified", b"", etag, lifetime)
        if response.status == 404:
            return KeyResponse("not-found")
        error = f"status {response.status} from {redacted_url(response.url)}"
        source_wide = response.status >= 500 or response.status in _SERVER_FAILS
        raise KeySourceError(error, source_wide=source_wide)


def _redirect_target(origin: URL, current: URL, location: str) -> URL:
    try:
        target = current.join(URL(location))
    except ValueError:
        target = URL()
    if not location or not target.host or target.origin() != origin.origin():
        error = f"redirect to another origin from {redacted_url(current)}: not followed"
        raise KeySourceError(error, source_wide=False)
    return target.with_user(origin.user).with_password(origin.password).with_fragment(None)


def _cause(error: Exception) -> str:
    """Return a fixed phrase for a library's error."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host's name cannot be resolved"
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return "TLS failed"
    if isinstance(error, aiohttp.ClientConnectorError):
        reason = os.strerror(error.errno) if error.errno else "no route"
        return f"cannot connect ({reason})"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the response was cut off"
    if isinstance(error, aiohttp.ServerDisconnectedError | OSError):
        return "the connection was closed"
    return "the response is not valid HTTP"


async def _read_body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Read and unpack a body of at most ``limit`` bytes, packed and unpacked.

    aiohttp would unpack a whole chunk before it counts, so the session does not let it unpack.

    Raises:
        KeySourceError: The body is too large, packed otherwise than by gzip or deflate, or broken.
        aiohttp.ClientError: The body was cut off.
    """
    unpack = _unpacker(response.headers.get("Content-Encoding", "").strip().lower())
    body = bytearray()
    received = 0
    async for chunk in response.content.iter_chunked(_CHUNK):
        received += len(chunk)
        # One byte more than allowed is enough to see that the body is too large.
        body += unpack(chunk, limit + 1 - len(body))
        if received > limit or len(body) > limit:
            raise KeySourceError(f"body of more than {limit} bytes", source_wide=False)
    return bytes(body)


def _unpacker(encoding: str) -> Callable[[bytes, int], bytes]:
    if encoding in ("", "identity"):
        return lambda chunk, _limit: chunk
    if encoding not in _WINDOWS:
        error = "unexpected Content-Encoding: expected gzip or deflate"
        raise KeySourceError(error, source_wide=False)
    stream = zlib.decompressobj(_WINDOWS[encoding])

    def unpack(chunk: bytes, limit: int) -> bytes:
        try:
            return stream.decompress(chunk, limit)
        except zlib.error:
            raise KeySourceError("the body cannot be decompressed", source_wide=False) from None

    return unpack


def stated_lifetime(headers: Mapping[str, str], now: float) -> float | None:
    """Return how long a response says that it is fresh, for a private cache.

    Args:
        headers: The response's headers; a case-insensitive mapping.
        now: Unix time, seconds; used if there is no ``Date``.

    Returns:
        Seconds, less the ``Age``, never below 0; None if the response says nothing.
    """
    control = headers.get("Cache-Control", "")
    if _NEVER.search(control):
        return 0.0
    # max-age has precedence over Expires; s-maxage is for shared caches only.
    max_age = _MAX_AGE.search(control)
    if max_age is not None:
        return max(0.0, float(max_age[1]) - _age(headers))
    if "Expires" not in headers:
        return None
    # RFC 9111, section 5.3: an invalid date, such as "0", is in the past.
    expires = _unix_time(headers["Expires"])
    date = _unix_time(headers.get("Date", ""))
    return 0.0 if expires is None else max(0.0, expires - (now if date is None else date))


def _age(headers: Mapping[str, str]) -> float:
    age = headers.get("Age", "")
    return float(age) if re.fullmatch(r"[0-9]{1,10}", age) else 0.0


def _unix_time(http_date: str) -> float | None:
    try:
        parsed = parsedate_to_datetime(http_date)
    except (ValueError, IndexError, TypeError):
        return None
    # An HTTP date is in GMT even if it does not say so.
    return _as_utc(parsed).timestamp()


def _as_utc(date: datetime) -> datetime:
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
