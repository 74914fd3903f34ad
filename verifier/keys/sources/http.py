"""One HTTP GET with limits: on time, on size, on redirects and on where they may lead.

The URL is the operator's, but the response is not trusted: the server may be broken, taken over,
or replaced by a proxy's error page. The rules are:

===================  =============================================================================
what                 rule
===================  =============================================================================
200, 204             a response; 204 counts because Jitsi's ``http_get_with_retry`` takes it
304                  "not modified", only as the answer to our ``If-None-Match``. Without one,
                     it says nothing about the key, so it is an error
404, 410             the server has no such key
407, 408, 425, 429,  the server itself fails, or a proxy does
5xx
other 4xx            the server has no such key, or it refuses us: S3 answers 403 for a file that
                     does not exist, to a client that may not list its bucket, and other storage
                     servers answer 401 or 400
every other status   an error that concerns this one URL
3xx                  followed up to 3 times, only to the same scheme, host and port: another
                     origin must not be able to supply keys, and must not get our credentials
time                 5 s for everything (``key_fetch_timeout``), 2 s of it for connecting
size                 1 MiB, packed and unpacked: a packed megabyte can unpack to a gigabyte
proxy                ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``, see ``proxy``
===================  =============================================================================

Errors use fixed phrases, because a library's message may quote what the server sent. Among the key
sources, only this module calls aiohttp. It returns bytes (``body``) and how long they are fresh
(``freshness``), and does not parse them.
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
from verifier.keys.model import quote
from verifier.keys.sources.base import KeySourceError, SourceContext
from verifier.keys.sources.body import ACCEPT_ENCODING, read_body
from verifier.keys.sources.freshness import stated_lifetime
from verifier.keys.sources.proxy import proxy_for
from verifier.version import VERSION

MAX_REDIRECTS: Final = 3
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_LONGEST_TARGET: Final = 120  # characters of a redirect's target in a message
_GOOD: Final = (200, 204)
_SERVER_FAILS: Final = (407, 408, 425, 429)  # and 5xx
# A header field of an identity provider, such as a Content-Security-Policy, may have 10 KB.
_LONGEST_FIELD: Final = 65_536
_MOST_FIELDS: Final = 1000

# OpenSSL's codes of a certificate that is refused (``X509_V_ERR_…``): what is wrong, and the cure.
_CERTIFICATE_FAULTS: Final = {
    2: "SSL_CERT_FILE has an intermediate certificate authority: add the authority that issued it",
    9: "the server's certificate is not valid yet: check the clocks",
    10: "the server's certificate has expired",
    18: "the server's certificate is self-signed: name it in SSL_CERT_FILE to trust it",
    19: "the server's certificate authority is not trusted: name its certificate in SSL_CERT_FILE",
    20: "the server's certificate authority is not trusted, or the server sends no intermediate"
    " certificate: name the authority's certificate in SSL_CERT_FILE",
    21: "the server does not send its intermediate certificates",
    23: "the server's certificate is revoked",
    62: "the server's certificate is for another host name",
    64: "the server's certificate is for another IP address",
}


@dataclass(frozen=True, slots=True)
class KeyResponse:
    """A response that is not an error.

    Attributes:
        outcome: What the status means.
        body: The unpacked body; empty unless ``ok``.
        etag: The ``ETag``; empty if the response has none.
        lifetime: The stated freshness, seconds; None if the response states none.
        status: The HTTP status of a "not-found"; 200 if its body has no key.
    """

    outcome: Literal["ok", "not-modified", "not-found"]
    body: bytes = field(default=b"", repr=False)
    etag: str = ""
    lifetime: float | None = None
    status: int = 404


def open_session() -> aiohttp.ClientSession:
    """Open the session that all key sources of the process share; the caller closes it.

    It uses no cookies. Bodies arrive packed: ``read_body`` unpacks them.
    """
    return aiohttp.ClientSession(
        # Each source limits its own connections. With a common limit, a stalled server would use
        # up the connections of the others.
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"jitsi-verifier/{VERSION}", "Accept-Encoding": ACCEPT_ENCODING},
        auto_decompress=False,
        max_line_size=_LONGEST_FIELD,
        max_field_size=_LONGEST_FIELD,
        max_headers=_MOST_FIELDS,
        # It would also send the passwords of a .netrc file. ``proxy_for`` reads the variables.
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

    async def get(self, url: URL, etag: str = "", *, past_caches: bool = False) -> KeyResponse:
        """Fetch a URL.

        Args:
            url: The URL.
            etag: Fetch only if the content is no longer this version; empty for always.
            past_caches: Whether a cache between the server and us must ask the server, too.

        Raises:
            KeySourceError: There is no response in time, its status is none of those that mean a
                response or "no such key", or its body is too large.
        """
        headers = {"If-None-Match": etag} if etag else {}
        if past_caches:
            headers["Cache-Control"] = "no-cache"
        try:
            async with asyncio.timeout(self._timeout):
                return await self._follow(url, headers)
        except TimeoutError:
            # Raised by aiohttp for connecting, and by asyncio for everything.
            error = f"no response in time from {redacted_url(url)}"
            raise KeySourceError(error, timeout=True) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise KeySourceError(f"{_cause(error, url)}: {redacted_url(url)}") from None

    async def _follow(self, url: URL, headers: dict[str, str]) -> KeyResponse:
        origin = url
        try:
            proxy = proxy_for(url)
        except ValueError as unfit:
            raise KeySourceError(str(unfit)) from None
        for _ in range(MAX_REDIRECTS + 1):
            async with self._session.get(
                url,
                headers=headers,
                # aiohttp would follow to any host.
                allow_redirects=False,
                proxy=proxy,
                timeout=self._connect_timeout,
            ) as response:
                if response.status not in _REDIRECTS:
                    return await self._read(response, conditional="If-None-Match" in headers)
                url = _redirect_target(origin, url, response.headers.get("Location", ""))
        error = f"more than {MAX_REDIRECTS} redirects from {redacted_url(origin)}"
        raise KeySourceError(error, source_wide=False)

    async def _read(self, response: aiohttp.ClientResponse, *, conditional: bool) -> KeyResponse:
        lifetime = stated_lifetime(response.headers, self._clock())
        etag = response.headers.get("ETag", "")
        if response.status in _GOOD:
            body = await read_body(response, MAX_DOCUMENT_BYTES)
            return KeyResponse("ok", body, etag, lifetime)
        if response.status == 304 and conditional:
            return KeyResponse("not-modified", b"", etag, lifetime)
        source_wide = response.status >= 500 or response.status in _SERVER_FAILS
        if response.status >= 400 and not source_wide:
            return KeyResponse("not-found", status=response.status)
        error = f"status {response.status} from {redacted_url(response.url)}"
        raise KeySourceError(error, source_wide=source_wide)


def _redirect_target(origin: URL, current: URL, location: str) -> URL:
    try:
        target = current.join(URL(location)) if location else URL()
    except ValueError:
        target = URL()
    if not target.host or target.origin() != origin.origin():
        to = quote(redacted_url(target), _LONGEST_TARGET) if target.host else "no URL of HTTP"
        error = f"redirect from {redacted_url(current)} to another origin ({to}): not followed"
        raise KeySourceError(error, source_wide=False)
    return target.with_user(origin.user).with_password(origin.password).with_fragment(None)


def _cause(error: Exception, url: URL) -> str:
    """Return a fixed phrase for a library's error."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        whose = "host's name" if error.host == url.host else "proxy's name"
        return f"the {whose} cannot be resolved"
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return "cannot connect to the proxy of HTTPS_PROXY or HTTP_PROXY"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy of HTTPS_PROXY answered with status {error.status}"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _certificate_fault(error.certificate_error)
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return _tls_fault(error.os_error)
    if isinstance(error, ssl.SSLError):
        return _tls_fault(error)
    if isinstance(error, aiohttp.ClientConnectorError):
        # Without a number, the server has closed the connection in the middle of TLS's handshake.
        reason = os.strerror(error.errno) if error.errno else "the server closed the connection"
        return f"cannot connect ({reason})"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the response was cut off"
    if isinstance(error, aiohttp.ServerDisconnectedError | OSError):
        return "the connection was closed"
    return "the response is not valid HTTP"


def _certificate_fault(error: Exception) -> str:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return "TLS failed: the server's certificate is refused"
    # OpenSSL's own text quotes nothing but the host name that the operator configured.
    fault = _CERTIFICATE_FAULTS.get(error.verify_code, error.verify_message)
    if "SSL_CERT_FILE" in fault:
        fault += _problem_of_certificate_file()
    return f"TLS failed: {fault} (OpenSSL verify code {error.verify_code})"


def _problem_of_certificate_file() -> str:
    """Return why OpenSSL trusts nothing that SSL_CERT_FILE names; it ignores such a file."""
    path = os.environ.get("SSL_CERT_FILE")
    if not path:
        return ""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        found = "has no certificate in PEM"
    except OSError as error:
        found = f"cannot be read ({error.strerror})"
    else:
        return ""
    return f"; the file that it names now {found}"


def _tls_fault(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_fault(error)
    # The reason is the name of one of OpenSSL's constants.
    reason = getattr(error, "reason", None)
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return f"TLS failed: the server does not speak TLS on this port ({reason})"
    return f"TLS failed ({reason})" if reason else "TLS failed"
