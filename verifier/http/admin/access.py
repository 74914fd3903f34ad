"""Access to the admin address: for the operator, not for web pages in the operator's browser.

A page of another site can send requests to a loopback address. Three checks refuse them:

- What such a page requests has another ``Sec-Fetch-Site``, or in older browsers ``Origin``. This is
  checked for every endpoint and method. Only a link to a page of this address may be followed.
- A body that a form can send has another ``Content-Type`` than JSON. For JSON, the browser first
  asks for permission (CORS preflight), and this address never grants it.
- After DNS rebinding, when a name of the other site leads to 127.0.0.1, ``Host`` has that name.

The last two checks, and that of the admin token, are for all endpoints except those that ``api``
lists as open. ``wrong_tokens`` says what happens after a wrong admin token.
"""

from __future__ import annotations

import hmac
from http import HTTPStatus
from typing import Final

from verifier.config.addresses import is_loopback, parse_ip_address
from verifier.http.admin.wrong_tokens import WrongTokens
from verifier.http.request import READ_METHODS, Request
from verifier.http.responses import NO_STORE, Response, problem

_OWN_SITE: Final = ("same-origin", "none")
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="jitsi-verifier admin"'}


class AdminGuard:
    """Refuses requests that may not use the admin address.

    Args:
        token: The bearer token that a request must have; None if no token is needed.
        wrong_tokens: Delays the answer to a wrong token.
    """

    def __init__(self, token: str | None, wrong_tokens: WrongTokens) -> None:
        self._token = token
        self._wrong_tokens = wrong_tokens

    async def refusal(self, request: Request) -> Response | None:
        """Return the response that refuses a request; None if the request is allowed."""
        if not self._is_authorized(request):
            return await self._refuse_token(request)
        if self._token is None and not _has_local_name(request):
            detail = "Host: expected localhost or a loopback address, since there is no admin_token"
            return problem(HTTPStatus.FORBIDDEN, detail, NO_STORE)
        if request.method in READ_METHODS:
            return None
        if (request.method == "POST" or request.body) and not _is_json(request):
            detail = "Content-Type: expected application/json"
            return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, NO_STORE)
        return None

    async def _refuse_token(self, request: Request) -> Response:
        detail = "expected the admin token as a bearer token"
        response = problem(HTTPStatus.UNAUTHORIZED, detail, NO_STORE | _CHALLENGE)
        if b"authorization" not in request.fields:
            return response  # no guess: the pages ask whether a token is needed
        if not await self._wrong_tokens.delay(_shown_peer(request)) and request.transport:
            request.transport.abort()
        return response

    def _is_authorized(self, request: Request) -> bool:
        if self._token is None:
            return True
        scheme, _, token = (request.sole(b"authorization") or "").partition(" ")
        # The scheme may be in any case (RFC 9110, section 11.1).
        if scheme.lower() != "bearer":
            return False
        given = token.lstrip(" ").encode("utf-8", "surrogatepass")
        return hmac.compare_digest(given, self._token.encode())


def _shown_peer(request: Request) -> str:
    peer = request.peer
    if not isinstance(peer, tuple):
        return "unix socket"
    # Also IPv4 clients of an IPv6 socket get their usual form.
    return str(parse_ip_address(peer[0]) or peer[0])


def _has_local_name(request: Request) -> bool:
    """Return whether ``Host`` is a name that no other site can have.

    A request without ``Host`` comes from no browser.
    """
    transport = request.transport
    # A socket name that is a string belongs to a unix socket, which no browser can reach.
    if transport is not None and isinstance(transport.get_extra_info("sockname"), str):
        return True
    host = request.sole(b"host")
    if host is None:
        return True
    name = _without_port(host)
    return is_loopback(name) or name.lower().removesuffix(".").endswith(".localhost")


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def refuse_other_site(request: Request, *, page: bool) -> Response | None:
    """Return the response that refuses a request of another site's page; None for other requests.

    Args:
        request: Any request; a program that is no browser sends none of the headers.
        page: Whether the path is a page for people, to which other sites may link.
    """
    if not _is_from_another_site(request) or (page and _follows_link(request)):
        return None
    detail = "expected no request from another site's page"
    return problem(HTTPStatus.FORBIDDEN, detail, NO_STORE)


def _is_from_another_site(request: Request) -> bool:
    """Return whether a browser says that the request comes from another site's page.

    ``Sec-Fetch-Site`` (W3C Fetch Metadata) is the browser's own comparison. It is right even
    behind a proxy that uses another name for this address, where ``Origin`` and ``Host`` differ.
    Another host of the same site counts as another site: it may be another team's.
    """
    if b"sec-fetch-site" in request.fields:
        return request.sole(b"sec-fetch-site") not in _OWN_SITE
    if b"origin" not in request.fields:
        return False
    scheme, _, authority = (request.sole(b"origin") or "").partition("://")
    return scheme not in ("http", "https") or authority != request.sole(b"host")


def _follows_link(request: Request) -> bool:
    """Return whether the browser opens the page in a tab, and not in another page."""
    return (
        request.method in READ_METHODS
        and request.sole(b"sec-fetch-mode") == "navigate"
        and request.sole(b"sec-fetch-dest") == "document"
    )


def _is_json(request: Request) -> bool:
    media_type = (request.sole(b"content-type") or "").partition(";")[0]
    return media_type.strip().lower() == "application/json"
